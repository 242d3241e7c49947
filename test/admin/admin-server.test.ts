import { connect } from 'node:net'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { test } from 'tap'
import { ConfigError } from '../../src/config/config-error.ts'
import { AdminServer } from '../../src/admin/admin-server.ts'
import { BrokerError, ShadowError } from '../../src/errors.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import type { SidecarStatus } from '../../src/proxy/sidecar-status.ts'
import { LinkState } from '../../src/state/link-state.ts'
import { FakeLinks, link, report, topic } from './fake-links.ts'
import { freshState, runConfig, startAdmin } from './start-admin.ts'

const JSON_HEADERS = { 'content-type': 'application/json' }

function post (body: unknown): RequestInit {
  return { method: 'POST', headers: JSON_HEADERS, body: JSON.stringify(body) }
}

async function jsonOf (url: string, init?: RequestInit): Promise<{ readonly status: number, readonly body: unknown }> {
  const response = await fetch(url, init)
  const text = await response.text()
  const body: unknown = text === '' ? null : JSON.parse(text)
  return { status: response.status, body }
}

/** With headers that fetch does not let one set. */
function statusWith (url: string, headers: Record<string, string>, method = 'GET'): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method, headers, agent: false }, response => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    request.on('error', reject)
    request.end()
  })
}

async function linesOf (response: Response): Promise<unknown[]> {
  const text = await response.text()
  return text.split('\n').filter(line => line !== '').map((line): unknown => JSON.parse(line))
}

test('links are listed and shown as the engine has them', async t => {
  const links = new FakeLinks(link('a'), link('b.c_d-1'))
  const { url } = await startAdmin(t, links)
  t.same(await jsonOf(`${url}/v1/links`), { status: 200, body: [link('a'), link('b.c_d-1')] })
  t.same(await jsonOf(`${url}/v1/links/b.c_d-1`), { status: 200, body: link('b.c_d-1') })
})

test('a link with the longest name there is can be asked for', async t => {
  const name = 'x'.repeat(128)
  const { url } = await startAdmin(t, new FakeLinks(link(name)))
  t.equal((await jsonOf(`${url}/v1/links/${name}`)).status, 200)
})

test('names that mean a place in a path are names like any other, and not there', async t => {
  const links = new FakeLinks(link('a'))
  const { url } = await startAdmin(t, links)
  t.match(await jsonOf(`${url}/v1/links/..%2Fx`), { status: 404, body: { code: 'NOT_FOUND', detail: 'there is no link ../x' } })
  t.same(links.calls, [['status', '../x']])
})

test('a link is created from its document, and a dry run is told apart', async t => {
  const links = new FakeLinks()
  const { url } = await startAdmin(t, links)
  const document = { name: 'new', client_options: { bootstrap_servers: ['a:9092'] } }
  const response = await fetch(`${url}/v1/links`, post(document))
  t.equal(response.status, 201)
  t.equal(response.headers.get('location'), '/v1/links/new')
  t.match(await response.json(), { name: 'new' })
  t.equal((await jsonOf(`${url}/v1/links?dry_run=true`, post(document))).status, 200)
  t.equal((await jsonOf(`${url}/v1/links?dry_run=false`, post(document))).status, 201)
  t.same(links.calls.map(([verb, , dryRun]) => [verb, dryRun]), [['create', false], ['create', true], ['create', false]])
})

test('a document is checked line by line, and a wrong one refused', async t => {
  const links = new FakeLinks()
  links.lines = [{ name: 'source', verdict: 'failed', text: 'it is not there', advice: 'start it' }]
  const { url } = await startAdmin(t, links)
  t.same(await jsonOf(`${url}/v1/check`, post({ name: 'new', client_options: { bootstrap_servers: ['a:9092'] } })), { status: 200, body: links.lines })
  t.match(await jsonOf(`${url}/v1/check`, post({ name: 'bad name' })), { status: 400, body: { code: 'CONFIG_INVALID' } })
  t.match(await jsonOf(`${url}/v1/check?dry_run=true`, post({})), { status: 400, body: { problems: [{ key: 'dry_run', expected: 'unknown key' }] } })
})

