import { readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { pino } from 'pino'
import { test, type Test } from 'tap'
import { runUntilEnded, type RunningParts } from '../../src/cli/running-parts.ts'
import { SignalError } from '../../src/cli/terminal.ts'
import { parseRunYaml } from '../../src/config/run-config.ts'
import { formatHostPort, type HostPort } from '../../src/net/host-port.ts'
import { STATE_TOPIC } from '../../src/state/state-topic.ts'
import { SchemaRegistry } from '../support/schema-registry.ts'
import { ShadowPair, until } from '../support/shadow-pair.ts'
import { runCommand, type Outcome } from './run-command.ts'

interface Running {
  readonly parts: RunningParts
  readonly admin: string
  readonly log: string[]
  /** Asks it to end, and gives what it ended with. */
  readonly end: () => Promise<unknown>
}

async function start (t: Test, shadow: HostPort, more = '', { registry, sections = '' }: { readonly registry?: string, readonly sections?: string } = {}): Promise<Running> {
  const config = parseRunYaml(`
shadow_cluster: {bootstrap_servers: ["${formatHostPort(shadow)}"]${registry === undefined ? '' : `, schema_registry: {url: "${registry}"}`}}
sidecar: {bootstrap_port: 0, node_ids: "1", drain_timeout: 1s${more.includes('no-sidecar') ? ', enabled: false' : ''}}
engine: {session_timeout: 6s${more.includes('no-engine') ? ', enabled: false' : ''}}
admin: {listen: "127.0.0.1:0"}
${sections}`, 'test')
  const log: string[] = []
  const ending = new AbortController()
  let onRunning: (parts: RunningParts) => void = () => {}
  const running = new Promise<RunningParts>(resolve => { onRunning = resolve })
  const ended = runUntilEnded(config, {
    logger: pino({ level: 'trace' }, { write: (line: string) => { log.push(line) } }),
    signal: ending.signal,
    onRunning,
    onOverdue: () => t.fail('the parts did not end in time')
  }).catch((error: unknown) => error)
  const parts = await Promise.race([running, ended])
  if (!isParts(parts)) throw parts instanceof Error ? parts : new Error('it ended at once')
  const end = async (): Promise<unknown> => {
    ending.abort(new SignalError('SIGTERM'))
    return await ended
  }
  t.teardown(end)
  return { parts, admin: parts.adminAddress === null ? '' : formatHostPort(parts.adminAddress), log, end }
}

function isParts (value: unknown): value is RunningParts {
  return typeof value === 'object' && value !== null && 'adminAddress' in value
}

test('a link from its creation to its end, by commands alone', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'orders', 2)
  pair.write('orders', 0, 5)
  pair.write('orders', 1, 3)
  const { admin, parts, log, end } = await start(t, pair.shadow.address)
  const run = (line: string): Promise<Outcome> => runCommand([...line.split(' '), '--admin', admin])
  t.ok(log.some(line => line.includes(`clients connect to 127.0.0.1:${parts.bootstrap?.port}; kshadow commands to --admin ${admin}`)))

  await until('the engine leads', async () => (await run('list')).code === 0)
  t.equal((await fetch(`http://${admin}/readyz`)).status, 200)
  const file = join(t.testdir(), 'link.yaml')
  await writeFile(file, JSON.stringify(pair.linkDocument()))
  t.match(await run(`create -c ${file} --dry-run`), { code: 0, out: /can be created/ })
  t.match(await run(`create -c ${file} --no-confirm`), { code: 0, out: /^Successfully created shadow link "dr"/ })
  t.match(await run(`create -c ${file} --no-confirm`), { code: 1, err: /a link named dr exists already/ })
  await pair.untilSame('orders', 2)
  t.match(await run('verify dr'), { code: 0, out: /8 batches, .* compared: identical\.\n$/ })
  await until('the status has caught up', async () => / 0 {10}5 +5 +5 +0 +0s/.test((await run('status dr -t')).out))
  t.match(await run('describe dr -a'), { code: 0, out: /- include literal "\*"/ })
  t.match(await run('delete dr --no-confirm'), { code: 1, err: /live shadow topics \(orders is ACTIVE\)/ })
  t.match(await run('failover dr --topic payments --no-confirm'), { code: 1, err: /no shadow topic payments/ })

  await pair.createTopic('source', 'planned')
  await until('it is shadowed, too', async () => / ACTIVE/.test((await run('status dr -t')).out.split('Name: planned')[1] ?? ''))
  t.match(await run('promote dr --topic planned --no-confirm'), { code: 0, out: /\nplanned +PROMOTED +\d+/ })
  t.match(await run('failover dr --all --no-confirm'), { code: 0, out: /\norders +FAILED_OVER +\d+/ })
  t.match(await run('failover dr --all --no-confirm'), { code: 0, out: /\norders +FAILED_OVER +before\nplanned +PROMOTED +before\n/ }, 'again is harmless')
  t.match(await run('status dr'), { code: 0, out: /STATE +FAILED_OVER[^]*Name: orders, ID: .*, State: FAILED_OVER/ })
  t.match(await run('delete dr --no-confirm'), { code: 0 })
  t.match(await run('list --output json'), { code: 0, out: '[]\n' })

  t.match(await end(), { exitCode: 143 })
  t.match(await run('list'), { code: 1, err: /no kshadow is listening/ })
})

