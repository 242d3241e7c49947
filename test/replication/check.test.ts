/** `check` between embedded clusters: every problem is a line of its own, and nothing is changed by looking. */
import { test } from 'tap'
import { DescribeConfigs } from '../../protocol/messages/describe-configs.ts'
import { DescribeGroups } from '../../protocol/messages/describe-groups.ts'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { OffsetFetch } from '../../protocol/messages/offset-fetch.ts'
import { commit, position } from '../support/group-positions.ts'
import { literal, ShadowPair, until } from '../support/shadow-pair.ts'

test('a link that can be created is said to be, and nothing is created', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'orders', 2)
  const { engine } = pair.startEngine()
  await until('its own link is there', async () => engine.leadership().leading && (await engine.list()).length === 1)
  await pair.untilSame('orders', 2)
  const lines = await engine.check({ ...pair.linkDocument(), name: 'another', append_mode: 'produce', security_sync_options: {} })
  t.same(lines.map(({ name, verdict }) => [name, verdict]), [
    ['name', 'ok'], ['source', 'ok'], ['source brokers', 'ok'], ['source versions', 'ok'],
    ['shadow cluster', 'ok'], ['shadow brokers', 'ok'], ['shadow versions', 'ok'], ['min.insync.replicas', 'ok'], ['unclean elections', 'ok'],
    ['two clusters', 'ok'], ['append mode', 'ok'], ['topics', 'ok'], ['topic names', 'warning'], ['replicas', 'ok'], ['exactness', 'ok'],
    ['ACLs', 'warning'], ['quotas', 'warning']
  ])
  t.match(lines.find(({ name }) => name === 'ACLs'), { text: /cannot be known on both clusters: .*DescribeAcls/, advice: /sync_acls: false/ })
  t.match(lines.find(({ name }) => name === 'topics'), { text: '1 are selected, with 2 partitions: orders' })
  t.match(lines.find(({ name }) => name === 'topic names'), { text: '1 are taken on the shadow cluster: orders (link dr)' })
  t.equal((await engine.list()).length, 1)
  const without = await engine.check({ ...pair.linkDocument(), name: 'another', append_mode: 'produce' })
  t.match(without.filter(({ name }) => name === 'ACLs' || name === 'quotas'), [{ verdict: 'ok', text: 'none are shadowed, and the source shows none' }])
})

test('every problem has its line, and none hides another', async t => {
  const pair = await ShadowPair.start(t)
  const { engine } = pair.startEngine()
  await until('its own link is there', async () => engine.leadership().leading && (await engine.list()).length === 1)
  const bad = { ...pair.linkDocument({ host: '127.0.0.1', port: 1 }), append_mode: 'replica' }
  const lines = await engine.check(bad)
  t.same(lines.filter(({ verdict }) => verdict !== 'ok').map(({ name, verdict }) => [name, verdict]), [['name', 'failed'], ['source', 'failed'], ['shadow leader', 'failed'], ['topics', 'warning']])
  for (const { verdict, advice } of lines) t.equal(advice === null, verdict === 'ok', 'there is advice where something is to be done')

  const itself = { ...pair.linkDocument(pair.shadow.address), name: 'itself' }
  t.match((await engine.check(itself)).find(({ name }) => name === 'two clusters'), { verdict: 'failed', text: /is the shadow cluster itself/ })
  await t.rejects(engine.create(itself, { dryRun: true }), { code: 'CONFLICT', message: /is the shadow cluster itself/ })
  await t.rejects(engine.create(bad, { dryRun: true }), { code: 'CONFLICT', message: 'a link named dr exists already' })
  await t.rejects(engine.create({ ...bad, name: 'gone' }, { dryRun: true }), { code: 'CLUSTER_UNAVAILABLE', message: /^the source at 127\.0\.0\.1:1 cannot be reached/ })
  await t.rejects(engine.create({ ...pair.linkDocument(), name: 'exact', append_mode: 'replica' }, { dryRun: true }), { code: 'CONFLICT', message: /^append mode replica is not possible: this kshadow has no shadow_leader section/ })
  await t.rejects(engine.check({ name: 'dr' }), { code: 'CONFIG_INVALID' })
})

