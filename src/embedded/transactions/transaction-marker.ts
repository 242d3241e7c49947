import { buildBatch } from '../../../protocol/records/build-batch.ts'
import { RecordBatch } from '../../../protocol/records/record-batch.ts'

const VERSION = 0
const ABORT = 0
const COMMIT = 1

export interface TransactionEnd {
  readonly producerId: number
  readonly producerEpoch: number
  readonly isCommitted: boolean
  /** Milliseconds since 1970. */
  readonly timestamp: number
}

/** The control batch that ends a transaction in a partition. Source: org.apache.kafka.common.record.EndTransactionMarker. */
export function transactionMarker ({ producerId, producerEpoch, isCommitted, timestamp }: TransactionEnd): RecordBatch {
  const key = Buffer.alloc(4)
  key.writeInt16BE(VERSION, 0)
  key.writeInt16BE(isCommitted ? COMMIT : ABORT, 2)
  // Version, and the epoch of the coordinator, which is always the same here.
  const value = Buffer.alloc(6)
  const bytes = buildBatch({ records: [{ timestamp, key, value }], producerId, producerEpoch, isTransactional: true, isControl: true })
  return new RecordBatch(bytes, 0, bytes.length)
}