test('a secret that a link is given is used, and comes out nowhere', async t => {
  const secret = 'correct-horse-battery-staple'
  const seen = [secret, Buffer.from(`me:${secret}`).toString('base64'), Buffer.from(secret).toString('hex')]
  const [source, shadow] = await Promise.all([SchemaRegistry.start({ basic: { username: 'me', password: secret } }), SchemaRegistry.start()])
  t.teardown(async () => { await Promise.all([source.stop(), shadow.stop()]) })
  source.add('orders-value', '"string"', { id: 7 })
  const pair = await ShadowPair.start(t)
  const directory = t.testdir({ seen: {}, 'link.yaml': '' })
  const [key, file] = [join(directory, 'secret.key'), join(directory, 'link.yaml')]
  await writeFile(key, `${Buffer.alloc(32, 'k').toString('hex')}\n`, { mode: 0o600 })
  const document = { ...pair.linkDocument(), schema_registry_sync_options: { shadow_schema_registry_api: { source_url: source.url, tail_interval: '200ms', max_source_requests_per_second: 1000, auth_options: { basic: { username: 'me', password: secret } } } } }
  await writeFile(file, JSON.stringify(document))
  const { admin, log, end } = await start(t, pair.shadow.address, '', { registry: shadow.url, sections: `secrets: {key_file: "${key}"}\n` })
  const said: string[] = []
  const run = async (line: string, env: Record<string, string> = {}): Promise<Outcome> => {
    const outcome = await runCommand([...line.split(' '), '--admin', admin], { env })
    said.push(outcome.out, outcome.err)
    return outcome
  }
  await until('the engine leads', async () => (await run('list')).code === 0)

  t.match(await run(`check -c ${file}`), { out: /source registry/ })
  t.match(await run(`create -c ${file} --dry-run`), { code: 0 })
  t.match(await run(`create -c ${file} --no-confirm`), { code: 0 })
  t.match(await run(`create -c ${file} --no-confirm`), { code: 1, err: /exists already/ })
  await until('schemas are copied', () => shadow.find('orders-value', 1)?.id === 7)
  for (const line of ['describe dr -a', 'describe dr -a --output json', 'status dr', 'status dr --output json', 'list --output json', 'audit', 'audit dr --output json']) t.match(await run(line), { code: 0 }, line)
  t.match((await run('describe dr -a --output json')).out, /"password": "\$\{sealed\}"/)

  t.match(await run('update dr', { EDITOR: `cp -t ${directory}/seen` }), { code: 0, out: 'No changes detected\n' })
  const shown = await readFile(join(directory, 'seen', 'dr.yaml'), 'utf8')
  t.match(shown, /password: \$\{sealed\}\n/)
  t.match(await run('update dr', { EDITOR: 'sed -i s/200ms/300ms/' }), { code: 0, out: /^Successfully updated/ }, 'what was shown can be given back')
  source.add('orders-value', '"int"', { id: 8 })
  await until('the secret is still there', () => shadow.find('orders-value', 2)?.id === 8)
  const moved = await run('update dr', { EDITOR: `sed -i s,${source.url},${source.url}/moved,` })
  t.match(moved, { code: 2, err: /password: <redacted>: \$\{sealed\} stands for the secret that the link has here, which was given for another source_url: give it again/ })
  await rm(join(/what was edited is in (.*)/.exec(moved.err)?.[1] ?? '', '..'), { recursive: true })
  t.match(await run(`update dr -c ${file}`), { code: 0 })
  for (const path of ['/v1/links', '/v1/links/dr', '/v1/audit', '/readyz']) said.push(await (await fetch(`http://${admin}${path}`)).text())
  t.match(await run('delete dr --no-confirm --force'), { code: 0 })
  await end()

  const state = pair.bytes(pair.shadow, STATE_TOPIC, 0).toString('latin1')
  t.match(state, /"password":"\$\{sealed:v1:[0-9a-f]{8}:[\w-]+\}"/, 'what is looked at is what it was written to')
  t.ok(log.some(line => line.includes('link dr was created')) && said.some(text => text.includes('dr')))
  for (const text of [state, shown, ...log, ...said]) for (const word of seen) t.notOk(text.includes(word), text.slice(0, 300))
})

