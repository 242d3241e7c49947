/**
 * Two engines with a broker id each, on a real shadow cluster: one leads, the other one is in the ISR of every shadow partition, and
 * leads when the first one is away.
 */
import type { Test } from 'tap'
import { buildBatch } from '../../protocol/records/build-batch.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { createPartitions } from '../../src/client/admin/create-partitions.ts'
import { createTopic } from '../../src/client/admin/create-topic.ts'
import type { PartitionView } from '../../src/client/cluster.ts'
import { sleep } from '../../src/net/sleep.ts'
import { createSourceTopic, endOffsets, eventually, linkDocument, testCluster, type BrokerEngine } from './broker-link.ts'
import { CutRelay } from './cut-relay.ts'
import type { KafkaVersion } from './kafka-jars.ts'
import { replicaScene } from './replica-scene.ts'
import { oneBatch } from './shadow-pair.ts'

const LINK = 'dr'
const TOPIC = 'orders'
const OTHER = 'orders-later'
const [FIRST, SECOND] = [3000, 3001]
const REAL = [1, 2]
/** Of brokers, at the controllers: shorter than the default, so that the test is. */
const BROKER_SESSION_MS = 4000
const RUN = { dryRun: false }

/** The whole life of such a pair; ends everything that it starts with the test. */
export async function standbyLife (t: Test, version: KafkaVersion): Promise<void> {
  const relay = new CutRelay()
  t.teardown(() => relay.stop())
  const { source, sourceCluster, shadow, client, engine: one, standBy } = await replicaScene(t, {
    version, name: `standby-${version}`, topic: TOPIC, partitions: 2, config: { 'broker.session.timeout.ms': String(BROKER_SESSION_MS), 'broker.heartbeat.interval.ms': '500' }, first: { dial: relay.dial }
  })
  const signal = AbortSignal.timeout(250_000)
  const sourceClient = testCluster(sourceCluster)
  t.teardown(() => sourceClient.close())
  const counts = new Map<string, number>()
  const write = (topic: string, partition: number, count: number): void => {
    for (let index = 0; index < count; index++) source.log(topic, partition).append(oneBatch({ records: [{ timestamp: 1 + index, value: Buffer.from(`record ${index}`) }] }))
    counts.set(`${topic}-${partition}`, (counts.get(`${topic}-${partition}`) ?? 0) + count)
  }
  const partitionsOf = async (topic: string): Promise<readonly PartitionView[]> => (await client.refresh({ signal })).topics.get(topic)?.partitions ?? []
  const sorted = (ids: readonly number[]): string => [...ids].sort((a, b) => a - b).join()
  /** True when this engine's broker leads every partition of the topics, with these in the ISR, and real brokers follow; throws what is otherwise. */
  const isLedBy = async (leader: number, isr: readonly number[], topics: readonly string[]): Promise<boolean> => {
    const partitions = (await Promise.all(topics.map(topic => partitionsOf(topic)))).flat()
    const other = partitions.find(entry => entry.leaderId !== leader || sorted(entry.isr) !== sorted(isr) || !entry.replicas.some(id => REAL.includes(id)) || !isr.every(id => entry.replicas.includes(id)))
    if (other !== undefined) throw new Error(JSON.stringify(other))
    return partitions.length > 0
  }
  const isCopied = async (engine: BrokerEngine): Promise<boolean> => (await engine.engine.status(LINK)).topics.every(({ name, partitions }) =>
    partitions.length > 0 && partitions.every(({ partition, shadowEndOffset }) => shadowEndOffset === (counts.get(`${name}-${partition}`) ?? 0)))
  const takesWrites = async (topic: string, partition: number): Promise<void> => {
    await eventually(`${topic}-${partition} takes acks=all`, async () => {
      await client.refresh({ signal })
      const { leaderId } = await client.leaderOf(topic, partition, { signal })
      const { body } = await client.request(Produce, { acks: -1, timeoutMs: 5000, topicData: [{ name: topic, partitionData: [{ index: partition, records: buildBatch({ records: [{ timestamp: 1, value: Buffer.from('x') }] }) }] }] }, leaderId, { signal, maxVersion: 12 })
      return body.responses[0]?.partitionResponses[0]?.errorCode === 0
    })
  }

  for (const partition of [0, 1]) write(TOPIC, partition, 10)
  await one.engine.create({ ...linkDocument(LINK, sourceCluster, [`${TOPIC}*`]), on_source_truncation: 'follow' }, RUN)
  await eventually('all is copied', () => isCopied(one))
  let two = standBy(1)

  await t.test('an engine that stands by is in the ISR of what is there, and of what comes', async t => {
    await eventually('it is', () => isLedBy(FIRST, [FIRST, SECOND], [TOPIC]))
    await eventually('the status says so', async () => {
      const { standbys } = await one.engine.status(LINK)
      return standbys?.length === 1 && standbys[0]?.brokerId === SECOND && standbys[0].inSyncPartitions === 2 && standbys[0].partitions === 2
    })
    await createSourceTopic(sourceClient, OTHER, 1)
    write(OTHER, 0, 5)
    await createPartitions(sourceClient, { topic: TOPIC, count: 3 }, { signal })
    write(TOPIC, 2, 5)
    await eventually('it is in that of new ones', async () => (await partitionsOf(TOPIC)).length === 3 && await isLedBy(FIRST, [FIRST, SECOND], [TOPIC, OTHER]))
    await eventually('all is copied', () => isCopied(one))
    t.match(await one.topic(LINK, TOPIC), { state: 'ACTIVE', fault: null, problem: null })
  })

  await t.test('what others place on it is moved off', async t => {
    await createTopic(client, { name: 'placed', partitions: 3, replicationFactor: -1, configs: {}, assignments: [[SECOND, FIRST], [SECOND, 1], [1, SECOND]] }, { signal })
    await eventually('real brokers alone hold it', async () => {
      const partitions = await partitionsOf('placed')
      return partitions.length === 3 && partitions.every(({ replicas, leaderId }) => REAL.includes(leaderId) && replicas.every(id => REAL.includes(id)))
    })
    for (const partition of [0, 1, 2]) await takesWrites('placed', partition)
    t.ok(await isLedBy(FIRST, [FIRST, SECOND], [TOPIC, OTHER]))
  })

  await t.test('what the source has lost is thrown away, and the same engine leads', async t => {
    source.log(TOPIC, 0).truncateTo(8)
    counts.set(`${TOPIC}-0`, 8)
    await eventually('it is rolled back', async () => (await one.topic(LINK, TOPIC))?.rollbacks.length === 1 && await isCopied(one))
    write(TOPIC, 0, 4)
    await eventually('it goes on', () => isCopied(one))
    await eventually('the other one is in the ISR again', () => isLedBy(FIRST, [FIRST, SECOND], [TOPIC, OTHER]))
    for (const report of await one.verify(LINK)) t.match(report, { difference: null, incomplete: null })
    t.ok(one.engine.leadership().leading)
  })

  await t.test('the engine that leads is cut off from the controllers: the other one leads, partitions and links', async t => {
    const controllers = shadow.controllerServers
    relay.cut(...controllers)
    const cutMs = performance.now()
    await eventually('the controller has the other one lead', async () => (await partitionsOf(TOPIC)).every(({ leaderId }) => leaderId === SECOND))
    t.comment(`the controller had it lead after ${Math.round(performance.now() - cutMs)} ms`)
    await eventually('it leads the links', () => two.engine.leadership().leading)
    t.comment(`it led the links after ${Math.round(performance.now() - cutMs)} ms`)
    write(TOPIC, 1, 5)
    await eventually('it goes on', () => isCopied(two))
    relay.heal()
    await eventually('the first one stands by', () => isLedBy(SECOND, [FIRST, SECOND], [TOPIC, OTHER]))
    t.ok(two.engine.leadership().leading)
    t.match(await two.topic(LINK, TOPIC), { state: 'ACTIVE', fault: null })
  })

  await t.test('the engine that leads ends in good order: the other one leads at once', async t => {
    const from = performance.now()
    await two.stop()
    await eventually('the first one leads', async () => one.engine.leadership().leading && (await partitionsOf(TOPIC)).every(({ leaderId }) => leaderId === FIRST))
    t.comment(`after ${Math.round(performance.now() - from)} ms`)
    write(OTHER, 0, 5)
    await eventually('it goes on', () => isCopied(one))
    two = standBy(1)
    await eventually('the other one is the same broker again', () => isLedBy(FIRST, [FIRST, SECOND], [TOPIC, OTHER]))
  })

  await t.test('an engine that was not in the ISR leads all the same', async t => {
    await two.stop()
    await eventually('it is out of the ISR', () => isLedBy(FIRST, [FIRST], [TOPIC, OTHER]))
    await eventually('the status shows nobody who stands by', async () => (await one.engine.status(LINK)).standbys?.length === 0)
    // It comes back as the first one goes: whether it gets into the ISR before is open.
    two = standBy(1)
    await eventually('it is registered', () => two.state.state?.shadowLeaders.size === 2)
    await one.stop()
    await eventually('it leads', async () => two.engine.leadership().leading && (await partitionsOf(TOPIC)).every(({ leaderId }) => leaderId === SECOND || leaderId === FIRST))
    write(TOPIC, 2, 5)
    await eventually('it goes on', () => isCopied(two))
    for (const report of await two.verify(LINK)) t.match(report, { difference: null, incomplete: null })
  })

  await t.test('after the failover the cluster is plain Kafka', async t => {
    const three = standBy(0)
    await eventually('both are there', async () => {
      const partitions = (await Promise.all([TOPIC, OTHER].map(partitionsOf))).flat()
      return partitions.every(({ isr }) => sorted(isr) === sorted([FIRST, SECOND]))
    })
    const ends = await Promise.all([TOPIC, OTHER].map(topic => endOffsets(sourceClient, topic)))
    await two.engine.failover(LINK, null)
    await eventually('all is open', async () => (await two.engine.status(LINK)).topics.every(({ state }) => state === 'FAILED_OVER'))
    t.same(await Promise.all([TOPIC, OTHER].map(topic => endOffsets(client, topic))), ends)
    for (const topic of [TOPIC, OTHER]) {
      t.ok((await partitionsOf(topic)).every(({ replicas, isr, leaderId }) => [...replicas, ...isr, leaderId].every(id => REAL.includes(id))), 'real brokers hold it')
      await takesWrites(topic, 0)
    }
    await eventually('no engine is a broker any more', () => two.state.state?.shadowLeaders.size === 0)
    await sleep(BROKER_SESSION_MS)
    t.same([...(await client.refresh({ signal })).brokers.keys()].sort(), REAL, 'nor does one come back')
    await two.stop()
    await eventually('another one leads', () => three.engine.leadership().leading)
    await sleep(BROKER_SESSION_MS)
    t.same([...(await client.refresh({ signal })).brokers.keys()].sort(), REAL)
  })
}
