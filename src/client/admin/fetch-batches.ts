import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { DecodeError } from '../../../protocol/errors/protocol-errors.ts'
import { Fetch } from '../../../protocol/messages/fetch.ts'
import { readBatches, type RecordBatch } from '../../../protocol/records/record-batch.ts'
import type { ResponseOf } from '../../../protocol/schema/api.ts'
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

type Row = ResponseOf<typeof Fetch>['responses'][number]['partitions'][number]

/**
 * What a partition holds from an offset on, as it is now: one request, no waiting for more, uncommitted records included.
 * @throws {ShadowError} when the leader cannot be asked, or leaves the partition out of its answer
 * @throws {DecodeError} when what it answers is no batches
 */
export async function fetchBatches (cluster: Cluster, request: BatchRequest, options: { readonly signal: AbortSignal }): Promise<FetchedBatches> {
  const [answer] = await fetchBatchesOf(cluster, [request], options)
  if (answer === undefined || answer instanceof Error) throw answer ?? new ShadowError('INVARIANT', 'a partition was not asked for')
  return answer
}

/**
 * The same for several partitions that one broker is asked for, none of which is there twice; topics have ids in all rows or in none. One
 * answer for every row, in their order: an error where the broker leaves one out, or answers no batches. Only the first one is
 * sure to get a whole batch.
 * @throws {ShadowError} when the broker cannot be asked
 */
export async function fetchBatchesOf (cluster: Cluster, rows: readonly BatchRequest[], { signal }: { readonly signal: AbortSignal }): Promise<Array<FetchedBatches | Error>> {
  const [first] = rows
  if (first === undefined) return []
  const { leader: { leaderId }, topicId } = first
  const byTopic = new Map<string, BatchRequest[]>()
  for (const row of rows) {
    const known = byTopic.get(row.topic)
    if (known === undefined) byTopic.set(row.topic, [row])
    else known.push(row)
  }
  const { body, version } = await cluster.request(Fetch, {
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: rows.reduce((sum, { maxBytes }) => sum + maxBytes, 0),
    topics: [...byTopic].map(([topic, partitions]) => ({
      topic,
      ...(partitions[0]?.topicId == null ? {} : { topicId: partitions[0].topicId }),
      partitions: partitions.map(({ partition, offset, maxBytes, leader }) => ({ partition, currentLeaderEpoch: leader.leaderEpoch, fetchOffset: BigInt(offset), partitionMaxBytes: maxBytes }))
    }))
  }, leaderId, { signal, purpose: 'slow', minVersion: BATCHES_VERSION, ...(topicId === null ? { maxVersion: NAMES_VERSION } : {}) })
  if (body.errorCode !== ErrorCodes.NONE) return rows.map(() => ({ errorCode: body.errorCode, highWatermark: -1, logStartOffset: -1, lastStableOffset: -1, batches: [] }))
  const answers = new Map(body.responses.flatMap(response => response.partitions.map(row => [`${version > NAMES_VERSION ? response.topicId : response.topic}/${row.partitionIndex}`, row] as const)))
  return rows.map(({ topic, topicId: id, partition }) => {
    const row = answers.get(`${version > NAMES_VERSION ? id ?? '' : topic}/${partition}`)
    return row === undefined ? new ShadowError('BROKER_ERROR', `broker ${leaderId} left ${topic}-${partition} out of its answer to Fetch`, { retriable: true }) : fetchedOf(row)
  })
}

function fetchedOf (row: Row): FetchedBatches | DecodeError {
  try {
    return {
      errorCode: row.errorCode,
      highWatermark: Number(row.highWatermark),
      logStartOffset: Number(row.logStartOffset),
      lastStableOffset: Number(row.lastStableOffset),
      batches: row.errorCode !== ErrorCodes.NONE || row.records === null ? [] : readBatches(row.records).batches
    }
  } catch (error) {
    if (error instanceof DecodeError) return error
    throw error
  }
}
