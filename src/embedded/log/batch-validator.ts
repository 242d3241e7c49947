/**
 * Which batches a producer may append, and how the broker changes them first. The rules are those of Kafka's LogValidator and
 * UnifiedLog (facts/kafka-replica-mode.md §11). What is refused here has changed nothing.
 */
import { CODECS } from '../../../protocol/compression/codec.ts'
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { KafkaError } from '../../../protocol/errors/kafka-error.ts'
import { buildBatch } from '../../../protocol/records/build-batch.ts'
import { crc32c } from '../../../protocol/records/crc32c.ts'
import { readRecords, type KafkaRecord } from '../../../protocol/records/read-records.ts'
import { readBatches, RecordBatch } from '../../../protocol/records/record-batch.ts'
import type { TopicConfig } from '../topics/topic-config.ts'

export interface RecordError {
  readonly batchIndex: number
  readonly batchIndexErrorMessage: string
}

export interface BatchRefusal {
  readonly errorCode: number
  readonly errorMessage: string
  readonly recordErrors: readonly RecordError[]
}

export interface ValidateOptions {
  readonly config: TopicConfig
  /** Milliseconds since 1970. */
  readonly now: number
  /** Produce carries zstd only from version 7 on. */
  readonly apiVersion: number
}

const ZSTD_MIN_VERSION = 7
const NO_TIMESTAMP = -1
const LOG_APPEND_TIME_FLAG = 0x08
const ATTRIBUTES_AT = 21
const CRC_AT = 17
const MAX_TIMESTAMP_AT = 35
const MAX_SHOWN_ERRORS = 10

/** The batch as it is to be appended, or why it may not be. */
export function validateRecords (records: Buffer | null, options: ValidateOptions): RecordBatch | BatchRefusal {
  try {
    const { batches, trailingBytes } = readBatches(records ?? Buffer.alloc(0))
    const [batch] = batches
    if (batch === undefined || trailingBytes !== 0) return invalid(trailingBytes === 0 ? 'Produce requests must carry one batch per partition, not none' : `the records end with ${trailingBytes} bytes of a batch that is cut off`)
    if (batches.length > 1) return invalid(`Produce requests must carry one batch per partition, not ${batches.length}`)
    return shallowRefusal(batch, options) ?? validateBatch(batch, options)
  } catch (error) {
    // Lengths and counts that cannot be, records that are none, compressed data that does not expand.
    if (error instanceof KafkaError) return invalid(error.message)
    throw error
  }
}

/** What is wrong with the batch as such. */
function shallowRefusal (batch: RecordBatch, { config, apiVersion }: ValidateOptions): BatchRefusal | null {
  if (batch.magic !== 2) return invalid(`Produce requests must carry batches of magic 2, not ${batch.magic}`)
  if (batch.compression > CODECS.zstd) return refuse(ErrorCodes.UNSUPPORTED_COMPRESSION_TYPE, `Unknown compression type id: ${batch.compression}`)
  if (batch.compression === CODECS.zstd && apiVersion < ZSTD_MIN_VERSION) {
    return refuse(ErrorCodes.UNSUPPORTED_COMPRESSION_TYPE, `Produce requests with version ${apiVersion} are not allowed to use ZStandard compression`)
  }
  if (batch.baseOffset !== 0) return invalid(`The baseOffset of the record batch should be 0, but it is ${batch.baseOffset}`)
  if (batch.sizeBytes > config.maxMessageBytes) {
    return refuse(ErrorCodes.MESSAGE_TOO_LARGE, `The record batch size is ${batch.sizeBytes} bytes which exceeds the maximum configured value of ${config.maxMessageBytes}.`)
  }
  if (!batch.isCrcValid()) return refuse(ErrorCodes.CORRUPT_MESSAGE, `Record is corrupt (stored crc = ${batch.crc})`)
  if (batch.recordCount !== batch.lastOffsetDelta + 1 || batch.recordCount === 0) {
    return invalid(`Inconsistent batch offset range [0, ${batch.lastOffsetDelta}] and count of records ${batch.recordCount}`)
  }
  if (batch.isControl) return invalid('Clients are not allowed to write control records')
  if (batch.producerId >= 0 && batch.baseSequence < 0) return invalid(`Invalid sequence number ${batch.baseSequence} in record batch with producerId ${batch.producerId}`)
  if (batch.isTransactional && batch.producerId < 0) return invalid('a transactional batch without a producer id')
  return null
}

