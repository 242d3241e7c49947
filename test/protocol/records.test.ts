import fc from 'fast-check'
import { crc32 } from 'node:zlib'
import { test } from 'tap'
import { CODECS, compress } from '../../protocol/compression/codec.ts'
import { DecodeError, DecompressionLimitError, EncodeError } from '../../protocol/errors/protocol-errors.ts'
import { buildBatch, type BatchInput } from '../../protocol/records/build-batch.ts'
import { crc32c } from '../../protocol/records/crc32c.ts'
import { readRecords, type KafkaRecord } from '../../protocol/records/read-records.ts'
import { BATCH_HEADER_BYTES, readBatches, type RecordBatch } from '../../protocol/records/record-batch.ts'

const ATTRIBUTES_AT = 21

function only (bytes: Buffer): RecordBatch {
  const { batches, trailingBytes } = readBatches(bytes)
  const [batch] = batches
  if (batch === undefined || batches.length !== 1 || trailingBytes !== 0) throw new Error('not exactly one batch')
  return batch
}

/** Makes the CRC of a batch right again after its bytes were changed: whoever means harm does that too. */
function resign (bytes: Buffer): Buffer {
  bytes.writeUInt32BE(crc32c(bytes.subarray(ATTRIBUTES_AT)), 17)
  return bytes
}

function changed (bytes: Buffer, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(bytes)
  change(copy)
  return resign(copy)
}

/** A batch whose records are the given bytes. */
function batchOf (payload: Buffer, recordCount = 1): RecordBatch {
  const head = buildBatch({ records: Array.from({ length: recordCount }, () => ({ timestamp: 0 })) }).subarray(0, BATCH_HEADER_BYTES)
  const bytes = Buffer.concat([head, payload])
  bytes.writeInt32BE(bytes.length - 12, 8)
  return only(resign(bytes))
}

function thrownBy (action: () => unknown): unknown {
  try {
    action()
    return null
  } catch (error) {
    return error
  }
}

const bytes = fc.oneof(
  { weight: 9, arbitrary: fc.uint8Array({ maxLength: 100 }).map(value => Buffer.from(value)) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 9000 }).map(length => Buffer.alloc(length, 'value ')) }
)
const nullableBytes = fc.option(bytes)
// As what is read: fast-check would else make some of its objects without a prototype.
const PLAIN = { noNullPrototype: true }
const header = fc.record({ key: fc.string({ unit: 'grapheme', maxLength: 10 }), value: nullableBytes }, PLAIN)
const timestamp = fc.oneof(fc.integer({ min: -1, max: 2 ** 42 }), fc.constantFrom(-1, 0, 63, 64, 2 ** 27, 2 ** 28, 2 ** 31, 2 ** 32, 2 ** 35, 2 ** 52))
const record = fc.record({ timestamp, key: nullableBytes, value: nullableBytes, headers: fc.array(header, { maxLength: 4 }) }, PLAIN)
const batchInput = fc.record({
  records: fc.array(record, { minLength: 1, maxLength: 12 }),
  holes: fc.array(fc.nat(3), { minLength: 12, maxLength: 12 }),
  baseOffset: fc.oneof(fc.nat(), fc.constantFrom(0, 2 ** 31, 2 ** 32, 2 ** 52)),
  compression: fc.constantFrom(...Object.values(CODECS)),
  partitionLeaderEpoch: fc.constantFrom(-1, 0, 7, 2 ** 31 - 1),
  producerId: fc.constantFrom(-1, 0, 1000, 2 ** 40),
  producerEpoch: fc.constantFrom(-1, 0, 32767),
  baseSequence: fc.constantFrom(-1, 0, 2 ** 31 - 1),
  isTransactional: fc.boolean(),
  isControl: fc.boolean()
}).map(({ holes, ...input }) => {
  // Every record has an offset, with the holes that compaction would have left before it.
  let offset = input.baseOffset - 1
  return { ...input, records: input.records.map((value, index) => ({ ...value, offset: (offset += 1 + (holes[index] ?? 0)) })) }
})

