/** Schemas in the life of a link: by topic and by API, on embedded brokers and with stand-ins for schema registries. */
import { test, type Test } from 'tap'
import type { TaskStatus } from '../../src/replication/link-service.ts'
import { LINK, literal, oneBatch, RunningEngine, ShadowPair, until } from '../support/shadow-pair.ts'
import { SchemaRegistry } from '../support/schema-registry.ts'

const TOPIC_MODE = { schema_registry_sync_options: { shadow_schema_registry_topic: {} } }

async function registries (t: Test): Promise<{ readonly source: SchemaRegistry, readonly shadow: SchemaRegistry }> {
  const [source, shadow] = await Promise.all([SchemaRegistry.start(), SchemaRegistry.start()])
  t.teardown(async () => { await Promise.all([source.stop(), shadow.stop()]) })
  return { source, shadow }
}

function apiMode (source: SchemaRegistry, more: object = {}): Record<string, unknown> {
  return { schema_registry_sync_options: { shadow_schema_registry_api: { source_url: source.url, tail_interval: '200ms', max_source_requests_per_second: 1000, ...more } } }
}

test('topic mode: _schemas is a shadow like any other, and is opened by its own name only', async t => {
  const pair = await ShadowPair.start(t, { link: TOPIC_MODE })
  for (const name of ['_schemas', 'orders']) {
    await pair.createTopic('source', name)
    pair.write(name, 0, 5)
  }
  const engine = pair.startEngine()
  for (const name of ['_schemas', 'orders']) await pair.untilSame(name)
  t.equal(engine.state.state?.ruleFor('_schemas').access, 'read-only')

  await engine.engine.failover(LINK, null)
  await until('orders is failed over', async () => (await engine.topic('orders'))?.state === 'FAILED_OVER')
  t.match(await engine.link(), { state: 'FAILED_OVER' })
  t.equal((await engine.topic('_schemas'))?.state, 'ACTIVE')
  t.equal(engine.state.state?.ruleFor('_schemas').access, 'read-only')
  pair.write('_schemas', 0, 5)
  await pair.untilSame('_schemas')
  await t.rejects(engine.engine.delete(LINK, { force: false }), { code: 'CONFLICT', message: /_schemas is ACTIVE/ })

  await engine.engine.failover(LINK, '_schemas')
  await until('_schemas is failed over', async () => (await engine.topic('_schemas'))?.state === 'FAILED_OVER')
  await until('_schemas is open', () => engine.state.state?.ruleFor('_schemas').access === 'open')
  await engine.engine.delete(LINK, { force: false })
})

test('topic mode: a promotion of the link leaves _schemas, and a forced deletion opens it', async t => {
  const pair = await ShadowPair.start(t, { link: TOPIC_MODE })
  for (const name of ['_schemas', 'orders']) await pair.createTopic('source', name)
  const engine = pair.startEngine()
  for (const name of ['_schemas', 'orders']) await pair.untilSame(name)
  await engine.engine.promote(LINK, null)
  await until('the link is promoted', async () => (await engine.link())?.state === 'FAILED_OVER')
  t.equal((await engine.topic('_schemas'))?.state, 'ACTIVE')
  await engine.engine.delete(LINK, { force: true })
  await until('_schemas is open', () => engine.state.state?.ruleFor('_schemas').access === 'open')
})

test('topic mode: a topic that a registry made and left empty is made anew; one with schemas is left alone', async t => {
  const empty = await ShadowPair.start(t, { link: TOPIC_MODE })
  await empty.createTopic('source', '_schemas')
  await empty.createTopic('shadow', '_schemas')
  empty.write('_schemas', 0, 3)
  const before = await empty.topicId('shadow', '_schemas')
  empty.startEngine()
  await empty.untilSame('_schemas')
  t.not(await empty.topicId('shadow', '_schemas'), before)

  const used = await ShadowPair.start(t, { link: TOPIC_MODE })
  for (const side of ['source', 'shadow'] as const) await used.createTopic(side, '_schemas')
  used.write('_schemas', 0, 3)
  used.shadow.log('_schemas', 0).append(oneBatch({ records: [{ timestamp: 1 }] }))
  const engine = used.startEngine()
  await until('it is reported', async () => (await engine.topic('_schemas'))?.fault?.code === 'NAME_TAKEN')
  t.equal(used.shadowEnd('_schemas'), 1)
})

