/**
 * The shadow leader beside a real one, and beside MirrorMaker 2: what followers take from each, one after the other. A real leader
 * feeds its followers in one hop, the shadow leader in two: it fetches from the source first.
 */
import { alterPartitionReassignments } from '../../src/client/admin/alter-partition-reassignments.ts'
import { createTopics } from '../../src/client/admin/create-topic.ts'
import { deleteTopic } from '../../src/client/admin/delete-topic.ts'
import type { Cluster } from '../../src/client/cluster.ts'
import { sleep } from '../../src/net/sleep.ts'
import { inRackOrder, placeReplicas } from '../../src/replication/append/replica/replica-placement.ts'
import type { KafkaCluster } from '../../test/support/kafka-cluster.ts'
import { kafkaRelease } from '../kafka-release.ts'
import { benchClient, BROKER_ID, startBrokers } from '../brokers.ts'
import { processUsage } from '../process-usage.ts'
import { atLeast, atMost, number, type PartReport } from '../report.ts'
import type { BenchOptions } from '../run.ts'
import { MIRROR_TUNING, mirrorMaker, type CopierProcess } from '../replication/copiers.ts'
import { LAG_BYTES_PER_SECOND, measureLag, type LagReport, type Side } from '../replication/lag.ts'
import { endOffsets, fill, PARTITIONS, type BenchReplica, type Filled } from '../replication/source-topic.ts'
import { ShadowProcess } from './shadow-process.ts'

const SOURCE_VERSION = '4.1'
const SHADOW_VERSION = '4.3'
/** The native leader, and the follower of both leaders; with two followers, both follow the shadow leader. */
const LEADER = 1
const FOLLOWER = 2
const BROKERS = [LEADER, FOLLOWER]

const WARM_UP_BYTES = 0.5e9

/** In issue 4. */
const LEAST_OF_NATIVE = 0.9
const MOST_CPU_PER_GB = 1.5
const MOST_RESIDENT_MB = 300
/** In issue 3. */
const LEAST_OF_MIRROR = 2.5
const MOST_LAG_OF_MIRROR = 0.5

const START_TIMEOUT_MS = 90_000
/** What nobody may be slower than. */
const LEAST_BYTES_PER_SECOND = 15e6
const POLL_MS = 25
/** For what brokers still do after a topic was deleted, or copied. */
const SETTLE_MS = 2000
/** For what the disk still does after gigabytes were written. */
const LAG_SETTLE_MS = 6000

/** A process whose CPU is counted: how much it had used when the copying began. */
interface Watched {
  readonly name: string
  readonly pid: () => number
}

interface Copied {
  readonly bytes: number
  readonly seconds: number
  /** While copying, in seconds of CPU, by process. */
  readonly cpuSeconds: ReadonlyMap<string, number>
}

interface Setting {
  readonly source: KafkaCluster
  readonly shadow: KafkaCluster
  readonly sourceClient: Cluster
  readonly shadowClient: Cluster
  readonly signal: AbortSignal
  readonly progress: (line: string) => void
}

export async function measureReplica ({ bytes, signal, progress }: BenchOptions): Promise<PartReport> {
  const started = await Promise.allSettled([startBrokers('bench-source', SOURCE_VERSION, 1), startBrokers('bench-shadow', SHADOW_VERSION, BROKERS.length)])
  const stops: Array<() => Promise<unknown>> = started.flatMap(cluster => cluster.status === 'fulfilled' ? [async () => { await cluster.value.stop() }] : [])
  try {
    const [source, shadow] = started.map(cluster => {
      if (cluster.status === 'rejected') throw cluster.reason
      return cluster.value
    })
    if (source === undefined || shadow === undefined) throw new Error('a cluster is missing')
    const [sourceClient, shadowClient] = [benchClient(source), benchClient(shadow)]
    stops.unshift(async () => { await sourceClient.close() }, async () => { await shadowClient.close() })
    const setting: Setting = { source, shadow, sourceClient, shadowClient, signal, progress }
    progress(`a source of one broker and a shadow of ${BROKERS.length} are up`)
    return await measure(setting, bytes, stop => stops.unshift(stop))
  } finally {
    for (const stop of stops) await stop().catch(() => {})
  }
}

