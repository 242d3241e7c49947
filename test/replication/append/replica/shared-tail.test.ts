import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import { catchUp, differenceOf, Shadow } from './fixture.ts'

test('two followers at different places share memory; a laggard has a reader of its own until it meets the others', async t => {
  const shadow = await Shadow.start(t, { answerBytes: 600 })
  for (let count = 0; count < 40; count++) shadow.log.append({ records: 5 })
  shadow.serve()
  const [near, far] = [await shadow.follower(1), await shadow.follower(2)]
  await catchUp(near, 200)
  t.equal(shadow.shadow().readerCount, 1)
  await far.fetch({ maxWaitMs: 100 })
  await far.fetch({ maxWaitMs: 100 })
  t.equal(shadow.shadow().readerCount, 2)
  await catchUp(far, 200)
  await far.fetch()
  t.equal(shadow.shadow().readerCount, 1, 'they have met')
  t.equal(differenceOf(far.replica(), shadow.log), null)
  const before = shadow.source.answers
  shadow.log.append({ records: 5 })
  shadow.source.changed()
  await catchUp(near, 205)
  await catchUp(far, 205)
  t.equal(shadow.source.answers, before + 1, 'fetched once for both')
  await near.fetch()
  await far.fetch()
  t.equal(shadow.shadow().bufferedBytes, 0)
  t.ok(shadow.log.asked.every(({ offset, epoch }) => offset === 0 || epoch === 7), 'the source is told the epoch that it is gone on from')
})

test('a budget of one batch and less: everybody gets everything', async t => {
  for (const budgetBytes of [1, 200, 500]) {
    const shadow = await Shadow.start(t, { budgetBytes, answerBytes: 400, partitions: 3 })
    for (let index = 0; index < 3; index++) {
      for (let count = 0; count < 20; count++) shadow.source.log('orders', index).append({ records: 3 })
      shadow.serve(index)
    }
    const followers = [await shadow.follower(1), await shadow.follower(2, { useSessions: false }), await shadow.follower(4, { maxBytes: 300 })]
    await followers[0]?.fetch({ maxWaitMs: 10 })
    await Promise.all(followers.map(async follower => {
      for (let index = 0; index < 3; index++) await catchUp(follower, 60, index)
    }))
    for (const follower of followers) {
      for (let index = 0; index < 3; index++) t.equal(differenceOf(follower.replica(index), shadow.source.log('orders', index)), null)
    }
  }
})

test('with little memory, a follower that is ahead waits for one that moves, so that all is read once', async t => {
  const shadow = await Shadow.start(t, { answerBytes: 300, budgetBytes: 1000 })
  for (let count = 0; count < 40; count++) shadow.log.append({ records: 3 })
  shadow.serve()
  const [first, second] = [await shadow.follower(1), await shadow.follower(2)]
  // Both have asked before anything is read on.
  await Promise.all([first.fetch({ maxWaitMs: 50 }), second.fetch({ maxWaitMs: 50 })])
  const steps = async (follower: typeof first, pauseMs: number): Promise<void> => {
    while (follower.replica().end < 120) {
      await follower.fetch({ maxWaitMs: 100 })
      await sleep(pauseMs)
    }
  }
  await Promise.all([steps(first, 0), steps(second, 5)])
  t.same([first, second].map(follower => differenceOf(follower.replica(), shadow.log)), [null, null])
  const offsets = shadow.log.asked.map(({ offset }) => offset)
  t.equal(new Set(offsets).size, offsets.length, 'no offset was asked for twice')
})

test('a follower that comes a moment later finds what the first one was given, for a while', async t => {
  let nowMs = 1_000_000
  const shadow = await Shadow.start(t, { answerBytes: 300, options: { gatheringMs: 2000, now: () => nowMs } })
  for (let count = 0; count < 20; count++) shadow.log.append({ records: 3 })
  shadow.serve()
  const [first, second, late] = [await shadow.follower(1), await shadow.follower(2), await shadow.follower(4)]
  await catchUp(first, 60)
  nowMs += 1000
  await catchUp(second, 60)
  const offsets = shadow.log.asked.map(({ offset }) => offset).filter(offset => offset < 60)
  t.equal(new Set(offsets).size, offsets.length, 'read once for both')
  nowMs += 1001
  await first.fetch()
  shadow.log.append({ records: 3 })
  shadow.source.changed()
  await catchUp(first, 63)
  await catchUp(second, 63)
  await first.fetch()
  await second.fetch()
  t.equal(shadow.shadow().bufferedBytes, 0, 'after that, what nobody needs is let go')
  await catchUp(late, 63)
  t.equal(differenceOf(late.replica(), shadow.log), null)
})

test('a follower that does not move any more keeps nobody waiting', async t => {
  let nowMs = 1_000_000
  const shadow = await Shadow.start(t, { answerBytes: 300, budgetBytes: 1000, options: { now: () => nowMs } })
  for (let count = 0; count < 40; count++) shadow.log.append({ records: 3 })
  shadow.serve()
  const [first, stuck] = [await shadow.follower(1), await shadow.follower(2)]
  await Promise.all([first.fetch({ maxWaitMs: 50 }), stuck.fetch({ maxWaitMs: 50 })])
  for (let round = 0; first.replica().end < 120; round++) {
    if (round > 1000) throw new Error(`stuck at ${first.replica().end}`)
    await first.fetch({ maxWaitMs: 5 })
    nowMs += 50
  }
  t.equal(differenceOf(first.replica(), shadow.log), null)
})
