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
import { FreeMemory } from '../free-memory.ts'
import { processUsage } from '../process-usage.ts'
import { number, type PartReport } from '../report.ts'
import type { BenchOptions } from '../run.ts'
import { mirrorMaker } from '../replication/copiers.ts'
import { measureLag, type LagReport, type Side } from '../replication/lag.ts'
import { fill, PARTITIONS, type BenchReplica, type Filled } from '../replication/source-topic.ts'
import { SHADOW_VERSION, withClusterPair, type ClusterPair } from './cluster-pair.ts'
import { copiedLine, copying, recordsIn, until, type Copied, type Watched } from './copying.ts'
import { addFollowers, removeFollowers, replicasAt, type NativeLeader } from './native-leader.ts'
import { FOLLOWER, FOLLOWERS, LEADER, LAG_SETTLE_MS, replicaReport, WARM_UP_BYTES, type Mirrored, type Round } from './replica-report.ts'
import type { ShadowProcess } from './shadow-process.ts'
import { deleteAll } from './topics.ts'

/** One after the other, each with everything in it: what is slow for a while is so for all. */
const ROUNDS = 3

/** For what brokers still do after a topic was deleted, or copied. */
const SETTLE_MS = 2000

type Setting = Pick<ClusterPair, 'source' | 'sourceClient' | 'shadow' | 'shadowClient' | 'metadata'> & Pick<BenchOptions, 'signal' | 'progress'> & {
  readonly startEngine: () => Promise<ShadowProcess>
  readonly memory: FreeMemory
}

export async function measureReplica ({ bytes, signal, progress }: BenchOptions): Promise<PartReport> {
  return await withClusterPair({ signal, shadowBrokers: 1 + FOLLOWERS.length }, async ({ startEngine, ...pair }) => {
    progress(`a source of one broker and a shadow of ${1 + FOLLOWERS.length} are up`)
    const memory = await FreeMemory.open()
    try {
      return await measure({ ...pair, signal, progress, memory, startEngine: async () => (await startEngine()).engine }, bytes)
    } finally {
      await memory.close()
    }
  })
}

async function measure (setting: Setting, bytes: number): Promise<PartReport> {
  const { source, sourceClient, signal, progress, startEngine } = setting
  const [topics, warmTopics] = [topicsPlacedFirstAt(FOLLOWER, 'bench'), topicsPlacedFirstAt(FOLLOWER, 'warm')]
  const filled = await createAndFill(sourceClient, topics, BROKER_ID, bytes, signal)
  const warm = await createAndFill(sourceClient, warmTopics, BROKER_ID, WARM_UP_BYTES, signal)
  const native = await nativeLeader(setting, topics, bytes)
  const nativeWarm = await nativeLeader(setting, warmTopics, WARM_UP_BYTES)
  progress(`${number(filled.bytes / 1e9)} GB are in the source, and in the native leader`)

  await addFollowers(nativeWarm, FOLLOWERS, signal)
  progress('the native leader and its followers are warm')
  await withoutNativeLeader(setting, async () => {
    const engine = await startEngine()
    await engine.link('warm', source, 'warm', { excludeDefault: true })
    await shadowed(setting, engine, warmTopics, warm, FOLLOWERS)
    await unlink(setting, engine, 'warm', warmTopics)
    await engine.kill()
  })
  progress('the shadow leader is warm')

  const rounds: Round[] = []
  for (let round = 1; round <= ROUNDS; round++) {
    const own: Setting = { ...setting, progress: line => { progress(`round ${round} of ${ROUNDS}: ${line}`) } }
    rounds.push({
      ...await measureNative(own, native),
      ...await withoutNativeLeader(own, async () => await measureShadow(own, topics, filled)),
      mirror: await mirrored(own, topics, filled)
    })
  }
  return replicaReport(filled, rounds)
}

async function measureNative (setting: Setting, native: NativeLeader): Promise<Pick<Round, 'nativeOne' | 'nativeTwo'>> {
  const { signal, progress } = setting
  await settled(setting)
  const nativeOne = await addFollowers(native, [FOLLOWER], signal)
  progress(`native, one follower: ${copiedLine(nativeOne)}`)
  await removeFollowers(native, [FOLLOWER], signal)
  await settled(setting)
  const nativeTwo = await addFollowers(native, FOLLOWERS, signal)
  progress(`native, two followers: ${copiedLine(nativeTwo)}`)
  await removeFollowers(native, FOLLOWERS, signal)
  return { nativeOne, nativeTwo }
}

