/** The admin port of a running kshadow, as the commands use it. */
import { IncomingMessage, request as httpRequest } from 'node:http'
import type { Socket } from 'node:net'
import { z } from 'zod'
import { linkStatusSchema, linkUpdateSchema, preflightLineSchema, restorePlanSchema } from '../admin/link-status-schema.ts'
import { USER_HEADER } from '../admin/operator.ts'
import { problemSchema, type Problem } from '../admin/problem.ts'
import { CLUSTER_HEADER } from '../admin/request-guard.ts'
import { readinessSchema, type Readiness } from '../admin/readiness.ts'
import { verifyLineSchema, type VerifyLine } from '../admin/verify-stream.ts'
import { filtersDocument } from '../config/link/name-filter.ts'
import { messageOf, ShadowError } from '../errors.ts'
import { dialTcp, type Dial } from '../net/dial.ts'
import { formatHostPort, type HostPort } from '../net/host-port.ts'
import type { LinkStatus, LinkUpdate, PauseSelection, PreflightLine, Restoration, RestorePlan, TopicSelection } from '../replication/link-service.ts'
import { auditSchema, type AuditRecord } from '../state/audit-record.ts'
import { obstacleToLeader, parseLeaderAddress } from './admin-address.ts'
import { packageVersion } from './version.ts'

/** What the admin port refused or failed to do. */
export class AdminError extends Error {
  readonly problem: Problem

  constructor (problem: Problem) {
    super(problem.detail)
    this.name = 'AdminError'
    this.problem = problem
  }
}

/** True for what may be otherwise a moment later: no engine leads, say, or none can be reached. */
export function mayPass (error: unknown): boolean {
  return error instanceof AdminError ? error.problem.status === 421 || error.problem.status >= 500 : error instanceof ShadowError
}

export interface AdminClientOptions {
  readonly address: HostPort
  readonly signal: AbortSignal
  /** Who runs it, for the audit; null where the system does not say. */
  readonly user: string | null
  /** Called when an order is sent to another engine than the one that was asked. */
  readonly onRedirected?: (leader: HostPort) => void
  /** Called when `signal` ends the wait for the answer to an order that was sent. */
  readonly onUnanswered?: () => void
  readonly dial?: Dial
}

interface Leader {
  readonly address: HostPort
  /** The id of the shadow cluster whose links it leads: who is somebody else's engine refuses. Null where who named it did not say. */
  readonly clusterId: string | null
}

interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  readonly body?: unknown
  /** How long nothing may come. */
  readonly timeoutMs: number
  /** A status that is an answer besides those from 200 to 299. */
  readonly alsoGood?: number
  /** It changes something. */
  readonly isOrder?: boolean
}

/** Nobody waits longer for a host that is gone: another one may lead. */
const CONNECT_TIMEOUT_MS = 3000
/** From then on a host that says nothing is asked whether it is there; the kernel gives up on it some 10 s later. */
const KEEP_ALIVE_MS = 10_000
const TIMEOUT_MS = 15_000
/** A creation asks both clusters first. */
const CREATE_TIMEOUT_MS = 45_000
/** A forced deletion fails topics over first. */
const DELETE_TIMEOUT_MS = 120_000
const ORDER_TIMEOUT_MS = 60_000
/** All of a topic may have to be read first. */
const COMPARE_TIMEOUT_MS = 3_600_000
const MAX_ANSWER_BYTES = 256 * 1024 * 1024
const MAX_LINE_LENGTH = 1024 * 1024

export class AdminClient {
  readonly #signal: AbortSignal
  readonly #user: string | null
  readonly #onRedirected: (leader: HostPort) => void
  readonly #onUnanswered: () => void
  readonly #dial: Dial
  readonly #asked: HostPort
  /** The engine that leads, as the one that was asked has told; null while that is not known to be another one. */
  #leader: Leader | null = null

  constructor ({ address, signal, user, onRedirected = () => {}, onUnanswered = () => {}, dial = dialTcp }: AdminClientOptions) {
    this.#asked = address
    this.#user = user
    this.#signal = signal
    this.#onRedirected = onRedirected
    this.#onUnanswered = onUnanswered
    this.#dial = dial
  }

  async list (): Promise<LinkStatus[]> {
    return await this.#json({ method: 'GET', path: '/v1/links', timeoutMs: TIMEOUT_MS }, z.array(linkStatusSchema))
  }

  /** Whether the process that was asked does its work; it need not be the one that leads. */
  async readiness (): Promise<Readiness> {
    return await this.#json({ method: 'GET', path: '/readyz', timeoutMs: TIMEOUT_MS, alsoGood: 503 }, readinessSchema)
  }

