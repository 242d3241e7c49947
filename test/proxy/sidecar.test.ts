import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import { test } from 'tap'
import { Heartbeat } from '../../protocol/messages/heartbeat.ts'
import { ShadowError } from '../../src/errors.ts'
import { dialTcp } from '../../src/net/dial.ts'
import { createLogger } from '../../src/observability/logger.ts'
import { listen } from '../../src/proxy/listeners.ts'
import { LogLimit } from '../../src/proxy/log-limit.ts'
import { emptyAnswer, start, until } from './fixture.ts'

const heartbeat = { groupId: 'g', generationId: 1, memberId: 'm' }

test('ports follow from the ids of the brokers', async t => {
  const used: number[] = []
  // A free range is found by trying: whoever has the port of the first one need not have that of the next.
  for (let attempt = 0; ; attempt++) {
    const probe = createServer().listen(0, '127.0.0.1')
    await once(probe, 'listening')
    const { port } = probe.address() as AddressInfo
    probe.close()
    await once(probe, 'close')
    const listeners = await listen({ listenHost: '127.0.0.1', bootstrapPort: port, nodeIds: [{ first: 5, last: 6 }, { first: 100, last: 100 }] }, () => {}).catch((error: unknown) => {
      if (attempt === 20) throw error
      return null
    })
    if (listeners === null) continue
    used.push(listeners.bootstrapPort - port, ...[...listeners.ports].flatMap(([nodeId, bound]) => [nodeId, bound - port]))
    await listeners.close()
    break
  }
  t.strictSame(used, [0, 5, 1, 6, 2, 100, 3])
})

test('ports that cannot be had are named, and none stays bound', async t => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => { taken.close() })
  const { port } = taken.address() as AddressInfo
  await t.rejects(listen({ listenHost: '127.0.0.1', bootstrapPort: port - 1, nodeIds: [{ first: 7, last: 7 }] }, () => {}), { code: 'CONFLICT', message: /the port of broker 7/ })
  await t.rejects(listen({ listenHost: '127.0.0.1', bootstrapPort: 65_530, nodeIds: [{ first: 0, last: 15 }] }, () => {}), { code: 'CONFIG_INVALID' })
})

test('without a cluster clients are turned away, and the status says so', async t => {
  const unavailable = async (): Promise<never> => { throw new ShadowError('CLUSTER_UNAVAILABLE', 'nobody there', { retriable: true }) }
  const { client, sidecar } = await start(t, { cluster: { lastView: null, refreshBrokers: unavailable, refresh: unavailable } })
  await until(() => sidecar.status().state === 'degraded')
  t.strictSame(sidecar.status().reasons, ['no_upstream'])
  const socket = await client()
  t.equal(await socket.closed, true)
  t.equal(sidecar.status().counters.disconnects.upstream_unreachable, 1)
})

test('a broker that cannot be reached is passed over at the bootstrap port, and named at its own', async t => {
  const { broker, client, sidecar } = await start(t, {
    brokerIds: [1, 2],
    // The first of each pair of attempts fails.
    dial: (() => {
      let attempt = 0
      return async (address, options) => {
        if (attempt++ % 2 === 0) throw new ShadowError('CONNECT_FAILED', 'refused', { retriable: true })
        return await dialTcp(address, options)
      }
    })()
  })
  broker.answer = emptyAnswer
  const socket = await client()
  socket.send(socket.encode(Heartbeat, 0, heartbeat))
  await socket.next()
  const other = await client(2)
  await other.closed
  t.equal(sidecar.status().counters.disconnects.upstream_unreachable, 1)
})

test('a client that is gone before its broker is reached leaves nothing behind', async t => {
  let arrive: () => void = () => {}
  const arrived = new Promise<void>(resolve => { arrive = resolve })
  const { client, sidecar, broker } = await start(t, {
    dial: async (address, options) => {
      await arrived
      return await dialTcp(address, options)
    }
  })
  const socket = await client()
  await until(() => sidecar.status().connections === 1)
  socket.socket.resetAndDestroy()
  // A socket that is not read does not say that it is gone.
  arrive()
  await until(() => broker.sockets[0]?.destroyed === true)
  await until(() => sidecar.status().connections === 0)
  t.equal(sidecar.status().counters.disconnects.client_error, 1)
})

test('a client that resets its connection takes the one to the broker with it', async t => {
  const { client, sidecar, broker } = await start(t)
  const socket = await client()
  socket.send(socket.encode(Heartbeat, 0, heartbeat))
  await until(() => broker.requests.length === 1)
  socket.socket.resetAndDestroy()
  await until(() => sidecar.status().connections === 0)
  await until(() => broker.sockets[0]?.destroyed === true)
  t.equal(sidecar.status().counters.disconnects.client_error, 1)
})

test('the status counts what happened', async t => {
  const { client, sidecar, broker } = await start(t)
  broker.answer = emptyAnswer
  const socket = await client()
  const request = socket.encode(Heartbeat, 0, heartbeat)
  socket.send(request)
  await socket.next()
  const { counters, revision, stateAgeMs, connections, state, bootstrap } = sidecar.status()
  t.strictSame([counters.requests, counters.bytesFromClients, counters.bytesToClients, counters.connectionsOpened], [{ Heartbeat: 1 }, request.length, 8, 1])
  t.strictSame([revision, stateAgeMs, connections, state], [2, 0, 1, 'ready'])
  t.same(sidecar.bootstrap, bootstrap)
  t.doesNotThrow(() => JSON.stringify(sidecar.status()))
})

test('a client that speaks TLS is named once in the log, however often it comes', async t => {
  const lines: string[] = []
  const destination = new Writable({ write (line: Buffer, _, done) { lines.push(line.toString()); done() } })
  const { client, sidecar } = await start(t, { logger: createLogger({ level: 'warn', pretty: false, destination }) })
  for (let times = 0; times < 5; times++) {
    const socket = await client()
    socket.send(Buffer.from('16030100a5010000a10303', 'hex'))
    await socket.closed
  }
  t.equal(sidecar.status().counters.disconnects.client_malformed, 5)
  t.equal(lines.length, 1)
  t.match(lines[0], /the other side speaks TLS/)
})

test('lines of a kind are counted while they are left out', async t => {
  let now = 0
  const said: number[] = []
  const limit = new LogLimit(1000, () => now)
  for (const at of [0, 10, 20, 1000, 1500, 2500]) {
    now = at
    limit.run('kind', skipped => said.push(skipped))
  }
  t.strictSame(said, [0, 2, 1])
  limit.once('first', () => said.push(100))
  limit.once('first', () => said.push(100))
  t.equal(said.length, 4)
})
