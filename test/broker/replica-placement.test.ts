/** The controller takes the shadow leader for a broker like any other: what it places there by mistake has to go, and soon. */
import tap, { test } from 'tap'
import { buildBatch } from '../../protocol/records/build-batch.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { createTopic } from '../../src/client/admin/create-topic.ts'
import { endOffsets, eventually, linkDocument } from '../support/broker-link.ts'
import { replicaScene } from '../support/replica-scene.ts'

tap.setTimeout(200_000)

const SHADOW_LEADER = 3000

test('topics that others create are moved off the shadow leader, and work', async t => {
  // The oldest release: it knows no way to be told that a broker wants no replicas.
  const { sourceCluster, client, engine } = await replicaScene(t, { version: '3.9', name: 'placement', topic: 'orders', partitions: 1 })
  await engine.engine.create(linkDocument('dr', sourceCluster, ['orders']), { dryRun: false })
  await eventually('orders is shadowed', async () => (await engine.topic('dr', 'orders'))?.partitions[0]?.activity === 'copying')

  const signal = AbortSignal.timeout(60_000)
  // The controller spreads these over three brokers, as far as it knows.
  await createTopic(client, { name: 'placed', partitions: 12, replicationFactor: 2, configs: { 'min.insync.replicas': '2' } }, { signal })
  await createTopic(client, { name: 'assigned', partitions: 2, replicationFactor: -1, configs: {}, assignments: [[SHADOW_LEADER, 1], [1, SHADOW_LEADER]] }, { signal })
  const startedMs = performance.now()
  for (const topic of ['placed', 'assigned']) {
    await eventually(`real brokers alone hold ${topic}`, async () => {
      const partitions = (await client.refresh({ signal })).topics.get(topic)?.partitions ?? []
      return partitions.length > 0 && partitions.every(({ replicas, leaderId }) => !replicas.includes(SHADOW_LEADER) && leaderId > 0 && leaderId !== SHADOW_LEADER)
    })
  }
  t.comment(`moved off after ${Math.round(performance.now() - startedMs)} ms`)
  const view = (await client.refresh({ signal })).topics
  t.same(view.get('placed')?.partitions.map(({ replicas }) => replicas.length), Array.from({ length: 12 }, () => 2), 'as many replicas as were asked for')
  for (const [topic, partitions] of [['placed', 12], ['assigned', 2]] as const) {
    for (let partition = 0; partition < partitions; partition++) {
      const { leaderId } = await client.leaderOf(topic, partition, { signal })
      const { body } = await client.request(Produce, {
        acks: -1,
        timeoutMs: 5000,
        topicData: [{ name: topic, partitionData: [{ index: partition, records: buildBatch({ records: [{ timestamp: 1, value: Buffer.from('x') }] }) }] }]
      }, leaderId, { signal, maxVersion: 12 })
      t.equal(body.responses[0]?.partitionResponses[0]?.errorCode, 0, `${topic}-${partition} takes acks=all`)
    }
    t.same(await endOffsets(client, topic), Array.from({ length: partitions }, () => 1))
  }
  t.match(await engine.topic('dr', 'orders'), { state: 'ACTIVE', fault: null }, 'the shadow topic stays where it is')
})
