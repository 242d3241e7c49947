import { test } from 'tap'
import { buildBatch, type BatchInput } from '../../../../protocol/records/build-batch.ts'
import { readBatches, type RecordBatch } from '../../../../protocol/records/record-batch.ts'
import { refusalOf } from '../../../../src/replication/append/produce/batch-check.ts'
import { ByteBudget, HeldBytes } from '../../../../src/replication/source/byte-budget.ts'

const THREE = [{ timestamp: 1 }, { timestamp: 2 }, { timestamp: 3 }]

function batch (input: Partial<BatchInput>): RecordBatch {
  const [only] = readBatches(buildBatch({ records: THREE, baseOffset: 10, ...input })).batches
  if (only === undefined) throw new Error('no batch')
  return only
}

/** A message of magic 1 without key and value. */
function oldMessage (): RecordBatch {
  const bytes = Buffer.alloc(34)
  bytes.writeBigInt64BE(10n, 0)
  bytes.writeInt32BE(22, 8)
  bytes.writeInt8(1, 16)
  const [only] = readBatches(bytes).batches
  if (only === undefined) throw new Error('no batch')
  return only
}

test('takes what a Produce request can carry', async t => {
  t.equal(refusalOf(batch({}), 10), null)
  t.equal(refusalOf(batch({ compression: 4, producerId: 7, producerEpoch: 1, baseSequence: 0, partitionLeaderEpoch: 9 }), 10), null)
  t.equal(refusalOf(batch({ records: [{ timestamp: -1 }] }), 10), null)
})

test('refuses what it cannot, each for its own reason', async t => {
  t.match(refusalOf(oldMessage(), 10), { code: 'OLD_MESSAGE_FORMAT', reason: /format 1/ })
  t.match(refusalOf(batch({}), 9), { code: 'OFFSET_GAP', reason: /9 to 9/ })
  t.match(refusalOf(batch({}), 11), { code: 'DIVERGED', reason: /10 to 12.*11/ })
  t.match(refusalOf(batch({ isControl: true, isTransactional: true }), 10), { code: 'CONTROL_BATCH' })
  t.match(refusalOf(batch({ isTransactional: true }), 10), { code: 'TRANSACTIONAL_BATCH' })
  t.match(refusalOf(batch({ logAppendTime: 5 }), 10), { code: 'LOG_APPEND_TIME' })
  t.match(refusalOf(batch({ records: [{ timestamp: 1 }, { timestamp: 1, offset: 12 }] }), 10), { code: 'OFFSET_GAP', reason: /10 to 12 holds 2/ })
  t.match(refusalOf(batch({ lastOffsetDelta: 4 }), 10), { code: 'OFFSET_GAP', reason: /10 to 14 holds 3/ })
  t.match(refusalOf(batch({ records: [], lastOffsetDelta: 4 }), 10), { code: 'OFFSET_GAP', reason: /holds 0/ })
})

test('bytes are given back when the last holder lets go, and once', async t => {
  const budget = new ByteBudget(100)
  const held = new HeldBytes(budget, 60)
  t.equal(budget.freeBytes, 40)
  held.hold()
  held.release()
  t.equal(budget.usedBytes, 60)
  held.release()
  t.equal(budget.usedBytes, 0)
})

test('a budget may be overdrawn, and wakes those who wait when there is room again', async t => {
  const budget = new ByteBudget(100)
  let woken = 0
  budget.take(150)
  t.equal(budget.freeBytes, 0)
  budget.whenFreed(() => { woken++ })
  budget.give(40)
  t.equal(woken, 0, 'still overdrawn')
  budget.give(40)
  t.equal(woken, 1)
  budget.give(70)
  t.equal(woken, 1, 'once')
  t.equal(budget.freeBytes, 100)
})

test('who is woken may wait again', async t => {
  const budget = new ByteBudget(10)
  budget.take(10)
  let woken = 0
  const again = (): void => { if (++woken < 3) budget.whenFreed(again) }
  budget.whenFreed(again)
  budget.give(1)
  t.equal(woken, 1)
  budget.give(1)
  t.equal(woken, 2)
})
