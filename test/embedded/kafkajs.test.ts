import kafkajs, { CompressionTypes, Kafka, logLevel, type EachMessagePayload } from 'kafkajs'
import { test, type Test } from 'tap'
import { CODECS, compress, decompress } from '../../protocol/compression/codec.ts'
import { EmbeddedBroker, type EmbeddedBrokerOptions } from '../../src/embedded/embedded-broker.ts'
import { formatHostPort } from '../../src/net/host-port.ts'
import { temporaryFolder } from './peer.ts'

/** kafkajs has but gzip of its own. */
function codec (id: number) {
  return () => ({
    compress: async ({ buffer }: { readonly buffer: Buffer }) => compress(id, buffer),
    decompress: async (buffer: Buffer) => decompress(id, buffer, { maxBytes: 1024 * 1024 })
  })
}

kafkajs.CompressionCodecs[CompressionTypes.Snappy] = codec(CODECS.snappy)
kafkajs.CompressionCodecs[CompressionTypes.LZ4] = codec(CODECS.lz4)
kafkajs.CompressionCodecs[CompressionTypes.ZSTD] = codec(CODECS.zstd)

async function start (t: Test, options: EmbeddedBrokerOptions = {}): Promise<{ readonly broker: EmbeddedBroker, readonly kafka: Kafka }> {
  const broker = await EmbeddedBroker.start(options)
  t.teardown(() => broker.stop())
  const kafka = new Kafka({ brokers: [formatHostPort(broker.address)], clientId: 'test', logLevel: logLevel.NOTHING, retry: { retries: 3, initialRetryTime: 50 } })
  return { broker, kafka }
}

/** Runs a consumer until it has seen `count` messages. */
async function consume (t: Test, kafka: Kafka, { groupId, topic, count }: { readonly groupId: string, readonly topic: string, readonly count: number }): Promise<EachMessagePayload[]> {
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 200, sessionTimeout: 6000 })
  t.teardown(() => consumer.disconnect())
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const seen: EachMessagePayload[] = []
  await new Promise<void>((resolve, reject) => {
    consumer.run({
      eachMessage: async payload => {
        seen.push(payload)
        if (seen.length === count) resolve()
      }
    }).catch(reject)
  })
  await consumer.disconnect()
  return seen
}

test('a producer and a group of kafkajs', async t => {
  const { kafka, broker } = await start(t)
  const admin = kafka.admin()
  t.teardown(() => admin.disconnect())
  await admin.connect()
  t.equal(await admin.createTopics({ topics: [{ topic: 'orders', numPartitions: 2 }] }), true)
  const producer = kafka.producer()
  t.teardown(() => producer.disconnect())
  await producer.connect()
  const [first] = await producer.send({ topic: 'orders', messages: [{ partition: 0, key: 'a', value: '1', headers: { h: 'x' } }, { partition: 0, key: null, value: null }] })
  t.match(first, { partition: 0, errorCode: 0, baseOffset: '0' })
  await producer.send({ topic: 'orders', compression: CompressionTypes.GZIP, messages: [{ partition: 1, value: '3' }, { partition: 1, value: '4' }] })
  t.equal(broker.log('orders', 0).logEndOffset, 2)

  const seen = await consume(t, kafka, { groupId: 'readers', topic: 'orders', count: 4 })
  t.same(seen.map(({ partition, message }) => [partition, message.offset, message.value?.toString() ?? null]).sort(), [
    [0, '0', '1'], [0, '1', null], [1, '0', '3'], [1, '1', '4']
  ])
  t.equal(seen.find(({ message }) => message.key?.toString() === 'a')?.message.headers?.['h']?.toString(), 'x')
  const [offsets] = await admin.fetchOffsets({ groupId: 'readers', topics: ['orders'] })
  t.same(offsets?.partitions.map(({ partition, offset }) => [partition, offset]).sort(), [[0, '2'], [1, '2']])
})

test('all codecs, through a restart on disk', async t => {
  const dataDir = temporaryFolder(t)
  const { kafka, broker } = await start(t, { dataDir, autoCreateTopics: true })
  const producer = kafka.producer({ idempotent: true })
  t.teardown(() => producer.disconnect())
  await producer.connect()
  const types = [CompressionTypes.None, CompressionTypes.GZIP, CompressionTypes.Snappy, CompressionTypes.LZ4, CompressionTypes.ZSTD]
  for (const compression of types) await producer.send({ topic: 'codecs', compression, messages: [{ value: `${compression} `.repeat(100) }] })
  await producer.disconnect()
  await consume(t, kafka, { groupId: 'before', topic: 'codecs', count: types.length })
  const { clusterId } = broker
  await broker.stop()

  const again = await start(t, { dataDir })
  t.equal(again.broker.clusterId, clusterId)
  t.equal(again.broker.log('codecs', 0).leaderEpoch, 1)
  const seen = await consume(t, again.kafka, { groupId: 'after', topic: 'codecs', count: types.length })
  t.same(seen.map(({ message }) => message.value?.toString().slice(0, 2).trim()), types.map(String))
  const admin = again.kafka.admin()
  t.teardown(() => admin.disconnect())
  await admin.connect()
  const [offsets] = await admin.fetchOffsets({ groupId: 'before', topics: ['codecs'] })
  t.equal(offsets?.partitions[0]?.offset, String(types.length))
})

