import { test, type Test } from 'tap'
import { Gathering } from '../../../src/replication/failover/gathering.ts'

/** A gathering whose time goes on when the test says so. */
function start (t: Test) {
  let nowMs = 1000
  let due: { readonly atMs: number, readonly callback: () => void } | null = null
  const gathering = new Gathering({
    quietMs: 20,
    mostMs: 50,
    now: () => nowMs,
    timer: (callback, ms) => {
      t.equal(due, null, 'there is one timer at a time')
      const own = due = { atMs: nowMs + ms, callback }
      return () => { if (due === own) due = null }
    }
  })
  const wentOn: string[] = []
  return {
    gathering,
    wentOn,
    isTimed: () => due !== null,
    arrive: (name: string, coming: { arrive (): Promise<void> }) => { coming.arrive().then(() => wentOn.push(name), (error: unknown) => { t.fail(String(error)) }) },
    pass: async (ms: number) => {
      for (const endMs = nowMs + ms; ;) {
        await new Promise(resolve => setImmediate(resolve))
        if (due === null || due.atMs > endMs) {
          nowMs = endMs
          return
        }
        const { atMs, callback } = due
        nowMs = atMs
        due = null
        callback()
      }
    }
  }
}

const isWell = (): boolean => false

test('one that comes alone does not wait', async t => {
  const { gathering, wentOn, arrive, pass, isTimed } = start(t)
  arrive('a', gathering.announce(isWell))
  await pass(0)
  t.same([wentOn, isTimed()], [['a'], false])
})

test('all go on together when the last one has come', async t => {
  const { gathering, wentOn, arrive, pass, isTimed } = start(t)
  const [a, b, c] = [gathering.announce(isWell), gathering.announce(isWell), gathering.announce(isWell)]
  arrive('a', a)
  await pass(15)
  arrive('b', b)
  await pass(15)
  t.same(wentOn, [])
  arrive('c', c)
  await pass(0)
  t.same([wentOn, isTimed()], [['a', 'b', 'c'], false])
})

test('one that has left is not waited for, and leaving after it has come changes nothing', async t => {
  const { gathering, wentOn, arrive, pass } = start(t)
  const [a, b] = [gathering.announce(isWell), gathering.announce(isWell)]
  arrive('a', a)
  a.leave()
  await pass(0)
  t.same(wentOn, [])
  b.leave()
  await pass(0)
  t.same(wentOn, ['a'])
})

test('nobody waits longer for one that does not come than nobody else comes', async t => {
  const { gathering, wentOn, arrive, pass } = start(t)
  gathering.announce(isWell)
  arrive('a', gathering.announce(isWell))
  await pass(19)
  t.same(wentOn, [])
  await pass(1)
  t.same(wentOn, ['a'])
})

test('however many come one after the other, the first does not wait for ever', async t => {
  const { gathering, wentOn, arrive, pass } = start(t)
  const coming = Array.from({ length: 10 }, () => gathering.announce(isWell))
  for (const [index, one] of coming.entries()) {
    arrive(String(index), one)
    await pass(15)
  }
  t.equal(wentOn.length, 10)
  t.same(wentOn.slice(0, 4), ['0', '1', '2', '3'])
})

test('the bound is that of the first, whoever came after it', async t => {
  const { gathering, wentOn, arrive, pass } = start(t)
  gathering.announce(isWell)
  const coming = Array.from({ length: 4 }, () => gathering.announce(isWell))
  for (const [index, one] of coming.entries()) {
    arrive(String(index), one)
    await pass(15)
  }
  // 50 ms after the first: the fourth had waited for 5 ms.
  t.same(wentOn, ['0', '1', '2', '3'])
})

test('one that has a problem is not waited for, also when the problem comes while others wait', async t => {
  const { gathering, wentOn, arrive, pass } = start(t)
  let isStuck = true
  gathering.announce(() => isStuck)
  arrive('a', gathering.announce(isWell))
  await pass(0)
  t.same(wentOn, ['a'])
  isStuck = false
  const [b, c] = [gathering.announce(isWell), gathering.announce(isWell)]
  arrive('b', b)
  await pass(0)
  t.same(wentOn, ['a'])
  isStuck = true
  arrive('c', c)
  await pass(0)
  t.same(wentOn, ['a', 'b', 'c'])
})

test('those who come later gather anew', async t => {
  const { gathering, wentOn, arrive, pass } = start(t)
  arrive('a', gathering.announce(isWell))
  await pass(1000)
  const [b, c] = [gathering.announce(isWell), gathering.announce(isWell)]
  arrive('b', b)
  await pass(10)
  t.same(wentOn, ['a'])
  arrive('c', c)
  await pass(0)
  t.same(wentOn, ['a', 'b', 'c'])
})
