import { test } from 'tap'
import { ByteBudget, HeldBytes } from '../../../../src/replication/source/byte-budget.ts'
import { SOURCE, setUp } from './copy-fixture.ts'

test('copies in order: one append under way, the next when it is answered', async t => {
  const { copy, budget, events, fetched, located } = setUp()
  t.equal(copy.activity, 'locating')
  t.notOk(copy.wantsFetch(1))
  located(5, 7)
  t.match({ activity: copy.activity, next: copy.nextOffset, epoch: copy.lastFetchedEpoch, end: copy.shadowEndOffset }, { activity: 'copying', next: 5, epoch: 7, end: 5 })
  t.ok(copy.wantsFetch(1))
  fetched(5, { base: 5, records: 3, epoch: 8 }, { base: 8, epoch: 9, producerId: 44 })
  t.equal(copy.nextOffset, 9)
  t.equal(copy.lastFetchedEpoch, 9)
  t.equal(copy.queuedBytes, budget.usedBytes)
  const first = copy.takeForAppend()
  t.match(first, { baseOffset: 5, lastOffset: 7 })
  t.equal(first?.bytes.readBigInt64BE(0), 0n, 'its base offset on the wire is 0')
  t.equal(copy.takeForAppend(), null, 'nothing else while it is under way')
  t.equal(copy.headBytes, 0)
  copy.appended(5)
  t.equal(copy.shadowEndOffset, 8)
  t.match(copy.takeForAppend(), { baseOffset: 8, lastOffset: 8 })
  copy.appended(8)
  t.equal(copy.shadowEndOffset, 9)
  t.ok(copy.isIdle)
  t.equal(copy.queuedBytes, 0)
  t.equal(budget.usedBytes, 0)
  t.same(events, ['room', 'ready', 'ready', 'room', 'producer 44', 'room'])
})

test('an answer to a fetch from another position is not taken', async t => {
  const { copy, budget, faults, fetched, located } = setUp()
  located(5)
  fetched(4, { base: 4 })
  fetched(6, { base: 6 })
  t.ok(copy.isIdle)
  fetched(5, { base: 5 })
  fetched(5, { base: 5 })
  t.equal(copy.nextOffset, 6, 'taken once')
  copy.takeForAppend()
  copy.lost('gone', { isAmbiguous: false })
  fetched(6, { base: 6 })
  t.ok(copy.isIdle, 'nothing is taken while the position is not known')
  t.equal(budget.usedBytes, 0)
  t.same(faults, [])
})

test('what lies before the position in the batches of an answer is left out', async t => {
  const { copy, faults, fetched, located } = setUp()
  located(5)
  fetched(5, { base: 2, records: 3 }, { base: 5, records: 2 })
  t.match(copy.takeForAppend(), { baseOffset: 5, lastOffset: 6 })
  t.same(faults, [])
})

test('a batch that reaches over the position is no copy of what the shadow has', async t => {
  const { fault, fetched, located } = setUp()
  located(5)
  fetched(5, { base: 4, records: 3 })
  fetched(5, { base: 4, records: 3 })
  t.match(fault(), { code: 'DIVERGED', partition: 3, offset: 5 })
})

test('after an ambiguous append nothing is sent before the shadow was looked up', async t => {
  const { copy, budget, clock, events, fetched, located } = setUp()
  located(5)
  fetched(5, { base: 5, records: 4 }, { base: 9 })
  copy.takeForAppend()
  clock.nowMs = 77
  copy.lost('timed out', { isAmbiguous: true })
  t.equal(copy.activity, 'waiting')
  t.same(copy.ambiguous, { baseOffset: 5, lastOffset: 8 })
  t.equal(copy.takeForAppend(), null)
  t.notOk(copy.wantsFetch(Infinity))
  t.equal(budget.usedBytes, 0)
  t.equal(copy.status(1000).problem, 'timed out')
  t.equal(events.at(-1), 'lost 0')
  copy.lookingUp()
  copy.lookupFailed('no leader')
  t.equal(events.at(-1), 'lost 1')
  t.not(copy.ambiguous, null, 'a failed look-up settles nothing')
  located(9)
  t.equal(copy.ambiguous, null)
  t.equal(copy.nextOffset, 9)
  t.equal(copy.status(1000).problem, null)
})

