/** Two clusters that shadow each other, each with topics of its own: one side is failed over while the other direction goes on. */
import { Kafka, logLevel, type Producer } from 'kafkajs'
import tap, { test } from 'tap'
import type { Cluster } from '../../src/client/cluster.ts'
import { initProducerId } from '../../src/client/admin/init-producer-id.ts'
import { formatHostPort } from '../../src/net/host-port.ts'
import { sleep } from '../../src/net/sleep.ts'
import { BrokerEngine, createSourceTopic, endOffsets, eventually, linkDocument, testCluster } from '../support/broker-link.ts'
import { KafkaCluster } from '../support/kafka-cluster.ts'
import { takePorts } from '../support/port-block.ts'
import { differencesOf, untilCopied, type CopiedTopic } from '../support/shadow-watch.ts'

tap.setTimeout(240_000)

const BROKERS = [1, 2]
const PARTITIONS = 2
const FRESH_PRODUCERS = 30
const config = { 'group.min.session.timeout.ms': '1000' }

const [a, b] = await Promise.all([
  KafkaCluster.start({ version: '4.1', brokers: 2, name: 'pair-a', config }),
  KafkaCluster.start({ version: '4.3', brokers: 2, name: 'pair-b', config })
])
tap.teardown(async () => { await Promise.all([a.stop(), b.stop()]) })
const ports = await takePorts(2)
tap.teardown(() => ports.release())
const [clientOfA, clientOfB] = [testCluster(a), testCluster(b)]
tap.teardown(async () => { await Promise.all([clientOfA.close(), clientOfB.close()]) })

const copyOf = (topic: string, source: KafkaCluster, shadow: KafkaCluster): CopiedTopic => ({ source, sourceBroker: 1, shadow, topic, partitions: PARTITIONS })

/** Writes steadily until it is stopped; returns how many records were acknowledged. */
class Writer {
  #written = 0
  #stopped = false
  readonly #finished: Promise<void>

  constructor (producer: Producer, topic: string) {
    this.#finished = this.#run(producer, topic)
  }

