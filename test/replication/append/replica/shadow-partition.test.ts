import { test } from 'tap'
import { buildBatch } from '../../../../protocol/records/build-batch.ts'
import { ServedEpochs } from '../../../../src/replication/append/replica/served-epochs.ts'
import { catchUp, differenceOf, LEADER_EPOCH, Shadow } from './fixture.ts'

test('a follower gets every byte but the leader epoch: holes, producers, compression, old formats', async t => {
  const shadow = await Shadow.start(t)
  const { log } = shadow
  log.append({ records: 5 }).append({ hole: 3, compression: 1 }).append({ records: 2, producerId: 44, producerEpoch: 1, baseSequence: 0, isTransactional: true })
  log.append({ isControl: true, isTransactional: true, producerId: 44, producerEpoch: 1 }).append({ lastOffsetDelta: 9 }).append({ hole: 1000, records: 3 })
  log.appendLegacy().appendLegacy().append({ logAppendTime: 99 })
  shadow.serve()
  const follower = await shadow.follower(1)
  await catchUp(follower, log.end)
  t.equal(differenceOf(follower.replica(), log), null)
  t.equal(follower.replica().batches.length, 9)
  t.same(follower.replica().errors, [])
  await follower.fetch()
  t.equal(follower.replica().highWatermark, log.end)
  t.equal(shadow.shadow().followers.get(1)?.fetchOffset, log.end)
  t.equal(shadow.shadow().followers.get(1)?.brokerEpoch, 100)
  t.same([...new Set(shadow.producerIds)], [44])
  t.match(shadow.shadow().status(1000), { shadowEndOffset: log.end, lagRecords: 0, activity: 'copying', problem: null })
  t.same(shadow.faults, [])
})

test('the status knows no end while a living replica has not said where its log ends', async t => {
  const living = new Set([1, 2])
  const shadow = await Shadow.start(t, { options: { isLiving: brokerId => living.has(brokerId) } })
  shadow.log.append({ records: 3 })
  shadow.serve()
  const follower = await shadow.follower(1)
  await catchUp(follower, 3)
  await follower.fetch()
  t.match(shadow.shadow().status(1000), { shadowEndOffset: null, lagRecords: null }, 'replica 2 may have nothing')
  const late = await shadow.follower(2, { partitionMaxBytes: 1 })
  await late.fetch()
  t.match(shadow.shadow().status(1000), { shadowEndOffset: 0, lagRecords: 3 })
  await catchUp(late, 3)
  await late.fetch()
  t.match(shadow.shadow().status(1000), { shadowEndOffset: 3, lagRecords: 0 })
  living.add(4)
  t.match(shadow.shadow().status(1000), { shadowEndOffset: null, lagRecords: null })
  living.delete(4)
  t.match(shadow.shadow().status(1000), { shadowEndOffset: 3, lagRecords: 0 }, 'a dead one is not waited for')
})

test('all versions that followers speak, with and without sessions', async t => {
  const shadow = await Shadow.start(t)
  shadow.log.append({ records: 3 }).append()
  shadow.serve()
  for (const version of [12, 13, 14, 15, 16, 17, 18]) {
    for (const useSessions of [true, false]) {
      const follower = await shadow.follower(1, { version, useSessions })
      await catchUp(follower, shadow.log.end)
      t.equal(differenceOf(follower.replica(), shadow.log), null, `version ${version}`)
      t.equal(follower.sessionId !== 0, useSessions)
    }
  }
})

test('before source and followers are known, a follower is answered with nothing and keeps what it has', async t => {
  const shadow = await Shadow.start(t)
  shadow.log.append({ records: 10 })
  const follower = await shadow.follower(1)
  follower.replica().end = 7
  await follower.fetch()
  t.equal(follower.replica().end, 7)
  t.same(follower.replica().errors, [])
  t.equal(follower.replica().highWatermark, 7)
  t.equal(shadow.shadow().followers.get(1)?.fetchOffset, 7)
  t.equal(await follower.listOffset(follower.replica(), -1), null)
  t.same(follower.replica().errors, ['ListOffsets OFFSET_NOT_AVAILABLE'])
})

