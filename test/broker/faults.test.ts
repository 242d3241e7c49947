/** What cannot be copied exactly stops its topic where it is, with the reason; everything else goes on. */
import { Kafka, logLevel } from 'kafkajs'
import tap, { test } from 'tap'
import { createPartitions } from '../../src/client/admin/create-partitions.ts'
import { deleteRecords } from '../../src/client/admin/delete-records.ts'
import { deleteTopic } from '../../src/client/admin/delete-topic.ts'
import { fetchBatches } from '../../src/client/admin/fetch-batches.ts'
import { EARLIEST_TIMESTAMP, listOffsets } from '../../src/client/admin/list-offsets.ts'
import type { Cluster } from '../../src/client/cluster.ts'
import { formatHostPort } from '../../src/net/host-port.ts'
import type { TopicFault } from '../../src/state/topic-state.ts'
import { BrokerEngine, compareReplicas, createSourceTopic, endOffsets, eventually, linkDocument, testCluster, untilLevel, type BrokerCluster } from '../support/broker-link.ts'
import { sharedClusters, uniqueName } from '../support/shared-clusters.ts'

tap.setTimeout(200_000)

const RECORDS = 10
const LINK = uniqueName('faults')
const topicOf = (name: string): string => `${LINK}-${name}`
const signal = (): AbortSignal => AbortSignal.timeout(60_000)

const { source, shadow } = await sharedClusters(tap)
const [sourceClient, shadowClient] = [testCluster(source), testCluster(shadow)]
tap.teardown(async () => { await Promise.all([sourceClient.close(), shadowClient.close()]) })

const kafkaOf = (cluster: BrokerCluster): Kafka => new Kafka({ brokers: cluster.bootstrapServers.map(formatHostPort), logLevel: logLevel.NOTHING })
const producer = kafkaOf(source).producer()
tap.teardown(() => producer.disconnect())
await producer.connect()

/** Plain records, each a batch of its own. */
async function write (name: string, count: number, partition = 0): Promise<void> {
  for (let number = 0; number < count; number++) await producer.send({ topic: topicOf(name), messages: [{ partition, value: `${name} ${number}` }] })
}

async function firstOffsets (cluster: Cluster, topic: string): Promise<number[]> {
  const { topics } = await cluster.refresh({ signal: signal() })
  const partitions = topics.get(topic)?.partitions ?? []
  return (await listOffsets(cluster, partitions.map(({ partition }) => ({ topic, partition, timestamp: EARLIEST_TIMESTAMP })), { signal: signal() })).map(({ offset }) => offset)
}

/** Writes a transaction after plain records: its first batch is at RECORDS. */
async function writeTransaction (): Promise<void> {
  await write('transaction', RECORDS)
  const transactional = kafkaOf(source).producer({ transactionalId: LINK, idempotent: true, maxInFlightRequests: 1 })
  await transactional.connect()
  const transaction = await transactional.transaction()
  await transaction.send({ topic: topicOf('transaction'), messages: [{ partition: 0, value: 'in a transaction' }] })
  await transaction.commit()
  await transactional.disconnect()
}

/** Segments of one record each, of which the cleaner removes all but the first and the last few. */
async function writeCompacted (): Promise<void> {
  for (const key of ['first', 'again', 'again', 'again', 'again', 'last', 'last']) {
    await producer.send({ topic: topicOf('compacted'), messages: [{ partition: 0, key, value: Buffer.alloc(900 * 1024, key) }] })
  }
  await eventually('the cleaner has left a hole', async () => {
    const topic = topicOf('compacted')
    const leader = await sourceClient.leaderOf(topic, 0, { signal: signal() })
    const topicId = sourceClient.lastView?.topics.get(topic)?.topicId ?? null
    const { batches } = await fetchBatches(sourceClient, { topic, topicId, partition: 0, offset: 1, maxBytes: 1024, leader }, { signal: signal() })
    return (batches[0]?.baseOffset ?? 1) > 1
  })
}

const COMPACTED = { 'cleanup.policy': 'compact', 'segment.bytes': '1048576', 'min.cleanable.dirty.ratio': '0', 'min.compaction.lag.ms': '0', 'max.compaction.lag.ms': '1000' }

await createSourceTopic(sourceClient, topicOf('compacted'), 1, COMPACTED)
await createSourceTopic(sourceClient, topicOf('stamped'), 1, { 'message.timestamp.type': 'LogAppendTime' })
for (const name of ['transaction', 'truncated', 'recreated', 'foreign', 'healthy', 'trimmed']) await createSourceTopic(sourceClient, topicOf(name), 1)
await Promise.all([writeCompacted(), writeTransaction(), ...['stamped', 'truncated', 'recreated', 'foreign', 'healthy', 'trimmed'].map(name => write(name, RECORDS))])
await deleteRecords(sourceClient, [{ topic: topicOf('truncated'), partition: 0, beforeOffset: 4 }], { signal: signal() })

const engine = await BrokerEngine.start(shadow)
tap.teardown(() => engine.stop())
await engine.engine.create(linkDocument(LINK, source, [`${LINK}-*`]), { dryRun: false })
tap.teardown(() => engine.deleteLink(LINK).catch(() => {}))

async function faultOf (name: string): Promise<TopicFault | null> {
  let fault: TopicFault | null = null
  await eventually(`topic ${name} is stopped`, async () => {
    const topic = await engine.topic(LINK, topicOf(name))
    fault = topic?.fault ?? null
    return topic?.state === 'FAULTED'
  })
  return fault
}

