/** What an engine that takes over knows of the positions that the one before it has committed: all of it, and never more. */
import { test, type Test } from 'tap'
import { OffsetCommit } from '../../protocol/messages/offset-commit.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { readBatches } from '../../protocol/records/record-batch.ts'
import { readRecords } from '../../protocol/records/read-records.ts'
import { deleteGroup } from '../../src/client/admin/group-offsets.ts'
import { Cluster } from '../../src/client/cluster.ts'
import { Coordinators } from '../../src/client/group/coordinators.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import { STATE_TOPIC } from '../../src/state/state-topic.ts'
import { StateWriter } from '../../src/state/state-writer.ts'
import { commit, committed, EVERY, group, position, untilCommitted, untilSynced } from '../support/group-positions.ts'
import { LINK, ShadowPair, until, type RunningEngine } from '../support/shadow-pair.ts'

const signal = new AbortController().signal

async function pairWith (t: Test, groupSync: Readonly<Record<string, unknown>> = EVERY): Promise<ShadowPair> {
  const pair = await ShadowPair.start(t, { groupSync })
  await pair.createTopic('source', 'a')
  pair.write('a', 0, 10)
  return pair
}

/** The keys of what a Produce request writes to the state topic. */
function keysIn (records: Buffer): string[] {
  return readBatches(records).batches.flatMap(batch => [...readRecords(batch, { maxBytes: 1 << 20 })].map(({ key }) => key?.toString('utf8') ?? ''))
}

/** The keys of all records of the state topic about groups, in their order. */
function groupKeys (pair: ShadowPair): string[] {
  return [...pair.shadow.log(STATE_TOPIC, 0).batches(() => true)].flatMap(({ bytes }) => keysIn(bytes)).filter(key => key.startsWith('groups'))
}

async function untilAhead (engine: RunningEngine, name: string): Promise<void> {
  await until(`${name} is ahead`, async () => (await group(engine, name))?.aheadPartitions === 1)
}

async function untilSettled (engine: RunningEngine, rounds: number): Promise<void> {
  await until(`round ${rounds} is settled`, () => (engine.state.state?.claimsOf(LINK).settled?.round ?? 0) >= rounds)
}

test('a group that was rewound while no engine led is followed, but for what consumers of the shadow have committed', async t => {
  const pair = await pairWith(t)
  for (const name of ['app', 'used', 'noted', 'read']) await commit(pair, 'source', name, position(6, { metadata: 'm' }))
  const first = pair.startEngine()
  for (const name of ['app', 'used', 'noted', 'read']) await untilCommitted(pair, name, position(6, { metadata: 'm' }))
  await untilSettled(first, 1)
  await first.stop()
  await commit(pair, 'shadow', 'used', position(7, { metadata: 'm' }))
  // The same offset, and something to tell it apart.
  await commit(pair, 'shadow', 'noted', position(6, { metadata: 'theirs' }))
  await commit(pair, 'shadow', 'read', position(6, { metadata: 'm', leaderEpoch: 0 }))
  for (const name of ['app', 'used', 'noted', 'read']) await commit(pair, 'source', name, position(2))
  const second = pair.startEngine()
  await untilCommitted(pair, 'app', position(2))
  for (const name of ['used', 'noted', 'read']) await untilAhead(second, name)
  await untilSynced(second, 'read')
  t.same(await committed(pair, 'shadow', 'used'), [position(7, { metadata: 'm' })])
  t.same(await committed(pair, 'shadow', 'noted'), [position(6, { metadata: 'theirs' })])
  t.same(await committed(pair, 'shadow', 'read'), [position(6, { metadata: 'm', leaderEpoch: 0 })])
  t.match(await group(second, 'app'), { aheadPartitions: 0 })
})

test('a group that was deleted at the source while no engine led goes, if nobody used it', async t => {
  const pair = await pairWith(t, { ...EVERY, on_source_deletion: 'delete' })
  for (const name of ['gone', 'used']) await commit(pair, 'source', name, position(6))
  const first = pair.startEngine()
  for (const name of ['gone', 'used']) await untilCommitted(pair, name, position(6))
  await untilSettled(first, 1)
  await first.stop()
  await commit(pair, 'shadow', 'used', position(7))
  const coordinators = new Coordinators(pair.sourceCluster)
  for (const name of ['gone', 'used']) await deleteGroup(pair.sourceCluster, coordinators, name, { signal })
  const second = pair.startEngine()
  await until('it is known to be gone', async () => (await group(second, 'used'))?.state === null)
  await untilCommitted(pair, 'gone')
  t.same(await committed(pair, 'shadow', 'used'), [position(7)])
  await until('nothing is claimed of it', () => [...second.state.state?.claimsOf(LINK).shards.values() ?? []].flatMap(({ groups }) => groups.map(([name]) => name)).join() === 'used')
})

