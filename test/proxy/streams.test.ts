import fc from 'fast-check'
import { test } from 'tap'
import { decodeResponse, encodeResponse } from '../../protocol/header.ts'
import { Fetch } from '../../protocol/messages/fetch.ts'
import { Heartbeat } from '../../protocol/messages/heartbeat.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import type { RequestInput } from '../../protocol/schema/api.ts'
import { FrameStream } from '../../src/proxy/frame-stream.ts'
import { HeldFrame } from '../../src/proxy/held-frame.ts'
import { ProduceScan } from '../../src/proxy/produce-scan.ts'
import type { RawClient } from '../support/raw-client.ts'
import { answerWith, emptyAnswer, start, until } from './fixture.ts'

const MB = 1024 * 1024
/** Produce in version 3: the first without tagged fields. Its answer passes unread. */
const PRODUCE_VERSION = 3

function produce (topics: readonly string[], bytes = 100): RequestInput<typeof Produce> {
  return { acks: 1, timeoutMs: 1, topicData: topics.map(name => ({ name, partitionData: [0, 1].map(index => ({ index, records: Buffer.alloc(bytes, index + 1) })) })) }
}

const produceAnswer = answerWith(Produce, body => ({
  responses: body.topicData.map(({ name, partitionData }) => ({ name, partitionResponses: partitionData.map(({ index }) => ({ index, errorCode: 0, baseOffset: 0n })) }))
}))

const heartbeat = { groupId: 'g', generationId: 1, memberId: 'm' }

/** Cuts bytes at the given places. */
function cut (bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [...new Set(places.map(place => place % bytes.length))].sort((a, b) => a - b)
  return [0, ...sorted].map((place, index) => bytes.subarray(place, sorted[index] ?? bytes.length)).filter(piece => piece.length > 0)
}

interface Outcome {
  readonly passed: Buffer
  readonly kept: readonly string[]
  readonly ends: number
}

/** Every frame whose fifth byte is odd is held; of those, the ones with an odd sixth byte are kept back. */
function run (chunks: readonly Buffer[]): Outcome {
  const passed: Buffer[] = []
  const kept: string[] = []
  let ends = 0
  const stream = new FrameStream({
    onHead: (buffer, offset) => buffer.readUInt8(offset + 4) % 2 === 0 ? 'pass' : 'hold',
    onPart: held => held.bytes > 20 && held.from(5, 1).readUInt8(0) % 4 === 2,
    onFrame (frame) {
      if (frame.readUInt8(5) % 2 === 0) return true
      kept.push(frame.toString('hex'))
      return false
    },
    onPass: (chunk, from, to) => { passed.push(Buffer.from(chunk.subarray(from, to))) },
    onEnd: () => { ends++ }
  }, { headBytes: 8, maxFrameBytes: 100_000 })
  for (const chunk of chunks) stream.push(Buffer.from(chunk))
  return { passed: Buffer.concat(passed), kept, ends }
}

function frameOf (content: Uint8Array): Buffer {
  const frame = Buffer.alloc(8 + content.length)
  frame.writeInt32BE(4 + content.length, 0)
  frame.set(content, 4)
  return frame
}

test('however the bytes are cut, the same frames come out', async t => {
  const frames = fc.array(fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 5000, maxLength: 9000 })), { minLength: 1, maxLength: 12 })
  fc.assert(fc.property(frames, fc.array(fc.nat(), { maxLength: 60 }), (contents, places) => {
    const bytes = Buffer.concat(contents.map(frameOf))
    const expected = run(contents.map(frameOf))
    const actual = run(cut(bytes, places))
    return actual.passed.equals(expected.passed) && actual.kept.join() === expected.kept.join() && actual.ends === expected.ends
  }), { numRuns: 100 })
  const small = Buffer.concat([[1, 2, 3], [2, 1, 9, 9], [3, 4], []].map(content => frameOf(Uint8Array.from(content))))
  const expected = run([small])
  t.strictSame(run([...small].map(byte => Buffer.from([byte]))), expected, 'byte by byte')
  for (let at = 1; at < small.length; at++) t.strictSame(run([small.subarray(0, at), small.subarray(at)]), expected, `cut at ${at}`)
})