async function measure (setting: Setting, bytes: number, atEnd: (stop: () => Promise<unknown>) => void): Promise<PartReport> {
  const { source, shadow, sourceClient, shadowClient, signal, progress } = setting
  const [topics, warmTopics] = [topicsPlacedFirstAt(FOLLOWER, 'bench'), topicsPlacedFirstAt(FOLLOWER, 'warm')]
  const filled = await createAndFill(sourceClient, topics, BROKER_ID, bytes, signal)
  const warm = await createAndFill(sourceClient, warmTopics, BROKER_ID, WARM_UP_BYTES, signal)
  const nativeTopics = topics.map(topic => `native-${topic}`)
  const nativeWarmTopics = warmTopics.map(topic => `native-${topic}`)
  await createAndFill(shadowClient, nativeTopics, LEADER, bytes, signal)
  await createAndFill(shadowClient, nativeWarmTopics, LEADER, WARM_UP_BYTES, signal)
  progress(`${number(filled.bytes / 1e9)} GB are in the source, and in the native leader`)

  let engine = await ShadowProcess.start(shadow, signal)
  try {
    await engine.link('warm', source, 'warm', { excludeDefault: true })
    await copying(setting, warm, BROKERS.flatMap(nodeId => replicasAt(nodeId, warmTopics)), [], engine.process)
  } finally {
    await engine.kill()
  }
  await native(setting, nativeWarmTopics, warm)
  progress('followers and both leaders are warm')
  await sleep(SETTLE_MS, signal)

  const nativeCopied = await native(setting, nativeTopics, filled)
  told(progress, 'native, one follower', nativeCopied)

  engine = await ShadowProcess.start(shadow, signal)
  atEnd(async () => { await engine.kill() })
  const watched: Watched[] = [{ name: 'leader', pid: () => engine.process.pid }, { name: 'source', pid: () => pidOf(source, BROKER_ID) }, ...BROKERS.map(id => ({ name: `broker ${id}`, pid: () => pidOf(shadow, id) }))]
  await sleep(SETTLE_MS, signal)
  await engine.link('one', source, 'bench')
  const one = await copying(setting, filled, replicasAt(FOLLOWER, topics), watched, engine.process)
  told(progress, 'shadow leader, one follower', one)
  const oneLag = await lagOf(setting, topics, { cluster: shadowClient, replicas: replicasAt(FOLLOWER, topics) })
  progress(`lag ${lagText(oneLag)}`)
  const lagged = await lengthOf(setting, topics, filled)
  await engine.admin.delete('one', { force: true })
  for (const topic of topics) await deleteTopic(shadowClient, topic, { signal })
  await sleep(SETTLE_MS, signal)
  await engine.link('two', source, 'bench', { excludeDefault: true })
  const two = await copying(setting, lagged, BROKERS.flatMap(nodeId => replicasAt(nodeId, topics)), watched, engine.process)
  told(progress, 'shadow leader, two followers', two)
  const peakMb = processUsage(engine.process.pid).peakBytes / 1e6
  await engine.kill()
  await sleep(SETTLE_MS, signal)

  const mirror = await mirrored(setting, topics, lagged)
  return report({ filled, nativeCopied, one, oneLag, two, peakMb, mirror })
}

/** Names whose single partition the shadow leader gives to a broker first. */
function topicsPlacedFirstAt (brokerId: number, prefix: string): string[] {
  const order = inRackOrder(BROKERS.map(id => ({ id, rack: null })))
  const names: string[] = []
  for (let index = 0; names.length < PARTITIONS; index++) {
    const name = `${prefix}-${index}`
    if (placeReplicas(order, name, 0, 1)[0] === brokerId) names.push(name)
  }
  return names
}

