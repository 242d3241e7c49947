import { createServer as createHttpServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test, type Test } from 'tap'
import { ApiVersions } from '../../protocol/messages/api-versions.ts'
import { Fetch } from '../../protocol/messages/fetch.ts'
import { Heartbeat } from '../../protocol/messages/heartbeat.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { Connection, type ConnectionOptions } from '../../src/net/connection.ts'
import { ScriptedPeer, type ScriptedPeerOptions } from '../support/scripted-peer.ts'

const OPTIONS: ConnectionOptions = { clientId: 'test', connectionTimeoutMs: 5000 }
const HEARTBEAT = { groupId: 'g', generationId: 1, memberId: 'm' }
const WAIT = { timeoutMs: 5000 }

async function startPeer (t: Test, options?: ScriptedPeerOptions): Promise<ScriptedPeer> {
  const peer = await ScriptedPeer.start(options)
  t.teardown(() => peer.stop())
  return peer
}

async function connect (t: Test, peer: ScriptedPeer, options: Partial<ConnectionOptions> = {}): Promise<Connection> {
  const connection = await Connection.open(peer.address, { ...OPTIONS, ...options })
  t.teardown(() => { connection.close() })
  return connection
}

test('a connection asks in the newest version that both sides know, within the bounds of the caller', async t => {
  const peer = await startPeer(t, { versions: { Heartbeat: [1, 3], Metadata: [20, 21], Fetch: null } })
  peer.on(Heartbeat, ({ version, clientId }) => ({ throttleTimeMs: version, errorCode: clientId === 'test' ? 0 : 1 }))
  const connection = await connect(t, peer)
  t.equal(connection.state, 'ready')
  t.equal(peer.seen[0]?.version, ApiVersions.versions.max)
  t.same(await connection.request(Heartbeat, HEARTBEAT, WAIT), { body: { throttleTimeMs: 3, errorCode: 0, unknownTags: [] }, version: 3 })
  t.equal((await connection.request(Heartbeat, HEARTBEAT, { ...WAIT, maxVersion: 2 })).version, 2)
  t.equal((await connection.request(Heartbeat, version => ({ ...HEARTBEAT, generationId: version }), { ...WAIT, minVersion: 3 })).version, 3)
  t.same(connection.versionRange(Heartbeat.key), { min: 1, max: 3 })
  t.equal(connection.versionRange(Fetch.key), null)
  const address = `127.0.0.1:${peer.address.port}`
  await t.rejects(connection.request(Heartbeat, HEARTBEAT, { ...WAIT, minVersion: 4 }), { code: 'VERSION_UNSUPPORTED', retriable: false, message: `${address} speaks Heartbeat in versions 1 to 3; needed is one of 4 to 4` })
  await t.rejects(connection.request(Metadata, { topics: null }, WAIT), { code: 'VERSION_UNSUPPORTED', message: `${address} speaks Metadata in versions 20 to 21; needed is one of 0 to 13` })
  await t.rejects(connection.request(Fetch, { maxWaitMs: 0, minBytes: 0, topics: [] }, WAIT), { code: 'VERSION_UNSUPPORTED', message: `${address} does not speak Fetch; needed is one of 0 to 18` })
  t.equal(connection.state, 'ready')
})

test('a broker that refuses the version of ApiVersions is asked in one that it lists, or in version 0', async t => {
  for (const { listed, expected } of [{ listed: [0, 2], expected: 2 }, { listed: null, expected: 0 }, { listed: [0, 9], expected: 3 }] as const) {
    const peer = await startPeer(t)
    peer.on(ApiVersions, ({ version, body }) => {
      if (version > expected) return { errorCode: 35, apiKeys: listed === null ? [] : [{ apiKey: 18, minVersion: listed[0], maxVersion: listed[1] }] }
      if (version >= 3) t.equal(body.clientSoftwareName, 'kafka-shadow')
      return { errorCode: 0, apiKeys: peer.announced() }
    })
    await connect(t, peer)
    t.same(peer.seen.map(({ version }) => version), [4, expected])
  }
})

test('a broker that refuses ApiVersions for good cannot be connected to', async t => {
  const peer = await startPeer(t)
  peer.on(ApiVersions, () => ({ errorCode: 35, apiKeys: [] }))
  await t.rejects(Connection.open(peer.address, OPTIONS), { code: 'CONNECT_FAILED', retriable: true, message: /127\.0\.0\.1:\d+: it answered ApiVersions with UNSUPPORTED_VERSION/ })
})