test('a held frame gives back what was put in, from any place', async t => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 6000 }), { minLength: 1, maxLength: 20 }), fc.nat(), fc.nat(7000), (pieces, place, count) => {
    const bytes = Buffer.concat(pieces)
    const held = new HeldFrame(bytes.length)
    for (const piece of pieces) held.append(Buffer.from(piece))
    const position = place % bytes.length
    const part = held.from(position, count)
    return held.whole().equals(bytes) && Buffer.concat(held.pieces).equals(bytes) &&
      part.length >= Math.min(count, bytes.length - position) && bytes.subarray(position).subarray(0, part.length).equals(part)
  }), { numRuns: 100 })
  t.pass()
})

test('a Produce request is understood wherever it is cut, in every version', async t => {
  const { client } = await start(t)
  const socket = await client()
  for (let version = 0; version <= 12; version++) {
    const whole = socket.encode(Produce, version, produce(['a', 'grüße', 'c'], 60), version % 2 === 0 ? null : 'raw')
    for (let at = 1; at < whole.length; at++) {
      const held = new HeldFrame(whole.length)
      const scan = new ProduceScan(version)
      held.append(whole.subarray(0, at))
      const early = scan.advance(held)
      held.append(whole.subarray(at))
      if (!scan.advance(held)) throw new Error(`v${version} cut at ${at}: not understood`)
      if (scan.topics.join() !== 'a,grüße,c' || !scan.wantsAnswer) throw new Error(`v${version} cut at ${at}: ${scan.topics.join()}`)
      if (early && at < whole.length / 2) throw new Error(`v${version} cut at ${at}: understood before the last name was there`)
    }
    const first = new HeldFrame(MB)
    first.append(socket.encode(Produce, version, produce(['a'], 100_000)).subarray(0, 100))
    t.ok(new ProduceScan(version).advance(first), 'one topic needs no more than its name')
  }
})

test('a Produce request that is cut short or lies about its lengths is refused', async t => {
  const { client, broker, sidecar } = await start(t)
  const probe = await client()
  const whole = probe.encode(Produce, PRODUCE_VERSION, produce(['a', 'b']))
  // The records of the first partition claim to be longer than the frame.
  const lying = Buffer.from(whole)
  lying.writeInt32BE(0x7ffffff0, whole.indexOf(Buffer.alloc(100, 1)) - 4)
  for (const bytes of [lying, Buffer.concat([lying.subarray(0, 30)])]) {
    bytes.writeInt32BE(bytes.length - 4, 0)
    const socket = await client()
    socket.send(bytes)
    t.equal(await socket.closed, true)
  }
  t.equal(sidecar.status().counters.disconnects.client_malformed, 2)
  t.equal(broker.bytes, 0)
})

