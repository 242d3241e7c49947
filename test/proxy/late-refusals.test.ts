import { test } from 'tap'
import { Produce } from '../../protocol/messages/produce.ts'
import { emptyAnswer, start, until, type Fixture } from './fixture.ts'
import type { RawClient } from '../support/raw-client.ts'

const VERSION = 3

/** The start of a Produce is with the broker, and its last bytes are still to come. */
async function underWay ({ client, broker }: Fixture, names: readonly string[], acks = -1): Promise<{ readonly socket: RawClient, readonly rest: Buffer }> {
  const socket = await client()
  const request = socket.encode(Produce, VERSION, { acks, timeoutMs: 1, topicData: names.map(name => ({ name, partitionData: [{ index: 0, records: Buffer.alloc(100_000, 1) }] })) })
  const before = broker.bytes
  const first = request.length - 10
  socket.send(request.subarray(0, first))
  await until(() => broker.bytes === before + first)
  return { socket, rest: request.subarray(first) }
}

for (const [what, makeShadow] of [
  ['a link has taken the topic', ({ links }: Fixture) => { links.topic('late', 'ACTIVE') }],
  ['the link state is stale', ({ links }: Fixture) => { links.age = 60_000 }],
  ['the link state is read anew', ({ links }: Fixture) => { links.state = null }]
] as const) {
  test(`a Produce does not reach its end where meanwhile ${what}`, async t => {
    const fixture = await start(t)
    fixture.broker.answer = emptyAnswer
    const { socket, rest } = await underWay(fixture, ['free', 'late'])
    const quiet = await underWay(fixture, ['late'], 0)
    makeShadow(fixture)
    for (const each of [{ socket, rest }, quiet]) {
      each.socket.send(each.rest)
      await each.socket.closed
      t.equal(each.socket.frames.length, 0)
    }
    t.equal(fixture.broker.requests.length, 0, 'the broker has no whole request')
    await until(() => fixture.sidecar.status().connections === 0)
    const { disconnects, refused } = fixture.sidecar.status().counters
    t.equal(disconnects.refused_late, 2)
    t.strictSame(refused, { Produce: 2 })
  })
}

test('a Produce goes on where something else has changed', async t => {
  const fixture = await start(t)
  fixture.broker.answer = emptyAnswer
  const { socket, rest } = await underWay(fixture, ['free', 'open'])
  fixture.links.topic('other', 'ACTIVE')
  fixture.links.topic('open', 'PROMOTED')
  socket.send(rest.subarray(0, 3))
  fixture.links.link('elsewhere')
  await new Promise(resolve => { setImmediate(resolve) })
  socket.send(rest.subarray(3))
  t.equal((await socket.next()).readInt32BE(0), 1)
  t.equal(fixture.broker.requests.length, 1)
  // What came to its end is not looked at any more.
  fixture.links.topic('free', 'ACTIVE')
  socket.send(socket.encode(Produce, VERSION, { acks: -1, timeoutMs: 1, topicData: [{ name: 'open', partitionData: [{ index: 0, records: Buffer.alloc(100_000) }] }] }))
  t.equal((await socket.next()).readInt32BE(0), 2)
})
