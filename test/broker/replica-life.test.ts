/** The life of a link in append mode replica, on real brokers: updated, paused over engines, stopped, retried, shadowed anew, opened. */
import tap, { test } from 'tap'
import { buildBatch } from '../../protocol/records/build-batch.ts'
import { deleteTopic } from '../../src/client/admin/delete-topic.ts'
import { fetchBatches } from '../../src/client/admin/fetch-batches.ts'
import { sleep } from '../../src/net/sleep.ts'
import { createSourceTopic, endOffsets, eventually, linkDocument, testCluster, type BrokerEngine } from '../support/broker-link.ts'
import { replicaScene } from '../support/replica-scene.ts'
import { oneBatch } from '../support/shadow-pair.ts'

tap.setTimeout(280_000)

const TOPIC = 'orders'
const RUN = { dryRun: false }
/** For so long nothing may move. */
const QUIET_MS = 1500

test('a link is updated, paused, repaired and opened, and no real broker leads before that', async t => {
  const { source, sourceCluster, client, engine: first, another } = await replicaScene(t, { version: '4.3', name: 'replica-life', topic: TOPIC, partitions: 2 })
  const signal = AbortSignal.timeout(250_000)
  const sourceClient = testCluster(sourceCluster)
  t.teardown(() => sourceClient.close())
  const write = (partition: number, count: number): void => {
    for (let index = 0; index < count; index++) source.log(TOPIC, partition).append(oneBatch({ records: [{ timestamp: 1 + index, value: Buffer.from(`record ${index}`) }] }))
  }
  const endsAre = async (engine: BrokerEngine, ...ends: readonly number[]): Promise<boolean> => {
    const partitions = (await engine.topic('dr', TOPIC))?.partitions ?? []
    return partitions.length === ends.length && partitions.every(({ shadowEndOffset }, index) => shadowEndOffset === ends[index])
  }
  const epochs = async (): Promise<Array<readonly [number, number]>> => (await client.refresh({ signal })).topics.get(TOPIC)?.partitions.map(({ leaderId, leaderEpoch }) => [leaderId, leaderEpoch] as const) ?? []
  const document: Record<string, unknown> = {
    ...linkDocument('dr', sourceCluster, []),
    topic_metadata_sync_options: { interval: '1s', exclude_default: true, auto_create_shadow_topic_filters: [{ pattern_type: 'LITERAL', filter_type: 'INCLUDE', name: TOPIC }] }
  }

  for (const partition of [0, 1]) write(partition, 10)
  t.match(await first.engine.create(document, RUN), { appendMode: 'replica' })
  await eventually('all is copied', () => endsAre(first, 10, 10))
  const led = await epochs()
  const faster = { ...Object(document['client_options']) as object, fetch_max_bytes: 1_000_000 }
  t.match(await first.engine.update('dr', { ...document, client_options: faster }, RUN), { changed: ['client_options.fetch_max_bytes'], reconnects: true })
  write(0, 5)
  await eventually('it goes on', () => endsAre(first, 15, 10))
  t.same(await epochs(), led, 'no leadership moves')
  // A replica that has not asked for anything yet is not part of the status, and one that is behind at the pause stays so.
  await eventually('every replica has all of it', async () => {
    const reports = await first.verify('dr')
    return reports.length === 4 && reports.every(({ partition, toOffset, incomplete }) => incomplete === null && toOffset === [15, 10][partition])
  })

  await first.engine.pause('dr', TOPIC)
  for (const partition of [0, 1]) write(partition, 5)
  source.log(TOPIC, 0).setLogStart(8)
  await eventually('the lag is told', async () => (await first.topic('dr', TOPIC))?.partitions.every(({ lagRecords }) => lagRecords === 5) === true)
  await sleep(QUIET_MS)
  t.ok(await endsAre(first, 15, 10), 'followers get nothing new')
  await first.stop()
  const second = await another()
  await eventually('the next engine has followers, and the lag', async () => {
    const topic = await second.topic('dr', TOPIC)
    return topic?.state === 'PAUSED' && topic.partitions.length === 2 && topic.partitions.every(({ lagRecords, activity }) => lagRecords === 5 && activity === 'paused')
  })
  await sleep(QUIET_MS)
  t.ok(await endsAre(second, 15, 10))
  const topicId = client.lastView?.topics.get(TOPIC)?.topicId ?? null
  for (const leaderId of [1, 2]) {
    await eventually(`replica ${leaderId} can be read, also what the source has deleted`, async () => {
      const { batches } = await fetchBatches(client, { topic: TOPIC, topicId, partition: 0, offset: 0, maxBytes: 1_000_000, leader: { leaderId, leaderEpoch: -1 } }, { signal })
      return batches[0]?.baseOffset === 0 && batches.at(-1)?.lastOffset === 14
    })
  }
  await second.engine.resume('dr', TOPIC)
  await eventually('it goes on', () => endsAre(second, 20, 15))
  t.ok((await epochs()).every(([leaderId]) => leaderId === 3000))

  const damaged = buildBatch({ baseOffset: 15, records: [{ timestamp: 1, value: Buffer.from('x') }] })
  damaged.writeUInt8((damaged.at(-2) ?? 0) ^ 0xff, damaged.length - 2)
  source.log(TOPIC, 1).appendRaw(damaged)
  await eventually('it is stopped', async () => (await second.topic('dr', TOPIC))?.fault?.code === 'SOURCE_CORRUPT')
  source.log(TOPIC, 1).truncateTo(15)
  for (const partition of [0, 1]) write(partition, 5)
  await second.engine.retryTopic('dr', TOPIC)
  await eventually('it goes on from where it stood', () => endsAre(second, 25, 20))
  t.match(await second.topic('dr', TOPIC), { state: 'ACTIVE', fault: null })
  for (const report of await second.verify('dr')) t.match(report, { difference: null, incomplete: null })

  await deleteTopic(sourceClient, TOPIC, { signal })
  await createSourceTopic(sourceClient, TOPIC, 3)
  for (const partition of [0, 1, 2]) write(partition, 3)
  await eventually('it is stopped', async () => (await second.topic('dr', TOPIC))?.fault?.code === 'SOURCE_TOPIC_RECREATED')
  await t.rejects(second.engine.retryTopic('dr', TOPIC), { code: 'CONFLICT', message: /restored from scratch/ })
  await second.engine.restoreTopic('dr', TOPIC, { from: 'scratch' })
  await eventually('it is shadowed anew', () => endsAre(second, 3, 3, 3))
  t.not((await second.topic('dr', TOPIC))?.topicId, topicId)

  await second.engine.pause('dr', null)
  write(2, 3)
  await second.stop()
  const third = await another()
  await eventually('the next engine has it paused', async () => (await third.engine.status('dr')).state === 'PAUSED')
  await third.engine.failover('dr', [{ patternType: 'PREFIX', filterType: 'INCLUDE', name: 'ord' }])
  await eventually('it is open', async () => (await third.topic('dr', TOPIC))?.state === 'FAILED_OVER')
  t.same(await endOffsets(client, TOPIC), [3, 3, 3], 'what was written during the pause is not part of it')
  await third.engine.removeTopic('dr', TOPIC)
  t.match(await third.topic('dr', TOPIC), { owned: false })
  const orders = ['create', 'update', 'pause', 'resume', 'topic retry', 'topic retry', 'topic restore', 'pause', 'failover', 'topic remove']
  await eventually('all orders can be read', async () => (await third.engine.audit('dr')).length === orders.length)
  t.same((await third.engine.audit('dr')).map(({ action }) => action), orders)
})
