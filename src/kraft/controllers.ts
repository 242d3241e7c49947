import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { DescribeQuorum } from '../../protocol/messages/describe-quorum.ts'
import type { Api, RequestInput, ResponseOf } from '../../protocol/schema/api.ts'
import { Broker } from '../client/broker.ts'
import { BrokerError, isRetriable, messageOf, ShadowError } from '../errors.ts'
import { abortedError, orAborted, throwIfAborted } from '../net/abort.ts'
import { backoffMs } from '../net/backoff.ts'
import type { Dial } from '../net/dial.ts'
import { formatHostPort, type HostPort } from '../net/host-port.ts'
import { sleep } from '../net/sleep.ts'
import type { Logger } from '../observability/logger.ts'
import { DESCRIBE_QUORUM_BODY, quorumView } from './quorum-view.ts'
import type { LocateControllers } from './locate-controllers.ts'

export interface ControllersOptions {
  readonly locate: LocateControllers
  readonly clientId: string
  readonly logger: Logger
  readonly dial?: Dial
  /** For a dial and the negotiation of versions. Default 2 s. */
  readonly connectionTimeoutMs?: number
  /** Milliseconds. Default: performance.now(). */
  readonly now?: () => number
  readonly random?: () => number
}

/** Requests of one purpose share a connection: a heartbeat waits for no other request, nor does it end with one that is overdue. */
export type ControllerPurpose = 'heartbeat' | 'metadata' | 'command'

export interface ControllerRequestOptions<A extends Api> {
  readonly signal: AbortSignal
  readonly purpose: ControllerPurpose
  /** True when it may be carried out twice: then it is sent again although a controller may have acted on it already. */
  readonly idempotent: boolean
  /** For one attempt. Default 2.5 s, which is also the longest that a heartbeat can wait for a controller that stands still. */
  readonly timeoutMs?: number
  /** How long to go on, from the first attempt. An attempt that is under way then is not cut short. Default: for ever. */
  readonly deadlineMs?: number
  readonly minVersion?: number
  /** Where the answer has its error code. Default: `errorCode`. */
  readonly errorCodeOf?: (body: ResponseOf<A>) => number
}

export interface ActiveController {
  readonly id: number
  /** Of the metadata log. */
  readonly epoch: number
  readonly address: HostPort
}

export interface ControllerAnswer<A extends Api> {
  readonly body: ResponseOf<A>
  readonly version: number
  readonly controller: ActiveController
  /** When the request was sent that was answered, by the clock of the options. What the answer says may be older, but not newer. */
  readonly sentAtMs: number
}

/** The body of a request by the version that is sent, and who it is sent to. It is made anew for every attempt; what it throws ends the request. */
export type ControllerBody<A extends Api> = RequestInput<A> | ((version: number, controller: ActiveController) => RequestInput<A>)

interface Active extends ActiveController {
  readonly broker: Broker
}

const CONNECTION_TIMEOUT_MS = 2000
const REQUEST_TIMEOUT_MS = 2500
const PROBE_TIMEOUT_MS = 1000

/** Controllers that have not answered by then do not hold up a round: one of them may stand still. */
const ROUND_MS = 500

const BACKOFF = { baseMs: 50, maxMs: 500 }

/** What a controller answers that is not the active one, or is about to lose or to win that. */
const OTHER_CONTROLLER: ReadonlySet<number> = new Set<number>([
  ErrorCodes.NOT_CONTROLLER, ErrorCodes.NOT_LEADER_OR_FOLLOWER, ErrorCodes.LEADER_NOT_AVAILABLE, ErrorCodes.BROKER_NOT_AVAILABLE,
  ErrorCodes.FENCED_LEADER_EPOCH, ErrorCodes.UNKNOWN_LEADER_EPOCH, ErrorCodes.REQUEST_TIMED_OUT
])

/**
 * The controllers of a KRaft cluster, and which of them is the active one.
 *
 *   unknown ──round──▶ active ──it says it is not, does not answer, or hangs up──▶ suspected ──round──▶ active …
 *                                                                                  ▲   │
 *                                                                                  └───┘ no controller leads: pause
 *
 * A round asks all controllers at once. One that leads an epoch newer than any that was seen is taken at once; the epoch that is
 * known already only when the round is over, because controllers go on naming a dead leader until there is another one. What
 * they say about others is not believed at all: each is asked about itself. One that leads an older epoch has been replaced.
 */
