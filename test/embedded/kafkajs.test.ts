import { CompressionTypes, Kafka, logLevel, type EachMessagePayload } from 'kafkajs'
import { test, type Test } from 'tap'
import { EmbeddedBroker, type EmbeddedBrokerOptions } from '../../src/embedded/embedded-broker.ts'
import { formatHostPort } from '../../src/net/host-port.ts'

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
