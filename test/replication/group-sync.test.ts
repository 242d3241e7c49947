import { test } from 'tap'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { DescribeConfigs } from '../../protocol/messages/describe-configs.ts'
import { ListGroups } from '../../protocol/messages/list-groups.ts'
import { OffsetCommit } from '../../protocol/messages/offset-commit.ts'
import { OffsetFetch } from '../../protocol/messages/offset-fetch.ts'
import { deleteGroup, deleteGroupOffsets } from '../../src/client/admin/group-offsets.ts'
import { Coordinators } from '../../src/client/group/coordinators.ts'
import { GroupMember } from '../../src/client/group/group-member.ts'
import { commit, committed, EVERY, group, position, task, untilCommitted, untilSynced } from '../support/group-positions.ts'
import { LINK, literal, ShadowPair, until } from '../support/shadow-pair.ts'

const signal = new AbortController().signal

test('copies the positions of the selected groups within what the shadow holds, and follows them both ways', async t => {
  const pair = await ShadowPair.start(t, {
    topicSync: { auto_create_shadow_topic_filters: literal('a') },
    groupSync: { interval: '100ms', group_filters: [...literal('*'), { pattern_type: 'PREFIX', filter_type: 'EXCLUDE', name: 'no-' }] }
  })
  await pair.createTopic('source', 'a', 2)
  await pair.createTopic('source', 'unshadowed')
  pair.write('a', 0, 10)
  pair.write('unshadowed', 0, 3)
  await commit(pair, 'source', 'app', position(4, { leaderEpoch: 0, metadata: 'here' }), position(7, { partition: 1 }), position(2, { topic: 'unshadowed' }))
  await commit(pair, 'source', 'no-app', position(4))
  const engine = pair.startEngine()
  await pair.untilSame('a', 2)
  // Partition 1 ends at 0: a position beyond it waits there.
  await untilCommitted(pair, 'app', position(4, { metadata: 'here' }), position(0, { partition: 1 }))
  await until('the status says so', async () => (await group(engine, 'app'))?.clampedPartitions === 1)
  await until('its members are known', async () => (await group(engine, 'app'))?.members !== null)
  t.match(await group(engine, 'app'), { state: 'Empty', type: 'classic', members: [], isLiveOnShadow: false, partitions: 2, aheadPartitions: 0, problem: null })
  await until('the task says what it did', async () => /^1 groups of the source are selected/.test((await task(engine))?.reason ?? ''))
  t.same(await committed(pair, 'shadow', 'no-app'), [])

  pair.write('a', 1, 8)
  await untilCommitted(pair, 'app', position(4, { metadata: 'here' }), position(7, { partition: 1 }))
  await commit(pair, 'source', 'app', position(9), position(8, { partition: 1 }))
  await untilCommitted(pair, 'app', position(9), position(8, { partition: 1 }))
  await commit(pair, 'source', 'app', position(1))
  await untilCommitted(pair, 'app', position(1), position(8, { partition: 1 }))
})

test('a position that consumers of the shadow committed is never moved backwards, by no engine', async t => {
  const pair = await ShadowPair.start(t, { groupSync: EVERY })
  await pair.createTopic('source', 'a')
  pair.write('a', 0, 10)
  await commit(pair, 'source', 'app', position(3))
  const first = pair.startEngine()
  await untilCommitted(pair, 'app', position(3))
  await commit(pair, 'shadow', 'app', position(6))
  await until('it is shown', async () => (await group(first, 'app'))?.aheadPartitions === 1)
  await commit(pair, 'source', 'app', position(5))
  await untilSynced(first, 'app')
  t.same(await committed(pair, 'shadow', 'app'), [position(6)])
  await first.stop()
  const second = pair.startEngine()
  await until('the next engine shows it', async () => (await group(second, 'app'))?.aheadPartitions === 1)
  await commit(pair, 'source', 'app', position(2))
  await untilSynced(second, 'app')
  t.same(await committed(pair, 'shadow', 'app'), [position(6)])
  await commit(pair, 'source', 'app', position(8))
  await untilCommitted(pair, 'app', position(8))
  await commit(pair, 'source', 'app', position(1))
  await untilCommitted(pair, 'app', position(1))
})