  async status (link: string): Promise<LinkStatus> {
    return await this.#json({ method: 'GET', path: pathOf(link), timeoutMs: TIMEOUT_MS }, linkStatusSchema)
  }

  /** `document` is the link's YAML document as JSON. */
  async create (document: unknown, { dryRun }: { readonly dryRun: boolean }): Promise<LinkStatus> {
    return await this.#json({ method: 'POST', path: `/v1/links${dryRun ? '?dry_run=true' : ''}`, body: document, timeoutMs: CREATE_TIMEOUT_MS, isOrder: !dryRun }, linkStatusSchema)
  }

  /** `document` is all that the link is to have. */
  async update (link: string, document: unknown, { dryRun }: { readonly dryRun: boolean }): Promise<LinkUpdate> {
    return await this.#json({ method: 'PUT', path: `${pathOf(link)}${dryRun ? '?dry_run=true' : ''}`, body: document, timeoutMs: CREATE_TIMEOUT_MS, isOrder: !dryRun }, linkUpdateSchema)
  }

  /** What a link from this document needs, line by line. */
  async check (document: unknown): Promise<PreflightLine[]> {
    return await this.#json({ method: 'POST', path: '/v1/check', body: document, timeoutMs: CREATE_TIMEOUT_MS }, z.array(preflightLineSchema))
  }

  /** Starts the failover of topics, or of all with null. */
  async failover (link: string, topics: TopicSelection): Promise<LinkStatus> {
    return await this.#order(link, 'failover', topics)
  }

  /** Starts the promotion of topics, or of all with null. */
  async promote (link: string, topics: TopicSelection): Promise<LinkStatus> {
    return await this.#order(link, 'promote', topics)
  }

  async pause (link: string, what: PauseSelection): Promise<LinkStatus> {
    return await this.#order(link, 'pause', what)
  }

  async resume (link: string, what: PauseSelection): Promise<LinkStatus> {
    return await this.#order(link, 'resume', what)
  }

  async removeTopic (link: string, topic: string): Promise<LinkStatus> {
    return await this.#json({ method: 'DELETE', path: pathOfTopic(link, topic), timeoutMs: DELETE_TIMEOUT_MS, isOrder: true }, linkStatusSchema)
  }

  async retryTopic (link: string, topic: string): Promise<LinkStatus> {
    return await this.#json({ method: 'POST', path: `${pathOfTopic(link, topic)}/retry`, body: {}, timeoutMs: COMPARE_TIMEOUT_MS, isOrder: true }, linkStatusSchema)
  }

  async restoreTopic (link: string, topic: string, restoration: Restoration): Promise<LinkStatus> {
    return await this.#json({ method: 'POST', path: `${pathOfTopic(link, topic)}/restore`, body: restoration, timeoutMs: restoration.from === 'scratch' ? ORDER_TIMEOUT_MS : COMPARE_TIMEOUT_MS, isOrder: true }, linkStatusSchema)
  }

  /** What a restoration from the common prefix would throw away. */
  async planRestore (link: string, topic: string): Promise<RestorePlan> {
    return await this.#json({ method: 'GET', path: `${pathOfTopic(link, topic)}/common-prefix`, timeoutMs: COMPARE_TIMEOUT_MS }, restorePlanSchema)
  }