test('a process without an engine sends commands to the one that leads', async t => {
  const pair = await ShadowPair.start(t)
  const engine = await start(t, pair.shadow.address, 'no-sidecar')
  await until('the engine leads', async () => (await runCommand(['list', '--admin', engine.admin])).code === 0)
  const sidecar = await start(t, pair.shadow.address, 'no-engine')
  await until('the sidecar knows who leads', async () => (await runCommand(['list', '--admin', sidecar.admin])).code === 0)
  const body: unknown = await (await fetch(`http://${sidecar.admin}/v1/links`)).json()
  t.match(body, { code: 'NOT_LEADER', leader: engine.admin })
  t.equal((await fetch(`http://${engine.admin}/v1/sidecar`)).status, 404)
  await until('the sidecar is ready', async () => (await fetch(`http://${sidecar.admin}/readyz`)).status === 200)
})

test('a port that is taken ends the start with words for it, and leaves nothing behind', async t => {
  const pair = await ShadowPair.start(t)
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const address: AddressInfo | string | null = taken.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  for (const [yaml, expected] of [
    [`admin: {listen: "127.0.0.1:${address.port}"}\nsidecar: {bootstrap_port: 0, node_ids: "1"}`, /the admin port cannot listen at .*admin\.listen/],
    [`admin: {listen: "127.0.0.1:0"}\nsidecar: {bootstrap_port: ${address.port}, node_ids: "1"}`, /cannot listen at 127\.0\.0\.1:\d+, the port /]
  ] as const) {
    const config = parseRunYaml(`shadow_cluster: {bootstrap_servers: ["${formatHostPort(pair.shadow.address)}"]}\n${yaml}`, 'test')
    await t.rejects(runUntilEnded(config, {
      logger: pino({ level: 'silent' }), signal: new AbortController().signal, onOverdue: () => t.fail('the parts did not end in time')
    }), { code: 'CONFLICT', message: expected })
  }
})

test('a shadow cluster that is not there is waited for, and said to be missing', async t => {
  const { admin } = await start(t, { host: '127.0.0.1', port: 1 })
  await until('the reason is known', async () => {
    const body: unknown = await (await fetch(`http://${admin}/readyz`)).json()
    return JSON.stringify(body).includes('127.0.0.1:1')
  })
  t.match(await runCommand(['list', '--admin', admin]), { code: 1, err: /no engine leads the links at the moment: .*127\.0\.0\.1:1/ })
})