test('a group that is live on the shadow is left alone, also when it came to life a moment ago', async t => {
  const pair = await ShadowPair.start(t, { groupSync: EVERY })
  await pair.createTopic('source', 'a')
  pair.write('a', 0, 10)
  await commit(pair, 'source', 'app', position(3))
  const engine = pair.startEngine()
  await untilCommitted(pair, 'app', position(3))
  const member = new GroupMember(pair.shadowCluster, { groupId: 'app', sessionTimeoutMs: 30_000, requestTimeoutMs: 5000 })
  await member.join({ signal })
  await member.sync({ signal })
  // The listing does not know of it yet.
  const blind = pair.shadow.onRequest(ListGroups, () => ({ answer: { errorCode: 0, groups: [] } }))
  await commit(pair, 'source', 'app', position(5))
  await until('it is seen to be live', async () => (await group(engine, 'app'))?.isLiveOnShadow === true)
  blind()
  let commits = 0
  pair.shadow.onRequest(OffsetCommit, () => {
    commits++
    return 'pass'
  })
  await new Promise(resolve => setTimeout(resolve, 2500))
  t.equal(commits, 0, 'who is known to be live is not asked')
  t.match(await group(engine, 'app'), { isLiveOnShadow: true, problem: null })
  t.match(await task(engine), { state: 'ACTIVE' })
  t.same(await committed(pair, 'shadow', 'app'), [position(3)])
  await member.leave({ signal })
  await untilCommitted(pair, 'app', position(5))
})

test('a failover waits for a commit that is under way, and nothing is committed for the topic after it', async t => {
  const pair = await ShadowPair.start(t, { groupSync: EVERY })
  for (const name of ['a', 'b']) {
    await pair.createTopic('source', name)
    pair.write(name, 0, 10)
  }
  await commit(pair, 'source', 'app', position(3), position(3, { topic: 'b' }))
  const engine = pair.startEngine()
  await untilCommitted(pair, 'app', position(3), position(3, { topic: 'b' }))
  let release: () => void = () => {}
  const gate = new Promise<void>(resolve => { release = resolve })
  const topics: string[][] = []
  pair.shadow.onRequest(OffsetCommit, async ({ body }) => {
    topics.push(body.topics.map(({ name }) => name))
    if (topics.length === 1) await gate
    return 'pass' as const
  })
  await commit(pair, 'source', 'app', position(5), position(5, { topic: 'b' }))
  await until('a commit is under way', () => topics.length === 1)
  await engine.engine.failover(LINK, 'a')
  await new Promise(resolve => setTimeout(resolve, 1000))
  t.equal((await engine.topic('a'))?.state, 'FAILING_OVER', 'it is not open')
  t.equal(engine.state.state?.ruleFor('a').access, 'read-only')
  release()
  await until('it is failed over', async () => (await engine.topic('a'))?.state === 'FAILED_OVER')
  t.same(await committed(pair, 'shadow', 'app'), [position(5), position(5, { topic: 'b' })])
  await commit(pair, 'source', 'app', position(8), position(8, { topic: 'b' }))
  await untilCommitted(pair, 'app', position(5), position(8, { topic: 'b' }))
  t.same(topics.slice(1).flat().filter(name => name === 'a'), [])
  await engine.engine.failover(LINK, null)
  await until('nothing is left to do', async () => /no topic is shadowed/.test((await task(engine))?.reason ?? ''))
})

