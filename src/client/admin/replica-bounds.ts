import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { ListOffsets } from '../../../protocol/messages/list-offsets.ts'
import { BrokerError } from '../../errors.ts'
import type { Cluster } from '../cluster.ts'
import { checkAnswer } from './check-answer.ts'
import { fetchBatches } from './fetch-batches.ts'
import { DEBUGGING_REPLICA_ID, EARLIEST_TIMESTAMP } from './list-offsets.ts'

/** One replica of a partition, by the broker that holds it. */
export interface ReplicaOf {
  readonly topic: string
  readonly topicId: string | null
  readonly partition: number
  readonly brokerId: number
}

export interface ReplicaBounds {
  readonly logStartOffset: number
  /** What the replica shows to consumers. */
  readonly highWatermark: number
}

const ANY_EPOCH = -1

/**
 * Where the log of one replica starts and ends, whether it leads or follows: a follower answers replica id -2, and a consumer's
 * Fetch from version 11 on (KIP-392).
 * @throws {BrokerError} what the broker says against it; {ShadowError} when it cannot be asked
 */
export async function replicaBounds (cluster: Cluster, { topic, topicId, partition, brokerId }: ReplicaOf, { signal }: { readonly signal: AbortSignal }): Promise<ReplicaBounds> {
  const { body } = await cluster.request(ListOffsets, {
    replicaId: DEBUGGING_REPLICA_ID,
    topics: [{ name: topic, partitions: [{ partitionIndex: partition, currentLeaderEpoch: ANY_EPOCH, timestamp: BigInt(EARLIEST_TIMESTAMP) }] }]
  }, brokerId, { signal, minVersion: 4 })
  const what = `ListOffsets ${topic}-${partition} of broker ${brokerId}`
  const row = body.topics[0]?.partitions[0]
  checkAnswer(row, what)
  const logStartOffset = Number(row?.offset ?? -1n)
  const fetched = await fetchBatches(cluster, { topic, topicId, partition, offset: logStartOffset, maxBytes: 1, leader: { leaderId: brokerId, leaderEpoch: ANY_EPOCH } }, { signal })
  if (fetched.errorCode !== ErrorCodes.NONE) throw new BrokerError(fetched.errorCode, `Fetch ${topic}-${partition} of broker ${brokerId}`)
  return { logStartOffset, highWatermark: fetched.highWatermark }
}