test('what is built is read back, with every codec', async t => {
  fc.assert(fc.property(batchInput, input => {
    const batch = only(buildBatch(input))
    const expected: KafkaRecord[] = input.records.map(({ timestamp, key, value, headers, offset }) => ({ offset, timestamp, key, value, headers }))
    const lastOffset = Number(expected.at(-1)?.offset)
    const { baseOffset, compression, partitionLeaderEpoch, producerId, producerEpoch, baseSequence, isTransactional, isControl } = batch
    t.strictSame([...readRecords(batch)], expected)
    t.strictSame({ baseOffset, compression, partitionLeaderEpoch, producerId, producerEpoch, baseSequence, isTransactional, isControl, records: input.records }, input)
    t.ok(batch.isCrcValid())
    t.strictSame([batch.lastOffset, batch.lastOffsetDelta, batch.recordCount], [lastOffset, lastOffset - baseOffset, input.records.length])
    t.equal(batch.maxTimestamp, Math.max(...input.records.map(({ timestamp }) => timestamp)))
    t.notOk(batch.isLogAppendTime)
    return t.passing()
  }), { seed: 5, numRuns: 150 })
})

test('a batch of LogAppendTime gives all its records the time of the append', async t => {
  const batch = only(buildBatch({ logAppendTime: 5000, records: [{ timestamp: 10 }, { timestamp: 20 }] }))
  t.ok(batch.isLogAppendTime)
  t.same([...readRecords(batch)].map(({ timestamp }) => timestamp), [5000, 5000])
  t.equal(batch.maxTimestamp, 5000)
})

test('a batch that compaction emptied still says what it spanned', async t => {
  const batch = only(buildBatch({ baseOffset: 40, records: [], lastOffsetDelta: 9, producerId: 3 }))
  t.equal(batch.lastOffset, 49)
  t.same([...readRecords(batch)], [])
})

test('keys and values are slices of the batch, not copies', async t => {
  const source = buildBatch({ records: [{ timestamp: 0, key: Buffer.from('key'), value: Buffer.from('value') }] })
  const [read] = readRecords(only(source))
  source.fill('#', BATCH_HEADER_BYTES)
  t.equal(read?.key?.toString(), '###')
  t.equal(read?.value?.toString(), '#####')
})

test('another base offset and leader epoch leave the CRC valid; a flipped bit anywhere else does not', async t => {
  const source = buildBatch({ baseOffset: 5, records: [{ timestamp: 1, value: Buffer.from('some value') }] })
  const batch = only(Buffer.from(source))
  batch.rebase(2 ** 40 + 1)
  t.equal(batch.baseOffset, 2 ** 40 + 1)
  t.equal(batch.bytes.readBigInt64BE(0), 2n ** 40n + 1n)
  t.ok(batch.isCrcValid())
  for (let at = 17; at < source.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const damaged = Buffer.from(source)
      damaged.writeUInt8(damaged.readUInt8(at) ^ (1 << bit), at)
      const error = thrownBy(() => {
        if (only(damaged).isCrcValid()) t.fail(`bit ${bit} of byte ${at}`)
      })
      if (error !== null && !(error instanceof DecodeError)) t.fail(`bit ${bit} of byte ${at}`, { error })
    }
  }
})

test('a truncated batch is left out and counted, wherever it is cut', async t => {
  const first = buildBatch({ records: [{ timestamp: 1, value: Buffer.from('first') }] })
  const second = buildBatch({ baseOffset: 1, compression: CODECS.lz4, records: [{ timestamp: 2, value: Buffer.from('second') }] })
  const both = Buffer.concat([first, second])
  for (let length = 0; length < both.length; length++) {
    const { batches, trailingBytes } = readBatches(both.subarray(0, length))
    const whole = length < first.length ? 0 : 1
    if (batches.length !== whole || trailingBytes !== length - whole * first.length) t.fail(`cut at ${length}`)
  }
  t.equal(readBatches(both).batches.length, 2)
})