test('a promotion copies the last positions before it opens the topic, and waits for a source that does not tell them', async t => {
  const pair = await ShadowPair.start(t, { groupSync: { interval: '1h', group_filters: literal('*') } })
  for (const name of ['a', 'b']) {
    await pair.createTopic('source', name)
    pair.write(name, 0, 10)
  }
  await commit(pair, 'source', 'app', position(3))
  const engine = pair.startEngine()
  await pair.untilSame('a')
  await until('the task has run', async () => (await task(engine))?.state === 'ACTIVE')
  await commit(pair, 'source', 'app', position(9), position(4, { topic: 'b' }))
  const mend = pair.source.onRequest(OffsetFetch, ({ body }) => ({ answer: { groups: body.groups.map(({ groupId }) => ({ groupId, topics: [], errorCode: ErrorCodes.COORDINATOR_LOAD_IN_PROGRESS })) } }))
  await engine.engine.promote(LINK, 'a')
  await until('it says what it waits for', async () => /the positions of its consumer groups cannot be copied: group app: .*COORDINATOR_LOAD_IN_PROGRESS/.test((await engine.topic('a'))?.problem ?? ''))
  t.equal((await engine.topic('a'))?.state, 'PROMOTING')
  mend()
  await until('it is promoted', async () => (await engine.topic('a'))?.state === 'PROMOTED')
  t.same((await committed(pair, 'shadow', 'app')).filter(({ topic }) => topic === 'a'), [position(9)])

  const refused = pair.source.onRequest(OffsetFetch, ({ body }) => ({ answer: { groups: body.groups.map(({ groupId }) => ({ groupId, topics: [], errorCode: ErrorCodes.GROUP_AUTHORIZATION_FAILED })) } }))
  await engine.engine.promote(LINK, 'b')
  await until('what waiting does not mend does not keep it closed', async () => (await engine.topic('b'))?.state === 'PROMOTED')
  refused()
})

test('what the source deleted stays, or goes where that is wanted and certain', async t => {
  for (const policy of ['keep', 'delete'] as const) {
    const pair = await ShadowPair.start(t, { groupSync: { ...EVERY, on_source_deletion: policy } })
    await pair.createTopic('source', 'a', 2)
    pair.write('a', 0, 10)
    pair.write('a', 1, 10)
    for (const name of ['gone', 'used', 'partly']) await commit(pair, 'source', name, position(3), position(4, { partition: 1 }))
    const engine = pair.startEngine()
    for (const name of ['gone', 'used', 'partly']) await untilCommitted(pair, name, position(3), position(4, { partition: 1 }))
    await commit(pair, 'shadow', 'used', position(5))
    const coordinators = new Coordinators(pair.sourceCluster)
    for (const name of ['gone', 'used']) await deleteGroup(pair.sourceCluster, coordinators, name, { signal })
    await deleteGroupOffsets(pair.sourceCluster, coordinators, 'partly', [{ topic: 'a', partition: 1 }], { signal })
    const blind = pair.source.onRequest(ListGroups, () => ({ answer: { errorCode: ErrorCodes.COORDINATOR_LOAD_IN_PROGRESS, groups: [] } }))
    await until('a broker that does not tell its groups is a fault', async () => (await task(engine))?.state === 'FAULTED')
    t.match(await task(engine), { reason: /not all groups of the source are known: broker 1 does not tell its groups/ })
    await new Promise(resolve => setTimeout(resolve, 3500))
    t.equal((await committed(pair, 'shadow', 'gone')).length, 2, 'partial knowledge deletes nothing')
    blind()
    await until('the task is well again', async () => (await task(engine))?.state === 'ACTIVE')
    if (policy === 'delete') {
      await untilCommitted(pair, 'gone')
      await untilCommitted(pair, 'partly', position(3))
    } else {
      await new Promise(resolve => setTimeout(resolve, 4500))
      t.same(await committed(pair, 'shadow', 'gone'), [position(3), position(4, { partition: 1 })])
      t.same(await committed(pair, 'shadow', 'partly'), [position(3), position(4, { partition: 1 })])
      t.match(await group(engine, 'gone'), { state: null, members: null })
    }
    t.same(await committed(pair, 'shadow', 'used'), [position(5), position(4, { partition: 1 })], 'what consumers used is nobody\'s to delete')
  }
})

