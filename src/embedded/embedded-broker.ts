/**
 * A Kafka broker of one node, in memory or on disk: for the demo, which needs no Java, and as a peer in tests that can delay,
 * drop and lie. It does no compaction and keeps no replicas.
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DEFAULT_MAX_FRAME_BYTES } from '../../protocol/frame.ts'
import type { Api } from '../../protocol/schema/api.ts'
import { ShadowError } from '../errors.ts'
import type { HostPort } from '../net/host-port.ts'
import { Listener } from '../net/server/listener.ts'
import { silentLogger, type Logger } from '../observability/logger.ts'
import { writeFileAtomic } from './atomic-file.ts'
import type { BrokerState } from './broker-state.ts'
import { endpoints } from './endpoints.ts'
import { CommittedOffsets } from './groups/committed-offsets.ts'
import { Groups } from './groups/groups.ts'
import type { PartitionLog } from './log/partition-log.ts'
import { ProducerIds } from './producer-ids.ts'
import { randomId, secureRandom } from './random-id.ts'
import { RequestHooks, type RequestHook } from './request-hooks.ts'
import { Dispatcher } from './server/dispatcher.ts'
import { Topics } from './topics/topics.ts'
import { Transactions } from './transactions/transactions.ts'

export interface EmbeddedBrokerOptions {
  /** 127.0.0.1 */
  readonly host?: string
  /** 0: one that the system chooses. */
  readonly port?: number
  readonly nodeId?: number
  /** A new one is made up, or the one in `dataDir` is kept. */
  readonly clusterId?: string
  /** Null, the default: nothing survives the process. */
  readonly dataDir?: string | null
  readonly logger?: Logger
  /** Milliseconds since 1970. Timers run by the system's clock all the same. */
  readonly now?: () => number
  /** Numbers from 0 up to, and without, 1, of which ids are made. */
  readonly random?: () => number
  readonly autoCreateTopics?: boolean
  readonly defaultPartitions?: number
  /** What clients are told, where it is not the address that the broker listens on. */
  readonly advertised?: HostPort
  readonly maxFrameBytes?: number
  /** How often retention is enforced and what is not needed any more is forgotten; 0: only by `cleanUp`. */
  readonly cleanUpIntervalMs?: number
}

const CLUSTER_ID_FILE = 'cluster-id'
const DEFAULT_CLEAN_UP_INTERVAL_MS = 60_000

/** Kafka's own default for `producer.id.expiration.ms`. */
const PRODUCER_EXPIRY_MS = 86_400_000

interface Parts {
  readonly state: BrokerState
  readonly hooks: RequestHooks
  readonly dispatcher: Dispatcher
  readonly listener: Listener
  readonly cleanUpTimer: NodeJS.Timeout | null
}

export class EmbeddedBroker {
  readonly #state: BrokerState
  readonly #hooks: RequestHooks
  readonly #dispatcher: Dispatcher
  readonly #listener: Listener
  readonly #cleanUpTimer: NodeJS.Timeout | null
  #stopping: Promise<void> | null = null

  private constructor ({ state, hooks, dispatcher, listener, cleanUpTimer }: Parts) {
    this.#state = state
    this.#hooks = hooks
    this.#dispatcher = dispatcher
    this.#listener = listener
    this.#cleanUpTimer = cleanUpTimer
  }

