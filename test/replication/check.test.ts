/** `check` between embedded clusters: every problem is a line of its own, and nothing is changed by looking. */
import { test } from 'tap'
import { ShadowPair, until } from '../support/shadow-pair.ts'

test('a link that can be created is said to be, and nothing is created', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'orders', 2)
  const { engine } = pair.startEngine()
  await until('its own link is there', async () => engine.leadership().leading && (await engine.list()).length === 1)
  await pair.untilSame('orders', 2)
  const lines = await engine.check({ ...pair.linkDocument(), name: 'another', append_mode: 'produce' })
  t.same(lines.map(({ name, verdict }) => [name, verdict]), [
    ['name', 'ok'], ['source', 'ok'], ['source brokers', 'ok'], ['source versions', 'ok'],
    ['shadow cluster', 'ok'], ['shadow brokers', 'ok'], ['shadow versions', 'ok'], ['min.insync.replicas', 'ok'], ['unclean elections', 'ok'],
    ['two clusters', 'ok'], ['append mode', 'ok'], ['topics', 'ok'], ['topic names', 'warning'], ['replicas', 'ok'], ['exactness', 'ok']
  ])
  t.match(lines.find(({ name }) => name === 'topics'), { text: '1 are selected, with 2 partitions: orders' })
  t.match(lines.find(({ name }) => name === 'topic names'), { text: '1 are taken on the shadow cluster: orders (link dr)' })
  t.equal((await engine.list()).length, 1)
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