test('failures in a row are counted until an append succeeds', async t => {
  const { copy, events, fetched, located } = setUp()
  for (let failure = 0; failure < 3; failure++) {
    located(0)
    fetched(0, { base: 0 })
    copy.takeForAppend()
    copy.lost('no', { isAmbiguous: true })
  }
  t.same(events.filter(event => event.startsWith('lost')), ['lost 0', 'lost 1', 'lost 2'])
  located(0)
  fetched(0, { base: 0 })
  copy.takeForAppend()
  copy.appended(0)
  fetched(1, { base: 1 })
  copy.takeForAppend()
  copy.lost('no', { isAmbiguous: true })
  t.equal(events.at(-1), 'lost 0')
})

test('a source that does not have the position: the append under way is waited for before the shadow is looked up', async t => {
  const { copy, budget, events, faults, fetched, located } = setUp()
  located(5)
  fetched(5, { base: 5 }, { base: 6 })
  copy.takeForAppend()
  copy.lostBySource(7, 'offset 7 is not there')
  t.equal(copy.activity, 'copying')
  t.ok(copy.isAppending)
  t.notOk(copy.wantsFetch(Infinity))
  t.equal(events.filter(event => event.startsWith('lost')).length, 0)
  fetched(7, { base: 7 })
  t.equal(copy.nextOffset, 7, 'nothing is taken any more')
  copy.appended(5)
  t.equal(copy.activity, 'waiting')
  t.equal(copy.shadowEndOffset, 6)
  t.equal(events.at(-1), 'lost 0')
  t.equal(budget.usedBytes, 0)
  t.same(faults, [])
  located(6)
  t.ok(copy.wantsFetch(1))
})

test('a source that does not have the position, with nothing under way', async t => {
  const { copy, events, located } = setUp()
  located(5)
  copy.lostBySource(4, 'an old answer')
  t.equal(copy.activity, 'copying')
  copy.lostBySource(5, 'not there')
  t.equal(copy.activity, 'waiting')
  t.equal(events.at(-1), 'lost 0')
})

test('an ambiguous append ends a wait for it too, and is remembered', async t => {
  const { copy, events, fetched, located } = setUp()
  located(5)
  fetched(5, { base: 5 })
  copy.takeForAppend()
  copy.lostBySource(6, 'not there')
  copy.lost('timed out', { isAmbiguous: true })
  t.equal(copy.activity, 'waiting')
  t.match(copy.ambiguous, { baseOffset: 5, lastOffset: 5 })
  t.equal(events.filter(event => event.startsWith('lost')).length, 1)
})

test('shed: what is queued behind the append under way is fetched again, from where it was dropped', async t => {
  const { copy, budget, faults, fetched, located } = setUp()
  located(0, 1)
  fetched(0, { base: 0, epoch: 2 }, { base: 1, epoch: 3 })
  fetched(2, { base: 2, epoch: 4 }, { base: 9 })
  copy.takeForAppend()
  copy.shedQueue()
  t.equal(copy.nextOffset, 1)
  t.equal(copy.lastFetchedEpoch, 2, 'the epoch of the batch before it is known: a source that was rewritten says so')
  t.ok(copy.wantsFetch(Infinity), 'the gap behind what was dropped is forgotten with it')
  t.ok(budget.usedBytes > 0, 'the append under way holds its answer')
  copy.appended(0)
  t.same(faults, [], 'no fault before its turn')
  t.equal(budget.usedBytes, 0)
  copy.shedQueue()
  fetched(1, { base: 1, epoch: 3 })
  copy.shedQueue()
  t.equal(copy.nextOffset, 1)
  t.equal(copy.lastFetchedEpoch, 2, 'with nothing under way it is that of the last batch that was appended')
  t.equal(budget.usedBytes, 0)
})

test('frozen: fetches nothing more, appends what it has', async t => {
  const { copy, budget, fetched, located } = setUp()
  located(0)
  fetched(0, { base: 0 }, { base: 1 })
  copy.freeze()
  t.notOk(copy.wantsFetch(Infinity))
  t.ok(copy.isDraining)
  fetched(2, { base: 2 })
  copy.unreadable(2, 'x')
  copy.lostBySource(2, 'x')
  copy.shedQueue()
  t.equal(copy.nextOffset, 2)
  copy.takeForAppend()
  copy.appended(0)
  copy.takeForAppend()
  t.ok(copy.isDraining)
  copy.appended(1)
  t.notOk(copy.isDraining)
  t.equal(copy.shadowEndOffset, 2)
  t.equal(budget.usedBytes, 0)
})

test('frozen while its position is looked up, it has nothing to drain', async t => {
  const { copy, located } = setUp()
  copy.freeze()
  t.notOk(copy.isDraining)
  located(4)
  t.notOk(copy.isDraining)
  t.notOk(copy.wantsFetch(Infinity))
})

