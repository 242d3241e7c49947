/** Makes record batches as the Java producer does. Source: org.apache.kafka.common.record.MemoryRecordsBuilder and DefaultRecord. */
import { Writer } from '../buffer/writer.ts'
import { compress } from '../compression/codec.ts'
import { EncodeError } from '../errors/protocol-errors.ts'
import { crc32c } from './crc32c.ts'
import { BATCH_HEADER_BYTES, CRC_AT, LOG_OVERHEAD_BYTES } from './record-batch.ts'

export interface RecordInput {
  /** Milliseconds since 1970. */
  readonly timestamp: number
  readonly key?: Buffer | null
  readonly value?: Buffer | null
  readonly headers?: ReadonlyArray<{ readonly key: string, readonly value: Buffer | null }>
  /** Where the record is, if not at the offset after the one before: compaction leaves holes. */
  readonly offset?: number
}

export interface BatchInput {
  readonly records: readonly RecordInput[]
  readonly baseOffset?: number
  /** See compression/codec.ts. */
  readonly compression?: number
  /** Makes the batch one of LogAppendTime: all its records were appended then. Milliseconds since 1970. */
  readonly logAppendTime?: number
  readonly partitionLeaderEpoch?: number
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly isTransactional?: boolean
  readonly isControl?: boolean
  /** The offset of the last record that was there before compaction, less the base offset. */
  readonly lastOffsetDelta?: number
}

const LOG_APPEND_TIME_FLAG = 0x08
const TRANSACTIONAL_FLAG = 0x10
const CONTROL_FLAG = 0x20
const ATTRIBUTES_AT = 21

/**
 * A whole batch, in one buffer of its own.
 * @throws {EncodeError} for a value that a batch cannot carry, such as offsets that run backwards.
 */
export function buildBatch (input: BatchInput): Buffer {
  const { records, baseOffset = 0, compression = 0, logAppendTime } = input
  const offsetDeltas = deltasOf(records, baseOffset)
  const lastOffsetDelta = input.lastOffsetDelta ?? offsetDeltas.at(-1)
  // The Java client refuses it as well. What compaction leaves of a batch may be empty, but still says what it spanned.
  if (lastOffsetDelta === undefined) throw new EncodeError('a batch without records')
  if (lastOffsetDelta < (offsetDeltas.at(-1) ?? 0)) throw new EncodeError(`last offset delta ${lastOffsetDelta} is before the last record`)

  const baseTimestamp = records[0]?.timestamp ?? logAppendTime ?? -1
  let maxTimestamp = baseTimestamp
  const body = new Writer()
  records.forEach((record, index) => {
    if (record.timestamp > maxTimestamp) maxTimestamp = record.timestamp
    writeRecord(body, record, record.timestamp - baseTimestamp, offsetDeltas[index] ?? 0)
  })
  const payload = compress(compression, Buffer.concat(body.finish()))

  const head = new Writer(BATCH_HEADER_BYTES)
  head.int64(int64('base offset', baseOffset))
  head.int32(BATCH_HEADER_BYTES - LOG_OVERHEAD_BYTES + payload.length)
  head.int32(input.partitionLeaderEpoch ?? -1)
  head.int8(2)
  head.uint32(0)
  head.int16(compression |
    (logAppendTime === undefined ? 0 : LOG_APPEND_TIME_FLAG) |
    (input.isTransactional === true ? TRANSACTIONAL_FLAG : 0) |
    (input.isControl === true ? CONTROL_FLAG : 0))
  head.int32(lastOffsetDelta)
  head.int64(int64('timestamp', baseTimestamp))
  head.int64(int64('timestamp', logAppendTime ?? maxTimestamp))
  head.int64(int64('producer id', input.producerId ?? -1))
  head.int16(input.producerEpoch ?? -1)
  head.int32(input.baseSequence ?? -1)
  head.int32(records.length)
  const batch = Buffer.concat([...head.finish(), payload])
  batch.writeUInt32BE(crc32c(batch.subarray(ATTRIBUTES_AT)), CRC_AT)
  return batch
}

function deltasOf (records: readonly RecordInput[], baseOffset: number): number[] {
  const deltas: number[] = []
  let next = 0
  for (const { offset } of records) {
    const delta = offset === undefined ? next : offset - baseOffset
    if (!(delta >= next)) throw new EncodeError(`offset ${baseOffset + delta} comes after ${baseOffset + next - 1}`)
    deltas.push(delta)
    next = delta + 1
  }
  return deltas
}

function writeRecord (writer: Writer, record: RecordInput, timestampDelta: number, offsetDelta: number): void {
  const { key = null, value = null, headers = [] } = record
  const body = new Writer(64)
  body.int8(0)
  body.varlong(int64('timestamp', timestampDelta))
  body.varint(offsetDelta)
  writeBytes(body, key)
  writeBytes(body, value)
  body.varint(headers.length)
  for (const header of headers) {
    writeBytes(body, Buffer.from(header.key, 'utf8'))
    writeBytes(body, header.value)
  }
  writer.varint(body.length)
  for (const chunk of body.finish()) writer.raw(chunk)
}

function writeBytes (writer: Writer, bytes: Buffer | null): void {
  writer.varint(bytes?.length ?? -1)
  if (bytes !== null) writer.raw(bytes)
}

function int64 (what: string, value: number): bigint {
  if (!Number.isSafeInteger(value)) throw new EncodeError(`${what} ${value} is not a whole number of at most 2^53`)
  return BigInt(value)
}
