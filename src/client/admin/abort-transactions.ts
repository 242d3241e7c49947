import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { WriteTxnMarkers } from '../../../protocol/messages/write-txn-markers.ts'
import { BrokerError } from '../../errors.ts'
import type { Cluster } from '../cluster.ts'
import { askLeaders, type AskLeadersOptions, type PartitionRow } from './ask-leaders.ts'
import type { RowOutcome } from './error-row.ts'

/** A transaction that is open in a partition, by what the partition's leader knows of its producer. */
export interface OpenTransaction extends PartitionRow {
  readonly producerId: number
  readonly producerEpoch: number
  /** Of the last marker of this producer in the partition; -1 for none. */
  readonly coordinatorEpoch: number
}

/** Markers of version 2 follow other rules for epochs (KIP-890): an old one is what tools send (AbortTransactionHandler). */
const MAX_VERSION = 1

/**
 * Writes an ABORT marker for each transaction into its partition, as `kafka-transactions.sh abort` does. One answer for every
 * row, in their order; repeating one that succeeded writes a further marker, which changes nothing for readers.
 * @throws {ShadowError} ABORTED; CLUSTER_UNAVAILABLE when there is no metadata
 */
export async function abortTransactions (cluster: Cluster, rows: readonly OpenTransaction[], options: AskLeadersOptions): Promise<ReadonlyArray<PartitionRow & RowOutcome>> {
  const { signal } = options
  const answers = await askLeaders<OpenTransaction, RowOutcome>(cluster, rows, {
    ask: async (nodeId, led) => {
      const { body } = await cluster.request(WriteTxnMarkers, {
        markers: led.map(({ row }) => ({
          producerId: BigInt(row.producerId),
          producerEpoch: row.producerEpoch,
          transactionResult: false,
          topics: [{ name: row.topic, partitionIndexes: [row.partition] }],
          coordinatorEpoch: Math.max(0, row.coordinatorEpoch)
        }))
      }, nodeId, { signal, maxVersion: MAX_VERSION })
      return body.markers.flatMap(({ topics }) => topics.flatMap(({ name, partitions }) => partitions.map(({ partitionIndex, errorCode }) => ({
        topic: name,
        partition: partitionIndex,
        answer: { errorCode, error: errorCode === ErrorCodes.NONE ? null : new BrokerError(errorCode, `WriteTxnMarkers ${name}-${partitionIndex}`) }
      }))))
    },
    failed: outcome => outcome
  }, options)
  return answers.map((answer, index) => ({ topic: rows[index]?.topic ?? '', partition: rows[index]?.partition ?? -1, ...answer }))
}
