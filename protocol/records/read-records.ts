/**
 * Reads the records of a batch, one after another. Keys, values and header values are slices: of the buffer that the batch lies
 * in, or of the expanded copy if the batch is compressed.
 *
 *   length:varint  attributes:1  timestampDelta:varlong  offsetDelta:varint  key  value  headerCount:varint  { key value }
 *
 * where key and value are length:varint and bytes, and a length of -1 is null. Source: org.apache.kafka.common.record.DefaultRecord.
 */
import { decompress, type DecompressOptions } from '../compression/codec.ts'
import { DecodeError } from '../errors/protocol-errors.ts'
import type { RecordBatch } from './record-batch.ts'

export interface RecordHeader {
  /** Bytes that are not UTF-8 are replaced, as in the Java clients. */
  readonly key: string
  readonly value: Buffer | null
}

export interface KafkaRecord {
  readonly offset: number
  /** Milliseconds since 1970. Exact up to 2^53, the nearest number beyond (some producers write nanoseconds). */
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
}

/** More than brokers accept in one batch by default, by a factor of 100; readers who know better say so. */
export const DEFAULT_MAX_RECORDS_BYTES = 128 * 1024 * 1024

const NO_HEADERS: readonly RecordHeader[] = Object.freeze([])

/** The length itself, attributes, timestamp, offset, key and value lengths, header count: one byte each. */
const MIN_RECORD_BYTES = 7
const MIN_HEADER_BYTES = 2

/** Of how many headers the keys are remembered. */
const MAX_KNOWN_KEYS = 16

/**
 * Reads the records of a batch of magic 2; its CRC is not checked here. What is compressed is expanded at the first step, at once.
 * @throws {DecodeError} where the bytes are not records, after all the records before that place.
 * @throws {DecompressionLimitError} when the records expand to more than `maxBytes`.
 */
export function * readRecords (batch: RecordBatch, { maxBytes }: DecompressOptions = { maxBytes: DEFAULT_MAX_RECORDS_BYTES }): Generator<KafkaRecord, void, undefined> {
  if (batch.magic !== 2) throw new DecodeError(`records of magic ${batch.magic} are not read here`)
  const data = batch.compression === 0 ? batch.payload : decompress(batch.compression, batch.payload, { maxBytes })
  const count = batch.recordCount
  if (count < 0 || count * MIN_RECORD_BYTES > data.length) throw new DecodeError(`${data.length} bytes cannot hold ${count} records`)
  const reader = new RecordReader(data, batch)
  for (let index = 0; index < count; index++) yield reader.next()
  reader.finish()
}

class RecordReader {
  readonly #data: Buffer
  readonly #baseOffset: number
  readonly #lastOffsetDelta: number
  readonly #baseTimestamp: number
  /** What every record of the batch has for a timestamp; null if each has its own. */
  readonly #appendTimestamp: number | null
  /** Where the keys of the last headers lie, by their place in the record, and what they say. */
  readonly #headerKeys: Array<{ readonly start: number, readonly length: number, readonly text: string }> = []
  #at = 0

  constructor (data: Buffer, batch: RecordBatch) {
    this.#data = data
    this.#baseOffset = batch.baseOffset
    this.#lastOffsetDelta = batch.lastOffsetDelta
    this.#baseTimestamp = Number(batch.baseTimestamp)
    this.#appendTimestamp = batch.isLogAppendTime ? batch.maxTimestamp : null
  }

