import { test } from 'tap'
import type { SchemaRegistry } from '../../../../support/schema-registry.ts'
import { SchemaScene } from './schema-scene.ts'

const record = (name: string, ...fields: string[]): string => JSON.stringify({ type: 'record', name, fields: fields.map(field => ({ name: field, type: 'string' })) })

function softDelete (registry: SchemaRegistry, subject: string, version: number): void {
  for (const known of registry.schemas) if (known.subject === subject && known.version === version) known.deleted = true
}

test('copies subjects, versions, ids, types and references, byte for byte', async t => {
  const scene = await SchemaScene.start(t)
  const { source, shadow } = scene
  source.add('money', record('Money', 'amount'), { id: 7 })
  // A subject that comes before the one that it refers to, and a text that no printer would write like that.
  source.add('a-order', '{ "type":"record",\n "name": "Order", "fields": [ ] }', { id: 42, references: [{ name: 'Money', subject: 'money', version: 1 }] })
  source.add('a-order', record('Order', 'id'), { id: 43, references: [{ name: 'Money', subject: 'money', version: 1 }] })
  source.add('proto', 'syntax = "proto3"; message A {}', { schemaType: 'PROTOBUF' })
  source.add('json/with slash', '{"type": "object"}', { schemaType: 'JSON' })
  source.add('money-again', record('Money', 'amount'))
  const outcome = await scene.run()
  t.same(outcome.problems, [])
  t.equal(outcome.reason, '5 subjects are selected; 6 of 6 versions are the same on the shadow')
  t.same(shadow.contents(), source.contents())
  t.equal(shadow.modes.get(null), 'IMPORT')
  t.match(scene.status, { contexts: ['.'], inventory: { selectedSourceSubjects: 5, destinationSubjectVersions: 6 }, lastFullSync: { subjectVersionsChanged: 6, errors: 0 }, problemCount: 0, currentSync: null })
  t.notMatch(shadow.requests.filter(line => line.startsWith('POST')), [/normalize=true/])
})

test('a tail look finds new subjects and versions with few questions, and a registered id under another subject', async t => {
  const scene = await SchemaScene.start(t)
  const { source, shadow } = scene
  for (const name of ['a', 'b', 'c']) source.add(name, record(name))
  await scene.run()
  source.requests.length = 0
  t.same((await scene.run()).problems, [])
  t.same(source.requests, ['GET /subjects?deleted=true', 'GET /schemas/ids/4/versions?deleted=true', ...['a', 'b', 'c'].map(name => `GET /subjects/${name}/versions?deleted=true`)])
  source.add('b', record('b', 'more'))
  source.add('c', record('a'))
  source.add('d', record('d'))
  t.same((await scene.run()).problems, [])
  t.same(shadow.contents(), source.contents())
  t.equal(scene.status.currentSync, null)
})

test('what the source deletes is deleted at a full look only, what refers to others first; for good only when it is missing twice', async t => {
  const scene = await SchemaScene.start(t)
  const { source, shadow } = scene
  source.add('base', record('Base'))
  source.add('uses', record('Uses'), { references: [{ name: 'Base', subject: 'base', version: 1 }] })
  source.add('kept', record('Kept'))
  source.add('kept', record('Kept', 'two'))
  source.add('kept', record('Kept', 'three'))
  await scene.run()
  for (const known of source.schemas) if (known.subject !== 'kept' || known.version === 1) known.deleted = true
  await scene.run()
  t.ok(shadow.schemas.every(known => !known.deleted), 'a tail look deletes nothing')
  t.same((await scene.runFull()).problems, [])
  t.same(shadow.contents(), source.contents(), 'soft-deleted as on the source')

  source.remove('base')
  source.remove('uses')
  source.remove('kept', 2)
  await scene.runFull()
  t.ok(shadow.find('base', 1), 'missing once')
  t.same((await scene.runFull()).problems, [])
  t.same(shadow.contents(), source.contents())
  t.same(scene.state.schemaSubjectsOf('dr').map(({ subject, versions }) => [subject, versions]), [['kept', [[1, 3], [3, 5]]]])
})

test('a soft-deleted version is copied as such, also one with the id of a later version', async t => {
  const scene = await SchemaScene.start(t)
  const { source, shadow } = scene
  source.add('s', record('S')).deleted = true
  source.add('s', record('S'))
  source.add('gone', record('Gone')).deleted = true
  t.same((await scene.run()).problems, [])
  t.same(shadow.contents(), source.contents())
})

