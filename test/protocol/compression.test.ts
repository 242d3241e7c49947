import fc from 'fast-check'
import lz4 from 'lz4-napi'
import snappy from '@napi-rs/snappy'
import { gzipSync } from 'node:zlib'
import { compress as zstdCompress } from 'zstd-napi'
import { test } from 'tap'
import { codecName, CODECS, compress, decompress } from '../../protocol/compression/codec.ts'
import { DecodeError, DecompressionLimitError, EncodeError } from '../../protocol/errors/protocol-errors.ts'

const MiB = 1024 * 1024
const COMPRESSING = Object.entries(CODECS).filter(([name]) => name !== 'none')
const XERIAL_HEADER = Buffer.from('82534e41505059000000000100000001', 'hex')

function times (count: number, ...parts: Buffer[]): Buffer {
  return Buffer.concat(Array.from({ length: count }, () => parts).flat())
}

function int32 (value: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeInt32BE(value)
  return buffer
}

/** A zstd frame of so many blocks, each of which is one byte that stands for 128 KiB. It doesn't say how large its content is. */
function zstdFrame (blocks: number, windowDescriptor = 0x40): Buffer {
  const block = (last: number): Buffer => {
    const header = Buffer.alloc(4)
    header.writeUIntLE(last | (1 << 1) | (128 * 1024 << 3), 0, 3)
    return header
  }
  return Buffer.concat([Buffer.from('28b52ffd00', 'hex'), Buffer.from([windowDescriptor]), times(blocks - 1, block(0)), block(1)])
}

/** An LZ4 frame in which one block is repeated. */
function lz4Frame (content: Buffer, repeated: number): Buffer {
  const frame = lz4.compressFrameSync(content)
  const size = frame.readUInt32LE(7)
  if (11 + size + 4 !== frame.length) throw new Error('meant to be one block')
  return Buffer.concat([frame.subarray(0, 7), times(repeated, frame.subarray(7, 11 + size)), frame.subarray(11 + size)])
}

/** What was thrown, or null. */
function thrownBy (action: () => unknown): unknown {
  try {
    action()
    return null
  } catch (error) {
    return error
  }
}

// First, because it looks at the highest memory that this process ever had.
test('a decompression bomb is refused before it is in memory', async t => {
  const zeros = Buffer.alloc(MiB)
  const block = snappy.compressSync(zeros)
  const bombs: Array<[number, string, Buffer]> = [
    [CODECS.gzip, '512 members of 1 MiB', times(512, gzipSync(zeros))],
    [CODECS.snappy, '512 blocks of 1 MiB', Buffer.concat([XERIAL_HEADER, times(512, int32(block.length), block)])],
    [CODECS.lz4, '512 blocks of 1 MiB', lz4Frame(zeros, 512)],
    [CODECS.zstd, '512 frames of 1 MiB', times(512, zstdCompress(zeros))],
    [CODECS.zstd, 'one frame of 512 MiB', zstdFrame(4096)]
  ]
  for (const [codec, what, bomb] of bombs) {
    const before = process.resourceUsage().maxRSS
    t.throws(() => decompress(codec, bomb, { maxBytes: 8 * MiB }), { code: 'DECOMPRESSION_LIMIT', details: { codec: codecName(codec), maxBytes: 8 * MiB } }, `${String(codecName(codec))}: ${what}`)
    t.ok(process.resourceUsage().maxRSS - before < 64 * 1024, `${String(codecName(codec))}: ${what}: at most 64 MiB more than ever before`)
  }
})

test('sizes that are declared and cannot be, are refused without being allocated', async t => {
  t.throws(() => decompress(CODECS.snappy, Buffer.from('ffffffff0f00', 'hex'), { maxBytes: 2 ** 40 }), { code: 'DECODE_FAILED', message: /cannot expand to 4294967295/ })
  // Magic, "content size of 8 bytes, single segment", 2^60.
  t.throws(() => decompress(CODECS.zstd, Buffer.from('28b52ffde00000000000000010', 'hex'), { maxBytes: MiB }), DecompressionLimitError)
  // A window of 2 GiB, and of 128 MiB where only 1 MiB may come out.
  t.throws(() => decompress(CODECS.zstd, zstdFrame(1, 0xa8), { maxBytes: 2 ** 40 }), DecodeError)
  t.throws(() => decompress(CODECS.zstd, zstdFrame(1, 0x88), { maxBytes: MiB }), DecodeError)
  t.equal(decompress(CODECS.zstd, zstdFrame(1, 0x68), { maxBytes: MiB }).length, 128 * 1024, '8 MiB is a window that everybody must accept')
})

test('the limit is exact with every codec', async t => {
  for (const [name, codec] of Object.entries(CODECS)) {
    for (const size of [1, 1000, 65536, 300_000]) {
      const data = Buffer.alloc(size, 'abcdefg')
      const compressed = compress(codec, data)
      t.ok(decompress(codec, compressed, { maxBytes: size }).equals(data), `${name}: ${size} of ${size}`)
      t.throws(() => decompress(codec, compressed, { maxBytes: size - 1 }), DecompressionLimitError, `${name}: ${size} of ${size - 1}`)
    }
    t.equal(decompress(codec, compress(codec, Buffer.alloc(0)), { maxBytes: 0 }).length, 0, `${name}: nothing`)
  }
  // A streaming writer makes many small blocks in a frame of large ones: what they could hold says little.
  const frame = lz4Frame(Buffer.alloc(5000, 'lz4 '), 100)
  t.equal(decompress(CODECS.lz4, frame, { maxBytes: 500_000 }).length, 500_000)
  t.throws(() => decompress(CODECS.lz4, frame, { maxBytes: 499_999 }), DecompressionLimitError)
})

