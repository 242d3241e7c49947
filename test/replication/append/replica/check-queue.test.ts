import { test } from 'tap'
import { CheckQueue } from '../../../../src/replication/append/replica/check-queue.ts'
import { sleep } from '../../../../src/net/sleep.ts'

interface Item {
  readonly partition: number
  readonly brokerId: number
}

const LIMITS = { mostOfBroker: 500, baseMs: 10, maxMs: 20 }

async function until (condition: () => boolean): Promise<void> {
  for (let round = 0; !condition(); round++) {
    if (round > 1000) throw new Error('waited in vain')
    await sleep(5)
  }
}

test('what fails gives its place to others, and comes again', async t => {
  const abort = new AbortController()
  const done = new Map<number, number>()
  const queue = new CheckQueue<Item>({
    ...LIMITS,
    signal: abort.signal,
    isDue: () => true,
    isPossible: () => true,
    run: async ({ partition, brokerId }) => {
      await sleep(1)
      // Broker 2 answers nobody, and the first partitions of broker 1 cannot be compared with the source before all others are.
      if (brokerId === 2 || (partition < 600 && (done.get(1) ?? 0) < 600)) throw new Error('it does not answer')
      done.set(brokerId, (done.get(brokerId) ?? 0) + 1)
    }
  })
  for (let partition = 0; partition < 1200; partition++) for (const brokerId of [2, 1]) queue.push({ partition, brokerId })
  await until(() => done.get(1) === 1200)
  t.equal(done.get(2), undefined)
  abort.abort()
})

test('a broker that takes long to fail keeps nobody from the others', async t => {
  const abort = new AbortController()
  let done = 0
  const queue = new CheckQueue<Item>({
    ...LIMITS,
    signal: abort.signal,
    isDue: () => true,
    isPossible: () => true,
    run: async ({ brokerId }) => {
      if (brokerId === 2) await sleep(60_000, abort.signal)
      done++
    }
  })
  for (let partition = 0; partition < 600; partition++) for (const brokerId of [2, 1]) queue.push({ partition, brokerId })
  await until(() => done === 600)
  abort.abort()
  t.equal(done, 600)
})

test('what is not possible is put off without being tried, and what is not due any more is forgotten', async t => {
  const abort = new AbortController()
  const isFenced = new Set([2])
  const tried: number[] = []
  let isDue = true
  const queue = new CheckQueue<Item>({
    ...LIMITS,
    signal: abort.signal,
    isDue: ({ partition }) => partition !== 1 || isDue,
    isPossible: ({ brokerId }) => !isFenced.has(brokerId),
    run: async ({ partition }) => { await Promise.resolve(tried.push(partition)) }
  })
  queue.push({ partition: 0, brokerId: 1 })
  queue.push({ partition: 1, brokerId: 2 })
  queue.push({ partition: 2, brokerId: 2 })
  await sleep(100)
  t.same(tried, [0])
  isDue = false
  isFenced.clear()
  await until(() => tried.length > 1)
  await sleep(50)
  t.same(tried, [0, 2])
  abort.abort()
})