test('chunks of any size through sockets: the broker and the client see what they would have seen', async t => {
  const { client, broker } = await start(t)
  broker.answer = request => request.apiKey === Produce.key ? produceAnswer(request) : emptyAnswer(request)
  const cuts = fc.sample(fc.array(fc.nat(), { minLength: 20, maxLength: 60 }), { numRuns: 15, seed: 7 })
  for (const places of cuts) {
    broker.requests.length = 0
    const socket = await client()
    const requests = [['a'], ['ro'], ['a', 'b'], ['a', 'ro', 'b']].flatMap(topics => [
      socket.encode(Produce, PRODUCE_VERSION, produce(topics, 3000)), socket.encode(Heartbeat, 0, heartbeat)
    ])
    for (const piece of cut(Buffer.concat(requests), places)) {
      socket.send(piece)
      await new Promise(resolve => { setImmediate(resolve) })
    }
    await until(() => socket.frames.length === requests.length)
    t.strictSame(socket.frames.map(frame => frame.readInt32BE(0)), [1, 2, 3, 4, 5, 6, 7, 8])
    t.strictSame(broker.keys, [0, 12, 12, 0, 12, 0, 12])
    t.ok(broker.requests[0]?.frame.equals(requests[0]?.subarray(4) ?? Buffer.alloc(0)))
    t.ok(broker.requests[3]?.frame.equals(requests[4]?.subarray(4) ?? Buffer.alloc(0)))
    const merged = decodeResponse(Produce, PRODUCE_VERSION, socket.frames[6] ?? Buffer.alloc(0)).body
    t.strictSame(merged.responses.map(row => [row.name, row.partitionResponses[0]?.errorCode]), [['a', 0], ['ro', 44], ['b', 0]])
    socket.close()
  }
})

test('a client that reads slowly holds up the broker, and nothing piles up', async t => {
  const { client, broker, sidecar } = await start(t)
  const total = 96 * MB
  let sent = 0
  broker.answer = ({ correlationId, socket: upstream }) => {
    const head = Buffer.alloc(8)
    head.writeInt32BE(total + 4, 0)
    head.writeInt32BE(correlationId, 4)
    upstream.write(head)
    const more = (): void => {
      while (sent < total) {
        sent += MB
        if (!upstream.write(Buffer.alloc(MB, 7))) {
          upstream.once('drain', more)
          return
        }
      }
    }
    more()
    return null
  }
  const socket = await client()
  socket.socket.pause()
  const before = process.memoryUsage().arrayBuffers
  socket.send(socket.encode(Fetch, 11, { maxWaitMs: 0, minBytes: 0, topics: [] }))
  await settled(() => sent)
  t.ok(sent < total / 2, `${sent / MB} MB were taken`)
  t.ok(sidecar.heldBytes < MB)
  t.ok(process.memoryUsage().arrayBuffers - before < 24 * MB)
  let received = 0
  socket.socket.removeAllListeners('data')
  socket.socket.on('data', chunk => { received += chunk.length })
  socket.socket.resume()
  await until(() => received === total + 8)
  t.equal(sent, total)
})

test('a broker that reads slowly holds up the client, and nothing piles up', async t => {
  const { client, broker, sidecar } = await start(t)
  broker.answer = emptyAnswer
  const socket = await client()
  socket.send(socket.encode(Heartbeat, 0, heartbeat))
  await socket.next()
  broker.sockets[0]?.pause()
  const request = socket.encode(Produce, PRODUCE_VERSION, produce(['a'], MB / 4))
  const count = 128
  let sent = 0
  const more = (): void => {
    while (sent < count) {
      sent++
      if (!socket.socket.write(request)) {
        socket.socket.once('drain', more)
        return
      }
    }
  }
  more()
  await settled(() => sent)
  t.ok(sent < count / 2, `${sent} requests were taken`)
  t.ok(sidecar.heldBytes < MB)
  broker.sockets[0]?.resume()
  await until(() => socket.frames.length === count + 1)
  t.equal(broker.requests.length, count + 1)
})

test('a client that asks and never reads is not read any further', async t => {
  const { client, broker, sidecar } = await start(t)
  // The broker owes an answer, so that refusals pile up behind it.
  broker.answer = () => null
  const socket = await client()
  socket.send(socket.encode(Heartbeat, 0, heartbeat))
  const refused = socket.encode(Produce, 9, produce(Array.from({ length: 200 }, () => 'ro'), 1))
  let sent = 0
  const more = (): void => {
    while (sent < 20_000) {
      sent++
      if (!socket.socket.write(refused)) {
        socket.socket.once('drain', more)
        return
      }
    }
  }
  more()
  await settled(() => sent)
  t.ok(sent < 20_000)
  t.ok(sidecar.heldBytes < 20 * MB, `${sidecar.heldBytes} bytes are held`)
})

