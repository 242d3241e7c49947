/** What the task Source Topic Sync does in append mode replica, on real brokers. */
import tap, { test } from 'tap'
import { DescribeConfigs } from '../../protocol/messages/describe-configs.ts'
import type { PartitionLog } from '../../src/embedded/log/partition-log.ts'
import { commitGroupOffsets, fetchGroupOffsets } from '../../src/client/admin/group-offsets.ts'
import { deleteTopic } from '../../src/client/admin/delete-topic.ts'
import { createPartitions } from '../../src/client/admin/create-partitions.ts'
import { describeTopicConfigs } from '../../src/client/admin/describe-topic-configs.ts'
import { EARLIEST_TIMESTAMP, listOffsets } from '../../src/client/admin/list-offsets.ts'
import { Coordinators } from '../../src/client/group/coordinators.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import { Sidecar } from '../../src/proxy/sidecar.ts'
import { createSourceTopic, endOffsets, eventually, linkDocument, testCluster, type BrokerEngine } from '../support/broker-link.ts'
import { replicaScene } from '../support/replica-scene.ts'
import { sidecarConfig } from '../support/sidecar-config.ts'
import { literal, oneBatch } from '../support/shadow-pair.ts'

tap.setTimeout(200_000)

const FIRST_MS = Date.UTC(2026, 0, 31, 12)
const signal = (): AbortSignal => AbortSignal.timeout(60_000)

/** One batch of records that are a second apart. */
function append (log: PartitionLog, records: number): void {
  const from = log.logEndOffset
  log.append(oneBatch({ records: Array.from({ length: records }, (_, index) => ({ timestamp: FIRST_MS + (from + index) * 1000, value: Buffer.from(`value ${from + index}`) })) }))
}

async function untilAt (engine: BrokerEngine, link: string, topic: string, ends: readonly number[]): Promise<void> {
  await eventually(`${topic} is copied up to ${ends.join()}`, async () => {
    const status = await engine.topic(link, topic)
    if (status?.partitions.map(({ shadowEndOffset }) => shadowEndOffset).join() === ends.join()) return true
    throw new Error(JSON.stringify(status))
  }, 30_000)
}

