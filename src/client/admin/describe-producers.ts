import { DescribeProducers } from '../../../protocol/messages/describe-producers.ts'
import { BrokerError } from '../../errors.ts'
import type { Cluster } from '../cluster.ts'
import { askLeaders, byTopic, type AskLeadersOptions, type PartitionRow } from './ask-leaders.ts'
import type { RowOutcome } from './error-row.ts'

export interface ProducerState {
  readonly producerId: number
  readonly producerEpoch: number
  /** -1: none. */
  readonly lastSequence: number
  readonly lastTimestampMs: number
  readonly coordinatorEpoch: number
  /** The first offset of the transaction that is open; -1 when there is none. */
  readonly currentTxnStartOffset: number
}

export interface PartitionProducers extends PartitionRow, RowOutcome {
  readonly producers: readonly ProducerState[]
}

/**
 * The producers that partitions know (KIP-664, brokers from 2.8 on); one answer for every row, in their order.
 * @throws {ShadowError} ABORTED; CLUSTER_UNAVAILABLE when there is no metadata
 */
export async function describeProducers (cluster: Cluster, partitions: readonly PartitionRow[], options: AskLeadersOptions): Promise<readonly PartitionProducers[]> {
  const { signal } = options
  const answers = await askLeaders<PartitionRow, RowOutcome & { readonly producers: readonly ProducerState[] }>(cluster, partitions, {
    ask: async (nodeId, led) => {
      const { body } = await cluster.request(DescribeProducers, {
        topics: [...byTopic(led)].map(([name, rows]) => ({ name, partitionIndexes: rows.map(({ row }) => row.partition) }))
      }, nodeId, { signal, purpose: 'slow' })
      return body.topics.flatMap(({ name, partitions }) => partitions.map(({ partitionIndex, errorCode, errorMessage, activeProducers }) => ({
        topic: name,
        partition: partitionIndex,
        answer: {
          errorCode,
          error: errorCode === 0 ? null : new BrokerError(errorCode, `DescribeProducers ${name}-${partitionIndex}`, errorMessage),
          producers: activeProducers.map(producer => ({
            producerId: Number(producer.producerId),
            producerEpoch: producer.producerEpoch,
            lastSequence: producer.lastSequence,
            lastTimestampMs: Number(producer.lastTimestamp),
            coordinatorEpoch: producer.coordinatorEpoch,
            currentTxnStartOffset: Number(producer.currentTxnStartOffset)
          }))
        }
      })))
    },
    failed: outcome => ({ ...outcome, producers: [] })
  }, options)
  return answers.map((answer, index) => ({ topic: partitions[index]?.topic ?? '', partition: partitions[index]?.partition ?? -1, ...answer }))
}