test('two members of a group share the partitions, and one takes over from the other', async t => {
  const { kafka } = await start(t)
  const admin = kafka.admin()
  t.teardown(() => admin.disconnect())
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: 'shared', numPartitions: 4 }] })
  const join = async (onAssigned: (partitions: readonly number[]) => void): Promise<() => Promise<void>> => {
    const consumer = kafka.consumer({ groupId: 'pair', heartbeatInterval: 100, sessionTimeout: 6000, maxWaitTimeInMs: 100 })
    t.teardown(() => consumer.disconnect())
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => onAssigned(payload.memberAssignment['shared'] ?? []))
    await consumer.connect()
    await consumer.subscribe({ topic: 'shared' })
    await consumer.run({ eachMessage: async () => {} })
    return () => consumer.disconnect()
  }
  const assigned: Array<readonly number[]> = [[], []]
  let check = (): void => {}
  const until = (isDone: () => boolean): Promise<void> => new Promise(resolve => {
    check = () => { if (isDone()) resolve() }
    check()
  })
  const assign = (index: number) => (partitions: readonly number[]): void => {
    assigned[index] = partitions
    check()
  }
  await join(assign(0))
  await until(() => assigned[0]?.length === 4)
  const leave = await join(assign(1))
  await until(() => assigned[0]?.length === 2 && assigned[1]?.length === 2)
  t.same([...assigned.flat()].sort(), [0, 1, 2, 3])
  const { groups } = await admin.describeGroups(['pair'])
  t.match(groups, [{ state: 'Stable', protocolType: 'consumer', members: [{}, {}] }])
  t.match((await admin.listGroups()).groups, [{ groupId: 'pair', protocolType: 'consumer' }])
  await t.rejects(admin.deleteGroups(['pair']))
  await leave()
  await until(() => assigned[0]?.length === 4)
})

test('transactions', async t => {
  const { kafka, broker } = await start(t)
  const admin = kafka.admin()
  t.teardown(() => admin.disconnect())
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: 'out', numPartitions: 1 }, { topic: 'in', numPartitions: 1 }] })
  const producer = kafka.producer({ transactionalId: 'mover', idempotent: true, maxInFlightRequests: 1 })
  t.teardown(() => producer.disconnect())
  await producer.connect()
  const aborted = await producer.transaction()
  await aborted.send({ topic: 'out', messages: [{ value: 'aborted' }] })
  t.equal(broker.log('out', 0).lastStableOffset, 0)
  await aborted.sendOffsets({ consumerGroupId: 'movers', topics: [{ topic: 'in', partitions: [{ partition: 0, offset: '3' }] }] })
  await aborted.abort()
  t.equal(broker.log('out', 0).logEndOffset, 2)
  t.equal(broker.log('out', 0).lastStableOffset, 2)
  const offsetOf = async (): Promise<string | undefined> => (await admin.fetchOffsets({ groupId: 'movers', topics: ['in'] }))[0]?.partitions[0]?.offset
  t.equal(await offsetOf(), '-1')

  const committed = await producer.transaction()
  await committed.send({ topic: 'out', messages: [{ value: 'committed' }] })
  await committed.sendOffsets({ consumerGroupId: 'movers', topics: [{ topic: 'in', partitions: [{ partition: 0, offset: '5' }] }] })
  await committed.commit()
  t.equal(await offsetOf(), '5')
  const seen = await consume(t, kafka, { groupId: 'readers', topic: 'out', count: 1 })
  t.same(seen.map(({ message }) => message.value?.toString()), ['committed'])

  const fenced = await producer.transaction()
  const rival = kafka.producer({ transactionalId: 'mover', idempotent: true, maxInFlightRequests: 1 })
  t.teardown(() => rival.disconnect())
  await rival.connect()
  await (await rival.transaction()).abort().catch(() => {})
  await t.rejects(fenced.send({ topic: 'out', messages: [{ value: 'too late' }] }))
})

test('the admin client', async t => {
  const { kafka, broker } = await start(t)
  const admin = kafka.admin()
  t.teardown(() => admin.disconnect())
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: 'topic', numPartitions: 2, configEntries: [{ name: 'retention.ms', value: '1000' }] }] })
  t.match(await admin.describeCluster(), { clusterId: broker.clusterId, controller: 1, brokers: [{ nodeId: 1 }] })
  t.same(await admin.listTopics(), ['topic'])
  await admin.createPartitions({ topicPartitions: [{ topic: 'topic', count: 3 }] })
  t.equal((await admin.fetchTopicMetadata({ topics: ['topic'] })).topics[0]?.partitions.length, 3)
  const config = await admin.describeConfigs({ includeSynonyms: true, resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: 'topic' }] })
  t.match(config.resources[0]?.configEntries.find(({ configName }) => configName === 'retention.ms'), { configValue: '1000' })
  await admin.alterConfigs({ validateOnly: false, resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: 'topic', configEntries: [{ name: 'retention.ms', value: '2000' }] }] })
  t.match(await admin.fetchTopicOffsets('topic'), [{ partition: 0, offset: '0', low: '0', high: '0' }, {}, {}])
  await admin.deleteTopics({ topics: ['topic'] })
  t.same(await admin.listTopics(), [])
})
