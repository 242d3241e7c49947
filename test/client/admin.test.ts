import { test, type Test } from 'tap'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { CreatePartitions } from '../../protocol/messages/create-partitions.ts'
import { CreateTopics } from '../../protocol/messages/create-topics.ts'
import { DeleteRecords } from '../../protocol/messages/delete-records.ts'
import { DeleteTopics } from '../../protocol/messages/delete-topics.ts'
import { DescribeConfigs } from '../../protocol/messages/describe-configs.ts'
import { DescribeProducers } from '../../protocol/messages/describe-producers.ts'
import { Fetch } from '../../protocol/messages/fetch.ts'
import { IncrementalAlterConfigs } from '../../protocol/messages/incremental-alter-configs.ts'
import { InitProducerId } from '../../protocol/messages/init-producer-id.ts'
import { ListOffsets } from '../../protocol/messages/list-offsets.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { buildBatch } from '../../protocol/records/build-batch.ts'
import { alterConfigsOfTopics, alterTopicConfigs } from '../../src/client/admin/alter-topic-configs.ts'
import { createPartitions } from '../../src/client/admin/create-partitions.ts'
import { createTopic, createTopics } from '../../src/client/admin/create-topic.ts'
import { deleteRecords } from '../../src/client/admin/delete-records.ts'
import { deleteTopic } from '../../src/client/admin/delete-topic.ts'
import { describeProducers } from '../../src/client/admin/describe-producers.ts'
import { describeTopicConfigs } from '../../src/client/admin/describe-topic-configs.ts'
import { fetchBatches } from '../../src/client/admin/fetch-batches.ts'
import { initProducerId } from '../../src/client/admin/init-producer-id.ts'
import { listOffsets } from '../../src/client/admin/list-offsets.ts'
import { Cluster, type PartitionView } from '../../src/client/cluster.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import { ScriptedPeer, type PeerHandler, type ScriptedPeerOptions } from '../support/scripted-peer.ts'

const { signal } = new AbortController()
const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ'

interface Fixture {
  readonly peers: readonly [ScriptedPeer, ScriptedPeer]
  readonly cluster: Cluster
  /** What the metadata says from now on. */
  readonly state: { controllerId: number, leaders: number[] }
}

/** Nodes 1 and 2; topic `a`, whose partitions are led by nodes 1, 2, 1 and nobody. */
async function start (t: Test, options?: ScriptedPeerOptions): Promise<Fixture> {
  const peers = await Promise.all([ScriptedPeer.start(options), ScriptedPeer.start(options)] as const)
  const state = { controllerId: 1, leaders: [1, 2, 1, -1] }
  for (const peer of peers) {
    peer.on(Metadata, () => ({
      brokers: peers.map(({ address }, index) => ({ nodeId: index + 1, ...address })),
      controllerId: state.controllerId,
      topics: [{
        name: 'a',
        topicId: TOPIC_ID,
        errorCode: 0,
        partitions: state.leaders.map((leaderId, partitionIndex) => ({ errorCode: 0, partitionIndex, leaderId, leaderEpoch: 10 + partitionIndex, replicaNodes: [], isrNodes: [] }))
      }, { name: 'refused', errorCode: ErrorCodes.TOPIC_AUTHORIZATION_FAILED, partitions: [] }]
    }))
  }
  const cluster = new Cluster({ bootstrapServers: [peers[0].address], clientId: 'test', logger: silentLogger })
  t.teardown(async () => {
    await cluster.close()
    for (const peer of peers) await peer.stop()
  })
  return { peers, cluster, state }
}

function partitions (...numbers: number[]): Array<{ topic: string, partition: number }> {
  return numbers.map(partition => ({ topic: 'a', partition }))
}

/** Answers each partition with offset 100 × node + partition. */
function offsetsOf (node: number, asked: unknown[] = []): PeerHandler<typeof ListOffsets> {
  return ({ body, version }) => {
    asked.push({ node, version, replicaId: body.replicaId, isolationLevel: body.isolationLevel, rows: body.topics.flatMap(topic => topic.partitions.map(row => [row.partitionIndex, row.currentLeaderEpoch, row.timestamp])) })
    return {
      topics: body.topics.map(({ name, partitions }) => ({
        name, partitions: partitions.map(({ partitionIndex, timestamp }) => ({ partitionIndex, errorCode: 0, offset: BigInt(100 * node + partitionIndex), timestamp, leaderEpoch: 7 }))
      }))
    }
  }
}