function replicasAt (nodeId: number, topics: readonly string[]): BenchReplica[] {
  return topics.map(topic => ({ topic, partition: 0, nodeId }))
}

async function createAndFill (cluster: Cluster, topics: readonly string[], brokerId: number, bytes: number, signal: AbortSignal): Promise<Filled> {
  for (const refusal of await createTopics(cluster, topics.map(name => ({ name, partitions: 1, replicationFactor: -1, assignments: [[brokerId]], configs: {} })), { signal })) if (refusal !== null) throw refusal
  return await fill(cluster, replicasAt(brokerId, topics), bytes, signal)
}

/** Gives the topics of the native leader a second replica, as an operator does. */
async function native (setting: Setting, topics: readonly string[], filled: Filled): Promise<Copied> {
  const { shadow, shadowClient, signal } = setting
  for (const { errorCode, error } of await alterPartitionReassignments(shadowClient, topics.map(topic => ({ topic, partition: 0, replicas: [LEADER, FOLLOWER] })), { signal })) {
    if (errorCode !== 0) throw error ?? new Error(`AlterPartitionReassignments: error ${errorCode}`)
  }
  return await copying(setting, filled, replicasAt(FOLLOWER, topics), [{ name: 'leader', pid: () => pidOf(shadow, LEADER) }, { name: `broker ${FOLLOWER}`, pid: () => pidOf(shadow, FOLLOWER) }], null)
}

/** Waits until all replicas have everything: from the first records on the slowest to the last. */
async function copying ({ shadowClient, signal }: Pick<Setting, 'shadowClient' | 'signal'>, { records, bytes }: Filled, replicas: readonly BenchReplica[], watched: readonly Watched[], child: CopierProcess | null): Promise<Copied> {
  const copies = replicas.length / PARTITIONS
  const done = async (): Promise<number> => sum(await endOffsets(shadowClient, replicas, signal)) / copies
  const usage = (): Map<string, number> => new Map(watched.map(({ name, pid }) => [name, processUsage(pid()).cpuSeconds]))
  const first = await until(done, count => count > 0, START_TIMEOUT_MS, signal, child)
  const before = usage()
  const last = await until(done, count => count >= records, START_TIMEOUT_MS + bytes / LEAST_BYTES_PER_SECOND * 1000, signal, child)
  const after = usage()
  if (last.records !== records) throw new Error(`${last.records} records have been made of ${records}`)
  return {
    bytes: bytes * (records - first.records) / records,
    seconds: (last.atMs - first.atMs) / 1000,
    cpuSeconds: new Map([...after].map(([name, seconds]) => [name, seconds - (before.get(name) ?? NaN)]))
  }
}

async function until (progressOf: () => Promise<number>, isThere: (records: number) => boolean, timeoutMs: number, signal: AbortSignal, child: CopierProcess | null): Promise<{ readonly records: number, readonly atMs: number }> {
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    const records = await progressOf()
    const atMs = performance.now()
    if (isThere(records)) return { records, atMs }
    const what = `took more than ${number(timeoutMs / 1000)} s, and ${records} records are there`
    // The pid throws when the process has ended.
    if ((child === null || child.pid > 0) && atMs > deadlineMs) throw child?.error(what) ?? new Error(`copying ${what}`)
    await sleep(POLL_MS, signal)
  }
}

interface Mirrored {
  readonly copied: Copied
  readonly lag: LagReport
  readonly peakMb: number
}

