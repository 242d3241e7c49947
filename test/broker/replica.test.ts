/** Append mode replica between real clusters: the shadow brokers themselves fetch from the engine, and are plain Kafka afterwards. */
import { Kafka, logLevel } from 'kafkajs'
import tap, { test } from 'tap'
import { fetchBatches } from '../../src/client/admin/fetch-batches.ts'
import { formatHostPort } from '../../src/net/host-port.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import { Sidecar } from '../../src/proxy/sidecar.ts'
import { BrokerEngine, compareReplicas, createSourceTopic, endOffsets, eventually, linkDocument, testCluster } from '../support/broker-link.ts'
import { runJava } from '../support/java-tool.ts'
import { KafkaCluster } from '../support/kafka-cluster.ts'
import { takePorts } from '../support/port-block.ts'
import { sidecarConfig } from '../support/sidecar-config.ts'

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

  // Every replica is read, also while nobody but the engine leads. One that has not asked for anything yet is not part of the status.
  await eventually('every replica has all of it', async () => (await engine.verify('dr')).every(({ partition, toOffset, incomplete }) => incomplete === null && toOffset === ends[partition]))
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
  await eventually('the source is written to', async () => (await endOffsets(sourceClient, 'payments')).some(end => end > 0))
  await engine.engine.promote('planned', null)
  await writing
  await eventually('payments is promoted, once nobody writes to its source any more', async () => (await engine.topic('planned', 'payments'))?.state === 'PROMOTED')
  t.same(await endOffsets(shadowClient, 'payments'), await endOffsets(sourceClient, 'payments'))
  t.same((await compareReplicas(source, shadow, 'payments')).differences, [])
  await eventually('the shadow leader has left the cluster again', async () => ![...(await shadowClient.refresh({ signal: AbortSignal.timeout(10_000) })).brokers.keys()].includes(3000))

  // The topic of a schema registry: a shadow like any other, whose failover is a step of its own.
  await createSourceTopic(sourceClient, '_schemas', 1, { 'cleanup.policy': 'compact' })
  await createSourceTopic(sourceClient, 'invoices', 1)
  const write = async (bootstrap: string, topic: string, values: readonly string[]): Promise<void> => {
    const producer = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 0 } }).producer()
    await producer.connect()
    try {
      await producer.send({ topic, messages: values.map((value, index) => ({ key: `{"keytype":"SCHEMA","subject":"s${index % 3}"}`, value })) })
    } finally {
      await producer.disconnect()
    }
  }
  await write(source.bootstrapServers.map(formatHostPort)[0] ?? '', '_schemas', Array.from({ length: 50 }, (_, index) => `{"id":${index}}`))
  await engine.engine.create({ ...linkDocument('schemas', source, ['invoices']), schema_registry_sync_options: { shadow_schema_registry_topic: {} } }, { dryRun: false })
  const sidecar = await Sidecar.start({ config: sidecarConfig(1, 2), cluster: engine.cluster, connectionTimeoutMs: 5000, state: engine.state, logger: silentLogger })
  t.teardown(() => sidecar.stop())
  const level = (): Promise<void> => eventually('_schemas is level', async () => (await engine.topic('schemas', '_schemas'))?.partitions[0]?.lagRecords === 0 && (await engine.topic('schemas', '_schemas'))?.partitions[0]?.shadowEndOffset === (await endOffsets(sourceClient, '_schemas'))[0])
  await level()
  await eventually('invoices is shadowed', async () => (await engine.topic('schemas', 'invoices'))?.partitions[0]?.activity === 'copying')
  const bootstrap = formatHostPort(sidecar.bootstrap)
  t.match(await write(bootstrap, '_schemas', ['{}']).catch((error: unknown) => error), { type: 'POLICY_VIOLATION' })
  await engine.engine.failover('schemas', null)
  await eventually('invoices is failed over', async () => (await engine.topic('schemas', 'invoices'))?.state === 'FAILED_OVER')
  await write(source.bootstrapServers.map(formatHostPort)[0] ?? '', '_schemas', ['{"id":50}'])
  await level()
  t.equal((await engine.topic('schemas', '_schemas'))?.state, 'ACTIVE', 'it goes on being copied')
  t.match(await write(bootstrap, '_schemas', ['{}']).catch((error: unknown) => error), { type: 'POLICY_VIOLATION' })
  t.same((await engine.verify('schemas', '_schemas')).map(({ difference }) => difference), [null, null])
  await engine.engine.failover('schemas', '_schemas')
  await eventually('_schemas is failed over', async () => (await engine.topic('schemas', '_schemas'))?.state === 'FAILED_OVER')
  t.same((await compareReplicas(source, shadow, '_schemas')).differences, [])
  await eventually('a registry can write there', async () => { await write(bootstrap, '_schemas', ['{"id":51}']); return true })
})