test('an invalid document is answered with every problem by key, and no secret', async t => {
  const { url } = await startAdmin(t, new FakeLinks())
  const { status, body } = await jsonOf(`${url}/v1/links`, post({ name: 'bad name', client_options: { bootstrap_servers: [], password: 'hunter2' } }))
  t.equal(status, 400)
  t.match(body, {
    code: 'CONFIG_INVALID',
    problems: [
      { key: 'name', line: null, value: '"bad name"', expected: /^expected 1 to 128/ },
      { key: 'client_options.bootstrap_servers', expected: 'expected at least one host:port' },
      { key: 'client_options.password', expected: 'unknown key' }
    ]
  })
  t.notMatch(JSON.stringify(body), /hunter2/)
})

test('bodies of the wrong shape are refused, whatever they are', async t => {
  const links = new FakeLinks(link('a'))
  const { url } = await startAdmin(t, links)
  for (const body of [null, 1, 'text', [], { topics: 'orders' }, { topic: null }, { topic: '' }, { topic: 7 }, { topic: 'x'.repeat(250) }]) {
    t.match(await jsonOf(`${url}/v1/links/a/failover`, post(body)), { status: 400, body: { code: 'CONFIG_INVALID' } }, JSON.stringify(body))
  }
  t.same(links.calls, [], 'and nothing was failed over')
  t.match(await jsonOf(`${url}/v1/links`, { method: 'POST', headers: JSON_HEADERS, body: '{"name": ' }), { status: 400, body: { code: 'REQUEST_INVALID' } })
  t.match(await jsonOf(`${url}/v1/links`, { method: 'POST', headers: JSON_HEADERS, body: '' }), { status: 400, body: { code: 'REQUEST_INVALID' } })
})

test('a body that is too large is refused', async t => {
  const { url } = await startAdmin(t, new FakeLinks())
  t.match(await jsonOf(`${url}/v1/links`, post({ name: 'x'.repeat(1024 * 1024) })), { status: 413, body: { code: 'REQUEST_INVALID' } })
})

test('a failover is begun for one topic or for all', async t => {
  const links = new FakeLinks(link('a'))
  const { url } = await startAdmin(t, links)
  t.equal((await jsonOf(`${url}/v1/links/a/failover`, post({}))).status, 202)
  t.equal((await jsonOf(`${url}/v1/links/a/failover`, post({ topic: 'orders' }))).status, 202)
  t.same(links.calls, [['failover', 'a', null], ['failover', 'a', 'orders']])
})

test('a promotion is begun for one topic or for all, and nothing else is taken for one', async t => {
  const links = new FakeLinks(link('a'))
  const { url } = await startAdmin(t, links)
  t.equal((await jsonOf(`${url}/v1/links/a/promote`, post({}))).status, 202)
  t.equal((await jsonOf(`${url}/v1/links/a/promote`, post({ topic: 'orders' }))).status, 202)
  t.match(await jsonOf(`${url}/v1/links/a/promote`, post({ topics: 'orders' })), { status: 400, body: { code: 'CONFIG_INVALID' } })
  t.match(await jsonOf(`${url}/v1/links/b/promote`, post({})), { status: 404 })
  links.failure = new ShadowError('CONFLICT', 'topic orders is FAULTED')
  t.match(await jsonOf(`${url}/v1/links/a/promote`, post({})), { status: 409, body: { code: 'CONFLICT', detail: 'topic orders is FAULTED' } })
  t.same(links.calls, [['promote', 'a', null], ['promote', 'a', 'orders'], ['promote', 'b', null], ['promote', 'a', null]])
})

