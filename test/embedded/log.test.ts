import { appendFileSync, readdirSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { buildBatch } from '../../protocol/records/build-batch.ts'
import { readBatches, RecordBatch } from '../../protocol/records/record-batch.ts'
import { FileStorage } from '../../src/embedded/log/file-segment.ts'
import { MemoryStorage } from '../../src/embedded/log/memory-segment.ts'
import { PartitionLog } from '../../src/embedded/log/partition-log.ts'
import { transactionMarker } from '../../src/embedded/transactions/transaction-marker.ts'
import { batchOf, temporaryFolder } from './peer.ts'

const SEGMENT_BYTES = 300

function parse (bytes: Buffer): RecordBatch {
  return new RecordBatch(bytes, 0, bytes.length)
}

function offsetsOf (log: PartitionLog, from: number, maxBytes = 1024 * 1024): number[] {
  const { bytes } = log.read(from, { maxBytes, endOffset: log.highWatermark, atLeastOne: true })
  return readBatches(bytes).batches.map(({ baseOffset }) => baseOffset)
}

test('a log in memory and on disk', async t => {
  for (const kind of ['memory', 'disk'] as const) {
    const open = (): PartitionLog => new PartitionLog(kind === 'memory' ? new MemoryStorage() : new FileStorage(temporaryFolder(t), () => SEGMENT_BYTES), 0)

    await t.test(`${kind}: batches get their offsets and this leader's epoch, and are read from any offset within`, async t => {
      const log = new PartitionLog(kind === 'memory' ? new MemoryStorage() : new FileStorage(temporaryFolder(t), () => 10_000), 7)
      for (const count of [3, 1, 2]) log.append(parse(batchOf(count)))
      t.equal(log.logEndOffset, 6)
      t.same(offsetsOf(log, 0), [0, 3, 4])
      t.same(offsetsOf(log, 2), [0, 3, 4])
      t.same(offsetsOf(log, 4), [4])
      t.same(offsetsOf(log, 6), [])
      const { bytes } = log.read(0, { maxBytes: 1024 * 1024, endOffset: 6, atLeastOne: true })
      t.ok(readBatches(bytes).batches.every(batch => batch.partitionLeaderEpoch === 7 && batch.isCrcValid()))
    })

    await t.test(`${kind}: a read gives whole batches within its limit, and one at least if it must`, async t => {
      const log = open()
      log.append(parse(batchOf(3)))
      t.same(offsetsOf(log, 0, 1), [0])
      t.equal(log.read(0, { maxBytes: 1, endOffset: 3, atLeastOne: false }).bytes.length, 0)
      t.equal(log.read(0, { maxBytes: 1000, endOffset: 2, atLeastOne: true }).bytes.length, 0, 'a batch that ends beyond what is committed is not read')
    })

    await t.test(`${kind}: truncation removes the batches at and after an offset, and the epochs that began there`, async t => {
      const log = open()
      for (let index = 0; index < 10; index++) log.append(parse(batchOf(2)))
      log.startEpoch(3)
      log.append(parse(batchOf(2)))
      t.same(log.endOfEpoch(0), { epoch: 0, endOffset: 20 })
      log.truncateTo(13)
      t.equal(log.logEndOffset, 13)
      t.same(offsetsOf(log, 10), [10])
      t.same(log.endOfEpoch(0), { epoch: 0, endOffset: 13 })
      log.append(parse(batchOf(1)))
      t.equal(log.epochOf(13), 3)
      t.same(offsetsOf(log, 13), [13])
    })

    await t.test(`${kind}: the log start moves forward and takes whole segments with it`, async t => {
      const log = open()
      for (let index = 0; index < 10; index++) log.append(parse(batchOf(2)))
      const before = log.sizeBytes
      log.advanceLogStart(11)
      t.equal(log.logStartOffset, 11)
      if (kind === 'disk') t.ok(log.sizeBytes < before)
      t.same(offsetsOf(log, 11).slice(0, 1), [10])
      log.advanceLogStart(5)
      t.equal(log.logStartOffset, 11, 'it never moves back')
    })

    await t.test(`${kind}: raw batches may leave gaps, and must not go back`, async t => {
      const log = open()
      log.appendRaw(Buffer.concat([batchOf(2, { baseOffset: 5 }), batchOf(1, { baseOffset: 100 })]))
      t.equal(log.logEndOffset, 101)
      t.same(offsetsOf(log, 7), [100])
      t.throws(() => log.appendRaw(batchOf(1, { baseOffset: 50 })), RangeError)
    })
  }
})

test('a log that is opened again', async t => {
  await t.test('finds everything, batch for batch', async t => {
    const folder = temporaryFolder(t)
    const storage = new FileStorage(folder, () => SEGMENT_BYTES)
    const log = new PartitionLog(storage, 0)
    for (let index = 0; index < 10; index++) log.append(parse(batchOf(2, { producerId: 9, producerEpoch: 0, baseSequence: 2 * index })))
    log.advanceLogStart(3)
    log.close()
    t.ok(readdirSync(folder).filter(name => name.endsWith('.log')).length > 2)

    const again = new PartitionLog(new FileStorage(folder, () => SEGMENT_BYTES), 1)
    t.equal(again.logStartOffset, 3)
    t.equal(again.logEndOffset, 20)
    t.match(again.append(parse(batchOf(2, { producerId: 9, producerEpoch: 0, baseSequence: 18 }))), { isDuplicate: true, baseOffset: 18 })
    t.same(again.endOfEpoch(0), { epoch: 0, endOffset: 20 })
    t.same(again.endOfEpoch(1), { epoch: 1, endOffset: 20 })
    again.close()
  })

  await t.test('drops a batch that was cut off at the end', async t => {
    const folder = temporaryFolder(t)
    const log = new PartitionLog(new FileStorage(folder, () => 10_000), 0)
    log.append(parse(batchOf(2)))
    const whole = log.sizeBytes
    log.append(parse(batchOf(2)))
    log.close()
    const file = join(folder, '00000000000000000000.log')
    truncateSync(file, whole + 40)
    const again = new PartitionLog(new FileStorage(folder, () => 10_000), 0)
    t.equal(again.logEndOffset, 2)
    t.equal(again.sizeBytes, whole)
    again.append(parse(batchOf(1)))
    again.close()
    appendFileSync(file, Buffer.alloc(5))
    const third = new PartitionLog(new FileStorage(folder, () => 10_000), 0)
    t.same(offsetsOf(third, 0), [0, 2])
    third.close()
  })

  await t.test('knows which transactions were aborted and which is open', async t => {
    const folder = temporaryFolder(t)
    const log = new PartitionLog(new FileStorage(folder, () => 10_000), 0)
    const part = (producerId: number, baseSequence: number): RecordBatch => parse(batchOf(1, { producerId, producerEpoch: 0, baseSequence, isTransactional: true }))
    log.append(part(1, 0))
    log.append(part(2, 0))
    log.append(transactionMarker({ producerId: 1, producerEpoch: 0, isCommitted: false, timestamp: 0 }))
    const check = (opened: PartitionLog): void => {
      t.equal(opened.lastStableOffset, 1)
      t.equal(opened.highWatermark, 3)
      t.same(opened.abortedWithin(0, 3), [{ producerId: 1, firstOffset: 0, lastOffset: 2 }])
      t.same(opened.abortedWithin(3, 9), [])
    }
    check(log)
    log.close()
    const again = new PartitionLog(new FileStorage(folder, () => 10_000), 0)
    check(again)
    again.close()
  })
})

test('retention removes the oldest segments, by age and by size', async t => {
  const fill = (): PartitionLog => {
    const log = new PartitionLog(new FileStorage(temporaryFolder(t), () => SEGMENT_BYTES), 0)
    for (let index = 0; index < 10; index++) log.append(parse(buildBatch({ records: [{ timestamp: 1000 + index, value: Buffer.alloc(100) }] })))
    return log
  }
  const byAge = fill()
  byAge.enforceRetention({ olderThan: 1004, maxBytes: Infinity })
  t.equal(byAge.logStartOffset, 4, 'a segment goes when its newest record is too old')
  byAge.enforceRetention({ olderThan: Infinity, maxBytes: Infinity })
  t.equal(byAge.logStartOffset, 10)
  t.equal(byAge.sizeBytes, 0)
  t.equal(byAge.append(parse(batchOf(1))).errorCode, 0)
  const bySize = fill()
  bySize.enforceRetention({ olderThan: 0, maxBytes: 500 })
  t.ok(bySize.sizeBytes >= 500 && bySize.sizeBytes < 500 + SEGMENT_BYTES + 200, `${bySize.sizeBytes}`)
  t.ok(bySize.logStartOffset > 0)
})