test('peers that speak something else are named as what they are', async t => {
  const http = createHttpServer().listen(0, '127.0.0.1')
  t.teardown(() => { http.close() })
  await once(http, 'listening')
  const { port } = http.address() as AddressInfo
  await t.rejects(Connection.open({ host: '127.0.0.1', port }, OPTIONS), { code: 'CONNECT_FAILED', message: new RegExp(`127\\.0\\.0\\.1:${port}: .*the other side speaks HTTP`) })
  // What a TLS server says to bytes that are no handshake: a fatal alert.
  const tls = await startPeer(t, { onSocket: socket => { socket.on('data', () => socket.end(Buffer.from([0x15, 3, 3, 0, 2, 2, 70]))) } })
  await t.rejects(Connection.open(tls.address, OPTIONS), { code: 'CONNECT_FAILED', message: /the other side speaks TLS/ })
  const silent = await startPeer(t, { onSocket: () => {} })
  await t.rejects(Connection.open(silent.address, { ...OPTIONS, connectionTimeoutMs: 50 }), { code: 'CONNECT_FAILED', message: /did not answer ApiVersions v4 within/ })
  const rude = await startPeer(t, { onSocket: socket => { socket.end() } })
  await t.rejects(Connection.open(rude.address, OPTIONS), { code: 'CONNECT_FAILED', message: /closed the connection/ })
  const chatty = await startPeer(t, { onSocket: socket => { socket.write('hello, who are you?\r\n') } })
  await t.rejects(Connection.open(chatty.address, OPTIONS), { code: 'CONNECT_FAILED' })
  const short = await startPeer(t, { onSocket: socket => { socket.on('data', () => socket.write(Buffer.from([0, 0, 0, 5, 0, 0, 0, 0, 0]))) } })
  await t.rejects(Connection.open(short.address, OPTIONS), { code: 'CONNECT_FAILED', message: /an answer to ApiVersions cannot have 5 bytes/ })
})

test('opening can be aborted, during the dial and during the negotiation', async t => {
  const silent = await startPeer(t, { onSocket: () => {} })
  await t.rejects(Connection.open(silent.address, { ...OPTIONS, signal: AbortSignal.abort() }), { code: 'ABORTED' })
  const abort = new AbortController()
  const opening = Connection.open(silent.address, { ...OPTIONS, signal: abort.signal })
  while (silent.connections.length === 0) await new Promise(resolve => setImmediate(resolve))
  abort.abort()
  await t.rejects(opening, { code: 'ABORTED' })
})

test('an answer that is cut anywhere is the same answer', async t => {
  const peer = await startPeer(t)
  peer.on(Heartbeat, () => ({ throttleTimeMs: 7, errorCode: 27 }))
  const connection = await connect(t, peer)
  const [remote] = peer.connections
  for (let splitAt = 1; splitAt < 17; splitAt++) {
    if (remote !== undefined) remote.splitAt = splitAt
    t.match(await connection.request(Heartbeat, HEARTBEAT, WAIT), { body: { throttleTimeMs: 7, errorCode: 27 } }, `cut after ${splitAt} bytes`)
  }
})

test('requests of one turn go out in one piece, and are answered in their order', async t => {
  const peer = await startPeer(t)
  let served = 0
  peer.on(Heartbeat, () => ({ errorCode: served++ }))
  const connection = await connect(t, peer)
  const before = peer.chunks
  const answers = await Promise.all(Array.from({ length: 20 }, () => connection.request(Heartbeat, HEARTBEAT, WAIT)))
  t.same(answers.map(({ body }) => body.errorCode), Array.from({ length: 20 }, (_, index) => index))
  t.equal(peer.chunks - before, 1)
})

test('an answer with another correlation id ends the connection, and all requests with it', async t => {
  const peer = await startPeer(t)
  peer.on(Heartbeat, () => ({ errorCode: 0 }))
  const connection = await connect(t, peer)
  for (const remote of peer.connections) remote.correlationShift = 1
  const results = await Promise.allSettled([connection.request(Heartbeat, HEARTBEAT, WAIT), connection.request(Heartbeat, HEARTBEAT, WAIT)])
  for (const result of results) {
    t.match(result, { status: 'rejected', reason: { code: 'CONNECTION_CLOSED', retriable: true, message: /answer to Heartbeat v4 has correlation id 2 instead of 1/, details: { closeCause: 'protocol-error', sent: true } } })
  }
  t.equal(await connection.closed, 'protocol-error')
  await t.rejects(connection.request(Heartbeat, HEARTBEAT, WAIT), { code: 'CONNECT_FAILED', details: { sent: false } })
})

