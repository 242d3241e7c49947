/** Secrets that links are given as they are, on embedded brokers and with stand-ins for schema registries. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import { test, type Test } from 'tap'
import { parseLinkDocument } from '../../src/config/link-config.ts'
import { SEALED_PLACEHOLDER } from '../../src/config/secret.ts'
import type { Logger } from '../../src/observability/logger.ts'
import type { TaskStatus } from '../../src/replication/link-service.ts'
import { STATE_TOPIC } from '../../src/state/state-topic.ts'
import { LINK, RunningEngine, ShadowPair, until } from '../support/shadow-pair.ts'
import { SchemaRegistry } from '../support/schema-registry.ts'

const SECRET = 'correct-horse-battery-staple'
const OTHER = 'entirely-different-secret'
const [FIRST, SECOND] = [Buffer.alloc(32, 'a').toString('hex'), Buffer.alloc(32, 'b').toString('base64')] as const
const FIELD = 'schema_registry_sync_options.shadow_schema_registry_api.auth_options.basic.password'
const RUN = { dryRun: false }

interface Scene {
  readonly pair: ShadowPair
  readonly source: SchemaRegistry
  readonly shadow: SchemaRegistry
  readonly document: (password: string, url?: string) => Record<string, unknown>
  readonly keyFile: (...keys: readonly string[]) => Promise<string>
  /** An engine that leads, with this key file. */
  readonly engine: (secretKeyFile?: string) => Promise<RunningEngine>
  readonly logger: Logger
  readonly logged: () => string
}

async function scene (t: Test): Promise<Scene> {
  const [source, shadow] = await Promise.all([SchemaRegistry.start({ basic: { username: 'me', password: SECRET } }), SchemaRegistry.start()])
  t.teardown(async () => { await Promise.all([source.stop(), shadow.stop()]) })
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'orders')
  source.add('orders-value', '"string"', { id: 7 })
  let lines = ''
  const logger: Logger = pino({ level: 'trace' }, { write: (line: string) => { lines += line } })
  let files = 0
  const directory = t.testdir()
  return {
    pair,
    source,
    shadow,
    document: (password, url = source.url) => ({
      ...pair.linkDocument(),
      schema_registry_sync_options: { shadow_schema_registry_api: { source_url: url, auth_options: { basic: { username: 'me', password } }, tail_interval: '200ms', full_sync_interval: '500ms', max_source_requests_per_second: 1000 } }
    }),
    keyFile: async (...keys) => {
      const path = join(directory, `secret-${files++}.key`)
      await writeFile(path, keys.join('\n'), { mode: 0o600 })
      return path
    },
    engine: async secretKeyFile => {
      const engine = new RunningEngine(pair.shadow.address, [], { shadowRegistry: shadow.url, sessionTimeoutMs: 1500, logger, ...(secretKeyFile === undefined ? {} : { secretKeyFile }) })
      t.teardown(() => engine.stop())
      await until('it leads', () => engine.engine.leadership().leading)
      return engine
    },
    logger,
    logged: () => lines
  }
}

async function schemaTask (engine: RunningEngine): Promise<TaskStatus | undefined> {
  return (await engine.link())?.tasks.find(({ name }) => name === 'Schema Registry Shadowing')
}

/** All that the state topic holds, the keys of its records included. */
function stateBytes (pair: ShadowPair): string {
  return pair.bytes(pair.shadow, STATE_TOPIC, 0).toString('latin1')
}

/** The sealed text that the newest record of the link has. */
function sealedOf (engine: RunningEngine): string {
  const { schemaSync } = engine.state.state?.links.get(LINK)?.config ?? {}
  return schemaSync?.mode === 'api' ? schemaSync.api.source.auth?.password ?? '' : ''
}

