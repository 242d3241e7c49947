import { test } from 'tap'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { decodeRequest } from '../../protocol/header.ts'
import { DescribeCluster } from '../../protocol/messages/describe-cluster.ts'
import { DescribeTopicPartitions } from '../../protocol/messages/describe-topic-partitions.ts'
import { Fetch } from '../../protocol/messages/fetch.ts'
import { FindCoordinator } from '../../protocol/messages/find-coordinator.ts'
import { Heartbeat } from '../../protocol/messages/heartbeat.ts'
import { ListOffsets } from '../../protocol/messages/list-offsets.ts'
import { ListPartitionReassignments } from '../../protocol/messages/list-partition-reassignments.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { OffsetForLeaderEpoch } from '../../protocol/messages/offset-for-leader-epoch.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import type { RequestInput, ResponseInput } from '../../protocol/schema/api.ts'
import type { RawRequest } from '../support/raw-broker.ts'
import { answerWith, emptyAnswer, POISON, start, until } from './fixture.ts'
import { LOG_END, LEADER, follower, metadata, offsetsOf, shown, startReplica, type Row, versions } from './follower-fixture.ts'

const { LEADER_NOT_AVAILABLE, LISTENER_NOT_FOUND, NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR, REPLICA_NOT_AVAILABLE } = ErrorCodes

test('Metadata, in every version: a real follower leads, and of the shadow leader nothing is said', async t => {
  const { client, broker, sidecar } = await startReplica(t, { nodeIds: '1-4' })
  broker.answer = answerWith(Metadata, () => metadata([
    { leaderId: LEADER },
    { leaderId: -1, errorCode: LEADER_NOT_AVAILABLE, isrNodes: [], replicaNodes: [2, LEADER, 1] },
    { leaderId: -1, errorCode: LISTENER_NOT_FOUND, replicaNodes: [7, LEADER, 2], isrNodes: [LEADER, 7] },
    { leaderId: LEADER, replicaNodes: [LEADER, 4, 7] },
    { leaderId: 2, errorCode: REPLICA_NOT_AVAILABLE, isrNodes: [2, LEADER, 1] }
  ], [LEADER, 1, 2, 7]))
  const socket = await client()
  for (const version of versions(Metadata)) {
    const body = await socket.request(Metadata, version, { topics: version === 0 ? [] : null })
    t.strictSame(body.brokers.map(({ nodeId }) => nodeId), [1, 2], `v${version}`)
    t.equal(body.controllerId, version === 0 ? -1 : 1)
    t.strictSame(shown(body), [
      [0, 1, [1, 2], [1]],
      [0, 2, [2, 1], [2]],
      [0, 2, [7, 2], [2, 7]],
      [LEADER_NOT_AVAILABLE, -1, [4, 7], []],
      [REPLICA_NOT_AVAILABLE, 2, [1, 2], [2, 1]]
    ], `v${version}`)
    if (version >= 7) t.ok(body.topics[0]?.partitions.every(({ leaderEpoch }) => leaderEpoch === 11))
    t.ok(body.topics[0]?.partitions.every(({ offlineReplicas }) => offlineReplicas.length === 0))
  }
  t.notOk(Buffer.concat(socket.received).includes(POISON.host))
  t.strictSame(sidecar.status().hiddenNodeIds, [7], 'a shadow leader needs no port')
})

test('Metadata: an offline follower does not lead, and a dead shadow leader is not among the offline', async t => {
  const { client, broker } = await startReplica(t)
  broker.answer = answerWith(Metadata, () => metadata([{ leaderId: -1, errorCode: LEADER_NOT_AVAILABLE, isrNodes: [], offlineReplicas: [LEADER, 1] }], [1, 2]))
  const body = await (await client()).request(Metadata, 12, { topics: null })
  t.strictSame(shown(body), [[0, 2, [1, 2], [2]]])
  t.strictSame(body.topics[0]?.partitions[0]?.offlineReplicas, [1])
})