test('listOffsets asks each leader for its partitions, and answers every row in its place', async t => {
  const { peers, cluster } = await start(t)
  const asked: unknown[] = []
  peers.forEach((peer, index) => { peer.on(ListOffsets, offsetsOf(index + 1, asked)) })
  const rows = await listOffsets(cluster, [
    ...partitions(1, 0, 2, 3, 4).map(row => ({ ...row, timestamp: -1 })), { topic: 'none', partition: 0, timestamp: -1 }, { topic: 'refused', partition: 0, timestamp: -1 }
  ], { signal, replicaId: -2, isolationLevel: 1 })
  t.match(rows, [
    { topic: 'a', partition: 1, errorCode: 0, error: null, offset: 201, timestamp: -1, leaderEpoch: 7 },
    { topic: 'a', partition: 0, errorCode: 0, error: null, offset: 100 },
    { topic: 'a', partition: 2, errorCode: 0, error: null, offset: 102 },
    { topic: 'a', partition: 3, errorCode: ErrorCodes.LEADER_NOT_AVAILABLE, error: { code: 'BROKER_ERROR' }, offset: -1 },
    { topic: 'a', partition: 4, errorCode: ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION, offset: -1 },
    { topic: 'none', partition: 0, errorCode: ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION },
    { topic: 'refused', partition: 0, errorCode: ErrorCodes.TOPIC_AUTHORIZATION_FAILED }
  ])
  t.match(asked.sort((x, y) => (x as { node: number }).node - (y as { node: number }).node), [
    { node: 1, version: 11, replicaId: -2, isolationLevel: 1, rows: [[0, 10, -1n], [2, 12, -1n]] },
    { node: 2, version: 11, replicaId: -2, isolationLevel: 1, rows: [[1, 11, -1n]] }
  ])
  t.same(await listOffsets(cluster, [], { signal }), [])
})

test('listOffsets takes a partition more than once: a broker gets it once in each request', async t => {
  const { peers: [peer], cluster } = await start(t)
  const asked: Array<{ rows: unknown[] }> = []
  peer.on(ListOffsets, offsetsOf(1, asked))
  const rows = await listOffsets(cluster, [-1, -2, 5].map(timestamp => ({ topic: 'a', partition: 0, timestamp })), { signal })
  t.same(rows.map(({ timestamp }) => timestamp), [-1, -2, 5])
  t.same(asked.map(({ rows }) => rows.length), [1, 1, 1])
})

test('a broker that fails makes its own rows fail, and no others', async t => {
  const { peers, cluster } = await start(t)
  peers[0].on(ListOffsets, offsetsOf(1))
  peers[1].on(ListOffsets, ({ connection }) => { connection.socket.destroy(); return null })
  const refreshes = (): number => peers[0].count(Metadata) + peers[1].count(Metadata)
  await cluster.refresh({ signal })
  const before = refreshes()
  t.match(await listOffsets(cluster, partitions(0, 1, 2).map(row => ({ ...row, timestamp: -1 })), { signal }), [
    { errorCode: 0, offset: 100 }, { partition: 1, errorCode: ErrorCodes.NETWORK_EXCEPTION, error: { code: 'CONNECTION_CLOSED' }, offset: -1 }, { errorCode: 0, offset: 102 }
  ])
  t.equal(refreshes() - before, 1, 'the leader may be another now')
})

test('a row that the answer leaves out is an error, and so is one that the answer refuses', async t => {
  const { peers, cluster } = await start(t)
  peers[0].on(ListOffsets, () => ({ topics: [{ name: 'a', partitions: [{ partitionIndex: 0, errorCode: ErrorCodes.FENCED_LEADER_EPOCH }, { partitionIndex: 9, errorCode: 0, offset: 3n }] }] }))
  await cluster.refresh({ signal })
  t.match(await listOffsets(cluster, partitions(0, 2).map(row => ({ ...row, timestamp: -1 })), { signal }), [
    { partition: 0, errorCode: ErrorCodes.FENCED_LEADER_EPOCH, error: null, offset: -1 },
    { partition: 2, errorCode: ErrorCodes.UNKNOWN_SERVER_ERROR, error: { message: 'broker 1 left a-2 out of its answer' }, offset: -1 }
  ])
  t.equal(peers[0].count(Metadata) + peers[1].count(Metadata), 2, 'the epoch was old')
})

