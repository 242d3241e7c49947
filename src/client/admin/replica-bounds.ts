import { ListOffsets } from '../../../protocol/messages/list-offsets.ts'
import type { Cluster } from '../cluster.ts'
import { checkAnswer } from './check-answer.ts'
import { DEBUGGING_REPLICA_ID, EARLIEST_TIMESTAMP, LATEST_TIMESTAMP } from './list-offsets.ts'

/** One replica of a partition, by the broker that holds it. */
export interface ReplicaOf {
  readonly topic: string
  readonly partition: number
  readonly brokerId: number
}

export interface ReplicaBounds {
  readonly logStartOffset: number
  /** The end of its log; what it shows to consumers may end before. */
  readonly logEndOffset: number
}

const ANY_EPOCH = -1

/**
 * Where the log of one replica starts and ends, whether it leads or follows: a follower answers replica id -2.
 * @throws {BrokerError} what the broker says against it; {ShadowError} when it cannot be asked
 */
export async function replicaBounds (cluster: Cluster, { topic, partition, brokerId }: ReplicaOf, { signal }: { readonly signal: AbortSignal }): Promise<ReplicaBounds> {
  const offsetAt = async (timestamp: number): Promise<number> => {
    const { body } = await cluster.request(ListOffsets, {
      replicaId: DEBUGGING_REPLICA_ID,
      topics: [{ name: topic, partitions: [{ partitionIndex: partition, currentLeaderEpoch: ANY_EPOCH, timestamp: BigInt(timestamp) }] }]
    }, brokerId, { signal, minVersion: 4 })
    const row = body.topics[0]?.partitions[0]
    checkAnswer(row, `ListOffsets ${topic}-${partition} of broker ${brokerId}`)
    return Number(row?.offset ?? -1n)
  }
  // The end first: the start only goes up, and never past what was the end.
  const logEndOffset = await offsetAt(LATEST_TIMESTAMP)
  return { logStartOffset: await offsetAt(EARLIEST_TIMESTAMP), logEndOffset }
}