test('thawed, it goes on where it was, and takes what it did not take while it was frozen', async t => {
  const { copy, fetched, located } = setUp()
  located(0)
  fetched(0, { base: 0 })
  copy.freeze()
  copy.takeForAppend()
  copy.appended(0)
  fetched(1, { base: 1 })
  t.equal(copy.nextOffset, 1)
  copy.thaw()
  t.ok(copy.wantsFetch(Infinity))
  fetched(1, { base: 1 })
  t.equal(copy.nextOffset, 2)
  t.equal(copy.takeForAppend()?.baseOffset, 1)
})

test('stopped: the append under way is waited for, nothing else happens', async t => {
  const { copy, budget, events, faults, fetched, located } = setUp()
  located(0)
  fetched(0, { base: 0 }, { base: 1 })
  copy.takeForAppend()
  copy.stop()
  t.ok(copy.isAppending)
  t.equal(copy.headBytes, 0)
  const before = events.length
  copy.lookingUp()
  copy.located(3, 0, SOURCE)
  copy.lookupFailed('x')
  copy.noteProblem('x')
  fetched(1, { base: 1 })
  t.equal(copy.activity, 'stopped')
  t.equal(events.length, before)
  copy.appended(0)
  t.notOk(copy.isAppending)
  t.equal(copy.shadowEndOffset, 1, 'what it appended last counts')
  t.equal(copy.takeForAppend(), null)
  t.equal(budget.usedBytes, 0)
  t.same(faults, [])
})

test('stopped with an append that ends ambiguously: it is remembered, and nothing is looked up', async t => {
  const { copy, budget, events, fetched, located } = setUp()
  located(0)
  fetched(0, { base: 0 })
  copy.takeForAppend()
  copy.stop()
  copy.lost('gone', { isAmbiguous: true })
  t.match(copy.ambiguous, { lastOffset: 0 })
  t.equal(copy.activity, 'stopped')
  t.notOk(events.some(event => event.startsWith('lost')))
  t.equal(budget.usedBytes, 0)
})

test('fetches up to a limit of queued bytes, and one fetch at a time', async t => {
  const { copy, fetched, located } = setUp()
  located(0)
  fetched(0, { base: 0 })
  t.notOk(copy.wantsFetch(copy.queuedBytes))
  t.ok(copy.wantsFetch(copy.queuedBytes + 1))
  copy.fetching = true
  t.notOk(copy.wantsFetch(Infinity))
})

test('status: nothing is known before the first contact', async t => {
  const { copy } = setUp()
  t.same(copy.status(1000), {
    partition: 3,
    sourceLogStartOffset: null,
    sourceLastStableOffset: null,
    sourceHighWatermark: null,
    shadowEndOffset: null,
    lagRecords: null,
    lagSeconds: null,
    sourceContactAgeMs: null,
    activity: 'starting',
    problem: null
  })
})

test('status: lag in records and seconds, and the age of the contact', async t => {
  const { copy, clock, fetched, located } = setUp()
  clock.nowMs = 10_000
  located(98)
  clock.nowMs = 12_000
  t.match(copy.status(5000), { lagRecords: 2, lagSeconds: 12, sourceContactAgeMs: 2000 }, 'behind for as long as anybody knows')
  fetched(98, { base: 98, records: 2 })
  t.match(copy.status(5000), { lagRecords: 2, sourceContactAgeMs: 0 }, 'what is queued is not safe')
  copy.takeForAppend()
  clock.nowMs = 13_000
  copy.appended(98)
  t.match(copy.status(5000), { lagRecords: 0, lagSeconds: 0, sourceContactAgeMs: 1000, shadowEndOffset: 100 })
  clock.nowMs = 30_000
  t.match(copy.status(5000), { lagRecords: 0, lagSeconds: 18, sourceContactAgeMs: 18_000 }, 'a source that is not heard of may have had anything since')
  clock.nowMs = 31_000
  copy.fetched({ fetchOffset: 100, highWatermark: 105, lastStableOffset: 104, logStartOffset: 2, batches: [], held: new HeldBytes(new ByteBudget(1), 0) })
  t.match(copy.status(5000), { lagRecords: 5, lagSeconds: 19, sourceContactAgeMs: 0, sourceHighWatermark: 105, sourceLastStableOffset: 104, sourceLogStartOffset: 2 })
  t.ok(copy.isBehind)
})
