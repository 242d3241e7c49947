import { test, type Test } from 'tap'
import { ShadowError } from '../../../../src/errors.ts'
import { silentLogger } from '../../../../src/observability/logger.ts'
import { TaskLoop, type TaskOutcome, type TaskWork } from '../../../../src/replication/link/tasks/task-loop.ts'

const SOON_MS = 1
const NEVER_MS = 3_600_000
const DONE: TaskOutcome = { reason: 'all done', problems: [] }

/** Runs a task whose runs the test answers one by one; `next` waits until one has begun and answers the one before. */
function start (t: Test, work: Partial<TaskWork> = {}) {
  const abort = new AbortController()
  let nowMs = Date.parse('2026-01-01T00:00:00Z')
  let begun: (answer: (outcome: TaskOutcome | Error) => void) => void = () => {}
  let waiting = new Promise<(outcome: TaskOutcome | Error) => void>(resolve => { begun = resolve })
  const loop: TaskLoop = new TaskLoop({
    name: 'A Task',
    options: () => ({ intervalMs: SOON_MS, paused: false }),
    run: () => new Promise<TaskOutcome>((resolve, reject) => {
      begun(outcome => {
        waiting = new Promise(resolve => { begun = resolve })
        if (outcome instanceof Error) reject(outcome)
        else resolve(outcome)
      })
    }),
    ...work
  }, { link: 'a', signal: abort.signal, logger: silentLogger, wallClock: () => new Date(nowMs += 1000) })
  const finished = loop.run()
  t.teardown(async () => {
    abort.abort();
    (await Promise.race([waiting, finished]))?.(DONE)
    await finished
  })
  /** Answers the run that has begun, and resolves when the next one has. */
  const answer = async (outcome: TaskOutcome | Error): Promise<void> => {
    (await waiting)(outcome)
    await waiting
  }
  return { loop, answer, abort, finished }
}

test('what a run says is what the task shows, and the time is that of the state', async t => {
  const { loop, answer } = start(t)
  t.match(loop.status, { name: 'A Task', state: 'NOT_RUNNING', reason: 'A Task has not run yet' })
  await answer(DONE)
  const { since, ...first } = loop.status
  t.same(first, { name: 'A Task', state: 'ACTIVE', reason: 'all done' })
  await answer({ reason: 'more done', problems: [] })
  t.same(loop.status, { name: 'A Task', state: 'ACTIVE', reason: 'more done', since })
  await answer({ reason: 'the rest done', problems: ['a: broken', 'b: broken too'] })
  t.match(loop.status, { state: 'FAULTED', reason: '2 things could not be done: a: broken; the rest done' })
  t.not(loop.status.since, since)
  await answer(new ShadowError('CLUSTER_UNAVAILABLE', 'nobody answers', { retriable: true }))
  t.match(loop.status, { state: 'LINK_UNAVAILABLE', reason: 'nobody answers' })
  await answer(new ShadowError('CONFLICT', 'not allowed'))
  t.match(loop.status, { state: 'FAULTED', reason: 'not allowed' })
  await answer(DONE)
  t.match(loop.status, { state: 'ACTIVE', reason: 'all done' })
})

test('a task that is woken runs before its time, also when it was woken while it ran', async t => {
  const runs: Array<() => void> = []
  let count = 0
  const { loop } = start(t, {
    options: () => ({ intervalMs: NEVER_MS, paused: false }),
    run: () => {
      if (++count === 2) loop.wake()
      for (const run of runs.splice(0)) run()
      return Promise.resolve(DONE)
    }
  })
  const third = new Promise<void>(resolve => {
    const look = (): void => { if (count >= 3) resolve(); else runs.push(look) }
    runs.push(look)
  })
  loop.wake()
  await third
  t.equal(count, 3)
})

test('a paused task does nothing but what it does while it is paused, until it is not', async t => {
  let paused = true
  let ran: () => void = () => {}
  const running = new Promise<void>(resolve => { ran = resolve })
  let looks = 0
  const { loop } = start(t, {
    options: () => ({ intervalMs: SOON_MS, paused }),
    whilePaused: () => {
      if (++looks === 3) paused = false
      if (looks === 2) t.match(loop.status, { state: 'PAUSED', reason: 'paused, and watched' })
      return Promise.resolve({ reason: 'paused, and watched', problems: [] })
    },
    run: () => {
      ran()
      return Promise.resolve(DONE)
    }
  })
  await running
  t.equal(looks, 3)
})

test('the end of leadership ends it', async t => {
  const { abort, finished } = start(t, { options: () => ({ intervalMs: NEVER_MS, paused: false }), run: () => Promise.resolve(DONE) })
  abort.abort()
  await finished
})