test('a shadow that is written by Produce requests cannot follow a source that is cut off, whether it was asked for or is all there is', async t => {
  const pair = await ShadowPair.start(t)
  const { engine } = pair.startEngine()
  await until('its own link is there', async () => engine.leadership().leading && (await engine.list()).length === 1)
  for (const appendMode of ['produce', 'auto']) {
    const link = { ...pair.linkDocument(), name: 'another', append_mode: appendMode, on_source_truncation: 'follow' }
    t.match((await engine.check(link)).filter(({ verdict }) => verdict === 'failed'), [{ name: 'on_source_truncation', text: /^on_source_truncation: follow needs append mode replica/, advice: /^choose fault/ }])
    await t.rejects(engine.create(link, { dryRun: false }), { code: 'CONFLICT', message: /^on_source_truncation: follow needs append mode replica/ })
  }
  const both = (await engine.check({ ...pair.linkDocument(), name: 'another', append_mode: 'replica', on_source_truncation: 'follow' })).filter(({ verdict }) => verdict === 'failed')
  t.same(both.map(({ name }) => name), ['shadow leader'], 'a mode that is not possible is told once')
  t.match((await engine.check({ ...pair.linkDocument(), name: 'another', on_source_truncation: 'fault' })).filter(({ name }) => name === 'on_source_truncation'), [])
  t.equal((await engine.list()).length, 1)
})

test('a copy that Produce requests write begins at the beginning: another start is refused where auto comes to that', async t => {
  const pair = await ShadowPair.start(t)
  const { engine } = pair.startEngine()
  await until('its own link is there', async () => engine.leadership().leading && (await engine.list()).length === 1)
  for (const [key, value] of [['start_at_latest', {}], ['start_at_timestamp', '2026-01-31T12:00:00Z']] as const) {
    const link = { ...pair.linkDocument(), name: 'another', topic_metadata_sync_options: { [key]: value } }
    t.match((await engine.check(link)).filter(({ verdict }) => verdict === 'failed'), [{ name: key, text: new RegExp(`^${key} needs append mode replica`), advice: /^leave the key out/ }])
    await t.rejects(engine.create(link, { dryRun: false }), { code: 'CONFLICT', message: new RegExp(`^${key} needs append mode replica`) })
    await t.rejects(engine.create({ ...link, append_mode: 'produce' }, { dryRun: false }), { code: 'CONFIG_INVALID' })
  }
  t.equal((await engine.list()).length, 1)
})

test('topic configs that the shadow cluster does not have are refused by their names', async t => {
  const pair = await ShadowPair.start(t)
  const { engine } = pair.startEngine()
  await until('its own link is there', async () => engine.leadership().leading && (await engine.list()).length === 1)
  const link = (...properties: readonly string[]): Record<string, unknown> => ({ ...pair.linkDocument(), name: 'another', topic_metadata_sync_options: { synced_shadow_topic_properties: properties } })
  const bad = link('retention.ms', 'redpanda.remote.write')
  t.match((await engine.check(bad)).find(({ name }) => name === 'synced_shadow_topic_properties'), { verdict: 'failed', text: 'the shadow cluster has no topic config redpanda.remote.write (redpanda.* are topic properties of Redpanda alone)' })
  await t.rejects(engine.create(bad, { dryRun: false }), { code: 'CONFLICT', message: /^the shadow cluster has no topic config redpanda\.remote\.write/ })
  t.match((await engine.check(link('retention.ms'))).find(({ name }) => name === 'synced_shadow_topic_properties'), { verdict: 'ok', text: 'the shadow cluster has them all' })
})

test('auto comes to produce without a shadow leader, and says why and what that cannot copy', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'stamped', 1, { 'message.timestamp.type': 'LogAppendTime' })
  await pair.createTopic('source', 'latest', 1, { 'cleanup.policy': 'compact' })
  await pair.createTopic('source', 'plain')
  await pair.createTopic('shadow', 'plain')
  const { engine } = pair.startEngine()
  await until('its own link is there', async () => engine.leadership().leading && (await engine.list()).length === 1)
  const lines = await engine.check({ ...pair.linkDocument(), name: 'another' })
  t.match(lines.filter(({ name, verdict }) => name === 'exactness' && verdict === 'warning').map(({ text }) => text), [/LogAppendTime.*: stamped$/, /compacted.*: latest$/])
  t.match(lines.find(({ name }) => name === 'shadow leader'), { verdict: 'warning' })
  t.match(lines.find(({ name }) => name === 'append mode'), { verdict: 'warning', text: 'auto comes to produce: this kshadow has no shadow_leader section' })
  t.notOk(lines.some(({ verdict }) => verdict === 'failed'))
  t.match(await engine.status('dr'), { appendMode: 'produce', appendModeReason: /^this kshadow has no shadow_leader section \(add shadow_leader/ })
})

