/**
 * A source that has lost what the shadow holds, or whose topic was made anew: the topic stops, and the shadow keeps all it has. With
 * `on_source_truncation: follow` what was lost is thrown away by every replica, and by none of them more than that.
 */
import tap from 'tap'
import { deleteRecords } from '../../src/client/admin/delete-records.ts'
import { deleteTopic } from '../../src/client/admin/delete-topic.ts'
import { BrokerEngine, createSourceTopic, endOffsets, eventually, linkDocument, testCluster } from '../support/broker-link.ts'
import { compareSegments } from '../support/compare-segments.ts'
import { runJava } from '../support/java-tool.ts'
import { KafkaCluster } from '../support/kafka-cluster.ts'
import { takePorts } from '../support/port-block.ts'
import { storedBatches } from '../support/segment-files.ts'

tap.setTimeout(400_000)

const UNCLEAN = { 'unclean.leader.election.enable': 'true', 'min.insync.replicas': '1' }
/** `lost` and `regrown` lose records; `remade` and `trimmed` are deleted and made anew, once while the engine runs, once while it does not. */
const TOPICS = ['lost', 'regrown', 'kept', 'remade', 'trimmed'] as const
/** Of a link that follows: `followed` loses records while the engine runs, the others while it does not. */
const FOLLOWED = ['followed', 'resumed', 'opened'] as const

const [source, shadow] = await Promise.all([
  KafkaCluster.start({ version: '4.1', brokers: 2, name: 'loss-source' }),
  KafkaCluster.start({ version: '4.3', brokers: 2, name: 'loss-shadow', config: { 'group.min.session.timeout.ms': '1000' } })
])
tap.teardown(async () => { await Promise.all([source.stop(), shadow.stop()]) })
const ports = await takePorts(1)
tap.teardown(() => ports.release())
const client = testCluster(source)
tap.teardown(() => client.close())

async function write (topic: string, records: number): Promise<void> {
  await runJava('org.apache.kafka.tools.ProducerPerformance', ['--topic', topic, '--num-records', String(records), '--record-size', '100', '--throughput', '-1',
    '--producer-props', `bootstrap.servers=${source.bootstrap}`, 'acks=1', 'batch.size=10'], { version: source.version })
}

async function startEngine (): Promise<BrokerEngine> {
  const engine = await BrokerEngine.start(shadow, { sessionTimeoutMs: 2000, followerTimeoutMs: 3000, shadowLeader: { host: ports.host, port: ports.ports[0] ?? 0 } })
  tap.teardown(() => engine.stop())
  return engine
}

/** Every replica of the shadow, as it is on disk. */
function shadowBytes (topic: string): string[] {
  return shadow.brokers.map(({ id }) => Buffer.concat([...storedBatches(shadow.partitionDir(id, topic, 0))].map(({ bytes }) => bytes)).toString('base64'))
}

/** What differs between a replica of the source and every one of the shadow. */
function differences (sourceBroker: number, topic: string): string[] {
  return shadow.brokers.flatMap(({ id }) => compareSegments(source.partitionDir(sourceBroker, topic, 0), shadow.partitionDir(id, topic, 0)).difference ?? [])
}

async function untilCopied (engine: BrokerEngine, topic: string, end: number): Promise<void> {
  await eventually(`${topic} is copied up to ${end}`, async () => (await engine.topic('dr', topic))?.partitions[0]?.shadowEndOffset === end)
  await eventually(`every replica of ${topic} has it`, async () => new Set(shadowBytes(topic)).size === 1)
}

async function untilFaulted (engine: BrokerEngine, topic: string): Promise<void> {
  await eventually(`${topic} is stopped`, async () => (await engine.topic('dr', topic))?.state === 'FAULTED')
}

async function remake (topic: string): Promise<void> {
  await deleteTopic(client, topic, { signal: AbortSignal.timeout(30_000) })
  await eventually('the topic is gone', async () => !(await client.refresh({ signal: AbortSignal.timeout(30_000) })).topics.has(topic))
  await createSourceTopic(client, topic, 1)
  await write(topic, 150)
}

/** Ends one broker of the source in good order, has records written to the other, and lets the first lead without them. */
async function lose (topics: readonly string[], { stopped, killed, whenWritten }: { readonly stopped: number, readonly killed: number, readonly whenWritten: () => Promise<void> }): Promise<void> {
  await source.broker(stopped).stop()
  for (const topic of topics) await write(topic, 20)
  await whenWritten()
  await source.broker(killed).kill()
  await source.broker(stopped).start()
  for (const topic of topics) await eventually(`${topic} has lost records`, async () => (await endOffsets(client, topic))[0] === 100)
}

async function untilFollowed (engine: BrokerEngine, topic: string, end: number): Promise<void> {
  await eventually(`${topic} is copied up to ${end}`, async () => {
    const status = await engine.topic('follower', topic)
    if (status?.fault != null) throw new Error(status.fault.reason)
    return status?.partitions[0]?.shadowEndOffset === end
  })
}