test('a link is deleted, with force only where it is asked for', async t => {
  const links = new FakeLinks(link('a'), link('b'))
  const { url } = await startAdmin(t, links)
  t.same(await jsonOf(`${url}/v1/links/a`, { method: 'DELETE' }), { status: 204, body: null })
  t.same(await jsonOf(`${url}/v1/links/b?force=true`, { method: 'DELETE' }), { status: 204, body: null })
  t.same(links.calls, [['delete', 'a', false], ['delete', 'b', true]])
  t.match(await jsonOf(`${url}/v1/links/b?force=yes`, { method: 'DELETE' }), { status: 400, body: { problems: [{ key: 'force', expected: 'expected true or false' }] } })
  t.match(await jsonOf(`${url}/v1/links?dryrun=true`, post({})), { status: 400, body: { problems: [{ key: 'dryrun', expected: 'unknown key' }] } })
})

test('every error has a status, a code and words', async t => {
  const links = new FakeLinks()
  const { url } = await startAdmin(t, links)
  const cases: Array<[Error, number, string, RegExp]> = [
    [new ConfigError('link', [{ key: 'name', line: 3, value: '"x"', expected: 'other' }]), 400, 'CONFIG_INVALID', /link:3: name: "x": other/],
    [new ShadowError('NOT_FOUND', 'there is no link x'), 404, 'NOT_FOUND', /there is no link x/],
    [new ShadowError('CONFLICT', 'taken'), 409, 'CONFLICT', /taken/],
    [new ShadowError('CLUSTER_UNAVAILABLE', 'nobody answers'), 503, 'CLUSTER_UNAVAILABLE', /nobody answers/],
    [new ShadowError('CONNECT_FAILED', 'refused'), 502, 'CONNECT_FAILED', /refused/],
    [new ShadowError('REQUEST_TIMEOUT', 'too slow'), 504, 'REQUEST_TIMEOUT', /too slow/],
    [new BrokerError(29, 'CreateTopics orders'), 502, 'BROKER_ERROR', /TOPIC_AUTHORIZATION_FAILED/]
  ]
  for (const [error, status, code, detail] of cases) {
    links.failure = error
    t.match(await jsonOf(`${url}/v1/links`), { status, body: { status, code, detail } }, code)
  }
  t.match(await jsonOf(`${url}/v1/nothing`), { status: 404, body: { code: 'NOT_FOUND', detail: 'there is no GET /v1/nothing' } })
})

test('what is wrong inside is in the log and not in the answer', async t => {
  const links = new FakeLinks()
  const { url, log } = await startAdmin(t, links)
  for (const error of [new TypeError('undefined is not a function at /secret/path'), new ShadowError('INVARIANT', 'row 7 of /secret/path')]) {
    links.failure = error
    const { status, body } = await jsonOf(`${url}/v1/links`)
    t.equal(status, 500)
    t.match(body, { code: 'INTERNAL', detail: /the log of this process says more under request req-/ })
    t.notMatch(JSON.stringify(body), /secret/)
  }
  t.equal(log.filter(line => line.includes('/secret/path')).length, 2)
})

test('whoever does not lead names the one who does', async t => {
  const links = new FakeLinks()
  links.leading = false
  links.adminAddress = '10.0.0.7:9644'
  const { url } = await startAdmin(t, links)
  t.match(await jsonOf(`${url}/v1/links`), { status: 421, body: { code: 'NOT_LEADER', leader: '10.0.0.7:9644' } })
})

test('a process without an engine knows who leads from the state of the links', async t => {
  const { url, parts } = await startAdmin(t, null, { config: engineOff() })
  t.match(await jsonOf(`${url}/v1/links`), { status: 421, body: { code: 'NOT_LEADER', leader: null } })
  parts.state = { ...freshState, state: ledFrom('10.0.0.9:9644') }
  t.match(await jsonOf(`${url}/v1/links`), { status: 421, body: { leader: '10.0.0.9:9644' } })
})

test('an engine that is starting is told from one that is switched off', async t => {
  const { url } = await startAdmin(t, null)
  t.match(await jsonOf(`${url}/v1/links`), { status: 503, body: { code: 'CLUSTER_UNAVAILABLE', detail: 'the engine is starting' } })
})

