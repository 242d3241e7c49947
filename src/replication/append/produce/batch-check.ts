/**
 * What append mode `produce` can carry exactly. A Produce request makes a broker assign offsets, so it can create neither
 * gaps nor control batches nor transactions, and it rewrites old formats and broker-assigned timestamps
 * (facts/kafka-replica-mode.md §11). Whatever is refused here is refused before a byte of it is sent.
 */
import type { RecordBatch } from '../../../../protocol/records/record-batch.ts'
import type { FaultCode } from '../../../state/topic-state.ts'

export interface BatchRefusal {
  readonly code: FaultCode
  readonly reason: string
}

/**
 * Null when `batch`, found where `expected` is the next offset to copy, can be appended exactly; the reason otherwise.
 * The CRC is checked before: what a damaged batch says of itself means nothing.
 */
export function refusalOf (batch: RecordBatch, expected: number): BatchRefusal | null {
  const { baseOffset } = batch
  if (batch.magic !== 2) return refuse('OLD_MESSAGE_FORMAT', `the batch at offset ${baseOffset} has message format ${batch.magic}, which a Produce request can no longer carry`)
  if (baseOffset > expected) return refuse('OFFSET_GAP', `offsets ${expected} to ${baseOffset - 1} are missing on the source (compaction, or an aborted transaction's marker), and a Produce request cannot leave a gap`)
  if (baseOffset < expected) return refuse('DIVERGED', `the source has a batch from ${baseOffset} to ${batch.lastOffset} where the shadow ends at ${expected}: their batches differ`)
  if (batch.isControl) return refuse('CONTROL_BATCH', `the batch at offset ${baseOffset} is a transaction marker, which a Produce request cannot carry`)
  if (batch.isTransactional) return refuse('TRANSACTIONAL_BATCH', `the batch at offset ${baseOffset} is part of a transaction, which a Produce request cannot carry unchanged`)
  if (batch.isLogAppendTime) return refuse('LOG_APPEND_TIME', `the batch at offset ${baseOffset} has a timestamp that the source broker assigned (LogAppendTime), which the shadow broker would overwrite`)
  if (batch.recordCount !== batch.lastOffsetDelta + 1) {
    return refuse('OFFSET_GAP', `the batch from ${baseOffset} to ${batch.lastOffset} holds ${batch.recordCount} records: compaction left holes inside it, which a Produce request cannot carry`)
  }
  return null
}

function refuse (code: FaultCode, reason: string): BatchRefusal {
  return { code, reason }
}
