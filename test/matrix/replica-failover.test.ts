/** The failover of append mode replica on real brokers: whoever dies and whenever, what was copied is there, and what is acknowledged afterwards too. */
import { Kafka, logLevel, type Transaction } from 'kafkajs'
import tap, { test, type Test } from 'tap'
import { AllocateProducerIds } from '../../protocol/messages/allocate-producer-ids.ts'
import { AlterPartition } from '../../protocol/messages/alter-partition.ts'
import { AlterPartitionReassignments } from '../../protocol/messages/alter-partition-reassignments.ts'
import { DescribeProducers } from '../../protocol/messages/describe-producers.ts'
import { IncrementalAlterConfigs } from '../../protocol/messages/incremental-alter-configs.ts'
import { InitProducerId } from '../../protocol/messages/init-producer-id.ts'
import { OffsetForLeaderEpoch } from '../../protocol/messages/offset-for-leader-epoch.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { buildBatch } from '../../protocol/records/build-batch.ts'
import { deleteTopic } from '../../src/client/admin/delete-topic.ts'
import { describeTopicConfigs } from '../../src/client/admin/describe-topic-configs.ts'
import { initProducerId } from '../../src/client/admin/init-producer-id.ts'
import { formatHostPort, type HostPort } from '../../src/net/host-port.ts'
import { sleep } from '../../src/net/sleep.ts'
import { ProducerIdBarrier } from '../../src/replication/failover/producer-id-barrier.ts'
import { BrokerEngine, createSourceTopic, endOffsets, eventually, linkDocument, testCluster, type BrokerCluster, type BrokerEngineOptions } from '../support/broker-link.ts'
import { FaultRelay, type Tripwire } from '../support/fault-relay.ts'
import { KafkaCluster } from '../support/kafka-cluster.ts'
import { takePorts } from '../support/port-block.ts'
import { Random } from '../support/random.ts'
import { differencesOf, logBytes, untilCopied, type CopiedTopic } from '../support/shadow-watch.ts'

tap.setTimeout(290_000)

// What it does beforehand is left to the failovers.
ProducerIdBarrier.prototype.run = () => Promise.resolve()

const SESSION_MS = 1000
const PARTITIONS = 2
const BROKERS = [1, 2]
const CONFIGS = { 'retention.ms': '777777', 'retention.bytes': '88888888', 'min.insync.replicas': '1', 'cleanup.policy': 'delete' }

const [source, shadow] = await Promise.all([
  KafkaCluster.start({ version: '4.1', brokers: 2, name: 'failover-source' }),
  KafkaCluster.start({ version: '4.3', brokers: 2, name: 'failover-shadow', config: { 'group.min.session.timeout.ms': '1000', 'broker.session.timeout.ms': '4000', 'broker.heartbeat.interval.ms': '500' } })
])
tap.teardown(async () => { await Promise.all([source.stop(), shadow.stop()]) })
const block = await takePorts(8)
tap.teardown(() => block.release())
const [sourceClient, shadowClient] = [testCluster(source), testCluster(shadow)]
tap.teardown(async () => { await Promise.all([sourceClient.close(), shadowClient.close()]) })

let started = 0
const nextAddress = (): HostPort => ({ host: block.host, port: block.ports[started++ % block.ports.length] ?? 0 })
const signal = (): AbortSignal => AbortSignal.timeout(60_000)
const kafkaOf = (cluster: BrokerCluster): Kafka => new Kafka({ brokers: cluster.bootstrapServers.map(formatHostPort), logLevel: logLevel.NOTHING })
const copied = (topic: string, partitions = PARTITIONS): CopiedTopic => ({ source, sourceBroker: 1, shadow, topic, partitions })

const producer = kafkaOf(source).producer({ idempotent: true })
tap.teardown(() => producer.disconnect().catch(() => {}))
await producer.connect()

const document = (...link: Parameters<typeof linkDocument>): Record<string, unknown> => ({ ...linkDocument(...link), append_mode: 'replica' })

async function write (topic: string, count: number, partitions = PARTITIONS): Promise<void> {
  for (let number = 0; number < count; number++) await producer.send({ topic, messages: [{ partition: number % partitions, value: `${topic} ${number}` }] })
}