test('verification goes out line by line, and ends with a summary', async t => {
  const links = new FakeLinks(link('a'))
  links.reports = async function * () {
    yield report()
    yield report({ partition: 1, difference: 'offset 7: CRC' })
    yield report({ partition: 2, incomplete: 'no leader' })
  }
  const { url } = await startAdmin(t, links)
  const response = await fetch(`${url}/v1/links/a/verify?topic=orders`)
  t.equal(response.headers.get('content-type'), 'application/x-ndjson')
  t.same(await linesOf(response), [
    { kind: 'partition', report: report() },
    { kind: 'partition', report: report({ partition: 1, difference: 'offset 7: CRC' }) },
    { kind: 'partition', report: report({ partition: 2, incomplete: 'no leader' }) },
    { kind: 'summary', summary: { partitions: 3, batches: 9, bytes: 9216, different: 1, incomplete: 1 } }
  ])
  t.same(links.calls.at(-1), ['verify', 'a', 'orders'])
})

test('a verification that breaks off ends with the problem, and with no summary', async t => {
  const links = new FakeLinks(link('a'))
  links.reports = async function * () {
    yield report()
    throw new ShadowError('CLUSTER_UNAVAILABLE', 'the source went away')
  }
  const { url } = await startAdmin(t, links)
  t.match(await linesOf(await fetch(`${url}/v1/links/a/verify`)), [{ kind: 'partition' }, { kind: 'problem', problem: { code: 'CLUSTER_UNAVAILABLE', detail: 'the source went away' } }])
})

test('what cannot be verified is refused before the first line', async t => {
  const { url } = await startAdmin(t, new FakeLinks(link('a')))
  t.match(await jsonOf(`${url}/v1/links/b/verify`), { status: 404 })
  t.match(await jsonOf(`${url}/v1/links/a/verify?topic=payments`), { status: 404, body: { detail: 'link a has no topic payments' } })
})

test('a verification that takes its time says that it goes on', async t => {
  const links = new FakeLinks(link('a'))
  const gate = deferred()
  links.reports = async function * () {
    await gate.promise
    yield report()
  }
  const { url } = await startAdmin(t, links, { verifyQuietMs: 5 })
  const response = await fetch(`${url}/v1/links/a/verify`)
  const reader = response.body?.getReader()
  t.equal(Buffer.from((await reader?.read())?.value ?? []).toString(), '{"kind":"waiting"}\n')
  gate.resolve()
  await reader?.cancel()
})

test('a client that goes away ends its verification', async t => {
  const links = new FakeLinks(link('a'))
  const ended = deferred()
  links.reports = async function * (signal) {
    yield report()
    await once(signal, 'abort')
    ended.resolve()
    throw new ShadowError('ABORTED', 'given up')
  }
  const { url } = await startAdmin(t, links)
  const abort = new AbortController()
  const response = await fetch(`${url}/v1/links/a/verify`, { signal: abort.signal })
  await response.body?.getReader().read()
  abort.abort()
  await ended.promise
  t.pass('the engine was told')
})

test('stopping ends verifications', async t => {
  const links = new FakeLinks(link('a'))
  links.reports = async function * (signal) {
    yield report()
    await once(signal, 'abort')
    throw new ShadowError('ABORTED', 'given up')
  }
  const { server, url } = await startAdmin(t, links)
  const response = await fetch(`${url}/v1/links/a/verify`)
  const lines = linesOf(response)
  await server.stop()
  t.match(await lines, [{ kind: 'partition' }, { kind: 'problem', problem: { code: 'ABORTED' } }])
  await t.rejects(fetch(`${url}/livez`), 'nothing listens any more')
})

test('only so many verifications run at once', async t => {
  const links = new FakeLinks(link('a'))
  links.reports = async function * (signal) {
    yield report()
    await once(signal, 'abort')
  }
  const { url } = await startAdmin(t, links)
  for (let count = 0; count < 4; count++) t.equal((await fetch(`${url}/v1/links/a/verify`)).status, 200)
  t.match(await jsonOf(`${url}/v1/links/a/verify`), { status: 409, body: { code: 'CONFLICT' } })
})

