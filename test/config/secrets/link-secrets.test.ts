import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { linkDocument, parseLinkDocument, shownLinkDocument, type LinkConfig } from '../../../src/config/link-config.ts'
import { formatSecretReference, isSealed, SEALED_PLACEHOLDER } from '../../../src/config/secret.ts'
import { LinkSecrets } from '../../../src/config/secrets/link-secrets.ts'
import { plainSecretsOf, SCHEMA_API, SECRET_FIELDS, textAt } from '../../../src/config/secrets/secret-fields.ts'
import { encodeValue, type LinkRecord } from '../../../src/state/records.ts'

const [PASSWORD, TLS_KEY] = ['auth_options.basic.password', 'tls_settings.tls_pem_settings.key'] as const
const REFERENCE = formatSecretReference({ kind: 'env', name: 'KSHADOW_TEST_SECRET' })
const [FIRST, SECOND] = [Buffer.alloc(32, 1).toString('hex'), Buffer.alloc(32, 2).toString('hex')] as const

interface Given {
  readonly name?: string
  readonly url?: string
  readonly password?: string
  readonly key?: string
}

function config ({ name = 'dr', url = 'https://registry:8081', password = 'hunter2', key = 'hunter3' }: Given = {}): LinkConfig {
  return parseLinkDocument({
    name,
    client_options: { bootstrap_servers: ['a:1'] },
    schema_registry_sync_options: { shadow_schema_registry_api: { source_url: url, auth_options: { basic: { username: 'me', password } }, tls_settings: { tls_pem_settings: { ca: 'CA', cert: 'CERT', key } } } }
  }, 'test')
}

const textOf = (link: LinkConfig, field: string): string => textAt(linkDocument(link), `${SCHEMA_API}.${field}`) ?? ''

async function keyFile (t: Test, ...keys: readonly string[]): Promise<{ readonly secrets: LinkSecrets, readonly set: (...others: readonly string[]) => Promise<void> }> {
  const path = join(t.testdir(), 'secret.key')
  const set = async (...lines: readonly string[]): Promise<void> => { await writeFile(path, lines.join('\n'), { mode: 0o600 }) }
  await set(...keys)
  return { secrets: new LinkSecrets(path), set }
}

test('every field that takes a secret itself is one of those that are sealed and hidden', async t => {
  // By their names: a field that is added elsewhere, and is not in the list, comes out in clear here.
  const leaves = (value: unknown, path: string): string[] => typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.entries(value).flatMap(([key, inner]) => leaves(inner, path === '' ? key : `${path}.${key}`))
    : [path]
  const secret = leaves(linkDocument(config()), '').filter(path => /(?:password|secret|token|\.key)$/.test(path))
  t.same(secret.sort(), SECRET_FIELDS.map(({ field }) => field).sort())
  t.same(plainSecretsOf(linkDocument(config())).sort(), secret)
  t.notMatch(JSON.stringify(shownLinkDocument(config())), /hunter/)
})

test('a secret is sealed, opens at its place only, and is shown as a placeholder', async t => {
  const { secrets } = await keyFile(t, FIRST)
  const sealed = await secrets.accept({ uid: 'u', config: config() }, null)
  for (const field of [PASSWORD, TLS_KEY]) t.ok(isSealed(textOf(sealed, field)), field)
  t.notMatch(JSON.stringify(linkDocument(sealed)), /hunter/)
  t.same(parseLinkDocument(linkDocument(sealed), 'record'), sealed)
  t.same([PASSWORD, TLS_KEY].map(field => textAt(shownLinkDocument(sealed), `${SCHEMA_API}.${field}`)), [SEALED_PLACEHOLDER, SEALED_PLACEHOLDER])
  t.same(parseLinkDocument(shownLinkDocument(sealed), 'shown').name, 'dr', 'what is shown is a document')

  const lookUp = secrets.lookUp({ uid: 'u', config: sealed }, SCHEMA_API)
  t.equal(await lookUp(textOf(sealed, PASSWORD), PASSWORD), 'hunter2')
  t.equal(await lookUp(textOf(sealed, TLS_KEY), TLS_KEY), 'hunter3')
  const altered = { code: 'SETTING_NEEDED', message: /password of link \w+ is sealed with key [0-9a-f]{8}, and does not open: it was altered, or belongs to another place/ }
  await t.rejects(lookUp(textOf(sealed, TLS_KEY), PASSWORD), altered, 'moved to another field')
  await t.rejects(secrets.lookUp({ uid: 'other', config: sealed }, SCHEMA_API)(textOf(sealed, PASSWORD), PASSWORD), altered, 'of another link')
  await t.rejects(secrets.lookUp({ uid: 'u', config: config({ name: 'dr2' }) }, SCHEMA_API)(textOf(sealed, PASSWORD), PASSWORD), altered, 'of a link of another name')
  await t.rejects(secrets.lookUp({ uid: 'u', config: config({ url: 'https://evil' }) }, SCHEMA_API)(textOf(sealed, PASSWORD), PASSWORD), altered, 'for another registry')
  t.same(await secrets.problems({ uid: 'u', config: sealed }), [])
})

