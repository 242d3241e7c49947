/** What one broker tells a consumer of a partition: also a follower, which answers as well as a leader when it is asked in the right way. */
import { Fetch } from '../../protocol/messages/fetch.ts'
import { ListOffsets } from '../../protocol/messages/list-offsets.ts'
import { readBatches } from '../../protocol/records/record-batch.ts'
import type { Cluster } from '../../src/client/cluster.ts'

export interface AskedPartition {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly brokerId: number
}

export interface CommittedRead {
  readonly logStartOffset: number
  readonly highWatermark: number
  readonly lastStableOffset: number
  /** Up to where batches were answered. */
  readonly endOffset: number
  /** Producer and first offset of each, sorted. */
  readonly aborted: readonly string[]
}

const WAIT_MS = 30_000
const MAX_BYTES = 32 * 1024 * 1024
/** A consumer may fetch from a follower from this version on (KIP-392). */
const FOLLOWER_VERSION = 11
const LAST_NAMES_VERSION = 12
/** Who asks with it is answered by a follower too. */
const DEBUGGING_REPLICA_ID = -2

/** Reads a partition with read_committed from an offset to its end. @throws for any error of the broker */
export async function readCommitted (cluster: Cluster, { topic, topicId, partition, brokerId }: AskedPartition, fromOffset: number): Promise<CommittedRead> {
  const signal = AbortSignal.timeout(WAIT_MS)
  const aborted = new Set<string>()
  for (let offset = fromOffset; ;) {
    const { body, version } = await cluster.request(Fetch, {
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: MAX_BYTES,
      isolationLevel: 1,
      topics: [{ topic, topicId, partitions: [{ partition, currentLeaderEpoch: -1, fetchOffset: BigInt(offset), partitionMaxBytes: MAX_BYTES }] }]
    }, brokerId, { signal, minVersion: FOLLOWER_VERSION })
    const row = body.responses.find(response => version > LAST_NAMES_VERSION ? response.topicId === topicId : response.topic === topic)?.partitions[0]
    if (row === undefined || row.errorCode !== 0) throw new Error(`broker ${brokerId} answers a fetch of ${topic}-${partition} at ${offset} with error ${row?.errorCode ?? body.errorCode}`)
    for (const { producerId, firstOffset } of row.abortedTransactions ?? []) aborted.add(`${producerId} from ${firstOffset}`)
    const last = row.records === null ? undefined : readBatches(row.records).batches.at(-1)
    if (last === undefined || last.lastOffset < offset) {
      return {
        logStartOffset: Number(row.logStartOffset), highWatermark: Number(row.highWatermark), lastStableOffset: Number(row.lastStableOffset), endOffset: offset, aborted: [...aborted].sort()
      }
    }
    offset = last.lastOffset + 1
  }
}

/** What a broker says to each of these times: offset and timestamp. @throws for any error of the broker */
export async function offsetsAt (cluster: Cluster, { topic, partition, brokerId }: AskedPartition, timestamps: readonly number[]): Promise<string[]> {
  const signal = AbortSignal.timeout(WAIT_MS)
  const answers: string[] = []
  for (const timestamp of timestamps) {
    const { body } = await cluster.request(ListOffsets, {
      replicaId: DEBUGGING_REPLICA_ID, isolationLevel: 0, topics: [{ name: topic, partitions: [{ partitionIndex: partition, currentLeaderEpoch: -1, timestamp: BigInt(timestamp) }] }]
    }, brokerId, { signal, minVersion: 7 })
    const row = body.topics[0]?.partitions[0]
    if (row === undefined || row.errorCode !== 0) throw new Error(`broker ${brokerId} answers ListOffsets of ${topic}-${partition} at ${timestamp} with error ${row?.errorCode ?? 'none'}`)
    answers.push(`${timestamp}: offset ${row.offset} with timestamp ${row.timestamp}`)
  }
  return answers
}