test('a follower that was shown as the leader stays it for as long as it is there', async t => {
  const { client, broker, links } = await startReplica(t)
  const socket = await client()
  const leaderWith = async (...brokers: number[]): Promise<number | undefined> => {
    broker.answer = answerWith(Metadata, () => metadata([{ leaderId: LEADER }], brokers))
    return (await socket.request(Metadata, 12, { topics: null })).topics[0]?.partitions[0]?.leaderId
  }
  t.equal(await leaderWith(1, 2), 1)
  t.equal(await leaderWith(2), 2)
  t.equal(await leaderWith(1, 2), 2, 'the one that came back may be behind')
  t.equal(await leaderWith(), -1)
  t.equal(await leaderWith(1, 2), 2)
  links.topic('ro', 'FAILED_OVER')
  t.equal(await leaderWith(1, 2), -1, 'its leaders are its own from here on')
  links.topic('ro', 'ACTIVE')
  t.equal(await leaderWith(1, 2), 1)
})

test('where the one that was shown is gone, the one that has been there longest is, whatever the order of the replicas', async t => {
  const { client, broker } = await startReplica(t, { nodeIds: '1-4' })
  const socket = await client()
  const leaderOf = async (replicaNodes: number[], brokers: number[]): Promise<number | undefined> => {
    broker.answer = answerWith(Metadata, () => metadata([{ leaderId: LEADER, replicaNodes }], brokers))
    return (await socket.request(Metadata, 12, { topics: null })).topics[0]?.partitions[0]?.leaderId
  }
  t.equal(await leaderOf([LEADER, 1, 2], [1, 2]), 1)
  t.equal(await leaderOf([LEADER, 4, 1, 2], [1, 2, 4]), 1)
  t.equal(await leaderOf([LEADER, 4, 1, 2], [2, 4]), 2, 'a new replica has less of the log')
  t.equal(await leaderOf([LEADER, 1, 4, 2], [1, 4]), 4, 'and so has one that comes back')
})

test('topics that are not read from followers, and states that are not known, stay as the broker says', async t => {
  const { client, broker, links, sidecar } = await startReplica(t, { isStateKnown: false })
  const row = { leaderId: 1, replicaNodes: [LEADER, 1], isrNodes: [LEADER, 1] }
  const rows = async (name: string, partition: Row = row): Promise<unknown[]> => {
    broker.answer = answerWith(Metadata, () => metadata([partition], [1, 2, LEADER], name))
    return shown(await (await client()).request(Metadata, 9, { topics: null, allowAutoTopicCreation: false }))
  }
  const leaderless = { ...row, leaderId: -1, errorCode: LEADER_NOT_AVAILABLE }
  t.strictSame(await rows('ro', { ...row, leaderId: LEADER }), [[0, LEADER, [LEADER, 1], [LEADER, 1]]], 'nothing is known')
  t.strictSame(sidecar.status().hiddenNodeIds, [])
  links.state = links.all
  links.age = 0
  t.strictSame(await rows('free'), [[0, 1, [LEADER, 1], [LEADER, 1]]])
  t.strictSame(await rows('free', leaderless), [[LEADER_NOT_AVAILABLE, -1, [LEADER, 1], [LEADER, 1]]])
  t.strictSame(await rows('free', { ...row, leaderId: LEADER }), [[LEADER_NOT_AVAILABLE, -1, [LEADER, 1], [LEADER, 1]]], 'clients are not led there')
  t.strictSame(await rows('ro', leaderless), [[0, 1, [1], [1]]])
  links.link('ro', 'produce')
  t.strictSame(await rows('ro', leaderless), [[LEADER_NOT_AVAILABLE, -1, [LEADER, 1], [LEADER, 1]]], 'a link in mode produce')
})