test('a secret is used, and is nowhere to be read; who takes over with the key uses it, too', async t => {
  const { pair, source, shadow, document, engine, keyFile, logged } = await scene(t)
  const first = await engine(await keyFile(FIRST))
  t.match(await first.engine.create(document(SECRET), { dryRun: true }), { uid: '' })
  t.same((await first.engine.check(document(SECRET))).filter(({ verdict }) => verdict === 'failed'), [])
  t.match((await first.engine.check(document(OTHER))).filter(({ verdict }) => verdict === 'failed'), [{ name: 'source registry', text: /401/ }])
  await first.engine.create(document(SECRET), RUN)
  await until('schemas are copied', () => shadow.find('orders-value', 1)?.id === 7)
  await pair.untilSame('orders')
  t.match(sealedOf(first), /^\$\{sealed:v1:[0-9a-f]{8}:[\w-]+\}$/)
  t.match((await first.link())?.configuration, { schema_registry_sync_options: { shadow_schema_registry_api: { auth_options: { basic: { password: SEALED_PLACEHOLDER } } } } })
  await first.stop()

  const second = await engine(await keyFile(FIRST))
  source.add('orders-value', '"int"', { id: 8 })
  await until('the second one copies', () => shadow.find('orders-value', 2)?.id === 8)
  await until('the task is well', async () => (await schemaTask(second))?.state === 'ACTIVE')

  const said = JSON.stringify([await second.engine.list(), await second.engine.audit(null)]) + logged()
  for (const [where, text] of [['the state topic', stateBytes(pair)], ['status, audit or log', said]] as const) {
    for (const secret of [SECRET, OTHER]) t.notOk(text.includes(secret) || text.includes(Buffer.from(`me:${secret}`).toString('base64')), `not in ${where}`)
    t.ok(text.includes('orders'), `${where} was looked at`)
  }
  t.notOk(said.includes('sealed:v1'), 'what was sealed is not shown either')
})

test('an engine without the key stops that task, says which field and key, and goes on as soon as it has it', async t => {
  const { pair, shadow, document, engine, keyFile, source, logged } = await scene(t)
  const first = await engine(await keyFile(FIRST))
  await first.engine.create(document(SECRET), RUN)
  await until('schemas are copied', () => shadow.contents().length === 1)
  const [, , keyId = ''] = sealedOf(first).split(':')
  await first.stop()
  source.add('orders-value', '"int"', { id: 8 })

  const cases = [[undefined, 'this engine has no keys: set secrets\\.key_file'], [await keyFile(SECOND), '\\S+ has another one'], [await keyFile('hunter2'), 'secrets\\.key_file \\S+ cannot be used: line 1']] as const
  for (const [path, why] of cases) {
    const requests = source.requests.length
    const other = await engine(path)
    await until('the task is stopped', async () => (await schemaTask(other))?.state === 'FAULTED')
    t.match((await schemaTask(other))?.reason, new RegExp(`^${FIELD} of link dr is sealed with key ${keyId}, and ${why}`))
    t.equal(source.requests.length, requests, 'nothing is asked without, or with another, password')
    pair.write('orders', 0, 3)
    await pair.untilSame('orders')
    t.same((await other.link())?.tasks.filter(({ state }) => state === 'FAULTED' || state === 'LINK_UNAVAILABLE').length, 1, 'everything else goes on')
    t.match(await other.engine.update(LINK, document(SEALED_PLACEHOLDER), RUN), { changed: [] })
    await other.stop()
  }
  t.ok(logged().includes(`if this engine led now: ${FIELD} of link dr is sealed with key ${keyId}`), 'it is said before the engine leads')
  t.notMatch(logged(), /hunter2/)

  const last = await engine(await keyFile(FIRST))
  await until('it copies again', () => shadow.find('orders-value', 2)?.id === 8)
  await until('the task is well', async () => (await schemaTask(last))?.state === 'ACTIVE')
})

test('a key that is put right counts at once', async t => {
  const { shadow, document, engine, keyFile, source } = await scene(t)
  const first = await engine(await keyFile(FIRST))
  await first.engine.create(document(SECRET), RUN)
  await until('schemas are copied', () => shadow.contents().length === 1)
  await first.stop()
  const path = await keyFile(SECOND)
  const late = await engine(path)
  source.add('orders-value', '"int"', { id: 8 })
  await until('the task is stopped', async () => (await schemaTask(late))?.state === 'FAULTED')
  await writeFile(path, `${SECOND}\n${FIRST}`)
  await until('it goes on', () => shadow.find('orders-value', 2)?.id === 8)
})

test('an engine that begins to lead seals with the first key what another key has sealed', async t => {
  const { pair, shadow, document, engine, keyFile, source } = await scene(t)
  const first = await engine(await keyFile(FIRST))
  await first.engine.create(document(SECRET), RUN)
  await until('schemas are copied', () => shadow.contents().length === 1)
  const before = sealedOf(first)
  await first.stop()
  const second = await engine(await keyFile(SECOND, FIRST))
  await until('it is sealed anew', () => sealedOf(second) !== '' && sealedOf(second) !== before)
  t.not(sealedOf(second).split(':')[2], before.split(':')[2])
  await second.stop()
  source.add('orders-value', '"int"', { id: 8 })
  const third = await engine(await keyFile(SECOND))
  await until('the old key is no longer needed', () => shadow.find('orders-value', 2)?.id === 8)
  await until('the task is well', async () => (await schemaTask(third))?.state === 'ACTIVE')
  t.notOk(stateBytes(pair).includes(SECRET))
})

