import { errorName, ErrorCodes } from '../../protocol/errors/codes.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import type { Api, RequestInput, ResponseOf } from '../../protocol/schema/api.ts'
import { ZERO_UUID } from '../../protocol/schema/field.ts'
import type { VersionRange } from '../../protocol/schema/version-range.ts'
import { BrokerError, messageOf, ShadowError } from '../errors.ts'
import { abortedError, orAborted, throwIfAborted } from '../net/abort.ts'
import { usableVersions } from '../net/api-versions.ts'
import type { Connection } from '../net/connection.ts'
import type { Dial } from '../net/dial.ts'
import type { FrameMemory } from '../net/frame-memory.ts'
import { formatHostPort, type HostPort } from '../net/host-port.ts'
import type { Logger } from '../observability/logger.ts'
import { Broker, type BrokerOptions } from './broker.ts'
import { clusterView, partitionOf, type ClusterView, type PartitionView } from './cluster-view.ts'

export type { BrokerView, ClusterView, PartitionView, TopicView } from './cluster-view.ts'

export interface ClusterOptions {
  readonly bootstrapServers: readonly HostPort[]
  readonly clientId: string
  readonly logger: Logger
  /** For a dial and the negotiation of versions. Default 10 s. */
  readonly connectionTimeoutMs?: number
  /** Default 30 s. */
  readonly requestTimeoutMs?: number
  /** Default 10 s. */
  readonly metadataMaxAgeMs?: number
  readonly maxFrameBytes?: number
  /** True for a node that is registered and is no real broker: it is asked for nothing. Views show its leadership all the same. */
  readonly isUnreal?: (nodeId: number) => boolean
  /** Where the memory of large answers to requests of purpose 'fetch' comes from; whoever makes such requests gives it back. */
  readonly fetchMemory?: FrameMemory
  readonly dial?: Dial
  /** The clock of `atMs` and `lastContactMs`. Default: performance.now(). */
  readonly now?: () => number
  readonly random?: () => number
}

/** A node id; any broker, preferably one that is connected; or the controller as the last metadata named it. */
export type RequestTarget = number | 'any' | 'controller'

export interface ClusterRequestOptions {
  readonly signal: AbortSignal
  /** Default: the cluster's. */
  readonly timeoutMs?: number
  /**
   * Requests of one purpose and lane share a connection to each broker: they wait for each other there, and an overdue one ends
   * it for all. Default 'general'.
   */
  readonly purpose?: string
  readonly lane?: number
  readonly minVersion?: number
  readonly maxVersion?: number
  /** See Connection. */
  readonly resetOnAbort?: boolean
}

export interface ClusterAnswer<A extends Api> {
  readonly body: ResponseOf<A>
  readonly version: number
  /** -1: a bootstrap server, whose node id is not known. */
  readonly nodeId: number
}

interface Candidate {
  readonly nodeId: number
  readonly broker: Broker
}

type Signal = { readonly signal: AbortSignal }

const UNKNOWN_NODE = -1
const DEFAULT_CONNECTION_TIMEOUT_MS = 10_000
const DEFAULT_REQUEST_TIMEOUT_MS = 30_000
const DEFAULT_METADATA_MAX_AGE_MS = 10_000

/** A broker that hangs must not keep the others from being asked. */
const METADATA_TIMEOUT_MS = 10_000

/** On a connection of its own: it must not wait behind requests that take long, nor, when it is overdue, end their connection. */
const METADATA_PURPOSE = 'metadata'
/** Before, an empty list stands for all topics. */
const FIRST_VERSION_OF_NO_TOPICS = 1
/** Before, whoever asks for a topic by its name has it made. */
const FIRST_VERSION_WITHOUT_CREATION = 4
/** What is answered for a name where the answer for all topics leaves it out. */
const NOT_SHOWN: ReadonlySet<number> = new Set([ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION, ErrorCodes.TOPIC_AUTHORIZATION_FAILED])
const IDLE_MS = 5 * 60_000
const IDLE_CHECK_MS = 30_000

/** How many reasons are told when no broker answers. */
const MAX_REASONS = 3

/**
 * One cluster as seen by a client: its metadata, and connections to its brokers. It never sends a request twice: what fails is
 * told to the caller, who alone knows whether it may be repeated. Stale metadata is for the caller to refresh, too.
 */