test('filters that select nothing are told', async t => {
  const pair = await ShadowPair.start(t)
  const { engine } = pair.startEngine()
  await until('its own link is there', async () => engine.leadership().leading && (await engine.list()).length === 1)
  const lines = await engine.check({ ...pair.linkDocument(), name: 'another', topic_metadata_sync_options: {} })
  t.match(lines.find(({ name }) => name === 'topics'), { verdict: 'warning', text: /^the filters select none of the/ })
})

test('of consumer groups it says what can be read, and what the shadow lets the engine do', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a')
  pair.write('a', 0, 5)
  const { engine } = pair.startEngine()
  await until('its own link is there', async () => engine.leadership().leading && (await engine.list()).length === 1)
  const linesFor = async (groupSync: Readonly<Record<string, unknown>>): Promise<ReadonlyArray<readonly [string, string, string]>> => {
    const lines = await engine.check({ ...pair.linkDocument(), name: 'another', append_mode: 'produce', consumer_offset_sync_options: groupSync })
    return lines.slice(lines.findIndex(({ name }) => name === 'exactness') + 1).filter(({ name }) => name !== 'ACLs').map(({ name, verdict, text }) => [name, verdict, text] as const)
  }
  t.same(await linesFor({}), [], 'nothing is said of groups where none is selected')
  t.match(await linesFor({ group_filters: literal('*') }), [
    ['groups', 'warning', /^the filters select none of the 0 groups that the source shows/], ['offsets topic', 'ok', String], ['group commits', 'warning', /not known without a group/], ['offsets.retention.minutes', String, String]
  ])
  await commit(pair, 'source', 'app', position(3))
  pair.shadow.onRequest(DescribeConfigs, ({ body }) => {
    const asked = body.resources.find(({ configurationKeys }) => configurationKeys?.includes('offsets.retention.minutes') === true)
    if (asked === undefined) return 'pass'
    const config = { name: 'offsets.retention.minutes', value: '60', readOnly: true, isSensitive: false }
    return { answer: { throttleTimeMs: 0, results: [{ errorCode: 0, errorMessage: null, resourceType: asked.resourceType, resourceName: asked.resourceName, configs: [config] }] } }
  })
  const operations = (bits: number): (() => void) => pair.shadow.onRequest(DescribeGroups, ({ body }) => ({
    answer: { groups: body.groups.map(groupId => ({ errorCode: 0, groupId, groupState: 'Dead', protocolType: '', protocolData: '', members: [], authorizedOperations: bits })) }
  }))
  const READ_ONLY = 1 << 3
  const undo = operations(READ_ONLY)
  t.match(await linesFor({ group_filters: literal('*') }), [
    ['groups', 'ok', /^1 of the 1 that the source shows are selected: app/], ['readable groups', 'ok', /of all can be read/], ['offsets topic', 'ok', String],
    ['group commits', 'ok', /gives the engine READ on the groups/], ['offsets.retention.minutes', 'warning', 'the shadow keeps positions for 60 minutes only']
  ])
  t.match((await linesFor({ group_filters: literal('*'), on_source_deletion: 'delete' }))[3], ['group commits', 'warning', /has not the rights for 1 groups on the shadow: app \(DELETE\)/])
  undo()
  pair.source.onRequest(OffsetFetch, ({ body }) => ({ answer: { groups: body.groups.map(({ groupId }) => ({ groupId, topics: [], errorCode: ErrorCodes.GROUP_AUTHORIZATION_FAILED })) } }))
  t.match((await linesFor({ group_filters: literal('*') })).slice(1, 4), [['readable groups', 'warning', /app .*GROUP_AUTHORIZATION_FAILED/], ['offsets topic', 'ok', String], ['group commits', 'warning', /do not tell what the engine may do/]])
})
