/**
 * A view of a record batch (magic 2) where it lies: nothing is copied and nothing is decompressed.
 *
 *   0 baseOffset:8  8 batchLength:4  12 partitionLeaderEpoch:4  16 magic:1  17 crc:4  21 attributes:2  23 lastOffsetDelta:4
 *   27 baseTimestamp:8  35 maxTimestamp:8  43 producerId:8  51 producerEpoch:2  53 baseSequence:4  57 recordCount:4  61 records
 *
 * The CRC covers everything from `attributes` on: baseOffset and partitionLeaderEpoch may change without touching it.
 * Source: org.apache.kafka.common.record.DefaultRecordBatch.
 */
import { crc32 } from 'node:zlib'
import { DecodeError } from '../errors/protocol-errors.ts'
import { crc32c } from './crc32c.ts'

/** Offset and length, which every entry of a log starts with, whatever its magic. */
export const LOG_OVERHEAD_BYTES = 12
export const BATCH_HEADER_BYTES = 61

const LENGTH_AT = 8
const LEADER_EPOCH_AT = 12
const MAGIC_AT = 16
export const CRC_AT = 17
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

/**
 * Entries of the older formats (magic 0 and 1): crc:4 magic:1 attributes:1 [timestamp:8] key:4+ value:4+ after the log overhead.
 * Source: org.apache.kafka.common.record.LegacyRecord.
 */
const LEGACY_CRC_AT = 12
const MIN_LEGACY_BYTES = 14

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

  /** 2 for a batch; 0 or 1 for an entry of the older formats, of which only the offsets, `sizeBytes`, `bytes` and the CRC mean something. */
  get magic (): number {
    return this.#buffer.readInt8(this.#start + MAGIC_AT)
  }

  /** The offset of the first record, or where it was before compaction. Of a compressed entry of the older formats, that of the last one. */
  get baseOffset (): number {
    return readOffset(this.#buffer, this.#start)
  }

  /** The offset of the last record, or where it was before compaction. */
  get lastOffset (): number {
    return this.magic === 2 ? this.baseOffset + this.lastOffsetDelta : this.baseOffset
  }

  get lastOffsetDelta (): number {
    return this.#buffer.readInt32BE(this.#start + LAST_OFFSET_DELTA_AT)
  }

  get partitionLeaderEpoch (): number {
    return this.#buffer.readInt32BE(this.#start + LEADER_EPOCH_AT)
  }

  get crc (): number {
    return this.#buffer.readUInt32BE(this.#start + (this.magic === 2 ? CRC_AT : LEGACY_CRC_AT))
  }

  get attributes (): number {
    return this.#buffer.readInt16BE(this.#start + ATTRIBUTES_AT)
  }

  /** The codec of the records: see compression/codec.ts. Codecs that are not known there are possible. */
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

  /** Milliseconds since 1970, or -1. Exact up to 2^53, the nearest number beyond. */
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
    return this.#buffer.subarray(this.#start + (this.magic === 2 ? ATTRIBUTES_AT : MAGIC_AT), this.#start + this.sizeBytes)
  }

  /** Compares the CRC with the bytes. The older formats have another polynomial. */
  isCrcValid (): boolean {
    return (this.magic === 2 ? crc32c(this.checkedBytes) : crc32(this.checkedBytes)) === this.crc
  }

  /** Writes another leader epoch into the bytes of this batch, in place. Only in magic 2 is there one; the CRC does not cover it. */
  setPartitionLeaderEpoch (epoch: number): void {
    if (this.magic === 2) this.#buffer.writeInt32BE(epoch, this.#start + LEADER_EPOCH_AT)
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
 * Finds the batches in the `records` of a fetch answer or a produce request. A batch that is cut off at the end is left out; a
 * length that only seems to reach beyond the end cannot be told from that, so whoever asked for a whole batch and got none must ask why.
 * @throws {DecodeError} when a length, a magic, an offset or a count is impossible: then nothing after it can be trusted.
 */
export function readBatches (records: Buffer): BatchesRead {
  const batches: RecordBatch[] = []
  let at = 0
  while (records.length - at > MAGIC_AT) {
    const sizeBytes = LOG_OVERHEAD_BYTES + records.readInt32BE(at + LENGTH_AT)
    const magic = records.readInt8(at + MAGIC_AT)
    if (magic < 0 || magic > 2) throw new DecodeError(`unknown magic ${magic}`, { offset: at + MAGIC_AT })
    const least = magic === 2 ? BATCH_HEADER_BYTES : LOG_OVERHEAD_BYTES + MIN_LEGACY_BYTES
    if (sizeBytes < least) throw new DecodeError(`a batch of magic ${magic} cannot have ${sizeBytes} bytes`, { offset: at })
    if (sizeBytes > records.length - at) break
    if (magic === 2) checkCounts(records, at)
    batches.push(new RecordBatch(records, at, sizeBytes))
    at += sizeBytes
  }
  return { batches, trailingBytes: records.length - at }
}

/** Refuses what would make offsets run backwards or beyond what a number holds. The CRC does not protect against who computes it. */
function checkCounts (records: Buffer, at: number): void {
  const baseOffset = readOffset(records, at)
  const lastOffsetDelta = records.readInt32BE(at + LAST_OFFSET_DELTA_AT)
  const recordCount = records.readInt32BE(at + RECORD_COUNT_AT)
  if (baseOffset < 0 || lastOffsetDelta < 0 || !Number.isSafeInteger(baseOffset + lastOffsetDelta)) {
    throw new DecodeError(`a batch cannot span ${lastOffsetDelta} offsets from ${baseOffset} on`, { offset: at })
  }
  if (recordCount < 0 || recordCount > lastOffsetDelta + 1) {
    throw new DecodeError(`a batch of ${lastOffsetDelta + 1} offsets cannot have ${recordCount} records`, { offset: at + RECORD_COUNT_AT })
  }
}

/** An int64 that must fit a number: offsets and producer ids above 2^53 do not occur, and are refused rather than rounded. */
function readOffset (buffer: Buffer, at: number): number {
  const value = buffer.readInt32BE(at) * 2 ** 32 + buffer.readUInt32BE(at + 4)
  if (!Number.isSafeInteger(value)) throw new DecodeError(`${value} is beyond 2^53`, { offset: at })
  return value
}
