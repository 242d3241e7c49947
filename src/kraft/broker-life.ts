import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { BrokerHeartbeat } from '../../protocol/messages/broker-heartbeat.ts'
import { BrokerRegistration } from '../../protocol/messages/broker-registration.ts'
import type { RequestInput, ResponseOf } from '../../protocol/schema/api.ts'
import { BrokerError, messageOf, ShadowError } from '../errors.ts'
import { abortedError, abortedWithin, isAborted, onAbort, throwIfAborted } from '../net/abort.ts'
import { sleep } from '../net/sleep.ts'
import type { Logger } from '../observability/logger.ts'
import { clusterFeatures, featureRanges } from './broker-features.ts'
import { unregisterBroker } from './commands/unregister-broker.ts'
import type { Controllers } from './controllers.ts'
import type { MetadataFollower } from './metadata/metadata-follower.ts'
import type { BrokerEntry, SecurityProtocolId } from './metadata/metadata-image.ts'
import { largestRack } from './registered-brokers.ts'

export interface BrokerLifeOptions {
  readonly brokerId: number
  readonly clusterId: string
  /** Of one life of a broker, in Kafka's text form. Whoever comes back with the same one keeps its epoch and what it leads. */
  readonly incarnationId: string
  /** Of the only log dir, in Kafka's text form. It must never change: leadership of what was placed in it depends on it. */
  readonly logDirId: string
  /** Where the other brokers reach this one: see interBrokerListener. */
  readonly endpoint: { readonly name: string, readonly host: string, readonly port: number, readonly securityProtocol: SecurityProtocolId }
  /** Default: the rack of the largest group of brokers, so that no more replicas are placed here than need be. */
  readonly rack?: string | null
  /** Stay fenced until `unfence` is called. Default false. */
  readonly startFenced?: boolean
  /** Asked before every registration and heartbeat, of which none goes out when it says false. Default: always true. */
  readonly mayHeartbeat?: () => boolean
  /** Waited for before every registration: what it throws puts that off. Default: nothing. */
  readonly beforeRegistration?: (signal: AbortSignal) => Promise<void>
  /** Between heartbeats. Default 1 s; sessions end after 9 s by default. */
  readonly heartbeatIntervalMs?: number
  readonly logger: Logger
  /** Milliseconds; the clock of the controllers. Default: performance.now(). */
  readonly now?: () => number
}

export type BrokerState = 'registering' | 'fenced' | 'unfenced' | 'shutting-down' | 'stopped'

const HEARTBEAT_INTERVAL_MS = 1000

/** While something is expected to change with the next heartbeat. */
const EAGER_INTERVAL_MS = 100

/** After this time without a controller there is a problem to show. Attempts go on. */
const DEADLINE_MS = 5000

/** How long the metadata may take to show the registration, until heartbeats begin without it. */
const CATCH_UP_MS = 2000

/** How long the controller may take to move away what is led here, until the end comes without it. */
const SHUT_DOWN_MS = 10_000

/** Heartbeats of this version tell where no replicas are to be placed, if the cluster has this level of metadata.version (4.3-IV0). */
const CORDON_VERSION = 2
const CORDON_LEVEL = 30

const REGISTER_ANEW: readonly number[] = [ErrorCodes.STALE_BROKER_EPOCH, ErrorCodes.BROKER_ID_NOT_REGISTERED]

/**
 * Registers as a broker of a KRaft cluster and stays one (KIP-631).
 *
 *   registering ──a heartbeat is answered──▶ fenced ◀──▶ unfenced      as the controller says, whatever is wanted
 *      ▲   ▲                                   │            │
 *      │   └── our epoch is not known any more─┴────────────┤
 *      │       (unregistered, or replaced)                  │
 *      └── another process holds the id: try again          ├──stop()──▶ stopped          the session goes on until it times out
 *                                                           └──stop({ unregister })──▶ shutting-down ──▶ stopped
 *
 * `state` is what the controller answered last. It may have changed since when no heartbeat was answered for long: see
 * `heartbeatAgeMs`, and the metadata image for what is in force.
 */