/** Writes to partition 0 of the source as a producer with this id does that has just started. */
async function writeAs (producerId: number, topic: string): Promise<void> {
  const { leaderId } = await sourceClient.leaderOf(topic, 0, { signal: signal() })
  const topicId = sourceClient.lastView?.topics.get(topic)?.topicId ?? ''
  const records = buildBatch({ records: [{ timestamp: Date.now(), value: Buffer.from(`by producer ${producerId}`) }], producerId, producerEpoch: 0, baseSequence: 0 })
  const { body } = await sourceClient.request(Produce, { acks: -1, timeoutMs: 10_000, topicData: [{ name: topic, topicId, partitionData: [{ index: 0, records }] }] }, leaderId, { signal: signal() })
  const errorCode = body.responses[0]?.partitionResponses[0]?.errorCode
  if (errorCode !== 0) throw new Error(`the source refused the batch: ${errorCode}`)
}

/** Idempotent producers that did not exist before each write one record to partition 0. Returns the offsets that they were told. */
async function freshWrites (topic: string, count: number): Promise<string[]> {
  return (await Promise.all(Array.from({ length: count }, async (_, index) => {
    const fresh = kafkaOf(shadow).producer({ idempotent: true })
    // It asks any node for its id, and may have been told of a dead engine's.
    await eventually('a producer has its id', () => fresh.connect().then(() => true))
    const metadata = await fresh.send({ topic, messages: [{ partition: 0, value: `fresh ${index}` }] })
    await fresh.disconnect()
    return metadata.map(({ baseOffset }) => baseOffset ?? '')
  }))).flat()
}

async function configsOf (topic: string): Promise<Record<string, string | null>> {
  const configs = (await describeTopicConfigs(shadowClient, [topic], { signal: signal() })).get(topic)
  if (configs === undefined || configs instanceof Error) throw configs ?? new Error(`no configs of ${topic}`)
  return Object.fromEntries(Object.keys(CONFIGS).map(name => [name, configs.get(name)?.value ?? null]))
}

async function replicasOf (topic: string): Promise<number[][]> {
  const view = (await shadowClient.refresh({ signal: signal() })).topics.get(topic)
  return view?.partitions.map(({ replicas }) => [...replicas].sort()) ?? []
}

interface Running {
  readonly engine: BrokerEngine
  /** Between the engine and the shadow cluster, controllers too. */
  readonly relay: FaultRelay
}

async function start (t: Pick<Test, 'teardown'>, options: Pick<BrokerEngineOptions, 'followerTimeoutMs' | 'lastBrokerId'> = {}): Promise<Running> {
  const relay = new FaultRelay({ random: new Random(4), rate: () => 0, maxHoldMs: 0 })
  t.teardown(() => relay.stop())
  const engine = await BrokerEngine.start(shadow, { sessionTimeoutMs: SESSION_MS, shadowLeader: nextAddress(), shadowDial: relay.dial, dial: relay.dial, ...options })
  t.teardown(() => engine.stop())
  return { engine, relay }
}

async function untilFailedOver (engine: BrokerEngine, link: string, topic: string): Promise<void> {
  await eventually(`${topic} is failed over`, async () => {
    const status = await engine.topic(link, topic)
    if (status?.state === 'FAILED_OVER') return true
    throw new Error(`it is ${status?.state ?? 'not there'}, with ${status?.problem ?? 'nothing in its way'}`)
  }, 60_000)
}

const FIRST_FREE = 20_000

