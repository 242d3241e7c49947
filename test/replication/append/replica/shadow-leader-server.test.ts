import { test } from 'tap'
import { ErrorCodes } from '../../../../protocol/errors/codes.ts'
import { ApiVersions } from '../../../../protocol/messages/api-versions.ts'
import { Fetch } from '../../../../protocol/messages/fetch.ts'
import { ListOffsets } from '../../../../protocol/messages/list-offsets.ts'
import { Metadata } from '../../../../protocol/messages/metadata.ts'
import { OffsetForLeaderEpoch } from '../../../../protocol/messages/offset-for-leader-epoch.ts'
import { Produce } from '../../../../protocol/messages/produce.ts'
import { WriteTxnMarkers } from '../../../../protocol/messages/write-txn-markers.ts'
import { catchUp, LEADER_EPOCH, Shadow, TOPIC, TOPIC_ID } from './fixture.ts'

test('where a follower stands is known together with the broker epoch under which it said so', async t => {
  const shadow = await Shadow.start(t)
  shadow.serve()
  for (const brokerEpoch of [5, 6]) {
    await (await shadow.follower(1, { brokerEpoch })).fetch()
    t.match(shadow.shadow().followers.get(1), { fetchOffset: 0, brokerEpoch })
  }
  await (await shadow.follower(2, { version: 14 })).fetch()
  t.match(shadow.shadow().followers.get(2), { brokerEpoch: -1 }, 'older versions of Fetch do not tell')
})

test('sessions: unchanged partitions are left out, forgotten ones are gone, one session per fetcher', async t => {
  const shadow = await Shadow.start(t, { partitions: 50 })
  for (let index = 0; index < 50; index++) shadow.serve(index)
  const follower = await shadow.follower(1)
  await follower.fetch()
  t.equal(follower.lastRows, 50, 'a full answer')
  t.not(follower.sessionId, 0)
  await follower.fetch()
  t.equal(follower.lastRows, 0, 'nothing has changed')
  shadow.source.log(TOPIC, 17).append()
  shadow.source.changed()
  await follower.fetch({ maxWaitMs: 5000 })
  t.equal(follower.lastRows, 1)
  t.equal(follower.replica(17).end, 1)
  for (const replica of follower.replicas.slice(0, 20)) replica.isDelayed = true
  await follower.fetch()
  t.equal(shadow.server.sessionCount, 1)
  const other = await shadow.follower(2)
  await other.fetch()
  t.equal(shadow.server.sessionCount, 2)
})

test('sessions: wrong epochs and ids are refused as a broker refuses them', async t => {
  const shadow = await Shadow.start(t)
  shadow.serve()
  const client = await shadow.client()
  const topics = [{ topicId: TOPIC_ID, partitions: [{ partition: 0, currentLeaderEpoch: LEADER_EPOCH, fetchOffset: 0n, partitionMaxBytes: 1000 }] }]
  const ask = { replicaState: { replicaId: 1, replicaEpoch: 5n }, maxWaitMs: 0, minBytes: 1 }
  const { sessionId } = await client.request(Fetch, 17, { ...ask, sessionEpoch: 0, topics })
  t.not(sessionId, 0)
  const error = async (body: { readonly sessionId: number, readonly sessionEpoch: number }, version = 17): Promise<number> =>
    (await client.request(Fetch, version, { ...ask, ...body, topics: [] })).errorCode
  t.equal(await error({ sessionId, sessionEpoch: 2 }), ErrorCodes.INVALID_FETCH_SESSION_EPOCH)
  t.equal(await error({ sessionId: sessionId + 1, sessionEpoch: 1 }), ErrorCodes.FETCH_SESSION_ID_NOT_FOUND)
  t.equal(await error({ sessionId, sessionEpoch: 1 }), ErrorCodes.NONE)
  t.equal(await error({ sessionId, sessionEpoch: 1 }), ErrorCodes.INVALID_FETCH_SESSION_EPOCH, 'the epoch has moved on')
  await client.request(Fetch, 17, { ...ask, sessionId, sessionEpoch: -1, topics })
  t.equal(shadow.server.sessionCount, 0, 'a full request without a session ends the one that it names')
  for (let count = 0; count < 100; count++) await client.request(Fetch, 17, { ...ask, sessionEpoch: 0, topics })
  t.equal(shadow.server.sessionCount, 64)
  client.close()
  await client.closed
  while (shadow.server.sessionCount > 0) await new Promise(resolve => { setImmediate(resolve) })
  t.pass('they end with their connection')
})