test('what was known last counts for readers when it is stale; a real leader is shown, and nothing is written', async t => {
  const { client, broker, links, sidecar } = await startReplica(t)
  const socket = await client()
  const leaderOf = async (leaderId: number): Promise<unknown> => {
    broker.answer = answerWith(Metadata, () => metadata([{ leaderId, errorCode: leaderId < 0 ? LEADER_NOT_AVAILABLE : 0 }], [1, 2, LEADER]))
    return (await socket.request(Metadata, 12, { topics: null })).topics[0]?.partitions[0]?.leaderId
  }
  const readsAndWrites = async (): Promise<void> => {
    t.strictSame([await leaderOf(LEADER), await leaderOf(-1), await leaderOf(2)], [1, 1, 2])
    broker.answer = follower()
    const offsets = await socket.request(ListOffsets, 7, offsetsOf([-1n], 1))
    t.match(offsets.topics[0]?.partitions, [{ errorCode: 0, offset: 80n }])
    const epochs = await socket.request(OffsetForLeaderEpoch, 4, { replicaId: -1, topics: [{ topic: 'ro', partitions: [{ partition: 0, leaderEpoch: 0 }] }] })
    t.match(epochs.topics[0]?.partitions, [{ errorCode: 0, endOffset: LOG_END }])
    broker.answer = answerWith(Fetch, () => fetchAnswer())
    t.match((await socket.request(Fetch, 10, fetch('ro'))).responses[0]?.partitions, [{ errorCode: 0 }])
    t.equal(broker.requests.at(-1)?.version, 11)
    const { responses } = await socket.request(Produce, 12, { acks: 1, timeoutMs: 1, topicData: [{ name: 'ro', partitionData: [{ index: 0, records: null }] }] })
    t.match(responses[0]?.partitionResponses, [{ errorCode: ErrorCodes.POLICY_VIOLATION }])
  }
  await readsAndWrites()
  links.age = 60_000
  t.strictSame(sidecar.status().reasons, ['link_state_stale'])
  await readsAndWrites()
  // The state topic is read anew.
  links.state = null
  links.age = Infinity
  await readsAndWrites()
})

test('DescribeCluster, FindCoordinator and Produce say nothing of a shadow leader', async t => {
  const { client, broker } = await startReplica(t)
  const socket = await client()
  broker.answer = answerWith(DescribeCluster, () => ({ throttleTimeMs: 0, errorCode: 0, clusterId: 'c', controllerId: LEADER, brokers: [LEADER, 2, 1].map(brokerId => ({ brokerId, ...POISON })) }))
  for (const version of versions(DescribeCluster)) {
    const { controllerId, brokers } = await socket.request(DescribeCluster, version, { includeClusterAuthorizedOperations: false })
    t.strictSame([controllerId, brokers.map(({ brokerId }) => brokerId)], [2, [2, 1]])
  }
  broker.answer = answerWith(FindCoordinator, (_, version) => version < 4
    ? { nodeId: LEADER, ...POISON, errorMessage: null }
    : { coordinators: [{ key: 'k', nodeId: LEADER, ...POISON, errorCode: 0, errorMessage: null }] })
  for (const version of versions(FindCoordinator)) {
    const { errorCode, coordinators } = await socket.request(FindCoordinator, version, version < 4 ? { key: 'k' } : { coordinatorKeys: ['k'] })
    t.equal(version < 4 ? errorCode : coordinators[0]?.errorCode, ErrorCodes.COORDINATOR_NOT_AVAILABLE)
  }
  broker.answer = answerWith(Produce, () => ({
    responses: [{ name: 'free', partitionResponses: [{ index: 0, errorCode: NOT_LEADER_OR_FOLLOWER, baseOffset: -1n, currentLeader: { leaderId: LEADER, leaderEpoch: 2 } }] }],
    nodeEndpoints: [{ nodeId: LEADER, ...POISON }]
  }))
  const produced = await socket.request(Produce, 12, { acks: 1, timeoutMs: 1, topicData: [{ name: 'free', partitionData: [{ index: 0, records: null }] }] })
  t.strictSame([produced.nodeEndpoints.length, produced.responses[0]?.partitionResponses[0]?.currentLeader.leaderId], [0, -1])
  t.notOk(Buffer.concat(socket.received).includes(POISON.host))
})