export class BrokerLife {
  readonly #controllers: Controllers
  readonly #metadata: MetadataFollower
  readonly #options: BrokerLifeOptions
  readonly #now: () => number
  readonly #abort = new AbortController()
  readonly #listeners = new Set<() => void>()
  #pause = new AbortController()
  #state: BrokerState = 'registering'
  #since: number
  #epoch: bigint | null = null
  #lastEpoch = -1n
  #problem: string | null = null
  #isIdTaken = false
  #answeredMs = -Infinity
  #wantFence: boolean
  #wantShutDown = false
  #isShutDownGranted = false
  /** Null: never told. */
  #isCordoned: boolean | null = null
  #finished: Promise<void> = Promise.resolve()

  private constructor (controllers: Controllers, metadata: MetadataFollower, options: BrokerLifeOptions) {
    this.#controllers = controllers
    this.#metadata = metadata
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    this.#since = this.#now()
    this.#wantFence = options.startFenced ?? false
  }

  /** Starts to register. Controllers and metadata stay the caller's, and have to live longer. */
  static start (controllers: Controllers, metadata: MetadataFollower, options: BrokerLifeOptions): BrokerLife {
    const life = new BrokerLife(controllers, metadata, options)
    life.#finished = life.#run()
    return life
  }

  get state (): BrokerState {
    return this.#state
  }

  /** When `state` became what it is, by the clock of the options. */
  get since (): number {
    return this.#since
  }

  /** The broker epoch; null while it is not registered. */
  get epoch (): bigint | null {
    return this.#epoch
  }

  /** What keeps heartbeats from being sent or answered; null when the last one was. */
  get problem (): string | null {
    return this.#problem
  }

  /** True when the last registration was refused because another process, which is alive, is registered with our id. Attempts go on. */
  get isIdTaken (): boolean {
    return this.#isIdTaken
  }

  /** Milliseconds since the last heartbeat was sent that was answered well; Infinity when none was. After a session timeout the cluster takes us for dead. */
  heartbeatAgeMs (): number {
    return this.#now() - this.#answeredMs
  }

  /** Calls `listener` when state, epoch or problem change; returns how to stop that. */
  onChange (listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  /**
   * Stays fenced from now on: what it leads is led by others or by nobody. Returns when controller and metadata say so. One call of
   * `fence` and `unfence` at a time.
   * @throws {ShadowError} ABORTED, also when it is stopped meanwhile
   */
  async fence (options: { readonly signal: AbortSignal }): Promise<void> {
    await this.#setFenced(true, options.signal)
  }

  /** Takes part again. Returns when controller and metadata say so. @throws {ShadowError} ABORTED, also when it is stopped meanwhile */
  async unfence (options: { readonly signal: AbortSignal }): Promise<void> {
    await this.#setFenced(false, options.signal)
  }

  /** From the next heartbeat on no replicas are placed here; or they are again. Returns false where the cluster does not know how (before metadata.version 4.3). */
  setCordoned (isCordoned: boolean): boolean {
    this.#isCordoned = isCordoned
    this.#hurry()
    return this.#canCordon()
  }

  /**
   * Sends no more heartbeats. The cluster notices when the session times out; who comes back with the same incarnation before that
   * was never away. With `unregister`, leaves for good instead: hands over what can be handed over, and is forgotten.
   * @throws {ShadowError} CONFLICT when somebody else is registered with our id, or we may not speak for it; ABORTED; as Controllers.request
   */
  async stop (options: { readonly unregister?: { readonly signal: AbortSignal, readonly deadlineMs?: number } } = {}): Promise<void> {
    const { unregister } = options
    try {
      if (unregister !== undefined && !this.#abort.signal.aborted) await this.#shutDown(unregister.signal)
    } finally {
      this.#abort.abort()
      this.#hurry()
      await this.#finished
      this.#set('stopped')
    }
    if (unregister === undefined) return
    this.#mayLeave()
    await unregisterBroker(this.#controllers, this.#options.brokerId, unregister)
    this.#epoch = null
    this.#changed()
  }

  /** An entry of ours, as the image shows it. */
  get #entry (): BrokerEntry | null {
    return this.#metadata.image?.brokers.get(this.#options.brokerId) ?? null
  }

  async #run (): Promise<void> {
    const { signal } = this.#abort
    while (!isAborted(signal)) {
      try {
        // Who is about to leave does not come back first.
        if (this.#epoch === null && !this.#wantShutDown) await this.#register(signal)
        await this.#heartbeat(signal)
        this.#setProblem(null)
      } catch (error) {
        if (isAborted(signal)) return
        this.#setProblem(messageOf(error))
      }
      await this.#rest(signal)
    }
  }

  async #rest (signal: AbortSignal): Promise<void> {
    const { heartbeatIntervalMs = HEARTBEAT_INTERVAL_MS } = this.#options
    const isFenced = this.#state === 'fenced'
    const isEager = this.#problem === null && (this.#wantShutDown ? !this.#isShutDownGranted : this.#state !== 'registering' && isFenced !== this.#wantFence)
    const pause = this.#pause = new AbortController()
    const stop = onAbort(signal, () => { pause.abort() })
    await sleep(isEager ? Math.min(EAGER_INTERVAL_MS, heartbeatIntervalMs) : heartbeatIntervalMs, pause.signal).catch(() => {})
    stop()
  }

  /** The next heartbeat goes out now. */
  #hurry (): void {
    this.#pause.abort()
  }