test('references are left as they are, with a key and without', async t => {
  process.env['KSHADOW_TEST_SECRET'] = 'hunter4'
  t.teardown(() => { delete process.env['KSHADOW_TEST_SECRET'] })
  const given = config({ password: REFERENCE, key: REFERENCE })
  for (const secrets of [new LinkSecrets(null), (await keyFile(t, FIRST)).secrets]) {
    t.same(await secrets.accept({ uid: 'u', config: given }, null), given)
    t.equal(await secrets.lookUp({ uid: 'u', config: given }, SCHEMA_API)(REFERENCE, PASSWORD), 'hunter4')
    t.equal(await secrets.renewed({ uid: 'u', config: given }), null)
  }
  t.same(textAt(shownLinkDocument(given), `${SCHEMA_API}.${PASSWORD}`), REFERENCE)
})

test('without a key a secret itself is refused by its field, and never repeated', async t => {
  const refusal: unknown = await new LinkSecrets(null).accept({ uid: 'u', config: config() }, null).catch((error: unknown) => error)
  const expected = /expected \$\{env:NAME\} or \$\{file:\/PATH\}.*set secrets\.key_file in the file of kshadow run/
  t.match(refusal, { code: 'CONFIG_INVALID', problems: [PASSWORD, TLS_KEY].map(field => ({ key: `${SCHEMA_API}.${field}`, value: '<redacted>', expected })) })
  t.notMatch(JSON.stringify(refusal) + String(refusal), /hunter/)
  const { secrets, set } = await keyFile(t, 'hunter5')
  const broken: unknown = await secrets.accept({ uid: 'u', config: config() }, null).catch((error: unknown) => error)
  t.match(broken, { code: 'SETTING_NEEDED', message: /secret\.key cannot be used: line 1: expected a key/ })
  t.notMatch(JSON.stringify(broken) + String(broken), /hunter/)
  await set(FIRST)
  t.ok(await secrets.accept({ uid: 'u', config: config() }, null), 'the file is read when it is needed')
})

test('a placeholder keeps the secret that is there, and stands for nothing else', async t => {
  const { secrets } = await keyFile(t, FIRST)
  const owner = (given: LinkConfig): { readonly uid: string, readonly config: LinkConfig } => ({ uid: 'u', config: given })
  const before = await secrets.accept(owner(config()), null)
  const kept = config({ password: SEALED_PLACEHOLDER, key: SEALED_PLACEHOLDER })
  t.same(await secrets.accept(owner(kept), before), before)
  t.same(await new LinkSecrets(null).accept(owner(kept), before), before, 'also where nothing can be opened')
  t.same(await secrets.accept(owner(config()), before), before, 'the same secret is no change')
  const changed = await secrets.accept(owner(config({ password: 'hunter6', key: SEALED_PLACEHOLDER })), before)
  t.equal(textOf(changed, TLS_KEY), textOf(before, TLS_KEY))
  t.equal(await secrets.lookUp(owner(changed), SCHEMA_API)(textOf(changed, PASSWORD), PASSWORD), 'hunter6')

  const refused = async (given: Given, known: LinkConfig | null, expected: RegExp): Promise<void> => {
    await t.rejects(secrets.accept(owner(config(given)), known), { code: 'CONFIG_INVALID', message: expected }, String(expected))
  }
  await refused({ password: SEALED_PLACEHOLDER }, null, /password: <redacted>: \$\{sealed\} stands for the secret that the link has here, and a link that is new has none: give the secret/)
  await refused({ key: SEALED_PLACEHOLDER }, config({ key: REFERENCE }), /key: <redacted>: \$\{sealed\} stands for .* and it has none: give the secret/)
  await refused({ url: 'https://evil', password: SEALED_PLACEHOLDER }, before, /password: .* was given for another source_url: give it again/)
  await refused({ password: textOf(before, PASSWORD) }, before, /What was sealed opens only where it is/)
  t.ok(await secrets.accept(owner(config({ url: 'https://other', key: SEALED_PLACEHOLDER })), before), 'a key is sent to nobody')
})