test('whoever is no replica is refused; unknown topics are named as such', async t => {
  const shadow = await Shadow.start(t)
  shadow.log.append()
  shadow.serve()
  const client = await shadow.client()
  const codes = async (replicaId: number, topicId = TOPIC_ID, partition = 0): Promise<Array<number | undefined>> => {
    const { responses } = await client.request(Fetch, 17, { replicaState: { replicaId, replicaEpoch: 5n }, maxWaitMs: 0, minBytes: 1, topics: [{ topicId, partitions: [{ partition, fetchOffset: 0n, partitionMaxBytes: 1000 }] }] })
    return responses.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode))
  }
  t.same(await codes(-1), [ErrorCodes.NOT_LEADER_OR_FOLLOWER])
  t.same(await codes(9), [ErrorCodes.NOT_LEADER_OR_FOLLOWER])
  t.same(await codes(1, 'AAAAAAAAAAAAAAAAAAAAAg'), [ErrorCodes.UNKNOWN_TOPIC_ID])
  t.same(await codes(1, TOPIC_ID, 8), [ErrorCodes.NOT_LEADER_OR_FOLLOWER])
  const offsets = await client.request(ListOffsets, 9, { replicaId: -1, topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0, timestamp: -1n }] }] })
  t.equal(offsets.topics[0]?.partitions[0]?.errorCode, ErrorCodes.NOT_LEADER_OR_FOLLOWER)
  const epochs = await client.request(OffsetForLeaderEpoch, 4, { replicaId: 1, topics: [{ topic: TOPIC, partitions: [{ partition: 0, currentLeaderEpoch: LEADER_EPOCH, leaderEpoch: 0 }] }] })
  t.match(epochs.topics[0]?.partitions[0], { errorCode: 0, leaderEpoch: 0, endOffset: 1n })
})

test('nothing can be written; transactions that were begun elsewhere can end', async t => {
  const shadow = await Shadow.start(t)
  const client = await shadow.client()
  for (const version of [3, 8, 12, 13]) {
    const { responses } = await client.request(Produce, version, { acks: -1, timeoutMs: 1000, topicData: [{ name: version === 13 ? '' : TOPIC, topicId: TOPIC_ID, partitionData: [{ index: 0, records: Buffer.alloc(0) }] }] })
    const [row] = responses[0]?.partitionResponses ?? []
    t.equal(row?.errorCode, ErrorCodes.POLICY_VIOLATION)
    if (version >= 8) t.match(row?.errorMessage, /read-only shadow topic orders/)
  }
  const markers = async (): Promise<number | undefined> => {
    const answer = await client.request(WriteTxnMarkers, 1, { markers: [{ producerId: 4n, producerEpoch: 0, transactionResult: false, coordinatorEpoch: 0, topics: [{ name: TOPIC, partitionIndexes: [0] }] }] })
    return answer.markers[0]?.topics[0]?.partitions[0]?.errorCode
  }
  t.equal(await markers(), ErrorCodes.NONE)
  shadow.shadow().stop()
  t.equal(await markers(), ErrorCodes.NOT_LEADER_OR_FOLLOWER, 'they are for the leader')
  const { apiKeys } = await client.request(ApiVersions, 3, {})
  t.same(apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, minVersion, maxVersion]), [[0, 3, 13], [1, 12, 18], [2, 7, 11], [18, 0, 4], [23, 4, 4], [27, 0, 2]])
  client.send(client.encode(Produce, 9, { acks: 0, timeoutMs: 1000, topicData: [] }))
  await client.closed
  const other = await shadow.client()
  other.send(other.encode(Metadata, 9, { topics: null }))
  await other.closed
  t.pass('what is not offered ends the connection')
})

test('no partition starves: what had no turn comes first the next time', async t => {
  const shadow = await Shadow.start(t, { partitions: 3, answerBytes: 400 })
  for (let index = 0; index < 3; index++) {
    for (let count = 0; count < 30; count++) shadow.source.log(TOPIC, index).append({ records: 2 })
    shadow.serve(index)
  }
  const follower = await shadow.follower(1, { maxBytes: 100 })
  for (let round = 0; round < 40; round++) await follower.fetch({ maxWaitMs: 50 })
  const ends = follower.replicas.map(({ end }) => end)
  t.ok(Math.max(...ends) - Math.min(...ends) <= 10, ends.join(', '))
  for (let index = 0; index < 3; index++) await catchUp(follower, 60, index)
})
