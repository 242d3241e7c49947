/**
 * The shadow leader beside a real one, and beside MirrorMaker 2: what followers take from each, one after the other. A real leader
 * feeds its followers in one hop, the shadow leader in two: it fetches from the source first.
 */
import { createTopics } from '../../src/client/admin/create-topic.ts'
import { deleteTopic } from '../../src/client/admin/delete-topic.ts'
import type { Cluster } from '../../src/client/cluster.ts'
import { sleep } from '../../src/net/sleep.ts'
import { inRackOrder, placeReplicas } from '../../src/replication/append/replica/replica-placement.ts'
import { BROKER_ID, brokerPid } from '../brokers.ts'
import { diskIsIdle } from '../disk.ts'
import { processUsage } from '../process-usage.ts'
import { number, type PartReport } from '../report.ts'
import type { BenchOptions } from '../run.ts'
import { mirrorMaker } from '../replication/copiers.ts'
import { measureLag, type LagReport, type Side } from '../replication/lag.ts'
import { fill, PARTITIONS, type BenchReplica, type Filled } from '../replication/source-topic.ts'
import { SHADOW_VERSION, withClusterPair, type ClusterPair } from './cluster-pair.ts'
import { copiedLine, copying, recordsIn, until, type Copied, type Watched } from './copying.ts'
import { addFollowers, removeFollowers, replicasAt, type NativeLeader } from './native-leader.ts'
import { FOLLOWER, FOLLOWERS, LEADER, LAG_SETTLE_MS, replicaReport, WARM_UP_BYTES, type Mirrored } from './replica-report.ts'
import type { ShadowProcess } from './shadow-process.ts'

/** For what brokers still do after a topic was deleted, or copied. */
const SETTLE_MS = 2000

type Setting = Pick<ClusterPair, 'source' | 'sourceClient' | 'shadow' | 'shadowClient'> & Pick<BenchOptions, 'signal' | 'progress'>

export async function measureReplica ({ bytes, signal, progress }: BenchOptions): Promise<PartReport> {
  return await withClusterPair({ signal, shadowBrokers: 1 + FOLLOWERS.length }, async ({ startEngine, ...pair }) => {
    progress(`a source of one broker and a shadow of ${1 + FOLLOWERS.length} are up`)
    return await measure({ ...pair, signal, progress }, bytes, async () => (await startEngine()).engine)
  })
}

async function measure (setting: Setting, bytes: number, startEngine: () => Promise<ShadowProcess>): Promise<PartReport> {
  const { source, shadow, sourceClient, shadowClient, signal, progress } = setting
  const [topics, warmTopics] = [topicsPlacedFirstAt(FOLLOWER, 'bench'), topicsPlacedFirstAt(FOLLOWER, 'warm')]
  const filled = await createAndFill(sourceClient, topics, BROKER_ID, bytes, signal)
  const warm = await createAndFill(sourceClient, warmTopics, BROKER_ID, WARM_UP_BYTES, signal)
  const native = await nativeLeader(setting, topics, bytes)
  const nativeWarm = await nativeLeader(setting, warmTopics, WARM_UP_BYTES)
  progress(`${number(filled.bytes / 1e9)} GB are in the source, and in the native leader`)

  await addFollowers(nativeWarm, FOLLOWERS, signal)
  progress('the native leader and its followers are warm')
  await settled(signal)
  const nativeOne = await addFollowers(native, [FOLLOWER], signal)
  progress(`native, one follower: ${copiedLine(nativeOne)}`)
  await removeFollowers(native, [FOLLOWER], signal)
  await settled(signal)
  const nativeTwo = await addFollowers(native, FOLLOWERS, signal)
  progress(`native, two followers: ${copiedLine(nativeTwo)}`)
  // Brokers that are not there are given no replicas: the shadow leader has the same two followers, and nobody else.
  await shadow.broker(LEADER).stop()

  let engine = await startEngine()
  await engine.link('warm', source, 'warm', { excludeDefault: true })
  await shadowed(setting, engine, warmTopics, warm, FOLLOWERS)
  await engine.kill()
  progress('the shadow leader is warm')

  engine = await startEngine()
  await settled(signal)
  await engine.link('one', source, 'bench')
  const one = await shadowed(setting, engine, topics, filled, [FOLLOWER])
  progress(`shadow leader, one follower: ${copiedLine(one)}`)
  const oneLag = await lagOf(setting, topics, { cluster: shadowClient, replicas: replicasAt(FOLLOWER, topics) })
  progress(`lag ${lagText(oneLag)}`)
  const lagged = await lengthOf(setting, topics, filled)
  await engine.admin.delete('one', { force: true })
  for (const topic of topics) await deleteTopic(shadowClient, topic, { signal })
  await settled(signal)
  await engine.link('two', source, 'bench', { excludeDefault: true })
  const two = await shadowed(setting, engine, topics, lagged, FOLLOWERS)
  progress(`shadow leader, two followers: ${copiedLine(two)}`)
  const peakMb = processUsage(engine.process.pid).peakBytes / 1e6
  await engine.kill()
  await settled(signal)

  const mirror = await mirrored(setting, topics, lagged)
  return replicaReport({ filled, nativeOne, nativeTwo, one, oneLag, two, peakMb, mirror })
}

