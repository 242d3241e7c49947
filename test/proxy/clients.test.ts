import { Producer, stringSerializers } from '@platformatic/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { test, type Test } from 'tap'
import { Cluster } from '../../src/client/cluster.ts'
import { EmbeddedBroker } from '../../src/embedded/embedded-broker.ts'
import { formatHostPort } from '../../src/net/host-port.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import { Sidecar } from '../../src/proxy/sidecar.ts'
import { StateFollower } from '../../src/state/state-follower.ts'
import { ensureStateTopic } from '../../src/state/state-topic.ts'
import { StateWriter } from '../../src/state/state-writer.ts'
import type { TopicState } from '../../src/state/topic-state.ts'

/** A broker, the state topic on it, and a sidecar that follows it. */
async function start (t: Test): Promise<{ readonly bootstrap: string, readonly broker: EmbeddedBroker, readonly sidecar: Sidecar, readonly setState: (topic: string, state: TopicState) => Promise<void> }> {
  const abort = new AbortController()
  const broker = await EmbeddedBroker.start()
  const cluster = new Cluster({ bootstrapServers: [broker.address], clientId: 'test', logger: silentLogger })
  await ensureStateTopic(cluster, abort.signal)
  const writer = new StateWriter(cluster, { epoch: 1, signal: abort.signal })
  const follower = StateFollower.start(cluster, { logger: silentLogger })
  const setState = async (topic: string, state: TopicState): Promise<void> => {
    const end = await writer.write([{
      kind: 'topic',
      link: 'dr',
      topic,
      value: { link: 'dr', topic, state, since: '2025-01-01T00:00:00Z', owned: true, created: true, sourceTopicId: null, shadowTopicId: null, partitions: 1, replicationFactor: null, startOffsets: null, configs: {}, fault: null, handingOver: false, pausedWithLink: false, endOffsets: null, refusedConfigs: {}, rollbacks: [] }
    }])
    await follower.reached(end, abort.signal)
  }
  const sidecar = await Sidecar.start({
    config: { enabled: true, listenHost: '127.0.0.1', advertisedHost: '127.0.0.1', bootstrapPort: 0, nodeIds: [{ first: 0, last: 3 }], maxFrameBytes: 10_000_000, staleAfterMs: 10_000, drainTimeoutMs: 2000 },
    cluster,
    connectionTimeoutMs: 2000,
    state: follower,
    logger: silentLogger
  })
  t.teardown(async () => {
    await sidecar.stop()
    abort.abort()
    await follower.stop()
    await cluster.close()
    await broker.stop()
  })
  return { bootstrap: formatHostPort(sidecar.bootstrap), broker, sidecar, setState }
}

test('kafkajs is refused at once, and goes on after failover without connecting anew', async t => {
  const { bootstrap, broker, sidecar, setState } = await start(t)
  const kafka = new Kafka({ brokers: [bootstrap], clientId: 'test', logLevel: logLevel.NOTHING, retry: { retries: 3, initialRetryTime: 50 } })
  const admin = kafka.admin()
  t.teardown(() => admin.disconnect())
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: 'orders', numPartitions: 1 }, { topic: 'own', numPartitions: 1 }] })
  await setState('orders', 'ACTIVE')
  const producer = kafka.producer()
  t.teardown(() => producer.disconnect())
  await producer.connect()
  await producer.send({ topic: 'own', messages: [{ value: '1' }] })
  t.match(await failure(producer.send({ topic: 'orders', messages: [{ value: '1' }] })), { type: 'POLICY_VIOLATION', retriable: false })
  t.match(await failure(admin.deleteTopics({ topics: ['orders'] })), { type: 'POLICY_VIOLATION' })
  await t.rejects(admin.deleteTopicRecords({ topic: 'orders', partitions: [{ partition: 0, offset: '0' }] }))
  const transactional = kafka.producer({ transactionalId: 'tx', idempotent: true, maxInFlightRequests: 1, retry: { retries: 1 } })
  t.teardown(() => transactional.disconnect())
  await transactional.connect()
  const transaction = await transactional.transaction()
  await transaction.send({ topic: 'own', messages: [{ value: 'in a transaction' }] })
  t.match(await failure(transaction.send({ topic: 'orders', messages: [{ value: '1' }] })), { type: 'POLICY_VIOLATION' })
  await transaction.abort()
  t.equal(broker.log('orders', 0).logEndOffset, 0, 'neither a record nor a marker')
  const connections = sidecar.status().counters.connectionsOpened
  await setState('orders', 'FAILED_OVER')
  await producer.send({ topic: 'orders', messages: [{ value: 'after' }] })
  t.equal(broker.log('orders', 0).logEndOffset, 1)
  t.equal(sidecar.status().counters.connectionsOpened, connections)
  t.equal(sidecar.status().counters.disconnects.internal_error, 0)
})