test('without a key file a secret itself is refused, wherever it is given; so is a placeholder that stands for nothing', async t => {
  const { pair, document, engine, logged } = await scene(t)
  const without = await engine()
  const refused = { code: 'CONFIG_INVALID', message: new RegExp(`^link: ${FIELD}: <redacted>: expected .*set secrets\\.key_file`) }
  await t.rejects(without.engine.create(document(SECRET), { dryRun: true }), refused)
  await t.rejects(without.engine.create(document(SECRET), RUN), refused)
  await t.rejects(without.engine.check(document(SECRET)), refused)
  await without.engine.create(pair.linkDocument(), RUN)
  await t.rejects(without.engine.update(LINK, document(SECRET), { dryRun: true }), refused)
  await t.rejects(without.engine.update(LINK, document(SECRET), RUN), refused)
  await t.rejects(without.engine.update(LINK, document(SEALED_PLACEHOLDER), RUN), { code: 'CONFIG_INVALID', message: /stands for the secret that the link has here, and it has none/ })
  await t.rejects(without.engine.create({ ...document(SEALED_PLACEHOLDER), name: 'new' }, RUN), { code: 'CONFIG_INVALID', message: /a link that is new has none/ })
  t.notOk((stateBytes(pair) + logged()).includes(SECRET))
})

test('a link of the file of run is sealed, too, as soon as the key file can be used', async t => {
  const { pair, shadow, document, keyFile, logged, logger } = await scene(t)
  const secretKeyFile = await keyFile('no key')
  const engine = new RunningEngine(pair.shadow.address, [parseLinkDocument(document(SECRET), 'test')], { shadowRegistry: shadow.url, logger, secretKeyFile })
  t.teardown(() => engine.stop())
  await until('it says why there is no link', () => engine.engine.problem !== null)
  t.match(engine.engine.problem, /^link dr could not be created: secrets\.key_file \S+ cannot be used: line 1: expected a key/)
  await writeFile(secretKeyFile, FIRST)
  await until('schemas are copied', () => shadow.contents().length === 1)
  t.match(stateBytes(pair), /"password":"\$\{sealed:v1:/)
  t.notOk((stateBytes(pair) + logged()).includes(SECRET))
})

test('an update keeps the secret without having seen it, or gives another one', async t => {
  const { pair, source, shadow, document, engine, keyFile } = await scene(t)
  const { engine: links, ...running } = await engine(await keyFile(FIRST))
  await links.create(document(SECRET), RUN)
  await until('schemas are copied', () => shadow.contents().length === 1)
  const shown = (await links.status(LINK)).configuration
  t.match(await links.update(LINK, shown, RUN), { changed: [], reconnects: false })
  t.match(await links.update(LINK, document(SECRET), RUN), { changed: [] }, 'the same secret again is no change')
  const topics = { topic_metadata_sync_options: { interval: '300ms' } }
  t.match(await links.update(LINK, { ...shown, ...topics }, RUN), { changed: [/auto_create/, 'topic_metadata_sync_options.interval'], reconnects: false })
  t.equal((await links.audit(null)).at(-1)?.detail.includes('password'), false)
  await t.rejects(links.update(LINK, document(SEALED_PLACEHOLDER, 'http://localhost:1'), RUN), { code: 'CONFIG_INVALID', message: /was given for another source_url: give it again/ }, 'nobody has it sent elsewhere')

  t.match(await links.update(LINK, document(OTHER), RUN), { changed: [FIELD], reconnects: true })
  const task = async (): Promise<TaskStatus | undefined> => (await links.status(LINK)).tasks.find(({ name }) => name === 'Schema Registry Shadowing')
  await until('the registry refuses it', async () => /401/.test((await task())?.reason ?? ''))
  t.match(await links.update(LINK, document(SECRET), RUN), { changed: [FIELD], reconnects: true })
  source.add('orders-value', '"int"', { id: 8 })
  await until('it copies again', () => shadow.find('orders-value', 2)?.id === 8)
  for (const secret of [SECRET, OTHER]) t.notOk(stateBytes(pair).includes(secret))
  t.ok(running.state.problem === null)
})
