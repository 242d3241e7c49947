/** A failover on real brokers: nothing that is acknowledged afterwards is dropped, and no death of an engine keeps it from its end. */
import { Kafka, logLevel } from 'kafkajs'
import tap, { test } from 'tap'
import { DescribeProducers } from '../../protocol/messages/describe-producers.ts'
import { IncrementalAlterConfigs } from '../../protocol/messages/incremental-alter-configs.ts'
import { InitProducerId } from '../../protocol/messages/init-producer-id.ts'
import { ListOffsets } from '../../protocol/messages/list-offsets.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { buildBatch } from '../../protocol/records/build-batch.ts'
import { describeTopicConfigs } from '../../src/client/admin/describe-topic-configs.ts'
import { initProducerId } from '../../src/client/admin/init-producer-id.ts'
import type { Cluster } from '../../src/client/cluster.ts'
import { formatHostPort } from '../../src/net/host-port.ts'
import { BrokerEngine, compareReplicas, createSourceTopic, endOffsets, eventually, linkDocument, testCluster, untilLevel, type BrokerCluster } from '../support/broker-link.ts'
import { FaultRelay, type Tripwire } from '../support/fault-relay.ts'
import { runJava } from '../support/java-tool.ts'
import { Load } from '../support/load.ts'
import { Random } from '../support/random.ts'
import { sharedClusters, uniqueName } from '../support/shared-clusters.ts'

tap.setTimeout(280_000)

const SESSION_MS = 1000
const PARTITIONS = 2
/** What the source says of a topic, and must be said of it after the failover. */
const CONFIGS = { 'retention.ms': '777777', 'retention.bytes': '88888888', 'max.message.bytes': '2000000', 'cleanup.policy': 'delete', 'compression.type': 'producer', 'message.timestamp.type': 'CreateTime' }
const SHADOWING = { 'retention.ms': '-1', 'retention.bytes': '-1', 'cleanup.policy': 'delete' }

const { source, shadow } = await sharedClusters(tap)
const [sourceClient, shadowClient] = [testCluster(source), testCluster(shadow)]
tap.teardown(async () => { await Promise.all([sourceClient.close(), shadowClient.close()]) })

const kafkaOf = (cluster: BrokerCluster): Kafka => new Kafka({ brokers: cluster.bootstrapServers.map(formatHostPort), logLevel: logLevel.NOTHING })

async function configsOf (cluster: Cluster, topic: string, names: readonly string[]): Promise<Record<string, string | null>> {
  const configs = (await describeTopicConfigs(cluster, [topic], { signal: AbortSignal.timeout(30_000) })).get(topic)
  if (configs === undefined || configs instanceof Error) throw configs ?? new Error(`no configs of ${topic}`)
  return Object.fromEntries(names.map(name => [name, configs.get(name)?.value ?? null]))
}

/** Writes to partition 0 of the source as a producer with this id does that has just started. */
async function writeAs (producerId: number, topic: string): Promise<void> {
  const signal = AbortSignal.timeout(30_000)
  const { leaderId } = await sourceClient.leaderOf(topic, 0, { signal })
  const topicId = sourceClient.lastView?.topics.get(topic)?.topicId ?? ''
  const records = buildBatch({ records: [{ timestamp: Date.now(), value: Buffer.from(`by producer ${producerId}`) }], producerId, producerEpoch: 0, baseSequence: 0 })
  const { body } = await sourceClient.request(Produce, { acks: -1, timeoutMs: 10_000, topicData: [{ name: topic, topicId, partitionData: [{ index: 0, records }] }] }, leaderId, { signal })
  const errorCode = body.responses[0]?.partitionResponses[0]?.errorCode
  if (errorCode !== 0) throw new Error(`the source refused the batch: ${errorCode}`)
}

/** Idempotent producers that did not exist before each write one record. Returns how many were told that it is written. */
async function freshWrites (topic: string, count: number): Promise<number> {
  const outcomes = await Promise.all(Array.from({ length: count }, async (_, index) => {
    const producer = kafkaOf(shadow).producer({ idempotent: true })
    await producer.connect()
    const metadata = await producer.send({ topic, messages: [{ partition: 0, value: `fresh ${index}` }] })
    await producer.disconnect()
    return metadata.length
  }))
  return outcomes.length
}

