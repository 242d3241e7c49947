/**
 * The compression codecs of record batches, by the number that a batch's attributes hold.
 * Source: org.apache.kafka.common.record.CompressionType.
 */
import { DecodeError, DecompressionLimitError, EncodeError } from '../errors/protocol-errors.ts'
import { compressGzip, decompressGzip } from './gzip.ts'
import { compressLz4, decompressLz4 } from './lz4.ts'
import { compressSnappy, decompressSnappy } from './snappy.ts'
import { compressZstd, decompressZstd } from './zstd.ts'

export const CODECS = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const

export type CodecName = keyof typeof CODECS
export type CodecId = (typeof CODECS)[CodecName]

export interface DecompressOptions {
  /** The most bytes that the result may have. What expands beyond it is refused before it is held in memory. */
  readonly maxBytes: number
}

/** What a codec is made of. `decompress` may throw anything on bytes that are not its own: see `decompress` below. */
interface Codec {
  readonly name: CodecName
  readonly compress: (data: Buffer) => Buffer
  readonly decompress: (data: Buffer, maxBytes: number) => Buffer
}

const BY_ID: readonly Codec[] = [
  { name: 'none', compress: data => data, decompress: takeAsIs },
  { name: 'gzip', compress: compressGzip, decompress: decompressGzip },
  { name: 'snappy', compress: compressSnappy, decompress: decompressSnappy },
  { name: 'lz4', compress: compressLz4, decompress: decompressLz4 },
  { name: 'zstd', compress: compressZstd, decompress: decompressZstd }
]

/** The name of a codec; null for a number that stands for none. */
export function codecName (codec: number): CodecName | null {
  return BY_ID[codec]?.name ?? null
}

/**
 * Compresses as the Java producer does, framing included. With codec 0, `data` itself is returned.
 * @throws {EncodeError} for an unknown codec.
 */
export function compress (codec: number, data: Buffer): Buffer {
  const known = BY_ID[codec]
  if (known === undefined) throw new EncodeError(`unknown compression codec ${codec}`)
  return known.compress(data)
}

/**
 * Expands what any Kafka client compressed. With codec 0, `data` itself is returned.
 * @throws {DecodeError} for an unknown codec and for bytes that are not what the codec writes.
 * @throws {DecompressionLimitError} when the result would have more than `maxBytes` bytes.
 */
export function decompress (codec: number, data: Buffer, { maxBytes }: DecompressOptions): Buffer {
  const known = BY_ID[codec]
  if (known === undefined) throw new DecodeError(`unknown compression codec ${codec}`)
  try {
    return known.decompress(data, maxBytes)
  } catch (error) {
    if (error instanceof DecodeError || error instanceof DecompressionLimitError) throw error
    // The native parts throw plain errors, each in its own words.
    throw new DecodeError(`cannot decompress ${data.length} bytes of ${known.name}`, { cause: error })
  }
}

function takeAsIs (data: Buffer, maxBytes: number): Buffer {
  if (data.length > maxBytes) throw new DecompressionLimitError('none', maxBytes)
  return data
}