test('DescribeTopicPartitions shows the same leaders as Metadata', async t => {
  const { client, broker } = await startReplica(t)
  const socket = await client()
  const partition = { errorCode: 0, partitionIndex: 0, leaderId: LEADER, leaderEpoch: 5, replicaNodes: [LEADER, 1, 2], isrNodes: [LEADER], eligibleLeaderReplicas: [LEADER], lastKnownElr: null, offlineReplicas: [1] }
  broker.answer = answerWith(DescribeTopicPartitions, body => ({ throttleTimeMs: 0, topics: body.topics.map(({ name }) => ({ errorCode: 0, name, partitions: [partition] })) }))
  const ask = async (name: string): Promise<unknown> => {
    const { topics } = await socket.request(DescribeTopicPartitions, 0, { topics: [{ name }] })
    const { unknownTags: _, ...row } = topics[0]?.partitions[0] ?? {}
    return row
  }
  t.strictSame(await ask('ro'), { ...partition, leaderId: 2, replicaNodes: [1, 2], isrNodes: [2], eligibleLeaderReplicas: [] })
  t.strictSame(await ask('free'), partition)
})

test('ListPartitionReassignments says nothing of what is on its way from the shadow leader', async t => {
  const { client, broker, links } = await startReplica(t)
  const socket = await client()
  const partitions = [{ partitionIndex: 0, replicas: [LEADER, 1, 2], addingReplicas: [1, 2], removingReplicas: [LEADER] }]
  broker.answer = answerWith(ListPartitionReassignments, () => ({ throttleTimeMs: 0, errorCode: 0, errorMessage: null, topics: ['ro', 'free'].map(name => ({ name, partitions })) }))
  const topics = async (): Promise<string[]> => (await socket.request(ListPartitionReassignments, 0, { topics: null })).topics.map(({ name }) => name)
  t.strictSame(await topics(), ['free'])
  links.topic('ro', 'FAILED_OVER')
  t.strictSame(await topics(), ['ro', 'free'])
})

test('no client is led to a shadow leader, not even at a port of its id', async t => {
  const fixture = await start(t, { brokerIds: [LEADER, 1] })
  fixture.links.shadowLeader(LEADER)
  const { client, broker, sidecar } = fixture
  broker.answer = emptyAnswer
  const refused = await client(LEADER)
  await refused.closed
  t.equal(sidecar.status().counters.disconnects.upstream_unknown, 1)
  t.equal(broker.sockets.length, 0)
})

const RECORDS = Buffer.alloc(5000, 7)

function fetchAnswer (errorCode = 0, topics: readonly string[] = ['ro']): ResponseInput<typeof Fetch> {
  return {
    throttleTimeMs: 3,
    errorCode: 0,
    sessionId: 0,
    responses: topics.map(topic => ({
      topic,
      partitions: [{ partitionIndex: 0, errorCode, highWatermark: 90n, lastStableOffset: 80n, logStartOffset: 5n, abortedTransactions: [{ producerId: 1n, firstOffset: 6n }], preferredReadReplica: -1, records: RECORDS }]
    }))
  }
}

function fetch (topic: string | null, session: Partial<RequestInput<typeof Fetch>> = {}): RequestInput<typeof Fetch> {
  return { maxWaitMs: 10, minBytes: 1, isolationLevel: 1, topics: topic === null ? [] : [{ topic, partitions: [{ partition: 0, currentLeaderEpoch: 4, fetchOffset: 7n, partitionMaxBytes: 1000 }] }], ...session }
}

function readFetch (request: RawRequest | undefined): ReturnType<typeof decodeRequest<typeof Fetch>>['body'] {
  if (request === undefined) throw new Error('nothing was sent')
  return decodeRequest(Fetch, request.version, request.frame).body
}