export class Controllers {
  readonly #options: ControllersOptions
  readonly #now: () => number
  readonly #random: () => number
  readonly #abort = new AbortController()
  readonly #brokers = new Map<string, Broker>()
  #addresses: readonly HostPort[] = []
  #isLocated = false
  #active: Active | null = null
  #isSuspected = false
  #lastEpoch = -1
  #searching: Promise<Active> | null = null
  #problem: string | null = null

  constructor (options: ControllersOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    this.#random = options.random ?? Math.random
  }

  /** The node id of the active controller as far as it is known; null while it is looked for. */
  get activeId (): number | null {
    return this.#isSuspected ? null : this.#active?.id ?? null
  }

  /** Why the active controller does not answer or cannot be found; null when it answered last. */
  get problem (): string | null {
    return this.#problem
  }

  /**
   * Sends a request to the active controller, and again to whoever is it then when that one turns out not to be it or does not
   * answer. What was sent is sent again only if it is idempotent: also NOT_CONTROLLER can come after the fact, from a controller
   * that lost its place while it worked on the request.
   *
   * @returns the answer, whatever other error code is in it
   * @throws {ShadowError} SETTING_NEEDED, VERSION_UNSUPPORTED, ABORTED; after the deadline, or when it is not idempotent, what
   *   went wrong last: CLUSTER_UNAVAILABLE (no controller leads), CONNECT_FAILED, CONNECTION_CLOSED, REQUEST_TIMEOUT, BROKER_ERROR
   */
  async request<A extends Api> (api: A, body: ControllerBody<A>, options: ControllerRequestOptions<A>): Promise<ControllerAnswer<A>> {
    const { signal, idempotent, deadlineMs = Infinity } = options
    const endMs = this.#now() + deadlineMs
    for (let failures = 0; ; failures++) {
      throwIfAborted(signal)
      const asked: { active: Active | null } = { active: null }
      try {
        asked.active = await this.#find(signal)
        const answer = await this.#ask(api, body, asked.active, options)
        this.#problem = null
        return answer
      } catch (error) {
        throwIfAborted(signal)
        if (this.#abort.signal.aborted) throw abortedError(this.#abort.signal)
        if (!isRetriable(error) && !isOtherController(error)) throw error
        this.#problem = messageOf(error)
        if (asked.active !== null) this.#suspect(asked.active, error)
        if (!idempotent && mayHaveBeenCarriedOut(error)) throw error
        const pauseMs = backoffMs(failures, BACKOFF, this.#random)
        if (this.#now() + pauseMs >= endMs) throw error
        await sleep(pauseMs, signal)
      }
    }
  }

  /** Ends all connections. Requests that are under way fail. */
  async close (): Promise<void> {
    this.#abort.abort()
    await Promise.all([...this.#brokers.values()].map(broker => broker.close()))
  }

  async #ask<A extends Api> (api: A, body: ControllerBody<A>, active: Active, options: ControllerRequestOptions<A>): Promise<ControllerAnswer<A>> {
    const { signal, timeoutMs = REQUEST_TIMEOUT_MS, minVersion, errorCodeOf = plainErrorCode } = options
    const connection = await active.broker.connection(options.purpose, 0, signal)
    const sentAtMs = this.#now()
    const answer = await connection.request(api, typeof body === 'function' ? version => body(version, active) : body, { timeoutMs, signal, minVersion })
    const errorCode = errorCodeOf(answer.body)
    if (OTHER_CONTROLLER.has(errorCode)) throw new BrokerError(errorCode, api.name, `from controller ${active.id} at ${formatHostPort(active.address)}`)
    return { ...answer, controller: active, sentAtMs }
  }

  #suspect (active: Active, error: unknown): void {
    if (this.#active !== active || this.#isSuspected) return
    this.#isSuspected = true
    this.#options.logger.info({ controller: active.id, epoch: active.epoch, reason: messageOf(error) }, 'the active controller may be another one now')
  }

  async #find (signal: AbortSignal): Promise<Active> {
    if (this.#active !== null && !this.#isSuspected) return this.#active
    if (this.#searching === null) {
      this.#searching = this.#search().finally(() => { this.#searching = null })
      // Those who wait may all have gone by the time it fails.
      this.#searching.catch(() => {})
    }
    return await orAborted(this.#searching, signal)
  }

  async #search (): Promise<Active> {
    await this.#locate()
    let found
    try {
      found = await this.#round()
    } catch (error) {
      // The quorum may have moved to other addresses.
      this.#isLocated = false
      throw error
    }
    this.#adopt(found)
    return found
  }

  async #locate (): Promise<void> {
    if (this.#isLocated) return
    try {
      this.#addresses = await this.#options.locate({ signal: this.#abort.signal })
      this.#isLocated = true
    } catch (error) {
      // Old addresses are better than none.
      if (this.#addresses.length === 0) throw error
    }
    const wanted = new Set(this.#addresses.map(formatHostPort))
    for (const [address, broker] of this.#brokers) if (!wanted.has(address)) this.#retire(address, broker)
  }

  #round (): Promise<Active> {
    return new Promise((resolve, reject) => {
      const reasons: string[] = []
      let known: Active | null = null
      let leftCount = this.#addresses.length
      const end = (): void => {
        clearTimeout(timer)
        if (known === null) reject(new ShadowError('CLUSTER_UNAVAILABLE', `no controller leads the cluster: ${reasons.length === 0 ? 'none has answered' : reasons.join('; ')}`, { retriable: true }))
        else resolve(known)
      }
      const timer = setTimeout(end, ROUND_MS)
      const answered = (): void => { if (--leftCount <= 0) end() }
      for (const address of this.#addresses) {
        this.#probe(address).then(found => {
          if (found.epoch > this.#lastEpoch) {
            clearTimeout(timer)
            resolve(found)
            return
          }
          if (found.epoch === this.#lastEpoch) known = found
          else reasons.push(`${formatHostPort(address)} leads epoch ${found.epoch}, but epoch ${this.#lastEpoch} has been seen`)
          answered()
        }, (error: unknown) => {
          reasons.push(error instanceof BrokerError ? `${formatHostPort(address)}: ${messageOf(error)}` : messageOf(error))
          answered()
        })
      }
      if (this.#addresses.length === 0) end()
    })
  }

  async #probe (address: HostPort): Promise<Active> {
    const { signal } = this.#abort
    const broker = this.#brokerAt(address)
    const connection = await broker.connection('probe', 0, signal)
    const { body } = await connection.request(DescribeQuorum, DESCRIBE_QUORUM_BODY, { timeoutMs: PROBE_TIMEOUT_MS, signal })
    const { leaderId, leaderEpoch } = quorumView(body)
    return { id: leaderId, epoch: leaderEpoch, address, broker }
  }

  #adopt (found: Active): void {
    const last = this.#active
    if (last?.id !== found.id || last.epoch !== found.epoch) this.#options.logger.info({ controller: found.id, epoch: found.epoch, address: formatHostPort(found.address) }, 'found the active controller')
    // Nobody has to wait any longer for the answers of one that is not the active controller any more.
    if (last !== null && last.broker !== found.broker) this.#retire(formatHostPort(last.address), last.broker)
    this.#active = found
    this.#isSuspected = false
    this.#lastEpoch = found.epoch
  }

  #brokerAt (address: HostPort): Broker {
    const key = formatHostPort(address)
    let broker = this.#brokers.get(key)
    if (broker === undefined) {
      const { clientId, connectionTimeoutMs = CONNECTION_TIMEOUT_MS, dial, logger } = this.#options
      this.#brokers.set(key, broker = new Broker(address, { clientId, connectionTimeoutMs, maxFrameBytes: undefined, fetchMemory: undefined, dial, now: this.#now, random: this.#random, logger }))
    }
    return broker
  }

  #retire (address: string, broker: Broker): void {
    if (this.#brokers.get(address) === broker) this.#brokers.delete(address)
    broker.close().catch(() => {})
  }
}

function isOtherController (error: unknown): boolean {
  return error instanceof BrokerError && OTHER_CONTROLLER.has(error.wireCode)
}

/** Nothing else says for sure that a controller did not act on the request. */
function mayHaveBeenCarriedOut (error: unknown): boolean {
  return !(error instanceof ShadowError && (error.code === 'CONNECT_FAILED' || error.code === 'CLUSTER_UNAVAILABLE' || error.details['sent'] === false))
}

function plainErrorCode (body: object): number {
  if (!('errorCode' in body) || typeof body.errorCode !== 'number') throw new ShadowError('INVARIANT', 'an answer without an error code of its own')
  return body.errorCode
}