  async #run (producer: Producer, topic: string): Promise<void> {
    for (; !this.#stopped; this.#written++) {
      await producer.send({ topic, acks: -1, messages: [{ partition: this.#written % PARTITIONS, value: `${topic} ${this.#written}` }] })
      await sleep(5)
    }
  }

  async stop (): Promise<number> {
    this.#stopped = true
    await this.#finished
    return this.#written
  }
}

async function producerOf (cluster: KafkaCluster): Promise<Producer> {
  const producer = new Kafka({ brokers: cluster.bootstrapServers.map(formatHostPort), logLevel: logLevel.NOTHING }).producer({ idempotent: true })
  await producer.connect()
  tap.teardown(() => producer.disconnect())
  return producer
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

test('one site is failed over while the other direction goes on, and nothing is copied in a circle', async t => {
  await createSourceTopic(clientOfA, 'a_orders', PARTITIONS)
  await createSourceTopic(clientOfB, 'b_orders', PARTITIONS)
  const [producerA, producerB] = [await producerOf(a), await producerOf(b)]
  const leaderAt = (index: number): { readonly host: string, readonly port: number } => ({ host: ports.host, port: ports.ports[index] ?? 0 })
  const atA = await BrokerEngine.start(a, { sessionTimeoutMs: 3000, shadowLeader: leaderAt(0) })
  t.teardown(() => atA.stop())
  const atB = await BrokerEngine.start(b, { sessionTimeoutMs: 3000, shadowLeader: leaderAt(1) })
  t.teardown(() => atB.stop())
  t.equal((await atB.engine.create(linkDocument('from-a', a, ['a_*']), { dryRun: false })).appendMode, 'replica')
  t.equal((await atA.engine.create(linkDocument('from-b', b, ['b_*']), { dryRun: false })).appendMode, 'replica')

  const [ordersOfA, ordersOfB] = [new Writer(producerA, 'a_orders'), new Writer(producerB, 'b_orders')]
  await eventually('both directions copy', async () => {
    const ends = await Promise.all([endOffsets(clientOfA, 'a_orders'), endOffsets(clientOfB, 'b_orders')])
    const topics = await Promise.all([atB.topic('from-a', 'a_orders'), atA.topic('from-b', 'b_orders')])
    return ends.every(offsets => sum(offsets) > 100) && topics.every(topic => topic?.partitions.length === PARTITIONS && topic.partitions.every(({ shadowEndOffset }) => (shadowEndOffset ?? 0) > 20))
  })

  // Somebody at site B is ready to write what is site A's, with an id from before; site A goes on to hand out ids of its own.
  const idsOf = async (cluster: Cluster): Promise<number[]> => (await Promise.all(BROKERS.map(broker => initProducerId(cluster, broker, { count: 1 }, { signal: AbortSignal.timeout(10_000) })))).flat()
  // While the engines move them on, a broker may get ids from between.
  await eventually('ids are handed out far ahead of the copied ones, and not at the same place', async () => {
    const [atSiteA, atSiteB] = [await idsOf(clientOfA), await idsOf(clientOfB)]
    if ([...atSiteA, ...atSiteB].every(id => id > 50_000) && atSiteA.every(id => atSiteB.every(other => Math.abs(id - other) > 50_000))) return true
    throw new Error(`${atSiteA.join()} at site A, ${atSiteB.join()} at site B`)
  })
  const ready = await producerOf(b)
  for (let count = 0; count < FRESH_PRODUCERS; count++) {
    const fresh = await producerOf(a)
    await fresh.send({ topic: 'a_orders', messages: [{ partition: 0, value: `fresh ${count}` }] })
  }

  // The applications of site A move to site B.
  const writtenAtA = await ordersOfA.stop() + FRESH_PRODUCERS
  await atB.engine.promote('from-a', null)
  await eventually('what was site A\'s is written at site B', async () => (await atB.topic('from-a', 'a_orders'))?.state === 'PROMOTED')
  t.equal(sum(await endOffsets(clientOfB, 'a_orders')), writtenAtA, 'all that was acknowledged at site A is there')
  t.same(await differencesOf(copyOf('a_orders', a, b), BROKERS), [])
  const moved = new Writer(ready, 'a_orders')
  const before = sum(await endOffsets(clientOfA, 'b_orders').catch(() => [0]))
  await eventually('the other direction goes on meanwhile', async () => sum((await atA.topic('from-b', 'b_orders'))?.partitions.map(({ shadowEndOffset }) => shadowEndOffset ?? 0) ?? []) > before + 50)

  const [movedWritten, writtenAtB] = [await moved.stop(), await ordersOfB.stop()]
  await untilCopied(copyOf('b_orders', b, a), BROKERS)
  t.same(await differencesOf(copyOf('b_orders', b, a), BROKERS), [], 'and is exact')
  t.equal(sum(await endOffsets(clientOfB, 'b_orders')), writtenAtB)
  t.equal(sum(await endOffsets(clientOfB, 'a_orders')), writtenAtA + movedWritten)
  t.equal(sum(await endOffsets(clientOfA, 'a_orders')), writtenAtA, 'nothing comes back to site A')
  t.same((await atA.engine.status('from-b')).topics.map(({ name, state }) => [name, state]), [['b_orders', 'ACTIVE']])
  t.same((await atB.engine.status('from-a')).topics.map(({ name, state }) => [name, state]), [['a_orders', 'PROMOTED']])
  await eventually('the engine has left cluster B, where nothing is a shadow any more', async () => !(await clientOfB.refresh({ signal: AbortSignal.timeout(10_000) })).brokers.has(3000))
  await atA.deleteLink('from-b')
  await atB.deleteLink('from-a')
})
