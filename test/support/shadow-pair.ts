/** A source and a shadow cluster of one embedded broker each, with engines between them, in this process. */
import type { Test } from 'tap'
import { Produce } from '../../protocol/messages/produce.ts'
import { buildBatch, type BatchInput } from '../../protocol/records/build-batch.ts'
import { readBatches } from '../../protocol/records/record-batch.ts'
import { createPartitions } from '../../src/client/admin/create-partitions.ts'
import { createTopic } from '../../src/client/admin/create-topic.ts'
import { deleteTopic } from '../../src/client/admin/delete-topic.ts'
import { Cluster } from '../../src/client/cluster.ts'
import { parseLinkDocument, type LinkConfig } from '../../src/config/link-config.ts'
import { EmbeddedBroker } from '../../src/embedded/embedded-broker.ts'
import type { RequestHook } from '../../src/embedded/request-hooks.ts'
import { formatHostPort, type HostPort } from '../../src/net/host-port.ts'
import { sleep } from '../../src/net/sleep.ts'
import { silentLogger, type Logger } from '../../src/observability/logger.ts'
import { Engine } from '../../src/replication/engine.ts'
import type { LinkStatus, PartitionStatus, TopicStatus, VerifyTopicReport } from '../../src/replication/link-service.ts'
import { STATE_TOPIC } from '../../src/state/state-topic.ts'
import { StateFollower } from '../../src/state/state-follower.ts'

export const LINK = 'dr'

const WAIT_MS = 20_000
const LEADER_EPOCH_AT = 12

/** Include filters that select these names. */
export function literal (...names: readonly string[]): object[] {
  return names.map(name => ({ pattern_type: 'LITERAL', filter_type: 'INCLUDE', name }))
}

export interface PairOptions {
  /** The link's `topic_metadata_sync_options`, besides a short interval and a filter for everything. */
  readonly topicSync?: Readonly<Record<string, unknown>>
  /** The link's `consumer_offset_sync_options`, as they are. */
  readonly groupSync?: Readonly<Record<string, unknown>>
  readonly client?: Readonly<Record<string, unknown>>
  /** Further sections of the link. */
  readonly link?: Readonly<Record<string, unknown>>
  /** The URL of the schema registry that schemas are copied to. */
  readonly shadowRegistry?: string
  /** What the secrets of links are sealed with. */
  readonly secretKeyFile?: string
  readonly maxBufferedBytes?: number
  readonly sessionTimeoutMs?: number
  readonly logger?: Logger
  readonly wallClock?: () => Date
}

/** One engine as `kshadow run` makes it: with a client and a follower of its own. */
export class RunningEngine {
  readonly engine: Engine
  readonly state: StateFollower
  readonly cluster: Cluster
  #stopped: Promise<void> | null = null

  constructor (shadow: HostPort, links: readonly LinkConfig[], { maxBufferedBytes = 8 * 1024 * 1024, sessionTimeoutMs = 6000, logger = silentLogger, shadowRegistry, secretKeyFile, wallClock }: PairOptions) {
    this.cluster = new Cluster({ bootstrapServers: [shadow], clientId: 'engine', logger, metadataMaxAgeMs: 1000, requestTimeoutMs: 5000 })
    this.state = StateFollower.start(this.cluster, { logger })
    this.engine = Engine.start({
      config: {
        engine: { enabled: true, maxBufferedBytes, sessionTimeoutMs, appendConnections: 2 },
        shadowLeader: null,
        sidecar: { enabled: false, nodeIds: [] },
        admin: { enabled: true, listen: { host: '127.0.0.1', port: 1 }, advertised: { host: '127.0.0.1', port: 1 }, allowRemote: false },
        links
      },
      shadowRegistry: shadowRegistry === undefined ? null : { url: shadowRegistry, auth: null, tls: null },
      secretKeyFile: secretKeyFile ?? null,
      cluster: this.cluster,
      state: this.state,
      logger,
      ...(wallClock === undefined ? {} : { wallClock })
    })
  }