test('10,000 requests in one go are answered, in order, whoever answers them', async t => {
  const { client, broker } = await start(t)
  broker.answer = emptyAnswer
  const socket = await client()
  const count = 10_000
  const requests = Array.from({ length: count }, (_, index) => index % 3 === 0 ? socket.encode(Produce, 9, produce(['ro'], 1)) : socket.encode(Heartbeat, 0, heartbeat))
  socket.send(...requests)
  await until(() => socket.frames.length === count)
  t.ok(socket.frames.every((frame, index) => frame.readInt32BE(0) === index + 1))
  t.equal(broker.requests.length, count - Math.ceil(count / 3))
})

test('what is no Kafka at all is turned away, and takes no memory', async t => {
  const { client, broker, sidecar } = await start(t)
  const cases: Array<readonly [string, Buffer]> = [
    ['TLS', Buffer.from('16030100a5010000a10303', 'hex')],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['the longest length', Buffer.from('7fffffff', 'hex')],
    ['a negative length', Buffer.from('ffffffff', 'hex')],
    ['a length above the limit', Buffer.from('00100001', 'hex')],
    ['a frame without a header', Buffer.from('0000000400000000', 'hex')]
  ]
  for (const [what, bytes] of cases) {
    const socket = await client()
    socket.send(bytes)
    t.equal(await socket.closed, true, what)
  }
  t.equal(sidecar.status().counters.disconnects.client_malformed, cases.length)
  t.equal(broker.bytes, 0)
})

test('a frame that was announced and comes slowly takes memory for what has come', async t => {
  const { client, sidecar, broker } = await start(t)
  broker.answer = emptyAnswer
  const socket = await client()
  const request = socket.encode(Produce, PRODUCE_VERSION, produce(['a', 'b', 'c'], 100_000))
  for (let at = 0; at < 40; at++) {
    socket.send(request.subarray(at, at + 1))
    await new Promise(resolve => { setImmediate(resolve) })
  }
  await until(() => sidecar.status().counters.bytesFromClients === 40)
  t.ok(sidecar.heldBytes <= 40)
  t.equal(broker.bytes, 0)
  socket.send(request.subarray(40))
  await socket.next()
  t.ok(broker.requests[0]?.frame.equals(request.subarray(4)))
})

test('large frames stream: the broker has the start of a request before its end was sent', async t => {
  const { client, broker } = await start(t)
  const socket = await client()
  const request = socket.encode(Produce, PRODUCE_VERSION, produce(['a'], 400_000))
  socket.send(request.subarray(0, 300_000))
  await until(() => broker.bytes === 300_000)
  broker.answer = emptyAnswer
  socket.send(request.subarray(300_000))
  t.equal((await socket.next()).readInt32BE(0), 1)
})

test('an answer to another request than the oldest one ends the connection', async t => {
  const { client, broker, sidecar } = await start(t)
  broker.answer = request => emptyAnswer({ ...request, correlationId: request.correlationId + 1 })
  const socket = await client()
  socket.send(socket.encode(Heartbeat, 0, heartbeat))
  await socket.closed
  t.equal(socket.frames.length, 0)
  t.equal(sidecar.status().counters.disconnects.correlation_mismatch, 1)
  const silent = await client()
  await until(() => broker.sockets.length === 2)
  broker.sockets[1]?.write(Buffer.from('0000000400000009', 'hex'))
  await silent.closed
  t.equal(sidecar.status().counters.disconnects.correlation_mismatch, 2)
})