test('Fetch of a version that no follower answers is asked in one that it does', async t => {
  const { client, broker, sidecar } = await startReplica(t)
  broker.answer = answerWith(Fetch, () => fetchAnswer())
  const socket = await client()
  for (const version of versions(Fetch, 4, 10)) {
    const body = await socket.request(Fetch, version, fetch('ro'))
    const asked = broker.requests.at(-1)
    t.equal(asked?.version, 11)
    t.match(readFetch(asked), { maxWaitMs: 10, minBytes: 1, isolationLevel: 1, maxBytes: 16 * 1024 * 1024, sessionId: 0, sessionEpoch: -1, topics: [{ topic: 'ro', partitions: [{ partition: 0, currentLeaderEpoch: version >= 9 ? 4 : -1, fetchOffset: 7n, partitionMaxBytes: 1000 }] }] })
    t.match(body.responses[0]?.partitions[0], { errorCode: 0, highWatermark: 90n, lastStableOffset: 80n, logStartOffset: version >= 5 ? 5n : -1n, abortedTransactions: [{ producerId: 1n, firstOffset: 6n }] })
    t.ok(body.responses[0]?.partitions[0]?.records?.equals(RECORDS))
    t.equal(body.throttleTimeMs, 3)
  }
  t.strictSame(sidecar.status().counters.refused, {})
})

test('Fetch: errors that an old client does not know become those that it does', async t => {
  const { client, broker } = await startReplica(t)
  broker.answer = answerWith(Fetch, () => fetchAnswer(KAFKA_STORAGE_ERROR))
  const socket = await client()
  for (const version of versions(Fetch, 4, 10)) {
    const body = await socket.request(Fetch, version, fetch('ro'))
    t.equal(body.responses[0]?.partitions[0]?.errorCode, version <= 5 ? NOT_LEADER_OR_FOLLOWER : KAFKA_STORAGE_ERROR)
  }
})

test('Fetch of old versions with a session: every request that goes on with one is asked in the new version', async t => {
  const { client, broker } = await startReplica(t)
  broker.answer = answerWith(Fetch, body => ({ ...fetchAnswer(0, []), errorCode: body.sessionEpoch === 2 ? ErrorCodes.INVALID_FETCH_SESSION_EPOCH : 0, sessionId: 77 }))
  const socket = await client()
  for (const version of [7, 10]) {
    t.equal((await socket.request(Fetch, version, fetch('ro', { sessionId: 0, sessionEpoch: 0 }))).sessionId, 77)
    t.equal((await socket.request(Fetch, version, fetch(null, { sessionId: 77, sessionEpoch: 1, forgottenTopicsData: [{ topic: 'ro', partitions: [4] }] }))).sessionId, 77)
    t.match(readFetch(broker.requests.at(-1)), { sessionId: 77, sessionEpoch: 1, forgottenTopicsData: [{ topic: 'ro', partitions: [4] }] })
    t.equal((await socket.request(Fetch, version, fetch(null, { sessionId: 77, sessionEpoch: 2 }))).errorCode, ErrorCodes.INVALID_FETCH_SESSION_EPOCH)
    await socket.request(Fetch, version, fetch('free', { sessionId: 77, sessionEpoch: -1 }))
    t.equal(broker.requests.at(-1)?.version, version, 'a request that ends a session names all it wants')
  }
  t.strictSame(broker.requests.map(({ version }) => version), [11, 11, 11, 7, 11, 11, 11, 10])
})