await tap.test('records that the source loses, and topics that it makes anew', async t => {
  for (const topic of [...TOPICS, ...FOLLOWED]) await createSourceTopic(client, topic, 1, UNCLEAN)
  for (const topic of [...TOPICS, ...FOLLOWED]) await write(topic, 100)
  const first = await startEngine()
  await first.engine.create({ ...linkDocument('follower', source, FOLLOWED), on_source_truncation: 'follow' }, { dryRun: false })
  await first.engine.create(linkDocument('dr', source, TOPICS), { dryRun: false })
  for (const topic of TOPICS) await untilCopied(first, topic, 100)

  await t.test('a topic is made anew while the engine runs', async t => {
    const before = shadowBytes('remade')
    await remake('remade')
    await untilFaulted(first, 'remade')
    t.match(await first.topic('dr', 'remade'), { fault: { code: 'SOURCE_TOPIC_RECREATED' } })
    t.same(shadowBytes('remade'), before)
  })

  await t.test('the source loses records while the engine runs', async t => {
    let before: string[] = []
    await lose(['lost', 'followed'], {
      stopped: 2,
      killed: 1,
      whenWritten: async () => {
        await untilCopied(first, 'lost', 120)
        await untilFollowed(first, 'followed', 120)
        before = shadowBytes('lost')
      }
    })
    await untilFaulted(first, 'lost')
    t.match(await first.topic('dr', 'lost'), { fault: { code: 'SOURCE_LOST_RECORDS', offset: 100, partition: 0 } })
    t.same(shadowBytes('lost'), before)
    await write('kept', 10)
    await untilCopied(first, 'kept', 110)
    t.match(await first.topic('dr', 'kept'), { state: 'ACTIVE', fault: null }, 'what has lost nothing goes on')
    await write('followed', 30)
    await untilFollowed(first, 'followed', 130)
    t.match(await first.topic('follower', 'followed'), { state: 'ACTIVE', fault: null, problem: null, rollbacks: [{ partition: 0, fromOffset: 120, toOffset: 100, times: 1, discarded: 20 }] })
    t.same(differences(2, 'followed'), [], 'every replica is the source again')
    t.same((await first.verify('follower', 'followed')).map(({ difference, incomplete }) => [difference, incomplete]), [[null, null], [null, null]])
  })

  await t.test('while no engine runs, the source loses records and writes more than it lost, and a topic is made anew', async t => {
    await source.broker(1).start()
    await eventually('broker 1 has all records', () => [...storedBatches(source.partitionDir(1, 'kept', 0))].at(-1)?.lastOffset === 109)
    await lose(['regrown', 'resumed', 'opened'], {
      stopped: 1,
      killed: 2,
      whenWritten: async () => {
        await untilCopied(first, 'regrown', 120)
        for (const topic of ['resumed', 'opened']) {
          await untilFollowed(first, topic, 120)
          await eventually('every replica has all of it', () => new Set(shadowBytes(topic)).size === 1)
        }
        await first.stop()
      }
    })
    // It keeps what the source has lost, and sleeps through all that follows.
    await shadow.broker(2).stop()
    const before = new Map(['regrown', 'trimmed'].map(topic => [topic, shadowBytes(topic)]))
    for (const topic of ['regrown', 'resumed', 'opened']) await write(topic, 50)
    await remake('trimmed')
    await deleteRecords(client, [{ topic: 'trimmed', partition: 0, beforeOffset: 130 }], { signal: AbortSignal.timeout(30_000) })
    const second = await startEngine()
    for (const topic of ['regrown', 'trimmed']) await untilFaulted(second, topic)
    t.match(await second.topic('dr', 'regrown'), { fault: { code: 'DIVERGED', offset: 119, partition: 0 } })
    t.match(await second.topic('dr', 'trimmed'), { fault: { code: 'SOURCE_TOPIC_RECREATED' } })
    for (const topic of ['regrown', 'trimmed']) t.same(shadowBytes(topic), before.get(topic), topic)

    for (const topic of ['resumed', 'opened']) {
      await untilFollowed(second, topic, 150)
      t.match(await second.topic('follower', topic), { fault: null, rollbacks: [{ fromOffset: 120, toOffset: 100, times: 1 }] })
    }
    await second.stop()
  })

  await t.test('a broker that slept through it throws away the same, whoever leads: the next engine, or a real broker after a failover', async t => {
    const third = await startEngine()
    await third.engine.failover('follower', 'opened')
    await eventually('it is opened without it', async () => (await third.topic('follower', 'opened'))?.state === 'FAILED_OVER')
    t.same(await endOffsets(third.cluster, 'opened'), [150])
    await shadow.broker(2).start()
    await eventually('it is copied', async () => (await third.topic('follower', 'resumed'))?.partitions[0]?.shadowEndOffset === 150)
    for (const topic of ['resumed', 'opened']) {
      await eventually(`both have all of ${topic}`, () => new Set(shadowBytes(topic)).size === 1)
      t.same(differences(1, topic), [], topic)
    }
    t.match(await third.topic('follower', 'resumed'), { state: 'ACTIVE', fault: null, rollbacks: [{ times: 1, discarded: 20 }] }, 'for one loss, once')
    await third.engine.failover('follower', 'resumed')
    await eventually('it is opened', async () => (await third.topic('follower', 'resumed'))?.state === 'FAILED_OVER')
    for (const topic of ['resumed', 'opened']) t.match(await third.topic('follower', topic), { fault: null, partitions: [{ shadowEndOffset: 150 }] })
    t.same(await endOffsets(third.cluster, 'resumed'), [150])
    await third.stop()
  })
})