test('without the barrier what producers are told to be written is dropped; with it nothing is', async t => {
  const topics = ['unguarded', 'guarded'] as const
  for (const topic of topics) await createSourceTopic(sourceClient, topic, 1)
  const barrier = Object.getOwnPropertyDescriptor(ProducerIdBarrier.prototype, 'ensureNoted') ?? {}
  const restore = (): void => { Object.defineProperty(ProducerIdBarrier.prototype, 'ensureNoted', barrier) }
  t.teardown(restore)
  ProducerIdBarrier.prototype.ensureNoted = () => Promise.resolve()
  const { engine } = await start(t)
  await engine.engine.create(document('ids', source, topics), { dryRun: false })

  const ids: number[] = []
  for (const nodeId of BROKERS) {
    const [last = 0] = await initProducerId(shadowClient, nodeId, { count: 1 }, { signal: signal() })
    ids.push(...Array.from({ length: 60 }, (_, index) => last + 1 + index))
  }
  for (const topic of topics) for (const id of ids) await writeAs(id, topic)
  for (const topic of topics) await untilCopied(copied(topic, 1), BROKERS)
  await engine.engine.failover('ids', 'unguarded')
  await untilFailedOver(engine, 'ids', 'unguarded')
  const unguarded = await freshWrites('unguarded', 20)
  t.equal(unguarded.length, 20, 'all were told that it is written')
  const [end = 0] = await endOffsets(shadowClient, 'unguarded')
  t.ok(end < ids.length + 20, `without the barrier ${ids.length + 20 - end} of 20 acknowledged records were dropped`)

  restore()
  await engine.engine.failover('ids', 'guarded')
  await untilFailedOver(engine, 'ids', 'guarded')
  await freshWrites('guarded', 20)
  t.same(await endOffsets(shadowClient, 'guarded'), [ids.length + 20], 'with it all that was acknowledged is there')
  await engine.deleteLink('ids')

  await createSourceTopic(sourceClient, 'far', 1)
  await engine.engine.create(document('far', source, ['far']), { dryRun: false })
  const far = Math.max(...ids) + 100_000 + FIRST_FREE
  await writeAs(far, 'far')
  await untilCopied(copied('far', 1), BROKERS)
  const atMs = performance.now()
  await engine.engine.failover('far', 'far')
  await untilFailedOver(engine, 'far', 'far')
  t.comment(`a failover behind an id that is ${100_000 + FIRST_FREE} ahead took ${Math.round(performance.now() - atMs)} ms`)
  for (const nodeId of BROKERS) {
    const [next = 0] = await initProducerId(shadowClient, nodeId, { count: 1 }, { signal: signal() })
    t.ok(next > far, `broker ${nodeId} hands out ${next}, and ${far} was copied`)
  }
  await engine.deleteLink('far')
  await engine.stop()
})

const before = (apiKey: number, skip = 0): Tripwire => ({ apiKey, when: 'before', skip })
const after = (apiKey: number, skip = 0): Tripwire => ({ apiKey, when: 'after', skip })

/** Where engines die: at each request that a failover consists of. */
const DEATHS: ReadonlyArray<readonly [place: string, tripwire: Tripwire]> = [
  ['before FAILING_OVER is recorded', before(Produce.key)],
  ['when FAILING_OVER is recorded', after(Produce.key)],
  ['before a block of producer ids is taken', before(AllocateProducerIds.key)],
  ['while producer ids are moved on', before(InitProducerId.key)],
  ['before the handover', before(AlterPartition.key)],
  ['when leadership is handed over', after(AlterPartition.key)],
  ['before the producers are read', before(DescribeProducers.key)],
  ['while the ends are read', after(OffsetForLeaderEpoch.key)],
  ['before the configs are set', before(IncrementalAlterConfigs.key)],
  ['when the configs are set', after(IncrementalAlterConfigs.key)],
  ['before FAILED_OVER is recorded', before(Produce.key, 1)],
  ['when FAILED_OVER is recorded', after(Produce.key, 1)]
]

