/** Brokers that die, freeze and hand over what they lead, while records are copied. */
import tap, { test, type Test } from 'tap'
import { AlterPartitionReassignments } from '../../protocol/messages/alter-partition-reassignments.ts'
import { ElectLeaders } from '../../protocol/messages/elect-leaders.ts'
import { alterTopicConfigs } from '../../src/client/admin/alter-topic-configs.ts'
import { sleep } from '../../src/net/sleep.ts'
import { BrokerEngine, compareReplicas, createSourceTopic, endOffsets, eventually, linkDocument, testCluster, untilLevel } from '../support/broker-link.ts'
import { EngineProcess } from '../support/engine-process.ts'
import { KafkaCluster } from '../support/kafka-cluster.ts'
import { everyRecordOnce, Load, tally } from '../support/load.ts'
import { Random } from '../support/random.ts'
import { uniqueName } from '../support/shared-clusters.ts'

tap.setTimeout(280_000)

const PARTITIONS = 3
const SESSION_MS = 2000

const clusters = [
  KafkaCluster.start({ version: '4.1', brokers: 2, name: 'lost-source' }),
  // With two replicas each, its own topics live through the loss of a broker.
  KafkaCluster.start({ version: '4.3', brokers: 2, name: 'lost-shadow', config: { 'group.min.session.timeout.ms': '1000' } })
] as const
tap.teardown(async () => {
  for (const outcome of await Promise.allSettled(clusters)) if (outcome.status === 'fulfilled') await outcome.value.stop()
})
const [source, shadow] = await Promise.all(clusters)
const [sourceClient, shadowClient] = [testCluster(source), testCluster(shadow)]
tap.teardown(async () => { await Promise.all([sourceClient.close(), shadowClient.close()]) })

interface Scene {
  readonly name: string
  readonly topics: readonly string[]
  readonly engine: BrokerEngine
  readonly load: Load
}

/** Two topics under load, copied by an engine in this process. */
async function begin (t: Test, name: string): Promise<Scene> {
  const link = uniqueName(name)
  const topics = [`${link}-a`, `${link}-b`]
  for (const topic of topics) await createSourceTopic(sourceClient, topic, PARTITIONS)
  const engine = await BrokerEngine.start(shadow, { sessionTimeoutMs: SESSION_MS })
  t.teardown(() => engine.stop())
  await engine.engine.create(linkDocument(link, source, topics), { dryRun: false })
  const load = await Load.start(source, topics, 100)
  t.teardown(() => load.kill())
  await untilGrown(topics, 100)
  return { name: link, topics, engine, load }
}

/** Waits until every shadow partition has so many records more. */
async function untilGrown (topics: readonly string[], records: number): Promise<void> {
  const ends = async (): Promise<number[]> => (await Promise.all(topics.map(topic => endOffsets(shadowClient, topic)))).flat()
  let from: number[] = []
  await eventually('the shadow can be asked', async () => {
    from = await ends()
    return from.length === topics.length * PARTITIONS
  })
  await eventually('every partition of the shadow grows', async () => (await ends()).every((end, index) => end >= (from[index] ?? 0) + records))
}

async function proveNothingDiffers (t: Test, { name, topics, engine, load }: Scene, isExactlyOnce = true): Promise<void> {
  const acknowledged = await load.end()
  await untilLevel(sourceClient, shadowClient, topics)
  await eventually('the engine leads', () => engine.engine.leadership().leading)
  for (const topic of topics) t.match(await engine.topic(name, topic), { state: 'ACTIVE', fault: null })
  t.same((await engine.verify(name)).filter(({ difference, incomplete }) => difference !== null || incomplete !== null), [])
  for (const topic of topics) t.same((await compareReplicas(source, shadow, topic)).differences, [])
  if (isExactlyOnce) t.same(await tally(shadow, topics), everyRecordOnce(acknowledged), 'the shadow has every record once')
  await engine.deleteLink(name)
  await engine.stop()
}

