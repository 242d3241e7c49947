import { test, type Test } from 'tap'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { DeleteGroups } from '../../protocol/messages/delete-groups.ts'
import { DescribeGroups } from '../../protocol/messages/describe-groups.ts'
import { FindCoordinator } from '../../protocol/messages/find-coordinator.ts'
import { ListGroups } from '../../protocol/messages/list-groups.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { OffsetCommit } from '../../protocol/messages/offset-commit.ts'
import { OffsetFetch } from '../../protocol/messages/offset-fetch.ts'
import { describeClassicGroups } from '../../src/client/admin/describe-groups.ts'
import { commitGroupOffsets, deleteGroup, fetchGroupOffsets, type GroupPosition } from '../../src/client/admin/group-offsets.ts'
import { listGroups } from '../../src/client/admin/list-groups.ts'
import { Cluster } from '../../src/client/cluster.ts'
import { Coordinators } from '../../src/client/group/coordinators.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import { ScriptedPeer, type PeerHandler, type ScriptedPeerOptions } from '../support/scripted-peer.ts'

const { signal } = new AbortController()

interface Fixture {
  readonly peers: readonly [ScriptedPeer, ScriptedPeer]
  readonly cluster: Cluster
  readonly coordinators: Coordinators
  /** Who coordinates a group; broker 1 does, unless it is said here. */
  readonly at: Map<string, number>
}

/** Nodes 1 and 2; every group has committed 10 × its length on partition 0 of topic `a`. */
async function start (t: Test, options?: ScriptedPeerOptions): Promise<Fixture> {
  const peers = await Promise.all([ScriptedPeer.start(options), ScriptedPeer.start(options)] as const)
  const at = new Map<string, number>()
  const nodeOf = (group: string): number => at.get(group) ?? 1
  peers.forEach((peer, index) => {
    peer.on(Metadata, () => ({
      brokers: peers.map(({ address }, node) => ({ nodeId: node + 1, ...address })),
      controllerId: 1,
      topics: [{ name: '__consumer_offsets', errorCode: 0, partitions: [{ errorCode: 0, partitionIndex: 0, leaderId: at.get('leader') ?? 1, leaderEpoch: 0, replicaNodes: [], isrNodes: [] }] }]
    }))
    peer.on(FindCoordinator, ({ body, version }) => {
      const row = (key: string): { readonly nodeId: number, readonly host: string, readonly port: number, readonly errorCode: number, readonly errorMessage: null } =>
        ({ nodeId: nodeOf(key), host: '', port: 1, errorCode: key === 'lost' ? ErrorCodes.COORDINATOR_NOT_AVAILABLE : 0, errorMessage: null })
      return version < 4 ? row(body.key) : { coordinators: body.coordinatorKeys.map(key => ({ key, ...row(key) })) }
    })
    peer.on(OffsetFetch, offsets(group => nodeOf(group) === index + 1 ? 0 : ErrorCodes.NOT_COORDINATOR))
  })
  const cluster = new Cluster({ bootstrapServers: [peers[0].address], clientId: 'test', logger: silentLogger, requestTimeoutMs: 2000 })
  t.teardown(async () => {
    await cluster.close()
    for (const peer of peers) await peer.stop()
  })
  return { peers, cluster, coordinators: new Coordinators(cluster), at }
}

function offsets (errorOf: (group: string) => number): PeerHandler<typeof OffsetFetch> {
  return ({ body, version }) => {
    const topics = (group: string): Array<{ name: string, partitions: Array<{ partitionIndex: number, committedOffset: bigint, metadata: string | null, errorCode: number }> }> => errorOf(group) !== 0
      ? []
      : [{ name: 'a', partitions: [{ partitionIndex: 0, committedOffset: BigInt(10 * group.length), metadata: null, errorCode: 0 }, { partitionIndex: 1, committedOffset: -1n, metadata: '', errorCode: 0 }] }]
    if (version < 8) return { topics: topics(body.groupId), errorCode: errorOf(body.groupId) }
    return { groups: body.groups.map(({ groupId }) => ({ groupId, errorCode: errorOf(groupId), topics: topics(groupId) })) }
  }
}

