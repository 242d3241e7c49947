import { test, type Test } from 'tap'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
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
import type { ResponseOf } from '../../protocol/schema/api.ts'
import type { EmbeddedBroker } from '../../src/embedded/embedded-broker.ts'
import { connect, Peer, startPeer } from './peer.ts'

const GROUP = 'group'

interface JoinOptions {
  readonly memberId?: string
  readonly groupInstanceId?: string | null
  readonly sessionTimeoutMs?: number
  readonly rebalanceTimeoutMs?: number
  readonly protocols?: readonly string[]
  readonly version?: number
}

type Joined = ResponseOf<typeof JoinGroup>

/** A member with a connection of its own: a JoinGroup that waits holds up what comes after it. */
class TestMember {
  readonly peer: Peer
  memberId = ''
  generationId = -1

  constructor (peer: Peer) {
    this.peer = peer
  }

  async join (options: JoinOptions = {}): Promise<Joined> {
    const { memberId = this.memberId, groupInstanceId = null, sessionTimeoutMs = 10_000, rebalanceTimeoutMs = 10_000, protocols = ['range'], version = 9 } = options
    const joined = await this.peer.ask(JoinGroup, {
      groupId: GROUP,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      memberId,
      ...(version >= 5 ? { groupInstanceId } : {}),
      protocolType: 'consumer',
      protocols: protocols.map(name => ({ name, metadata: Buffer.from(`${name} of mine`) }))
    }, version)
    this.memberId = joined.memberId
    if (joined.errorCode === ErrorCodes.MEMBER_ID_REQUIRED) return await this.join(options)
    this.generationId = joined.generationId
    return joined
  }

  async sync (assignments: Readonly<Record<string, string>> = {}, groupInstanceId: string | null = null): Promise<ResponseOf<typeof SyncGroup>> {
    return await this.peer.ask(SyncGroup, {
      groupId: GROUP,
      generationId: this.generationId,
      memberId: this.memberId,
      groupInstanceId,
      assignments: Object.entries(assignments).map(([memberId, text]) => ({ memberId, assignment: Buffer.from(text) }))
    })
  }

  async heartbeat (groupInstanceId: string | null = null): Promise<number> {
    return (await this.peer.ask(Heartbeat, { groupId: GROUP, generationId: this.generationId, memberId: this.memberId, groupInstanceId })).errorCode
  }

  async commit (offset: bigint): Promise<number | undefined> {
    const { topics } = await this.peer.ask(OffsetCommit, {
      groupId: GROUP,
      generationIdOrMemberEpoch: this.generationId,
      memberId: this.memberId,
      topics: [{ name: 'topic', partitions: [{ partitionIndex: 0, committedOffset: offset, committedMetadata: 'note' }] }]
    }, 9)
    return topics[0]?.partitions[0]?.errorCode
  }
}

async function member (t: Test, broker: EmbeddedBroker): Promise<TestMember> {
  return new TestMember(new Peer(broker, await connect(t, broker)))
}

/** Two members of one stable group, the first its leader. */
async function pair (t: Test, options: JoinOptions = {}): Promise<readonly [TestMember, TestMember, Peer]> {
  const peer = await startPeer(t)
  await peer.createTopic('topic')
  const leader = await member(t, peer.broker)
  const follower = await member(t, peer.broker)
  await leader.join(options)
  await leader.sync()
  const joining = follower.join(options)
  await rebalancing(leader)
  await Promise.all([leader.join(options), joining])
  const syncing = follower.sync()
  await leader.sync({ [leader.memberId]: 'first', [follower.memberId]: 'second' })
  await syncing
  return [leader, follower, peer]
}

/** Heartbeats until the group rebalances, as a member does. */
async function rebalancing (of: TestMember): Promise<void> {
  while (await of.heartbeat() !== ErrorCodes.REBALANCE_IN_PROGRESS) await new Promise(resolve => setTimeout(resolve, 5))
}

test('a member comes back with the id that it was given, and leads when it is alone', async t => {
  const peer = await startPeer(t)
  const one = await member(t, peer.broker)
  const first = await one.peer.ask(JoinGroup, { groupId: GROUP, sessionTimeoutMs: 1000, rebalanceTimeoutMs: 1000, memberId: '', protocolType: 'consumer', protocols: [{ name: 'range', metadata: Buffer.alloc(0) }] })
  t.equal(first.errorCode, ErrorCodes.MEMBER_ID_REQUIRED)
  t.match(first.memberId, /^test-/)
  const joined = await one.join({ memberId: first.memberId })
  t.match(joined, { errorCode: 0, generationId: 1, protocolType: 'consumer', protocolName: 'range', leader: first.memberId, memberId: first.memberId, members: [{ memberId: first.memberId }] })
  const synced = await one.sync({ [one.memberId]: 'all of it' })
  t.equal(synced.assignment.toString(), 'all of it')
  t.equal(await one.heartbeat(), 0)
})