test('an engine that dies at any step of a failover is followed by one that ends it', async t => {
  const link = 'deaths'
  const topics = DEATHS.map((_, index) => `deaths-${index}`)
  for (const topic of topics) await createSourceTopic(sourceClient, topic, PARTITIONS, CONFIGS)
  for (const topic of topics) await write(topic, 10)
  let { engine, relay } = await start(t)
  await engine.engine.create(document(link, source, topics), { dryRun: false })
  await eventually('all topics are shadowed', async () => (await engine.engine.status(link)).topics.filter(({ state, partitions }) => state === 'ACTIVE' && partitions.length === PARTITIONS && partitions.every(({ shadowEndOffset }) => shadowEndOffset !== null)).length === topics.length)
  for (const topic of topics) await untilCopied(copied(topic), BROKERS)

  for (const [index, [place, tripwire]] of DEATHS.entries()) {
    const topic = topics[index] ?? ''
    if (tripwire.apiKey === AllocateProducerIds.key || tripwire.apiKey === InitProducerId.key) {
      const [last = 0] = await initProducerId(shadowClient, 1, { count: 1 }, { signal: signal() })
      await writeAs(last + 5000, topic)
      await untilCopied(copied(topic), BROKERS)
    }
    const dead = relay.trip(tripwire)
    const asked = engine.engine.failover(link, topic).then(() => null, (error: unknown) => error)
    await dead
    const successor = await start(t)
    await eventually(`${place}: the successor knows the topic`, async () => await successor.engine.topic(link, topic) !== null)
    if ((await successor.engine.topic(link, topic))?.state === 'ACTIVE') {
      await engine.stop()
      t.ok(await asked, `${place}: whoever asked was told that it did not happen`)
      await untilCopied(copied(topic), BROKERS)
      await successor.engine.engine.failover(link, topic)
    } else await engine.stop()
    await untilFailedOver(successor.engine, link, topic)
    t.same(await configsOf(topic), CONFIGS, `${place}: the configs are the source's`)
    t.same(await differencesOf(copied(topic), BROKERS), [], `${place}: the copy is whole`)
    t.match(await successor.engine.topic(link, topic), { fault: null })
    const ends = await endOffsets(sourceClient, topic)
    t.same((await successor.engine.topic(link, topic))?.partitions.map(({ shadowEndOffset }) => shadowEndOffset), ends, `${place}: the ends are recorded`)
    t.same(await replicasOf(topic), Array.from({ length: PARTITIONS }, () => BROKERS), `${place}: real brokers hold it, all of them`)
    t.same(await freshWrites(topic, 1), [String(ends[0])], `${place}: the first new record is at the end`)
    t.same(await endOffsets(shadowClient, topic), [(ends[0] ?? 0) + 1, ends[1]])
    ;({ engine, relay } = successor)
  }
  await engine.deleteLink(link)
  await engine.stop()
})

test('a transaction that a client has begun on the shadow since the handover is its own to end; one that was open on the source is aborted', async t => {
  const topic = 'spanning'
  await createSourceTopic(sourceClient, topic, 1)
  await write(topic, 10, 1)
  const attempt = async (cluster: BrokerCluster, value: string): Promise<Transaction> => {
    const transactional = kafkaOf(cluster).producer({ idempotent: true, transactionalId: `${topic} ${value}`, maxInFlightRequests: 1 })
    t.teardown(() => transactional.disconnect().catch(() => {}))
    await transactional.connect()
    const transaction = await transactional.transaction()
    await transaction.send({ topic, messages: [{ partition: 0, value }] })
    return transaction
  }
  const begin = async (cluster: BrokerCluster, value: string): Promise<Transaction> => {
    const begun: Transaction[] = []
    // It may have been told of a dead engine's broker.
    await eventually(`a transaction is ${value}`, async () => begun.push(await attempt(cluster, value)) > 0)
    return begun[0] ?? await attempt(cluster, value)
  }
  await begin(source, 'open on the source')
  const { engine, relay } = await start(t)
  await engine.engine.create(document(topic, source, [topic]), { dryRun: false })
  await untilCopied(copied(topic, 1), BROKERS)
  const [end = 0] = await endOffsets(sourceClient, topic)
  const dead = relay.trip(before(DescribeProducers.key))
  engine.engine.failover(topic, topic).catch(() => {})
  await dead
  await engine.stop()
  const own = await begin(shadow, 'begun on the shadow')
  const successor = await start(t)
  await untilFailedOver(successor.engine, topic, topic)
  await own.commit()
  const read: string[] = []
  // It reads what is committed, and nothing else.
  const consumer = kafkaOf(shadow).consumer({ groupId: topic })
  t.teardown(() => consumer.disconnect().catch(() => {}))
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message }) => { await Promise.resolve(read.push(String(message.value))) } })
  await eventually('a reader is at the end', () => read.length > 10, 20_000)
  t.same(read, [...Array.from({ length: 10 }, (_, number) => `${topic} ${number}`), 'begun on the shadow'], 'what was committed is there, and nothing else')
  t.match(await successor.engine.topic(topic, topic), { fault: null, partitions: [{ shadowEndOffset: end }] })
  await successor.engine.deleteLink(topic)
  await successor.engine.stop()
})