test('what is compressed comes back', async t => {
  const data = fc.oneof(
    fc.uint8Array({ maxLength: 2000 }),
    fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 9000 })).map(([piece, count]) => new Uint8Array(times(count, Buffer.from(piece))))
  ).map(bytes => Buffer.from(bytes))
  for (const [name, codec] of Object.entries(CODECS)) {
    fc.assert(fc.property(data, bytes => decompress(codec, compress(codec, bytes), { maxBytes: bytes.length }).equals(bytes)), { seed: 3, numRuns: 60 })
    t.pass(name)
  }
})

test('only DecodeError and DecompressionLimitError, whatever the bytes are', async t => {
  const piece = Buffer.from('a record, and another record, and a third one; '.repeat(50))
  const valid = (codec: number): Buffer => compress(codec, piece)
  for (const [name, codec] of COMPRESSING) {
    const intact = valid(codec)
    const mutated = fc.tuple(
      fc.array(fc.tuple(fc.nat(intact.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.nat(intact.length)
    ).map(([hits, length]) => {
      const bytes = Buffer.from(intact)
      for (const [at, value] of hits) bytes[at] = value
      return length % 3 === 0 ? bytes.subarray(0, length) : bytes
    })
    const prefixed = fc.tuple(fc.nat(20), fc.uint8Array({ maxLength: 300 })).map(([kept, rest]) => Buffer.concat([intact.subarray(0, kept), rest]))
    fc.assert(fc.property(fc.oneof(mutated, prefixed), bytes => {
      const error = thrownBy(() => {
        if (decompress(codec, bytes, { maxBytes: 100_000 }).length > 100_000) throw new Error('above the limit')
      })
      return error === null || error instanceof DecodeError || error instanceof DecompressionLimitError
    }), { seed: 11, numRuns: 1500 })
    t.pass(name)
  }
})

test('every truncation is a DecodeError', async t => {
  for (const [name, codec] of COMPRESSING) {
    const intact = compress(codec, Buffer.from(Array.from({ length: 500 }, (_, index) => index * index)))
    for (let length = 0; length < intact.length; length++) {
      // Framed Snappy that ends with its header, or nothing at all for raw Snappy's sake, is an empty stream to Java too.
      if (codec === CODECS.snappy && length === XERIAL_HEADER.length) continue
      const error = thrownBy(() => decompress(codec, intact.subarray(0, length), { maxBytes: MiB }))
      if (!(error instanceof DecodeError)) t.fail(`${name} cut at ${length} of ${intact.length}`, { error })
    }
    t.pass(name)
  }
})

test('after a damaged zstd frame the next one is read as if nothing had been', async t => {
  const data = Buffer.alloc(400_000, 'zstd')
  const intact = zstdCompress(data)
  t.throws(() => decompress(CODECS.zstd, intact.subarray(0, 20), { maxBytes: MiB }), DecodeError)
  t.throws(() => decompress(CODECS.zstd, intact, { maxBytes: 10 }), DecompressionLimitError)
  t.ok(decompress(CODECS.zstd, intact, { maxBytes: MiB }).equals(data))
})

test('the forms that other clients write are read', async t => {
  const data = Buffer.alloc(100_000, 'raw')
  t.ok(decompress(CODECS.snappy, snappy.compressSync(data), { maxBytes: MiB }).equals(data), 'one raw Snappy block')
  const framed = compress(CODECS.snappy, data)
  t.ok(decompress(CODECS.snappy, Buffer.concat([framed, framed]), { maxBytes: MiB }).equals(Buffer.concat([data, data])), 'Snappy streams one after another')
  for (const options of [{ contentChecksum: true }, { blockChecksums: true }, { contentChecksum: true, blockChecksums: true }]) {
    const frame = lz4.compressFrameSync(data, options)
    t.ok(decompress(CODECS.lz4, frame, { maxBytes: MiB }).equals(data), `LZ4 with ${JSON.stringify(options)}`)
    const damaged = Buffer.from(frame)
    damaged.writeUInt8(damaged.readUInt8(20) ^ 1, 20)
    t.throws(() => decompress(CODECS.lz4, damaged, { maxBytes: MiB }), DecodeError, 'and its checksum is checked')
  }
  t.ok(decompress(CODECS.lz4, Buffer.concat([lz4.compressFrameSync(data), Buffer.from('behind')]), { maxBytes: MiB }).equals(data), 'bytes behind an LZ4 frame')
  const skippable = Buffer.from('502a4d1803000000aabbcc', 'hex')
  t.ok(decompress(CODECS.zstd, Buffer.concat([skippable, zstdCompress(data), skippable]), { maxBytes: MiB }).equals(data), 'zstd with skippable frames')
})

test('LZ4 and Snappy are framed as the Java clients frame them', async t => {
  const data = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7919) >> 3))
  const framed = compress(CODECS.snappy, data)
  t.ok(framed.subarray(0, 16).equals(XERIAL_HEADER))
  let blocks = 0
  for (let at = 16; at < framed.length; at += 4 + framed.readInt32BE(at)) blocks++
  t.equal(blocks, 4, 'blocks of 32 KiB')
  const frame = compress(CODECS.lz4, data)
  t.equal(frame.readUInt8(4), 0x60, 'version 1, independent blocks, no checksums, no content size')
})

test('an unknown codec is a DecodeError when reading, an EncodeError when writing', async t => {
  for (const codec of [5, 6, 7, -1]) {
    t.throws(() => decompress(codec, Buffer.from('x'), { maxBytes: 1 }), DecodeError)
    t.throws(() => compress(codec, Buffer.from('x')), EncodeError)
    t.equal(codecName(codec), null)
  }
})