test('what the version of a broker cannot ask is an error of the row', async t => {
  const { peers, cluster } = await start(t, { versions: { ListOffsets: [1, 5] } })
  peers[0].on(ListOffsets, offsetsOf(1))
  t.match(await listOffsets(cluster, [{ topic: 'a', partition: 0, timestamp: -3 }], { signal }), [{ errorCode: ErrorCodes.UNSUPPORTED_VERSION, error: { code: 'VERSION_UNSUPPORTED' }, offset: -1 }])
  t.match(await listOffsets(cluster, [{ topic: 'a', partition: 0, timestamp: -1 }], { signal }), [{ errorCode: 0, offset: 100 }])
})

test('an aborted question is no answer', async t => {
  const { peers: [peer], cluster } = await start(t)
  peer.on(ListOffsets, () => null)
  const abort = new AbortController()
  const asking = listOffsets(cluster, [{ topic: 'a', partition: 0, timestamp: -1 }], { signal: abort.signal })
  await peer.received(ListOffsets, 1)
  abort.abort()
  await t.rejects(asking, { code: 'ABORTED' })
})

test('deleteRecords and describeProducers answer every row', async t => {
  const { peers, cluster } = await start(t)
  peers.forEach(peer => {
    peer.on(DeleteRecords, ({ body }) => ({
      throttleTimeMs: 0,
      topics: body.topics.map(({ name, partitions }) => ({ name, partitions: partitions.map(({ partitionIndex, offset }) => ({ partitionIndex, lowWatermark: offset, errorCode: partitionIndex === 2 ? ErrorCodes.OFFSET_OUT_OF_RANGE : 0 })) }))
    }))
    peer.on(DescribeProducers, ({ body }) => ({
      throttleTimeMs: 0,
      topics: body.topics.map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.map(partitionIndex => partitionIndex === 2
          ? { partitionIndex, errorCode: ErrorCodes.NOT_LEADER_OR_FOLLOWER, errorMessage: 'not me', activeProducers: [] }
          : { partitionIndex, errorCode: 0, activeProducers: [{ producerId: 5n, producerEpoch: 1, lastSequence: 8, lastTimestamp: 99n, coordinatorEpoch: -1, currentTxnStartOffset: -1n }] })
      }))
    }))
  })
  t.match(await deleteRecords(cluster, partitions(0, 1, 2, 3).map(row => ({ ...row, beforeOffset: 40 })), { signal }), [
    { errorCode: 0, lowWatermark: 40 }, { errorCode: 0, lowWatermark: 40 }, { errorCode: ErrorCodes.OFFSET_OUT_OF_RANGE }, { errorCode: ErrorCodes.LEADER_NOT_AVAILABLE, lowWatermark: -1 }
  ])
  t.match(await describeProducers(cluster, partitions(0, 1, 2, 3), { signal }), [
    { errorCode: 0, error: null, producers: [{ producerId: 5, producerEpoch: 1, lastSequence: 8, lastTimestampMs: 99, currentTxnStartOffset: -1 }] },
    { errorCode: 0 },
    { errorCode: ErrorCodes.NOT_LEADER_OR_FOLLOWER, error: { message: 'DescribeProducers a-2: NOT_LEADER_OR_FOLLOWER (not me)' }, producers: [] },
    { errorCode: ErrorCodes.LEADER_NOT_AVAILABLE, producers: [] }
  ])
})