/** What was before is over, on the brokers and on the disk. */
async function settled (signal: AbortSignal): Promise<void> {
  await sleep(SETTLE_MS, signal)
  await diskIsIdle(signal)
}

/** Names whose single partition the shadow leader gives to a broker first. */
function topicsPlacedFirstAt (brokerId: number, prefix: string): string[] {
  const order = inRackOrder(FOLLOWERS.map(id => ({ id, rack: null })))
  const names: string[] = []
  for (let index = 0; names.length < PARTITIONS; index++) {
    const name = `${prefix}-${index}`
    if (placeReplicas(order, name, 0, 1)[0] === brokerId) names.push(name)
  }
  return names
}

async function createAndFill (cluster: Cluster, topics: readonly string[], brokerId: number, bytes: number, signal: AbortSignal): Promise<Filled> {
  for (const refusal of await createTopics(cluster, topics.map(name => ({ name, partitions: 1, replicationFactor: -1, assignments: [[brokerId]], configs: {} })), { signal })) if (refusal !== null) throw refusal
  return await fill(cluster, replicasAt(brokerId, topics), bytes, signal)
}

async function nativeLeader ({ shadow, shadowClient, signal }: Setting, copyOf: readonly string[], bytes: number): Promise<NativeLeader> {
  const topics = copyOf.map(topic => `native-${topic}`)
  return { cluster: shadow, client: shadowClient, leaderId: LEADER, topics, filled: await createAndFill(shadowClient, topics, LEADER, bytes, signal) }
}

/** Waits until the followers have from the shadow leader what is in the source. */
async function shadowed (setting: Setting, engine: ShadowProcess, topics: readonly string[], filled: Filled, followers: readonly number[]): Promise<Copied> {
  return await copying({
    cluster: setting.shadowClient,
    filled,
    replicas: followers.flatMap(nodeId => replicasAt(nodeId, topics)),
    watched: [{ name: 'leader', pid: () => engine.process.pid }, ...watchedBrokers(setting)],
    child: engine.process,
    signal: setting.signal
  })
}

function watchedBrokers ({ source, shadow }: Setting): Watched[] {
  return [{ name: 'source', pid: () => brokerPid(source) }, ...FOLLOWERS.map(id => ({ name: `broker ${id}`, pid: () => brokerPid(shadow, id) }))]
}

async function mirrored (setting: Setting, topics: readonly string[], filled: Filled): Promise<Mirrored> {
  const { source, shadow, shadowClient, signal, progress } = setting
  const copier = mirrorMaker(SHADOW_VERSION)
  const child = await copier.start(source, shadow, topics.join(','))
  try {
    const targets = topics.map(topic => copier.targetTopic(topic))
    const replicas = async (): Promise<BenchReplica[]> => {
      const view = await shadowClient.refresh({ signal })
      return targets.map(topic => ({ topic, partition: 0, nodeId: view.topics.get(topic)?.partitions[0]?.leaderId ?? FOLLOWER }))
    }
    await until(async () => await recordsIn(shadowClient, await replicas(), signal), count => count > 0, { child, signal })
    const placed = await replicas()
    const copied = await copying({ cluster: shadowClient, filled, replicas: placed, watched: [{ name: 'leader', pid: () => child.pid }, ...watchedBrokers(setting)], child, signal })
    progress(`${copier.name}: ${copiedLine(copied)}`)
    const lag = await lagOf(setting, topics, { cluster: shadowClient, replicas: placed })
    progress(`lag ${lagText(lag)}`)
    return { copied, lag, peakMb: processUsage(child.pid).peakBytes / 1e6 }
  } finally {
    await child.kill()
  }
}

async function lagOf ({ sourceClient, signal }: Setting, topics: readonly string[], target: Side): Promise<LagReport> {
  await settled(signal)
  await sleep(LAG_SETTLE_MS, signal)
  return await measureLag({ cluster: sourceClient, replicas: replicasAt(BROKER_ID, topics) }, target, signal)
}

/** What is in the source now: the load that the lag was measured with is there for the next one. */
async function lengthOf ({ sourceClient, signal }: Setting, topics: readonly string[], filled: Filled): Promise<Filled> {
  const records = await recordsIn(sourceClient, replicasAt(BROKER_ID, topics), signal)
  return { records, bytes: filled.bytes * records / filled.records }
}

function lagText ({ atSource, atTarget }: LagReport): string {
  return `${number(atTarget.p50)} / ${number(atTarget.p99)} ms, at the source ${number(atSource.p50)} / ${number(atSource.p99)} ms`
}
