import { test } from 'tap'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { decodeRequest } from '../../protocol/header.ts'
import { AddOffsetsToTxn } from '../../protocol/messages/add-offsets-to-txn.ts'
import { ConsumerGroupDescribe } from '../../protocol/messages/consumer-group-describe.ts'
import { ConsumerGroupHeartbeat } from '../../protocol/messages/consumer-group-heartbeat.ts'
import { DeleteGroups } from '../../protocol/messages/delete-groups.ts'
import { DescribeGroups } from '../../protocol/messages/describe-groups.ts'
import { Heartbeat } from '../../protocol/messages/heartbeat.ts'
import { JoinGroup } from '../../protocol/messages/join-group.ts'
import { LeaveGroup } from '../../protocol/messages/leave-group.ts'
import { ListGroups } from '../../protocol/messages/list-groups.ts'
import { OffsetCommit } from '../../protocol/messages/offset-commit.ts'
import { OffsetDelete } from '../../protocol/messages/offset-delete.ts'
import { OffsetFetch } from '../../protocol/messages/offset-fetch.ts'
import { SyncGroup } from '../../protocol/messages/sync-group.ts'
import { TxnOffsetCommit } from '../../protocol/messages/txn-offset-commit.ts'
import { APIS } from '../../protocol/messages/registry.ts'
import type { Api, RequestInput, ResponseOf } from '../../protocol/schema/api.ts'
import { offerOf } from '../../src/proxy/offers.ts'
import { ENGINE_GROUP } from '../../src/replication/engine.ts'
import { answerWith, emptyAnswer, start, until, type Fixture } from './fixture.ts'
import { versions } from './follower-fixture.ts'

const { GROUP_AUTHORIZATION_FAILED } = ErrorCodes
/** What is asked below. */
const GUARDED = new Set(['JoinGroup', 'SyncGroup', 'LeaveGroup', 'Heartbeat', 'ConsumerGroupHeartbeat', 'OffsetDelete', 'AddOffsetsToTxn', 'OffsetCommit', 'TxnOffsetCommit', 'DeleteGroups'])
const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ'
const producer = { transactionalId: 'x'.repeat(200), producerId: 7n, producerEpoch: 1 }

type Ask = (fixture: Fixture, groupId: string) => Promise<Array<readonly [name: string, errorCode: number]>>

/** Asks in every version, and says what error came back. */
function every<A extends Api> (api: A, ask: (groupId: string, version: number) => RequestInput<A>, errorOf: (body: ResponseOf<A>) => number): Ask {
  return async ({ client }, groupId) => {
    const socket = await client()
    const found: Array<readonly [string, number]> = []
    for (const version of versions(api)) found.push([`${api.name} v${version}`, errorOf(await socket.request(api, version, ask(groupId, version)))])
    socket.close()
    return found
  }
}

const rows = [{ partitionIndex: 4, committedOffset: 1n, committedMetadata: null }]

/** Each API that changes a group or its members, but for DeleteGroups. */
const ASKS: readonly Ask[] = [
  every(JoinGroup, groupId => ({ groupId, sessionTimeoutMs: 1, memberId: '', protocolType: 'consumer', protocols: [{ name: 'p', metadata: Buffer.alloc(3) }] }), ({ errorCode }) => errorCode),
  every(SyncGroup, groupId => ({ groupId, generationId: 1, memberId: 'm', assignments: [{ memberId: 'm', assignment: Buffer.alloc(9) }] }), ({ errorCode }) => errorCode),
  every(LeaveGroup, (groupId, version) => ({ groupId, ...(version >= 3 ? { members: [{ memberId: 'm' }] } : { memberId: 'm' }) }), ({ errorCode }) => errorCode),
  every(Heartbeat, groupId => ({ groupId, generationId: 1, memberId: 'm' }), ({ errorCode }) => errorCode),
  every(ConsumerGroupHeartbeat, groupId => ({ groupId, memberId: 'm', memberEpoch: 0 }), ({ errorCode }) => errorCode),
  every(OffsetDelete, groupId => ({ groupId, topics: [{ name: 't', partitions: [{ partitionIndex: 0 }] }] }), ({ errorCode }) => errorCode),
  every(AddOffsetsToTxn, groupId => ({ ...producer, groupId }), ({ errorCode }) => errorCode),
  every(OffsetCommit, (groupId, version) => ({ groupId, topics: [{ ...(version >= 10 ? { topicId: TOPIC_ID } : { name: 't' }), partitions: rows }] }),
    ({ topics: [topic] }) => topic !== undefined && (topic.name === 't' || topic.topicId === TOPIC_ID) && topic.partitions[0]?.partitionIndex === 4 ? topic.partitions[0].errorCode : NaN),
  every(TxnOffsetCommit, groupId => ({ ...producer, groupId, topics: [{ name: 't', partitions: rows }] }),
    ({ topics: [topic] }) => topic?.name === 't' && topic.partitions[0]?.partitionIndex === 4 ? topic.partitions[0].errorCode : NaN)
]