test('a producer that starts after the failover is never taken for one whose batches were copied', async t => {
  const topic = uniqueName('ids')
  await createSourceTopic(sourceClient, topic, 1)
  const engine = await BrokerEngine.start(shadow, { sessionTimeoutMs: SESSION_MS })
  t.teardown(() => engine.stop())
  await engine.engine.create(linkDocument(topic, source, [topic]), { dryRun: false })

  // The ids that the shadow's brokers would hand out next, and one far above them.
  const signal = AbortSignal.timeout(60_000)
  const copied: number[] = []
  for (const nodeId of [1, 2]) {
    const [last = 0] = await initProducerId(shadowClient, nodeId, { count: 1 }, { signal })
    copied.push(...Array.from({ length: 100 }, (_, index) => last + 1 + index))
  }
  const highest = Math.max(...copied) + 4000
  copied.push(highest)
  for (const producerId of copied) await writeAs(producerId, topic)
  await untilLevel(sourceClient, shadowClient, [topic])

  await engine.engine.failover(topic, null)
  await eventually('the topic is failed over', async () => (await engine.topic(topic, topic))?.state === 'FAILED_OVER')
  t.same(await endOffsets(shadowClient, topic), [copied.length])
  for (const nodeId of [1, 2]) {
    const [next = 0] = await initProducerId(shadowClient, nodeId, { count: 1 }, { signal })
    t.ok(next > highest, `broker ${nodeId} hands out ${next}, and ${highest} was copied`)
  }
  const acknowledged = await freshWrites(topic, 20)
  t.same(await endOffsets(shadowClient, topic), [copied.length + acknowledged], 'all that was acknowledged is there')

  const { stdout } = await runJava('org.apache.kafka.tools.consumer.ConsoleConsumer', ['--bootstrap-server', shadow.bootstrap, '--topic', topic, '--from-beginning', '--max-messages', String(copied.length + acknowledged)])
  t.equal(new Set(stdout.match(/^fresh \d+$/gm)).size, acknowledged)
  t.equal(new Set(stdout.match(/^by producer \d+$/gm)).size, copied.length)
  await engine.deleteLink(topic)
})

test('a failover under load keeps what was copied, and opens the topic with the configs of its source', async t => {
  const topic = uniqueName('loaded')
  await createSourceTopic(sourceClient, topic, PARTITIONS, CONFIGS)
  const engine = await BrokerEngine.start(shadow, { sessionTimeoutMs: SESSION_MS })
  t.teardown(() => engine.stop())
  await engine.engine.create(linkDocument(topic, source, [topic]), { dryRun: false })
  const load = await Load.start(source, [topic], 200)
  t.teardown(() => load.kill())
  await eventually('records are copied', async () => (await endOffsets(shadowClient, topic)).every(end => end > 200))
  t.same(await configsOf(shadowClient, topic, Object.keys(SHADOWING)), SHADOWING)

  await engine.engine.failover(topic, topic)
  await eventually('the topic is failed over', async () => (await engine.topic(topic, topic))?.state === 'FAILED_OVER')
  const ends = await endOffsets(shadowClient, topic)
  t.same(await configsOf(shadowClient, topic, Object.keys(CONFIGS)), CONFIGS)
  await load.end()
  const reports = await engine.verify(topic)
  t.same(reports.map(({ difference, incomplete }) => ({ difference, incomplete })), reports.map(() => ({ difference: null, incomplete: null })))
  t.same(reports.sort((a, b) => a.partition - b.partition).map(({ toOffset }) => toOffset), ends, 'all of the copy was compared')

  const written = await freshWrites(topic, 5)
  t.same(await endOffsets(shadowClient, topic), [(ends[0] ?? 0) + written, ends[1]], 'nothing is copied any more, and what clients write is there')
  await engine.deleteLink(topic)
})