test('API mode: schemas are copied, and the registry is given back when the link is failed over, with the source gone', async t => {
  const { source, shadow } = await registries(t)
  const pair = await ShadowPair.start(t, { link: apiMode(source), shadowRegistry: shadow.url })
  await pair.createTopic('source', 'orders')
  source.add('orders-value', '"string"', { id: 7 })
  const engine = pair.startEngine()
  await pair.untilSame('orders')
  await until('schemas are copied', async () => (await engine.link())?.schemaRegistry?.lastFullSync !== null && shadow.contents().length === 1)
  const task = async (): Promise<TaskStatus | undefined> => (await engine.link())?.tasks.find(({ name }) => name === 'Schema Registry Shadowing')
  t.match(await task(), { state: 'ACTIVE', reason: /1 of 1 versions are the same/ })
  t.equal(shadow.modes.get(null), 'IMPORT')
  source.add('orders-value', '"int"', { id: 8 })
  await until('a new version is copied', () => shadow.find('orders-value', 2)?.id === 8)

  await source.stop()
  await until('the status says so', async () => (await task())?.state === 'LINK_UNAVAILABLE')
  await engine.engine.failover(LINK, null)
  await until('the registry is given back', async () => typeof (await engine.link())?.schemaRegistry?.openedAt === 'string')
  t.equal(shadow.modes.get(null), 'READWRITE')
  t.match(await task(), { state: 'NOT_RUNNING', reason: /was given back/ })
  await engine.engine.delete(LINK, { force: false })
  await until('nothing of the link is left in the state topic', () => engine.state.state?.schemaSubjectsOf(LINK).length === 0 && engine.state.state.schemaRegistries.size === 0)
  t.same(shadow.contents().map(({ id }) => id), [7, 8], 'what was copied stays')
})

test('API mode: a promotion of the link waits for the schemas, too', async t => {
  const { source, shadow } = await registries(t)
  const pair = await ShadowPair.start(t, { link: apiMode(source, { tail_interval: '10m' }), shadowRegistry: shadow.url })
  await pair.createTopic('source', 'orders')
  const engine = pair.startEngine()
  await pair.untilSame('orders')
  await until('the first look has ended', async () => typeof (await engine.link())?.schemaRegistry?.lastFullSync?.finishTime === 'string')
  source.add('late', '"string"', { id: 3 })
  await engine.engine.promote(LINK, null)
  await until('the link is promoted', async () => (await engine.link())?.state === 'FAILED_OVER')
  t.equal(shadow.find('late', 1)?.id, 3)
  await until('the registry is given back', () => shadow.modes.get(null) === 'READWRITE')
})

test('API mode: a deletion waits for the registry, and a forced one does not need it', async t => {
  const { source, shadow } = await registries(t)
  const pair = await ShadowPair.start(t, { link: apiMode(source), shadowRegistry: shadow.url })
  source.add('a', '"string"')
  const engine = pair.startEngine()
  await until('schemas are copied', () => shadow.contents().length === 1)
  shadow.onRequest = line => line.startsWith('PUT /mode') ? { status: 422, body: '{"error_code": 42205, "message": "Mode changes are not allowed"}' } : null
  await engine.engine.delete(LINK, { force: true })
  await t.rejects(engine.engine.status(LINK), { code: 'NOT_FOUND' })
  t.equal(shadow.modes.get(null), 'IMPORT', 'it stays so, which the log says')
})

test('API mode needs to be told where to copy to, and takes no second link into the same contexts', async t => {
  const { source, shadow } = await registries(t)
  const pair = await ShadowPair.start(t, {})
  const bare = pair.startEngine()
  await until('it leads', () => bare.engine.leadership().leading)
  const document = { ...pair.linkDocument(), ...apiMode(source), name: 'schemas' }
  t.match((await bare.engine.check(document)).filter(({ verdict }) => verdict === 'failed'), [{ name: 'shadow registry', advice: /schema_registry/ }])
  await t.rejects(bare.engine.create(document, { dryRun: false }), { code: 'CONFLICT', message: /does not say where schemas are copied to/ })

  const other = await ShadowPair.start(t, { link: apiMode(source), shadowRegistry: shadow.url })
  const engine = other.startEngine()
  await until('the first link copies', () => shadow.modes.get(null) === 'IMPORT')
  await t.rejects(engine.engine.create(document, { dryRun: false }), { code: 'CONFLICT', message: /link dr copies schemas into the same contexts/ })
  const apart = { ...document, ...apiMode(source, { source_filter: { contexts: ['.x'] } }) }
  t.same((await engine.engine.check(apart)).filter(({ name, verdict }) => name === 'schemas, other links' && verdict === 'failed').length, 1, 'any context may be one of the first link\'s')
})