test('what begins like a reference and is none is no secret either', async t => {
  for (const password of ['{', '{env:A-B}', '{file:relative}', '{sealed}x', '{Sealed}'].map(rest => `$${rest}`)) t.throws(() => config({ password }), { message: /password: <redacted>: expected \$\{env:NAME\} or .* must not begin with/ }, password)
  t.throws(() => config({ password: '' }), { message: /expected a password/ })
  t.throws(() => config({ password: '\ud800' }), { message: /whole characters/ })
  t.throws(() => config({ password: 'x'.repeat(65_537) }), { message: /at most 65536 characters/ })
})

test('a key that is missing or wrong is said with the field and the key', async t => {
  const { secrets, set } = await keyFile(t, FIRST)
  const sealed = await secrets.accept({ uid: 'u', config: config() }, null)
  const [, , id] = textOf(sealed, PASSWORD).split(':')
  const open = async (from: LinkSecrets): Promise<string> => await from.lookUp({ uid: 'u', config: sealed }, SCHEMA_API)(textOf(sealed, PASSWORD), PASSWORD)
  const start = `^${SCHEMA_API}\\.${PASSWORD} of link dr is sealed with key ${id ?? ''}, and `
  await t.rejects(open(new LinkSecrets(null)), { code: 'SETTING_NEEDED', retriable: false, message: new RegExp(`${start}this engine has no keys: set secrets\\.key_file`) })
  await set(SECOND)
  await t.rejects(open(secrets), { code: 'SETTING_NEEDED', retriable: false, message: new RegExp(`${start}\\S+secret\\.key has another one \\([0-9a-f]{8}\\)`) })
  t.equal((await secrets.problems({ uid: 'u', config: sealed })).length, 2)
  await set('')
  await t.rejects(open(secrets), { code: 'SETTING_NEEDED', message: new RegExp(`${start}secrets\\.key_file \\S+ cannot be used: there is no key in it`) })
  await set(SECOND, FIRST)
  t.equal(await open(secrets), 'hunter2')
  for (const text of [SEALED_PLACEHOLDER, `${SEALED_PLACEHOLDER.slice(0, -1)}:v9:x}`, `${SEALED_PLACEHOLDER.slice(0, -1)}:}`]) {
    await t.rejects(secrets.lookUp({ uid: 'u', config: sealed }, SCHEMA_API)(text, PASSWORD), { code: 'SETTING_NEEDED', message: /is sealed in a way that this version does not know/ }, text)
  }
})

test('secrets are sealed anew with the first key, as far as they open', async t => {
  const { secrets, set } = await keyFile(t, FIRST)
  const sealed = await secrets.accept({ uid: 'u', config: config() }, null)
  t.equal(await secrets.renewed({ uid: 'u', config: sealed }), null)
  await set(SECOND)
  t.equal(await secrets.renewed({ uid: 'u', config: sealed }), null, 'what does not open stays as it is')
  await set('broken')
  t.equal(await secrets.renewed({ uid: 'u', config: sealed }), null)
  await set(SECOND, FIRST)
  const renewed = await secrets.renewed({ uid: 'u', config: sealed })
  if (renewed === null) throw new Error('nothing was renewed')
  await set(SECOND)
  t.equal(await secrets.lookUp({ uid: 'u', config: renewed }, SCHEMA_API)(textOf(renewed, PASSWORD), PASSWORD), 'hunter2')
  t.equal(await secrets.renewed({ uid: 'u', config: renewed }), null)
})

test('a record with a secret in clear is not written, whoever made it', async t => {
  const record = (of: LinkConfig): LinkRecord => ({ uid: 'u', config: of, appendMode: 'produce', appendModeReason: null, sourceClusterId: null, createdAt: '', failedOverAt: null, promotingAt: null, pausedAt: null, highestProducerId: -1 })
  const encode = (of: LinkConfig): string => String(encodeValue({ kind: 'link', name: 'dr', value: record(of) }, 1))
  t.throws(() => encode(config()), { code: 'INVARIANT', message: /password of link dr is a secret that is not sealed/ })
  t.throws(() => encode(config({ password: REFERENCE })), { code: 'INVARIANT', message: /key of link dr is a secret that is not sealed/ })
  t.match(encode(config({ password: REFERENCE, key: REFERENCE })), /KSHADOW_TEST_SECRET/)
})
