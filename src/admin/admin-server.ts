/**
 * The admin port: HTTP with JSON, for the command line and for probes. It has no authentication and is meant for this machine.
 *
 *   GET    /v1/links                     POST /v1/links[?dry_run]     body: the link's YAML document as JSON
 *   POST   /v1/check                     body: the same; what a creation needs, line by line
 *   GET    /v1/links/:link               DELETE /v1/links/:link[?force]
 *   PUT    /v1/links/:link[?dry_run]     body: the whole document that the link is to have
 *   POST   /v1/links/:link/failover      body: {"topic": "NAME"}, {"filters": […]}, or {} for all
 *   POST   /v1/links/:link/promote       the same
 *   POST   /v1/links/:link/pause         the same, or {"task": "NAME"}; and /resume
 *   DELETE /v1/links/:link/topics/:topic  takes it out of the link
 *   POST   /v1/links/:link/topics/:topic/retry, /restore              bodies: {}, {"from": "scratch"}
 *   GET    /v1/links/:link/verify[?topic=NAME]                        lines of JSON, see verify-stream.ts
 *   GET    /v1/audit[?link=NAME]         who ordered what
 *   GET    /v1/sidecar
 *   GET    /livez, /readyz               the process runs; it does its work
 */
import type { AddressInfo } from 'node:net'
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { isLoopback, type RunConfig } from '../config/run-config.ts'
import { messageOf, ShadowError } from '../errors.ts'
import { formatHostPort, type HostPort } from '../net/host-port.ts'
import type { Logger } from '../observability/logger.ts'
import type { LinkService } from '../replication/link-service.ts'
import type { AdminParts } from './admin-parts.ts'
import { addLinkRoutes } from './link-routes.ts'
import { isMeantForClients, problem, problemOf, PROBLEM_TYPE, type Problem } from './problem.ts'
import { leaderAddress, readinessOf } from './readiness.ts'
import { isJson, misdirection, refusalOf } from './request-guard.ts'

export interface AdminServerOptions {
  readonly config: RunConfig
  /** Read anew for every request: parts come up and go down while the admin port is open. */
  readonly parts: AdminParts
  readonly logger: Logger
  /** How long a verification may say nothing, in milliseconds. */
  readonly verifyQuietMs?: number
}

const MAX_BODY_BYTES = 1024 * 1024
const MAX_PARAMETER_LENGTH = 512
/** How long a request may take to arrive. */
const ARRIVAL_TIMEOUT_MS = 10_000
/** How long answers that are under way are waited for at the end. */
const STOP_TIMEOUT_MS = 2000

/** The requests that are being answered. */
class Answers {
  #count = 0
  #onNone: (() => void) | null = null

  begin (): void {
    this.#count++
  }

  end (): void {
    this.#count--
    if (this.#count === 0) this.#onNone?.()
  }

  /** Resolves when all are answered, or after `timeoutMs`. */
  async ended (timeoutMs: number): Promise<void> {
    if (this.#count === 0) return
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, timeoutMs)
      this.#onNone = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

export class AdminServer {
  readonly address: HostPort
  readonly #app: FastifyInstance
  readonly #answers: Answers
  readonly #ending: AbortController

  private constructor (app: FastifyInstance, options: { readonly ending: AbortController, readonly answers: Answers, readonly address: HostPort }) {
    this.#app = app
    this.#ending = options.ending
    this.#answers = options.answers
    this.address = options.address
  }

  /** @throws {ShadowError} CONFLICT when it cannot listen at its address */
  static async start (options: AdminServerOptions): Promise<AdminServer> {
    const ending = new AbortController()
    const answers = new Answers()
    const app = createApp(options, { signal: ending.signal, answers })
    const { listen } = options.config.admin
    try {
      await app.listen({ host: listen.host, port: listen.port })
    } catch (error) {
      throw new ShadowError('CONFLICT', `the admin port cannot listen at ${formatHostPort(listen)} (${messageOf(error)}); is another kshadow running? Otherwise give it another address: admin.listen`, { cause: error })
    }
    if (!isLoopback(listen.host)) options.logger.warn({ listen: formatHostPort(listen) }, 'the admin port has no authentication and can be reached from other machines')
    return new AdminServer(app, { ending, answers, address: { host: listen.host, port: portOf(app, listen.port) } })
  }

  /** Ends verifications, waits a moment for other answers, and closes every connection. */
  async stop (): Promise<void> {
    this.#ending.abort(new ShadowError('ABORTED', 'this kshadow is shutting down'))
    const closed = this.#app.close()
    await this.#answers.ended(STOP_TIMEOUT_MS)
    // Those that have not asked for anything yet would be waited for, too.
    this.#app.server.closeAllConnections()
    await closed
  }
}

function createApp ({ config, parts, logger, verifyQuietMs = 5000 }: AdminServerOptions, { signal, answers }: { readonly signal: AbortSignal, readonly answers: Answers }): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: ARRIVAL_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    // A HEAD of a verification would carry it out.
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
    // What cannot even be routed, such as a path with a bad escape.
    frameworkErrors: (error, request, reply) => { fail(error, request, reply) }
  })
  app.removeContentTypeParser('text/plain')