test('the preflight says what it finds in both registries', async t => {
  const { source, shadow } = await registries(t)
  const pair = await ShadowPair.start(t, { shadowRegistry: shadow.url })
  const engine = pair.startEngine()
  await until('it leads', () => engine.engine.leadership().leading)
  source.add('a', '"string"', { extra: { metadata: { properties: { owner: 'x' } } } })
  shadow.add('here', '"string"')
  const document = { ...pair.linkDocument(), ...apiMode(source), name: 'schemas' }
  const lines = (await engine.engine.check(document)).filter(({ name }) => /registry|schema/.test(name))
  t.match(lines, [
    { name: 'source registry', verdict: 'ok', text: /1 subjects are selected/ },
    { name: 'schema features', verdict: 'warning', text: /a \(metadata\)/ },
    { name: 'shadow registry', verdict: 'ok' },
    { name: 'shadow registry', verdict: 'warning', text: /have 1 subjects already: here/ },
    { name: 'schemas, other direction', verdict: 'ok' }
  ])
  shadow.modes.set(null, 'READONLY')
  await t.rejects(engine.engine.create(document, { dryRun: true }), { message: /context \. of the shadow registry is READONLY/ })
  shadow.modes.clear()
  await source.stop()
  await t.rejects(engine.engine.create(document, { dryRun: true }), { code: 'REGISTRY_ERROR', message: /the source registry cannot be asked/ })
  t.equal(shadow.modes.size, 0, 'a check changes nothing')
})

test('schemas are not shadowed in both directions: one site is their primary, until its registry is failed over', async t => {
  const pair = await ShadowPair.start(t, { link: TOPIC_MODE })
  await pair.createTopic('source', '_schemas')
  const there = pair.startEngine()
  await pair.untilSame('_schemas')
  const here = new RunningEngine(pair.source.address, [], {})
  t.teardown(() => here.stop())
  await until('it leads', () => here.engine.leadership().leading)
  const { client_options: client } = pair.linkDocument(pair.shadow.address)
  const back = { name: 'back', client_options: client, topic_metadata_sync_options: { auto_create_shadow_topic_filters: literal('b_orders') } }
  const refusal = { code: 'CONFLICT', message: /link dr on the source cluster shadows the schemas of this cluster: this site is their primary/ }
  await t.rejects(here.engine.create({ ...back, ...TOPIC_MODE }, { dryRun: false }), refusal)
  t.match((await here.engine.check({ ...back, ...TOPIC_MODE })).find(({ name }) => name === 'schemas, other direction'), { verdict: 'failed', advice: /kshadow failover dr --topic _schemas/ })
  t.match(await here.engine.create(back, { dryRun: true }), { name: 'back' }, 'everything else may be shadowed')

  await there.engine.failover(LINK, '_schemas')
  await until('that site is the primary', () => there.state.state?.topicOf(LINK, '_schemas')?.state === 'FAILED_OVER')
  t.match(await here.engine.create({ ...back, ...TOPIC_MODE }, { dryRun: true }), { name: 'back' })
})

test('by API each direction needs contexts of its own', async t => {
  const { source, shadow } = await registries(t)
  const outward = apiMode(source, { source_filter: { contexts: ['.a'] } })
  const pair = await ShadowPair.start(t, { link: outward, shadowRegistry: shadow.url })
  pair.startEngine()
  await until('the first link copies', () => shadow.modes.get(':.a:') === 'IMPORT')
  const here = new RunningEngine(pair.source.address, [], { shadowRegistry: source.url })
  t.teardown(() => here.stop())
  await until('it leads', () => here.engine.leadership().leading)
  const { client_options: client } = pair.linkDocument(pair.shadow.address)
  const back = { name: 'back', client_options: client }
  await t.rejects(here.engine.create({ ...back, ...apiMode(shadow) }, { dryRun: false }), { code: 'CONFLICT', message: /cannot be shadowed in both directions/ })
  t.match(await here.engine.create({ ...back, ...apiMode(shadow, { source_filter: { contexts: ['.b'] } }) }, { dryRun: true }), { name: 'back' })
})