test('a source that shows no subject at all deletes nothing', async t => {
  const scene = await SchemaScene.start(t)
  scene.source.add('a', record('A'))
  await scene.run()
  scene.source.remove('a')
  for (let look = 0; look < 3; look++) t.match((await scene.runFull()).problems, [/^deletions: the source registry shows no subject at all, and the shadow has 1/])
  t.ok(scene.shadow.find('a', 1))
})

test('only what the link registered is deleted; what others did is reported and left alone', async t => {
  const scene = await SchemaScene.start(t)
  const { source, shadow } = scene
  source.add('a', record('A'))
  source.add('b', record('B'), { id: 20 })
  // The same as on the source already, by somebody else; and one that is only here.
  shadow.add('b', record('B'), { id: 20 })
  shadow.add('local', record('Local'), { id: 30 })
  t.same((await scene.run()).problems, [])
  shadow.add('a', record('A', 'foreign'), { id: 31 })
  t.match((await scene.runFull()).problems, [/^a: version 2 is on the shadow and not on the source; the link did not register it/])
  source.remove('b')
  await scene.runFull()
  await scene.runFull()
  t.ok(shadow.find('b', 1), 'not registered by the link')
  t.ok(shadow.find('local', 1))
  t.ok(shadow.find('a', 2))
})

test('an id that is taken, and a version that is another one, stop that version only', async t => {
  const scene = await SchemaScene.start(t)
  const { source, shadow } = scene
  shadow.add('local', record('Local'), { id: 1 })
  shadow.add('b', record('Other'), { id: 50 })
  source.add('a', record('A'), { id: 1 })
  source.add('b', record('B'), { id: 2 })
  source.add('c', record('C'), { id: 3 })
  const { problems } = await scene.run()
  t.match(problems, [
    /^a: version 1 has id 1, which on the shadow is that of local version 1, another schema \(another text\)$/,
    /^b: version 1 is on the shadow already, and is another one: id 50 instead of 2$/
  ])
  t.ok(shadow.find('c', 1))
  t.equal(shadow.find('a', 1), undefined)
  t.equal(scene.status.problemCount, 2)
  t.equal((await scene.run()).problems.length, 2, 'a tail look does not forget them')
  shadow.remove('local')
  shadow.remove('b')
  t.same((await scene.run()).problems, [])
  t.equal(shadow.find('a', 1)?.id, 1)
})

test('a registry that writes a schema in its own way is found out', async t => {
  const scene = await SchemaScene.start(t)
  scene.shadow.rewrite = schema => JSON.stringify(JSON.parse(schema))
  scene.source.add('spaced', '{ "type": "string" }')
  scene.source.add('plain', '{"type":"string"}')
  t.match((await scene.run()).problems, [/^spaced: version 1 was registered, and the shadow registry made something else of it: the same JSON, written differently$/])
})

test('metadata and rules fail the version, or are left out and counted', async t => {
  const extra = { metadata: { properties: { owner: 'x' } }, ruleSet: { domainRules: [{ name: 'r' }] } }
  const failing = await SchemaScene.start(t)
  failing.source.add('m', record('M'), { extra })
  failing.source.add('n', record('N'), { extra: { metadata: null, ruleSet: { domainRules: [] } } })
  t.match((await failing.run()).problems, [/^m: version 1 has metadata and ruleSet, which is not copied: it is left out/])
  t.ok(failing.shadow.find('n', 1))
  t.equal(failing.shadow.find('m', 1), undefined)

  const removing = await SchemaScene.start(t, { unsupported_schema_feature_policy: 'REMOVE' })
  removing.source.add('m', record('M'), { extra })
  t.same((await removing.run()).problems, [])
  t.equal(removing.shadow.find('m', 1)?.schema, record('M'))
  t.equal(removing.status.totalsSinceTaskStart.unsupportedFeaturesRemoved, 2)
})

