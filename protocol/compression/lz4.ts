/**
 * LZ4 frames with independent blocks and neither checksums nor a content size, as the Java clients write them.
 *
 *   magic:4 LE  FLG:1  BD:1  [contentSize:8] [dictionaryId:4]  HC:1  { length:4 LE  block  [checksum:4] }  0:4  [contentChecksum:4]
 *
 * The native part has no limit, so the frame is walked first: that tells what it expands to without expanding it.
 * Source: LZ4 frame format 1.6.2 and block format; org.apache.kafka.common.compress.Lz4BlockInputStream.
 */
import lz4 from 'lz4-napi'
import { DecodeError, DecompressionLimitError } from '../errors/protocol-errors.ts'

const MAGIC = 0x184d2204
const VERSION_MASK = 0xc0
const VERSION = 0x40
const BLOCK_CHECKSUM_FLAG = 0x10
const CONTENT_SIZE_FLAG = 0x08
const CONTENT_CHECKSUM_FLAG = 0x04
const DICTIONARY_FLAG = 0x01
const CHECKSUM_BYTES = 4
const UNCOMPRESSED_FLAG = 0x80000000

/** Magic, FLG, BD, HC. */
const MIN_HEADER_BYTES = 7
/** One byte of a match length stands for at most 255 bytes of output. */
const MAX_RATIO = 255
const MIN_MATCH_BYTES = 4

interface Frame {
  readonly sizeBytes: number
  readonly blocks: readonly Block[]
  readonly maxBlockBytes: number
}

interface Block {
  readonly start: number
  readonly end: number
  readonly isCompressed: boolean
}

export function compressLz4 (data: Buffer): Buffer {
  return lz4.compressFrameSync(data)
}

/** Expands one frame; bytes behind it are not looked at, as in the Java clients. */
export function decompressLz4 (data: Buffer, maxBytes: number): Buffer {
  const frame = readFrame(data)
  if (mostBytes(frame) > maxBytes && exactBytes(data, frame, maxBytes) > maxBytes) throw new DecompressionLimitError('lz4', maxBytes)
  return lz4.decompressFrameSync(data.subarray(0, frame.sizeBytes))
}

function readFrame (data: Buffer): Frame {
  if (data.length < MIN_HEADER_BYTES || data.readUInt32LE(0) !== MAGIC) throw new DecodeError('not an LZ4 frame')
  const flags = data.readUInt8(4)
  if ((flags & VERSION_MASK) !== VERSION) throw new DecodeError('unknown version of the LZ4 frame format', { offset: 4 })
  if ((flags & DICTIONARY_FLAG) !== 0) throw new DecodeError('an LZ4 frame with a dictionary', { offset: 4 })
  const sizeCode = (data.readUInt8(5) >> 4) & 0x07
  if (sizeCode < 4) throw new DecodeError(`unknown LZ4 block size ${sizeCode}`, { offset: 5 })
  const maxBlockBytes = 2 ** (8 + 2 * sizeCode)
  const checksumBytes = (flags & BLOCK_CHECKSUM_FLAG) === 0 ? 0 : CHECKSUM_BYTES

  const blocks: Block[] = []
  let at = MIN_HEADER_BYTES + ((flags & CONTENT_SIZE_FLAG) === 0 ? 0 : 8)
  for (;;) {
    if (data.length - at < 4) throw new DecodeError('an LZ4 frame without an end', { offset: at })
    const word = data.readUInt32LE(at)
    at += 4
    if (word === 0) break
    const isCompressed = word < UNCOMPRESSED_FLAG
    const length = isCompressed ? word : word - UNCOMPRESSED_FLAG
    if (length > maxBlockBytes || length + checksumBytes > data.length - at) {
      throw new DecodeError(`LZ4 block of ${length} bytes, ${data.length - at} are left, ${maxBlockBytes} are allowed`, { offset: at })
    }
    blocks.push({ start: at, end: at + length, isCompressed })
    at += length + checksumBytes
  }
  if ((flags & CONTENT_CHECKSUM_FLAG) !== 0) at += CHECKSUM_BYTES
  if (at > data.length) throw new DecodeError('an LZ4 frame without its checksum', { offset: data.length })
  return { sizeBytes: at, blocks, maxBlockBytes }
}

/** What a frame expands to at the most, without looking into its blocks. */
function mostBytes ({ blocks, maxBlockBytes }: Frame): number {
  let total = 0
  for (const { start, end, isCompressed } of blocks) total += isCompressed ? Math.min(maxBlockBytes, (end - start) * MAX_RATIO) : end - start
  return total
}

/** What a frame expands to, or any number above `maxBytes` as soon as that is sure. */
function exactBytes (data: Buffer, { blocks }: Frame, maxBytes: number): number {
  let total = 0
  for (const block of blocks) {
    total += block.isCompressed ? blockBytes(data, block) : block.end - block.start
    if (total > maxBytes) break
  }
  return total
}

/** Adds up the lengths of a compressed block's sequences: token, literals, offset, match. */
function blockBytes (data: Buffer, { start, end }: Block): number {
  let total = 0
  let at = start
  while (at < end) {
    const token = data.readUInt8(at++)
    let literals = token >> 4
    if (literals === 15) {
      for (let more = 255; more === 255; literals += more) more = byteAt(at++)
    }
    total += literals
    at += literals
    // The last sequence has no match.
    if (at >= end) break
    at += 2
    let match = token & 0x0f
    if (match === 15) {
      for (let more = 255; more === 255; match += more) more = byteAt(at++)
    }
    total += match + MIN_MATCH_BYTES
  }
  return total

  function byteAt (index: number): number {
    if (index >= end) throw new DecodeError('an LZ4 sequence is cut off', { offset: end })
    return data.readUInt8(index)
  }
}
