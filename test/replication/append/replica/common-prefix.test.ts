import { test } from 'tap'
import { buildBatch } from '../../../../protocol/records/build-batch.ts'
import { readBatches, type RecordBatch } from '../../../../protocol/records/record-batch.ts'
import { findCommonPrefix, type CommonPrefix, type LogPiece } from '../../../../src/replication/append/replica/common-prefix.ts'

interface BatchOf {
  readonly epoch: number
  readonly content: string
  readonly records?: number
  readonly hole?: number
}

/** A log of batches, of one record each unless told otherwise, read a few at a time. */
class Log {
  readonly batches: RecordBatch[] = []
  readonly reads: number[] = []
  logStart = 0
  end = 0
  /** How many of its batches are shown. */
  shown = Infinity

  constructor (...batches: readonly BatchOf[]) {
    for (const { epoch, content, records = 1, hole = 0 } of batches) {
      const bytes = buildBatch({ baseOffset: this.end + hole, partitionLeaderEpoch: epoch, records: Array.from({ length: records }, () => ({ timestamp: 1, value: Buffer.from(content) })) })
      this.batches.push(...readBatches(bytes).batches)
      this.end = (this.batches.at(-1)?.lastOffset ?? -1) + 1
    }
  }

  async read (offset: number): Promise<LogPiece> {
    this.reads.push(offset)
    const visible = this.batches.slice(0, this.shown)
    return { logStartOffset: this.logStart, highWatermark: (visible.at(-1)?.lastOffset ?? -1) + 1, batches: visible.filter(({ lastOffset }) => lastOffset >= offset).slice(0, 3) }
  }

  /** As LeaderEpochFileCache.endOffsetFor answers. */
  async endOfEpoch (epoch: number): Promise<{ readonly leaderEpoch: number, readonly endOffset: number }> {
    const starts = new Map<number, number>()
    for (const { partitionLeaderEpoch, baseOffset } of this.batches) if (!starts.has(partitionLeaderEpoch)) starts.set(partitionLeaderEpoch, baseOffset)
    const [higher, start] = [...starts].find(([known]) => known > epoch) ?? [null, this.end]
    const floor = [...starts.keys()].filter(known => known <= epoch).at(-1)
    return { leaderEpoch: floor ?? epoch, endOffset: higher === null ? this.end : start }
  }
}

/** One batch for each letter. */
function letters (epoch: number, contents: string): BatchOf[] {
  return Array.from(contents, content => ({ epoch, content }))
}

function find (follower: Log, source: Log, { leaderEpoch = 9, isOtherTopic = false } = {}): Promise<CommonPrefix> {
  return findCommonPrefix({
    endOffset: follower.end,
    isOtherTopic,
    follower: { read: offset => follower.read(offset) },
    source: { leaderEpoch, logStartOffset: source.logStart, read: offset => source.read(offset), endOfEpoch: epoch => source.endOfEpoch(epoch) }
  })
}

test('a source that was cut off, and has written other records or none', async t => {
  const follower = new Log(...letters(0, 'abcdefgh'))
  t.match(await find(follower, new Log(...letters(3, 'abcde'), ...letters(9, 'XYZUVW'))), { kind: 'found', end: 5, leaderEpoch: 3, difference: /offsets 5 to 5/ })
  t.match(await find(follower, new Log(...letters(3, 'abcde'))), { kind: 'found', end: 5, leaderEpoch: 3, difference: /log ends at 5/ })
  t.match(await find(follower, new Log(...letters(3, 'abcde'), ...letters(9, 'X'))), { kind: 'found', end: 5, leaderEpoch: 3 })
})

test('a log that is the source\'s, or the beginning of it', async t => {
  const follower = new Log(...letters(0, 'abcdefgh'))
  t.match(await find(follower, new Log(...letters(3, 'abc'), ...letters(9, 'defghij'))), { kind: 'found', end: 8, leaderEpoch: 9, difference: null })
  t.match(await find(follower, new Log(...letters(9, 'abcdefgh'))), { kind: 'found', end: 8, difference: null })
})

test('equal batches behind the first that differs say nothing', async t => {
  const follower = new Log(...letters(0, 'abcdefgh'))
  t.match(await find(follower, new Log(...letters(3, 'abcd'), ...letters(9, 'Xfgh'))), { kind: 'found', end: 4 }, 'what was sent again landed where it was')
  t.match(await find(follower, new Log(...letters(3, 'abcd'), ...letters(9, 'efXh'))), { kind: 'found', end: 6, leaderEpoch: 9 }, 'and what is the same stays')
})

