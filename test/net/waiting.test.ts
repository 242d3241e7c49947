import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'tap'
import { Heartbeat } from '../../protocol/messages/heartbeat.ts'
import { abortedError, onAbort, orAborted } from '../../src/net/abort.ts'
import { fallbackVersion, usableVersions } from '../../src/net/api-versions.ts'
import { backoffMs } from '../../src/net/backoff.ts'
import { CLIENT_SOFTWARE_NAME, CLIENT_SOFTWARE_VERSION } from '../../src/net/client-identity.ts'
import { dialTcp } from '../../src/net/dial.ts'
import { sleep } from '../../src/net/sleep.ts'
import { PROJECT_ROOT } from '../support/project-root.ts'

test('backoff doubles up to a limit, and takes any part of it', async t => {
  const options = { baseMs: 50, maxMs: 2000 }
  t.same([0, 1, 2, 5, 6, 5000].map(attempt => backoffMs(attempt, options, () => 1)), [50, 100, 200, 1600, 2000, 2000])
  t.equal(backoffMs(3, options, () => 0), 0)
  const ms = backoffMs(1, options)
  t.ok(ms >= 0 && ms <= 100)
})

test('sleeping ends by time or by the signal', async t => {
  await sleep(1)
  await t.rejects(sleep(60_000, AbortSignal.abort()), { code: 'ABORTED' })
  const abort = new AbortController()
  const sleeping = sleep(60_000, abort.signal)
  const other = sleep(1, abort.signal)
  await other
  abort.abort(new Error('enough'))
  await t.rejects(sleeping, { code: 'ABORTED', retriable: false, cause: { message: 'enough' } })
})

test('any number may wait for one signal, which has one listener while somebody does', async t => {
  const abort = new AbortController()
  let listening = 0
  const add = abort.signal.addEventListener.bind(abort.signal)
  const remove = abort.signal.removeEventListener.bind(abort.signal)
  abort.signal.addEventListener = (...args: Parameters<typeof add>) => { listening++; add(...args) }
  abort.signal.removeEventListener = (...args: Parameters<typeof remove>) => { listening--; remove(...args) }
  const called: number[] = []
  const stops = Array.from({ length: 50 }, (_, index) => onAbort(abort.signal, () => { called.push(index) }))
  t.equal(listening, 1)
  for (const stop of stops) stop()
  t.equal(listening, 0)
  const shared = (): void => { called.push(-1) }
  onAbort(abort.signal, shared)
  const stop = onAbort(abort.signal, shared)
  stop()
  stop()
  onAbort(abort.signal, () => { called.push(-2) })
  t.equal(listening, 1)
  abort.abort()
  t.same(called, [-1, -2])
})

test('who waits for a promise may stop waiting, and its later rejection is nobody\'s', async t => {
  const abort = new AbortController()
  let fail: (error: Error) => void = () => {}
  const promise = new Promise<number>((_resolve, reject) => { fail = reject })
  const waiting = orAborted(promise, abort.signal)
  abort.abort('why')
  await t.rejects(waiting, { code: 'ABORTED', cause: 'why' })
  await t.rejects(orAborted(promise, abort.signal), { code: 'ABORTED' })
  fail(new Error('late'))
  t.equal(await orAborted(Promise.resolve(1), new AbortController().signal), 1)
  t.equal(await orAborted(Promise.resolve(2), undefined), 2)
  await t.rejects(orAborted(Promise.reject(new Error('its own')), new AbortController().signal), { message: 'its own' })
  t.equal(abortedError(abort.signal).code, 'ABORTED')
})

test('what is told to brokers is the version of the package', async t => {
  const text: unknown = JSON.parse(await readFile(join(PROJECT_ROOT, 'package.json'), 'utf8'))
  t.match(text, { name: CLIENT_SOFTWARE_NAME, version: CLIENT_SOFTWARE_VERSION })
  for (const value of [CLIENT_SOFTWARE_NAME, CLIENT_SOFTWARE_VERSION]) t.match(value, /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/, 'as KIP-511 demands')
})

test('only versions that both sides know are usable', async t => {
  t.same(usableVersions(Heartbeat, { min: 2, max: 9 }), { min: 2, max: 4 })
  t.same(usableVersions(Heartbeat, { min: 0, max: 3 }, { minVersion: 1, maxVersion: 2 }), { min: 1, max: 2 })
  t.equal(usableVersions(Heartbeat, { min: 5, max: 9 }), null)
  t.equal(usableVersions(Heartbeat, { min: 3, max: 2 }), null, 'a range that is none')
  t.equal(usableVersions(Heartbeat, undefined), null)
  const answer = { errorCode: 35, throttleTimeMs: 0, supportedFeatures: [], finalizedFeaturesEpoch: -1n, finalizedFeatures: [], zkMigrationReady: false, unknownTags: [] }
  t.equal(fallbackVersion({ ...answer, apiKeys: [] }), 0)
  t.equal(fallbackVersion({ ...answer, apiKeys: [{ apiKey: 18, minVersion: 7, maxVersion: 9, unknownTags: [] }] }), 0)
})

test('dialling fails with the address and the reason, or by the signal', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const socket = await dialTcp({ host: '127.0.0.1', port }, { timeoutMs: 5000, signal: new AbortController().signal })
  t.ok(socket.readyState === 'open')
  socket.emit('error', new Error('between owners'))
  socket.destroy()
  server.close()
  await once(server, 'close')
  await t.rejects(dialTcp({ host: '127.0.0.1', port }, { timeoutMs: 5000 }), { code: 'CONNECT_FAILED', retriable: true, message: new RegExp(`^cannot connect to 127\\.0\\.0\\.1:${port}: connect ECONNREFUSED`), details: { broker: `127.0.0.1:${port}` } })
  await t.rejects(dialTcp({ host: 'localhost', port }, { timeoutMs: 5000 }), { code: 'CONNECT_FAILED', message: /localhost:\d+: .*ECONNREFUSED/ })
  await t.rejects(dialTcp({ host: 'no-such-host.invalid', port: 9092 }, { timeoutMs: 20_000 }), { code: 'CONNECT_FAILED', message: /no-such-host\.invalid:9092: getaddrinfo/ })
  await t.rejects(dialTcp({ host: '127.0.0.1', port }, { timeoutMs: 1000, signal: AbortSignal.abort() }), { code: 'ABORTED' })
  const abort = new AbortController()
  const dialling = dialTcp({ host: '127.0.0.1', port }, { timeoutMs: 1000, signal: abort.signal })
  abort.abort()
  await t.rejects(dialling, { code: 'ABORTED' })
})
