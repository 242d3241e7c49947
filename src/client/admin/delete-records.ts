import { DeleteRecords } from '../../../protocol/messages/delete-records.ts'
import type { Cluster } from '../cluster.ts'
import { ADMIN_TIMEOUT_MS, ADMIN_REQUEST_TIMEOUT_MS } from './admin-timeout.ts'
import { askLeaders, byTopic, type PartitionRow } from './ask-leaders.ts'
import type { RowOutcome } from './error-row.ts'

export interface DeleteRecordsRow extends PartitionRow {
  /** The new start of the log; -1: its high watermark. */
  readonly beforeOffset: number
}

export interface DeletedRecords extends PartitionRow, RowOutcome {
  /** The new start of the log on all live replicas; -1 when the row failed. */
  readonly lowWatermark: number
}

export interface DeleteRecordsOptions {
  readonly signal: AbortSignal
  /** Called at the moment of sending each request: what it throws is thrown, or told for the rows of it, and nothing is sent. */
  readonly beforeSend?: () => void
}

/**
 * Moves the start of partition logs forward; one answer for every row, in their order.
 * @throws {ShadowError} ABORTED; CLUSTER_UNAVAILABLE when there is no metadata
 */
export async function deleteRecords (cluster: Cluster, rows: readonly DeleteRecordsRow[], { signal, beforeSend = () => {} }: DeleteRecordsOptions): Promise<readonly DeletedRecords[]> {
  const answers = await askLeaders<DeleteRecordsRow, RowOutcome & { readonly lowWatermark: number }>(cluster, rows, {
    ask: async (nodeId, led) => {
      const { body } = await cluster.request(DeleteRecords, () => {
        beforeSend()
        return {
          timeoutMs: ADMIN_TIMEOUT_MS,
          topics: [...byTopic(led)].map(([name, partitions]) => ({
            name, partitions: partitions.map(({ row }) => ({ partitionIndex: row.partition, offset: BigInt(row.beforeOffset) }))
          }))
        }
      }, nodeId, { signal, purpose: 'slow', timeoutMs: ADMIN_REQUEST_TIMEOUT_MS })
      return body.topics.flatMap(({ name, partitions }) => partitions.map(({ partitionIndex, errorCode, lowWatermark }) => ({
        topic: name, partition: partitionIndex, answer: { errorCode, error: null, lowWatermark: Number(lowWatermark) }
      })))
    },
    failed: outcome => ({ ...outcome, lowWatermark: -1 })
  }, { signal })
  return answers.map((answer, index) => ({ topic: rows[index]?.topic ?? '', partition: rows[index]?.partition ?? -1, ...answer }))
}