test('no client joins or changes a group of kafka-shadow, in any version of any API, and the broker hears nothing of it', async t => {
  const fixture = await start(t)
  for (const groupId of [ENGINE_GROUP, '__kshadow']) {
    for (const ask of ASKS) for (const [name, errorCode] of await ask(fixture, groupId)) t.equal(errorCode, GROUP_AUTHORIZATION_FAILED, `${name} ${groupId}`)
  }
  t.equal(fixture.broker.requests.length, 0)
})

test('other groups are passed on as they are, wherever their requests are cut', async t => {
  const { client, broker } = await start(t)
  broker.answer = emptyAnswer
  const socket = await client()
  const groupId = '__kshado'
  const requests = [
    ...versions(JoinGroup).map(version => socket.encode(JoinGroup, version, { groupId, sessionTimeoutMs: 1, memberId: '', protocolType: 'consumer', protocols: [] })),
    ...versions(TxnOffsetCommit).map(version => socket.encode(TxnOffsetCommit, version, { ...producer, groupId, topics: [] })),
    ...versions(AddOffsetsToTxn).map(version => socket.encode(AddOffsetsToTxn, version, { ...producer, groupId }))
  ]
  const bytes = Buffer.concat(requests)
  for (let at = 0; at < bytes.length; at += 7) {
    socket.send(bytes.subarray(at, at + 7))
    await new Promise(resolve => { setImmediate(resolve) })
  }
  await until(() => socket.frames.length === requests.length)
  t.ok(Buffer.concat(broker.requests.map(({ frame }) => frame)).equals(Buffer.concat(requests.map(request => request.subarray(4)))))
})

test('an assignment of any size goes to its group as it comes', async t => {
  const { client, broker } = await start(t, { config: { maxFrameBytes: 64 * 1024 * 1024 } })
  const socket = await client()
  const request = socket.encode(SyncGroup, 3, { groupId: 'g', generationId: 1, memberId: 'm', assignments: [{ memberId: 'm', assignment: Buffer.alloc(20 * 1024 * 1024, 5) }] })
  socket.send(request.subarray(0, 1024 * 1024))
  await until(() => broker.bytes === 1024 * 1024)
  socket.send(request.subarray(1024 * 1024))
  await until(() => broker.requests.length === 1)
  t.ok(broker.requests[0]?.frame.equals(request.subarray(4)))
})

test('DeleteGroups, in every version: groups of kafka-shadow stay, others go', async t => {
  const { client, broker } = await start(t)
  broker.answer = answerWith(DeleteGroups, ({ groupsNames }) => ({ throttleTimeMs: 0, results: groupsNames.map(groupId => ({ groupId, errorCode: 0 })) }))
  const socket = await client()
  for (const version of versions(DeleteGroups)) {
    const { results } = await socket.request(DeleteGroups, version, { groupsNames: ['a', ENGINE_GROUP, 'b'] })
    t.strictSame(results.map(({ groupId, errorCode }) => [groupId, errorCode]), [['a', 0], [ENGINE_GROUP, GROUP_AUTHORIZATION_FAILED], ['b', 0]])
    t.strictSame(decodeRequest(DeleteGroups, version, broker.requests.at(-1)?.frame ?? Buffer.alloc(0)).body.groupsNames, ['a', 'b'])
  }
})

test('groups of kafka-shadow can be described, listed and read', async t => {
  const { client, broker } = await start(t)
  broker.answer = emptyAnswer
  const socket = await client()
  const requests = [
    socket.encode(DescribeGroups, 5, { groups: [ENGINE_GROUP] }),
    socket.encode(ConsumerGroupDescribe, 0, { groupIds: [ENGINE_GROUP], includeAuthorizedOperations: false }),
    socket.encode(ListGroups, 4, {}),
    socket.encode(OffsetFetch, 7, { groupId: ENGINE_GROUP, topics: null })
  ]
  socket.send(...requests)
  await until(() => socket.frames.length === requests.length)
  t.equal(broker.requests.length, requests.length)
})

test('every offered API that names a group is judged by it, or only reads', async t => {
  const reading = new Set(['OffsetFetch', 'DescribeGroups', 'ConsumerGroupDescribe', 'FindCoordinator'])
  for (const api of APIS.values()) {
    if (offerOf(api.key) === null || reading.has(api.name) || !Object.values(api.request.fields).some(({ entity }) => entity === 'groupId')) continue
    t.ok(GUARDED.has(api.name), `${api.name} names a group: refuse it for groups of kafka-shadow, and say here that it is`)
  }
})