  async #order (link: string, order: string, what: PauseSelection): Promise<LinkStatus> {
    return await this.#json({ method: 'POST', path: `${pathOf(link)}/${order}`, body: bodyOfSelection(what), timeoutMs: ORDER_TIMEOUT_MS, isOrder: true }, linkStatusSchema)
  }

  async delete (link: string, { force }: { readonly force: boolean }): Promise<void> {
    const call: Call = { method: 'DELETE', path: `${pathOf(link)}${force ? '?force=true' : ''}`, timeoutMs: DELETE_TIMEOUT_MS, isOrder: true }
    await this.#body(await this.#send(call), call)
  }

  /** Who ordered what, oldest first; of all links with null. */
  async audit (link: string | null): Promise<AuditRecord[]> {
    return await this.#json({ method: 'GET', path: `/v1/audit${link === null ? '' : `?link=${encodeURIComponent(link)}`}`, timeoutMs: TIMEOUT_MS }, z.array(auditSchema))
  }

  /** @throws {ShadowError} CONNECTION_CLOSED when the lines end before the summary */
  async * verify (link: string, topic: string | null): AsyncGenerator<VerifyLine, void, undefined> {
    const path = `${pathOf(link)}/verify${topic === null ? '' : `?topic=${encodeURIComponent(topic)}`}`
    const answer = await this.#send({ method: 'GET', path, timeoutMs: TIMEOUT_MS })
    try {
      for await (const line of linesOf(answer)) {
        const parsed = this.#parse(line, verifyLineSchema)
        yield parsed
        if (parsed.kind === 'summary' || parsed.kind === 'problem') return
      }
    } catch (error) {
      if (this.#signal.aborted || error instanceof ShadowError) throw this.#failure(error, { method: 'GET' })
      throw new ShadowError('CONNECTION_CLOSED', `the connection to ${this.#name} broke before the verification had ended (${messageOf(error)})`, { cause: error })
    } finally {
      answer.destroy()
    }
    throw new ShadowError('CONNECTION_CLOSED', `${this.#name} closed the connection before the verification had ended`)
  }

  get #address (): HostPort {
    return this.#leader?.address ?? this.#asked
  }

  get #name (): string {
    return formatHostPort(this.#address)
  }

  async #json<T> (call: Call, schema: z.ZodType<T>): Promise<T> {
    const answer = await this.#send(call)
    return this.#parse(await this.#body(answer, call), schema)
  }

  /** Sends a call, and once more to the engine that leads if another one does. Where that one is gone, who was asked first knows who leads by now. */
  async #send (call: Call): Promise<IncomingMessage> {
    const first = await this.#attemptWhereKnown(call)
    if (first instanceof IncomingMessage) return first
    const teller = this.#address
    this.#leader = null
    if (first.code !== 'NOT_LEADER') throw new AdminError(first)
    const leader = typeof first.leader === 'string' ? parseLeaderAddress(first.leader) : null
    if (leader === null) throw new AdminError(first)
    const obstacle = obstacleToLeader(leader, teller)
    if (obstacle !== null) throw new AdminError({ ...first, detail: `${first.detail}; ${obstacle}` })
    // Who was asked first may lead again.
    this.#leader = formatHostPort(leader) === formatHostPort(this.#asked) ? null : { address: leader, clusterId: first.cluster ?? null }
    try {
      const second = await this.#attempt(call)
      if (second instanceof IncomingMessage) return second
      this.#leader = null
      throw new AdminError(second)
    } catch (error) {
      this.#leader = null
      if (!wasNotSent(error)) throw error
      throw new AdminError({ ...first, detail: `${first.detail}, which cannot be reached from here. If that engine is gone, another one leads once its session has ended (6 s unless engine.session_timeout is set): try again then` })
    }
  }

  async #attemptWhereKnown (call: Call): Promise<IncomingMessage | Problem> {
    try {
      return await this.#attempt(call)
    } catch (error) {
      const isAsked = this.#leader === null
      this.#leader = null
      if (isAsked || !wasNotSent(error)) throw error
      return await this.#attempt(call)
    }
  }

  /** The answer, or the problem that it tells of. */
  async #attempt (call: Call): Promise<IncomingMessage | Problem> {
    const answer = await this.#request(call)
    const status = answer.statusCode ?? 0
    if ((status >= 200 && status < 300) || status === call.alsoGood) return answer
    const text = await this.#body(answer, call)
    const problem = problemSchema.safeParse(parseJson(text))
    if (problem.success) return problem.data
    throw new ShadowError('VERSION_UNSUPPORTED', `what listens at ${this.#name} is not the admin port of a kshadow: it answered ${call.method} ${call.path} with HTTP status ${status}. Give the right one with --admin`)
  }

  async #request (call: Call): Promise<IncomingMessage> {
    const body = call.body === undefined ? null : JSON.stringify(call.body)
    const socket = await this.#connect()
    if (call.isOrder === true && this.#leader !== null) this.#onRedirected(this.#leader.address)
    const clusterId = this.#leader?.clusterId ?? null
    return await new Promise((resolve, reject) => {
      const request = httpRequest({
        host: this.#address.host,
        port: this.#address.port,
        method: call.method,
        path: call.path,
        createConnection: () => socket,
        signal: this.#signal,
        headers: {
          accept: 'application/json, application/x-ndjson',
          'user-agent': `kshadow/${packageVersion()}`,
          ...(this.#user === null ? {} : { [USER_HEADER]: encodeURIComponent(this.#user) }),
          ...(clusterId === null ? {} : { [CLUSTER_HEADER]: clusterId }),
          ...(body === null ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) })
        }
      }, resolve)
      request.setTimeout(call.timeoutMs, () => request.destroy(new ShadowError('REQUEST_TIMEOUT', `the kshadow at ${this.#name} has not answered for ${call.timeoutMs / 1000} s${outcomeOf(call.method)}`)))
      request.on('error', error => reject(this.#failure(error, call)))
      request.end(body)
    })
  }

  /** @throws {ShadowError} CONNECT_FAILED, when nothing was sent, and nowhere else */
  async #connect (): Promise<Socket> {
    try {
      const socket = await this.#dial(this.#address, { timeoutMs: CONNECT_TIMEOUT_MS, signal: this.#signal })
      return socket.setKeepAlive(true, KEEP_ALIVE_MS)
    } catch (error) {
      if (this.#signal.aborted) throw this.#signal.reason
      const cause = error instanceof Error ? error.cause : null
      const isRefused = cause instanceof Error && 'code' in cause && cause.code === 'ECONNREFUSED'
      const message = isRefused
        ? `no kshadow is listening at ${this.#name}: start one with \`kshadow run -c FILE\`, or give --admin`
        : `the kshadow at ${this.#name} cannot be reached, and nothing was sent (${messageOf(error)}); is --admin right?`
      throw new ShadowError('CONNECT_FAILED', message, { cause: error, retriable: true })
    }
  }

  async #body (answer: IncomingMessage, call: Call): Promise<string> {
    try {
      return await bodyOf(answer)
    } catch (error) {
      throw this.#failure(error, call)
    }
  }

  #failure (error: unknown, { method, isOrder = false }: Pick<Call, 'method' | 'isOrder'>): Error {
    if (isOrder && this.#signal.aborted) this.#onUnanswered()
    const reason: unknown = this.#signal.aborted ? this.#signal.reason : error
    if (reason instanceof ShadowError) return reason
    const code = reason instanceof Error && 'code' in reason ? reason.code : ''
    if (code === 'ECONNRESET' || code === 'EPIPE') return new ShadowError('CONNECTION_CLOSED', `the kshadow at ${this.#name} closed the connection before it had answered${outcomeOf(method)}`, { cause: error, retriable: true })
    if (typeof code === 'string' && code.startsWith('HPE_')) return new ShadowError('VERSION_UNSUPPORTED', `what listens at ${this.#name} does not speak HTTP: is that the port of a broker? Give the admin port with --admin`, { cause: error })
    return new ShadowError('CONNECTION_CLOSED', `the connection to ${this.#name} broke before it had answered (${messageOf(error)})${outcomeOf(method)}`, { cause: error, retriable: true })
  }

  #parse<T> (text: string, schema: z.ZodType<T>): T {
    const result = schema.safeParse(parseJson(text))
    if (result.success) return result.data
    const [issue] = result.error.issues
    throw new ShadowError('VERSION_UNSUPPORTED', `the answer of ${this.#name} cannot be understood (${issue === undefined ? '' : `${issue.path.join('.')}: `}${issue?.message ?? 'not JSON'}): the kshadow there is of another version, or it is no kshadow`)
  }
}

