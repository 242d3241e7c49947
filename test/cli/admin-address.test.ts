import { createServer } from 'node:http'
import { createServer as createTcpServer, type Socket } from 'node:net'
import { test } from 'tap'
import { AdminClient } from '../../src/cli/admin-client.ts'
import { SignalError } from '../../src/cli/terminal.ts'
import { connectFailed, dialTcp, type Dial } from '../../src/net/dial.ts'
import { parseHostPort, type HostPort } from '../../src/net/host-port.ts'
import { FakeLinks, link } from '../admin/fake-links.ts'
import { startAdmin } from '../admin/start-admin.ts'
import { kshadow } from './kshadow.ts'
import { listening } from './listening.ts'
import { runCommand } from './run-command.ts'

test('commands follow to the engine that leads, once', async t => {
  const leader = await kshadow(t, link('a'))
  const standby = await kshadow(t)
  standby.links.leading = false
  standby.links.adminAddress = leader.address
  t.match(await standby.run('status a -o'), { code: 0, out: /^OVERVIEW/, err: '' })
  const failover = await standby.run('failover a --all --no-confirm --no-wait')
  t.match(failover, { code: 0, err: `kshadow: sent to the engine that leads, at ${leader.address}\n` })
  leader.links.leading = false
  leader.links.adminAddress = standby.address
  t.match(await standby.run('failover a --all --no-confirm'), { code: 1, err: /the links are led elsewhere/ })
  t.same([leader, standby].map(({ links }) => links.calls.filter(([verb]) => verb === 'failover').length), [2, 2], 'and not in circles')
  standby.links.adminAddress = standby.address
  t.match(await standby.run('list'), { code: 1, err: /that is the address that was asked.*admin\.advertised/ })
  standby.links.adminAddress = 'not an address'
  t.match(await standby.run('list'), { code: 1, err: /the links are led elsewhere/ })
})

test('a command that was sent on to the engine of another cluster is refused there', async t => {
  const elsewhere = new FakeLinks(link('a'))
  const { server } = await startAdmin(t, elsewhere, { clusterId: 'another-cluster' })
  const standby = await kshadow(t, link('a'))
  standby.links.leading = false
  standby.links.adminAddress = `127.0.0.1:${server.address.port}`
  t.match(await standby.run('failover a --all --no-confirm'), { code: 1, err: /this is the kshadow of shadow cluster another-cluster, and the command is for that of "shadow-cluster": nothing was done/ })
  t.match(await standby.run('status a'), { code: 1 })
  t.same(elsewhere.calls, [])
  t.match(await kshadow(t, link('b')).then(({ run }) => run('status b')), { code: 0 }, 'who asks directly does not say which cluster it is')
})

test('a leader that is gone is said to be, and who was asked first is asked again', async t => {
  const standby = await kshadow(t, link('a'))
  standby.links.leading = false
  standby.links.adminAddress = '127.0.0.1:1'
  t.match(await standby.run('list'), { code: 1, err: /led elsewhere, which cannot be reached from here\. If that engine is gone, another one leads once its session has ended .*try again then/ })
  const { server } = await startAdmin(t, new FakeLinks(link('a')))
  standby.links.adminAddress = `127.0.0.1:${server.address.port}`
  const [host = '', port = ''] = standby.address.split(':')
  const client = new AdminClient({ address: { host, port: Number(port) }, signal: new AbortController().signal, user: null })
  t.equal((await client.list()).length, 1, 'by the one that leads')
  await server.stop()
  await t.rejects(client.list(), /which cannot be reached from here/, 'the one that was asked does not know yet')
  standby.links.leading = true
  t.equal((await client.list()).length, 1, 'the one that was asked, which leads now')
})