test('an engine that dies between record and commit claims neither value: consumers may have come to both', async t => {
  const pair = await pairWith(t)
  for (const name of ['old', 'new']) await commit(pair, 'source', name, position(4))
  const first = pair.startEngine()
  for (const name of ['old', 'new']) await untilCommitted(pair, name, position(4))
  await untilSettled(first, 1)
  const rounds = first.state.state?.claimsOf(LINK).settled?.round ?? 0
  const waiting: string[] = []
  const heal = pair.shadow.onRequest(OffsetCommit, ({ body }) => {
    waiting.push(body.groupId)
    return 'drop'
  })
  for (const name of ['old', 'new']) await commit(pair, 'source', name, position(8))
  await until('both are about to be committed', () => new Set(waiting).size === 2)
  await first.stop()
  heal()
  // Each by a consumer of the shadow, and both as the link would have.
  await commit(pair, 'shadow', 'old', position(4))
  await commit(pair, 'shadow', 'new', position(8))
  for (const name of ['old', 'new']) await commit(pair, 'source', name, position(1))
  const second = pair.startEngine()
  for (const name of ['old', 'new']) await untilAhead(second, name)
  await untilSynced(second, 'new')
  t.same(await committed(pair, 'shadow', 'old'), [position(4)])
  t.same(await committed(pair, 'shadow', 'new'), [position(8)])
  t.equal(second.state.state?.claimsOf(LINK).settled?.round, rounds)
  // Other rounds do not settle that one.
  await commit(pair, 'source', 'other', position(5))
  await untilCommitted(pair, 'other', position(5))
  await untilSettled(second, rounds + 1)
  await second.stop()
  const third = pair.startEngine()
  for (const name of ['old', 'new']) await untilAhead(third, name)
  await untilSynced(third, 'new')
  t.same(await committed(pair, 'shadow', 'new'), [position(8)])
  await commit(pair, 'source', 'new', position(9))
  await untilCommitted(pair, 'new', position(9))
})

test('an engine that dies before it could say that its commits were taken claims none of them', async t => {
  const pair = await pairWith(t)
  await commit(pair, 'source', 'app', position(4))
  const first = pair.startEngine()
  await untilCommitted(pair, 'app', position(4))
  await untilSettled(first, 1)
  const heal = pair.shadow.onRequest(Produce, ({ body }) => body.topicData.some(({ partitionData }) => partitionData.some(({ records }) => records !== null && keysIn(records).some(key => key.startsWith('groups-settled')))) ? 'drop' : 'pass')
  await commit(pair, 'source', 'app', position(8))
  await untilCommitted(pair, 'app', position(8))
  await first.stop()
  heal()
  await commit(pair, 'source', 'app', position(1))
  const second = pair.startEngine()
  await untilAhead(second, 'app')
  await untilSynced(second, 'app')
  t.same(await committed(pair, 'shadow', 'app'), [position(8)])
  await commit(pair, 'source', 'app', position(8))
  await until('it is level again', async () => (await group(second, 'app'))?.aheadPartitions === 0)
  await untilSynced(second, 'app')
  await commit(pair, 'source', 'app', position(2))
  await untilCommitted(pair, 'app', position(2))
})

test('a commit that was refused is not claimed, and what was there before still is', async t => {
  const pair = await pairWith(t)
  await commit(pair, 'source', 'app', position(4))
  const first = pair.startEngine()
  await untilCommitted(pair, 'app', position(4))
  await untilSettled(first, 1)
  pair.shadow.onRequest(OffsetCommit, ({ body }) => ({ answer: { topics: body.topics.map(({ name, topicId, partitions }) => ({ name, topicId, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: 29 })) })) } }))
  await commit(pair, 'source', 'app', position(8))
  await until('it was refused', async () => (await group(first, 'app'))?.problem !== null)
  await untilSettled(first, 2)
  await first.stop()
  const shadow = [...first.state.state?.claimsOf(LINK).shards.values() ?? []]
  t.match(shadow.map(({ groups }) => groups), [[['app', Number, [['a', /^0:/, '']]]]])
})

