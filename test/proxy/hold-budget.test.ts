import { test } from 'tap'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { HoldBudget, type Holder } from '../../src/proxy/hold-budget.ts'
import type { RawClient } from '../support/raw-client.ts'
import { emptyAnswer, start, until, type Fixture } from './fixture.ts'

const MB = 1024 * 1024
const VERSION = 3
const PATIENCE_MS = 1000

class FakeHolder implements Holder {
  isRead = true
  looks = 0
  gaveUp = false

  regulate (): void {
    this.looks++
  }

  giveUp (): void {
    this.gaveUp = true
  }
}

function budgetOf (maxBytes: number): { readonly budget: HoldBudget, readonly clock: { nowMs: number }, readonly holders: [FakeHolder, FakeHolder, FakeHolder] } {
  const clock = { nowMs: 0 }
  const budget = new HoldBudget(() => clock.nowMs, { maxBytes, patienceMs: PATIENCE_MS })
  return { budget, clock, holders: [new FakeHolder(), new FakeHolder(), new FakeHolder()] }
}

async function immediate (): Promise<void> {
  await new Promise(resolve => { setImmediate(resolve) })
}

test('without room only the request that began first is read on, and whoever holds nothing', async t => {
  const { budget, holders: [first, second, third] } = budgetOf(100)
  t.teardown(() => { budget.stop() })
  budget.update(first, 40, 0)
  budget.update(second, 50, 0)
  t.strictSame([first, second, third].map(holder => budget.mayRead(holder)), [true, true, true])
  budget.update(second, 60, 0)
  t.strictSame([first, second, third].map(holder => budget.mayRead(holder)), [true, false, true])
  budget.update(first, 90, 0)
  await immediate()
  t.equal(second.looks, 0, 'there is still no room')
  budget.update(first, 0, 0)
  await immediate()
  t.equal(second.looks, 1)
  t.equal(budget.mayRead(second), true)
  t.equal(budget.heldBytes, 60)
})

test('a request that has ended gives its turn away, also where the next one of its client has begun', async t => {
  const { budget, holders: [first, second] } = budgetOf(100)
  t.teardown(() => { budget.stop() })
  budget.update(first, 80, 0)
  budget.update(second, 80, 0)
  t.equal(budget.mayRead(second), false)
  budget.update(first, 70, 0)
  await immediate()
  t.equal(second.looks, 1)
  t.strictSame([budget.mayRead(first), budget.mayRead(second)], [false, true])
})

test('answers that nobody takes leave no room for requests, which would mean more of them', async t => {
  const { budget, holders: [first, second] } = budgetOf(100)
  t.teardown(() => { budget.stop() })
  budget.update(first, 1, 0)
  budget.update(second, 0, 100)
  t.equal(budget.mayRead(first), false)
  budget.update(second, 0, 10)
  await immediate()
  t.equal(first.looks, 1)
})

test('what becomes no more is given up, and what is not read is not to blame', async t => {
  const { budget, clock, holders: [stalled, slow, waiting] } = budgetOf(100)
  t.teardown(() => { budget.stop() })
  waiting.isRead = false
  for (const holder of [stalled, slow, waiting]) budget.update(holder, 1, 0)
  clock.nowMs = PATIENCE_MS - 1
  budget.update(slow, 2, 0)
  budget.check()
  t.strictSame([stalled, slow, waiting].map(holder => holder.gaveUp), [false, false, false])
  clock.nowMs = PATIENCE_MS
  budget.check()
  t.strictSame([stalled, slow, waiting].map(holder => holder.gaveUp), [true, false, false])
  t.equal(budget.heldBytes, 3)
})

test('without room, what has been held for too long is given up until there is room, however slowly it grew', async t => {
  const { budget, clock, holders: [first, second, third] } = budgetOf(100)
  t.teardown(() => { budget.stop() })
  for (const holder of [first, second, third]) budget.update(holder, 34, 0)
  clock.nowMs = PATIENCE_MS
  for (const holder of [first, second, third]) budget.update(holder, 35, 0)
  budget.check()
  t.strictSame([first, second, third].map(holder => holder.gaveUp), [true, false, false])
})

/** A request that must be held to its end: all its topics are read-only. */
function heldProduce (socket: RawClient, bytes: number): Buffer {
  return socket.encode(Produce, VERSION, { acks: -1, timeoutMs: 1, topicData: ['ro', '__kshadow_links'].map(name => ({ name, partitionData: [{ index: 0, records: Buffer.alloc(bytes / 2, 1) }] })) })
}

async function halves (fixture: Fixture, count: number, bytes: number): Promise<Array<{ readonly socket: RawClient, readonly rest: Buffer }>> {
  const clients = []
  for (let index = 0; index < count; index++) {
    const socket = await fixture.client()
    const request = heldProduce(socket, bytes)
    socket.send(request.subarray(0, request.length / 2))
    clients.push({ socket, rest: request.subarray(request.length / 2) })
  }
  return clients
}

test('many clients with large requests wait for each other, and all are answered', async t => {
  const fixture = await start(t, { config: { maxFrameBytes: 100 * MB }, holdLimits: { maxBytes: 2 * MB } })
  fixture.broker.answer = emptyAnswer
  const clients = await halves(fixture, 8, 4 * MB)
  let most = 0
  const watch = setInterval(() => { most = Math.max(most, fixture.sidecar.heldBytes) }, 1)
  t.teardown(() => { clearInterval(watch) })
  await until(() => fixture.sidecar.heldBytes >= 2 * MB)
  // Who holds nothing goes on.
  const other = await fixture.client()
  other.send(other.encode(Metadata, 1, { topics: [] }))
  await until(() => fixture.broker.keys.includes(Metadata.key))
  for (const { socket, rest } of clients) socket.send(rest)
  await until(() => clients.every(({ socket }) => socket.frames.length === 1))
  // The limit, the largest request, and what was read of the others before they had to wait.
  t.ok(most < 2 * MB + 4 * MB + 8 * 128 * 1024, `${most} bytes were held`)
  t.equal(fixture.sidecar.heldBytes, 0)
})

test('requests that never end are given up, and nobody waits for them for ever', async t => {
  const fixture = await start(t, { config: { maxFrameBytes: 100 * MB }, holdLimits: { maxBytes: 2 * MB, patienceMs: 300 } })
  fixture.broker.answer = emptyAnswer
  const clients = await halves(fixture, 4, 8 * MB)
  await until(() => fixture.sidecar.heldBytes >= 2 * MB)
  const honest = await fixture.client()
  const request = heldProduce(honest, MB)
  // Closed as well where it waited for too long: it comes again, as clients do.
  await until(() => clients.every(({ socket }) => socket.isClosed))
  const again = honest.isClosed ? await fixture.client() : honest
  again.send(request)
  await until(() => again.frames.length === 1)
  t.equal(fixture.sidecar.status().counters.disconnects.client_stalled, 4)
  t.equal(fixture.sidecar.heldBytes, 0)
})
