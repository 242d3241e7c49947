import { ListOffsets } from '../../../protocol/messages/list-offsets.ts'
import type { Cluster } from '../cluster.ts'
import { askLeaders, byTopic, type PartitionRow } from './ask-leaders.ts'
import type { RowOutcome } from './error-row.ts'

/** What `timestamp` asks for when it is no time (ListOffsetsRequest). */
export const LATEST_TIMESTAMP = -1
export const EARLIEST_TIMESTAMP = -2
export const MAX_TIMESTAMP = -3

export const CONSUMER_REPLICA_ID = -1
export const DEBUGGING_REPLICA_ID = -2

export interface OffsetRow extends PartitionRow {
  /** -1 latest, -2 earliest, -3 the record with the highest timestamp, or a time in ms: the first record at or after it. */
  readonly timestamp: number
}

export interface ListedOffset extends PartitionRow, RowOutcome {
  /** -1 when no record is at or after the time that was asked for. */
  readonly offset: number
  readonly timestamp: number
  /** -1 when not known. */
  readonly leaderEpoch: number
}

export interface ListOffsetsOptions {
  readonly signal: AbortSignal
  /**
   * -1 (default), a consumer: the latest offset is the high watermark, or the last stable offset with isolationLevel 1.
   * -2: the latest offset is the log's end, whatever its replicas have of it. A broker answers this without checking that it is
   * the leader (`fetchOnlyFromLeader` in ReplicaManager.fetchOffset, and `isolationLevel` None in Partition.fetchOffsetForTimestamp),
   * so the current leader epoch goes with it: a broker that knows of a newer leader then refuses. An answer of a broker that
   * has not learned of its successor yet cannot be told from a leader's.
   */
  readonly replicaId?: number
  /** 0 read uncommitted (default), 1 read committed. */
  readonly isolationLevel?: number
}

/** -3 came with version 7 (KIP-734); version 0 answers in another form and is gone from brokers of today. */
const MIN_VERSION = 1
const MAX_TIMESTAMP_VERSION = 7

/**
 * Offsets of partitions, each from its leader; one answer for every row, in their order. A partition may be asked for more than once.
 * @throws {ShadowError} ABORTED; CLUSTER_UNAVAILABLE when there is no metadata
 */
export async function listOffsets (cluster: Cluster, rows: readonly OffsetRow[], options: ListOffsetsOptions): Promise<readonly ListedOffset[]> {
  const { signal, replicaId = CONSUMER_REPLICA_ID, isolationLevel = 0 } = options
  const answers = await askLeaders<OffsetRow, Omit<ListedOffset, 'topic' | 'partition'>>(cluster, rows, {
    ask: async (nodeId, led) => {
      const topics = [...byTopic(led)].map(([name, partitions]) => ({
        name,
        partitions: partitions.map(({ row, leader }) => ({ partitionIndex: row.partition, currentLeaderEpoch: leader.leaderEpoch, timestamp: BigInt(row.timestamp) }))
      }))
      const { body } = await cluster.request(ListOffsets, version => ({
        replicaId, topics, isolationLevel: version < 2 ? 0 : isolationLevel
      }), nodeId, { signal, minVersion: led.some(({ row }) => row.timestamp === MAX_TIMESTAMP) ? MAX_TIMESTAMP_VERSION : isolationLevel === 0 ? MIN_VERSION : 2 })
      return body.topics.flatMap(({ name, partitions }) => partitions.map(({ partitionIndex, errorCode, offset, timestamp, leaderEpoch }) => ({
        topic: name, partition: partitionIndex, answer: { errorCode, error: null, offset: Number(offset), timestamp: Number(timestamp), leaderEpoch }
      })))
    },
    failed: outcome => ({ ...outcome, offset: -1, timestamp: -1, leaderEpoch: -1 })
  }, { signal })
  return answers.map((answer, index) => ({ topic: rows[index]?.topic ?? '', partition: rows[index]?.partition ?? -1, ...answer }))
}