test('what Produce cannot carry stops its topic at the exact offset, before a wrong byte is written', async t => {
  t.match(await faultOf('transaction'), { code: 'TRANSACTIONAL_BATCH', partition: 0, offset: RECORDS, reason: /transaction/ })
  t.same(await endOffsets(shadowClient, topicOf('transaction')), [RECORDS], 'all before it is copied')
  t.match(await faultOf('compacted'), { code: 'OFFSET_GAP', partition: 0, offset: 1, reason: /compaction/ })
  t.same(await endOffsets(shadowClient, topicOf('compacted')), [1])
  t.match(await faultOf('stamped'), { code: 'LOG_APPEND_TIME', partition: 0, offset: 0, reason: /LogAppendTime/ })
  t.same(await endOffsets(shadowClient, topicOf('stamped')), [0])
  t.match(await faultOf('truncated'), { code: 'LOG_START_ABOVE_ZERO', partition: 0, reason: /starts at offset 4/ })
  t.same(await endOffsets(shadowClient, topicOf('truncated')), [0])
  for (const name of ['transaction', 'compacted', 'stamped', 'truncated']) {
    t.match(await engine.topic(LINK, topicOf(name)), { fidelity: 'unsupported' })
    const [report] = await engine.verify(LINK, topicOf(name))
    t.match(report, { difference: null, incomplete: /the topic was stopped/ }, 'verify does not call it whole')
  }
})

test('others go on, grow with their source, and new ones are found', async t => {
  await untilLevel(sourceClient, shadowClient, ['recreated', 'foreign', 'healthy', 'trimmed'].map(topicOf))
  await createPartitions(sourceClient, { topic: topicOf('healthy'), count: 3 }, { signal: signal() })
  await createSourceTopic(sourceClient, topicOf('new'), 2)
  await eventually('the source has the partitions', async () => (await endOffsets(sourceClient, topicOf('healthy'))).length === 3)
  // A producer that knew the topic before knows it as it was.
  const later = kafkaOf(source).producer()
  await later.connect()
  for (const partition of [0, 1, 2]) await later.send({ topic: topicOf('healthy'), messages: [{ partition, value: 'grown' }] })
  for (const partition of [0, 1]) await later.send({ topic: topicOf('new'), messages: [{ partition, value: 'new' }] })
  await later.disconnect()
  await untilLevel(sourceClient, shadowClient, ['healthy', 'new'].map(topicOf))
  t.same(await endOffsets(shadowClient, topicOf('healthy')), [RECORDS + 1, 1, 1])
  t.same(await endOffsets(shadowClient, topicOf('new')), [1, 1])
  for (const name of ['healthy', 'new']) {
    t.match(await engine.topic(LINK, topicOf(name)), { state: 'ACTIVE', fault: null, fidelity: 'exact' })
    t.same((await engine.verify(LINK, topicOf(name))).filter(({ difference, incomplete }) => difference !== null || incomplete !== null), [])
    t.same((await compareReplicas(source, shadow, topicOf(name))).differences, [])
  }
})

test('the shadow\'s log start follows the source\'s', async t => {
  await deleteRecords(sourceClient, [{ topic: topicOf('trimmed'), partition: 0, beforeOffset: 7 }], { signal: signal() })
  await eventually('the shadow starts at 7', async () => (await firstOffsets(shadowClient, topicOf('trimmed'))).join() === '7')
  await write('trimmed', 3)
  await untilLevel(sourceClient, shadowClient, [topicOf('trimmed')])
  t.same(await endOffsets(shadowClient, topicOf('trimmed')), [RECORDS + 3])
  t.match(await engine.verify(LINK, topicOf('trimmed')), [{ fromOffset: 7, toOffset: RECORDS + 3, difference: null, incomplete: null }])
})

test('a record that somebody else writes to the shadow is noticed, whether anything is copied or not', async t => {
  const intruder = kafkaOf(shadow).producer()
  t.teardown(() => intruder.disconnect())
  await intruder.connect()
  await intruder.send({ topic: topicOf('foreign'), messages: [{ value: 'not from the source' }] })
  t.match(await faultOf('foreign'), { code: 'FOREIGN_WRITE', partition: 0, offset: RECORDS, reason: new RegExp(`offsets ${RECORDS} to ${RECORDS} `) })

  await intruder.send({ topic: topicOf('trimmed'), messages: [{ value: 'not from the source' }] })
  await write('trimmed', 1)
  t.match(await faultOf('trimmed'), { code: 'FOREIGN_WRITE', partition: 0, offset: RECORDS + 3 })
})

test('a source topic that was deleted and made anew is another topic', async t => {
  await deleteTopic(sourceClient, topicOf('recreated'), { signal: signal() })
  await eventually('the source has forgotten the topic', async () => !(await sourceClient.refresh({ signal: signal() })).topics.has(topicOf('recreated')))
  await createSourceTopic(sourceClient, topicOf('recreated'), 1)
  t.match(await faultOf('recreated'), { code: 'SOURCE_TOPIC_RECREATED', reason: /made anew/ })
  t.same(await endOffsets(shadowClient, topicOf('recreated')), [RECORDS], 'the shadow keeps what it has')
  t.match(await engine.topic(LINK, topicOf('healthy')), { state: 'ACTIVE', fault: null })
})