test('an answer that cannot be read ends the connection, with the reason as cause', async t => {
  const peer = await startPeer(t)
  peer.on(Heartbeat, ({ connection, correlationId }) => {
    const frame = Buffer.alloc(13)
    frame.writeInt32BE(9, 0)
    frame.writeInt32BE(correlationId, 4)
    connection.socket.write(frame)
    return null
  })
  const connection = await connect(t, peer)
  const error: unknown = await connection.request(Heartbeat, HEARTBEAT, WAIT).catch((error: unknown) => error)
  t.match(error, { code: 'CONNECTION_CLOSED', message: /Heartbeat v4 cannot be read/, cause: { code: 'DECODE_FAILED' } })
  t.equal(await connection.closed, 'protocol-error')
})

test('bytes that nobody asked for end the connection', async t => {
  for (const bytes of [Buffer.from([0]), Buffer.from([0, 0, 0, 4, 0, 0, 0, 0])]) {
    const peer = await startPeer(t)
    const connection = await connect(t, peer)
    peer.connections[0]?.socket.write(bytes)
    t.equal(await connection.closed, 'protocol-error')
  }
  const peer = await startPeer(t)
  peer.on(Heartbeat, ({ connection, correlationId }) => {
    const twice = Buffer.alloc(16 * 2)
    for (const start of [0, 16]) {
      twice.writeInt32BE(12, start)
      twice.writeInt32BE(correlationId, start + 4)
    }
    connection.socket.write(twice)
    return null
  })
  const connection = await connect(t, peer)
  t.equal((await connection.request(Heartbeat, HEARTBEAT, WAIT)).body.errorCode, 0, 'the first answer is one')
  t.equal(await connection.closed, 'protocol-error')
})

test('bytes after the last answer end the connection, even while versions are being negotiated', async t => {
  const peer = await startPeer(t)
  const trailing = (frame: readonly number[]): Buffer => Buffer.from([0, 0, 0, frame.length, ...frame, 0, 0])
  peer.on(Heartbeat, ({ connection }) => {
    connection.socket.write(trailing([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]))
    return null
  })
  const connection = await connect(t, peer)
  t.equal((await connection.request(Heartbeat, HEARTBEAT, WAIT)).body.errorCode, 0)
  t.equal(await connection.closed, 'protocol-error')
  // The version is refused, and the connection is gone before the next can be tried.
  peer.on(ApiVersions, ({ connection }) => {
    connection.socket.write(trailing([0, 0, 0, 0, 0, 35, 0, 0, 0, 0]))
    return null
  })
  await t.rejects(Connection.open(peer.address, OPTIONS), { code: 'CONNECT_FAILED', message: /the connection has ended/ })
})

test('an answer that is larger than allowed, and a length that is none, end the connection', async t => {
  for (const length of [1001, -1, 0x48545450]) {
    const peer = await startPeer(t)
    peer.on(Heartbeat, ({ connection }) => {
      const head = Buffer.alloc(4)
      head.writeInt32BE(length)
      connection.socket.write(head)
      return null
    })
    const connection = await connect(t, peer, { maxFrameBytes: 1000 })
    await t.rejects(connection.request(Heartbeat, HEARTBEAT, WAIT), { code: 'CONNECTION_CLOSED', message: /a frame cannot have/ })
    t.equal(await connection.closed, 'protocol-error')
  }
})

test('an overdue answer resets the connection; the other requests are ambiguous, those not sent are not', async t => {
  const peer = await startPeer(t)
  peer.on(Heartbeat, () => null)
  const connection = await connect(t, peer, { maxInFlightCount: 2 })
  const reset = once(peer.connections[0]?.socket ?? peer.connections[0] as never, 'error')
  const long = connection.request(Heartbeat, HEARTBEAT, WAIT)
  const overdue = connection.request(Heartbeat, HEARTBEAT, { timeoutMs: 60 })
  const waiting = connection.request(Heartbeat, HEARTBEAT, WAIT)
  const [first, second, third] = await Promise.allSettled([long, overdue, waiting])
  t.match(second, { reason: { code: 'REQUEST_TIMEOUT', retriable: true, message: /did not answer Heartbeat v4 within 60 ms/, details: { sent: true } } })
  t.match(first, { reason: { code: 'CONNECTION_CLOSED', retriable: true, details: { closeCause: 'request-timeout', sent: true } } })
  t.match(third, { reason: { code: 'CONNECT_FAILED', retriable: true, details: { sent: false } } })
  t.equal(await connection.closed, 'request-timeout')
  t.match(await reset, [{ code: 'ECONNRESET' }], 'the peer sees a reset, not an end')
})