test('pages of other sites are kept out', async t => {
  const links = new FakeLinks(link('a'))
  const { url, server } = await startAdmin(t, links)
  const own = `127.0.0.1:${server.address.port}`
  t.equal(await statusWith(`${url}/v1/links`, { host: own }), 200)
  t.equal(await statusWith(`${url}/v1/links`, { host: `localhost:${server.address.port}` }), 200)
  t.equal(await statusWith(`${url}/livez`, { host: '10.1.2.3:9644' }), 200, 'a probe that uses the address of a pod')
  t.equal(await statusWith(`${url}/v1/links`, { host: own, origin: `http://${own}` }), 200)
  t.equal(await statusWith(`${url}/v1/links`, { host: 'rebound.example.com' }), 403)
  t.equal(await statusWith(`${url}/v1/links`, { host: '127.0.0.1.example.com:9644' }), 403)
  t.equal(await statusWith(`${url}/v1/links`, { host: own, origin: 'https://example.com' }), 403)
  t.equal(await statusWith(`${url}/v1/links`, { host: own, origin: 'null' }), 403)
  t.equal(await statusWith(`${url}/v1/links`, { host: own, 'sec-fetch-site': 'cross-site' }), 403)
  t.equal(links.calls.length, 3)
})

test('forms cannot post', async t => {
  const links = new FakeLinks(link('a'))
  const { url } = await startAdmin(t, links)
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/jsonx']) {
    const { status } = await jsonOf(`${url}/v1/links/a/failover`, { method: 'POST', headers: { 'content-type': type }, body: '{}' })
    t.equal(status, 415, type)
  }
  t.equal(await statusWith(`${url}/v1/links/a/failover`, {}, 'POST'), 415, 'no type at all')
  t.same(links.calls, [])
})