test('old clients join without being asked to come back', async t => {
  const peer = await startPeer(t)
  const one = await member(t, peer.broker)
  t.match(await one.join({ version: 0 }), { errorCode: 0, generationId: 1 })
})

test('members', async t => {
  await t.test('get what the leader assigned to them, and the protocol that all of them know', async t => {
    const [leader, follower, peer] = await pair(t, { protocols: ['sticky', 'range'] })
    t.equal(leader.generationId, 2)
    t.equal((await leader.sync()).assignment.toString(), 'first')
    t.equal((await follower.sync()).assignment.toString(), 'second')
    const { groups } = await peer.ask(DescribeGroups, { groups: [GROUP, 'none'] })
    t.match(groups, [
      { errorCode: 0, groupState: 'Stable', protocolType: 'consumer', protocolData: 'sticky', members: [{ clientId: 'test', clientHost: '/127.0.0.1', memberAssignment: Buffer.from('first') }, {}] },
      { errorCode: ErrorCodes.GROUP_ID_NOT_FOUND, groupState: 'Dead' }
    ])
    t.match((await peer.ask(ListGroups, { statesFilter: ['Stable'] })).groups, [{ groupId: GROUP, groupState: 'Stable', groupType: 'classic' }])
    t.same((await peer.ask(ListGroups, { statesFilter: ['Empty'] })).groups, [])
  })

  await t.test('of another protocol are refused', async t => {
    const [, , peer] = await pair(t)
    const stranger = await member(t, peer.broker)
    t.equal((await stranger.join({ protocols: ['unheard-of'] })).errorCode, ErrorCodes.INCONSISTENT_GROUP_PROTOCOL)
  })

  await t.test('who leave make the others share again', async t => {
    const [leader, follower] = await pair(t)
    const { members } = await follower.peer.ask(LeaveGroup, { groupId: GROUP, members: [{ memberId: follower.memberId }, { memberId: 'nobody' }] })
    t.same(members.map(({ errorCode }) => errorCode), [0, ErrorCodes.UNKNOWN_MEMBER_ID])
    t.equal(await leader.heartbeat(), ErrorCodes.REBALANCE_IN_PROGRESS)
    t.match(await leader.join(), { errorCode: 0, generationId: 3, members: [{ memberId: leader.memberId }] })
    t.equal(await follower.heartbeat(), ErrorCodes.UNKNOWN_MEMBER_ID)
  })

  await t.test('who give no sign of life are gone after their session', async t => {
    const [leader, follower] = await pair(t, { sessionTimeoutMs: 150, rebalanceTimeoutMs: 5000 })
    await rebalancing(leader)
    t.match(await leader.join(), { errorCode: 0, members: [{ memberId: leader.memberId }] })
    t.equal(await follower.heartbeat(), ErrorCodes.UNKNOWN_MEMBER_ID)
  })

  await t.test('who do not join again in time are left out', async t => {
    const [leader, follower, peer] = await pair(t, { rebalanceTimeoutMs: 200 })
    const third = await member(t, peer.broker)
    const joining = third.join({ rebalanceTimeoutMs: 200 })
    await rebalancing(leader)
    const joined = await leader.join({ rebalanceTimeoutMs: 200 })
    t.equal(joined.members.length, 2)
    await joining
    t.equal(await follower.heartbeat(), ErrorCodes.UNKNOWN_MEMBER_ID)
  })

  await t.test('who do not come for their assignment are left out', async t => {
    const [leader, follower] = await pair(t, { rebalanceTimeoutMs: 200 })
    const again = leader.join({ rebalanceTimeoutMs: 200 })
    await rebalancing(follower)
    await Promise.all([again, follower.join({ rebalanceTimeoutMs: 200 })])
    await leader.sync({ [leader.memberId]: 'first' })
    await rebalancing(leader)
    t.match(await leader.join(), { errorCode: 0, members: [{ memberId: leader.memberId }] })
  })

  await t.test('of an older generation are told so', async t => {
    const [leader, follower] = await pair(t)
    follower.generationId = 1
    t.equal(await follower.heartbeat(), ErrorCodes.ILLEGAL_GENERATION)
    t.equal((await follower.sync()).errorCode, ErrorCodes.ILLEGAL_GENERATION)
    t.equal(await follower.commit(1n), ErrorCodes.ILLEGAL_GENERATION)
    t.equal(await leader.commit(1n), 0)
  })
})

