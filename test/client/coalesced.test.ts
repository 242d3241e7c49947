import { test } from 'tap'
import { Coalesced } from '../../src/client/coalesced.ts'

test('what is asked for in one turn goes out together, in order, and no more at a time than may', async t => {
  const asked: string[][] = []
  const coalesced = new Coalesced<string, string>(async items => {
    asked.push([...items])
    return items.map(item => item.toUpperCase())
  }, { most: 3 })
  t.same(await Promise.all(['a', 'b', 'c', 'd'].map(item => coalesced.request(item))), ['A', 'B', 'C', 'D'])
  t.same(asked, [['a', 'b', 'c'], ['d']])
})

test('what comes while a question is under way goes with the next one', async t => {
  const asked: string[][] = []
  let answer: () => void = () => {}
  const coalesced = new Coalesced<string, string>(async items => {
    asked.push([...items])
    await new Promise<void>(resolve => { answer = resolve })
    return items
  }, { most: 10 })
  const first = coalesced.request('a')
  await new Promise(resolve => setImmediate(resolve))
  const others = [coalesced.request('b'), coalesced.request('c')]
  await new Promise(resolve => setImmediate(resolve))
  t.same(asked, [['a']])
  answer()
  t.equal(await first, 'a')
  while (asked.length < 2) await new Promise(resolve => setImmediate(resolve))
  answer()
  t.same(await Promise.all(others), ['b', 'c'])
  t.same(asked, [['a'], ['b', 'c']])
})

test('a failure is that of all who asked, and of nobody who asks later', async t => {
  let fails = true
  const coalesced = new Coalesced<number, number>(async items => {
    if (fails) throw new Error('refused')
    return items
  }, { most: 10 })
  const results = await Promise.allSettled([coalesced.request(1), coalesced.request(2)])
  t.same(results.map(({ status }) => status), ['rejected', 'rejected'])
  fails = false
  t.equal(await coalesced.request(3), 3)
})

test('a question that is left without an answer is an error, not a wait', async t => {
  const coalesced = new Coalesced<number, number>(async () => [1], { most: 10 })
  const results = await Promise.allSettled([coalesced.request(1), coalesced.request(2)])
  t.same(results.map(({ status }) => status), ['fulfilled', 'rejected'])
})

test('no question is heavier than it may be, but for one of a single item', async t => {
  const asked: number[][] = []
  const coalesced = new Coalesced<number, number>(async items => {
    asked.push([...items])
    return items
  }, { most: 5, weigh: item => item })
  t.same(await Promise.all([2, 3, 1, 9, 4].map(item => coalesced.request(item))), [2, 3, 1, 9, 4])
  t.same(asked, [[2, 3], [1], [9], [4]])
})