function validateBatch (batch: RecordBatch, { config, now }: ValidateOptions): RecordBatch | BatchRefusal {
  const compression = config.compression ?? batch.compression
  const errors: RecordError[] = []
  let hasInvalidTimestamp = false
  let maxTimestamp = NO_TIMESTAMP
  let isInOrder = true
  let index = 0
  for (const record of readRecords(batch)) {
    const timestampError = timestampProblem(batch, record, config, now)
    if (timestampError !== null) hasInvalidTimestamp = true
    const problem = config.isCompacted && record.key === null ? 'Compacted topic cannot accept message without key' : timestampError
    if (problem !== null && errors.length < MAX_SHOWN_ERRORS) errors.push({ batchIndex: index, batchIndexErrorMessage: problem })
    if (record.timestamp > maxTimestamp) maxTimestamp = record.timestamp
    if (record.offset !== index) isInOrder = false
    index++
  }
  if (errors.length > 0) {
    return hasInvalidTimestamp
      ? { errorCode: ErrorCodes.INVALID_TIMESTAMP, errorMessage: 'One or more records have been rejected due to invalid timestamp', recordErrors: errors }
      : { errorCode: ErrorCodes.INVALID_RECORD, errorMessage: `One or more records have been rejected: ${errors[0]?.batchIndexErrorMessage ?? ''}`, recordErrors: errors }
  }
  // Kafka looks at the offsets within a batch only where it is compressed, and then writes them anew.
  const isKept = compression === batch.compression && (isInOrder || compression === CODECS.none)
  const accepted = isKept ? batch : rebuild(batch, compression, config.isLogAppendTime ? now : null)
  const stamped = stamp(accepted, config.isLogAppendTime, config.isLogAppendTime ? now : maxTimestamp)
  if (stamped.sizeBytes > config.maxMessageBytes) {
    return refuse(ErrorCodes.MESSAGE_TOO_LARGE, `The record batch size is ${stamped.sizeBytes} bytes which exceeds the maximum configured value of ${config.maxMessageBytes}.`)
  }
  if (stamped.sizeBytes > config.segmentBytes) {
    return refuse(ErrorCodes.RECORD_LIST_TOO_LARGE, `The batch of ${stamped.sizeBytes} bytes exceeds the maximum configured segment size of ${config.segmentBytes}.`)
  }
  return stamped
}

function timestampProblem (batch: RecordBatch, record: KafkaRecord, config: TopicConfig, now: number): string | null {
  if (config.isLogAppendTime || record.timestamp === NO_TIMESTAMP) {
    return batch.isLogAppendTime ? 'Producers should not set the timestamp type to LogAppendTime' : null
  }
  if (now - record.timestamp > config.timestampBeforeMaxMs || record.timestamp - now > config.timestampAfterMaxMs) {
    return `Timestamp ${record.timestamp} is out of range [${now - config.timestampBeforeMaxMs}, ${now + config.timestampAfterMaxMs}]`
  }
  return null
}

/** Writes the records into a new batch, with another codec. */
function rebuild (batch: RecordBatch, compression: number, logAppendTime: number | null): RecordBatch {
  const bytes = buildBatch({
    records: Array.from(readRecords(batch), ({ timestamp, key, value, headers }) => ({ timestamp, key, value, headers })),
    compression,
    ...(logAppendTime === null ? {} : { logAppendTime }),
    producerId: batch.producerId,
    producerEpoch: batch.producerEpoch,
    baseSequence: batch.baseSequence,
    isTransactional: batch.isTransactional
  })
  return new RecordBatch(bytes, 0, bytes.length)
}

/**
 * Gives the batch its timestamp type and its largest timestamp, and a new CRC where that changes it (DefaultRecordBatch.setMaxTimestamp).
 * Timestamps beyond 2^53, which are not exact here, are left as the producer wrote them.
 */
function stamp (batch: RecordBatch, isLogAppendTime: boolean, maxTimestamp: number): RecordBatch {
  if (batch.isLogAppendTime === isLogAppendTime && (batch.maxTimestamp === maxTimestamp || !Number.isSafeInteger(maxTimestamp))) return batch
  const bytes = Buffer.from(batch.bytes)
  bytes.writeInt16BE(isLogAppendTime ? batch.attributes | LOG_APPEND_TIME_FLAG : batch.attributes & ~LOG_APPEND_TIME_FLAG, ATTRIBUTES_AT)
  bytes.writeBigInt64BE(BigInt(maxTimestamp), MAX_TIMESTAMP_AT)
  bytes.writeUInt32BE(crc32c(bytes.subarray(ATTRIBUTES_AT)), CRC_AT)
  return new RecordBatch(bytes, 0, bytes.length)
}

function invalid (errorMessage: string): BatchRefusal {
  return refuse(ErrorCodes.INVALID_RECORD, errorMessage)
}

function refuse (errorCode: number, errorMessage: string): BatchRefusal {
  return { errorCode, errorMessage, recordErrors: [] }
}