/**
 * With a dead broker among those that a partition is moved to, a handover is: the move to the living ones, the ISR, a move that adds a
 * broker that is nobody, its cancellation, and the move again.
 */
const DEATHS_AMONG_THE_DEAD: ReadonlyArray<readonly [place: string, tripwire: Tripwire]> = [
  ['before nobody is added', before(AlterPartitionReassignments.key, 1)],
  ['when nobody is added', after(AlterPartitionReassignments.key, 1)],
  ['when that is cancelled', after(AlterPartitionReassignments.key, 2)],
  ['when it is moved', after(AlterPartitionReassignments.key, 3)]
]

test('an engine that dies while it hands over what a dead broker is to hold, too, is followed by one that leaves plain Kafka', async t => {
  const link = 'halves'
  const topics = DEATHS_AMONG_THE_DEAD.map((_, index) => `halves-${index}`)
  for (const topic of topics) await createSourceTopic(sourceClient, topic, 1, CONFIGS)
  for (const topic of topics) await write(topic, 10, 1)
  const options = { followerTimeoutMs: 1000 }
  let { engine, relay } = await start(t, options)
  await engine.engine.create(document(link, source, topics), { dryRun: false })
  for (const topic of topics) await untilCopied(copied(topic, 1), BROKERS)
  await shadow.broker(2).kill()
  await eventually('broker 2 is known to be dead', async () => !(await shadowClient.refresh({ signal: signal() })).brokers.has(2))

  for (const [index, [place, tripwire]] of DEATHS_AMONG_THE_DEAD.entries()) {
    const topic = topics[index] ?? ''
    // The dead broker may have coordinated the engines' election: until another one does, none leads.
    await eventually(`${place}: the engine leads`, async () => engine.engine.leadership().leading && (await engine.topic(link, topic))?.state === 'ACTIVE')
    const dead = relay.trip(tripwire)
    engine.engine.failover(link, topic).catch(() => {})
    await dead
    await eventually(`${place}: a real broker leads`, async () => (await shadowClient.refresh({ signal: signal() })).topics.get(topic)?.partitions[0]?.leaderId === 1)
    await engine.stop()
    const successor = await start(t, options)
    await untilFailedOver(successor.engine, link, topic)
    const ends = await endOffsets(sourceClient, topic)
    await eventually(`${place}: real brokers hold it, and nobody else`, async () => {
      const replicas = (await replicasOf(topic)).join()
      if (replicas !== BROKERS.join()) throw new Error(`they are ${replicas}`)
      return true
    })
    t.same(await configsOf(topic), CONFIGS, `${place}: the configs are the source's`)
    t.same(await freshWrites(topic, 1), [String(ends[0])], `${place}: the first new record is at the end`)
    ;({ engine, relay } = successor)
  }
  await engine.deleteLink(link)
  await eventually('no engine is a broker any more, nor is who was one for the failover\'s sake', () => engine.state.state?.shadowLeaders.size === 0)
  await shadow.broker(2).start()
  for (const topic of topics) await eventually(`broker 2 holds ${topic}, too`, async () => (await shadowClient.refresh({ signal: signal() })).topics.get(topic)?.partitions[0]?.isr.length === 2)
  await engine.stop()
})

