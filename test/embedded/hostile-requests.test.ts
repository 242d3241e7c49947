import { once } from 'node:events'
import { connect as connectSocket, type Socket } from 'node:net'
import { pino } from 'pino'
import { test, type Test } from 'tap'
import { FrameReader } from '../../protocol/frame.ts'
import { decodeResponse, encodeRequest } from '../../protocol/header.ts'
import { ApiVersions } from '../../protocol/messages/api-versions.ts'
import { Fetch } from '../../protocol/messages/fetch.ts'
import { JoinGroup } from '../../protocol/messages/join-group.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { APIS } from '../../protocol/messages/registry.ts'
import { EmbeddedBroker } from '../../src/embedded/embedded-broker.ts'
import { randomMessage } from '../support/random-message.ts'
import { Random } from '../support/random.ts'
import { connect, Peer } from './peer.ts'

const ROUNDS = 6

interface LoggedError {
  readonly type: string
  readonly message: string
}

/** A broker that reports the errors for which it closed connections. */
async function start (t: Test): Promise<{ readonly peer: Peer, readonly errors: LoggedError[] }> {
  const errors: LoggedError[] = []
  const logger = pino({ level: 'warn', serializers: { err: (error: Error) => { errors.push({ type: error.name, message: error.message }) } } }, { write: () => {} })
  const broker = await EmbeddedBroker.start({ logger })
  t.teardown(() => broker.stop())
  return { peer: new Peer(broker, await connect(t, broker)), errors }
}

async function openSocket (t: Test, broker: EmbeddedBroker): Promise<Socket> {
  const socket = connectSocket(broker.address.port, broker.address.host)
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** The next frame, or null when the broker closes. */
function nextFrame (socket: Socket): Promise<Buffer | null> {
  const frames = new FrameReader()
  return new Promise(resolve => {
    const onClose = (): void => resolve(null)
    const onData = (chunk: Buffer): void => {
      frames.push(chunk, frame => {
        socket.off('data', onData)
        socket.off('close', onClose)
        resolve(frame)
      })
    }
    socket.on('data', onData)
    socket.on('error', () => {})
    socket.on('close', onClose)
  })
}

test('every API answers in every version that is offered, whatever the request says', async t => {
  const { peer, errors } = await start(t)
  const random = new Random(20_261_125)
  await peer.createTopic('topic', { partitions: 2 })
  const { apiKeys } = await peer.ask(ApiVersions, {})
  let answered = 0
  for (const { apiKey, minVersion, maxVersion } of apiKeys) {
    const api = APIS.get(apiKey)
    if (api === undefined) throw new Error(`API ${apiKey} is offered and not declared`)
    for (let version = minVersion; version <= maxVersion; version++) {
      for (let round = 0; round < ROUNDS; round++) {
        const socket = await openSocket(t, peer.broker)
        const body = {
          ...randomMessage(api.request, version, random, { sparse: round % 2 === 1 }),
          // Nothing here may wait.
          ...(apiKey === Fetch.key ? { maxWaitMs: 0 } : {}),
          ...(apiKey === Produce.key ? { acks: 1 } : {}),
          ...(apiKey === JoinGroup.key ? { rebalanceTimeoutMs: 1 } : {})
        }
        for (const chunk of encodeRequest(api, version, { correlationId: round, clientId: 'x' }, body)) socket.write(chunk)
        const frame = await nextFrame(socket)
        socket.destroy()
        if (frame === null) t.fail(`${api.name} v${version} was not answered: ${errors.at(-1)?.type} ${errors.at(-1)?.message}`)
        else if (decodeResponse(api, version, frame).header.correlationId === round) answered++
      }
    }
  }
  t.equal(answered, apiKeys.reduce((sum, { minVersion, maxVersion }) => sum + ROUNDS * (maxVersion - minVersion + 1), 0))
  t.equal((await peer.ask(Metadata, { topics: [{ name: 'topic' }] })).topics[0]?.errorCode, 0, 'and the broker goes on')
})

test('what is no request closes the connection, with a reason in the log, and nothing else', async t => {
  const { peer, errors } = await start(t)
  const [whole = Buffer.alloc(0)] = encodeRequest(Metadata, 12, { correlationId: 1, clientId: 'x' }, { topics: [{ name: 'topic', topicId: 'AAAAAAAAAAAAAAAAAAAAAA' }] })
  const withLength = (frame: Buffer): Buffer => {
    const length = Buffer.alloc(4)
    length.writeInt32BE(frame.length)
    return Buffer.concat([length, frame])
  }
  const hostile: ReadonlyArray<readonly [string, Buffer]> = [
    ['a negative length', Buffer.from([255, 255, 255, 255])],
    ['a huge length', Buffer.from([127, 255, 255, 255])],
    ['TLS', Buffer.from([0x16, 3, 1, 2, 0, 1])],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['an empty frame', Buffer.alloc(4)],
    ['an API that is not offered', withLength(Buffer.from([0, 17, 0, 0, 0, 0, 0, 1, 255, 255, 0, 0]))],
    ['a version that is not offered', withLength(Buffer.from([0, 3, 0, 99, 0, 0, 0, 1, 255, 255, 0, 0]))],
    ['a request that is cut off', withLength(whole.subarray(4, whole.length - 3))],
    ['a request with bytes after it', withLength(Buffer.concat([whole.subarray(4), Buffer.alloc(2)]))]
  ]
  for (const [what, bytes] of hostile) {
    errors.length = 0
    const socket = await openSocket(t, peer.broker)
    const closed = nextFrame(socket)
    socket.write(bytes)
    t.equal(await closed, null, what)
    t.match(errors, [{ type: 'DecodeError' }], what)
  }
  t.equal((await peer.ask(Metadata, { topics: [] })).topics.length, 0)
})

test('a client that does not read its answers is not read from either', async t => {
  const { peer } = await start(t)
  await peer.createTopic('topic', { partitions: 5000 })
  const socket = await openSocket(t, peer.broker)
  socket.pause()
  let handled = 0
  peer.broker.onRequest(Metadata, () => {
    handled++
    return 'pass'
  })
  // Each answer has some 150 kB, and each request 20 bytes.
  const request = Buffer.concat(encodeRequest(Metadata, 1, { correlationId: 1, clientId: null }, { topics: null }))
  for (let count = 0; count < 2000; count++) socket.write(request)
  let before = -1
  while (before !== handled) {
    before = handled
    await peer.ask(ApiVersions, {})
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  t.ok(handled > 0 && handled < 200, `${handled} of 2000 were handled`)
  socket.destroy()
})