test('copies begin at the end, or with a time, also in the middle of a batch, and stay there; what the source deletes goes where the link says so', async t => {
  const { source, sourceCluster, client, engine, another } = await replicaScene(t, { version: '4.3', name: 'topic-sync', topic: 'timed', partitions: 2 })
  const sourceClient = testCluster(sourceCluster)
  t.teardown(() => sourceClient.close())
  await createSourceTopic(sourceClient, 'latest', 1)
  await createSourceTopic(sourceClient, 'deleted', 1)
  for (const [topic, partition, records] of [['timed', 0, 10], ['timed', 0, 5], ['timed', 1, 3], ['latest', 0, 20]] as const) append(source.log(topic, partition), records)
  const coordinators = new Coordinators(sourceClient)
  await commitGroupOffsets(sourceClient, coordinators, 'app', [{ topic: 'timed', partition: 0, offset: 1, leaderEpoch: -1, metadata: '' }], { signal: signal(), lane: 0 })

  const document = (name: string, topic: string, start: Record<string, unknown>): Record<string, unknown> => {
    const link = linkDocument(name, sourceCluster, [topic])
    return { ...link, topic_metadata_sync_options: { interval: '500ms', auto_create_shadow_topic_filters: literal(topic), ...start }, consumer_offset_sync_options: { interval: '200ms', group_filters: literal('app') } }
  }
  // One value comes from a default of the source's brokers, and one is none that Kafka takes.
  const odd: Readonly<Record<string, { readonly value: string, readonly configSource: number }>> = { 'delete.retention.ms': { value: '4242', configSource: 4 }, 'max.compaction.lag.ms': { value: '-5', configSource: 1 } }
  source.onRequest(DescribeConfigs, () => ({
    transform: answer => ({ ...answer, results: answer.results.map(row => row.resourceName === 'timed' ? { ...row, configs: [...row.configs.filter(({ name }) => odd[name] === undefined), ...Object.entries(odd).map(([name, entry]) => ({ name, ...entry, readOnly: false, isSensitive: false }))] } : row) })
  }))
  await engine.engine.create(document('at-time', 'timed', { start_at_timestamp: '2026-01-31T12:00:04Z' }), { dryRun: false })
  await engine.engine.create(document('at-end', 'latest', { start_at_latest: {}, exclude_default: true }), { dryRun: false })
  await engine.engine.create(document('deletes', 'deleted', { on_source_deletion: 'delete' }), { dryRun: false })
  append(source.log('deleted', 0), 2)
  await untilAt(engine, 'deletes', 'deleted', [2])
  await deleteTopic(sourceClient, 'deleted', { signal: signal() })
  await untilAt(engine, 'at-time', 'timed', [15, 3])
  await untilAt(engine, 'at-end', 'latest', [20])
  t.match(await engine.topic('at-time', 'timed'), { startOffsets: [4, 3], partitions: [{ sourceLogStartOffset: 0, lagRecords: 0 }, { sourceLogStartOffset: 0, lagRecords: 0 }] }, 'a partition without a record of that time begins at its end')
  t.match(await engine.topic('at-end', 'latest'), { startOffsets: [20] })
  const configOf = async (name: string): Promise<string | null | undefined> => {
    const described = (await describeTopicConfigs(client, ['timed'], { signal: signal() })).get('timed')
    return described instanceof Error ? undefined : described?.get(name)?.value
  }
  t.match(await engine.topic('at-time', 'timed'), { state: 'ACTIVE', fault: null, problem: null, refusedConfigs: { 'max.compaction.lag.ms': /^-5: / } }, 'a value that the shadow refuses is told by its name')
  t.equal(await configOf('delete.retention.ms'), '4242', 'the others are set, also where they are a default of the source')
  await eventually('a position before the start is raised to it', async () => {
    const positions = (await fetchGroupOffsets(client, new Coordinators(client), ['app'], { signal: signal() })).get('app')
    return !(positions instanceof Error) && positions?.[0]?.offset === 4
  })

  const sidecar = await Sidecar.start({ config: sidecarConfig(1, 2), cluster: client, connectionTimeoutMs: 5000, state: engine.state, logger: silentLogger })
  t.teardown(() => sidecar.stop())
  const through = testCluster({ bootstrapServers: [sidecar.bootstrap], bootstrap: '', partitionDir: () => '' })
  t.teardown(() => through.close())
  const shownOf = async (): Promise<unknown> => {
    const described = (await describeTopicConfigs(through, ['timed'], { signal: signal() })).get('timed')
    return ['retention.ms', 'delete.retention.ms', 'min.insync.replicas', 'unclean.leader.election.enable', 'max.compaction.lag.ms'].map(name => described instanceof Error ? null : described?.get(name)?.value)
  }
  t.equal(await configOf('retention.ms'), '-1', 'on the broker nothing is deleted')
  await eventually('the sidecar shows what a failover sets', async () => JSON.stringify(await shownOf()) === JSON.stringify(['604800000', '4242', '1', 'false', '9223372036854775807']))

  // What comes later is copied from its beginning, by whichever engine.
  append(source.log('latest', 0), 3)
  await createPartitions(sourceClient, { topic: 'latest', count: 2 }, { signal: signal() })
  append(source.log('latest', 1), 4)
  await untilAt(engine, 'at-end', 'latest', [23, 4])
  const { partitions } = (await client.refresh({ signal: signal() })).topics.get('latest') ?? { partitions: [] }
  t.same(partitions.map(({ replicas, isr, leaderId }) => ({ replicas: replicas.length, isr, leaderId })), Array.from({ length: 2 }, () => ({ replicas: 3, isr: [3000], leaderId: 3000 })), 'no real broker is in the ISR of a new partition')
  await engine.stop()
  append(source.log('latest', 0), 1)
  append(source.log('timed', 1), 2)
  const second = await another()
  await untilAt(second, 'at-end', 'latest', [24, 4])
  await untilAt(second, 'at-time', 'timed', [15, 5])
  const reports = [...await second.verify('at-time'), ...await second.verify('at-end')]
  t.equal(reports.length, 6, 'every replica of every partition')
  for (const report of reports) t.match(report, { difference: null, incomplete: null })
  t.match(reports.find(({ topic, partition }) => topic === 'timed' && partition === 0), { fromOffset: 4, toOffset: 15, batches: 2 })

  await second.engine.failover('at-time', null)
  await second.engine.failover('at-end', null)
  for (const [link, topic] of [['at-time', 'timed'], ['at-end', 'latest']] as const) await eventually(`${topic} is open`, async () => (await second.topic(link, topic))?.state === 'FAILED_OVER')
  const starts = async (topic: string): Promise<number[]> => (await listOffsets(client, [0, 1].map(partition => ({ topic, partition, timestamp: EARLIEST_TIMESTAMP })), { signal: signal() })).map(({ offset }) => offset)
  await eventually('real brokers tell where the logs start', async () => (await starts('timed')).join() === '4,3' && (await starts('latest')).join() === '20,0')
  t.same(await endOffsets(client, 'timed'), [15, 5])
  t.same(await endOffsets(client, 'latest'), [24, 4])
  t.equal(await configOf('retention.ms'), '604800000')
  t.equal(await configOf('delete.retention.ms'), '4242')
  t.match(await second.topic('at-time', 'timed'), { refusedConfigs: { 'max.compaction.lag.ms': /^-5: / } })
  await eventually('the shadow of the deleted topic is gone', async () => (await second.topic('deletes', 'deleted')) === null)
  t.notOk((await client.refresh({ signal: signal() })).topics.has('deleted'))
  for (const report of [...await second.verify('at-time'), ...await second.verify('at-end')]) t.match(report, { difference: null, incomplete: null })
})