test('of a topic whose shadow was deleted the name is opened, what somebody made in its place is left alone, and the link can be deleted', async t => {
  const [link, deleted, replaced] = ['gone', 'gone-deleted', 'gone-replaced']
  for (const topic of [deleted, replaced]) await createSourceTopic(sourceClient, topic, 1, CONFIGS)
  for (const topic of [deleted, replaced]) await write(topic, 10, 1)
  const { engine } = await start(t)
  await engine.engine.create(document(link, source, [deleted, replaced]), { dryRun: false })
  for (const topic of [deleted, replaced]) await untilCopied(copied(topic, 1), BROKERS)
  await eventually('both are shadowed', async () => (await engine.engine.status(link)).topics.filter(({ state }) => state === 'ACTIVE').length === 2)
  for (const topic of [deleted, replaced]) await deleteTopic(shadowClient, topic, { signal: signal() })
  await eventually('it can be made anew', () => createSourceTopic(shadowClient, replaced, 1, { 'retention.ms': '4711' }).then(() => true))
  for (const topic of [deleted, replaced]) await engine.engine.failover(link, topic)
  for (const topic of [deleted, replaced]) await untilFailedOver(engine, link, topic)
  t.match(await engine.topic(link, deleted), { problem: null, fault: { code: 'SHADOW_TOPIC_GONE', reason: 'the shadow topic was deleted' } })
  t.match(await engine.topic(link, replaced), { problem: null, fault: { code: 'SHADOW_TOPIC_GONE', reason: /^the shadow topic was deleted and made anew by somebody/ } })
  t.match(await configsOf(replaced), { 'retention.ms': '4711' }, 'what somebody else made is left as it is')
  await engine.engine.delete(link, { force: false })
  await deleteTopic(shadowClient, replaced, { signal: signal() })
  await engine.stop()
})

/** The first failover that is sure of its producer ids waits for what is returned, once it knows its followers. */
function holdBarrier (t: Pick<Test, 'teardown'>): { readonly reached: Promise<void>, readonly release: () => void } {
  const barrier = Object.getOwnPropertyDescriptor(ProducerIdBarrier.prototype, 'ensureNoted') ?? {}
  const restore = (): void => { Object.defineProperty(ProducerIdBarrier.prototype, 'ensureNoted', barrier) }
  t.teardown(restore)
  let release = (): void => {}
  const released = new Promise<void>(resolve => { release = resolve })
  const reached = new Promise<void>(resolve => {
    ProducerIdBarrier.prototype.ensureNoted = async function (this: ProducerIdBarrier, signal) {
      resolve()
      await released
      restore()
      await this.ensureNoted(signal)
    }
  })
  return { reached, release }
}

test('a broker that dies after it was found to have everything does not lead, and nobody waits for it', async t => {
  const topic = 'dying'
  await createSourceTopic(sourceClient, topic, PARTITIONS, CONFIGS)
  await write(topic, 10)
  const { engine } = await start(t)
  await engine.engine.create(document(topic, source, [topic]), { dryRun: false })
  await eventually('it is shadowed', async () => (await engine.topic(topic, topic))?.partitions.length === PARTITIONS)
  await untilCopied(copied(topic), BROKERS)
  const ends = await endOffsets(sourceClient, topic)
  // Whoever coordinates the engines' election stays: without it nobody would lead for a while, and the failover would begin anew.
  await shadowClient.refresh({ signal: signal() })
  const { leaderId } = await shadowClient.leaderOf('__consumer_offsets', 0, { signal: signal() })
  const victim = leaderId === 1 ? 2 : 1
  const { reached, release } = holdBarrier(t)
  await engine.engine.failover(topic, topic)
  await reached
  await shadow.broker(victim).kill()
  await eventually(`broker ${victim} is known to be dead`, async () => !(await shadowClient.refresh({ signal: signal() })).brokers.has(victim))
  release()
  await untilFailedOver(engine, topic, topic)
  t.match(await engine.topic(topic, topic), { fault: null, partitions: ends.map(shadowEndOffset => ({ shadowEndOffset })) })
  t.same(await freshWrites(topic, 1), [String(ends[0])], 'the first new record is at the end')
  await shadow.broker(victim).start()
  await eventually('it has joined', async () => (await shadowClient.refresh({ signal: signal() })).topics.get(topic)?.partitions.every(({ isr }) => isr.length === 2) === true)
  t.same(await replicasOf(topic), Array.from({ length: PARTITIONS }, () => BROKERS))
  await engine.deleteLink(topic)
  await engine.stop()
})