const before = (apiKey: number, skip = 0): Tripwire => ({ apiKey, when: 'before', skip })
const after = (apiKey: number, skip = 0): Tripwire => ({ apiKey, when: 'after', skip })

/** Where engines die: at each request that a failover consists of. */
const DEATHS: ReadonlyArray<readonly [place: string, tripwire: Tripwire]> = [
  ['before FAILING_OVER is recorded', before(Produce.key)],
  ['when FAILING_OVER is recorded', after(Produce.key)],
  ['before the producers are read', before(DescribeProducers.key)],
  ['while producer ids are moved on', before(InitProducerId.key)],
  ['while the ends are read', after(ListOffsets.key)],
  ['before the configs are set', before(IncrementalAlterConfigs.key)],
  ['when the configs are set', after(IncrementalAlterConfigs.key)],
  ['before FAILED_OVER is recorded', before(Produce.key, 1)],
  ['when FAILED_OVER is recorded', after(Produce.key, 1)]
]

test('an engine that dies at any step of a failover is followed by one that ends it', async t => {
  const link = uniqueName('deaths')
  const topics = DEATHS.map((_, index) => `${link}-${index}`)
  for (const topic of topics) await createSourceTopic(sourceClient, topic, PARTITIONS, CONFIGS)
  const producer = kafkaOf(source).producer({ idempotent: true })
  t.teardown(() => producer.disconnect())
  await producer.connect()
  for (const topic of topics) await producer.send({ topic, messages: Array.from({ length: 10 }, (_, number) => ({ partition: number % PARTITIONS, value: `source ${number}` })) })

  const start = async (): Promise<{ readonly engine: BrokerEngine, readonly relay: FaultRelay }> => {
    const relay = new FaultRelay({ random: new Random(4), rate: () => 0, maxHoldMs: 0 })
    t.teardown(() => relay.stop())
    const engine = await BrokerEngine.start(shadow, { sessionTimeoutMs: SESSION_MS, shadowDial: relay.dial })
    t.teardown(() => engine.stop())
    return { engine, relay }
  }
  let { engine, relay } = await start()
  await engine.engine.create(linkDocument(link, source, topics), { dryRun: false })
  await eventually('all topics are shadowed', async () => (await engine.engine.status(link)).topics.filter(({ state }) => state === 'ACTIVE').length === topics.length)
  await untilLevel(sourceClient, shadowClient, topics)

  for (const [index, [place, tripwire]] of DEATHS.entries()) {
    const topic = topics[index] ?? ''
    // Before anything else that asks for it: the upkeep asks for offsets too, and that is a death as good as any.
    const dead = relay.trip(tripwire)
    const asked = engine.engine.failover(link, topic).then(() => null, (error: unknown) => error)
    await dead
    const successor = await start()
    // Nobody's promise was broken if this was never recorded: the one who asked has an error, and asks again.
    await eventually(`${place}: the successor knows the topic`, async () => await successor.engine.topic(link, topic) !== null)
    if ((await successor.engine.topic(link, topic))?.state === 'ACTIVE') {
      await engine.stop()
      t.ok(await asked, `${place}: whoever asked was told that it did not happen`)
      await successor.engine.engine.failover(link, topic)
    } else await engine.stop()
    await eventually(`${place}: the failover ends`, async () => (await successor.engine.topic(link, topic))?.state === 'FAILED_OVER')
    t.same(await configsOf(shadowClient, topic, Object.keys(CONFIGS)), CONFIGS, `${place}: the configs are the source's`)
    t.same((await compareReplicas(source, shadow, topic)).differences, [], `${place}: the copy is whole`)
    t.match((await successor.engine.topic(link, topic))?.fault, null)
    const ends = await endOffsets(shadowClient, topic)
    const written = await freshWrites(topic, 3)
    t.same(await endOffsets(shadowClient, topic), [(ends[0] ?? 0) + written, ends[1]], `${place}: what is acknowledged is there`)
    ;({ engine, relay } = successor)
  }
  await engine.deleteLink(link)
})