test('records that are damaged behind a valid CRC are read as others or are a DecodeError, with every codec', async t => {
  const records = [
    { timestamp: 1000, key: Buffer.from('k'), value: Buffer.from('value one'), headers: [{ key: 'h', value: Buffer.from('x') }, { key: 'i', value: null }] },
    { timestamp: 2 ** 40, key: null, value: null },
    { timestamp: 900, key: Buffer.alloc(0), value: Buffer.alloc(300, 'z') }
  ]
  for (const compression of Object.values(CODECS)) {
    const source = buildBatch({ compression, records })
    const hits = fc.array(fc.tuple(fc.integer({ min: 0, max: source.length - 1 }), fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff))), { minLength: 1, maxLength: 3 })
    fc.assert(fc.property(hits, fc.boolean(), (changes, plain) => {
      const damaged = Buffer.from(source)
      for (const [at, value] of changes) damaged[at] = value
      // Half of the time in the records themselves, which compression would hide from most changes.
      const bytes = plain ? damaged : changed(source, copy => { for (const [at, value] of changes) copy[at] = value })
      const error = thrownBy(() => {
        for (const batch of readBatches(bytes).batches) {
          batch.isCrcValid()
          if (batch.magic === 2) for (const read of readRecords(batch, { maxBytes: 10_000 })) Buffer.isBuffer(read.value)
        }
      })
      return error === null || error instanceof DecodeError || error instanceof DecompressionLimitError
    }), { seed: 17, numRuns: 800 })
  }
  t.pass('only DecodeErrors')
})

