/** Zstandard frames (RFC 8878), one or several. The Java clients write one, as a stream: without a content size. */
import binding from 'zstd-napi/binding.js'
import { compress } from 'zstd-napi'
import { DecodeError, DecompressionLimitError } from '../errors/protocol-errors.ts'

/** Output is made in pieces of at least this size, so that a small result costs little. */
const CHUNK_BYTES = 128 * 1024

/**
 * A frame says how much of its output must be kept to refer back to, and the decoder allocates that. RFC 8878 asks for 8 MiB at
 * least; more is given only to those who allow a larger output, up to zstd's own default of 128 MiB.
 */
const MIN_WINDOW_LOG = 23
const MAX_WINDOW_LOG = 27

/** Kept between calls, which are synchronous: making one costs more than a small batch. */
let context: binding.DCtx | null = null

export function compressZstd (data: Buffer): Buffer {
  return compress(data)
}

export function decompressZstd (data: Buffer, maxBytes: number): Buffer {
  const decoder = context ?? new binding.DCtx()
  // Put back only if all goes well: after an error it is in the middle of a frame, perhaps with a large window.
  context = null
  decoder.setParameter(binding.DParameter.windowLogMax, windowLog(maxBytes))
  const result = expand(decoder, data, maxBytes)
  context = decoder
  return result
}

function expand (decoder: binding.DCtx, data: Buffer, maxBytes: number): Buffer {
  if (data.length === 0) throw new DecodeError('no zstd frame')
  const parts: Buffer[] = []
  let total = 0
  let at = 0
  let left = 1
  let size = firstChunk(data, maxBytes)
  for (;;) {
    // One byte more than allowed, to tell a result of exactly `maxBytes` from a longer one.
    const chunk = Buffer.allocUnsafeSlow(Math.min(size, maxBytes + 1 - total))
    let filled = 0
    while (filled < chunk.length && (at < data.length || left !== 0)) {
      const [hint, produced, consumed] = decoder.decompressStream(chunk.subarray(filled), data.subarray(at))
      filled += produced
      at += consumed
      left = hint
      if (produced === 0 && consumed === 0) throw new DecodeError('a zstd frame is cut off', { offset: at })
    }
    total += filled
    if (total > maxBytes) throw new DecompressionLimitError('zstd', maxBytes)
    parts.push(chunk.subarray(0, filled))
    if (at === data.length && left === 0) break
    size = Math.max(CHUNK_BYTES, total)
  }
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts, total)
}

/** The size that the first frame declares, if it does, so that it is expanded into one piece. */
function firstChunk (data: Buffer, maxBytes: number): number {
  const declared = binding.getFrameContentSize(data)
  if (declared === null) return CHUNK_BYTES
  if (declared > maxBytes) throw new DecompressionLimitError('zstd', maxBytes)
  return Math.max(1, declared)
}

function windowLog (maxBytes: number): number {
  return Math.min(MAX_WINDOW_LOG, Math.max(MIN_WINDOW_LOG, Math.ceil(Math.log2(Math.max(1, maxBytes)))))
}
