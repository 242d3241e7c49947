/**
 * Snappy inside the block framing of snappy-java ("xerial"), which the Java clients write:
 *
 *   82 S N A P P Y 00  version:4  oldest compatible version:4  then any number of  length:4 block
 *
 * Other clients (librdkafka, Sarama) write one raw block without framing; both are read.
 * Source: org.xerial.snappy.SnappyOutputStream and SnappyInputStream; format_description.txt of snappy.
 */
import snappy from '@napi-rs/snappy'
import { DecodeError, DecompressionLimitError } from '../errors/protocol-errors.ts'

const HEADER = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])
const MAGIC_BYTES = 8
/** The first half of the magic, read where a length could be: the beginning of another stream. */
const MAGIC_AS_LENGTH = HEADER.readInt32BE(0)
const LENGTH_BYTES = 4
/** What snappy-java puts into one block. */
const BLOCK_BYTES = 32 * 1024

/** A copy takes two bytes for up to 11 or three for up to 64, so nothing expands more than this. */
const MAX_RATIO = 22

export function compressSnappy (data: Buffer): Buffer {
  const parts: Buffer[] = [HEADER]
  for (let at = 0; at < data.length; at += BLOCK_BYTES) {
    const block = snappy.compressSync(data.subarray(at, at + BLOCK_BYTES))
    const length = Buffer.allocUnsafe(LENGTH_BYTES)
    length.writeInt32BE(block.length)
    parts.push(length, block)
  }
  return Buffer.concat(parts)
}

export function decompressSnappy (data: Buffer, maxBytes: number): Buffer {
  if (!isFramed(data, 0)) return decompressBlock(data, maxBytes, maxBytes)
  const parts: Buffer[] = []
  let total = 0
  let at = HEADER.length
  while (at < data.length) {
    if (data.length - at < LENGTH_BYTES) throw new DecodeError('snappy block length is cut off', { offset: at })
    const length = data.readInt32BE(at)
    // Streams may follow one another, as SnappyInputStream allows.
    if (length === MAGIC_AS_LENGTH && isFramed(data, at)) {
      at += HEADER.length
      continue
    }
    at += LENGTH_BYTES
    if (length < 0 || length > data.length - at) throw new DecodeError(`snappy block of ${length} bytes, ${data.length - at} are left`, { offset: at })
    const block = decompressBlock(data.subarray(at, at + length), maxBytes - total, maxBytes)
    parts.push(block)
    total += block.length
    at += length
  }
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts, total)
}

function isFramed (data: Buffer, at: number): boolean {
  return data.length - at >= HEADER.length && data.compare(HEADER, 0, MAGIC_BYTES, at, at + MAGIC_BYTES) === 0
}

/** `leftBytes` is what the block may still expand to, of `maxBytes` in all. */
function decompressBlock (block: Buffer, leftBytes: number, maxBytes: number): Buffer {
  const length = declaredLength(block)
  // The native part allocates what the block declares before it looks at anything else.
  if (length > block.length * MAX_RATIO) throw new DecodeError(`a snappy block of ${block.length} bytes cannot expand to ${length}`)
  if (length > leftBytes) throw new DecompressionLimitError('snappy', maxBytes)
  return snappy.uncompressSync(block)
}

/** The varint that every block begins with: its uncompressed length. */
function declaredLength (block: Buffer): number {
  let length = 0
  for (let index = 0; index < 5; index++) {
    const byte = block[index]
    if (byte === undefined) break
    length += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return length
  }
  throw new DecodeError('a snappy block without its length')
}
