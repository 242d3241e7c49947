/**
 * Engines between real clusters, and what is true of source and shadow by other ways than theirs: the offsets that the brokers
 * answer, and the segment files of every replica.
 */
import { Cluster } from '../../src/client/cluster.ts'
import { createTopic } from '../../src/client/admin/create-topic.ts'
import { LATEST_TIMESTAMP, listOffsets } from '../../src/client/admin/list-offsets.ts'
import type { Dial } from '../../src/net/dial.ts'
import { formatHostPort, type HostPort } from '../../src/net/host-port.ts'
import { sleep } from '../../src/net/sleep.ts'
import { messageOf } from '../../src/errors.ts'
import { silentLogger, type Logger } from '../../src/observability/logger.ts'
import { Engine } from '../../src/replication/engine.ts'
import type { TopicStatus, VerifyTopicReport } from '../../src/replication/link-service.ts'
import { StateFollower } from '../../src/state/state-follower.ts'
import { compareSegments } from './compare-segments.ts'

/** For a machine that does a lot beside this; nothing waits so long when all is well. */
const PATIENCE_MS = 90_000
const POLL_MS = 50
/** How long a follower may be behind its leader when nothing is written any more. */
const REPLICATION_MS = 10_000

/** KafkaCluster, or one that is shared. */
export interface BrokerCluster {
  readonly bootstrapServers: readonly HostPort[]
  readonly bootstrap: string
  partitionDir (brokerId: number, topic: string, partition: number): string
}

/** Waits for something to become true; what it throws meanwhile is only told when it never does. */
export async function eventually (what: string, condition: () => boolean | Promise<boolean>, timeoutMs = PATIENCE_MS): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs
  let obstacle = ''
  for (;;) {
    try {
      if (await condition()) return
      obstacle = ''
    } catch (error) {
      obstacle = `: ${messageOf(error)}`
    }
    if (performance.now() > deadlineMs) throw new Error(`waited ${timeoutMs} ms in vain: ${what}${obstacle}`)
    await sleep(POLL_MS)
  }
}

/** The YAML document of a link that copies the topics of these names, as JSON. */
export function linkDocument (name: string, source: BrokerCluster, topics: readonly string[]): Record<string, unknown> {
  return {
    name,
    client_options: { bootstrap_servers: source.bootstrapServers.map(formatHostPort), metadata_max_age_ms: 1000, retry_backoff_ms: 50 },
    topic_metadata_sync_options: {
      interval: '1s',
      auto_create_shadow_topic_filters: topics.map(topic => topic.endsWith('*') && topic !== '*'
        ? { pattern_type: 'PREFIX', filter_type: 'INCLUDE', name: topic.slice(0, -1) }
        : { pattern_type: 'LITERAL', filter_type: 'INCLUDE', name: topic })
    }
  }
}

export interface BrokerEngineOptions {
  readonly sessionTimeoutMs?: number
  /** The way to the shadow's brokers. */
  readonly shadowDial?: Dial
  /** Where the shadow's brokers fetch from; without it, links are in append mode produce. */
  readonly shadowLeader?: HostPort
  /** What the brokers are told, where that is another address. */
  readonly advertised?: HostPort
  /** See ShadowLeaderConfig. */
  readonly followerTimeoutMs?: number
  /** The ids from 3000 to this one are for engines. */
  readonly lastBrokerId?: number
  /** The way to sources and to the shadow's controllers. */
  readonly dial?: Dial
  readonly logger?: Logger
  /** The URL of the schema registry that schemas are copied to. */
  readonly shadowRegistry?: string
  /** What the secrets of links are sealed with. */
  readonly secretKeyFile?: string
}

/** An engine in this process, as `kshadow run` makes it. */
export class BrokerEngine {
  readonly engine: Engine
  readonly state: StateFollower
  readonly cluster: Cluster
  #stopped: Promise<void> | null = null

  static async start (shadow: BrokerCluster, options: BrokerEngineOptions = {}): Promise<BrokerEngine> {
    const started = new BrokerEngine(shadow, options)
    try {
      await eventually('the engine leads', () => started.engine.leadership().leading)
    } catch (error) {
      await started.stop()
      throw error
    }
    return started
  }

  /** One that waits while another one leads. */
  static standBy (shadow: BrokerCluster, options: BrokerEngineOptions = {}): BrokerEngine {
    return new BrokerEngine(shadow, options)
  }

  private constructor (shadow: BrokerCluster, { sessionTimeoutMs = 6000, shadowDial, shadowLeader, advertised, followerTimeoutMs = 10_000, lastBrokerId = 3009, dial, logger = silentLogger, shadowRegistry, secretKeyFile }: BrokerEngineOptions) {
    const isUnreal = (nodeId: number): boolean => this.state.state?.shadowLeaders.has(nodeId) === true
    this.cluster = new Cluster({ bootstrapServers: shadow.bootstrapServers, clientId: 'engine', logger, isUnreal, ...(shadowDial === undefined ? {} : { dial: shadowDial }) })
    this.state = StateFollower.start(this.cluster, { logger })
    this.engine = Engine.start({
      config: {
        engine: { enabled: true, maxBufferedBytes: 32 * 1024 * 1024, sessionTimeoutMs, appendConnections: 2 },
        shadowLeader: shadowLeader === undefined ? null : { listen: shadowLeader, advertised: advertised ?? shadowLeader, brokerIds: [{ first: 3000, last: lastBrokerId }], controllers: [], interBrokerListener: null, followerTimeoutMs },
        sidecar: { enabled: false, nodeIds: [] },
        admin: { enabled: false, listen: { host: '127.0.0.1', port: 0 }, advertised: { host: '127.0.0.1', port: 0 }, allowRemote: false },
        links: []
      },
      shadowRegistry: shadowRegistry === undefined ? null : { url: shadowRegistry, auth: null, tls: null },
      secretKeyFile: secretKeyFile ?? null,
      cluster: this.cluster,
      state: this.state,
      logger,
      ...(dial === undefined ? {} : { dial })
    })
  }