  next (): KafkaRecord {
    const size = this.#varint()
    const end = this.#at + size
    if (size < MIN_RECORD_BYTES - 1 || end > this.#data.length) this.#fail(`a record of ${size} bytes, ${this.#data.length - this.#at} are left`)
    // The attributes: no bit has a meaning yet.
    this.#at++
    const timestampDelta = this.#varlong()
    const offsetDelta = this.#varint()
    if (offsetDelta < 0 || offsetDelta > this.#lastOffsetDelta) this.#fail(`offset delta ${offsetDelta} of at most ${this.#lastOffsetDelta}`)
    const key = this.#nullableBytes(end)
    const value = this.#nullableBytes(end)
    const headers = this.#headers(end)
    if (this.#at !== end) this.#fail(`a record ends ${end - this.#at} bytes before its length says`)
    return {
      offset: this.#baseOffset + offsetDelta,
      timestamp: this.#appendTimestamp ?? this.#baseTimestamp + timestampDelta,
      key,
      value,
      headers
    }
  }

  /** Nothing may follow the last record. */
  finish (): void {
    if (this.#at !== this.#data.length) this.#fail(`${this.#data.length - this.#at} bytes after the last record`)
  }

  #headers (end: number): readonly RecordHeader[] {
    const count = this.#varint()
    if (count === 0) return NO_HEADERS
    if (count < 0 || count * MIN_HEADER_BYTES > end - this.#at) this.#fail(`${count} headers in ${end - this.#at} bytes`)
    const headers: RecordHeader[] = []
    for (let index = 0; index < count; index++) {
      const length = this.#varint()
      if (length < 0 || length > end - this.#at) this.#fail(`a header key of ${length} bytes, ${end - this.#at} are left`)
      headers.push({ key: this.#headerKey(index, length), value: this.#nullableBytes(end) })
    }
    return headers
  }

  /** The records of a batch mostly have the same headers: to see that costs less than to make the text anew. */
  #headerKey (index: number, length: number): string {
    const start = this.#at
    this.#at += length
    const known = this.#headerKeys[index]
    if (known?.length === length && this.#isSame(known.start, start, length)) return known.text
    const text = this.#data.toString('utf8', start, this.#at)
    if (index < MAX_KNOWN_KEYS) this.#headerKeys[index] = { start, length, text }
    return text
  }

  #isSame (one: number, other: number, length: number): boolean {
    for (let index = 0; index < length; index++) if (this.#data[one + index] !== this.#data[other + index]) return false
    return true
  }

  #nullableBytes (end: number): Buffer | null {
    const length = this.#varint()
    if (length === -1) return null
    if (length < -1 || length > end - this.#at) this.#fail(`a field of ${length} bytes, ${end - this.#at} are left`)
    const start = this.#at
    this.#at += length
    // A slice, as subarray makes one at twice the cost.
    return Buffer.from(this.#data.buffer, this.#data.byteOffset + start, length)
  }

  #byte (): number {
    const byte = this.#data[this.#at]
    if (byte === undefined) this.#fail('a record is cut off')
    this.#at++
    return byte
  }

  /** Zig-zag, at most 32 bits. */
  #varint (): number {
    let byte = this.#byte()
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1)
    let raw = byte & 0x7f
    for (let shift = 7; shift < 35; shift += 7) {
      byte = this.#byte()
      if (shift === 28 && byte > 0x0f) break
      raw |= (byte & 0x7f) << shift
      if (byte < 0x80) return (raw >>> 1) ^ -(raw & 1)
    }
    return this.#fail('varint does not fit into 32 bits')
  }

  /** Zig-zag, at most 64 bits, as a number: exact up to 2^53, the nearest one beyond. */
  #varlong (): number {
    let low = 0
    let high = 0
    // Four bytes of 7 bits make the lower 28, up to six more the upper 36.
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte()
      low |= (byte & 0x7f) << shift
      if (byte < 0x80) return (low >>> 1) ^ -(low & 1)
    }
    for (let index = 0; index < 6; index++) {
      const byte = this.#byte()
      if (index === 5 && byte > 1) break
      high += (byte & 0x7f) * 2 ** (7 * index)
      if (byte < 0x80) {
        const half = high * 2 ** 27 + (low >>> 1)
        return (low & 1) === 0 ? half : -half - 1
      }
    }
    return this.#fail('varlong does not fit into 64 bits')
  }

  #fail (message: string): never {
    throw new DecodeError(message, { offset: this.#at })
  }
}