test('kafkajs reads through the sidecar, as a group', async t => {
  const { bootstrap, setState } = await start(t)
  // Until the state is known, no topic can be created.
  await setState('other', 'ACTIVE')
  const kafka = new Kafka({ brokers: [bootstrap], clientId: 'test', logLevel: logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: 'orders', numPartitions: 1 }] })
  await admin.disconnect()
  const producer = kafka.producer()
  await producer.connect()
  await producer.send({ topic: 'orders', messages: ['1', '2', '3'].map(value => ({ value })) })
  await producer.disconnect()
  await setState('orders', 'ACTIVE')
  const consumer = kafka.consumer({ groupId: 'g', maxWaitTimeInMs: 200 })
  t.teardown(() => consumer.disconnect())
  await consumer.connect()
  await consumer.subscribe({ topic: 'orders', fromBeginning: true })
  const seen: string[] = []
  await new Promise<void>((resolve, reject) => {
    consumer.run({
      eachMessage: async ({ message }) => {
        seen.push(message.value?.toString() ?? '')
        if (seen.length === 3) resolve()
      }
    }).catch(reject)
  })
  t.strictSame(seen, ['1', '2', '3'])
})

test('@platformatic/kafka is told in words, and goes on after failover', async t => {
  const { bootstrap, broker, setState } = await start(t)
  await setState('orders', 'ACTIVE')
  const producer = new Producer({ clientId: 'test', bootstrapBrokers: [bootstrap], serializers: stringSerializers, autocreateTopics: false, retries: 1 })
  t.teardown(() => producer.close())
  const direct = new Kafka({ brokers: [formatHostPort(broker.address)], logLevel: logLevel.NOTHING }).admin()
  await direct.connect()
  await direct.createTopics({ topics: [{ topic: 'orders', numPartitions: 1 }] })
  await direct.disconnect()
  const error = await failure(producer.send({ messages: [{ topic: 'orders', key: 'k', value: 'v' }] }))
  t.match(allText(error), /topic 'orders' is a read-only shadow topic \(link 'dr', state ACTIVE\)/)
  await setState('orders', 'FAILED_OVER')
  await producer.send({ messages: [{ topic: 'orders', key: 'k', value: 'v' }] })
  t.equal(broker.log('orders', 0).logEndOffset, 1)
})

async function failure (attempt: Promise<unknown>): Promise<unknown> {
  return await attempt.then(() => null, (reason: unknown) => reason)
}

/** All that an error says, however deep. */
function allText (error: unknown): string {
  if (!(error instanceof Error)) return ''
  const errors: unknown[] = 'errors' in error && Array.isArray(error.errors) ? error.errors : []
  const inner = [...errors, error.cause, 'response' in error ? JSON.stringify(error.response, (_, value: unknown) => typeof value === 'bigint' ? String(value) : value) : '']
  return [error.message, ...inner.map(entry => typeof entry === 'string' ? entry : allText(entry))].join('\n')
}
