import { test } from 'tap'
import { buildBatch, type BatchInput } from '../../../protocol/records/build-batch.ts'
import { readBatches, type RecordBatch } from '../../../protocol/records/record-batch.ts'
import { differenceOf } from '../../../src/replication/verify/verify-partition.ts'

function batch (input: Partial<BatchInput> = {}, change: (bytes: Buffer) => void = () => {}): RecordBatch {
  const bytes = buildBatch({ records: [{ timestamp: 1, value: Buffer.from('aaaa') }, { timestamp: 2 }], baseOffset: 10, partitionLeaderEpoch: 3, ...input })
  change(bytes)
  const [only] = readBatches(bytes).batches
  if (only === undefined) throw new Error('no batch')
  return only
}

test('the same batch in another leader epoch is the same batch', async t => {
  t.equal(differenceOf(batch(), batch()), null)
  t.equal(differenceOf(batch({ partitionLeaderEpoch: 0 }), batch({ partitionLeaderEpoch: 77 })), null)
})

test('another place, another size', async t => {
  t.match(differenceOf(batch({ baseOffset: 11 }), batch()), /10 to 11 where the shadow has one of 11 to 12/)
  t.match(differenceOf(batch({ records: [{ timestamp: 1 }] }), batch()), /one of 10 to 10/)
  t.match(differenceOf(batch({ records: [{ timestamp: 1, value: Buffer.from('aaaaa') }, { timestamp: 2 }] }), batch()), /bytes on the source/)
})

test('every other byte counts', async t => {
  const size = batch().sizeBytes
  for (let at = 17; at < size; at++) {
    // Impossible offsets and counts are refused by who reads the batch.
    if ((at >= 23 && at <= 26) || (at >= 57 && at <= 60)) continue
    const flipped = batch({}, bytes => { bytes.writeUInt8((bytes[at] ?? 0) ^ 1, at) })
    t.match(differenceOf(flipped, batch()), new RegExp(`from byte ${at} on`))
  }
})

test('the same bytes with a wrong CRC on both sides are said to be wrong', async t => {
  const damage = (bytes: Buffer): void => { bytes.writeUInt8(0x7f, bytes.length - 1) }
  t.match(differenceOf(batch({}, damage), batch({}, damage)), /CRC is wrong/)
})