  async link (): Promise<LinkStatus | null> {
    return await this.engine.status(LINK).catch(() => null)
  }

  async topic (name: string): Promise<TopicStatus | null> {
    return (await this.link())?.topics.find(topic => topic.name === name) ?? null
  }

  async partition (name: string, partition: number): Promise<PartitionStatus | null> {
    return (await this.topic(name))?.partitions[partition] ?? null
  }

  async verify (topic: string | null = null): Promise<VerifyTopicReport[]> {
    const reports: VerifyTopicReport[] = []
    for await (const report of this.engine.verify(LINK, { topic, signal: AbortSignal.timeout(WAIT_MS) })) reports.push(report)
    return reports
  }

  stop (): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop (): Promise<void> {
    await this.engine.stop()
    await this.state.stop()
    await this.cluster.close()
  }
}

export class ShadowPair {
  readonly source: EmbeddedBroker
  readonly shadow: EmbeddedBroker
  /** Clients for the test's own requests. */
  readonly sourceCluster: Cluster
  readonly shadowCluster: Cluster
  readonly #options: PairOptions
  readonly #engines: RunningEngine[] = []
  readonly #signal = new AbortController().signal

  private constructor (source: EmbeddedBroker, shadow: EmbeddedBroker, options: PairOptions) {
    this.source = source
    this.shadow = shadow
    this.#options = options
    const cluster = ({ address }: EmbeddedBroker): Cluster => new Cluster({ bootstrapServers: [address], clientId: 'test', logger: silentLogger, metadataMaxAgeMs: 1 })
    this.sourceCluster = cluster(source)
    this.shadowCluster = cluster(shadow)
  }