test('what waits for room until its time is over was not sent, and harms nobody', async t => {
  const peer = await startPeer(t)
  let answer: (() => void) | undefined
  peer.on(Heartbeat, () => new Promise(resolve => { answer = () => { resolve({ errorCode: 0 }) } }))
  const connection = await connect(t, peer, { maxInFlightCount: 1 })
  const first = connection.request(Heartbeat, HEARTBEAT, WAIT)
  await t.rejects(connection.request(Heartbeat, HEARTBEAT, { timeoutMs: 40 }), { code: 'REQUEST_TIMEOUT', details: { sent: false } })
  t.equal(connection.state, 'ready')
  answer?.()
  await first
  t.equal(peer.count(Heartbeat), 1)
})

test('no more than the allowed number is in flight, and who waits is served in turn', async t => {
  const peer = await startPeer(t)
  let served = 0
  peer.on(Heartbeat, async ({ body }) => {
    t.equal(body.generationId, served)
    t.ok(peer.count(Heartbeat) - served <= 3, 'at most three unanswered')
    await new Promise(resolve => setImmediate(resolve))
    return { errorCode: served++ }
  })
  const connection = await connect(t, peer, { maxInFlightCount: 3 })
  await Promise.all(Array.from({ length: 12 }, (_, generationId) => connection.request(Heartbeat, { ...HEARTBEAT, generationId }, WAIT)))
  t.equal(served, 12)
})

test('while many bytes wait for the kernel no further request is encoded', async t => {
  const records = Buffer.alloc(1024 * 1024)
  const produce = { acks: -1, timeoutMs: 1000, topicData: [{ name: 't', partitionData: [{ index: 0, records }] }] }
  const peer = await startPeer(t)
  peer.on(Produce, () => ({ responses: [] }))
  const connection = await connect(t, peer, { maxQueuedBytes: 4 * records.length })
  peer.connections[0]?.socket.pause()
  const abort = new AbortController()
  const requests = Array.from({ length: 64 }, () => connection.request(Produce, produce, { timeoutMs: 5000, signal: abort.signal, maxVersion: 12 }))
  await new Promise(resolve => setTimeout(resolve, 50))
  t.ok(connection.queuedBytes <= 5 * records.length, `${connection.queuedBytes} bytes are queued`)
  t.equal(connection.pendingCount, 64)
  peer.connections[0]?.socket.resume()
  t.equal((await Promise.all(requests)).length, 64)
  t.equal(connection.queuedBytes, 0)
})

test('aborting before a request is written takes it back', async t => {
  const peer = await startPeer(t)
  peer.on(Heartbeat, () => ({ errorCode: 0 }))
  const connection = await connect(t, peer, { maxInFlightCount: 1 })
  await t.rejects(connection.request(Heartbeat, HEARTBEAT, { ...WAIT, signal: AbortSignal.abort() }), { code: 'ABORTED' })
  const queued = new AbortController()
  const request = connection.request(Heartbeat, HEARTBEAT, { ...WAIT, signal: queued.signal, resetOnAbort: true })
  queued.abort()
  await t.rejects(request, { code: 'ABORTED' })
  const waiting = new AbortController()
  const first = connection.request(Heartbeat, HEARTBEAT, WAIT)
  const second = connection.request(Heartbeat, HEARTBEAT, { ...WAIT, signal: waiting.signal, resetOnAbort: true })
  waiting.abort()
  await t.rejects(second, { code: 'ABORTED' })
  await first
  await connection.request(Heartbeat, HEARTBEAT, WAIT)
  t.equal(peer.count(Heartbeat), 2)
  t.equal(connection.state, 'ready')
})

test('the answer to an aborted request is taken out of the stream in its turn', async t => {
  const peer = await startPeer(t)
  let served = 0
  let release: (() => void) | undefined
  peer.on(Heartbeat, async () => {
    if (served === 0) await new Promise<void>(resolve => { release = resolve })
    return { errorCode: served++ }
  })
  const connection = await connect(t, peer)
  const abort = new AbortController()
  const aborted = connection.request(Heartbeat, HEARTBEAT, { ...WAIT, signal: abort.signal })
  const next = connection.request(Heartbeat, HEARTBEAT, WAIT)
  await peer.received(Heartbeat, 1)
  abort.abort(new Error('why'))
  await t.rejects(aborted, { code: 'ABORTED', cause: { message: 'why' } })
  release?.()
  t.equal((await next).body.errorCode, 1)
  t.equal(connection.state, 'ready')
})