test('topics are made by the controller, which is looked up once more when it is another', async t => {
  const { peers, cluster, state } = await start(t)
  peers[0].on(CreateTopics, () => ({ topics: [{ name: 'new', errorCode: ErrorCodes.NOT_CONTROLLER, errorMessage: null }] }))
  peers[1].on(CreateTopics, ({ body }) => {
    t.match(body, { validateOnly: false, topics: [{ name: 'new', numPartitions: 3, replicationFactor: 2, assignments: [], configs: [{ name: 'cleanup.policy', value: 'compact' }] }] })
    return { topics: [{ name: 'new', errorCode: 0, errorMessage: null, configs: [] }] }
  })
  await cluster.refresh({ signal })
  state.controllerId = 2
  const topic = { name: 'new', partitions: 3, replicationFactor: 2, configs: { 'cleanup.policy': 'compact' } }
  await createTopic(cluster, topic, { signal })
  t.same([peers[0].count(CreateTopics), peers[1].count(CreateTopics)], [1, 1])
  peers[1].on(CreateTopics, () => ({ topics: [{ name: 'new', errorCode: ErrorCodes.NOT_CONTROLLER, errorMessage: null }] }))
  await t.rejects(createTopic(cluster, topic, { signal }), { code: 'BROKER_ERROR', wireCode: ErrorCodes.NOT_CONTROLLER, retriable: true })
  t.same([peers[0].count(CreateTopics), peers[1].count(CreateTopics)], [1, 3], 'once more, not for ever')
  peers[1].on(CreateTopics, ({ body }) => {
    t.equal(body.validateOnly, true)
    return { topics: [{ name: 'new', errorCode: ErrorCodes.TOPIC_ALREADY_EXISTS, errorMessage: 'there is one' }] }
  })
  await t.rejects(createTopic(cluster, { ...topic, validateOnly: true }, { signal }), { code: 'BROKER_ERROR', wireCode: 36, message: 'CreateTopics new: TOPIC_ALREADY_EXISTS (there is one)' })
  peers[1].on(CreateTopics, () => ({ topics: [] }))
  await t.rejects(createTopic(cluster, topic, { signal }), { code: 'BROKER_ERROR', message: 'CreateTopics new: UNKNOWN_SERVER_ERROR (the answer has no row for it)' })
})

test('many topics are made by one request, each of them or not', async t => {
  const { peers: [peer], cluster } = await start(t)
  peer.on(CreateTopics, ({ body }) => ({ topics: body.topics.filter(({ name }) => name !== 'lost').map(({ name }) => ({ name, errorCode: name === 'old' ? ErrorCodes.TOPIC_ALREADY_EXISTS : 0, errorMessage: null })) }))
  const topics = ['new', 'old', 'lost'].map(name => ({ name, partitions: 2, replicationFactor: -1, assignments: [[1], [2]], configs: {} }))
  t.match(await createTopics(cluster, topics, { signal }), [null, { wireCode: ErrorCodes.TOPIC_ALREADY_EXISTS }, { message: /the answer has no row for it/ }])
  t.equal(peer.count(CreateTopics), 1)
})

test('a leader that is known from elsewhere is asked without looking at the metadata', async t => {
  const { peers: [first, second], cluster } = await start(t)
  await cluster.refresh({ signal })
  const before = [first.count(Metadata), second.count(Metadata)]
  second.on(DescribeProducers, ({ body }) => ({ throttleTimeMs: 0, topics: body.topics.map(({ name, partitionIndexes }) => ({ name, partitions: partitionIndexes.map(partitionIndex => ({ partitionIndex, errorCode: partitionIndex === 0 ? 0 : ErrorCodes.NOT_LEADER_OR_FOLLOWER, errorMessage: null, activeProducers: [] })) })) }))
  const leaderOf = ({ partition }: { readonly partition: number }): PartitionView | null => partition === 2 ? null : { partition, leaderId: 2, leaderEpoch: 1, replicas: [], isr: [], errorCode: 0 }
  t.match(await describeProducers(cluster, [0, 1, 2].map(partition => ({ topic: 'a', partition })), { signal, leaderOf }), [
    { errorCode: 0 }, { errorCode: ErrorCodes.NOT_LEADER_OR_FOLLOWER }, { errorCode: ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION }
  ])
  t.same([first.count(Metadata), second.count(Metadata)], before)
})

test('partitions are added and topics deleted, in old versions too', async t => {
  for (const maxVersion of [5, 6] as const) {
    const { peers: [peer], cluster } = await start(t, { versions: { DeleteTopics: [0, maxVersion] } })
    peer.on(CreatePartitions, ({ body }) => ({ throttleTimeMs: 0, results: body.topics.map(({ name, count }) => ({ name, errorCode: count < 5 ? ErrorCodes.INVALID_PARTITIONS : 0, errorMessage: 'too few' })) }))
    peer.on(DeleteTopics, ({ body, version }) => {
      t.equal(version, maxVersion)
      return { responses: [...body.topicNames, ...body.topics.map(({ name }) => name)].map(name => ({ name, errorCode: name === 'a' ? 0 : 3 })) }
    })
    await createPartitions(cluster, { topic: 'a', count: 5 }, { signal })
    await t.rejects(createPartitions(cluster, { topic: 'a', count: 4 }, { signal }), { code: 'BROKER_ERROR', message: 'CreatePartitions a: INVALID_PARTITIONS (too few)' })
    await deleteTopic(cluster, 'a', { signal })
    await t.rejects(deleteTopic(cluster, 'b', { signal }), { code: 'BROKER_ERROR', wireCode: 3 })
  }
})

