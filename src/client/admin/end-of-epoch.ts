import { OffsetForLeaderEpoch } from '../../../protocol/messages/offset-for-leader-epoch.ts'
import type { Cluster } from '../cluster.ts'
import { askLeaders, byTopic, type AskLeadersOptions, type PartitionRow } from './ask-leaders.ts'
import type { RowOutcome } from './error-row.ts'

export interface EpochRow extends PartitionRow {
  readonly leaderEpoch: number
}

export interface EpochEnd extends PartitionRow, RowOutcome {
  /** The highest epoch in the log that is not above the one that was asked for; -1 when there is none. */
  readonly leaderEpoch: number
  /** The offset after the last record of it; -1 when there is none. */
  readonly endOffset: number
}

/** The first version that brokers let a client ask. */
const MIN_VERSION = 3
const CONSUMER_REPLICA_ID = -1

/**
 * Where leader epochs end in the logs of partitions (KIP-279), by their leaders; one answer for every row, in their order.
 * @throws {ShadowError} ABORTED; CLUSTER_UNAVAILABLE when there is no metadata
 */
export async function endOfEpoch (cluster: Cluster, rows: readonly EpochRow[], options: AskLeadersOptions): Promise<readonly EpochEnd[]> {
  const { signal } = options
  const answers = await askLeaders<EpochRow, Omit<EpochEnd, 'topic' | 'partition'>>(cluster, rows, {
    ask: async (nodeId, led) => {
      const { body } = await cluster.request(OffsetForLeaderEpoch, {
        replicaId: CONSUMER_REPLICA_ID,
        topics: [...byTopic(led)].map(([topic, partitions]) => ({ topic, partitions: partitions.map(({ row, leader }) => ({ partition: row.partition, currentLeaderEpoch: leader.leaderEpoch, leaderEpoch: row.leaderEpoch })) }))
      }, nodeId, { signal, minVersion: MIN_VERSION })
      return body.topics.flatMap(({ topic, partitions }) => partitions.map(row => ({
        topic, partition: row.partition, answer: { errorCode: row.errorCode, error: null, leaderEpoch: row.leaderEpoch, endOffset: Number(row.endOffset) }
      })))
    },
    failed: outcome => ({ ...outcome, leaderEpoch: -1, endOffset: -1 })
  }, options)
  return answers.map((answer, index) => ({ topic: rows[index]?.topic ?? '', partition: rows[index]?.partition ?? -1, ...answer }))
}