/** True for a call that came to nobody. */
function wasNotSent (error: unknown): boolean {
  return error instanceof ShadowError && error.code === 'CONNECT_FAILED'
}

/** What a call that was not answered may have done. */
function outcomeOf (method: Call['method']): string {
  return method === 'GET' ? '' : '; what was asked for may have been carried out all the same: look at the status before you repeat it'
}

function pathOfTopic (link: string, topic: string): string {
  return `${pathOf(link)}/topics/${encodeURIComponent(topic)}`
}

function bodyOfSelection (what: PauseSelection): unknown {
  if (what === null) return {}
  if (typeof what === 'string') return { topic: what }
  return 'task' in what ? what : { filters: filtersDocument(what) }
}

function pathOf (link: string): string {
  return `/v1/links/${encodeURIComponent(link)}`
}

/** Undefined for a text that is not JSON: no schema accepts that. */
function parseJson (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function bodyOf (answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of answer) {
    if (!Buffer.isBuffer(chunk)) throw new ShadowError('INVARIANT', 'an answer that is not bytes')
    sizeBytes += chunk.length
    if (sizeBytes > MAX_ANSWER_BYTES) throw new ShadowError('VERSION_UNSUPPORTED', `an answer of more than ${MAX_ANSWER_BYTES} bytes: that is no kshadow`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

async function * linesOf (answer: IncomingMessage): AsyncGenerator<string, void, undefined> {
  answer.setEncoding('utf8')
  let rest = ''
  for await (const chunk of answer) {
    const lines = (rest + String(chunk)).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > MAX_LINE_LENGTH) throw new ShadowError('VERSION_UNSUPPORTED', 'a line without an end: that is no kshadow')
    yield * lines
  }
}