  async topic (link: string, topic: string): Promise<TopicStatus | null> {
    return (await this.engine.status(link)).topics.find(({ name }) => name === topic) ?? null
  }

  /** What `verify` says of every partition of a link, or of one topic's. */
  async verify (link: string, topic: string | null = null): Promise<VerifyTopicReport[]> {
    const reports: VerifyTopicReport[] = []
    for await (const report of this.engine.verify(link, { topic, signal: AbortSignal.timeout(PATIENCE_MS) })) reports.push(report)
    return reports
  }

  /** Fails all of a link over, and removes it from the cluster that others use after this. */
  async deleteLink (link: string): Promise<void> {
    await this.engine.delete(link, { force: true })
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

/** A client of the test's own, with nothing of the engine's. */
export function testCluster ({ bootstrapServers }: BrokerCluster, dial?: Dial): Cluster {
  return new Cluster({ bootstrapServers, clientId: 'test', logger: silentLogger, metadataMaxAgeMs: 500, requestTimeoutMs: 10_000, ...(dial === undefined ? {} : { dial }) })
}

/** Creates a topic of as many replicas as the cluster has brokers, two at the most; returns when every partition has a leader. */
export async function createSourceTopic (cluster: Cluster, name: string, partitions: number, configs: Readonly<Record<string, string>> = {}): Promise<void> {
  const signal = AbortSignal.timeout(PATIENCE_MS)
  const { brokers } = await cluster.refresh({ signal })
  await createTopic(cluster, { name, partitions, replicationFactor: Math.min(2, brokers.size), configs }, { signal })
  await eventually(`topic ${name} has leaders`, async () => (await endOffsets(cluster, name)).length === partitions)
}

/** The high watermarks of a topic's partitions, in order. @throws when one cannot be had */
export async function endOffsets (cluster: Cluster, topic: string): Promise<number[]> {
  const signal = AbortSignal.timeout(PATIENCE_MS)
  const view = (await cluster.refresh({ signal })).topics.get(topic)
  if (view === undefined) throw new Error(`there is no topic ${topic}`)
  const rows = await listOffsets(cluster, view.partitions.map(({ partition }) => ({ topic, partition, timestamp: LATEST_TIMESTAMP })), { signal })
  return rows.map(({ partition, errorCode, offset }) => {
    if (errorCode !== 0) throw new Error(`the end of ${topic}-${partition} cannot be read: error ${errorCode}`)
    return offset
  })
}

/** Waits until the shadows of topics end where their sources do; what is there by then is not looked at. */
export async function untilLevel (source: Cluster, shadow: Cluster, topics: readonly string[]): Promise<void> {
  for (const topic of topics) {
    let seen = ''
    try {
      await eventually(`${topic} ends at the same offsets on both sides`, async () => {
        const [theirs, mine] = await Promise.all([endOffsets(source, topic), endOffsets(shadow, topic)])
        seen = `${theirs.join()} on the source, ${mine.join()} on the shadow`
        return theirs.join() === mine.join()
      })
    } catch (error) {
      throw new Error(`${messageOf(error)} (${seen})`, { cause: error })
    }
  }
}

export interface ReplicaComparison {
  readonly batches: number
  readonly bytes: number
  /** Pairs of replicas that differ, in words. */
  readonly differences: readonly string[]
}

/**
 * Compares the segment files of a source replica with those of every other replica of a topic, on both sides. A follower may have the last
 * batches a moment later than its leader: what differs is looked at again for a while.
 */
export async function compareReplicas (source: BrokerCluster, shadow: BrokerCluster, topic: string): Promise<ReplicaComparison> {
  const sides = await Promise.all([source, shadow].map(async cluster => ({ cluster, partitions: await replicasOf(cluster, topic) })))
  const partitions = sides[0]?.partitions.length ?? 0
  if (sides[1]?.partitions.length !== partitions || partitions === 0) throw new Error(`${topic} has ${partitions} partitions on the source and ${sides[1]?.partitions.length ?? 0} on the shadow`)
  const folders = Array.from({ length: partitions }, (_, partition) => sides.flatMap(({ cluster, partitions: replicas }) => (replicas[partition] ?? []).map(broker => cluster.partitionDir(broker, topic, partition))))
  const total = { batches: 0, bytes: 0 }
  const differences: string[] = []
  for (const [first = '', ...others] of folders) {
    for (const [index, other] of others.entries()) {
      const deadlineMs = performance.now() + REPLICATION_MS
      let result = compareSegments(first, other)
      while (result.difference !== null && performance.now() < deadlineMs) {
        await sleep(POLL_MS)
        result = compareSegments(first, other)
      }
      if (result.difference !== null) differences.push(`${first} and ${other}: ${result.difference}`)
      if (index === 0) {
        total.batches += result.batches
        total.bytes += result.bytes
      }
    }
  }
  return { ...total, differences }
}

async function replicasOf (cluster: BrokerCluster, topic: string): Promise<ReadonlyArray<readonly number[]>> {
  const client = testCluster(cluster)
  try {
    const view = await client.refresh({ signal: AbortSignal.timeout(PATIENCE_MS) })
    return view.topics.get(topic)?.partitions.map(({ replicas }) => replicas) ?? []
  } finally {
    await client.close()
  }
}