  async #register (signal: AbortSignal): Promise<void> {
    const { brokerId, clusterId, incarnationId, logDirId, endpoint } = this.#options
    await this.#options.beforeRegistration?.(signal)
    // An incarnation that says which epoch it had takes over cleanly.
    const image = await this.#metadata.reached(0, signal)
    const levels = await clusterFeatures(this.#controllers, { signal, deadlineMs: DEADLINE_MS })
    const rack = this.#options.rack === undefined ? largestRack(image, { brokerId }) : this.#options.rack
    const { body } = await this.#controllers.request(BrokerRegistration, version => {
      this.#assertMayHeartbeat()
      return {
        brokerId,
        clusterId,
        incarnationId,
        listeners: [endpoint],
        features: featureRanges(levels, version),
        rack,
        logDirs: [logDirId],
        previousBrokerEpoch: this.#entry?.epoch ?? this.#lastEpoch
      }
    }, { signal, purpose: 'heartbeat', idempotent: true, deadlineMs: DEADLINE_MS })
    this.#isIdTaken = body.errorCode === ErrorCodes.DUPLICATE_BROKER_REGISTRATION
    if (body.errorCode !== ErrorCodes.NONE) throw new BrokerError(body.errorCode, `BrokerRegistration ${brokerId}`, this.#refusal(body.errorCode))
    const { brokerEpoch } = body
    this.#options.logger.info({ brokerId, brokerEpoch: String(brokerEpoch), rack }, brokerEpoch === this.#lastEpoch ? 'registered again' : 'registered as a broker')
    this.#epoch = this.#lastEpoch = brokerEpoch
    this.#changed()
    // The controller unfences nobody whose metadata does not have the registration.
    const limit = abortedWithin(signal, CATCH_UP_MS)
    await this.#metadata.reached(Number(brokerEpoch), limit).catch(() => {})
  }

  #refusal (errorCode: number): string | null {
    if (errorCode !== ErrorCodes.DUPLICATE_BROKER_REGISTRATION) return null
    const holder = this.#entry
    return `another process is this broker${holder === null ? '' : `, incarnation ${holder.incarnationId}`}; trying again until its session ends`
  }

  async #heartbeat (signal: AbortSignal): Promise<void> {
    const epoch = this.#epoch
    if (epoch === null) return
    const { body, sentAtMs } = await this.#controllers.request(BrokerHeartbeat, version => {
      this.#assertMayHeartbeat()
      return this.#heartbeatBody(epoch, version)
    }, { signal, purpose: 'heartbeat', idempotent: true, deadlineMs: DEADLINE_MS })
    if (REGISTER_ANEW.includes(body.errorCode)) this.#forgotten(body.errorCode)
    if (body.errorCode !== ErrorCodes.NONE) throw new BrokerError(body.errorCode, `BrokerHeartbeat ${this.#options.brokerId}`)
    this.#answeredMs = sentAtMs
    this.#answered(body)
  }

  #heartbeatBody (brokerEpoch: bigint, version: number): RequestInput<typeof BrokerHeartbeat> {
    const { brokerId, logDirId } = this.#options
    return {
      brokerId,
      brokerEpoch,
      currentMetadataOffset: BigInt(this.#metadata.appliedOffset),
      wantFence: this.#wantFence,
      wantShutDown: this.#wantShutDown,
      ...(this.#isCordoned !== null && version >= CORDON_VERSION && this.#canCordon() ? { cordonedLogDirs: this.#isCordoned ? [logDirId] : [] } : {})
    }
  }

  #answered ({ isFenced, shouldShutDown }: ResponseOf<typeof BrokerHeartbeat>): void {
    if (this.#wantShutDown && shouldShutDown) this.#isShutDownGranted = true
    this.#set(this.#wantShutDown ? 'shutting-down' : isFenced ? 'fenced' : 'unfenced')
    this.#changed()
  }

  /** Nothing can be handed over any more by who is not registered. */
  #forgotten (errorCode: number): void {
    this.#options.logger.warn({ brokerId: this.#options.brokerId, brokerEpoch: String(this.#epoch), errorCode }, 'the controller does not know this broker any more')
    this.#epoch = null
    if (this.#wantShutDown) this.#isShutDownGranted = true
    else this.#set('registering')
    this.#changed()
  }

  #assertMayHeartbeat (): void {
    if (this.#options.mayHeartbeat?.() === false) throw new ShadowError('CONFLICT', 'heartbeats are held back: this process may not speak for the broker')
  }

  #canCordon (): boolean {
    return (this.#metadata.image?.features.get('metadata.version') ?? 0) >= CORDON_LEVEL
  }

  async #setFenced (isFenced: boolean, signal: AbortSignal): Promise<void> {
    this.#wantFence = isFenced
    this.#hurry()
    await this.#until(() => this.#state === (isFenced ? 'fenced' : 'unfenced') && this.#entry?.epoch === this.#epoch && this.#entry.fenced === isFenced, signal)
  }

  async #shutDown (signal: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    if (this.#epoch === null) return
    this.#wantShutDown = true
    this.#set('shutting-down')
    this.#hurry()
    const limit = abortedWithin(signal, SHUT_DOWN_MS)
    await this.#until(() => this.#isShutDownGranted, limit).catch((error: unknown) => {
      throwIfAborted(signal)
      if (!limit.aborted) throw error
      this.#options.logger.warn({ brokerId: this.#options.brokerId }, 'the controller has not agreed that this broker ends; it ends all the same')
    })
  }

  /** The cluster forgets a broker by its id alone: nobody else's must go. */
  #mayLeave (): void {
    const { brokerId, incarnationId } = this.#options
    this.#assertMayHeartbeat()
    const holder = this.#entry
    if (holder !== null && holder.incarnationId !== incarnationId) throw new ShadowError('CONFLICT', `broker ${brokerId} is not unregistered: another incarnation, ${holder.incarnationId}, has its id`)
  }

  /** Waits for what heartbeats and metadata bring. */
  #until (isTrue: () => boolean, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stops: Array<() => void> = []
      const end = (settle: () => void): void => {
        for (const stop of stops) stop()
        settle()
      }
      const check = (): void => { if (isTrue()) end(resolve) }
      for (const one of [signal, this.#abort.signal]) {
        if (one.aborted) {
          reject(abortedError(one))
          return
        }
        stops.push(onAbort(one, () => { end(() => { reject(abortedError(one)) }) }))
      }
      stops.push(this.onChange(check), this.#metadata.onChange(check))
      check()
    })
  }

  #set (state: BrokerState): void {
    if (this.#state === state || this.#state === 'stopped') return
    this.#options.logger.info({ brokerId: this.#options.brokerId, from: this.#state, to: state }, 'the broker changed its state')
    this.#state = state
    this.#since = this.#now()
    this.#changed()
  }

  #setProblem (problem: string | null): void {
    if (this.#problem === problem) return
    const { logger, brokerId } = this.#options
    if (problem === null) logger.info({ brokerId }, 'heartbeats are answered again')
    else logger.warn({ brokerId, problem }, 'the broker does not get through to the controller')
    this.#problem = problem
    this.#changed()
  }

  #changed (): void {
    for (const listener of [...this.#listeners]) listener()
  }
}