/** With one id there is none that nobody could be, and the shadow leader waits in the replicas. */
for (const { topic, lastBrokerId } of [{ topic: 'halved', lastBrokerId: 3009 }, { topic: 'halved-too', lastBrokerId: 3000 }]) {
  test(`a follower that is dead at the failover is left out, and joins when it is back: engines with ids to ${lastBrokerId}`, async t => {
    await createSourceTopic(sourceClient, topic, PARTITIONS, CONFIGS)
    await write(topic, 10)
    const { engine } = await start(t, { followerTimeoutMs: 1000, lastBrokerId })
    await engine.engine.create(document(topic, source, [topic]), { dryRun: false })
    await eventually('it is shadowed', async () => (await engine.topic(topic, topic))?.partitions.length === PARTITIONS)
    await untilCopied(copied(topic), BROKERS)
    await shadow.broker(2).kill()
    await write(topic, 10)
    await untilCopied(copied(topic), [1])
    await eventually('broker 2 is known to be dead', async () => !(await shadowClient.refresh({ signal: signal() })).brokers.has(2))
    const ends = await endOffsets(sourceClient, topic)
    // The dead broker may have coordinated the engines' election: until another one does, none leads.
    await eventually('the engine leads', () => engine.engine.leadership().leading)
    await engine.engine.failover(topic, topic)
    await untilFailedOver(engine, topic, topic)
    t.same(await endOffsets(shadowClient, topic), ends)
    const isAlone = async (): Promise<boolean> => (await replicasOf(topic)).every(replicas => replicas.join() === BROKERS.join())
    t.ok((await replicasOf(topic)).every(replicas => BROKERS.every(id => replicas.includes(id))), 'the dead one is to hold it, too')
    t.equal(await isAlone(), lastBrokerId > 3000, 'real brokers alone hold it')
    t.same(await freshWrites(topic, 1), [String(ends[0])], 'and it is written to meanwhile')
    await shadow.broker(2).start()
    await eventually('it has joined', async () => (await shadowClient.refresh({ signal: signal() })).topics.get(topic)?.partitions.every(({ isr }) => isr.length === 2) === true)
    await eventually('real brokers alone hold it', isAlone)
    await engine.deleteLink(topic)
    await eventually('no engine is a broker any more, nor is who was one for the failover\'s sake', () => engine.state.state?.shadowLeaders.size === 0)
    await engine.stop()
  })
}

test('with the source gone and an engine that knows nothing, the longest follower is the truth', async t => {
  await createSourceTopic(sourceClient, 'uneven', PARTITIONS, CONFIGS)
  await write('uneven', 10)
  const first = await start(t)
  await first.engine.engine.create(document('uneven', source, ['uneven']), { dryRun: false })
  await eventually('it is shadowed', async () => (await first.engine.topic('uneven', 'uneven'))?.partitions.length === PARTITIONS)
  await untilCopied(copied('uneven'), BROKERS)
  await shadow.broker(1).kill()
  await write('uneven', 20)
  await untilCopied(copied('uneven'), [2])
  const ends = await endOffsets(sourceClient, 'uneven')
  const longest = logBytes(shadow.partitionDir(2, 'uneven', 0))
  await Promise.all(source.brokers.map(broker => broker.kill()))
  await first.engine.stop()
  await shadow.broker(1).start()

  const { engine } = await start(t, { followerTimeoutMs: 3000 })
  await engine.engine.failover('uneven', 'uneven')
  await untilFailedOver(engine, 'uneven', 'uneven')
  await eventually('the longer log is the one that counts, whoever leads by now', async () => (await endOffsets(shadowClient, 'uneven')).join() === ends.join())
  await sleep(500)
  await eventually('the other has caught up', async () => (await shadowClient.refresh({ signal: signal() })).topics.get('uneven')?.partitions.every(({ isr }) => isr.length === 2) === true)
  t.same(await differencesOf(copied('uneven'), BROKERS), [])
  t.equal(logBytes(shadow.partitionDir(2, 'uneven', 0)), longest, 'nothing was truncated')
  t.same(await configsOf('uneven'), CONFIGS)
  await engine.stop()
})