test('an answer that should be read and cannot be is never passed on', async t => {
  const { client, broker, sidecar } = await start(t)
  broker.answer = ({ correlationId }) => Buffer.concat([...encodeResponse(Metadata, 1, { correlationId }, { brokers: [{ nodeId: 1, host: 'poison.invalid', port: 1 }], topics: [] })]).fill(0xff, 8, 12)
  const socket = await client()
  socket.send(socket.encode(Metadata, 1, { topics: [] }))
  await socket.closed
  t.equal(socket.received.length, 0)
  t.equal(sidecar.status().counters.disconnects.upstream_malformed, 1)
})

test('when the broker goes, the client first gets what was answered', async t => {
  const { client, broker, sidecar } = await start(t)
  broker.answer = request => {
    if (request.correlationId === 3) request.socket.end()
    return request.correlationId < 3 ? emptyAnswer(request) : null
  }
  const socket = await client()
  socket.send(...[1, 2, 3].map(() => socket.encode(Heartbeat, 0, heartbeat)))
  t.equal(await socket.closed, true)
  t.equal(socket.frames.length, 2)
  t.equal(sidecar.status().counters.disconnects.upstream_closed, 1)
})

test('what a client sent before it closed reaches the broker', async t => {
  const { client, broker, sidecar } = await start(t)
  const socket = await client()
  const request = socket.encode(Produce, PRODUCE_VERSION, { ...produce(['a'], 50_000), acks: 0 })
  socket.send(...Array.from({ length: 100 }, () => request))
  socket.socket.end()
  await until(() => broker.requests.length === 100)
  await socket.closed
  t.equal(sidecar.status().counters.disconnects.client_closed, 1)
})

test('draining waits for the answer to a long poll, and takes no more requests', async t => {
  const { client, broker, sidecar } = await start(t)
  const socket = await client()
  const idle = await client()
  socket.send(socket.encode(Fetch, 11, { maxWaitMs: 60_000, minBytes: 1, topics: [] }))
  await until(() => broker.requests.length === 1)
  const stopped = sidecar.stop()
  t.equal(sidecar.status().state, 'draining')
  t.equal(await idle.closed, true, 'who is owed nothing goes first')
  t.equal(await refused(client), true)
  socket.send(socket.encode(Heartbeat, 0, heartbeat))
  const [poll] = broker.requests
  if (poll === undefined) throw new Error('no request')
  poll.socket.write(emptyAnswer(poll))
  t.equal(await socket.closed, true)
  t.equal(socket.frames.length, 1)
  await stopped
  t.equal(broker.requests.length, 1)
  t.equal(sidecar.status().counters.disconnects.drain_completed, 2)
  t.equal(sidecar.status().connections, 0)
})

test('draining ends after its limit', async t => {
  const { client, broker, sidecar } = await start(t, { config: { drainTimeoutMs: 100 } })
  const socket = await client()
  socket.send(socket.encode(Fetch, 11, { maxWaitMs: 60_000, minBytes: 1, topics: [] }))
  await until(() => broker.requests.length === 1)
  await sidecar.stop()
  await socket.closed
  t.equal(sidecar.status().counters.disconnects.drain_timeout, 1)
})

test('a request under way when draining starts is still carried out', async t => {
  const { client, broker, sidecar } = await start(t)
  const socket = await client()
  const request = socket.encode(Produce, PRODUCE_VERSION, produce(['a'], 200_000))
  socket.send(request.subarray(0, 100_000))
  await until(() => broker.bytes === 100_000)
  broker.answer = emptyAnswer
  const stopped = sidecar.stop()
  socket.send(request.subarray(100_000))
  t.equal(await socket.closed, true)
  t.equal(decodeResponse(Heartbeat, 0, Buffer.concat([...socket.frames, Buffer.alloc(2)])).header.correlationId, 1)
  await stopped
})

/** Waits until a number stops changing. */
async function settled (value: () => number): Promise<void> {
  for (let last = -1; last !== value();) {
    last = value()
    await new Promise(resolve => { setTimeout(resolve, 200) })
  }
}

async function refused (open: () => Promise<RawClient>): Promise<boolean> {
  return await open().then(async client => await client.closed, () => true)
}
