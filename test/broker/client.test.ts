/** The client against Kafka itself: what scripted brokers say is only what we believe. */
import t, { test, type Test } from 'tap'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { buildBatch } from '../../protocol/records/build-batch.ts'
import { alterTopicConfigs } from '../../src/client/admin/alter-topic-configs.ts'
import { createPartitions } from '../../src/client/admin/create-partitions.ts'
import { createTopic } from '../../src/client/admin/create-topic.ts'
import { deleteRecords } from '../../src/client/admin/delete-records.ts'
import { deleteTopic } from '../../src/client/admin/delete-topic.ts'
import { describeProducers } from '../../src/client/admin/describe-producers.ts'
import { describeTopicConfigs } from '../../src/client/admin/describe-topic-configs.ts'
import { fetchBatches } from '../../src/client/admin/fetch-batches.ts'
import { initProducerId } from '../../src/client/admin/init-producer-id.ts'
import { DEBUGGING_REPLICA_ID, listOffsets } from '../../src/client/admin/list-offsets.ts'
import { Cluster } from '../../src/client/cluster.ts'
import { runElection, type Lease } from '../../src/client/group/election.ts'
import { retry } from '../../src/client/retry.ts'
import { BrokerError } from '../../src/errors.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import { sharedClusters, uniqueName, type SharedCluster } from '../support/shared-clusters.ts'

const { source, shadow } = await sharedClusters(t)
const { signal } = new AbortController()

function clusterOf (t: Test, { bootstrapServers }: SharedCluster): Cluster {
  const cluster = new Cluster({ bootstrapServers, clientId: 'test', logger: silentLogger })
  t.teardown(() => cluster.close())
  return cluster
}

/** Waits until every broker that is asked has heard of the topic's partitions and their leaders. */
async function created (cluster: Cluster, topic: string, partitions: number): Promise<void> {
  await retry(async () => {
    const view = await cluster.refresh({ signal })
    const known = view.topics.get(topic)?.partitions.filter(({ leaderId }) => leaderId >= 0) ?? []
    if (known.length !== partitions) throw new BrokerError(ErrorCodes.LEADER_NOT_AVAILABLE, topic)
  }, { signal, deadlineMs: 20_000, baseMs: 50, maxMs: 500 })
}