  /** Everything is stopped when the test ends. */
  static async start (t: Test, options: PairOptions = {}): Promise<ShadowPair> {
    const pair = new ShadowPair(await EmbeddedBroker.start(), await EmbeddedBroker.start(), options)
    t.teardown(() => pair.#stop())
    return pair
  }

  async #stop (): Promise<void> {
    await Promise.all(this.#engines.map(engine => engine.stop()))
    await Promise.all([this.sourceCluster.close(), this.shadowCluster.close()])
    await Promise.all([this.source.stop(), this.shadow.stop()])
  }

  linkDocument (source: HostPort = this.source.address): Record<string, unknown> {
    return {
      name: LINK,
      client_options: { bootstrap_servers: [formatHostPort(source)], metadata_max_age_ms: 200, retry_backoff_ms: 20, fetch_wait_max_ms: 50, ...this.#options.client },
      topic_metadata_sync_options: {
        interval: '200ms',
        auto_create_shadow_topic_filters: literal('*'),
        ...this.#options.topicSync
      },
      consumer_offset_sync_options: this.#options.groupSync ?? {},
      ...this.#options.link
    }
  }

  startEngine (options: Pick<PairOptions, 'logger'> = {}): RunningEngine {
    const engine = new RunningEngine(this.shadow.address, [parseLinkDocument(this.linkDocument(), 'test')], { ...this.#options, ...options })
    this.#engines.push(engine)
    return engine
  }

  async createTopic (cluster: 'source' | 'shadow', name: string, partitions = 1, configs: Record<string, string> = {}): Promise<void> {
    await createTopic(this.#cluster(cluster), { name, partitions, replicationFactor: 1, configs }, { signal: this.#signal })
  }

  async deleteTopic (cluster: 'source' | 'shadow', name: string): Promise<void> {
    await deleteTopic(this.#cluster(cluster), name, { signal: this.#signal })
  }

  async topicId (cluster: 'source' | 'shadow', name: string): Promise<string | null> {
    return (await this.#cluster(cluster).refresh({ signal: this.#signal })).topics.get(name)?.topicId ?? null
  }

  /**
   * Asks `hook` before every append of copied batches; the engine's own records pass. Call it when the engine leads.
   * Returns how to end it.
   */
  async onAppend (hook: RequestHook<typeof Produce>): Promise<() => void> {
    const stateTopicId = await this.topicId('shadow', STATE_TOPIC)
    return this.shadow.onRequest(Produce, request => {
      const isCopy = request.body.topicData.every(({ name, topicId }) => name !== STATE_TOPIC && topicId !== stateTopicId)
      return isCopy ? hook(request) : 'pass'
    })
  }

  async growTopic (name: string, count: number): Promise<void> {
    await createPartitions(this.sourceCluster, { topic: name, count }, { signal: this.#signal })
  }

  #cluster (which: 'source' | 'shadow'): Cluster {
    return which === 'source' ? this.sourceCluster : this.shadowCluster
  }

  /** Appends batches to the source as a producer does, one record each if nothing else is said. */
  write (topic: string, partition: number, count: number, input: Partial<BatchInput> = {}): void {
    const log = this.source.log(topic, partition)
    for (let index = 0; index < count; index++) {
      const outcome = log.append(oneBatch({ records: [{ timestamp: 1_700_000_000_000 + index, key: Buffer.from(`k${index}`), value: Buffer.from(`value ${log.logEndOffset}`) }], ...input }))
      if (outcome.errorCode !== 0) throw new Error(`the source refused a batch: ${outcome.errorCode}`)
    }
  }

  /** The log of one side, but for the leader epochs, which each cluster writes itself. */
  bytes (broker: EmbeddedBroker, topic: string, partition: number): Buffer {
    const log = broker.log(topic, partition)
    const batches = [...log.batches(() => true)].map(({ bytes }) => {
      const copy = Buffer.from(bytes)
      copy.writeInt32BE(0, LEADER_EPOCH_AT)
      return copy
    })
    return Buffer.concat(batches)
  }

  /** Where a shadow partition ends; -1 when it is not there yet. */
  shadowEnd (topic: string, partition = 0): number {
    try {
      return this.shadow.log(topic, partition).logEndOffset
    } catch {
      return -1
    }
  }

  /** True when both logs hold the same bytes and end at the same offset. Looks at the logs themselves. */
  isSame (topic: string, partition = 0): boolean {
    try {
      return this.shadow.log(topic, partition).logEndOffset === this.source.log(topic, partition).logEndOffset &&
        this.bytes(this.source, topic, partition).equals(this.bytes(this.shadow, topic, partition))
    } catch {
      return false
    }
  }

  /** True when the shadow holds the beginning of the source, byte for byte. */
  isPrefix (topic: string, partition = 0): boolean {
    const shadow = this.bytes(this.shadow, topic, partition)
    return this.bytes(this.source, topic, partition).subarray(0, shadow.length).equals(shadow)
  }

  async untilSame (topic: string, partitions = 1): Promise<void> {
    for (let partition = 0; partition < partitions; partition++) {
      await until(`${topic}-${partition} is the same on both sides`, () => this.isSame(topic, partition)).catch(async (error: unknown) => {
        const statuses = await Promise.all(this.#engines.map(engine => engine.link()))
        throw new Error(`${String(error)}: ${JSON.stringify(statuses.map(status => status?.topics.find(({ name }) => name === topic) ?? null))}`)
      })
    }
  }
}

export function oneBatch (input: BatchInput): ReturnType<typeof readBatches>['batches'][number] {
  const [batch] = readBatches(buildBatch(input)).batches
  if (batch === undefined) throw new Error('no batch was built')
  return batch
}

/** Waits for something to become true, and fails by name when it does not. */
export async function until (what: string, condition: () => boolean | Promise<boolean>, timeoutMs = WAIT_MS): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs
  while (!await condition()) {
    if (performance.now() > deadlineMs) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`)
    await sleep(10)
  }
}