test('nothing expires while it is shadowed, not even without a source', async t => {
  const pair = await ShadowPair.start(t, { groupSync: EVERY })
  await pair.createTopic('source', 'a')
  pair.write('a', 0, 10)
  await commit(pair, 'source', 'app', position(3))
  pair.shadow.onRequest(DescribeConfigs, ({ body }) => {
    const asked = body.resources.find(({ configurationKeys }) => configurationKeys?.includes('offsets.retention.minutes') === true)
    if (asked === undefined) return 'pass'
    const config = { name: 'offsets.retention.minutes', value: '0.08', readOnly: true, isSensitive: false }
    return { answer: { throttleTimeMs: 0, results: [{ errorCode: 0, errorMessage: null, resourceType: asked.resourceType, resourceName: asked.resourceName, configs: [config] }] } }
  })
  const engine = pair.startEngine()
  await untilCommitted(pair, 'app', position(3))
  const renewed: number[] = []
  pair.shadow.onRequest(OffsetCommit, ({ body }) => {
    renewed.push(Number(body.topics[0]?.partitions[0]?.committedOffset))
    return 'pass'
  })
  await until('it was committed again', () => renewed.length >= 2)
  await pair.source.stop()
  await until('the source is gone', async () => (await task(engine))?.state === 'LINK_UNAVAILABLE')
  renewed.length = 0
  await until('it is committed again without a source', () => renewed.length >= 2)
  t.same([...new Set(renewed)], [3])
  // As a broker does with a group that was once joined here.
  await deleteGroup(pair.shadowCluster, new Coordinators(pair.shadowCluster), 'app', { signal })
  await untilCommitted(pair, 'app', position(3))
})

test('a position whose metadata the shadow does not take is committed without it, and named', async t => {
  const pair = await ShadowPair.start(t, { groupSync: EVERY })
  await pair.createTopic('source', 'a', 2)
  pair.write('a', 0, 10)
  pair.write('a', 1, 10)
  const LONG = 'x'.repeat(4000)
  await commit(pair, 'source', 'app', position(3, { metadata: LONG }), position(4, { partition: 1, metadata: 'short' }))
  // As a shadow with a lower offset.metadata.max.bytes, which it does not tell.
  const mend = pair.shadow.onRequest(OffsetCommit, ({ body }) => {
    const isTooLong = body.topics.some(({ partitions }) => partitions.some(({ committedMetadata }) => (committedMetadata?.length ?? 0) > 100))
    if (!isTooLong) return 'pass'
    const codeOf = (metadata: string | null): number => (metadata?.length ?? 0) > 100 ? ErrorCodes.OFFSET_METADATA_TOO_LARGE : ErrorCodes.NONE
    refusals++
    return { answer: { topics: body.topics.map(({ name, topicId, partitions }) => ({ name, topicId, partitions: partitions.map(({ partitionIndex, committedMetadata }) => ({ partitionIndex, errorCode: codeOf(committedMetadata) })) })) } }
  })
  let refusals = 0
  const engine = pair.startEngine()
  await until('it is there without', async () => (await committed(pair, 'shadow', 'app')).some(({ partition, offset, metadata }) => partition === 0 && offset === 3 && metadata === ''))
  await until('it is named', async () => (await group(engine, 'app'))?.withoutMetadata.join() === 'a-0')
  t.match(await group(engine, 'app'), { problem: null, aheadPartitions: 0 })
  await commit(pair, 'source', 'app', position(2, { metadata: LONG }))
  await until('it follows', async () => (await committed(pair, 'shadow', 'app'))[0]?.offset === 2)
  t.equal(refusals, 1, 'what was refused once is not tried again')
  mend()
})
