import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { Fetch } from '../../../protocol/messages/fetch.ts'
import { readBatches, type RecordBatch } from '../../../protocol/records/record-batch.ts'
import { ShadowError } from '../../errors.ts'
import type { Cluster, PartitionView } from '../cluster.ts'

export interface BatchRequest {
  readonly topic: string
  /** Null where the cluster has no topic ids, or to ask by name whatever topic has it. */
  readonly topicId: string | null
  readonly partition: number
  readonly offset: number
  /** A first batch that is larger comes whole all the same. */
  readonly maxBytes: number
  readonly leader: Pick<PartitionView, 'leaderId' | 'leaderEpoch'>
}

export interface FetchedBatches {
  readonly errorCode: number
  readonly highWatermark: number
  readonly logStartOffset: number
  readonly lastStableOffset: number
  /** The first may begin before the offset that was asked for: a broker looks nothing up inside a batch. */
  readonly batches: readonly RecordBatch[]
}

/** The first version with record batches (magic 2), and the last one with topic names. */
const BATCHES_VERSION = 4
const NAMES_VERSION = 12

/**
 * What a partition holds from an offset on, as it is now: one request, no waiting for more, uncommitted records included.
 * @throws {ShadowError} when the leader cannot be asked, or leaves the partition out of its answer
 * @throws {DecodeError} when what it answers is no batches
 */
export async function fetchBatches (cluster: Cluster, request: BatchRequest, { signal }: { readonly signal: AbortSignal }): Promise<FetchedBatches> {
  const { topic, topicId, partition, offset, maxBytes, leader } = request
  const { body, version } = await cluster.request(Fetch, {
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes,
    topics: [{
      topic,
      ...(topicId === null ? {} : { topicId }),
      partitions: [{ partition, currentLeaderEpoch: leader.leaderEpoch, fetchOffset: BigInt(offset), partitionMaxBytes: maxBytes }]
    }]
  }, leader.leaderId, { signal, purpose: 'slow', minVersion: BATCHES_VERSION, ...(topicId === null ? { maxVersion: NAMES_VERSION } : {}) })
  if (body.errorCode !== ErrorCodes.NONE) return { errorCode: body.errorCode, highWatermark: -1, logStartOffset: -1, lastStableOffset: -1, batches: [] }
  const row = body.responses.find(response => version > NAMES_VERSION ? response.topicId === topicId : response.topic === topic)
    ?.partitions.find(({ partitionIndex }) => partitionIndex === partition)
  if (row === undefined) throw new ShadowError('BROKER_ERROR', `broker ${leader.leaderId} left ${topic}-${partition} out of its answer to Fetch`, { retriable: true })
  return {
    errorCode: row.errorCode,
    highWatermark: Number(row.highWatermark),
    logStartOffset: Number(row.logStartOffset),
    lastStableOffset: Number(row.lastStableOffset),
    batches: row.errorCode !== ErrorCodes.NONE || row.records === null ? [] : readBatches(row.records).batches
  }
}
