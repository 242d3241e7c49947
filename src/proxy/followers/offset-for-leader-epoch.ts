import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { ListOffsets } from '../../../protocol/messages/list-offsets.ts'
import { OffsetForLeaderEpoch } from '../../../protocol/messages/offset-for-leader-epoch.ts'
import type { RequestOf, ResponseInput, ResponseOf } from '../../../protocol/schema/api.ts'
import { DEBUGGING_REPLICA_ID, LATEST_TIMESTAMP } from '../../client/admin/list-offsets.ts'
import { question } from '../question.ts'
import type { Judge } from '../verdict.ts'
import { partitionKey } from './partition-key.ts'

type PartitionRow = RequestOf<typeof OffsetForLeaderEpoch>['topics'][number]['partitions'][number]
type PartitionAnswer = ResponseInput<typeof OffsetForLeaderEpoch>['topics'][number]['partitions'][number]

/** One that every broker has, with an offset for each partition. */
const LIST_OFFSETS_VERSION = 5

/** In append mode replica all records are of this leader epoch (facts/kafka-replica-mode.md §5.6), until their source loses some (`on_source_truncation: follow`). */
const ONLY_EPOCH = 0
const NO_EPOCH = -1

/**
 * Followers refuse to say where a leader epoch ends, and a consumer that has to know waits for ever. It is told that the epoch ends where the
 * follower's log does, which is so while there is one: a shorter log is noticed, one that was rolled back and has grown again is not. What a broker answers by itself counts, among that every complaint about the epoch that the
 * client believes to be the current one.
 */
export const judgeOffsetForLeaderEpoch: Judge<typeof OffsetForLeaderEpoch> = (body, { reads, version }) => {
  if (body.replicaId >= 0) return null
  const followed = body.topics.filter(({ topic }) => reads.isReadFromFollowers(topic))
  if (followed.length === 0) return null
  const requested = new Map(followed.flatMap(({ topic, partitions }) => partitions.map(row => [partitionKey(topic, row.partition), row])))
  const ends = new Map<string, bigint>()
  let answer: ResponseOf<typeof OffsetForLeaderEpoch> | null = null
  return {
    kind: 'ask',
    questions: [
      question(OffsetForLeaderEpoch, version, body, theirs => { answer = theirs }),
      question(ListOffsets, LIST_OFFSETS_VERSION, {
        replicaId: DEBUGGING_REPLICA_ID,
        topics: followed.map(({ topic, partitions }) => ({ name: topic, partitions: partitions.map(({ partition }) => ({ partitionIndex: partition, timestamp: BigInt(LATEST_TIMESTAMP) })) }))
      }, ({ topics }) => {
        for (const { name, partitions } of topics) for (const row of partitions) if (row.errorCode === 0) ends.set(partitionKey(name, row.partitionIndex), row.offset)
      })
    ],
    isLast: true,
    next () {
      if (answer === null) throw new TypeError('a question was asked and has no answer')
      return {
        kind: 'answer',
        body: {
          ...answer,
          topics: answer.topics.map(({ topic, partitions }) => ({
            topic,
            partitions: partitions.map(row => {
              const key = partitionKey(topic, row.partition)
              return row.errorCode === ErrorCodes.NOT_LEADER_OR_FOLLOWER ? endOfEpoch(requested.get(key), ends.get(key)) ?? row : row
            })
          }))
        }
      }
    }
  }
}

/** Null where the end is not known: the client then asks again. */
function endOfEpoch (requested: PartitionRow | undefined, logEnd: bigint | undefined): PartitionAnswer | null {
  if (requested === undefined || logEnd === undefined) return null
  const { partition, leaderEpoch } = requested
  return leaderEpoch < ONLY_EPOCH
    ? { errorCode: 0, partition, leaderEpoch: NO_EPOCH, endOffset: -1n }
    : { errorCode: 0, partition, leaderEpoch: ONLY_EPOCH, endOffset: logEnd }
}