test('every bit of an uncompressed payload, flipped, and every length of it, cut', async t => {
  const source = only(buildBatch({ records: [{ timestamp: 70, key: Buffer.from('key'), value: Buffer.from('value'), headers: [{ key: 'h', value: null }] }] })).payload
  const read = (payload: Buffer): unknown => thrownBy(() => [...readRecords(batchOf(payload))])
  t.equal(read(source), null)
  for (let length = 0; length < source.length; length++) {
    if (!(read(source.subarray(0, length)) instanceof DecodeError)) t.fail(`cut at ${length}`)
  }
  for (let bit = 0; bit < source.length * 8; bit++) {
    const damaged = Buffer.from(source)
    damaged.writeUInt8(damaged.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
    const error = read(damaged)
    if (error !== null && !(error instanceof DecodeError)) t.fail(`bit ${bit}`, { error })
  }
})

test('lengths and counts that cannot be are refused, each with its reason', async t => {
  const refused: Array<[string, string, RegExp]> = [
    ['a record beyond the end', '7e00000001010000', /a record of 63 bytes, 7 are left/],
    ['a record of a negative length', '0100000001010000', /a record of -1 bytes/],
    ['a record longer than its content', '0e000000010100aa', /ends 1 bytes before/],
    ['a record shorter than its content', '0c0000000102aa00', /a record ends -1 bytes|a field of 1 bytes, 1|a record ends/],
    ['an offset beyond the last', '0c000002010100', /offset delta 1 of at most 0/],
    ['a negative offset', '0c000001010100', /offset delta -1/],
    ['a key of length -2', '0c000000030100', /a field of -2 bytes/],
    ['a value beyond the record', '0c000000017e00', /a field of 63 bytes, 1 are left/],
    ['a negative header count', '0c000000010101', /-1 headers/],
    ['a huge header count', '140000000101feffffff0f', /2147483647 headers in 0 bytes/],
    ['a header without a key', '1000000001010201' + '01', /a header key of -1 bytes/],
    ['a varint of six bytes', 'ffffffffff0100', /varint does not fit into 32 bits/],
    ['a varlong of eleven bytes', '2000ffffffffffffffffffff0100010100', /varlong does not fit into 64 bits/],
    ['bytes behind the last record', '0c000000010100ff', /1 bytes after the last record/]
  ]
  for (const [what, hex, message] of refused) t.throws(() => [...readRecords(batchOf(Buffer.from(hex, 'hex')))], { code: 'DECODE_FAILED', message }, what)
  t.throws(() => [...readRecords(batchOf(Buffer.alloc(20), 100))], { message: /20 bytes cannot hold 100 records/ })
})

test('header keys are told apart where they have the same place and length as those of the record before', async t => {
  const keys = [['aa', 'bb'], ['aa', 'bc'], ['ab', 'bc', 'cc'], ['ab'], ['é', 'bc'], ['aa', 'é'], ['', ''], ['aa', 'bb'], Array.from({ length: 20 }, (_, index) => `k${index % 10}`)]
  const records = [...keys, ...keys.slice(-1)].map(names => ({ timestamp: 0, headers: names.map(key => ({ key, value: Buffer.from(key) })) }))
  const read = [...readRecords(only(buildBatch({ records })))]
  t.strictSame(read.map(({ headers }) => headers), records.map(({ headers }) => headers))
})

test('headers of batches that cannot be are refused', async t => {
  const source = buildBatch({ baseOffset: 3, records: [{ timestamp: 1 }, { timestamp: 2 }] })
  const refused: Array<[string, (copy: Buffer) => void, RegExp]> = [
    ['a negative length', copy => copy.writeInt32BE(-1, 8), /cannot have 11 bytes/],
    ['the least length', copy => copy.writeInt32BE(-(2 ** 31), 8), /cannot have -/],
    ['a length that ends inside the header', copy => copy.writeInt32BE(48, 8), /cannot have 60 bytes/],
    ['magic 3', copy => copy.writeInt8(3, 16), /unknown magic 3/],
    ['a negative magic', copy => copy.writeInt8(-1, 16), /unknown magic -1/],
    ['an offset beyond 2^53', copy => copy.writeBigInt64BE(2n ** 53n, 0), /beyond 2\^53/],
    ['the largest offset', copy => copy.writeBigInt64BE(2n ** 63n - 1n, 0), /beyond 2\^53/],
    ['a last offset beyond 2^53', copy => copy.writeBigInt64BE(2n ** 53n - 1n, 0), /cannot span/],
    ['a negative offset', copy => copy.writeBigInt64BE(-1n, 0), /cannot span/],
    ['a negative span', copy => copy.writeInt32BE(-1, 23), /cannot span -1 offsets/],
    ['a negative record count', copy => copy.writeInt32BE(-1, 57), /cannot have -1 records/],
    ['more records than offsets', copy => copy.writeInt32BE(3, 57), /a batch of 2 offsets cannot have 3 records/]
  ]
  for (const [what, change, message] of refused) t.throws(() => readBatches(changed(source, change)), { code: 'DECODE_FAILED', message }, what)
})

test('timestamps beyond 2^53 are the nearest number, and do no harm', async t => {
  const source = buildBatch({ records: [{ timestamp: 0, value: Buffer.from('v') }] })
  const nanoseconds = 1_700_000_000_123_456_789n
  const batch = only(changed(source, copy => {
    copy.writeBigInt64BE(nanoseconds, 27)
    copy.writeBigInt64BE(nanoseconds, 35)
  }))
  t.equal([...readRecords(batch)][0]?.timestamp, Number(nanoseconds))
  t.equal(batch.maxTimestamp, Number(nanoseconds))
  // The least and the greatest delta there are.
  t.equal([...readRecords(batchOf(Buffer.from('1e00ffffffffffffffffff0100010100', 'hex')))][0]?.timestamp, -(2 ** 63))
  t.equal([...readRecords(batchOf(Buffer.from('1e00feffffffffffffffff0100010100', 'hex')))][0]?.timestamp, 2 ** 63)
})

test('a batch that expands too far is a DecompressionLimitError, and an uncompressed one needs no limit', async t => {
  const records = [{ timestamp: 0, value: Buffer.alloc(5000) }]
  for (const codec of [CODECS.gzip, CODECS.snappy, CODECS.lz4, CODECS.zstd]) {
    t.throws(() => [...readRecords(only(buildBatch({ compression: codec, records })), { maxBytes: 5000 })], DecompressionLimitError)
  }
  t.equal([...readRecords(only(buildBatch({ records })), { maxBytes: 10 })].length, 1)
})

test('an unknown codec is a DecodeError only when records are read', async t => {
  const batch = only(changed(buildBatch({ records: [{ timestamp: 0 }] }), copy => copy.writeInt16BE(6, ATTRIBUTES_AT)))
  t.ok(batch.isCrcValid())
  t.throws(() => [...readRecords(batch)], { code: 'DECODE_FAILED', message: /unknown compression codec 6/ })
})

test('entries of the older formats are recognised: offset, size and CRC', async t => {
  const entry = (offset: number, magic: 0 | 1): Buffer => {
    const body = Buffer.concat([Buffer.from([magic, 0]), Buffer.alloc(magic * 8, 1), Buffer.from('00000001' + '6b' + '00000001' + '76', 'hex')])
    const head = Buffer.alloc(16)
    head.writeBigInt64BE(BigInt(offset), 0)
    head.writeInt32BE(4 + body.length, 8)
    head.writeUInt32BE(crc32(body), 12)
    return Buffer.concat([head, body])
  }
  const modern = buildBatch({ baseOffset: 9, records: [{ timestamp: 0 }] })
  const { batches, trailingBytes } = readBatches(Buffer.concat([entry(7, 0), entry(8, 1), modern]))
  t.equal(trailingBytes, 0)
  t.same(batches.map(({ magic, baseOffset, lastOffset, sizeBytes }) => ({ magic, baseOffset, lastOffset, sizeBytes })), [
    { magic: 0, baseOffset: 7, lastOffset: 7, sizeBytes: 28 },
    { magic: 1, baseOffset: 8, lastOffset: 8, sizeBytes: 36 },
    { magic: 2, baseOffset: 9, lastOffset: 9, sizeBytes: modern.length }
  ])
  t.ok(batches.every(batch => batch.isCrcValid()))
  const damaged = entry(7, 1)
  damaged.writeUInt8(0, damaged.length - 1)
  t.notOk(only(damaged).isCrcValid())
  t.throws(() => [...readRecords(only(entry(7, 1)))], { code: 'DECODE_FAILED', message: /magic 1/ })
  t.throws(() => readBatches(changed(entry(7, 0), copy => copy.writeInt32BE(13, 8))), { message: /magic 0 cannot have 25 bytes/ })
})

test('what a batch cannot carry is refused when it is built', async t => {
  const refused: Array<[string, BatchInput]> = [
    ['no records', { records: [] }],
    ['offsets that run backwards', { records: [{ timestamp: 0, offset: 5 }, { timestamp: 0, offset: 4 }] }],
    ['the same offset twice', { records: [{ timestamp: 0, offset: 0 }, { timestamp: 0, offset: 0 }] }],
    ['a record before the base offset', { baseOffset: 5, records: [{ timestamp: 0, offset: 4 }] }],
    ['a last offset before the last record', { records: [{ timestamp: 0, offset: 4 }], lastOffsetDelta: 3 }],
    ['half a millisecond', { records: [{ timestamp: 0.5 }] }],
    ['an offset beyond 2^53', { baseOffset: 2 ** 53, records: [{ timestamp: 0 }] }],
    ['an unknown codec', { compression: 5, records: [{ timestamp: 0 }] }],
    ['an epoch beyond 16 bits', { producerEpoch: 40_000, records: [{ timestamp: 0 }] }]
  ]
  for (const [what, input] of refused) t.throws(() => buildBatch(input), EncodeError, what)
  t.ok(compress(CODECS.none, Buffer.alloc(0)).length === 0)
})