export class Cluster {
  readonly #options: ClusterOptions
  readonly #brokerOptions: BrokerOptions
  readonly #now: () => number
  readonly #random: () => number
  readonly #abort = new AbortController()
  readonly #bootstrap: readonly Broker[]
  readonly #brokers = new Map<number, Broker>()
  /** Brokers that are gone from the metadata, while something is under way there. */
  readonly #retired = new Set<Broker>()
  readonly #idleTimer: NodeJS.Timeout
  #view: ClusterView | null = null
  #lastContactMs: number | null = null
  #refreshing: Promise<ClusterView> | null = null

  constructor (options: ClusterOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    this.#random = options.random ?? Math.random
    this.#brokerOptions = {
      clientId: options.clientId,
      connectionTimeoutMs: options.connectionTimeoutMs ?? DEFAULT_CONNECTION_TIMEOUT_MS,
      maxFrameBytes: options.maxFrameBytes,
      fetchMemory: options.fetchMemory,
      dial: options.dial,
      now: this.#now,
      random: this.#random,
      logger: options.logger
    }
    this.#bootstrap = options.bootstrapServers.map(address => new Broker(address, this.#brokerOptions))
    this.#idleTimer = setInterval(() => {
      for (const broker of [...this.#bootstrap, ...this.#brokers.values()]) broker.closeIdle(IDLE_MS)
    }, IDLE_CHECK_MS)
    this.#idleTimer.unref()
  }

  /** What the last refresh that succeeded brought, however old; null before the first. */
  get lastView (): ClusterView | null {
    if (this.#view !== null && this.#showsUnreal(this.#view)) this.#adopt(this.#view)
    return this.#view
  }

  /** When a broker last answered anything, by this cluster's clock; null when none ever did. */
  get lastContactMs (): number | null {
    return this.#lastContactMs
  }

  /**
   * The last view if it is young enough, a new one otherwise.
   * @throws {ShadowError} as refresh does
   */
  async view ({ signal }: Signal): Promise<ClusterView> {
    const view = this.lastView
    if (view !== null && this.#now() - view.atMs < (this.#options.metadataMaxAgeMs ?? DEFAULT_METADATA_MAX_AGE_MS)) return view
    return await this.refresh({ signal })
  }

  /**
   * Asks for all topics. Calls that come while the question is under way share its answer.
   * @throws {ShadowError} CLUSTER_UNAVAILABLE (retriable) when no broker answers; `lastView` stays what it was. ABORTED
   */
  refresh ({ signal }: Signal): Promise<ClusterView> {
    if (signal.aborted) return Promise.reject(abortedError(signal))
    if (this.#refreshing === null) {
      this.#refreshing = this.#refresh().finally(() => { this.#refreshing = null })
      // Those who wait may all have gone by the time it fails.
      this.#refreshing.catch(() => {})
    }
    return orAborted(this.#refreshing, signal)
  }

  /**
   * Asks for the brokers alone: a small question, whatever the number of topics, which stay as they were seen last.
   * @throws {ShadowError} as refresh does
   */
  async refreshBrokers ({ signal }: Signal): Promise<ClusterView> {
    return await this.refreshTopics([], { signal })
  }

  /**
   * Asks for the brokers and these topics alone: all others stay as they were seen last, and so does the age of the view. One of them that the
   * cluster does not have, or that the principal may not describe, is not in the view, as after `refresh`.
   * @throws {ShadowError} as refresh does
   */
  async refreshTopics (names: readonly string[], { signal }: Signal): Promise<ClusterView> {
    if (this.#view === null) return await this.refresh({ signal })
    const answer = await this.#askMetadata(names, signal)
    if (answer.isWhole) return this.#adopt(answer.view)
    const { brokers, controllerId, clusterId, topics: shown } = answer.view
    if (names.length === 0) return this.#adopt({ ...this.#view, brokers, controllerId, clusterId })
    const topics = new Map(this.#view.topics)
    for (const name of names) {
      const topic = shown.get(name)
      if (topic === undefined || NOT_SHOWN.has(topic.errorCode)) topics.delete(name)
      else topics.set(name, topic)
    }
    return this.#adopt({ ...this.#view, topics, brokers, controllerId, clusterId })
  }

  async #refresh (): Promise<ClusterView> {
    return this.#adopt((await this.#askMetadata(null, this.#abort.signal)).view)
  }

  /** Asks for these topics, with null for all of them, one broker after the other until one answers. Old brokers are asked for all. */
  async #askMetadata (names: readonly string[] | null, signal: AbortSignal): Promise<{ readonly view: ClusterView, readonly isWhole: boolean }> {
    const isWhole = (version: number): boolean => names === null || version < (names.length === 0 ? FIRST_VERSION_OF_NO_TOPICS : FIRST_VERSION_WITHOUT_CREATION)
    const reasons: string[] = []
    const timeoutMs = Math.min(METADATA_TIMEOUT_MS, this.#options.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS)
    for (const { nodeId, broker } of this.#candidates()) {
      const atMs = this.#now()
      try {
        const { body, version } = await this.#ask(Metadata, version => ({
          // In version 0 an empty list stands for all topics, later null does.
          topics: !isWhole(version) ? (names ?? []).map(name => ({ topicId: ZERO_UUID, name })) : version === 0 ? [] : null,
          allowAutoTopicCreation: version < FIRST_VERSION_WITHOUT_CREATION
        }), { nodeId, broker }, { signal, timeoutMs, purpose: METADATA_PURPOSE })
        if (body.errorCode !== ErrorCodes.NONE) throw new BrokerError(body.errorCode, 'Metadata')
        return { view: clusterView(body, atMs), isWhole: isWhole(version) }
      } catch (error) {
        throwIfAborted(signal)
        reasons.push(error instanceof BrokerError ? `${formatHostPort(broker.address)}: ${messageOf(error)}` : messageOf(error))
      }
    }
    throw this.#unavailable(reasons)
  }

  /** Which nodes are not real may be learned after the view that shows them. */
  #showsUnreal ({ brokers, controllerId }: ClusterView): boolean {
    const { isUnreal } = this.#options
    if (isUnreal === undefined) return false
    if (isUnreal(controllerId)) return true
    for (const nodeId of brokers.keys()) if (isUnreal(nodeId)) return true
    return false
  }

  /** Any broker passes requests on to the controller, so that another one can stand for one that is not real. */
  #withRealBrokers (view: ClusterView): ClusterView {
    const { isUnreal } = this.#options
    if (isUnreal === undefined || !this.#showsUnreal(view)) return view
    const brokers = new Map([...view.brokers].filter(([nodeId]) => !isUnreal(nodeId)))
    const [first] = brokers.keys()
    return { ...view, brokers, controllerId: isUnreal(view.controllerId) ? first ?? -1 : view.controllerId }
  }

  #adopt (shown: ClusterView): ClusterView {
    const view = this.#withRealBrokers(shown)
    for (const [nodeId, broker] of this.#brokers) {
      const now = view.brokers.get(nodeId)
      if (now?.host === broker.address.host && now.port === broker.address.port) continue
      this.#brokers.delete(nodeId)
      this.#retire(broker)
    }
    for (const { nodeId, host, port } of view.brokers.values()) {
      if (!this.#brokers.has(nodeId)) this.#brokers.set(nodeId, new Broker({ host, port }, this.#brokerOptions))
    }
    this.#view = view
    return view
  }

  #retire (broker: Broker): void {
    this.#retired.add(broker)
    broker.drain().then(() => { this.#retired.delete(broker) }, () => {})
  }

  /**
   * The leader of a partition as the view shows it; as the last one does, however old, for those who refresh it when that is not so.
   * @throws {BrokerError} UNKNOWN_TOPIC_OR_PARTITION or LEADER_NOT_AVAILABLE (both retriable), or what is wrong with the topic
   */
  async leaderOf (topic: string, partition: number, { signal, atAnyAge = false }: Signal & { readonly atAnyAge?: boolean }): Promise<PartitionView> {
    const view = atAnyAge ? this.lastView ?? await this.refresh({ signal }) : await this.view({ signal })
    const topicView = view.topics.get(topic)
    const found = partitionOf(topicView, partition)
    const what = `Metadata ${topic}-${partition}`
    if (found === null) throw new BrokerError(topicView === undefined || topicView.errorCode === ErrorCodes.NONE ? ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION : topicView.errorCode, what)
    if (found.leaderId < 0) throw new BrokerError(ErrorCodes.LEADER_NOT_AVAILABLE, what, found.errorCode === ErrorCodes.NONE ? null : errorName(found.errorCode))
    return found
  }

  /**
   * Sends a request once. With 'any', further brokers are tried as long as nothing was sent.
   * @throws {ShadowError} as Connection.request; CONNECT_FAILED (retriable) also for a node that the metadata does not have, and
   *   CLUSTER_UNAVAILABLE (retriable) when no broker at all can be reached
   */
  async request<A extends Api> (api: A, body: RequestInput<A> | ((version: number) => RequestInput<A>), target: RequestTarget, options: ClusterRequestOptions): Promise<ClusterAnswer<A>> {
    return await this.#tryCandidates(target, options.signal, candidate => this.#ask(api, body, candidate, options))
  }

  /**
   * The versions of an API that both that broker and we know; null when there are none.
   * @throws {ShadowError} when the broker cannot be reached
   */
  async versionRange (api: Api, target: RequestTarget, options: Signal): Promise<VersionRange | null> {
    const connection = await this.#tryCandidates(target, options.signal, candidate => this.#connect(candidate, { signal: options.signal }))
    return usableVersions(api, connection.versionRange(api.key) ?? undefined)
  }

  /** Ends all connections. Requests that are under way fail. */
  async close (): Promise<void> {
    this.#abort.abort()
    clearInterval(this.#idleTimer)
    await Promise.all([...this.#bootstrap, ...this.#brokers.values(), ...this.#retired].map(broker => broker.close()))
  }

  async #tryCandidates<T> (target: RequestTarget, signal: AbortSignal, attempt: (candidate: Candidate) => Promise<T>): Promise<T> {
    throwIfAborted(signal)
    if (target !== 'any') return await attempt(await this.#candidate(target, signal))
    const reasons: string[] = []
    for (const candidate of this.#candidates()) {
      try {
        return await attempt(candidate)
      } catch (error) {
        if (!(error instanceof ShadowError) || error.code !== 'CONNECT_FAILED') throw error
        reasons.push(error.message)
      }
    }
    throw this.#unavailable(reasons)
  }

  async #candidate (target: number | 'controller', signal: AbortSignal): Promise<Candidate> {
    // Addresses that are old are better than none: only who knows none has to wait for metadata.
    let view = this.lastView ?? await this.refresh({ signal })
    if (target === 'controller' && view.controllerId < 0) view = await this.refresh({ signal })
    const nodeId = target === 'controller' ? view.controllerId : target
    const broker = this.#brokers.get(nodeId)
    if (broker !== undefined) return { nodeId, broker }
    const what = target === 'controller' ? `the cluster shows no controller that can be reached (node ${nodeId})` : `the cluster's metadata has no node ${nodeId}`
    throw new ShadowError('CONNECT_FAILED', what, { retriable: true, details: { nodeId, sent: false } })
  }

  /** All brokers, the most promising first: connected ones, then those whose last dial did not just fail, then the rest; bootstrap servers last. */
  #candidates (): Candidate[] {
    const rank = ({ isConnected, isBackingOff }: Broker): number => isConnected ? 0 : isBackingOff ? 2 : 1
    const real = [...this.#brokers].filter(([nodeId]) => this.#options.isUnreal?.(nodeId) !== true)
    const ranked = real.map(([nodeId, broker]) => ({ candidate: { nodeId, broker }, rank: rank(broker), order: this.#random() }))
    ranked.sort((a, b) => a.rank - b.rank || a.order - b.order)
    return [...ranked.map(({ candidate }) => candidate), ...this.#bootstrap.map(broker => ({ nodeId: UNKNOWN_NODE, broker }))]
  }

  async #connect ({ broker }: Candidate, { signal, purpose = 'general', lane = 0 }: ClusterRequestOptions): Promise<Connection> {
    return await broker.connection(purpose, lane, signal)
  }

  async #ask<A extends Api> (api: A, body: RequestInput<A> | ((version: number) => RequestInput<A>), candidate: Candidate, options: ClusterRequestOptions): Promise<ClusterAnswer<A>> {
    const connection = await this.#connect(candidate, options)
    const { body: answer, version } = await connection.request(api, body, {
      timeoutMs: options.timeoutMs ?? this.#options.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS,
      signal: options.signal,
      minVersion: options.minVersion,
      maxVersion: options.maxVersion,
      resetOnAbort: options.resetOnAbort
    })
    this.#lastContactMs = this.#now()
    return { body: answer, version, nodeId: candidate.nodeId }
  }

  #unavailable (reasons: readonly string[]): ShadowError {
    const told = [...new Set(reasons)]
    const more = told.length > MAX_REASONS ? `; and ${told.length - MAX_REASONS} more` : ''
    return new ShadowError('CLUSTER_UNAVAILABLE', `no broker of the cluster answers: ${told.slice(0, MAX_REASONS).join('; ')}${more}`, { retriable: true })
  }
}