test('a shadow broker that is killed and comes back, with one replica that must confirm and with two', async t => {
  const scene = await begin(t, 'killed')
  for (const [id, minIsr] of [[1, 1], [2, 2]] as const) {
    for (const topic of scene.topics) await alterTopicConfigs(shadowClient, topic, new Map([['min.insync.replicas', String(minIsr)]]), { signal: AbortSignal.timeout(30_000) })
    await shadow.broker(id).kill()
    // Where one replica is enough, copying goes on without the broker; otherwise it waits.
    if (minIsr === 1) await untilGrown(scene.topics, 10)
    else await sleep(1000)
    await shadow.broker(id).start()
    await untilGrown(scene.topics, 10)
    await eventually('both replicas are in sync', async () => {
      const { topics } = await shadowClient.refresh({ signal: AbortSignal.timeout(10_000) })
      return [...topics.values()].every(({ partitions }) => partitions.every(({ isr }) => isr.length === 2))
    })
  }
  await proveNothingDiffers(t, scene)
})

test('leaders of shadow partitions that move under load', async t => {
  const scene = await begin(t, 'moved')
  const signal = AbortSignal.timeout(120_000)
  for (const replicas of [[1, 2], [2, 1]]) {
    const partitions = Array.from({ length: PARTITIONS }, (_, partitionIndex) => partitionIndex)
    await shadowClient.request(AlterPartitionReassignments, { timeoutMs: 30_000, topics: scene.topics.map(name => ({ name, partitions: partitions.map(partitionIndex => ({ partitionIndex, replicas })) })) }, 'controller', { signal })
    await shadowClient.request(ElectLeaders, { electionType: 0, timeoutMs: 30_000, topicPartitions: scene.topics.map(topic => ({ topic, partitions })) }, 'controller', { signal })
    await eventually(`broker ${replicas[0]} leads everything`, async () => {
      const { topics } = await shadowClient.refresh({ signal })
      return scene.topics.every(topic => topics.get(topic)?.partitions.every(({ leaderId }) => leaderId === replicas[0]) === true)
    })
    await untilGrown(scene.topics, 10)
  }
  await proveNothingDiffers(t, scene)
})

test('a source broker that is killed and comes back', async t => {
  const scene = await begin(t, 'source')
  for (const id of [1, 2]) {
    await source.broker(id).kill()
    await sleep(500)
    await source.broker(id).start()
    await untilGrown(scene.topics, 10)
  }
  // A producer that is not idempotent may repeat records then, or lose what one replica alone had.
  await proveNothingDiffers(t, scene, false)
})

test('an engine that is killed while a shadow broker is frozen with what it sent', async t => {
  const link = uniqueName('thawed')
  const topics = [`${link}-a`, `${link}-b`]
  for (const topic of topics) await createSourceTopic(sourceClient, topic, PARTITIONS)
  const engineProcess = new EngineProcess({ shadow, links: [linkDocument(link, source, topics)], sessionTimeoutMs: 1000 })
  t.teardown(async () => { await engineProcess.stop() })
  await engineProcess.start()
  const load = await Load.start(source, topics, 100)
  t.teardown(() => load.kill())
  const random = new Random(5)
  await untilGrown(topics, 10)
  for (let round = 0; round < 4; round++) {
    const broker = shadow.broker(1 + round % 2)
    await sleep(random.below(300))
    await broker.pause()
    // It now has requests that it has read and not handled, and others that lie in its kernel.
    await sleep(50 + random.below(300))
    await engineProcess.kill()
    await engineProcess.start()
    // Shorter than what costs a broker its leaderships.
    await sleep(1500 + random.below(2500))
    broker.resume()
    await untilGrown(topics, 10)
  }
  await engineProcess.stop()
  const engine = await BrokerEngine.start(shadow, { sessionTimeoutMs: SESSION_MS })
  t.teardown(() => engine.stop())
  await proveNothingDiffers(t, { name: link, topics, engine, load })
})