test('compatibility follows the source; only what the link set is taken away again', async t => {
  const scene = await SchemaScene.start(t)
  const { source, shadow } = scene
  source.add('a', record('A'))
  source.add('b', record('B'))
  source.levels.set(null, 'FULL').set('a', 'NONE')
  await scene.run()
  t.same([...shadow.levels], [[null, 'FULL'], ['a', 'NONE']])
  source.levels.delete('a')
  shadow.levels.set('b', 'FORWARD')
  t.match((await scene.runFull()).problems, [/^b: the subject has a compatibility of its own on the shadow \(FORWARD\)/])
  t.same([...shadow.levels], [[null, 'FULL'], ['b', 'FORWARD']])
  source.settings.set('a', { alias: 'x' })
  source.levels.set('a', 'FULL')
  t.match((await scene.runFull()).problems, [/^a: its settings have alias, which are not copied/, /^b: /])
})

test('contexts are mapped, ids are each context\'s own, and one that is mapped nowhere is skipped and counted', async t => {
  const scene = await SchemaScene.start(t, { destination: { exact: { mappings: [{ source: '.', destination: '.site-a' }, { source: '.x', destination: '.y' }] } } })
  const { source, shadow } = scene
  shadow.add('here', record('Here'), { id: 1 })
  source.add('a', record('A'), { id: 1 })
  source.add('refers', record('R'), { id: 2, references: [{ name: 'A', subject: 'a', version: 1 }] })
  source.add(':.x:b', record('B'), { id: 1, references: [{ name: 'A', subject: ':.:a', version: 1 }] })
  source.add(':.z:c', record('C'), { id: 1 })
  const outcome = await scene.run()
  t.same(outcome.problems, [])
  t.match(outcome.reason, /1 subjects are in contexts that are mapped nowhere, and skipped/)
  t.same(shadow.contents().map(({ subject, id, references }) => [subject, id, references.map(reference => reference.subject)]), [
    [':.site-a:a', 1, []], [':.site-a:refers', 2, ['a']], [':.y:b', 1, [':.site-a:a']], ['here', 1, []]
  ])
  t.equal(shadow.modes.get(':.site-a:'), 'IMPORT')
  t.equal(shadow.modes.get(':.y:'), 'IMPORT')
  t.equal(shadow.modes.get(null), undefined, 'the default context goes on as it is')
  t.equal(scene.status.skippedSubjects, 1)
})

test('a filter selects contexts and subjects', async t => {
  const scene = await SchemaScene.start(t, { source_filter: { contexts: ['.x'], subjects: ['a'] } })
  for (const subject of ['a', 'b', ':.x:c', ':.y:d']) scene.source.add(subject, record('R'))
  t.same((await scene.run()).problems, [])
  t.same(scene.shadow.contents().map(({ subject }) => subject), [':.x:c', 'a'])
})

test('a context is put in IMPORT without the hard deletion that an unforced change brings, and again when somebody changes it; a read-only one is left alone', async t => {
  const scene = await SchemaScene.start(t)
  const { source, shadow } = scene
  shadow.add('old', record('Old'), { id: 9 }).deleted = true
  source.add('a', record('A'))
  await scene.run()
  t.ok(shadow.find('old', 1))
  shadow.modes.set(null, 'READWRITE')
  await scene.run()
  t.equal(shadow.modes.get(null), 'IMPORT')
  shadow.modes.set(null, 'READONLY')
  source.add('b', record('B'))
  t.match((await scene.run()).problems, [/^context \.: context \. of the shadow registry is READONLY, which somebody set/])
  t.equal(shadow.find('b', 1), undefined)
})

test('at the end every context is READWRITE, subjects that are read-only on the source are so here, and nothing is touched any more', async t => {
  const scene = await SchemaScene.start(t)
  const { source, shadow } = scene
  source.add('a', record('A'))
  source.add('frozen', record('F'))
  source.modes.set('frozen', 'READONLY')
  await scene.run()
  t.equal(shadow.modes.get('frozen'), undefined, 'or it could not be copied to')
  await source.stop()
  t.match(await scene.open(), { ended: true })
  t.same([...shadow.modes], [[null, 'READWRITE'], ['frozen', 'READONLY']])
  t.match(scene.status, { openedAt: new Date(0).toISOString() })
  shadow.modes.set(null, 'READONLY')
  const before = shadow.requests.length
  scene.takeOver()
  await scene.open()
  t.equal(shadow.requests.length, before)
})

test('an engine that takes over goes on with what the one before registered', async t => {
  const scene = await SchemaScene.start(t)
  const { source, shadow } = scene
  source.add('a', record('A'))
  source.add('b', record('B'))
  await scene.run()
  scene.takeOver()
  softDelete(source, 'a', 1)
  t.same((await scene.run()).problems, [])
  t.same(shadow.contents(), source.contents())
})

