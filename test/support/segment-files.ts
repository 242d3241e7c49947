/**
 * What a broker has on disk for a partition, read by words of the tests' own: the exactness of the copy is not proven with the code
 * that made it.
 *
 *   0         8        12                     16             length + 12
 *   │ base    │ length │ partition            │ magic, CRC,  │ next batch
 *   │ offset  │        │ leader epoch         │ records ...  │
 *                      └─ each broker's own ──┘
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

const LENGTH_AT = 8
const OVERHEAD_BYTES = 12
const MAGIC_AT = 16
const ATTRIBUTES_AT = 21
const LAST_OFFSET_DELTA_AT = 23
const BASE_TIMESTAMP_AT = 27
const COUNT_AT = 57
const HEADER_BYTES = 61
const LEAST_LEGACY_BYTES = 26

/** version, producer id, first and last offset, last stable offset: TransactionIndex, AbortedTxn. */
const TXN_ENTRY_BYTES = 34

export interface StoredBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly magic: number
  readonly recordCount: number
  readonly bytes: Buffer
}

export interface StoredRecord {
  readonly offset: number
  /** Null for a control record too. */
  readonly key: string | null
  readonly isDeletion: boolean
  /** All of it but the offset, as hex. */
  readonly text: string
}

/**
 * The batches of a partition's folder, in order; where segments begin and end is each broker's own affair.
 * @throws {Error} for a file that is not whole batches
 */
export function * storedBatches (folder: string): Generator<StoredBatch, void> {
  for (const file of filesOf(folder, '.log')) {
    const content = readFileSync(file)
    for (let at = 0; at < content.length;) {
      const left = content.length - at
      const size = OVERHEAD_BYTES + (left >= OVERHEAD_BYTES ? content.readInt32BE(at + LENGTH_AT) : HEADER_BYTES)
      const magic = left > MAGIC_AT ? content.readInt8(at + MAGIC_AT) : 2
      const least = magic === 2 ? HEADER_BYTES : LEAST_LEGACY_BYTES
      if (left < size || size < least) throw new Error(`${file} does not end with a whole batch: ${left} bytes are left`)
      if (magic < 0 || magic > 2) throw new Error(`${file} has magic ${magic} at ${at}`)
      const bytes = content.subarray(at, at + size)
      const baseOffset = Number(bytes.readBigInt64BE(0))
      yield {
        baseOffset,
        lastOffset: magic === 2 ? baseOffset + bytes.readInt32BE(LAST_OFFSET_DELTA_AT) : baseOffset,
        magic,
        recordCount: magic === 2 ? bytes.readInt32BE(COUNT_AT) : 1,
        bytes
      }
      at += size
    }
  }
}

/** The records of a batch that has no codec, or gzip. */
export function storedRecords ({ baseOffset, recordCount, magic, bytes }: StoredBatch): StoredRecord[] {
  const attributes = bytes.readInt16BE(ATTRIBUTES_AT)
  const codec = attributes & 7
  if (magic !== 2 || codec > 1) throw new Error(`the batch at ${baseOffset} has magic ${magic} and codec ${codec}`)
  const payload = bytes.subarray(HEADER_BYTES)
  // The codec of a batch that the cleaner has emptied is none, whatever the attributes say.
  const data = recordCount === 0 || codec === 0 ? payload : gunzipSync(payload)
  const baseTimestamp = Number(bytes.readBigInt64BE(BASE_TIMESTAMP_AT))
  const records: StoredRecord[] = []
  let at = 0
  const varint = (): number => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = data.readUInt8(at++)
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return Number((value >> 1n) ^ -(value & 1n))
    }
  }
  const field = (): Buffer | null => {
    const length = varint()
    if (length < 0) return null
    at += length
    return data.subarray(at - length, at)
  }
  for (let count = 0; count < recordCount; count++) {
    const end = varint() + at
    at++
    const timestamp = baseTimestamp + varint()
    const offset = baseOffset + varint()
    const key = field()
    const value = field()
    const isControl = (attributes & 0x20) !== 0
    records.push({
      offset,
      key: isControl ? null : key?.toString('hex') ?? null,
      isDeletion: value === null,
      text: `${timestamp} ${key?.toString('hex') ?? 'null'} ${value?.toString('hex') ?? 'null'} ${data.toString('hex', at, end)}`
    })
    at = end
  }
  return records
}

/** The aborted transactions in a folder's indexes, but for the last stable offset, which is as it was when each replica wrote it. */
export function storedAborts (folder: string): string[] {
  return filesOf(folder, '.txnindex').flatMap(file => {
    const content = readFileSync(file)
    return Array.from({ length: content.length / TXN_ENTRY_BYTES }, (_, index) => {
      const at = index * TXN_ENTRY_BYTES
      return `version ${content.readInt16BE(at)} producer ${content.readBigInt64BE(at + 2)} from ${content.readBigInt64BE(at + 10)} to ${content.readBigInt64BE(at + 18)}`
    })
  })
}

/** The names are base offsets of 20 digits: in order of the alphabet, they are in order. */
function filesOf (folder: string, suffix: string): string[] {
  return readdirSync(folder).filter(file => file.endsWith(suffix)).sort().map(file => join(folder, file))
}