  app.addHook('onRequest', (_request, reply, done) => {
    answers.begin()
    reply.raw.once('close', () => answers.end())
    done()
  })
  app.addHook('onRequest', async (request, reply) => {
    const refusal = refusalOf({ method: request.method, headers: request.headers }, config.admin)
    if (refusal !== null) return await send(reply, problem('REQUEST_REFUSED', refusal))
    const misdirected = misdirection(request.headers, parts.clusterId)
    if (misdirected !== null) return await send(reply, problem('CONFLICT', misdirected))
    if ((request.method === 'POST' || request.method === 'PUT') && !isJson(request.headers)) return await send(reply, problem('REQUEST_INVALID', 'expected a body of content-type application/json', 415))
  })
  app.addHook('onResponse', async (request, reply) => {
    logger.debug({ request: request.id, method: request.method, path: request.url, status: reply.statusCode, ms: Math.round(reply.elapsedTime) }, 'admin request')
  })

  const fail = (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const statusCode = refusalStatus(error)
    if (statusCode !== null) return send(reply, problem('REQUEST_INVALID', messageOf(error), statusCode))
    if (!isMeantForClients(error)) logger.error({ err: error, request: request.id, method: request.method, path: request.url }, 'an admin request failed unexpectedly')
    const answer = problemOf(error, { requestId: request.id, leader: leaderAddress(parts), cluster: parts.clusterId })
    return send(reply, answer.leader === null ? { ...answer, detail: withReason(answer.detail, parts) } : answer)
  }
  app.setErrorHandler(fail)
  app.setNotFoundHandler((request, reply) => send(reply, problem('NOT_FOUND', `there is no ${request.method} ${request.url}`)))

  app.get('/livez', () => ({ alive: true }))
  app.get('/readyz', async (_request, reply) => {
    const readiness = readinessOf(parts, config)
    return await reply.code(readiness.ready ? 200 : 503).header('cache-control', 'no-store').send(readiness)
  })
  app.get('/v1/sidecar', () => {
    if (!config.sidecar.enabled) throw new ShadowError('NOT_FOUND', 'the sidecar is switched off in this process (sidecar.enabled)')
    if (parts.sidecar === null) throw new ShadowError('CLUSTER_UNAVAILABLE', 'the sidecar is starting', { retriable: true })
    return parts.sidecar.status()
  })
  addLinkRoutes(app, { links: () => linksOf(parts, config), leader: () => leaderAddress(parts), clusterId: () => parts.clusterId, signal, verifyQuietMs })
  return app
}

function linksOf (parts: AdminParts, config: RunConfig): LinkService {
  if (parts.links !== null) return parts.links
  if (config.engine.enabled) throw new ShadowError('CLUSTER_UNAVAILABLE', 'the engine is starting', { retriable: true })
  throw new ShadowError('NOT_LEADER', 'the engine is switched off in this process (engine.enabled)')
}

/** Why nobody is known to lead, where this process knows. */
function withReason (detail: string, parts: AdminParts): string {
  const reason = parts.engineProblem ?? parts.state.problem
  return reason === null ? detail : `${detail}: ${reason}`
}

/** The status that the HTTP library gives its own refusals; null for all other errors. */
function refusalStatus (error: unknown): number | null {
  if (!(error instanceof Error) || !('code' in error) || !('statusCode' in error)) return null
  const { code, statusCode } = error
  return typeof code === 'string' && code.startsWith('FST_') && typeof statusCode === 'number' && statusCode < 500 ? statusCode : null
}

function send (reply: FastifyReply, body: Problem): FastifyReply {
  return reply.code(body.status).type(PROBLEM_TYPE).header('cache-control', 'no-store').send(body)
}

function portOf (app: FastifyInstance, fallback: number): number {
  const address: AddressInfo | string | null = app.server.address()
  return typeof address === 'object' && address !== null ? address.port : fallback
}