async function mirrored (setting: Setting, topics: readonly string[], filled: Filled): Promise<Mirrored> {
  const { source, shadow, shadowClient, signal, progress } = setting
  const copier = mirrorMaker(SHADOW_VERSION)
  const child = await copier.start(source, shadow, topics.join(','))
  try {
    const targets = topics.map(topic => copier.targetTopic(topic))
    const replicas = async (): Promise<BenchReplica[]> => {
      const view = await shadowClient.refresh({ signal })
      return targets.map(topic => ({ topic, partition: 0, nodeId: view.topics.get(topic)?.partitions[0]?.leaderId ?? LEADER }))
    }
    await until(async () => sum(await endOffsets(shadowClient, await replicas(), signal)), count => count > 0, START_TIMEOUT_MS, signal, child)
    const placed = await replicas()
    const copied = await copying(setting, filled, placed, [
      { name: 'leader', pid: () => child.pid }, { name: 'source', pid: () => pidOf(source, BROKER_ID) }, ...BROKERS.map(id => ({ name: `broker ${id}`, pid: () => pidOf(shadow, id) }))
    ], child)
    told(progress, copier.name, copied)
    const lag = await lagOf(setting, topics, { cluster: shadowClient, replicas: placed })
    progress(`lag ${lagText(lag)}`)
    return { copied, lag, peakMb: processUsage(child.pid).peakBytes / 1e6 }
  } finally {
    await child.kill()
  }
}

async function lagOf ({ sourceClient, signal }: Setting, topics: readonly string[], target: Side): Promise<LagReport> {
  await sleep(LAG_SETTLE_MS, signal)
  return await measureLag({ cluster: sourceClient, replicas: replicasAt(BROKER_ID, topics) }, target, signal)
}

/** What is in the source now: the load that the lag was measured with is there for the next one. */
async function lengthOf ({ sourceClient, signal }: Setting, topics: readonly string[], filled: Filled): Promise<Filled> {
  const records = sum(await endOffsets(sourceClient, replicasAt(BROKER_ID, topics), signal))
  return { records, bytes: filled.bytes * records / filled.records }
}

function pidOf (cluster: KafkaCluster, brokerId: number): number {
  const { pid } = cluster.broker(brokerId)
  if (pid === null) throw new Error(`broker ${brokerId} of Kafka ${cluster.version} has ended`)
  return pid
}

function told (progress: (line: string) => void, name: string, copied: Copied): void {
  progress(`${name}: ${number(speed(copied))} MB/s in ${number(copied.seconds)} s; CPU s/GB: ${[...copied.cpuSeconds.keys()].map(key => `${key} ${number(cpu(copied, key))}`).join(', ')}`)
}

function lagText ({ atSource, atTarget }: LagReport): string {
  return `${number(atTarget.p50)} / ${number(atTarget.p99)} ms, at the source ${number(atSource.p50)} / ${number(atSource.p99)} ms`
}

function speed ({ bytes, seconds }: Copied): number {
  return bytes / 1e6 / seconds
}

function cpu ({ cpuSeconds, bytes }: Copied, name: string): number {
  return (cpuSeconds.get(name) ?? NaN) / (bytes / 1e9)
}

/** Beyond what the same consumer sees at the source. */
function added ({ atSource, atTarget }: LagReport, of: 'p50' | 'p99'): number {
  return atTarget[of] - atSource[of]
}