async function measureShadow (setting: Setting, topics: readonly string[], filled: Filled): Promise<Pick<Round, 'one' | 'oneLag' | 'two' | 'peakMb'>> {
  const { source, shadowClient, progress, startEngine } = setting
  const engine = await startEngine()
  await settled(setting)
  await engine.link('one', source, 'bench')
  const one = await shadowed(setting, engine, topics, await lengthOf(setting, topics, filled), [FOLLOWER])
  progress(`shadow leader, one follower: ${copiedLine(one)}`)
  const oneLag = await lagOf(setting, topics, { cluster: shadowClient, replicas: replicasAt(FOLLOWER, topics) })
  progress(`lag ${lagText(oneLag)}`)
  await unlink(setting, engine, 'one', topics)
  await settled(setting)
  await engine.link('two', source, 'bench', { excludeDefault: true })
  const two = await shadowed(setting, engine, topics, await lengthOf(setting, topics, filled), FOLLOWERS)
  progress(`shadow leader, two followers: ${copiedLine(two)}`)
  const peakMb = processUsage(engine.process.pid).peakBytes / 1e6
  await unlink(setting, engine, 'two', topics)
  await engine.kill()
  await settled(setting)
  return { one, oneLag, two, peakMb }
}

async function unlink ({ shadowClient, signal }: Setting, engine: ShadowProcess, link: string, topics: readonly string[]): Promise<void> {
  await engine.admin.delete(link, { force: true })
  for (const topic of topics) await deleteTopic(shadowClient, topic, { signal })
}

/**
 * Brokers that are not there are given no replicas: the shadow leader has the same two followers as the native one, and nobody else. The
 * broker is paused and not stopped, so that it is as warm in the next round as the others are. Afterwards the brokers are those of before:
 * an engine that was killed is shown as one until its session has ended.
 */
async function withoutNativeLeader<T> ({ shadow, shadowClient, metadata, signal }: Setting, work: () => Promise<T>): Promise<T> {
  const whenAlive = async (wanted: readonly number[]): Promise<void> => {
    await until(async () => {
      const alive = [...metadata.image?.brokers.values() ?? []].filter(({ fenced }) => !fenced).map(({ id }) => id)
      return Number(alive.length === wanted.length && wanted.every(id => alive.includes(id)))
    }, isSo => isSo === 1, { child: null, signal })
    // Nothing is asked of one that is not there.
    await shadowClient.refresh({ signal })
  }
  const broker = shadow.broker(LEADER)
  await broker.pause()
  try {
    await whenAlive(FOLLOWERS)
    return await work()
  } finally {
    broker.resume()
    await whenAlive([LEADER, ...FOLLOWERS])
  }
}

/** What was before is over, on the brokers and on the disk. */
async function settled ({ memory, signal }: Setting): Promise<void> {
  await sleep(SETTLE_MS, signal)
  await memory.use(signal)
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

function watchedBrokers ({ source, shadow }: Setting, brokers = FOLLOWERS): Watched[] {
  return [{ name: 'source', pid: () => brokerPid(source) }, ...brokers.map(id => ({ name: `broker ${id}`, pid: () => brokerPid(shadow, id) }))]
}

async function mirrored (setting: Setting, topics: readonly string[], filled: Filled): Promise<Mirrored> {
  const { source, shadow, shadowClient, signal, progress } = setting
  const names = async (): Promise<string[]> => [...(await shadowClient.refresh({ signal })).topics.keys()]
  const before = new Set(await names())
  await settled(setting)
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
    const length = await lengthOf(setting, topics, filled)
    const copied = await copying({ cluster: shadowClient, filled: length, replicas: placed, watched: [{ name: 'leader', pid: () => child.pid }, ...watchedBrokers(setting, [LEADER, ...FOLLOWERS])], child, signal })
    progress(`${copier.name}: ${copiedLine(copied)}`)
    const lag = await lagOf(setting, topics, { cluster: shadowClient, replicas: placed })
    progress(`lag ${lagText(lag)}`)
    return { copied, lag, peakMb: processUsage(child.pid).peakBytes / 1e6 }
  } finally {
    await child.kill()
    // The next one begins anew, not where this one was.
    await deleteAll(shadowClient, { names: (await names()).filter(name => !before.has(name)), partitions: 0 }, signal)
  }
}

async function lagOf (setting: Setting, topics: readonly string[], target: Side): Promise<LagReport> {
  const { sourceClient, signal } = setting
  await settled(setting)
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