test('a log that lost one leader\'s records and has the other\'s back: the difference lies within an epoch', async t => {
  // a to f were written in epoch 3; X and Y in epoch 4, by a leader that had but abcd; then the one with all of epoch 3 led again.
  const follower = new Log(...letters(0, 'abcdXY'))
  t.match(await find(follower, new Log(...letters(2, 'ab'), ...letters(3, 'cdef'), ...letters(9, 'ghi'))), { kind: 'found', end: 4, leaderEpoch: 3 })
})

test('only as much is read as lies between the difference and the epoch before it', async t => {
  const follower = new Log(...letters(0, 'a'.repeat(500)), ...letters(0, 'bcd'))
  const source = new Log(...letters(1, 'a'.repeat(400)), ...letters(3, 'a'.repeat(100)), ...letters(5, 'bX'), ...letters(9, 'y'.repeat(50)))
  t.match(await find(follower, source), { kind: 'found', end: 501, leaderEpoch: 5 })
  t.ok(source.reads.every(offset => offset >= 499), 'nothing before the last epoch that both know')
})

test('of another topic an equal batch says nothing of those before it, whatever its epochs', async t => {
  const follower = new Log(...letters(0, 'abcdefgh'))
  const source = new Log(...letters(3, 'aXcd'), ...letters(9, 'efgh'))
  t.match(await find(follower, source), { kind: 'found', end: 8, difference: null }, 'of the same topic that cannot be')
  t.match(await find(follower, source, { isOtherTopic: true }), { kind: 'found', end: 1, difference: /offsets 1 to 1/ })
  t.match(await find(follower, new Log(...letters(3, 'abcd'), ...letters(9, 'efgh')), { isOtherTopic: true }), { kind: 'found', end: 8, difference: null })
})

test('batches of many records, and holes', async t => {
  const follower = new Log({ epoch: 0, content: 'a', records: 10 }, { epoch: 0, content: 'b', records: 5, hole: 7 }, { epoch: 0, content: 'c', records: 3 })
  const source = new Log({ epoch: 3, content: 'a', records: 10 }, { epoch: 3, content: 'b', records: 5, hole: 7 }, { epoch: 9, content: 'X', records: 8 })
  t.match(await find(follower, source), { kind: 'found', end: 22 })
  const behindHole = new Log({ epoch: 3, content: 'a', records: 10 }, { epoch: 9, content: 'X', records: 5, hole: 7 })
  t.match(await find(follower, behindHole), { kind: 'found', end: 10, leaderEpoch: 3 }, 'no batch ends where the epoch begins')
})

test('what cannot be told is not guessed', async t => {
  const follower = new Log(...letters(0, 'abcdef'))
  t.match(await find(follower, new Log(...letters(9, 'XYZ'))), { kind: 'unknown', reason: /no batch with a leader epoch in common from offset 0/ })
  t.match(await find(follower, new Log()), { kind: 'unknown' }, 'an empty source is no reason to throw everything away')
  const trimmed = new Log(...letters(3, 'abc'), ...letters(9, 'XYZ'))
  trimmed.logStart = 4
  t.match(await find(follower, trimmed), { kind: 'unknown', reason: /no batch with a leader epoch in common from offset 4/ })
  const damaged = new Log(...letters(3, 'abcd'), ...letters(9, 'XY'))
  const { bytes } = damaged.batches[4] ?? { bytes: Buffer.alloc(0) }
  bytes.writeUInt8(0xff, bytes.length - 1)
  t.match(await find(follower, damaged), { kind: 'unknown', reason: /damaged on the source/ })
})

test('what is not shown yet is asked for again later', async t => {
  const follower = new Log(...letters(0, 'abcdef'))
  const source = new Log(...letters(3, 'abcdef'))
  source.shown = 4
  await t.rejects(find(follower, source), { code: 'CLUSTER_UNAVAILABLE', retriable: true, message: /the source does not show offset 4 yet/ }, 'a new leader does not know its high watermark at once')
  source.shown = Infinity
  follower.shown = 2
  await t.rejects(find(follower, source), { retriable: true, message: /the broker does not show offset 2 yet/ })
})