test('a number that the source gave out anew is replaced', async t => {
  const scene = await SchemaScene.start(t)
  const { source, shadow } = scene
  source.add('a', record('A'))
  source.add('a', record('A', 'two'))
  await scene.run()
  source.remove('a', 2)
  source.add('a', record('A', 'other'), { id: 9 })
  const before = shadow.contents()
  for (const look of [() => scene.runFull(), () => scene.run(), () => scene.run()]) t.match((await look()).problems, [/^a: version 2 was copied with id 2, and has id 9 on the source by now: it is replaced once the source says so at the next full look, too$/])
  t.same(shadow.contents(), before)
  t.same((await scene.runFull()).problems, [])
  t.same(shadow.contents(), source.contents())
})

test('a number that was given out anew with an id that another schema has on the shadow is not replaced, and nothing is deleted for it', async t => {
  const scene = await SchemaScene.start(t)
  const { source, shadow } = scene
  for (const subject of ['a', 'b', 'c', 'd']) source.add(subject, record(subject))
  shadow.add('local', record('Local'), { id: 9 })
  await scene.run()
  source.remove('a')
  source.add('a', record('A', 'other'), { id: 9 })
  const before = shadow.contents()
  for (let look = 0; look < 3; look++) t.match((await scene.runFull()).problems, [look === 0 ? /replaced once the source says so/ : /^a: version 1 has id 9, which on the shadow is that of local version 1, another schema/])
  t.same(shadow.contents(), before)
})

test('a source registry that was rebuilt, and gives the same versions other ids, has nothing deleted, and is reported', async t => {
  const scene = await SchemaScene.start(t)
  const { source, shadow } = scene
  const subjects = ['a', 'b', 'c', 'd']
  for (const subject of subjects) source.add(subject, record(subject))
  source.add('gone', record('Gone'))
  await scene.run()
  const before = shadow.contents()
  for (const subject of [...subjects, 'gone']) source.remove(subject)
  // Its clients register again, in another order, and with what others registered before them.
  subjects.forEach((subject, index) => source.add(subject, record(subject), { id: 100 - index }))
  source.modes.set('d', 'READWRITE')
  shadow.requests.length = 0
  t.match((await scene.runFull()).problems, [/^ids: 4 of 5 subjects have versions with other ids on the source than those that they were copied with: the source registry looks like one that was rebuilt; nothing is replaced or deleted/, ...subjects.map(subject => new RegExp(`^${subject}: version 1 was copied with id`))])
  for (let look = 0; look < 3; look++) {
    const { problems } = await scene.runFull()
    t.equal(problems.length, 5)
    t.match(problems, [/^ids: 4 of 5 subjects/, /^a: version 1 was copied with id 1, and has id 100 on the source by now: it is left as it is/])
  }
  await scene.run()
  t.same(shadow.requests.filter(line => line.startsWith('DELETE')), [])
  t.same(shadow.contents(), before)
  t.equal(scene.status.problemCount, 5)

  // It was one that is not the source, or its ids were brought back.
  for (const subject of subjects) source.remove(subject)
  subjects.forEach((subject, index) => source.add(subject, record(subject), { id: index + 1 }))
  t.same((await scene.runFull()).problems, [])
  await scene.runFull()
  t.same(shadow.contents(), source.contents(), 'what it does not have any more is deleted as ever')
})

test('whoever wants the ids of a rebuilt source deletes the copies on the shadow', async t => {
  const scene = await SchemaScene.start(t)
  const { source, shadow } = scene
  for (const subject of ['a', 'b']) source.add(subject, record(subject))
  await scene.run()
  for (const subject of ['a', 'b']) {
    source.remove(subject)
    source.add(subject, record(subject), { id: subject === 'a' ? 11 : 12 })
  }
  await scene.runFull()
  t.match((await scene.runFull()).problems, [/^ids: 2 of 2 subjects/, /^a:/, /^b:/])
  for (const subject of ['a', 'b']) shadow.remove(subject)
  t.same((await scene.runFull()).problems, [])
  t.same(shadow.contents(), source.contents())
})