  /**
   * Starts a broker. With a `dataDir` that an earlier one was stopped on, all goes on where that ended, one leader epoch later.
   * Rejects when the address cannot be listened on or the folder holds something else.
   */
  static async start (options: EmbeddedBrokerOptions = {}): Promise<EmbeddedBroker> {
    const { host = '127.0.0.1', port = 0, nodeId = 1, dataDir = null, logger = silentLogger, now = Date.now, random = secureRandom } = options
    if (dataDir !== null) mkdirSync(dataDir, { recursive: true })
    const clusterId = keepClusterId(dataDir, options.clusterId ?? null, random)
    const topics = new Topics(dataDir, () => randomId(random))
    const offsets = new CommittedOffsets(dataDir)
    const producerIds = new ProducerIds(dataDir)
    let address: HostPort = { host, port }
    const state: BrokerState = {
      nodeId,
      clusterId,
      advertised: () => options.advertised ?? address,
      dataDir,
      autoCreateTopics: options.autoCreateTopics ?? false,
      defaultPartitions: options.defaultPartitions ?? 1,
      topics,
      producerIds,
      groups: new Groups(offsets, () => randomId(random)),
      offsets,
      transactions: new Transactions({ dataDir, topics, offsets, producerIds, now }),
      now,
      logger
    }
    const hooks = new RequestHooks()
    const dispatcher = new Dispatcher(endpoints(state), hooks)
    try {
      const listener = await Listener.open({ host, port }, {
        maxFrameBytes: options.maxFrameBytes ?? DEFAULT_MAX_FRAME_BYTES,
        logger,
        handle: (frame, connection) => dispatcher.dispatch(frame, connection)
      })
      address = listener.address
      const intervalMs = options.cleanUpIntervalMs ?? DEFAULT_CLEAN_UP_INTERVAL_MS
      const broker: EmbeddedBroker = new EmbeddedBroker({
        state,
        hooks,
        dispatcher,
        listener,
        cleanUpTimer: intervalMs === 0 ? null : setInterval(() => broker.cleanUp(), intervalMs).unref()
      })
      logger.info({ nodeId, clusterId, host: address.host, port: address.port, dataDir }, 'an embedded broker listens')
      return broker
    } catch (error) {
      closeState(state)
      throw error
    }
  }

  get address (): HostPort {
    return this.#listener.address
  }

  get clusterId (): string {
    return this.#state.clusterId
  }

  get nodeId (): number {
    return this.#state.nodeId
  }

  /** How many clients are connected. */
  get connectionCount (): number {
    return this.#listener.connections.size
  }

  /** For tests: asks `hook` before every request, or before those of one API, until the returned function is called. See HookOutcome. */
  onRequest (hook: RequestHook): () => void
  onRequest<A extends Api> (api: A, hook: RequestHook<A>): () => void
  onRequest<A extends Api> (apiOrHook: A | RequestHook, hook?: RequestHook<A>): () => void {
    if (typeof apiOrHook === 'function') return this.#hooks.add(apiOrHook)
    if (hook === undefined) throw new ShadowError('INVARIANT', 'a hook for an API without the hook')
    return this.#hooks.addFor(apiOrHook, hook)
  }

  /**
   * For tests: the log of a partition, to read it or to make of it what no client could.
   * @throws {ShadowError} NOT_FOUND
   */
  log (topic: string, partition: number): PartitionLog {
    const log = this.#state.topics.partition(topic, partition)
    if (log === null) throw new ShadowError('NOT_FOUND', `the embedded broker has no partition ${topic}-${partition}`)
    return log
  }

  /** For tests: as if leadership of a topic had gone away and come back. */
  bumpLeaderEpoch (topic: string): void {
    this.#state.topics.bumpLeaderEpoch(topic)
  }

  /** For tests: resets every connection. New ones are accepted. */
  disconnectAll (): void {
    for (const connection of [...this.#listener.connections]) connection.reset()
  }

  /** Enforces retention and forgets producers and groups that are long gone. */
  cleanUp (): void {
    const { topics, groups, now } = this.#state
    topics.enforceRetention(now())
    for (const { partitions } of topics.all) for (const partition of partitions) partition.expireProducers(now() - PRODUCER_EXPIRY_MS)
    groups.removeVacant()
  }

  /** Closes every connection and file. Another broker may be started on the same folder when it resolves. */
  stop (): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop (): Promise<void> {
    if (this.#cleanUpTimer !== null) clearInterval(this.#cleanUpTimer)
    this.#dispatcher.close()
    const closed = this.#listener.close()
    closeState(this.#state)
    await closed
  }
}

function closeState ({ groups, transactions, offsets, topics }: BrokerState): void {
  groups.close()
  transactions.close()
  offsets.close()
  topics.close()
}

function keepClusterId (dataDir: string | null, wanted: string | null, random: () => number): string {
  if (dataDir === null) return wanted ?? randomId(random)
  const path = join(dataDir, CLUSTER_ID_FILE)
  let kept: string | null = null
  try {
    kept = readFileSync(path, 'utf8')
  } catch {
    // A new data folder.
  }
  if (kept !== null && wanted !== null && kept !== wanted) throw new ShadowError('CONFLICT', `${dataDir} belongs to cluster ${kept}, not to ${wanted}`)
  const clusterId = kept ?? wanted ?? randomId(random)
  if (kept === null) writeFileAtomic(path, clusterId)
  return clusterId
}