test('an aborted request whose answer never comes still ends the connection in time', async t => {
  const peer = await startPeer(t)
  peer.on(Heartbeat, () => null)
  const connection = await connect(t, peer)
  const abort = new AbortController()
  const request = connection.request(Heartbeat, HEARTBEAT, { timeoutMs: 60, signal: abort.signal })
  await peer.received(Heartbeat, 1)
  abort.abort()
  await t.rejects(request, { code: 'ABORTED' })
  t.equal(await connection.closed, 'request-timeout')
})

test('an append that is aborted after it was written resets the connection', async t => {
  const peer = await startPeer(t)
  peer.on(Produce, () => null)
  const connection = await connect(t, peer)
  const reset = once(peer.connections[0]?.socket ?? peer.connections[0] as never, 'error')
  const abort = new AbortController()
  const request = connection.request(Produce, { acks: -1, timeoutMs: 1000, topicData: [] }, { ...WAIT, signal: abort.signal })
  await peer.received(Produce, 1)
  abort.abort()
  await t.rejects(request, { code: 'ABORTED' })
  t.equal(await connection.closed, 'request-aborted')
  t.match(await reset, [{ code: 'ECONNRESET' }])
  const other = await connect(t, peer)
  await t.rejects(other.request(Produce, { acks: 0, timeoutMs: 1, topicData: [] }, WAIT), { code: 'INVARIANT' })
})

test('a peer that hangs up or resets makes requests ambiguous', async t => {
  for (const how of ['end', 'resetAndDestroy'] as const) {
    const peer = await startPeer(t)
    peer.on(Heartbeat, ({ connection }) => {
      connection.socket[how]()
      return null
    })
    const connection = await connect(t, peer)
    await t.rejects(connection.request(Heartbeat, HEARTBEAT, WAIT), { code: 'CONNECTION_CLOSED', retriable: true, details: { sent: true } })
    t.equal(await connection.closed, how === 'end' ? 'peer-closed' : 'socket-error')
  }
})

test('draining answers what was sent, refuses what was not, and then ends', async t => {
  const peer = await startPeer(t)
  let release: (() => void) | undefined
  peer.on(Heartbeat, async () => {
    await new Promise<void>(resolve => { release = resolve })
    return { errorCode: 0 }
  })
  const connection = await connect(t, peer, { maxInFlightCount: 1 })
  const sent = connection.request(Heartbeat, HEARTBEAT, WAIT)
  const waiting = connection.request(Heartbeat, HEARTBEAT, WAIT)
  await peer.received(Heartbeat, 1)
  const drained = connection.drain()
  t.equal(connection.state, 'draining')
  await t.rejects(waiting, { code: 'CONNECT_FAILED' })
  await t.rejects(connection.request(Heartbeat, HEARTBEAT, WAIT), { code: 'CONNECT_FAILED', message: /is draining/ })
  release?.()
  t.equal((await sent).body.errorCode, 0)
  t.equal(await drained, 'drained')
  t.equal(await (await connect(t, peer)).drain(), 'drained', 'at once when nothing is under way')
})

test('closing fails what is under way, once, and says why', async t => {
  const peer = await startPeer(t)
  peer.on(Heartbeat, () => null)
  const connection = await connect(t, peer)
  const request = connection.request(Heartbeat, HEARTBEAT, WAIT)
  await peer.received(Heartbeat, 1)
  t.equal(connection.idleMs, 0)
  connection.close('idle')
  connection.reset('protocol-error')
  await t.rejects(request, { code: 'CONNECTION_CLOSED', details: { closeCause: 'idle' } })
  t.equal(await connection.closed, 'idle')
  t.equal(connection.state, 'closed')
})

test('a request that cannot be encoded is refused, and the connection goes on', async t => {
  const peer = await startPeer(t)
  peer.on(Heartbeat, () => ({ errorCode: 0 }))
  const connection = await connect(t, peer)
  await t.rejects(connection.request(Heartbeat, { ...HEARTBEAT, generationId: 2 ** 40 }, WAIT), { code: 'ENCODE_FAILED' })
  await connection.request(Heartbeat, HEARTBEAT, WAIT)
  t.same(peer.seen.map(({ correlationId }) => correlationId), [0, 1])
})