test('a static member comes back to its place without a rebalance, and its old self is fenced', async t => {
  const peer = await startPeer(t)
  const before = await member(t, peer.broker)
  t.match(await before.join({ groupInstanceId: 'me' }), { errorCode: 0, generationId: 1 })
  await before.sync({ [before.memberId]: 'mine' }, 'me')
  const after = await member(t, peer.broker)
  t.match(await after.join({ groupInstanceId: 'me' }), { errorCode: 0, generationId: 1, skipAssignment: true })
  t.equal((await after.sync({}, 'me')).assignment.toString(), 'mine')
  t.equal(await before.heartbeat('me'), ErrorCodes.FENCED_INSTANCE_ID)
  t.equal(await after.heartbeat('me'), 0)
  const { members } = await peer.ask(LeaveGroup, { groupId: GROUP, members: [{ memberId: '', groupInstanceId: 'me' }] })
  t.equal(members[0]?.errorCode, 0)
})

test('committed offsets', async t => {
  const peer = await startPeer(t)
  const topicId = await peer.createTopic('topic', { partitions: 2 })
  const alone = new TestMember(peer)
  const single = async (): Promise<unknown> => (await peer.ask(OffsetFetch, { groupId: GROUP, topics: [{ name: 'topic', partitionIndexes: [0] }] }, 7)).topics[0]?.partitions[0]

  await t.test('are kept for whoever is no member of anything', async t => {
    t.match(await single(), { committedOffset: -1n, errorCode: 0 })
    t.equal(await alone.commit(5n), 0)
    t.match(await single(), { committedOffset: 5n, metadata: 'note', errorCode: 0 })
  })

  await t.test('are read for many groups at once, by topic id too', async t => {
    const { groups } = await peer.ask(OffsetFetch, { groups: [{ groupId: GROUP, topics: null }, { groupId: 'other', topics: [{ topicId, partitionIndexes: [0] }] }] }, 10)
    t.match(groups, [
      { groupId: GROUP, errorCode: 0, topics: [{ topicId, partitions: [{ partitionIndex: 0, committedOffset: 5n }] }] },
      { groupId: 'other', errorCode: 0, topics: [{ topicId, partitions: [{ committedOffset: -1n }] }] }
    ])
  })

  await t.test('of topics that are not there, or that cannot be kept as they are, are refused', async t => {
    const { topics } = await peer.ask(OffsetCommit, {
      groupId: GROUP,
      topics: [
        { name: 'topic', partitions: [{ partitionIndex: 1, committedOffset: 1n, committedMetadata: 'x'.repeat(5000) }, { partitionIndex: 0, committedOffset: 2n ** 60n, committedMetadata: null }, { partitionIndex: 7, committedOffset: 1n, committedMetadata: null }] },
        { name: 'none', partitions: [{ partitionIndex: 0, committedOffset: 1n, committedMetadata: null }] }
      ]
    }, 9)
    t.same(topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode)), [
      ErrorCodes.OFFSET_METADATA_TOO_LARGE, ErrorCodes.INVALID_COMMIT_OFFSET_SIZE, ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION, ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION
    ])
  })

  await t.test('are not taken from outside while the group has members', async t => {
    const one = await member(t, peer.broker)
    await one.join()
    await one.sync()
    t.equal(await alone.commit(9n), ErrorCodes.UNKNOWN_MEMBER_ID)
    t.match(await peer.ask(OffsetDelete, { groupId: GROUP, topics: [{ name: 'topic', partitions: [{ partitionIndex: 0 }] }] }), { topics: [{ partitions: [{ errorCode: ErrorCodes.GROUP_SUBSCRIBED_TO_TOPIC }] }] })
    t.match((await peer.ask(DeleteGroups, { groupsNames: [GROUP, 'none'] })).results, [{ errorCode: ErrorCodes.NON_EMPTY_GROUP }, { errorCode: ErrorCodes.GROUP_ID_NOT_FOUND }])
    await one.peer.ask(LeaveGroup, { groupId: GROUP, members: [{ memberId: one.memberId }] })
  })

  await t.test('go one by one, or with the group', async t => {
    t.match(await peer.ask(OffsetDelete, { groupId: GROUP, topics: [{ name: 'topic', partitions: [{ partitionIndex: 0 }] }] }), { errorCode: 0, topics: [{ partitions: [{ errorCode: 0 }] }] })
    t.match(await single(), { committedOffset: -1n })
    t.equal(await alone.commit(5n), 0)
    t.match((await peer.ask(DeleteGroups, { groupsNames: [GROUP] })).results, [{ errorCode: 0 }])
    t.same((await peer.ask(ListGroups, {})).groups, [])
  })
})
