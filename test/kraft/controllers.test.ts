import { test } from 'tap'
import { AllocateProducerIds } from '../../protocol/messages/allocate-producer-ids.ts'
import type { ControllerRequestOptions, Controllers } from '../../src/kraft/controllers.ts'
import { type ScriptedController, setUpQuorum } from './scripted-quorum.ts'

const signal = new AbortController().signal
const NOT_CONTROLLER = 41
const BODY = { brokerId: 1, brokerEpoch: 1n }

type Options = Partial<ControllerRequestOptions<typeof AllocateProducerIds>>

function ask (controllers: Controllers, options: Options = {}) {
  return controllers.request(AllocateProducerIds, BODY, { signal, purpose: 'command', idempotent: true, ...options })
}

/** Answers with `codes` one after the other, and then with success. */
function answers (controller: ScriptedController, ...codes: number[]): void {
  controller.peer.on(AllocateProducerIds, () => ({ throttleTimeMs: 0, errorCode: codes.shift() ?? 0, producerIdStart: BigInt(controller.id), producerIdLen: 1000 }))
}

function pair ([first, second]: readonly ScriptedController[]): [ScriptedController, ScriptedController] {
  if (first === undefined || second === undefined) throw new RangeError('no pair')
  return [first, second]
}

test('a request goes to the controller that leads', async t => {
  const { controllers, quorum } = await setUpQuorum(t, 3)
  const [first, second] = pair(quorum)
  first.epoch = null
  second.epoch = 7
  answers(second)
  t.equal(controllers.activeId, null)
  const { body, controller } = await ask(controllers)
  t.equal(body.producerIdStart, 2n)
  t.match(controller, { id: 2, epoch: 7 })
  t.equal(controllers.activeId, 2)
  t.equal(controllers.problem, null)
})

test('one that is not the active controller any more is followed by the one that is', async t => {
  const { controllers, quorum } = await setUpQuorum(t, 2)
  const [first, second] = pair(quorum)
  answers(first)
  answers(second)
  await ask(controllers)
  first.epoch = null
  second.epoch = 2
  answers(first, NOT_CONTROLLER)
  t.equal((await ask(controllers)).controller.id, 2)
})

test('a dead leader that still believes in itself is not taken before all others were asked', async t => {
  const { controllers, quorum } = await setUpQuorum(t, 2)
  const [first, second] = pair(quorum)
  answers(first)
  answers(second)
  await ask(controllers)
  answers(first, NOT_CONTROLLER, NOT_CONTROLLER, NOT_CONTROLLER, NOT_CONTROLLER)
  second.epoch = 2
  second.describeDelay = () => new Promise(resolve => setTimeout(resolve, 50))
  t.equal((await ask(controllers)).controller.id, 2)
  t.equal(first.peer.count(AllocateProducerIds), 2, 'the first one was not asked again')
})

test('a leader that failed once is taken again when there is no other', async t => {
  const { controllers, first } = await setUpQuorum(t, 2)
  answers(first, NOT_CONTROLLER)
  t.equal((await ask(controllers)).controller.id, 1)
  t.equal(first.peer.count(AllocateProducerIds), 2)
})

test('a controller that leads an epoch that is over is not asked', async t => {
  const { controllers, quorum } = await setUpQuorum(t, 2)
  const [first, second] = pair(quorum)
  first.epoch = null
  second.epoch = 5
  answers(second)
  await ask(controllers)
  first.epoch = 4
  await second.peer.stop()
  await t.rejects(ask(controllers, { deadlineMs: 100 }), { code: 'CLUSTER_UNAVAILABLE', message: /leads epoch 4, but epoch 5 has been seen/ })
  t.equal(controllers.activeId, null)
  t.match(controllers.problem, /no controller leads the cluster/)
})

test('a controller that stands still does not keep the others from being found', async t => {
  const { controllers, quorum } = await setUpQuorum(t, 2)
  const [first, second] = pair(quorum)
  answers(first)
  answers(second)
  await ask(controllers)
  first.peer.on(AllocateProducerIds, () => null)
  first.describeDelay = () => new Promise(() => {})
  second.epoch = 2
  t.equal((await ask(controllers, { timeoutMs: 100 })).controller.id, 2)
})

test('what is not idempotent is not sent again once it may have been carried out', async t => {
  const { controllers, first } = await setUpQuorum(t, 1)
  answers(first, NOT_CONTROLLER)
  await t.rejects(ask(controllers, { idempotent: false }), { code: 'BROKER_ERROR' })
  first.peer.on(AllocateProducerIds, ({ connection }) => {
    connection.socket.destroy()
    return null
  })
  await t.rejects(ask(controllers, { idempotent: false }), { code: 'CONNECTION_CLOSED' })
  t.equal(first.peer.count(AllocateProducerIds), 2)
})

test('what was never sent is sent again, idempotent or not', async t => {
  const { controllers, first } = await setUpQuorum(t, 1)
  answers(first)
  first.epoch = null
  const asked = ask(controllers, { idempotent: false })
  while (controllers.problem === null) await new Promise(resolve => setTimeout(resolve, 5))
  first.epoch = 3
  t.equal((await asked).controller.epoch, 3)
})

test('other error codes are the answer', async t => {
  const { controllers, first } = await setUpQuorum(t, 1)
  answers(first, 77)
  t.equal((await ask(controllers)).body.errorCode, 77)
})

test('what the body throws ends the request, and makes nobody a suspect', async t => {
  const { controllers, first } = await setUpQuorum(t, 1)
  answers(first)
  await ask(controllers)
  await t.rejects(controllers.request(AllocateProducerIds, () => { throw new TypeError('no') }, { signal, purpose: 'command', idempotent: true }), { message: 'no' })
  t.equal(controllers.activeId, 1)
})

test('abortion and closing end what is under way', async t => {
  const { controllers, first } = await setUpQuorum(t, 1)
  first.epoch = null
  const abort = new AbortController()
  const aborted = ask(controllers, { signal: abort.signal })
  abort.abort()
  await t.rejects(aborted, { code: 'ABORTED' })
  const closed = ask(controllers)
  await controllers.close()
  await t.rejects(closed, { code: 'ABORTED' })
})

test('heartbeats, metadata and commands have connections of their own', async t => {
  const { controllers, first } = await setUpQuorum(t, 1)
  answers(first)
  for (const purpose of ['heartbeat', 'metadata', 'command'] as const) await ask(controllers, { purpose })
  t.equal(new Set(first.peer.seen.filter(({ api }) => api === 'AllocateProducerIds').map(({ connection }) => connection)).size, 3)
})