const held = (offset: number): GroupPosition => ({ topic: 'a', partition: 0, offset, leaderEpoch: -1, metadata: '' })

test('the groups of each coordinator are asked for together, and what fails for one fails for no other', async t => {
  const { peers: [first, second], cluster, coordinators, at } = await start(t)
  at.set('bb', 2)
  at.set('ccc', 2)
  t.match(await fetchGroupOffsets(cluster, coordinators, ['a', 'bb', 'ccc', 'lost'], { signal }), new Map<string, unknown>([
    ['a', [held(10)]], ['bb', [held(20)]], ['ccc', [held(30)]], ['lost', { wireCode: ErrorCodes.COORDINATOR_NOT_AVAILABLE }]
  ]))
  t.same([first.count(OffsetFetch), second.count(OffsetFetch)], [1, 1])
  t.equal(first.count(FindCoordinator) + second.count(FindCoordinator), 1, 'one look-up for all of them')
  second.on(OffsetFetch, offsets(group => group === 'bb' ? ErrorCodes.GROUP_AUTHORIZATION_FAILED : 0))
  t.match(await fetchGroupOffsets(cluster, coordinators, ['bb', 'ccc'], { signal }), new Map<string, unknown>([['bb', { wireCode: ErrorCodes.GROUP_AUTHORIZATION_FAILED }], ['ccc', [held(30)]]]))
  t.equal(first.count(FindCoordinator) + second.count(FindCoordinator), 1, 'who coordinates them is known')
  await second.stop()
  const answers = await fetchGroupOffsets(cluster, coordinators, ['a', 'bb'], { signal })
  t.same(answers.get('a'), [held(10)])
  t.match(answers.get('bb'), { retriable: true })
})

test('a coordinator that has moved is looked up by the next request', async t => {
  const { cluster, coordinators, at } = await start(t)
  await fetchGroupOffsets(cluster, coordinators, ['a'], { signal })
  at.set('a', 2)
  t.match((await fetchGroupOffsets(cluster, coordinators, ['a'], { signal })).get('a'), { wireCode: ErrorCodes.NOT_COORDINATOR, retriable: true })
  t.same((await fetchGroupOffsets(cluster, coordinators, ['a'], { signal })).get('a'), [held(10)])
})

test('half an answer about a group is none', async t => {
  const { peers: [first], cluster, coordinators } = await start(t)
  const rows = [{ partitionIndex: 0, committedOffset: 5n, metadata: '', errorCode: 0 }, { partitionIndex: 1, committedOffset: -1n, metadata: '', errorCode: ErrorCodes.TOPIC_AUTHORIZATION_FAILED }]
  first.on(OffsetFetch, ({ body }) => ({ groups: body.groups.map(({ groupId }) => ({ groupId, errorCode: 0, topics: [{ name: 'a', partitions: rows }] })) }))
  t.match((await fetchGroupOffsets(cluster, coordinators, ['a'], { signal })).get('a'), { wireCode: ErrorCodes.TOPIC_AUTHORIZATION_FAILED, message: /OffsetFetch a a-1/ })
  first.on(OffsetFetch, () => ({ groups: [] }))
  t.match((await fetchGroupOffsets(cluster, coordinators, ['a'], { signal })).get('a'), { message: 'broker 1 left group a out of its answer' })
})

test('brokers that take one group at a time are asked for one at a time', async t => {
  const { peers: [first, second], cluster, coordinators } = await start(t, { versions: { OffsetFetch: [2, 5], FindCoordinator: [0, 3] } })
  t.same(await fetchGroupOffsets(cluster, coordinators, ['a', 'bb'], { signal }), new Map([['a', [held(10)]], ['bb', [held(20)]]]))
  t.equal(first.count(OffsetFetch), 2)
  t.equal(first.count(FindCoordinator) + second.count(FindCoordinator), 2)
})