test('a version is deleted for good when two full looks in a row do not find it, however often its subject is looked at in between', async t => {
  const scene = await SchemaScene.start(t)
  const { source, shadow } = scene
  source.add('a', record('A'))
  source.add('a', record('A', 'two'))
  await scene.run()
  // A problem of the subject has it looked at by every run.
  shadow.add('a', record('A', 'foreign'), { id: 31 })
  source.remove('a', 1)
  await scene.runFull()
  for (let look = 0; look < 3; look++) t.equal((await scene.run()).problems.length, 1)
  t.ok(shadow.find('a', 1), 'missing in one full look')
  await scene.runFull()
  t.equal(shadow.find('a', 1), undefined)
})

test('a version that somebody deletes on the shadow comes back', async t => {
  const scene = await SchemaScene.start(t)
  scene.source.add('a', record('A'))
  await scene.run()
  softDelete(scene.shadow, 'a', 1)
  t.same((await scene.runFull()).problems, [])
  t.equal(scene.shadow.find('a', 1)?.deleted, false)
})

test('a registration whose answer is lost is not repeated, but read', async t => {
  const scene = await SchemaScene.start(t)
  const { source, shadow } = scene
  source.add('a', record('A'))
  shadow.onRequest = line => {
    if (!line.startsWith('POST')) return null
    shadow.schemas.push(...source.schemas.map(known => ({ ...known })))
    return 'drop'
  }
  await t.rejects(scene.run(), { code: 'REGISTRY_ERROR', retriable: true })
  t.equal(shadow.requests.filter(line => line.startsWith('POST')).length, 1)
  t.same((await scene.run()).problems, [])
  t.equal(shadow.requests.filter(line => line.startsWith('POST')).length, 1)
  source.remove('a')
  source.add('z', record('Z'))
  await scene.runFull().catch(() => {})
  shadow.onRequest = () => null
  await scene.runFull()
  await scene.runFull()
  t.equal(shadow.find('a', 1), undefined, 'it is the link\'s')
})

test('a source that fails in the middle of a look deletes nothing and is asked again', async t => {
  const scene = await SchemaScene.start(t)
  const { source, shadow } = scene
  for (const name of ['a', 'b']) source.add(name, record(name))
  await scene.run()
  source.remove('a')
  source.onRequest = line => line.startsWith('GET /subjects/b') ? { status: 503, body: '{"error_code": 50003, "message": "forwarding failed"}' } : null
  for (let look = 0; look < 3; look++) await t.rejects(scene.runFull(), { message: /GET \/subjects\/b\/versions\?deleted=true of the source registry: 503 \(50003\) forwarding failed/, retriable: true })
  t.ok(shadow.find('a', 1))
  source.onRequest = line => line === 'GET /subjects?deleted=true' ? { status: 200, body: '{"not": "a list"}' } : null
  await t.rejects(scene.runFull(), { code: 'REGISTRY_ERROR', retriable: false })
  source.onRequest = line => line === 'GET /subjects?deleted=true' ? { status: 404, body: '<html>' } : null
  await t.rejects(scene.runFull(), { code: 'REGISTRY_ERROR' })
  t.ok(shadow.find('a', 1))
})

test('a failover in the middle of a look ends it before the next write', async t => {
  const scene = await SchemaScene.start(t)
  const { source, shadow } = scene
  for (const name of ['a', 'b', 'c']) source.add(name, record(name))
  shadow.onRequest = line => {
    if (line.startsWith('POST')) scene.isOver = true
    return null
  }
  await scene.run().catch(() => {})
  t.same(shadow.contents().map(({ subject }) => subject), ['a'])
  await scene.open()
  t.equal(shadow.modes.get(null), 'READWRITE')
})

test('a look that takes longer than an interval goes on in the next run, and new subjects do not wait for it', async t => {
  const scene = await SchemaScene.start(t)
  const { source, shadow } = scene
  for (let index = 0; index < 10; index++) source.add(`s${index}`, record('S', String(index)))
  source.onRequest = line => {
    if (line.endsWith('/versions')) scene.nowMs += 4000
    return null
  }
  t.match(await scene.run(), { again: true, reason: /the first look at all subjects is under way; 7 subjects are left of a FULL look/ })
  t.equal(scene.status.currentSync?.subjectsLeft, 7)
  source.add('new', record('New'))
  await scene.run()
  t.ok(shadow.find('new', 1))
  for (let run = 0; run < 4; run++) await scene.run()
  t.same(shadow.contents(), source.contents())
  t.ok(scene.status.lastFullSync)
})