test('Fetch: a leader epoch that the client believes its last record to be of is not said to a follower', async t => {
  const { client, broker } = await startReplica(t)
  broker.answer = emptyAnswer
  const socket = await client()
  for (const version of versions(Fetch, 12, 14)) {
    const topic = version === 12 ? { topic: 'ro' } : { topicId: 'AAAAAAAAAAAAAAAAAAAAAg' }
    const row = { partition: 3, currentLeaderEpoch: 4, fetchOffset: 7n, partitionMaxBytes: 1000 }
    const forgottenTopicsData = [{ ...topic, partitions: [9] }]
    const request = (lastFetchedEpoch: number): RequestInput<typeof Fetch> => ({ ...fetch(null, { sessionId: 5, sessionEpoch: 6 }), rackId: 'r', forgottenTopicsData, topics: [{ ...topic, partitions: [{ ...row, lastFetchedEpoch }, { ...row, partition: 4 }] }] })
    socket.send(socket.encode(Fetch, version, request(4)))
    const answer = await socket.next()
    t.equal(answer.length, 4, 'the answer is not read')
    t.match(readFetch(broker.requests.at(-1)), request(-1), `v${version}`)
    t.equal(broker.requests.at(-1)?.version, version)
  }
})

test('everything else goes to the broker byte for byte', async t => {
  const { client, broker, links } = await startReplica(t)
  broker.answer = emptyAnswer
  const socket = await client()
  const passes = async (bytes: Buffer, what: string): Promise<void> => {
    const before = broker.requests.length
    socket.send(bytes)
    await socket.next()
    t.equal(broker.requests.length, before + 1, what)
    t.ok(broker.requests.at(-1)?.frame.equals(bytes.subarray(4)), what)
  }
  const offsets = (name: string, replicaId = -1): RequestInput<typeof ListOffsets> => ({ replicaId, topics: [{ name, partitions: [{ partitionIndex: 0, timestamp: -1n }] }] })
  const epochs = (topic: string, replicaId = -1): RequestInput<typeof OffsetForLeaderEpoch> => ({ replicaId, topics: [{ topic, partitions: [{ partition: 0, leaderEpoch: 1 }] }] })
  for (const version of versions(Fetch, 0, 12)) await passes(socket.encode(Fetch, version, fetch('free')), `Fetch v${version}`)
  for (const version of [0, 3, 11, 12]) await passes(socket.encode(Fetch, version, fetch('ro')), `Fetch v${version} of a shadow`)
  for (const version of [13, 14]) await passes(socket.encode(Fetch, version, { ...fetch(null), topics: [{ topicId: 'AAAAAAAAAAAAAAAAAAAAAg', partitions: [] }] }), `Fetch v${version}`)
  for (const version of versions(ListOffsets)) await passes(socket.encode(ListOffsets, version, offsets('free')), `ListOffsets v${version}`)
  for (const replicaId of [-2, 1]) await passes(socket.encode(ListOffsets, 6, offsets('ro', replicaId)), `ListOffsets of replica ${replicaId}`)
  for (const version of versions(OffsetForLeaderEpoch)) await passes(socket.encode(OffsetForLeaderEpoch, version, epochs('free')), `OffsetForLeaderEpoch v${version}`)
  await passes(socket.encode(OffsetForLeaderEpoch, 4, epochs('ro', 1)), 'OffsetForLeaderEpoch of a replica')
  for (const change of [() => { links.topic('ro', 'FAILED_OVER') }, () => { links.topic('ro', 'ACTIVE'); links.link('ro', 'produce') }]) {
    change()
    await passes(socket.encode(Fetch, 10, fetch('ro')), 'Fetch')
    await passes(socket.encode(ListOffsets, 6, offsets('ro')), 'ListOffsets')
    await passes(socket.encode(OffsetForLeaderEpoch, 4, epochs('ro')), 'OffsetForLeaderEpoch')
  }
})

