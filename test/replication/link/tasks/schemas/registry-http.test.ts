import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import type { RegistryAuth, RegistryTls } from '../../../../../src/config/link/registry-endpoint.ts'
import { formatSecretReference } from '../../../../../src/config/secret.ts'
import type { SecretLookup } from '../../../../../src/config/secrets/link-secrets.ts'
import { sleep } from '../../../../../src/net/sleep.ts'
import { RegistryHttp } from '../../../../../src/replication/link/tasks/schemas/registry-http.ts'
import { RequestRate } from '../../../../../src/replication/link/tasks/schemas/request-rate.ts'
import { PROJECT_ROOT } from '../../../../support/project-root.ts'
import { SchemaRegistry, type RegistryOptions } from '../../../../support/schema-registry.ts'

const CERTIFICATE = join(PROJECT_ROOT, 'fixtures/tls/localhost.crt')
const KEY = join(PROJECT_ROOT, 'fixtures/tls/localhost.key')
const signal = new AbortController().signal
const USER = formatSecretReference({ kind: 'env', name: 'KSHADOW_TEST_USER' })
const SUBJECTS = { method: 'GET', path: '/subjects' } as const

interface Waits {
  readonly http: RegistryHttp
  readonly registry: SchemaRegistry
  readonly waits: number[]
}

async function scene (t: Test, { auth = null, tls = null, server = {}, timeoutMs = 10_000, secrets }: { readonly auth?: RegistryAuth | null, readonly tls?: RegistryTls | null, readonly server?: RegistryOptions, readonly timeoutMs?: number, readonly secrets?: SecretLookup } = {}): Promise<Waits> {
  const registry = await SchemaRegistry.start(server)
  const waits: number[] = []
  const clock = { now: () => 0, sleep: (ms: number, until: AbortSignal) => { waits.push(ms); return sleep(0, until) } }
  const http = new RegistryHttp({ url: registry.url, auth, tls }, { side: 'source', rate: null, clock, timeoutMs, maxAnswerBytes: 1000, ...(secrets === undefined ? {} : { secrets }) })
  t.teardown(async () => {
    http.close()
    await registry.stop()
  })
  return { http, registry, waits }
}

test('repeats what can be repeated after 429, 5xx and lost connections, and nothing else', async t => {
  const { http, registry, waits } = await scene(t)
  const faults = [{ status: 503 }, 'drop'] as const
  let asked = 0
  registry.onRequest = () => faults[asked++] ?? null
  t.same(await http.ask(SUBJECTS, signal), [])
  t.equal(asked, 3)
  t.equal(waits.length, 2)

  registry.onRequest = () => { asked++; return { status: 429, headers: { 'retry-after': '3' } } }
  asked = 0
  waits.length = 0
  await t.rejects(http.ask(SUBJECTS, signal), { code: 'REGISTRY_ERROR', retriable: true, status: 429 })
  t.equal(asked, 3)
  t.same(waits, [3000, 3000])

  for (const fault of [{ status: 503 }, 'drop'] as const) {
    asked = 0
    registry.onRequest = () => { asked++; return fault }
    await t.rejects(http.ask({ method: 'POST', path: '/subjects/a/versions', body: {} }, signal), { code: 'REGISTRY_ERROR', retriable: true })
    t.equal(asked, 1, 'a POST is not repeated')
  }
  asked = 0
  registry.onRequest = () => { asked++; return { status: 422, body: '{"error_code": 42205, "message": "not now"}' } }
  await t.rejects(http.ask({ method: 'PUT', path: '/mode', body: {} }, signal), { retriable: false, status: 422, errorCode: 42205, message: 'PUT /mode of the source registry: 422 (42205) not now' })
  t.equal(asked, 1)
})

test('follows no redirect, takes no endless answer, and gives up on one that does not come', async t => {
  const { http, registry } = await scene(t)
  registry.onRequest = () => ({ status: 302, headers: { location: 'http://elsewhere.example.com/subjects' } })
  await t.rejects(http.ask(SUBJECTS, signal), { message: /302 it redirects to elsewhere\.example\.com, and redirects are not followed/, retriable: false })
  registry.onRequest = () => ({ status: 200, body: `"${'x'.repeat(100_000)}"` })
  await t.rejects(http.ask(SUBJECTS, signal), { message: /more than 1000 bytes/, retriable: false })
  registry.onRequest = () => ({ status: 200, body: '<html>' })
  await t.rejects(http.ask(SUBJECTS, signal), { message: /answered 200 with what is not JSON/ })
  const hasty = await scene(t, { timeoutMs: 50 })
  hasty.registry.onRequest = () => 'hang'
  await t.rejects(hasty.http.ask(SUBJECTS, signal), { message: 'GET /subjects of the source registry: no answer came in time', retriable: true })
  t.equal(hasty.registry.requests.length, 3)
  const end = new AbortController()
  registry.onRequest = () => { end.abort(); return 'drop' }
  await t.rejects(http.ask(SUBJECTS, end.signal), { code: 'ABORTED' })
  await registry.stop()
  await t.rejects(http.ask(SUBJECTS, signal), { code: 'REGISTRY_ERROR', retriable: true, status: null })
})