test('configs are described for every topic, with their sources', async t => {
  const { peers: [peer], cluster } = await start(t)
  const requests: number[] = []
  peer.on(DescribeConfigs, ({ body }) => {
    requests.push(body.resources.length)
    return {
      throttleTimeMs: 0,
      results: body.resources.filter(({ resourceName }) => resourceName !== 'lost').map(({ resourceType, resourceName }) => resourceName === 'bad'
        ? { errorCode: 29, errorMessage: 'no', resourceType, resourceName, configs: [] }
        : {
            errorCode: 0,
            errorMessage: null,
            resourceType,
            resourceName,
            configs: [
              { name: 'retention.ms', value: '5', readOnly: false, configSource: 1, isSensitive: false },
              { name: 'segment.ms', value: null, readOnly: true, configSource: 5, isSensitive: true }
            ]
          })
    }
  })
  const names = ['good', 'bad', 'lost', ...Array.from({ length: 260 }, (_, index) => `t${index}`)]
  const described = await describeTopicConfigs(cluster, names, { signal })
  t.same(requests, [250, 13])
  t.same([...described.keys()], names)
  t.match(described.get('bad'), { wireCode: 29, message: 'DescribeConfigs bad: TOPIC_AUTHORIZATION_FAILED (no)' })
  t.match(described.get('lost'), { wireCode: -1 })
  t.same(described.get('t259'), new Map([
    ['retention.ms', { value: '5', source: 1, isDefault: false, isSensitive: false, isReadOnly: false }],
    ['segment.ms', { value: null, source: 5, isDefault: true, isSensitive: true, isReadOnly: true }]
  ]))
  t.same(await describeTopicConfigs(cluster, [], { signal }), new Map())
})

test('configs are set and set back, all of them or none', async t => {
  const { peers: [peer], cluster } = await start(t)
  peer.on(IncrementalAlterConfigs, ({ body }) => {
    t.match(body, { validateOnly: true, resources: [{ resourceType: 2, resourceName: 'a', configs: [{ name: 'x', configOperation: 0, value: '1' }, { name: 'y', configOperation: 1, value: null }] }] })
    return { throttleTimeMs: 0, responses: body.resources.map(({ resourceType, resourceName }) => ({ errorCode: ErrorCodes.INVALID_CONFIG, errorMessage: 'x is none', resourceType, resourceName })) }
  })
  await t.rejects(alterTopicConfigs(cluster, 'a', new Map([['x', '1'], ['y', null]]), { signal, validateOnly: true }), { code: 'BROKER_ERROR', wireCode: 40, message: 'IncrementalAlterConfigs a: INVALID_CONFIG (x is none)' })
  await alterTopicConfigs(cluster, 'a', new Map(), { signal })
  t.equal(peer.count(IncrementalAlterConfigs), 1)
})

test('configs of many topics are set by one request', async t => {
  const { peers: [peer], cluster } = await start(t)
  peer.on(IncrementalAlterConfigs, ({ body }) => {
    t.same(body.resources.map(({ resourceName }) => resourceName), ['a', 'bad', 'lost'])
    return { throttleTimeMs: 0, responses: body.resources.filter(({ resourceName }) => resourceName !== 'lost').map(({ resourceType, resourceName }) => ({ errorCode: resourceName === 'bad' ? ErrorCodes.INVALID_CONFIG : 0, errorMessage: null, resourceType, resourceName })) }
  })
  const rows = ['a', 'unchanged', 'bad', 'lost'].map(topic => ({ topic, changes: new Map(topic === 'unchanged' ? [] : [['x', '1']]) }))
  t.match(await alterConfigsOfTopics(cluster, rows, { signal }), [null, null, { wireCode: ErrorCodes.INVALID_CONFIG }, { message: /the answer has no row for it/ }])
})

