import { crc32 } from 'node:zlib'
import { test } from 'tap'
import { buildBatch, type BatchInput } from '../../../../protocol/records/build-batch.ts'
import { readBatches, type RecordBatch } from '../../../../protocol/records/record-batch.ts'
import { compareCleaned } from '../../../../src/replication/append/replica/compare-cleaned.ts'

const GZIP = 1

/** A batch of four offsets that holds records at some of them. */
function batch (baseOffset: number, offsets: readonly number[], more: Partial<BatchInput> & { readonly text?: string } = {}): RecordBatch {
  const { text = 'value', ...input } = more
  const bytes = buildBatch({
    baseOffset,
    lastOffsetDelta: 3,
    records: offsets.map(offset => ({ offset, timestamp: 1000 + offset, key: Buffer.from(`key ${offset}`), value: Buffer.from(`${text} ${offset}`) })),
    ...input
  })
  const [read] = readBatches(bytes).batches
  if (read === undefined) throw new Error('no batch')
  return read
}

test('batches and records that one side has cleaned away make no difference', async t => {
  const shadow = [batch(0, [0, 1, 2, 3]), batch(4, [4, 6]), batch(12, [12, 13, 14, 15])]
  const source = [batch(4, [6, 7], { compression: GZIP }), batch(8, [9]), batch(12, [12])]
  const { matching, difference } = compareCleaned(shadow, source)
  t.equal(difference, null)
  t.equal(matching, source[2])
})

test('an emptied batch is known by its producer and sequence number alone', async t => {
  const identity = { producerId: 7, producerEpoch: 1, baseSequence: 40 }
  const emptied = batch(4, [], identity)
  t.equal(compareCleaned([batch(4, [4, 5], identity)], [emptied]).matching, emptied)
  t.match(compareCleaned([batch(4, [4, 5], { ...identity, baseSequence: 41 })], [emptied]), { matching: null, difference: { offset: 4 } })
  t.match(compareCleaned([batch(4, [4, 5], { ...identity, producerId: 8 })], [emptied]), { difference: { offset: 4 } })
})

test('without a producer and a record in common, nothing is known', async t => {
  t.same(compareCleaned([batch(4, [4, 5])], [batch(4, [6, 7])]), { matching: null, difference: null })
  t.same(compareCleaned([batch(0, [0])], [batch(4, [6, 7])]), { matching: null, difference: null })
  t.same(compareCleaned([], [batch(4, [6, 7])]), { matching: null, difference: null })
})

/** An entry of message format 1. */
function entry (offset: number): RecordBatch {
  const body = Buffer.concat([Buffer.from([1, 0]), Buffer.alloc(8), Buffer.from('ffffffff' + '00000001' + '76', 'hex')])
  const head = Buffer.alloc(16)
  head.writeBigInt64BE(BigInt(offset), 0)
  head.writeInt32BE(4 + body.length, 8)
  head.writeUInt32BE(crc32(body), 12)
  const [read] = readBatches(Buffer.concat([head, body])).batches
  if (read === undefined) throw new Error('no entry')
  return read
}

test('of the older formats only an equal entry says something: cleaning makes batches of them on one side, and others on the other', async t => {
  const source = [batch(0, [1, 2]), batch(4, [6]), entry(9)]
  t.same(compareCleaned([entry(0), entry(1), entry(2), entry(3), entry(7)], source), { matching: null, difference: null })
  t.same(compareCleaned(source, [entry(3), entry(7)]), { matching: null, difference: null })
  t.equal(compareCleaned([entry(3), entry(7), entry(9)], source).matching, source[2])
  t.match(compareCleaned([entry(3), batch(4, [6], { text: 'other' })], source), { difference: { offset: 4, reason: /offset 6/ } })
})

test('another record at the same offset is a difference, and so are batches that overlap', async t => {
  t.match(compareCleaned([batch(0, [0]), batch(4, [4, 5])], [batch(0, [0]), batch(4, [5, 6], { text: 'other' })]), { difference: { offset: 4, reason: /offset 5/ } })
  t.match(compareCleaned([batch(4, [4, 5])], [batch(6, [6, 7])]), { difference: { offset: 4 } })
  t.match(compareCleaned([batch(4, [4, 5])], [batch(4, [4, 5], { isTransactional: true, producerId: 3 })]), { difference: { offset: 4 } })
})