test('passwords are looked up when they are needed, and are in no message', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'kshadow-secret-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  const file = join(folder, 'password')
  writeFileSync(file, 'wrong-secret\n')
  const { http } = await scene(t, { auth: { username: USER, password: formatSecretReference({ kind: 'file', path: file }) }, server: { basic: { username: 'me', password: 'right-secret' } } })
  delete process.env['KSHADOW_TEST_USER']
  await t.rejects(http.ask(SUBJECTS, signal), { code: 'SETTING_NEEDED', message: `${USER} cannot be looked up on the engine's host: there is no such environment variable` })
  process.env['KSHADOW_TEST_USER'] = 'me'
  t.teardown(() => { delete process.env['KSHADOW_TEST_USER'] })
  const refused = await http.ask(SUBJECTS, signal).catch((error: unknown) => error)
  t.match(refused, { status: 401, retriable: false })
  t.notMatch(String(refused) + JSON.stringify(refused), /secret/)
  writeFileSync(file, 'right-secret\n')
  t.same(await http.ask(SUBJECTS, signal), [], 'a changed password counts at once')
})

test('TLS with a certificate authority of one\'s own', async t => {
  const server = { tls: { key: readFileSync(KEY, 'utf8'), cert: readFileSync(CERTIFICATE, 'utf8') } }
  const tls = { ca: formatSecretReference({ kind: 'file', path: CERTIFICATE }), cert: null, key: null, setsServerName: true, areFiles: true }
  const trusting = await scene(t, { tls, server })
  t.same(await trusting.http.ask(SUBJECTS, signal), [])
  const strict = await scene(t, { server })
  await t.rejects(strict.http.ask(SUBJECTS, signal), { code: 'REGISTRY_ERROR', message: /self-signed certificate/ })
  t.same(strict.registry.requests, [])
})

test('a rate is kept, with a tenth of a second\'s worth at once', async t => {
  let nowMs = 0
  const waits: number[] = []
  const rate = new RequestRate(30, { now: () => nowMs, sleep: ms => { waits.push(ms); return Promise.resolve() } })
  for (let request = 0; request < 5; request++) await rate.take(signal)
  t.same(waits, [34, 67])
  nowMs = 60_000
  waits.length = 0
  for (let request = 0; request < 4; request++) await rate.take(signal)
  t.same(waits, [34], 'what was not used for a long time is not saved up')
})

test('a password and a key that are sealed are opened for each use, each as the field that it is', async t => {
  const cert = readFileSync(CERTIFICATE, 'utf8')
  const server = { basic: { username: 'me', password: 'hunter2' }, tls: { key: readFileSync(KEY, 'utf8'), cert, ca: cert, requestCert: true } }
  const asked: string[] = []
  let opened: Readonly<Record<string, string>> = { 'auth_options.basic.password': 'hunter2', 'tls_settings.tls_pem_settings.key': server.tls.key }
  const secrets: SecretLookup = async (text, field) => {
    asked.push(`${field}: ${text}`)
    return opened[field] ?? ''
  }
  const { http, registry } = await scene(t, { server, secrets, auth: { username: 'me', password: 'SEALED-1' }, tls: { ca: cert, cert, key: 'SEALED-2', setsServerName: true, areFiles: false } })
  t.same(await http.ask(SUBJECTS, signal), [])
  t.same(asked.sort(), ['auth_options.basic.password: SEALED-1', 'tls_settings.tls_pem_settings.key: SEALED-2'])
  opened = { ...opened, 'auth_options.basic.password': 'hunter3' }
  await t.rejects(http.ask(SUBJECTS, signal), { code: 'REGISTRY_ERROR', status: 401 }, 'the next request has what there is then')

  http.close()
  opened = { ...opened, 'tls_settings.tls_pem_settings.key': 'not-a-key-hunter4' }
  const requests = registry.requests.length
  const refusal: unknown = await http.ask(SUBJECTS, signal).catch((error: unknown) => error)
  t.match(refusal, { code: 'REGISTRY_ERROR' })
  t.notMatch(JSON.stringify(refusal) + String(refusal), /hunter/)
  t.equal(registry.requests.length, requests)
})