test('commits are made as somebody who is no member, and every row has its code', async t => {
  const { peers: [first], cluster, coordinators } = await start(t)
  const seen: unknown[] = []
  first.on(OffsetCommit, ({ body }) => {
    seen.push(body)
    return { topics: body.topics.map(({ name, partitions }) => ({ name, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: partitionIndex === 1 ? ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION : 0 })) })) }
  })
  t.same(await commitGroupOffsets(cluster, coordinators, 'a', [held(3), { ...held(4), partition: 1, metadata: 'm' }], { signal, lane: 1 }), new Map([['a/0', 0], ['a/1', ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION]]))
  t.match(seen, [{
    groupId: 'a',
    generationIdOrMemberEpoch: -1,
    memberId: '',
    groupInstanceId: null,
    topics: [{ name: 'a', partitions: [{ partitionIndex: 0, committedOffset: 3n, committedLeaderEpoch: -1, committedMetadata: '' }, { partitionIndex: 1, committedOffset: 4n, committedMetadata: 'm' }] }]
  }])
  first.on(OffsetCommit, () => null)
  const abort = new AbortController()
  const hanging = commitGroupOffsets(cluster, coordinators, 'a', [held(3)], { signal: abort.signal, lane: 1 })
  await first.received(OffsetCommit, 2)
  abort.abort()
  await t.rejects(hanging, { code: 'ABORTED' })
})

test('a listing says why it may not be whole', async t => {
  const { peers: [first, second], cluster, at } = await start(t)
  first.on(ListGroups, () => ({ errorCode: 0, groups: [{ groupId: 'a', protocolType: 'consumer', groupState: 'Stable', groupType: 'Consumer' }] }))
  second.on(ListGroups, () => ({ errorCode: 0, groups: [{ groupId: 'b', protocolType: '', groupState: 'Empty', groupType: 'Classic' }] }))
  t.same(await listGroups(cluster, { signal }), {
    groups: new Map([
      ['a', { groupId: 'a', nodeId: 1, protocolType: 'consumer', state: 'Stable', type: 'consumer' }],
      ['b', { groupId: 'b', nodeId: 2, protocolType: '', state: 'Empty', type: 'classic' }]
    ]),
    gaps: []
  })
  at.set('leader', -1)
  second.on(ListGroups, () => ({ errorCode: ErrorCodes.COORDINATOR_LOAD_IN_PROGRESS, groups: [] }))
  const { groups, gaps } = await listGroups(cluster, { signal })
  t.same([...groups.keys()], ['a'])
  t.match(gaps, [/^1 partitions of __consumer_offsets have no leader/, /^broker 2 does not tell its groups: .*COORDINATOR_LOAD_IN_PROGRESS/])
})

test('a group that does not exist is dead, whatever version says so; deleting one says what is against it', async t => {
  const { peers: [first], cluster, coordinators } = await start(t)
  first.on(DescribeGroups, ({ body }) => ({
    groups: body.groups.map(groupId => ({ groupId, errorCode: groupId === 'gone' ? ErrorCodes.GROUP_ID_NOT_FOUND : ErrorCodes.GROUP_AUTHORIZATION_FAILED, groupState: '', protocolType: '', protocolData: '', members: [] }))
  }))
  t.match(await describeClassicGroups(cluster, coordinators, ['gone', 'secret'], { signal }), new Map<string, unknown>([['gone', { state: 'Dead', members: [] }], ['secret', { wireCode: ErrorCodes.GROUP_AUTHORIZATION_FAILED }]]))
  first.on(DeleteGroups, ({ body }) => ({ throttleTimeMs: 0, results: body.groupsNames.map(groupId => ({ groupId, errorCode: groupId === 'live' ? ErrorCodes.NON_EMPTY_GROUP : 0 })) }))
  await deleteGroup(cluster, coordinators, 'idle', { signal })
  await t.rejects(deleteGroup(cluster, coordinators, 'live', { signal }), { code: 'BROKER_ERROR', message: /NON_EMPTY_GROUP/ })
})