test('requests that come while questions are under way wait, and all answers come in order', async t => {
  const { client, broker, sidecar } = await startReplica(t)
  const waiting: Array<() => void> = []
  const answer = follower()
  broker.answer = request => {
    waiting.push(() => request.socket.write(Buffer.concat(answer(request))))
    return null
  }
  const socket = await client()
  const heartbeat = (): Buffer => socket.encode(Heartbeat, 0, { groupId: 'g', generationId: 1, memberId: 'm' })
  const refused = (): Buffer => socket.encode(Produce, 9, { acks: 1, timeoutMs: 1, topicData: [{ name: 'ro', partitionData: [{ index: 0, records: Buffer.alloc(100) }] }] })
  const latest = (): Buffer => socket.encode(ListOffsets, 7, offsetsOf([-1n], 0))
  const epoch = (): Buffer => socket.encode(OffsetForLeaderEpoch, 4, { replicaId: -1, topics: [{ topic: 'ro', partitions: [{ partition: 0, leaderEpoch: 0 }] }] })
  // 1 and 2 are answered before the questions of 3 are; what comes after those has to wait for the Fetch of 3.
  socket.send(heartbeat(), epoch(), latest(), refused(), heartbeat(), latest(), heartbeat())
  await until(() => waiting.length === 4)
  await new Promise(resolve => { setTimeout(resolve, 50) })
  t.strictSame(broker.keys, [12, 23, 2, 2])
  t.ok(sidecar.heldBytes > 0 && sidecar.heldBytes < 2000)
  // The end of another round comes while the questions of 3 are under way.
  for (const release of waiting.splice(0, 3)) release()
  await until(() => socket.frames.length === 2)
  await new Promise(resolve => { setTimeout(resolve, 50) })
  t.strictSame(broker.keys, [12, 23, 2, 2], 'still waiting')
  broker.answer = answer
  for (const release of waiting.splice(0)) release()
  await until(() => socket.frames.length === 7)
  t.strictSame(socket.frames.map(frame => frame.readInt32BE(0)), [1, 2, 3, 4, 5, 6, 7])
  t.strictSame(broker.keys, [12, 23, 2, 2, 1, 12, 2, 1, 12])
  t.equal(sidecar.heldBytes, 0)
})

test('a client that says no more is still answered, and so is one when the sidecar stops', async t => {
  const { client, broker, sidecar } = await startReplica(t)
  broker.answer = follower()
  const half = await client()
  half.socket.end(half.encode(ListOffsets, 7, offsetsOf([-1n], 0)))
  await half.next()
  t.equal(await half.closed, true)
  let release: () => void = () => {}
  const answer = follower()
  broker.answer = request => {
    release = () => request.socket.write(Buffer.concat(answer(request)))
    return null
  }
  const socket = await client()
  socket.send(socket.encode(ListOffsets, 7, offsetsOf([-1n], 0)))
  const before = broker.requests.length
  await until(() => broker.requests.length > before)
  const stopped = sidecar.stop()
  broker.answer = answer
  release()
  await socket.next()
  t.equal(await socket.closed, true)
  await stopped
  t.equal(sidecar.status().counters.disconnects.drain_completed, 1)
})

test('10,000 requests in one go with questions among them are answered in order', async t => {
  const { client, broker, sidecar } = await startReplica(t)
  broker.answer = follower()
  const socket = await client()
  const count = 10_000
  const requests = Array.from({ length: count }, (_, index) => index % 5 === 0
    ? socket.encode(ListOffsets, 7, offsetsOf([-1n], 0))
    : index % 7 === 0 ? socket.encode(Fetch, 4, fetch('ro')) : socket.encode(Heartbeat, 0, { groupId: 'g', generationId: 1, memberId: 'm' }))
  socket.send(...requests)
  await until(() => socket.frames.length === count)
  t.ok(socket.frames.every((frame, index) => frame.readInt32BE(0) === index + 1))
  t.equal(sidecar.heldBytes, 0)
})

test('a broker that answers a question with nonsense ends the connection', async t => {
  const { client, broker, sidecar } = await startReplica(t)
  broker.answer = emptyAnswer
  const socket = await client()
  socket.send(socket.encode(ListOffsets, 7, offsetsOf([-1n], 0)), socket.encode(Heartbeat, 0, { groupId: 'g', generationId: 1, memberId: 'm' }))
  await socket.closed
  t.equal(sidecar.status().counters.disconnects.upstream_malformed, 1)
})
