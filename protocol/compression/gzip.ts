import { gunzipSync, gzipSync } from 'node:zlib'
import { DecompressionLimitError } from '../errors/protocol-errors.ts'

/** How much is expanded at a time. Node's default of 16 KiB makes four times as many pieces to join. */
const CHUNK_BYTES = 64 * 1024

export function compressGzip (data: Buffer): Buffer {
  return gzipSync(data)
}

/** Expands any number of gzip members, as Java's GZIPInputStream does. */
export function decompressGzip (data: Buffer, maxBytes: number): Buffer {
  try {
    // Node takes no limit of 0.
    const result = gunzipSync(data, { maxOutputLength: Math.max(1, maxBytes), chunkSize: CHUNK_BYTES })
    if (result.length <= maxBytes) return result
  } catch (error) {
    if (!(error instanceof RangeError && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE')) throw error
  }
  throw new DecompressionLimitError('gzip', maxBytes)
}
