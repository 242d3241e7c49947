/** Append mode replica: engines died while one of them was being made a replica of what the other one leads. */
import tap, { test } from 'tap'
import { alterPartitionReassignments } from '../../src/client/admin/alter-partition-reassignments.ts'
import type { PartitionView } from '../../src/client/cluster.ts'
import { createSourceTopic, eventually, linkDocument, testCluster } from '../support/broker-link.ts'
import { replicaScene } from '../support/replica-scene.ts'
import { oneBatch } from '../support/shadow-pair.ts'

const LINK = 'dr'
const TOPIC = 'orders'
const ALONE = 'orders-alone'
const [FIRST, SECOND] = [3000, 3001]
const REAL = [1, 2]
const RUN = { dryRun: false }

tap.setTimeout(120_000)

// On 4.3 alone no move is complete without all that it adds.
test('what was left of adding an engine that is dead keeps no failover from handing a plain cluster back', async t => {
  const { source, sourceCluster, client, engine, standBy } = await replicaScene(t, { version: '4.3', name: 'dead-standby', topic: TOPIC, partitions: 1 })
  const signal = AbortSignal.timeout(110_000)
  const sourceClient = testCluster(sourceCluster)
  t.teardown(() => sourceClient.close())
  const partitionsOf = async (topic: string): Promise<readonly PartitionView[]> => (await client.refresh({ signal })).topics.get(topic)?.partitions ?? []
  const { topic_metadata_sync_options: topics, ...document } = linkDocument(LINK, sourceCluster, [`${TOPIC}*`])
  await engine.engine.create({ ...document, topic_metadata_sync_options: Object.assign({ exclude_default: true }, topics) }, RUN)
  const other = standBy(1)
  await eventually('the other engine is in the ISR', async () => (await partitionsOf(TOPIC)).some(({ isr }) => isr.includes(SECOND)))
  await other.stop()
  await eventually('it is out of it', async () => (await partitionsOf(TOPIC)).every(({ isr }) => !isr.includes(SECOND)))

  await createSourceTopic(sourceClient, ALONE, 1)
  source.log(ALONE, 0).append(oneBatch({ records: [{ timestamp: 1, value: Buffer.from('x') }] }))
  await eventually('a topic is shadowed that the other one never held', async () =>
    (await engine.engine.status(LINK)).topics.some(({ name, partitions }) => name === ALONE && partitions.some(({ shadowEndOffset }) => shadowEndOffset === 1)))
  t.strictSame((await partitionsOf(ALONE)).map(({ replicas }) => [...replicas].sort()), [[1, 2, FIRST]])
  // As `admitStandbys` orders it first; who was to go on with it is dead.
  for (const { error } of await alterPartitionReassignments(client, [{ topic: ALONE, partition: 0, replicas: [SECOND, ...REAL] }], { signal })) t.equal(error, null)
  await eventually('it is being added', async () => (await partitionsOf(ALONE)).some(({ replicas }) => replicas.includes(SECOND)))

  await engine.engine.failover(LINK, null)
  await eventually('all is open', async () => (await engine.engine.status(LINK)).topics.every(({ state }) => state === 'FAILED_OVER'))
  for (const topic of [TOPIC, ALONE]) {
    t.ok((await partitionsOf(topic)).every(({ replicas, isr, leaderId }) => [...replicas, ...isr, leaderId].every(id => REAL.includes(id))), `${topic}: ${JSON.stringify(await partitionsOf(topic))}`)
  }
})