test('an admin port where nobody listens is told apart from one that is something else', async t => {
  t.match(await runCommand(['list', '--admin', '127.0.0.1:1']), { code: 1, out: '', err: 'kshadow: no kshadow is listening at 127.0.0.1:1: start one with `kshadow run -c FILE`, or give --admin\n' })
  const redpanda = await listening(t, createServer((_request, response) => response.writeHead(404).end('{"message": "Not found", "code": 404}')))
  t.match(await runCommand(['list', '--admin', `http://127.0.0.1:${redpanda}/`]), { code: 1, err: /is not the admin port of a kshadow: it answered GET \/v1\/links with HTTP status 404/ })
  const other = await listening(t, createServer((_request, response) => response.end('[{"name": 7}]')))
  t.match(await runCommand(['list', '--admin', `127.0.0.1:${other}`]), { code: 1, err: /cannot be understood \(0\.name: / })
  const broker = await listening(t, createTcpServer(socket => socket.end(Buffer.from([0, 0, 0, 4, 1, 2, 3, 4]))))
  t.match(await runCommand(['list', '--admin', `127.0.0.1:${broker}`]), { code: 1, err: /does not speak HTTP: is that the port of a broker/ })
  const closing = await listening(t, createTcpServer(socket => socket.destroy()))
  t.match(await runCommand(['failover', 'a', '--all', '--no-confirm', '--admin', `127.0.0.1:${closing}`]), { code: 1, err: /closed the connection before it had answered; what was asked for may have been carried out all the same/ })
})

test('the admin address comes from the option, or else from the environment', async t => {
  const { run, address } = await kshadow(t, link('a'))
  t.match(await runCommand(['list'], { env: { KSHADOW_ADMIN: `http://${address}` } }), { code: 0, out: /^NAME/ })
  t.match(await run('list', { env: { KSHADOW_ADMIN: '127.0.0.1:1' } }), { code: 0 })
  for (const [given, expected] of [['a b', /expected host:port/], ['https://x', /speaks http, not https/], ['127.0.0.1:99999', /expected host:port/], ['/path', /expected host:port/]] as const) {
    t.match(await runCommand(['list', '--admin', given]), { code: 2, out: '', err: expected })
  }
  const secret = await runCommand(['list', '--admin', 'http://me:hunter2@host:1'])
  t.match(secret, { code: 2, err: /must not hold a user or password/ })
  t.notMatch(secret.err, /hunter2/)
})

test('a signal ends a command with its own exit code', async t => {
  const port = await listening(t, createServer(() => {}))
  for (const [name, code] of [['SIGINT', 130], ['SIGTERM', 143]] as const) {
    const abort = new AbortController()
    const outcome = runCommand(['list', '--admin', `127.0.0.1:${port}`], { signal: abort.signal })
    setImmediate(() => abort.abort(new SignalError(name)))
    t.match(await outcome, { code, out: '' })
  }
})

const { signal } = new AbortController()

function addressOf (text: string): HostPort {
  return parseHostPort(text) ?? { host: '', port: 0 }
}

test('a leader on loopback is this machine only to an engine of this machine', async t => {
  const other = await kshadow(t, link('a'))
  const standby = await kshadow(t)
  standby.links.leading = false
  const port = addressOf(other.address).port
  for (const leader of [`127.0.0.1:${port}`, `127.1.2.3:${port}`, `localhost:${port}`, `LOCALHOST.:${port}`, `[::1]:${port}`, `[::ffff:127.0.0.1]:${port}`, `0.0.0.0:${port}`, `[::]:${port}`]) {
    standby.links.adminAddress = leader
    // As over a tunnel, or from another host: what answers there is not this machine.
    const client = new AdminClient({ address: { host: '192.0.2.1', port: 9644 }, signal, user: null, dial: async (address, options) => await dialTcp(address.host === '192.0.2.1' ? addressOf(standby.address) : address, options) })
    await t.rejects(client.failover('a', null), { message: /^the links are led elsewhere; the engine that leads names .*, which only its own machine reaches\. Give the command there, or set admin\.advertised in its configuration to an address that it is reached at from here$/ }, leader)
  }
  t.same(other.links.calls, [], 'nothing was asked of whoever listens there')
  for (const leader of [`localhost:${addressOf(standby.address).port}`, `127.0.0.1:${addressOf(standby.address).port}`]) {
    standby.links.adminAddress = leader
    t.match(await standby.run('list'), { code: 1, err: /that is the address that was asked.*admin\.advertised/ }, leader)
  }
  standby.links.adminAddress = `localhost:${port}`
  t.match(await standby.run('status a -o'), { code: 0, out: /^OVERVIEW/ }, 'two engines of one machine')
})

test('an engine elsewhere sends nobody to loopback', async t => {
  const other = await kshadow(t, link('a'))
  const local = await kshadow(t)
  const remote = await kshadow(t)
  for (const { links } of [local, remote]) links.leading = false
  local.links.adminAddress = '192.0.2.2:9644'
  remote.links.adminAddress = other.address
  const client = new AdminClient({ address: addressOf(local.address), signal, user: null, dial: async (address, options) => await dialTcp(address.host === '192.0.2.2' ? addressOf(remote.address) : address, options) })
  await t.rejects(client.failover('a', null), { message: 'the links are led elsewhere' })
  remote.links.leading = true
  remote.links.links.set('a', link('a'))
  t.equal((await client.status('a')).name, 'a')
  remote.links.leading = false
  await t.rejects(client.failover('a', null), { message: /only its own machine reaches/ }, 'by the word of the one that led')
  t.same(other.links.calls, [])
})

test('a host that does not answer is given up soon, and who was asked first is asked again', async t => {
  const standby = await kshadow(t, link('a'))
  standby.links.leading = false
  standby.links.adminAddress = '192.0.2.3:9644'
  const limits: number[] = []
  const dial: Dial = async (address, options) => {
    if (address.host !== '192.0.2.3') return await dialTcp(address, options)
    // As a host that drops every packet.
    limits.push(options.timeoutMs)
    throw connectFailed(address, `no connection within ${options.timeoutMs} ms`)
  }
  const client = new AdminClient({ address: addressOf(standby.address), signal, user: null, dial })
  await t.rejects(client.failover('a', null), { message: /which cannot be reached from here\. If that engine is gone, another one leads once its session has ended/ })
  t.ok(limits.every(ms => ms >= 1000 && ms <= 5000), String(limits))
  const lost = new AdminClient({ address: { host: '192.0.2.3', port: 9644 }, signal, user: null, dial })
  await t.rejects(lost.failover('a', null), { code: 'CONNECT_FAILED', message: 'the kshadow at 192.0.2.3:9644 cannot be reached, and nothing was sent (cannot connect to 192.0.2.3:9644: no connection within 3000 ms); is --admin right?' })
})

test('a leader whose host went away between two calls is no dead end', async t => {
  const standby = await kshadow(t, link('a'))
  const leader = await kshadow(t, link('a'))
  standby.links.leading = false
  standby.links.adminAddress = '192.0.2.4:9644'
  let isGone = false
  const dial: Dial = async (address, options) => {
    if (address.host !== '192.0.2.4') return await dialTcp(address, options)
    if (isGone) throw connectFailed(address, 'no connection within 3000 ms')
    return await dialTcp(addressOf(leader.address), options)
  }
  const client = new AdminClient({ address: addressOf(standby.address), signal, user: null, dial })
  await client.status('a')
  isGone = true
  standby.links.leading = true
  await client.failover('a', null)
  t.same(standby.links.calls.at(-1), ['failover', 'a', null])
})

test('a host that dies after an order was sent is noticed, and the order is not given twice', async t => {
  const standby = await kshadow(t)
  standby.links.leading = false
  standby.links.adminAddress = '192.0.2.4:9644'
  let requests = 0
  const port = await listening(t, createServer(() => {
    requests++
    // As the kernel has it when nothing answers its keepalives, or the host is known to be off.
    socket?.destroy(Object.assign(new Error('read EHOSTUNREACH'), { code: 'EHOSTUNREACH' }))
  }))
  const keepAlive: unknown[][] = []
  let socket: Socket | null = null
  const dial: Dial = async (address, options) => {
    if (address.host !== '192.0.2.4') return await dialTcp(address, options)
    const opened = socket = await dialTcp({ host: '127.0.0.1', port }, options)
    const setKeepAlive = opened.setKeepAlive.bind(opened)
    opened.setKeepAlive = (...args) => {
      keepAlive.push(args)
      return setKeepAlive(...args)
    }
    return opened
  }
  const client = new AdminClient({ address: addressOf(standby.address), signal, user: null, dial })
  await t.rejects(client.failover('a', null), { code: 'CONNECTION_CLOSED', message: /^the connection to 192\.0\.2\.4:9644 broke before it had answered \(read EHOSTUNREACH\); what was asked for may have been carried out all the same/ })
  t.equal(requests, 1)
  t.same(keepAlive, [[true, 10_000]], 'a call may take an hour')
})