test('producer ids come from one broker, a bounded number at a time, until the first error', async t => {
  const { peers: [, peer], cluster } = await start(t)
  let next = 1000
  peer.on(InitProducerId, async ({ body }) => {
    t.equal(body.transactionalId, null)
    await new Promise(resolve => setImmediate(resolve))
    if (peer.count(InitProducerId) - (next - 1000) > 64) t.fail('too many in flight')
    return { throttleTimeMs: 0, errorCode: 0, producerId: BigInt(next++), producerEpoch: 0 }
  })
  t.same((await initProducerId(cluster, 2, { count: 150 }, { signal })).sort((a, b) => a - b), Array.from({ length: 150 }, (_, index) => 1000 + index))
  t.same(await initProducerId(cluster, 2, { count: 0 }, { signal }), [])
  let empty = 10
  peer.on(InitProducerId, () => empty-- > 0
    ? { throttleTimeMs: 0, errorCode: ErrorCodes.COORDINATOR_LOAD_IN_PROGRESS, producerEpoch: 0 }
    : { throttleTimeMs: 0, errorCode: 0, producerId: BigInt(next++), producerEpoch: 0 })
  t.equal((await initProducerId(cluster, 2, { count: 5 }, { signal })).length, 5, 'a broker that waits for its next block is waited for')
  const before = peer.count(InitProducerId)
  peer.on(InitProducerId, () => ({ throttleTimeMs: 0, errorCode: ErrorCodes.CLUSTER_AUTHORIZATION_FAILED, producerEpoch: 0 }))
  await t.rejects(initProducerId(cluster, 2, { count: 1000 }, { signal }), { code: 'BROKER_ERROR', wireCode: 31, message: 'InitProducerId on broker 2: CLUSTER_AUTHORIZATION_FAILED' })
  t.ok(peer.count(InitProducerId) - before <= 64)
  peer.on(InitProducerId, () => ({ throttleTimeMs: 0, errorCode: 0, producerId: 7n, producerEpoch: 0 }))
  await t.rejects(initProducerId(cluster, 2, { count: 2 }, { signal }), { code: 'INVARIANT' })
  peer.on(InitProducerId, () => ({ throttleTimeMs: 0, errorCode: 0, producerId: -1n, producerEpoch: 0 }))
  await t.rejects(initProducerId(cluster, 2, { count: 1 }, { signal }), { code: 'BROKER_ERROR' })
})

test('batches are fetched by id or by name, and an error is told with no batches', async t => {
  const { peers: [peer], cluster } = await start(t)
  const records = buildBatch({ baseOffset: 5, records: [{ key: null, value: Buffer.from('v'), timestamp: 1, headers: [] }] })
  let errorCode = 0
  peer.on(Fetch, ({ body, version }) => {
    t.equal(version, body.topics[0]?.topic === 'a' ? 12 : 18)
    return {
      errorCode: errorCode === 70 ? 70 : 0,
      responses: body.topics.map(({ topic, topicId, partitions }) => ({
        topic,
        topicId,
        partitions: partitions.filter(() => errorCode !== -2).map(({ partition, currentLeaderEpoch, fetchOffset, partitionMaxBytes }) => {
          t.same([currentLeaderEpoch, fetchOffset, partitionMaxBytes, body.maxWaitMs], [10, 5n, 1000, 0])
          return { partitionIndex: partition, errorCode, highWatermark: 6n, lastStableOffset: 6n, logStartOffset: 2n, records }
        })
      }))
    }
  })
  const request = { topic: 'a', partition: 0, offset: 5, maxBytes: 1000, leader: { leaderId: 1, leaderEpoch: 10 } }
  for (const topicId of [TOPIC_ID, null]) {
    const { batches, ...rest } = await fetchBatches(cluster, { ...request, topicId }, { signal })
    t.same(rest, { errorCode: 0, highWatermark: 6, logStartOffset: 2, lastStableOffset: 6 })
    t.same(batches.map(({ baseOffset, lastOffset }) => [baseOffset, lastOffset]), [[5, 5]])
  }
  for (errorCode of [6, 70]) t.match(await fetchBatches(cluster, { ...request, topicId: TOPIC_ID }, { signal }), { errorCode, batches: [] })
  errorCode = -2
  await t.rejects(fetchBatches(cluster, { ...request, topicId: TOPIC_ID }, { signal }), { code: 'BROKER_ERROR', message: 'broker 1 left a-0 out of its answer to Fetch' })
})
