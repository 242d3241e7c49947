/** Append mode replica between real clusters: the shadow brokers themselves fetch from the engine, and are plain Kafka afterwards. */
import tap, { test } from 'tap'
import { fetchBatches } from '../../src/client/admin/fetch-batches.ts'
import { BrokerEngine, compareReplicas, createSourceTopic, endOffsets, eventually, linkDocument, testCluster } from '../support/broker-link.ts'
import { runJava } from '../support/java-tool.ts'
import { KafkaCluster } from '../support/kafka-cluster.ts'
import { takePorts } from '../support/port-block.ts'

tap.setTimeout(280_000)

const PARTITIONS = 3

test('a topic is shadowed by followers, and handed over to them', async t => {
  const [source, shadow] = await Promise.all([
    KafkaCluster.start({ version: '4.1', brokers: 2, name: 'replica-source' }),
    KafkaCluster.start({ version: '4.3', brokers: 2, name: 'replica-shadow', config: { 'group.min.session.timeout.ms': '1000' } })
  ])
  t.teardown(() => source.stop())
  t.teardown(() => shadow.stop())
  const ports = await takePorts(1)
  t.teardown(() => ports.release())
  const [sourceClient, shadowClient] = [testCluster(source), testCluster(shadow)]
  t.teardown(async () => { await Promise.all([sourceClient.close(), shadowClient.close()]) })
  await createSourceTopic(sourceClient, 'orders', PARTITIONS, { 'segment.bytes': '2097152' })
  await runJava('kafkashadow.clients.WriteSamples', [source.bootstrap, 'orders', String(PARTITIONS)], { version: source.version, timeoutMs: 120_000 })
  const ends = await endOffsets(sourceClient, 'orders')

  const engine = await BrokerEngine.start(shadow, { sessionTimeoutMs: 2000, shadowLeader: { host: ports.host, port: ports.ports[0] ?? 0 } })
  t.teardown(() => engine.stop())
  const lines = await engine.engine.check(linkDocument('dr', source, ['orders']))
  t.same(lines.filter(({ verdict }) => verdict === 'failed'), [])
  t.match(lines.find(({ name }) => name === 'append mode'), { verdict: 'ok', text: /^auto comes to replica/ })
  t.match(lines.find(({ name }) => name === 'advertised address'), { verdict: 'ok' })
  const { appendMode } = await engine.engine.create(linkDocument('dr', source, ['orders']), { dryRun: false })
  t.equal(appendMode, 'replica', 'auto finds that it is possible')
  await eventually('all is copied', async () => {
    const partitions = (await engine.topic('dr', 'orders'))?.partitions ?? []
    return partitions.length === PARTITIONS && partitions.every(({ lagRecords, shadowEndOffset }) => lagRecords === 0 && shadowEndOffset !== null && shadowEndOffset > 0)
  })

  // Every replica is read, also while nobody but the engine leads.
  const reports = await engine.verify('dr')
  t.same(reports.map(({ partition, replica, difference, incomplete }) => ({ partition, replica, difference, incomplete })).sort((a, b) => a.partition - b.partition || (a.replica ?? 0) - (b.replica ?? 0)),
    [0, 1, 2].flatMap(partition => [1, 2].map(replica => ({ partition, replica, difference: null, incomplete: null }))))
  t.same(reports.filter(({ replica }) => replica === 1).sort((a, b) => a.partition - b.partition).map(({ toOffset }) => toOffset), ends)

  await engine.engine.failover('dr', null)
  await eventually('the topic is failed over', async () => (await engine.topic('dr', 'orders'))?.state === 'FAILED_OVER')
  t.same(await endOffsets(shadowClient, 'orders'), ends)
  const { differences, batches } = await compareReplicas(source, shadow, 'orders')
  t.same(differences, [])
  t.ok(batches > 0)
  const signal = AbortSignal.timeout(30_000)
  const view = (await shadowClient.refresh({ signal })).topics.get('orders')
  t.same(view?.partitions.map(({ replicas }) => [...replicas].sort()), Array.from({ length: PARTITIONS }, () => [1, 2]), 'real brokers alone hold it')
  const leader = await shadowClient.leaderOf('orders', 0, { signal })
  const { batches: first } = await fetchBatches(shadowClient, { topic: 'orders', topicId: view?.topicId ?? null, partition: 0, offset: 0, maxBytes: 1024, leader }, { signal })
  t.equal(first[0]?.baseOffset, 0)
  await eventually('the shadow leader has left the cluster', async () => ![...(await shadowClient.refresh({ signal })).brokers.keys()].includes(3000))

  // A further link finds the cluster without a shadow leader, and gets one again.
  await createSourceTopic(sourceClient, 'payments', PARTITIONS)
  await engine.engine.create(linkDocument('planned', source, ['payments']), { dryRun: false })
  const writing = runJava('kafkashadow.clients.WriteSamples', [source.bootstrap, 'payments', String(PARTITIONS)], { version: source.version, timeoutMs: 120_000 })
  await eventually('payments is shadowed', async () => (await engine.topic('planned', 'payments'))?.partitions.every(({ activity }) => activity === 'copying') === true)
  await engine.engine.promote('planned', null)
  await writing
  await eventually('payments is promoted, once nobody writes to its source any more', async () => (await engine.topic('planned', 'payments'))?.state === 'PROMOTED')
  t.same(await endOffsets(shadowClient, 'payments'), await endOffsets(sourceClient, 'payments'))
  t.same((await compareReplicas(source, shadow, 'payments')).differences, [])
  await eventually('the shadow leader has left the cluster again', async () => ![...(await shadowClient.refresh({ signal: AbortSignal.timeout(10_000) })).brokers.keys()].includes(3000))
})
