/**
 * A view of a record batch (magic 2) where it lies: nothing is copied and nothing is decompressed.
 *
 *   0 baseOffset:8  8 batchLength:4  12 partitionLeaderEpoch:4  16 magic:1  17 crc:4  21 attributes:2  23 lastOffsetDelta:4
 *   27 baseTimestamp:8  35 maxTimestamp:8  43 producerId:8  51 producerEpoch:2  53 baseSequence:4  57 recordCount:4  61 records
 *
 * The CRC covers everything from `attributes` on: baseOffset and partitionLeaderEpoch may change without touching it.
 * Source: org.apache.kafka.common.record.DefaultRecordBatch.
 */
import { DecodeError } from '../errors/protocol-errors.ts'
import { crc32c } from './crc32c.ts'

/** Offset and length, which every entry of a log starts with, whatever its magic. */
export const LOG_OVERHEAD_BYTES = 12
export const BATCH_HEADER_BYTES = 61

const LENGTH_AT = 8
const LEADER_EPOCH_AT = 12
const MAGIC_AT = 16
const CRC_AT = 17
const ATTRIBUTES_AT = 21
const LAST_OFFSET_DELTA_AT = 23
const BASE_TIMESTAMP_AT = 27
const MAX_TIMESTAMP_AT = 35
const PRODUCER_ID_AT = 43
const PRODUCER_EPOCH_AT = 51
const BASE_SEQUENCE_AT = 53
const RECORD_COUNT_AT = 57

const COMPRESSION_MASK = 0x07
const LOG_APPEND_TIME_FLAG = 0x08
const TRANSACTIONAL_FLAG = 0x10
const CONTROL_FLAG = 0x20

/** Entries of an older format: size of the entry's CRC and magic, which is the least that it can hold. */
const MIN_LEGACY_BYTES = 5

export class RecordBatch {
  readonly #buffer: Buffer
  readonly #start: number
  /** All bytes of the batch, header included. */
  readonly sizeBytes: number

  constructor (buffer: Buffer, start: number, sizeBytes: number) {
    this.#buffer = buffer
    this.#start = start
    this.sizeBytes = sizeBytes
  }

  /** 2 for a batch; 0 or 1 for an entry of the older formats, of which only `baseOffset`, `sizeBytes` and `bytes` mean something. */
  get magic (): number {
    return this.#buffer.readInt8(this.#start + MAGIC_AT)
  }

  get baseOffset (): number {
    return readOffset(this.#buffer, this.#start)
  }

  /** The offset of the last record, or where it was before compaction. */
  get lastOffset (): number {
    return this.baseOffset + this.#buffer.readInt32BE(this.#start + LAST_OFFSET_DELTA_AT)
  }

  get lastOffsetDelta (): number {
    return this.#buffer.readInt32BE(this.#start + LAST_OFFSET_DELTA_AT)
  }

  get partitionLeaderEpoch (): number {
    return this.#buffer.readInt32BE(this.#start + LEADER_EPOCH_AT)
  }

  get crc (): number {
    return this.#buffer.readUInt32BE(this.#start + CRC_AT)
  }

  get attributes (): number {
    return this.#buffer.readInt16BE(this.#start + ATTRIBUTES_AT)
  }

  /** The codec of the records: see compression/codec.ts. */
  get compression (): number {
    return this.attributes & COMPRESSION_MASK
  }

  get isLogAppendTime (): boolean {
    return (this.attributes & LOG_APPEND_TIME_FLAG) !== 0
  }

  get isTransactional (): boolean {
    return (this.attributes & TRANSACTIONAL_FLAG) !== 0
  }

  get isControl (): boolean {
    return (this.attributes & CONTROL_FLAG) !== 0
  }

  /** Milliseconds since 1970. */
  get baseTimestamp (): bigint {
    return this.#buffer.readBigInt64BE(this.#start + BASE_TIMESTAMP_AT)
  }

  /** Milliseconds since 1970, or -1. */
  get maxTimestamp (): number {
    return Number(this.#buffer.readBigInt64BE(this.#start + MAX_TIMESTAMP_AT))
  }

  /** -1 for a producer that is not idempotent. */
  get producerId (): number {
    return readOffset(this.#buffer, this.#start + PRODUCER_ID_AT)
  }

  get producerEpoch (): number {
    return this.#buffer.readInt16BE(this.#start + PRODUCER_EPOCH_AT)
  }

  get baseSequence (): number {
    return this.#buffer.readInt32BE(this.#start + BASE_SEQUENCE_AT)
  }

  get recordCount (): number {
    return this.#buffer.readInt32BE(this.#start + RECORD_COUNT_AT)
  }

  /** The whole batch as a slice of the buffer it lies in. */
  get bytes (): Buffer {
    return this.#buffer.subarray(this.#start, this.#start + this.sizeBytes)
  }

  /** The records, compressed or not, as a slice. */
  get payload (): Buffer {
    return this.#buffer.subarray(this.#start + BATCH_HEADER_BYTES, this.#start + this.sizeBytes)
  }

  /** What the CRC covers: everything but baseOffset, length, partitionLeaderEpoch, magic and the CRC itself. */
  get checkedBytes (): Buffer {
    return this.#buffer.subarray(this.#start + ATTRIBUTES_AT, this.#start + this.sizeBytes)
  }

  isCrcValid (): boolean {
    return crc32c(this.checkedBytes) === this.crc
  }

  /** Writes another base offset into the bytes of this batch, in place. The CRC does not cover it. */
  rebase (baseOffset: number): void {
    this.#buffer.writeBigInt64BE(BigInt(baseOffset), this.#start)
  }
}

export interface BatchesRead {
  readonly batches: RecordBatch[]
  /** Bytes at the end that are the beginning of a batch that was cut off, as a broker does at the end of a fetch. */
  readonly trailingBytes: number
}

/**
 * Finds the batches in the `records` of a fetch answer. A batch that is cut off at the end is left out.
 * @throws {DecodeError} when a length or a magic is impossible: then nothing after it can be trusted.
 */
export function readBatches (records: Buffer): BatchesRead {
  const batches: RecordBatch[] = []
  let at = 0
  while (records.length - at >= LOG_OVERHEAD_BYTES + MIN_LEGACY_BYTES) {
    const sizeBytes = LOG_OVERHEAD_BYTES + records.readInt32BE(at + LENGTH_AT)
    const magic = records.readInt8(at + MAGIC_AT)
    const least = magic === 2 ? BATCH_HEADER_BYTES : LOG_OVERHEAD_BYTES + MIN_LEGACY_BYTES
    if (sizeBytes < least) throw new DecodeError(`a batch of magic ${magic} cannot have ${sizeBytes} bytes`, { offset: at })
    if (magic < 0 || magic > 2) throw new DecodeError(`unknown magic ${magic}`, { offset: at + MAGIC_AT })
    if (sizeBytes > records.length - at) break
    batches.push(new RecordBatch(records, at, sizeBytes))
    at += sizeBytes
  }
  return { batches, trailingBytes: records.length - at }
}

/** An int64 that must fit a number: offsets and producer ids above 2^53 do not occur, and are refused rather than rounded. */
function readOffset (buffer: Buffer, at: number): number {
  const value = buffer.readInt32BE(at) * 2 ** 32 + buffer.readUInt32BE(at + 4)
  if (!Number.isSafeInteger(value)) throw new DecodeError(`${value} is beyond 2^53`, { offset: at })
  return value
}