for (const shared of [source, shadow]) {
  test(`the admin requests, on Kafka ${shared.version}`, async t => {
    const cluster = clusterOf(t, shared)
    const topic = uniqueName('client')
    const spec = { name: topic, partitions: 2, replicationFactor: 1, configs: { 'cleanup.policy': 'compact,delete' } }
    await createTopic(cluster, { ...spec, validateOnly: true }, { signal })
    await createTopic(cluster, spec, { signal })
    await t.rejects(createTopic(cluster, spec, { signal }), { code: 'BROKER_ERROR', wireCode: ErrorCodes.TOPIC_ALREADY_EXISTS })
    await createPartitions(cluster, { topic, count: 3 }, { signal })
    await t.rejects(createPartitions(cluster, { topic, count: 2 }, { signal }), { code: 'BROKER_ERROR', wireCode: ErrorCodes.INVALID_PARTITIONS })
    await created(cluster, topic, 3)
    const { topicId = null } = cluster.lastView?.topics.get(topic) ?? {}
    t.match(topicId, /^[\w-]{22}$/)

    await alterTopicConfigs(cluster, topic, new Map([['retention.ms', '12345'], ['cleanup.policy', null]]), { signal })
    await t.rejects(alterTopicConfigs(cluster, topic, new Map([['no.such.config', '1']]), { signal }), { code: 'BROKER_ERROR', wireCode: ErrorCodes.INVALID_CONFIG })
    await retry(async () => {
      const configs = (await describeTopicConfigs(cluster, [topic], { signal })).get(topic)
      if (configs instanceof BrokerError || configs?.get('retention.ms')?.value !== '12345') throw new BrokerError(ErrorCodes.REQUEST_TIMED_OUT, topic)
      t.match(configs.get('retention.ms'), { source: 1, isDefault: false, isReadOnly: false, isSensitive: false })
      t.match(configs.get('cleanup.policy'), { value: 'delete', source: 5, isDefault: true })
    }, { signal, deadlineMs: 20_000, baseMs: 50, maxMs: 500 })
    t.match((await describeTopicConfigs(cluster, [uniqueName('none')], { signal })).values().next().value, { code: 'BROKER_ERROR', wireCode: ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION })

    const leader = await cluster.leaderOf(topic, 0, { signal })
    const ids = await initProducerId(cluster, leader.leaderId, { count: 2500 }, { signal })
    t.equal(new Set(ids).size, 2500, 'over the ends of blocks')
    const [producerId = -1] = ids
    const records = buildBatch({ baseOffset: 0, producerId, producerEpoch: 0, baseSequence: 0, records: [5000, 7000, 6000].map(ago => ({ key: null, value: Buffer.from('v'), timestamp: Date.now() - ago, headers: [] })) })
    const { body } = await cluster.request(Produce, {
      acks: -1, timeoutMs: 5000, topicData: [{ name: topic, ...(topicId === null ? {} : { topicId }), partitionData: [{ index: 0, records }] }]
    }, leader.leaderId, { signal, purpose: 'produce' })
    t.match(body.responses[0]?.partitionResponses[0], { errorCode: 0, baseOffset: 0n })

    const ask = async (timestamp: number, replicaId?: number): Promise<unknown> => {
      const [row] = await listOffsets(cluster, [{ topic, partition: 0, timestamp }], { signal, ...(replicaId === undefined ? {} : { replicaId }) })
      return [row?.errorCode, row?.offset]
    }
    t.same(await Promise.all([ask(-1), ask(-2), ask(-3), ask(-1, DEBUGGING_REPLICA_ID), ask(1), ask(Date.now() + 60_000)]), [[0, 3], [0, 0], [0, 0], [0, 3], [0, 0], [0, -1]])
    t.match((await listOffsets(cluster, [{ topic: uniqueName('none'), partition: 0, timestamp: -1 }], { signal }))[0], { errorCode: ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION })
    t.match((await describeProducers(cluster, [{ topic, partition: 0 }], { signal }))[0], { errorCode: 0, producers: [{ producerId, producerEpoch: 0, lastSequence: 2 }] })
    for (const id of [topicId, null]) {
      const fetched = await fetchBatches(cluster, { topic, topicId: id, partition: 0, offset: 1, maxBytes: 1000, leader }, { signal })
      t.match(fetched, { errorCode: 0, highWatermark: 3, logStartOffset: 0, lastStableOffset: 3 })
      t.same(fetched.batches.map(batch => [batch.baseOffset, batch.lastOffset, batch.isCrcValid()]), [[0, 2, true]])
    }
    t.match(await fetchBatches(cluster, { topic, topicId, partition: 0, offset: 9, maxBytes: 1000, leader }, { signal }), { errorCode: ErrorCodes.OFFSET_OUT_OF_RANGE, batches: [] })
    t.match(await deleteRecords(cluster, [{ topic, partition: 0, beforeOffset: 2 }, { topic, partition: 1, beforeOffset: 9 }], { signal }), [
      { errorCode: 0, lowWatermark: 2 }, { errorCode: ErrorCodes.OFFSET_OUT_OF_RANGE }
    ])
    t.same(await ask(-2), [0, 2])
    await deleteTopic(cluster, topic, { signal })
    await t.rejects(deleteTopic(cluster, uniqueName('none'), { signal }), { code: 'BROKER_ERROR', wireCode: ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION })
  })

  test(`an election, on Kafka ${shared.version}`, async t => {
    const groupId = uniqueName('election')
    const stand = (): { elected: Promise<Lease>, stop: () => Promise<void> } => {
      const cluster = clusterOf(t, shared)
      const abort = new AbortController()
      let elect: (lease: Lease) => void = () => {}
      const elected = new Promise<Lease>(resolve => { elect = resolve })
      const running = runElection(cluster, {
        groupId,
        sessionTimeoutMs: 6000,
        lead: async lease => {
          elect(lease)
          await new Promise<void>(resolve => { lease.signal.addEventListener('abort', () => { resolve() }) })
        }
      }, { signal: abort.signal, logger: silentLogger })
      const stop = async (): Promise<void> => {
        abort.abort()
        await running
      }
      t.teardown(stop)
      return { elected, stop }
    }
    const first = stand()
    const lease = await first.elected
    const second = stand()
    const early = await Promise.race([second.elected, new Promise<null>(resolve => { setTimeout(resolve, 3000, null) })])
    t.equal(early, null, 'the second is not elected beside the first')
    t.ok(lease.isHeld(), 'the second has joined, and the first still leads')
    await first.stop()
    t.notOk(lease.isHeld())
    t.ok((await second.elected).isHeld())
  })
}