test('bytes that are no HTTP end the connection, and nothing else', async t => {
  const { url, server } = await startAdmin(t, new FakeLinks())
  const socket = connect(server.address.port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(Buffer.from([0, 0, 0, 20, 0, 18, 0, 3, 0, 0, 0, 1, 0, 0]))
  socket.resume()
  await once(socket, 'close')
  t.equal((await fetch(`${url}/livez`)).status, 200)
})

test('the process is alive whatever its parts do; it is ready when they are', async t => {
  const links = new FakeLinks()
  const { url, parts } = await startAdmin(t, links, { config: sidecarOn() })
  t.match(await jsonOf(`${url}/livez`), { status: 200 })
  t.match(await jsonOf(`${url}/readyz`), { status: 503, body: { ready: false, sidecar: { ready: false, state: 'starting' }, engine: { ready: true, state: 'leading' } } })

  parts.sidecar = { status: () => sidecarStatus({ state: 'degraded', reasons: ['no_upstream'] }) }
  t.match(await jsonOf(`${url}/readyz`), { status: 503, body: { sidecar: { state: 'degraded', reason: 'no broker of the shadow cluster can be reached' } } })

  parts.sidecar = { status: () => sidecarStatus({}) }
  t.match(await jsonOf(`${url}/readyz`), { status: 200, body: { ready: true, sidecar: { state: 'ready' }, state: { state: 'fresh', ageMs: 10 } } })

  parts.state = { ...freshState, ageMs: () => 40_000, problem: 'no broker answers' }
  t.match(await jsonOf(`${url}/readyz`), { status: 503, body: { state: { state: 'stale', ageMs: 40_000, reason: 'the state of the links was last read 40 s ago: no broker answers' } } })

  parts.state = { state: null, problem: null, ageMs: () => Infinity }
  t.match(await jsonOf(`${url}/readyz`), { status: 503, body: { state: { state: 'unknown', ageMs: null } } })

  parts.state = freshState
  parts.draining = true
  t.match(await jsonOf(`${url}/readyz`), { status: 503, body: { ready: false, draining: true } })
})

test('an engine that stands by is ready; one that cannot take part is not', async t => {
  const links = new FakeLinks()
  links.leading = false
  const { url, parts } = await startAdmin(t, links)
  t.match(await jsonOf(`${url}/readyz`), { status: 503, body: { engine: { state: 'starting' }, sidecar: { state: 'off', ready: true } } })
  links.adminAddress = '10.0.0.7:9644'
  t.match(await jsonOf(`${url}/readyz`), { status: 200, body: { engine: { state: 'standby', reason: /10\.0\.0\.7:9644/ } } })
  parts.engineProblem = 'no broker of the shadow cluster answers'
  t.match(await jsonOf(`${url}/readyz`), { status: 503, body: { engine: { state: 'starting', reason: 'no broker of the shadow cluster answers' } } })
})

test('the sidecar is shown as it is, or said to be off', async t => {
  const { url, parts } = await startAdmin(t, new FakeLinks(), { config: sidecarOn() })
  t.match(await jsonOf(`${url}/v1/sidecar`), { status: 503, body: { detail: 'the sidecar is starting' } })
  parts.sidecar = { status: () => sidecarStatus({}) }
  t.same(await jsonOf(`${url}/v1/sidecar`), { status: 200, body: sidecarStatus({}) })
  const off = await startAdmin(t, new FakeLinks())
  t.match(await jsonOf(`${off.url}/v1/sidecar`), { status: 404, body: { detail: /sidecar\.enabled/ } })
})

test('a port that is taken is said to be so', async t => {
  const { server } = await startAdmin(t, new FakeLinks())
  const parts = { links: null, engineProblem: null, sidecar: null, state: freshState, clusterId: 'shadow-cluster', draining: false }
  const config = { ...runConfig(), admin: { ...runConfig().admin, listen: server.address } }
  await t.rejects(AdminServer.start({ config, parts, logger: silentLogger }), { code: 'CONFLICT', message: new RegExp(`cannot listen at 127.0.0.1:${server.address.port} .*admin\\.listen`) })
})

test('requests are logged for those who look for them', async t => {
  const { url, log } = await startAdmin(t, new FakeLinks(link('a', { topics: [topic('orders')] })))
  await fetch(`${url}/v1/links/a`)
  t.match(log.map((line): unknown => JSON.parse(line)), [{ level: 20, method: 'GET', path: '/v1/links/a', status: 200, msg: 'admin request' }])
})

function sidecarOn (): ReturnType<typeof runConfig> {
  return { ...runConfig(), sidecar: { ...runConfig().sidecar, enabled: true } }
}

function engineOff (): ReturnType<typeof runConfig> {
  return { ...runConfig(), engine: { ...runConfig().engine, enabled: false } }
}

function ledFrom (adminAddress: string): LinkState {
  const state = new LinkState()
  state.engine = { epoch: 3, instance: 'other', adminAddress, since: '2026-01-02T03:04:05.000Z', restoredEpoch: 0 }
  return state
}

const noDisconnects: SidecarStatus['counters']['disconnects'] = {
  client_closed: 0,
  client_error: 0,
  client_malformed: 0,
  api_refused: 0,
  acks0_refused: 0,
  refused_late: 0,
  client_stalled: 0,
  upstream_unknown: 0,
  upstream_unreachable: 0,
  upstream_closed: 0,
  upstream_error: 0,
  upstream_malformed: 0,
  correlation_mismatch: 0,
  drain_completed: 0,
  drain_timeout: 0,
  internal_error: 0
}

function sidecarStatus (over: Partial<SidecarStatus>): SidecarStatus {
  return {
    state: 'ready',
    reasons: [],
    revision: 7,
    stateAgeMs: 12,
    connections: 1,
    counters: { connectionsOpened: 2, requests: { Produce: 3 }, refused: { Produce: 1 }, refusedAcks0: 0, disconnects: noDisconnects, bytesFromClients: 10, bytesToClients: 20 },
    hiddenNodeIds: [],
    bootstrap: { host: '127.0.0.1', port: 19092 },
    ports: [{ nodeId: 1, port: 19094 }],
    ...over
  }
}

interface Deferred {
  readonly promise: Promise<void>
  readonly resolve: () => void
}

function deferred (): Deferred {
  let resolve = (): void => {}
  const promise = new Promise<void>(_resolve => { resolve = _resolve })
  return { promise, resolve }
}