function sum (values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function report ({ filled, nativeCopied, one, oneLag, two, peakMb, mirror }: {
  readonly filled: Filled
  readonly nativeCopied: Copied
  readonly one: Copied
  readonly oneLag: LagReport
  readonly two: Copied
  readonly peakMb: number
  readonly mirror: Mirrored
}): PartReport {
  const all = [nativeCopied, one, two, mirror.copied]
  const row = (name: string, of: (copied: Copied) => number, unit: string): string[] => [name, ...all.map(copied => {
    const value = of(copied)
    return Number.isNaN(value) ? '' : `${number(value)} ${unit}`
  })]
  const lagRow = (name: string, of: (lag: LagReport) => number): string[] => [name, '', `${number(of(oneLag))} ms`, '', `${number(of(mirror.lag))} ms`]
  return {
    title: 'Append mode replica',
    conditions: [
      `Apache Kafka ${kafkaRelease(SOURCE_VERSION)} (source, one broker) and ${kafkaRelease(SHADOW_VERSION)} (shadow, two brokers and a controller), heap and JVM options of Kafka's own scripts; \`kshadow run\`, default settings, every CRC checked; MirrorMaker 2 of ${kafkaRelease(SHADOW_VERSION)}`,
      `${number(filled.bytes / 1e9)} GB: records of 1 KB that cannot be compressed, in batches of 64 KB, ${PARTITIONS} topics of one partition`,
      `Native: the same data lies on broker ${LEADER} of the shadow cluster, and broker ${FOLLOWER} is added as a replica by a reassignment. Shadow leader: the source's topics, followed by broker ${FOLLOWER} alone, or by both; replica fetches as Kafka has them by default. The shadow leader fetches from the source what it serves: one hop more than native, on the same two cores`,
      `One after the other, in the order of the columns. Before: ${number(WARM_UP_BYTES / 1e9)} GB of other data through each of the two leaders, to the same followers. Engine and MirrorMaker 2 are fresh processes; the second run of the shadow leader is of the same process`,
      `From the first records on the followers to the last on the slowest, as brokers say that are asked every ${POLL_MS} ms; CPU is that of the same time (/proc). Memory is the peak of all runs, the lag's measurement included`,
      `Lag: ${LAG_SETTLE_MS / 1000} s after the copying, ${LAG_BYTES_PER_SECOND / 1e6} MB/s for 10 s in batches of 50 KB; from the source's acknowledgement until a consumer has the batch, from the follower or from MirrorMaker 2's target. "Added": less what the same consumer sees at the source`,
      `MirrorMaker 2: ${Object.entries(MIRROR_TUNING).map(([key, value]) => `${key}=${value}`).join(', ')}; no heartbeats, checkpoints, or sync of configs and ACLs; one replica`
    ],
    tables: [{
      columns: ['', 'Native, 1 follower', 'Shadow leader, 1 follower', 'Shadow leader, 2 followers', 'MirrorMaker 2'],
      rows: [
        row('Copying, each replica', speed, 'MB/s'),
        row('CPU of the leader: broker, engine, or MirrorMaker 2', copied => cpu(copied, 'leader'), 's/GB'),
        row('CPU of the source broker', copied => cpu(copied, 'source'), 's/GB'),
        row(`CPU of shadow broker ${FOLLOWER}`, copied => cpu(copied, `broker ${FOLLOWER}`), 's/GB'),
        row(`CPU of shadow broker ${LEADER}`, copied => cpu(copied, `broker ${LEADER}`), 's/GB'),
        ['Peak resident memory', '', `${number(peakMb)} MB`, `${number(peakMb)} MB`, `${number(mirror.peakMb)} MB`],
        lagRow('Added lag at 5 MB/s, median', lag => added(lag, 'p50')),
        lagRow('Added lag at 5 MB/s, 99th percentile', lag => added(lag, 'p99')),
        lagRow('A consumer at the source, 99th percentile', ({ atSource }) => atSource.p99)
      ]
    }],
    targets: [
      atLeast('Replica: speed beside a native leader, one follower', speed(one) / speed(nativeCopied), LEAST_OF_NATIVE, '×'),
      atLeast('Replica: speed beside MirrorMaker 2, one follower', speed(one) / speed(mirror.copied), LEAST_OF_MIRROR, '×'),
      atMost('Replica: CPU of the engine with two followers', cpu(two, 'leader'), MOST_CPU_PER_GB, ' s/GB'),
      atMost('Replica: peak resident memory', peakMb, MOST_RESIDENT_MB, ' MB'),
      atMost('Replica: added lag beside MirrorMaker 2, 99th percentile', added(oneLag, 'p99') / added(mirror.lag, 'p99'), MOST_LAG_OF_MIRROR, '×')
    ]
  }
}
