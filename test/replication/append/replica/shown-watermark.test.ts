import { test, type Test } from 'tap'
import { catchUp, Shadow } from './fixture.ts'

/** What is behind for longer does not keep up (DEFAULT_FOLLOWER_TIMEOUT_MS). */
const PATIENCE_MS = 10_000

class Clock {
  nowMs = 1_000_000
  readonly now = (): number => this.nowMs
}

async function shadowWith (t: Test, { records = 3, isFenced = () => false }: { readonly records?: number, readonly isFenced?: (brokerId: number) => boolean } = {}): Promise<{ readonly shadow: Shadow, readonly clock: Clock }> {
  const clock = new Clock()
  const shadow = await Shadow.start(t, { options: { now: clock.now, isFenced } })
  for (let count = 0; count < records; count++) shadow.log.append()
  shadow.serve()
  return { shadow, clock }
}

function grow (shadow: Shadow): void {
  shadow.log.append()
  shadow.source.changed()
}

test('what a single follower is given may be shown as soon as it is written', async t => {
  const { shadow } = await shadowWith(t)
  const follower = await shadow.follower(1)
  await catchUp(follower, 3)
  t.equal(follower.replica().highWatermark, 3, 'in the answer that brought it')
  await follower.fetch({ maxWaitMs: 5 })
  t.equal(follower.lastRows, 0, 'nothing more is to be told')
})

test('of two followers each shows what the other one has as well, and no more', async t => {
  const { shadow } = await shadowWith(t)
  const [first, second] = [await shadow.follower(1), await shadow.follower(2)]
  for (const each of [first, second, first, second]) await catchUp(each, 3).then(async () => await each.fetch())
  t.same([first.replica().highWatermark, second.replica().highWatermark], [3, 3])
  grow(shadow)
  await catchUp(first, 4)
  t.equal(first.replica().highWatermark, 3, 'the other one does not have it yet')
  await first.fetch()
  t.equal(first.replica().highWatermark, 3)
  await catchUp(second, 4)
  t.equal(second.replica().highWatermark, 4, 'both will have it')
  const waiting = first.fetch({ maxWaitMs: 60_000 })
  await second.fetch()
  await waiting
  t.equal(first.replica().highWatermark, 4, 'told as soon as it is known')
})

test('a replica that is far behind holds the others up for a while only, and counts again once it has come up with them', async t => {
  const { shadow, clock } = await shadowWith(t)
  const [first, late] = [await shadow.follower(1), await shadow.follower(2, { partitionMaxBytes: 1 })]
  await catchUp(first, 3)
  await first.fetch()
  grow(shadow)
  await late.fetch()
  await catchUp(first, 4)
  t.equal(first.replica().highWatermark, 3)
  clock.nowMs += PATIENCE_MS - 1
  await Promise.all([first.fetch(), late.fetch()])
  t.equal(first.replica().highWatermark, 3, 'not for a moment')
  clock.nowMs += 2
  await first.fetch({ maxWaitMs: 5 })
  t.equal(first.replica().highWatermark, 4, 'without anything new')
  grow(shadow)
  await catchUp(first, 5)
  t.equal(first.replica().highWatermark, 5)
  await first.fetch()
  await catchUp(late, 5)
  await late.fetch()
  t.same([first.replica().highWatermark, late.replica().highWatermark], [5, 5])
  grow(shadow)
  await catchUp(first, 6)
  t.equal(first.replica().highWatermark, 5, 'it has come up, and counts')
})

test('one that always has what there was when it asked last keeps up, though it is never level', async t => {
  const { shadow, clock } = await shadowWith(t, { records: 40 })
  const [first, second] = [await shadow.follower(1, { partitionMaxBytes: 1 }), await shadow.follower(2, { partitionMaxBytes: 1 })]
  await catchUp(first, 1)
  for (let round = 1; round < 30; round++) {
    clock.nowMs += PATIENCE_MS / 10
    await catchUp(first, round + 1)
    await catchUp(second, round)
  }
  t.ok(second.replica().end < first.replica().end, `${second.replica().end} of ${first.replica().end}`)
  t.ok(first.replica().highWatermark < first.replica().end)
})

test('a broker that is silent, or that the cluster knows to be gone, is not waited for, also when nothing else happens', async t => {
  const fenced = new Set<number>()
  const { shadow, clock } = await shadowWith(t, { isFenced: brokerId => fenced.has(brokerId) })
  const [first, second] = [await shadow.follower(1), await shadow.follower(2)]
  for (const each of [first, second]) await catchUp(each, 3).then(async () => await each.fetch())
  grow(shadow)
  await catchUp(first, 4)
  await first.fetch({ maxWaitMs: 5 })
  t.equal(first.replica().highWatermark, 3)
  fenced.add(2)
  await first.fetch({ maxWaitMs: 5 })
  t.equal(first.replica().highWatermark, 4)
  fenced.clear()
  grow(shadow)
  await catchUp(first, 5)
  t.equal(first.replica().highWatermark, 4)
  clock.nowMs += PATIENCE_MS + 1
  await first.fetch({ maxWaitMs: 5 })
  t.equal(first.replica().highWatermark, 5)
})

test('a follower whose log was not compared with the source\'s makes nobody slow', async t => {
  const clock = new Clock()
  const shadow: Shadow = await Shadow.start(t, {
    options: {
      now: clock.now,
      onFollower: (brokerId, offset) => { if (brokerId !== 4) shadow.shadow().admitFollower(brokerId, { offset, leaderEpoch: -1 }) }
    }
  })
  shadow.log.append()
  shadow.serve()
  const [first, second, stranger] = [await shadow.follower(1), await shadow.follower(2), await shadow.follower(4)]
  for (const each of [first, second]) await catchUp(each, 1).then(async () => await each.fetch())
  shadow.shadow().sourceContact({ logStartOffset: 0, highWatermark: 2 })
  stranger.replica().end = 2
  for (let round = 0; round < 2; round++) {
    for (const each of [stranger, second]) await each.fetch()
    clock.nowMs += PATIENCE_MS - 1
  }
  t.ok(shadow.shadow().isAwaitingAdmission(4, 2))
  t.equal(second.replica().end, 1)
  await Promise.all([stranger.fetch(), second.fetch()])
  grow(shadow)
  await catchUp(first, 2)
  t.equal(first.replica().highWatermark, 1, 'the other one keeps up')
})
