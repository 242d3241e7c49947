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
const MAX_TIMESTAMP_AT = 35
const PRODUCER_ID_AT = 43
const COUNT_AT = 57
const HEADER_BYTES = 61
const LEAST_LEGACY_BYTES = 26
/** Of an entry of the older formats: attributes, then a timestamp in format 1, then key and value. */
const LEGACY_ATTRIBUTES_AT = 17
const LEGACY_FIELDS_AT = 18
/** Record attributes, and how many headers there are, as in today's format: a cleaner may have made that of it. */
const WITHOUT_HEADERS = '0 00'
const LOG_APPEND_TIME_FLAG = 0x08
const CONTROL_FLAG = 0x20

/** version, producer id, first and last offset, last stable offset: TransactionIndex, AbortedTxn. */
const TXN_ENTRY_BYTES = 34

export interface StoredBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly magic: number
  /** Of a compressed entry of the older formats, 1: it does not say. */
  readonly recordCount: number
  /** Milliseconds since 1970; -1 where there is none. */
  readonly maxTimestamp: number
  /** -1 where there is none. */
  readonly producerId: number
  readonly isControl: boolean
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
        maxTimestamp: magic === 0 ? -1 : Number(bytes.readBigInt64BE(magic === 1 ? LEGACY_FIELDS_AT : MAX_TIMESTAMP_AT)),
        producerId: magic === 2 ? Number(bytes.readBigInt64BE(PRODUCER_ID_AT)) : -1,
        isControl: magic === 2 && (bytes.readInt16BE(ATTRIBUTES_AT) & CONTROL_FLAG) !== 0,
        bytes
      }
      at += size
    }
  }
}

/** The records of a batch that has no codec, or gzip. */
export function storedRecords (batch: StoredBatch): StoredRecord[] {
  const { baseOffset, recordCount, magic, isControl, bytes } = batch
  if (magic < 2) return legacyRecords(batch)
  const attributes = bytes.readInt16BE(ATTRIBUTES_AT)
  const codec = attributes & 7
  if (codec > 1) throw new Error(`the batch at ${baseOffset} has magic ${magic} and codec ${codec}`)
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
    const recordAttributes = data.readInt8(at++)
    const timestamp = baseTimestamp + varint()
    const offset = baseOffset + varint()
    const key = field()
    const value = field()
    records.push({
      offset,
      key: isControl ? null : key?.toString('hex') ?? null,
      isDeletion: value === null,
      text: textOf(timestamp, key, value, `${recordAttributes} ${data.toString('hex', at, end)}`)
    })
    at = end
  }
  return records
}

function textOf (timestamp: number | bigint, key: Buffer | null, value: Buffer | null, more: string): string {
  return `${timestamp} ${key?.toString('hex') ?? 'null'} ${value?.toString('hex') ?? 'null'} ${more}`
}

/** In format 0 the offsets inside a compressed entry are those of the log; in format 1 the last of them is where the entry is. */
function legacyRecords ({ baseOffset, magic, bytes }: StoredBatch): StoredRecord[] {
  const attributes = bytes.readUInt8(LEGACY_ATTRIBUTES_AT)
  const codec = attributes & 7
  if (codec === 0) return [legacyRecord(bytes, baseOffset)]
  if (codec > 1) throw new Error(`the entry at ${baseOffset} has magic ${magic} and codec ${codec}`)
  const data = gunzipSync(legacyFields(bytes).value ?? Buffer.alloc(0))
  const inner: Array<{ readonly offset: number, readonly entry: Buffer }> = []
  for (let at = 0; at < data.length;) {
    const entry = data.subarray(at, at + OVERHEAD_BYTES + data.readInt32BE(at + LENGTH_AT))
    inner.push({ offset: Number(entry.readBigInt64BE(0)), entry })
    at += entry.length
  }
  const base = magic === 0 ? 0 : baseOffset - (inner.at(-1)?.offset ?? 0)
  const appendTime = magic === 1 && (attributes & LOG_APPEND_TIME_FLAG) !== 0 ? bytes.readBigInt64BE(LEGACY_FIELDS_AT) : null
  return inner.map(({ offset, entry }) => legacyRecord(entry, base + offset, appendTime))
}

function legacyRecord (entry: Buffer, offset: number, appendTime: bigint | null = null): StoredRecord {
  const { timestamp, key, value } = legacyFields(entry)
  return { offset, key: key?.toString('hex') ?? null, isDeletion: value === null, text: textOf(appendTime ?? timestamp, key, value, WITHOUT_HEADERS) }
}

function legacyFields (entry: Buffer): { readonly timestamp: bigint, readonly key: Buffer | null, readonly value: Buffer | null } {
  const magic = entry.readInt8(MAGIC_AT)
  let at = LEGACY_FIELDS_AT + 8 * magic
  const field = (): Buffer | null => {
    const length = entry.readInt32BE(at)
    at += 4 + Math.max(length, 0)
    return length < 0 ? null : entry.subarray(at - length, at)
  }
  const key = field()
  return { timestamp: magic === 1 ? entry.readBigInt64BE(LEGACY_FIELDS_AT) : -1n, key, value: field() }
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
