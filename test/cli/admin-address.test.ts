import { createServer } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { test } from 'tap'
import { AdminClient } from '../../src/cli/admin-client.ts'
import { SignalError } from '../../src/cli/terminal.ts'
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
  t.match(await standby.run('status a -o'), { code: 0, out: /^OVERVIEW/ })
  leader.links.leading = false
  leader.links.adminAddress = standby.address
  t.match(await standby.run('failover a --all --no-confirm'), { code: 1, err: /the links are led elsewhere/ })
  t.same([leader, standby].map(({ links }) => links.calls.filter(([verb]) => verb === 'failover').length), [1, 1], 'and not in circles')
  standby.links.adminAddress = standby.address
  t.match(await standby.run('list'), { code: 1, err: /that is the address that was asked.*admin\.advertised/ })
  standby.links.adminAddress = 'not an address'
  t.match(await standby.run('list'), { code: 1, err: /the links are led elsewhere/ })
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
