/** What becomes of those who want to write to a shadow partition: nothing is ever written but what followers fetch. */
import { ErrorCodes } from '../../../../../protocol/errors/codes.ts'
import type { Produce } from '../../../../../protocol/messages/produce.ts'
import type { WriteTxnMarkers } from '../../../../../protocol/messages/write-txn-markers.ts'
import type { RequestOf, ResponseInput } from '../../../../../protocol/schema/api.ts'
import type { ShadowPartition } from '../shadow-partition.ts'
import type { ShadowPartitions } from '../shadow-partitions.ts'

/** Refuses all that is produced. Whoever comes after leadership has gone elsewhere is sent there. */
export function refuseProduce (partitions: ShadowPartitions, body: RequestOf<typeof Produce>): ResponseInput<typeof Produce> {
  return {
    responses: body.topicData.map(({ name, topicId, partitionData }) => {
      const topic = name === '' ? partitions.nameOf(topicId) : name
      return {
        name,
        topicId,
        partitionResponses: partitionData.map(({ index }) => {
          const errorCode = topic === null ? ErrorCodes.UNKNOWN_TOPIC_ID : refusalOf(partitions, topic, index)
          const errorMessage = errorCode === ErrorCodes.POLICY_VIOLATION ? `read-only shadow topic ${topic ?? topicId}: it is copied from another cluster until it is failed over` : null
          return { index, errorCode, baseOffset: -1n, errorMessage }
        })
      }
    })
  }
}

/** A fatal code ends a producer at once: no other is right while the topic is a shadow, and none of that kind afterwards. */
function refusalOf (partitions: ShadowPartitions, topic: string, index: number): number {
  const partition = partitions.byName(topic, index)
  if (partition !== null && isLed(partition)) return ErrorCodes.POLICY_VIOLATION
  return partitions.knows(topic) ? ErrorCodes.NOT_LEADER_OR_FOLLOWER : ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION
}

/**
 * The end of a transaction that a client has put a shadow partition into: nothing of it was ever written there. Any other answer
 * would keep the coordinator asking, and the transaction from ending (facts/kafka-replica-mode.md §12.4). Partitions that are not led
 * are for the leader to mark.
 */
export function writeTxnMarkers (partitions: ShadowPartitions, body: RequestOf<typeof WriteTxnMarkers>): ResponseInput<typeof WriteTxnMarkers> {
  return {
    markers: body.markers.map(({ producerId, topics }) => ({
      producerId,
      topics: topics.map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.map(partitionIndex => {
          const partition = partitions.byName(name, partitionIndex)
          if (partition !== null && isLed(partition)) return { partitionIndex, errorCode: ErrorCodes.NONE }
          return { partitionIndex, errorCode: partitions.knows(name) ? ErrorCodes.NOT_LEADER_OR_FOLLOWER : ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION }
        })
      }))
    }))
  }
}

function isLed ({ phase, metadata }: ShadowPartition): boolean {
  return phase !== 'stopped' && metadata.isLeader
}