test('a source that ends below a follower: answered with nothing, nothing is truncated, somebody is told', async t => {
  const shadow = await Shadow.start(t)
  shadow.log.append({ records: 10 })
  shadow.serve()
  const follower = await shadow.follower(1)
  follower.replica().end = follower.replica().highWatermark = 15
  await follower.fetch()
  t.same([follower.replica().end, follower.replica().highWatermark], [15, 15])
  t.same(shadow.ahead, [{ brokerId: 1, fetchOffset: 15, sourceEnd: 10 }])
  t.match(shadow.shadow().status(1000).problem, /^source lost records: broker 1 holds records up to offset 15, and the source's log ended at 10/)
  t.equal(await follower.listOffset(follower.replica(), -1), 15, 'LATEST is not below what a follower has')
  // The source grows again: nobody knows whether with the same records.
  shadow.log.append({ records: 20 })
  shadow.source.changed()
  for (let round = 0; round < 5; round++) await follower.fetch({ maxWaitMs: 5 })
  t.equal(follower.replica().end, 15)
  const other = await shadow.follower(2)
  await catchUp(other, 10)
  for (let round = 0; round < 5; round++) await other.fetch({ maxWaitMs: 5 })
  t.equal(other.replica().end, 10, 'not beyond what is in doubt')
  shadow.serve()
  await catchUp(other, 30)
  t.equal(differenceOf(other.replica(), shadow.log), null)
})

test('an empty log that starts at N, and a log start in the middle of a batch', async t => {
  const shadow = await Shadow.start(t, { partitions: 2 })
  const empty = shadow.source.log('orders', 0)
  empty.logStart = empty.end = 77
  const middle = shadow.source.log('orders', 1)
  middle.append({ records: 100 }).append({ records: 50 }).append({ records: 50 })
  middle.batches.shift()
  middle.logStart = 125
  shadow.serve(0)
  shadow.serve(1)
  const follower = await shadow.follower(1)
  await catchUp(follower, 77, 0)
  await catchUp(follower, 200, 1)
  t.match(follower.replica(0), { logStart: 77, end: 77, highWatermark: 77, failed: null, errors: ['OFFSET_OUT_OF_RANGE'] })
  t.match(follower.replica(1), { logStart: 125, end: 200, failed: null })
  t.equal(differenceOf(follower.replica(1), middle), null)
  empty.append({ records: 3 })
  shadow.source.changed()
  await catchUp(follower, 80, 0)
  t.equal(differenceOf(follower.replica(0), empty), null)
  t.same(shadow.faults, [])
})

test('a copy that begins above the start of the source, also in the middle of a batch', async t => {
  for (const startOffset of [100, 125, 200]) {
    const shadow = await Shadow.start(t, { options: { startOffset } })
    const { log } = shadow
    log.append({ records: 100 }).append({ records: 50 }).append({ records: 50 })
    shadow.serve()
    const follower = await shadow.follower(1)
    await catchUp(follower, 200)
    log.append({ records: 7 })
    shadow.source.changed()
    await catchUp(follower, 207)
    await follower.fetch()
    t.match(follower.replica(), { logStart: startOffset, end: 207, failed: null })
    t.equal(differenceOf(follower.replica(), log), null)
    const first = follower.replica().batches[0]
    t.equal(first?.baseOffset, startOffset === 125 ? 100 : startOffset, 'batches stay whole')
    t.match(shadow.shadow().status(1000), { sourceLogStartOffset: 0, lagRecords: 0, problem: null })
    log.logStart = 203
    shadow.source.changed()
    await follower.fetch()
    await follower.fetch()
    t.equal(follower.replica().logStart, 203, 'from there on the source\'s start counts')
    t.same(shadow.faults, [])
  }
})

test('the source deletes what a follower does not have yet: the follower goes on at the log start, and it is said', async t => {
  const shadow = await Shadow.start(t)
  const { log } = shadow
  log.append({ records: 10 }).append({ records: 10 }).append({ records: 10 })
  shadow.serve()
  const first = await shadow.follower(1)
  await catchUp(first, 30)
  const late = await shadow.follower(2)
  late.replica().end = 10
  log.logStart = 20
  log.batches.splice(0, 2)
  shadow.source.changed()
  await catchUp(late, 30)
  t.match(late.replica(), { logStart: 20, end: 30 })
  t.equal(differenceOf(late.replica(), log), null)
  await first.fetch()
  t.equal(first.replica().logStart, 20, 'the others follow the log start')
  t.equal(shadow.shadow().status(1000).problem, 'offsets 10 to 19 were deleted by the source before they were copied')
  t.same(shadow.faults, [])
})

test('frozen: up to the end and nothing beyond', async t => {
  const shadow = await Shadow.start(t, { answerBytes: 300 })
  for (let count = 0; count < 10; count++) shadow.log.append({ records: 5 })
  shadow.serve()
  const [first, second] = [await shadow.follower(1), await shadow.follower(2)]
  await first.fetch({ maxWaitMs: 50 })
  const both = shadow.shadow().whenAt([1, 2], 30, new AbortController().signal)
  shadow.shadow().freeze(30)
  await catchUp(first, 30)
  await catchUp(second, 30)
  await Promise.all([first.fetch({ maxWaitMs: 5 }), second.fetch({ maxWaitMs: 5 })])
  await both
  t.same([first.replica().end, first.replica().highWatermark], [30, 30])
  t.ok(shadow.shadow().isCaughtUp(2, 30))
  t.notOk(shadow.shadow().isCaughtUp(2, 31))
  t.equal(await first.listOffset(first.replica(), -1), 30)
  t.equal(shadow.shadow().phase, 'frozen')
  shadow.shadow().stop()
  await first.fetch()
  t.same(first.replica().errors, ['NOT_LEADER_OR_FOLLOWER'])
  t.equal(shadow.budget.usedBytes, 0)
})

test('a follower that waits is woken by new data and by another epoch', async t => {
  const shadow = await Shadow.start(t)
  shadow.log.append()
  shadow.serve()
  const follower = await shadow.follower(1, { maxWaitMs: 60_000 })
  await catchUp(follower, 1)
  await follower.fetch({ maxWaitMs: 0 })
  const waiting = follower.fetch()
  setImmediate(() => {
    shadow.log.append()
    shadow.source.changed()
  })
  await waiting
  t.equal(follower.replica().end, 2)
  await follower.fetch({ maxWaitMs: 0 })
  const epoch = follower.fetch()
  setImmediate(() => { shadow.shadow().setMetadata({ leaderEpoch: LEADER_EPOCH + 1, partitionEpoch: 2, isLeader: true, followers: [1, 2] }) })
  await epoch
  t.equal(follower.replica().failed, 'fenced')
})

test('leader epochs: a newer one is not known yet, an older one is fenced', async t => {
  const shadow = await Shadow.start(t)
  shadow.serve()
  const follower = await shadow.follower(1)
  follower.replica().leaderEpoch = LEADER_EPOCH + 1
  await follower.fetch()
  t.same(follower.replica().errors, ['UNKNOWN_LEADER_EPOCH'])
  t.equal(shadow.shadow().followers.size, 0, 'its position is not taken')
  follower.replica().leaderEpoch = LEADER_EPOCH - 1
  await follower.fetch()
  await follower.fetch()
  t.equal(follower.replica().failed, 'fenced')
})

test('batches of a held producer id wait, and with them what comes behind', async t => {
  let isHeld = true
  const shadow = await Shadow.start(t, { options: { mayServe: id => id !== 9 || !isHeld } })
  shadow.log.append().append({ producerId: 8, producerEpoch: 0, baseSequence: 0 }).append({ producerId: 9, producerEpoch: 0, baseSequence: 0 }).append()
  shadow.serve()
  const follower = await shadow.follower(1)
  await catchUp(follower, 2)
  for (let round = 0; round < 3; round++) await follower.fetch({ maxWaitMs: 5 })
  t.equal(follower.replica().end, 2)
  t.same([...new Set(shadow.producerIds)], [8, 9])
  const waiting = follower.fetch({ maxWaitMs: 60_000 })
  isHeld = false
  setImmediate(() => { shadow.shadow().release() })
  await waiting
  await catchUp(follower, 4)
  t.equal(differenceOf(follower.replica(), shadow.log), null)
})

test('a damaged batch is asked for twice; then the topic is stopped and nothing more is served', async t => {
  const shadow = await Shadow.start(t)
  const { log } = shadow
  log.append({ records: 2 }).append({ records: 2 })
  let damages = 1
  log.damage = records => { if (damages-- > 0) records.writeUInt8((records.at(-1) ?? 0) ^ 0xff, records.length - 1) }
  shadow.serve()
  const follower = await shadow.follower(1)
  await catchUp(follower, 4)
  t.equal(differenceOf(follower.replica(), log), null, 'once does no harm')
  damages = Infinity
  log.append()
  shadow.source.changed()
  while (shadow.faults.length === 0) await follower.fetch({ maxWaitMs: 5 })
  t.match(shadow.faults, [{ code: 'SOURCE_CORRUPT', partition: 0, offset: 4 }])
  await follower.fetch()
  t.equal(follower.replica().end, 4)
  t.same(follower.replica().errors, [])
  t.equal(shadow.shadow().status(1000).activity, 'stopped')
  t.equal(shadow.budget.usedBytes, 0)
})

test('a source that was rewritten, or cut off, stops the topic', async t => {
  const rewritten = await Shadow.start(t)
  rewritten.log.append()
  rewritten.serve()
  const follower = await rewritten.follower(1)
  await catchUp(follower, 1)
  rewritten.log.diverging = { epoch: 6, endOffset: 0 }
  rewritten.source.changed()
  while (rewritten.faults.length === 0) await follower.fetch({ maxWaitMs: 5 })
  t.match(rewritten.faults, [{ code: 'SOURCE_LOST_RECORDS' }])
  const cut = await Shadow.start(t)
  cut.log.append().append()
  cut.serve()
  const other = await cut.follower(1)
  await catchUp(other, 2)
  cut.log.batches.pop()
  cut.log.end = 1
  cut.source.changed()
  while (cut.faults.length === 0) await other.fetch({ maxWaitMs: 5 })
  t.match(cut.faults, [{ code: 'SOURCE_LOST_RECORDS', offset: 1 }])
  t.equal(other.replica().end, 2)
})

test('another epoch from an offset on: who holds more of the old one is told to cut it off, whenever it comes, and every byte is the source\'s', async t => {
  let servedEpochs = new ServedEpochs()
  const done: Array<[number, { readonly from: number, readonly to: number }]> = []
  const shadow: Shadow = await Shadow.start(t, {
    options: {
      servedEpochs: () => servedEpochs,
      onRolledBack: (brokerId, thrownAway) => { done.push([brokerId, thrownAway]) },
      onFollower: (brokerId, offset) => { setImmediate(() => shadow.shadow().admitFollower(brokerId, { offset, leaderEpoch: -1 })) }
    }
  })
  shadow.log.append().append().append()
  shadow.serve()
  const [follower, short, sleeper] = [await shadow.follower(1), await shadow.follower(2, { partitionMaxBytes: 1 }), await shadow.follower(4)]
  for (const each of [follower, sleeper]) {
    await catchUp(each, 3)
    await each.fetch()
  }
  await catchUp(short, 1)
  t.equal(follower.replica().highWatermark, 3)
  servedEpochs = new ServedEpochs([{ epoch: 2, startOffset: 2 }])
  shadow.shadow().relocate()
  t.equal(shadow.shadow().phase, 'locating')
  t.equal(shadow.shadow().bufferedBytes, 0)
  await follower.fetch()
  t.equal(follower.replica().end, 2, 'even before the source is located')
  t.same(done, [], 'not before it says so')
  t.same([...shadow.shadow().trustedFollowers].map(([id, { fetchOffset }]) => [id, fetchOffset]).filter(([id]) => id === 4), [], 'who has not done it yet is no truth')
  t.equal(shadow.shadow().shadowEndOffset, 0, 'the one that has less has not said yet that it has something')
  await follower.fetch()
  t.same(done, [[1, { from: 3, to: 2 }]])
  t.equal(await follower.listOffset(follower.replica(), -1), null, 'LATEST is not known')
  shadow.log.batches.pop()
  shadow.log.end = 2
  shadow.log.append({ records: 4 }).append()
  shadow.serve()
  for (const each of [follower, short, sleeper]) await catchUp(each, 7)
  t.same(done, [[1, { from: 3, to: 2 }], [4, { from: 3, to: 2 }]], 'nothing of the one that had less')
  for (const each of [follower, short, sleeper]) {
    t.same(each.replica().batches.map(({ bytes }) => bytes.readInt32BE(12)), [0, 0, 2, 2])
    for (const { bytes } of each.replica().batches) bytes.writeInt32BE(0, 12)
    t.equal(differenceOf(each.replica(), shadow.log), null)
    t.same(each.replica().errors.filter(error => error !== 'ListOffsets OFFSET_NOT_AVAILABLE'), [])
  }
})

test('an epoch that nobody was given says nothing: nothing is cut off', async t => {
  const checks: Array<[number, number]> = []
  const shadow = await Shadow.start(t, { options: { servedEpochs: () => new ServedEpochs([{ epoch: 3, startOffset: 2 }]), onFollower: (brokerId, fetchOffset) => { checks.push([brokerId, fetchOffset]) } } })
  for (let count = 0; count < 5; count++) shadow.log.append()
  const follower = await shadow.follower(1)
  shadow.serve()
  for (const epoch of [1, 2, 4]) {
    const bytes = buildBatch({ baseOffset: 3, partitionLeaderEpoch: epoch, records: [{ timestamp: 1 }] })
    follower.replica().batches = [{ baseOffset: 3, lastOffset: 3, bytes }]
    follower.replica().end = 4
    await follower.fetch()
    t.equal(follower.replica().end, 4)
  }
  t.same(checks, [[1, 4]], 'somebody is to look at it')
})

test('a source that has rewritten its log, to be followed: nothing read before is served, and every follower is compared again', async t => {
  const checks: Array<[number, number]> = []
  const followed: string[] = []
  let mayFollow = true
  let admits = true
  const shadow: Shadow = await Shadow.start(t, {
    options: {
      onFollower: (brokerId, fetchOffset) => {
        checks.push([brokerId, fetchOffset])
        if (admits) shadow.shadow().admitFollower(brokerId, { offset: fetchOffset, leaderEpoch: -1 })
      },
      isFollowed: ({ code }) => {
        followed.push(code)
        if (mayFollow) admits = false
        return mayFollow
      }
    }
  })
  shadow.log.append().append().append()
  shadow.serve()
  const follower = await shadow.follower(1)
  await catchUp(follower, 3)
  await follower.fetch()
  shadow.log.append()
  shadow.log.diverging = { epoch: 6, endOffset: 2 }
  shadow.source.changed()
  while (followed.length === 0) await follower.fetch({ maxWaitMs: 5 })
  t.same(shadow.faults, [])
  t.equal(shadow.shadow().phase, 'locating')
  t.equal(shadow.shadow().bufferedBytes, 0, 'what was read ahead is gone')
  shadow.log.diverging = null
  shadow.serve()
  checks.length = 0
  for (let round = 0; round < 3; round++) await follower.fetch({ maxWaitMs: 5 })
  t.same(checks, [[1, 3]], 'compared again')
  t.equal(follower.replica().end, 3, 'and served nothing before that')
  shadow.shadow().admitFollower(1, { offset: 3, leaderEpoch: 7 })
  await catchUp(follower, 4)
  mayFollow = false
  shadow.log.diverging = { epoch: 6, endOffset: 2 }
  shadow.source.changed()
  while (shadow.faults.length === 0) await follower.fetch({ maxWaitMs: 5 })
  t.equal(follower.replica().end, 4)
})

test('a follower whose log ends in the middle of a batch of the source has other batches: the topic is stopped', async t => {
  const shadow = await Shadow.start(t)
  shadow.log.append({ records: 10 })
  shadow.serve()
  const follower = await shadow.follower(1)
  follower.replica().end = 5
  while (shadow.faults.length === 0) await follower.fetch({ maxWaitMs: 5 })
  t.match(shadow.faults, [{ code: 'DIVERGED', offset: 5 }])
  t.equal(follower.replica().end, 5)
})