test('after a takeover nothing is committed or written that is there already', async t => {
  const GROUPS = 200
  const pair = await pairWith(t, { ...EVERY, interval: '1s' })
  for (let index = 0; index < GROUPS; index++) await commit(pair, 'source', `app-${index}`, position(index % 10))
  const first = pair.startEngine()
  await until('all are there', async () => (await first.link())?.groups.filter(({ syncedAt }) => syncedAt !== null).length === GROUPS)
  await untilSettled(first, 1)
  const written = groupKeys(pair)
  t.equal(written.filter(key => key === `groups-settled/${LINK}`).length, 1)
  t.ok(written.length <= 257, `${written.length} records`)
  await untilSynced(first, 'app-0')
  t.same(groupKeys(pair), written, 'nothing is written when nothing has changed')
  await first.stop()
  let commits = 0
  pair.shadow.onRequest(OffsetCommit, () => {
    commits++
    return 'pass'
  })
  const second = pair.startEngine()
  await until('all are synced again', async () => (await second.link())?.groups.filter(({ syncedAt }) => syncedAt !== null).length === GROUPS)
  await untilSynced(second, 'app-0')
  t.equal(commits, 0)
  t.same(groupKeys(pair), written)
  await commit(pair, 'source', 'app-3', position(9))
  await untilCommitted(pair, 'app-3', position(9))
  t.equal(commits, 1)
  await until('two records say so', () => groupKeys(pair).length === written.length + 2)
})

test('what is claimed of a topic ends when it is opened, and all of it with the link', async t => {
  const pair = await ShadowPair.start(t, { groupSync: EVERY })
  for (const name of ['a', 'b']) {
    await pair.createTopic('source', name)
    pair.write(name, 0, 10)
  }
  await commit(pair, 'source', 'app', position(3), position(3, { topic: 'b' }))
  const engine = pair.startEngine()
  await untilCommitted(pair, 'app', position(3), position(3, { topic: 'b' }))
  await untilSettled(engine, 1)
  const topics = (): string => [...engine.state.state?.claimsOf(LINK).shards.values() ?? []].flatMap(({ groups }) => groups.flatMap(([, , rows]) => rows.map(([topic]) => topic))).join()
  t.equal(topics(), 'a,b')
  await engine.engine.failover(LINK, 'a')
  await until('one is claimed', () => topics() === 'b')
  await engine.engine.delete(LINK, { force: true })
  await until('the link is gone', () => engine.state.state?.links.size === 0)
  t.same(engine.state.state?.claimsOf(LINK), { shards: new Map(), settled: null })
})

test('what an engine that was replaced claims is not applied, and overwritten', async t => {
  const pair = await pairWith(t)
  await commit(pair, 'source', 'app', position(6))
  const first = pair.startEngine()
  await untilCommitted(pair, 'app', position(6))
  await untilSettled(first, 1)
  await first.stop()
  const engine = pair.startEngine()
  await untilSynced(engine, 'app')
  const claims = engine.state.state?.claimsOf(LINK)
  const [[shard, record] = [0, null]] = [...claims?.shards ?? []]
  if (record === null) throw new Error('no record')
  const stale = new Cluster({ bootstrapServers: [pair.shadow.address], clientId: 'stale', logger: silentLogger })
  t.teardown(() => stale.close())
  const writer = new StateWriter(stale, { epoch: 1, signal })
  const end = await writer.write([
    { kind: 'groups', link: LINK, shard, value: { ...record, groups: [] } },
    { kind: 'groups', link: LINK, shard: 255 - shard, value: record },
    { kind: 'groups-settled', link: LINK, value: { uid: record.uid, round: 99 } },
    { kind: 'groups', link: 'nobody', shard, value: record }
  ])
  const state = await engine.state.reached(end, signal)
  await until('all were written again', () => state.fenced.size === 0)
  t.same([...state.claimsOf(LINK).shards.values()].map(({ groups }) => groups.map(([name]) => name)), [['app']])
  t.equal(state.claimsOf(LINK).settled?.round, 1)
  t.equal(state.claimsOf('nobody').shards.size, 0)
})

test('a source that is gone does not make the next engine commit again what was committed a moment ago', async t => {
  const pair = await pairWith(t)
  await commit(pair, 'source', 'app', position(6))
  const first = pair.startEngine()
  await untilCommitted(pair, 'app', position(6))
  await untilSettled(first, 1)
  await first.stop()
  let commits = 0
  pair.shadow.onRequest(OffsetCommit, () => {
    commits++
    return 'pass'
  })
  await pair.source.stop()
  const second = pair.startEngine()
  await until('it has tried', async () => (await second.link())?.tasks.find(({ name }) => name === 'Consumer Group Shadowing')?.state === 'LINK_UNAVAILABLE')
  t.equal(commits, 0)
})
