/** Answers ListOffsets and OffsetForLeaderEpoch of followers. */
import { ErrorCodes } from '../../../../../protocol/errors/codes.ts'
import type { ListOffsets } from '../../../../../protocol/messages/list-offsets.ts'
import type { OffsetForLeaderEpoch } from '../../../../../protocol/messages/offset-for-leader-epoch.ts'
import type { RequestOf, ResponseInput } from '../../../../../protocol/schema/api.ts'
import type { OffsetLook } from '../follower-fetch.ts'
import type { ShadowPartition } from '../shadow-partition.ts'
import type { ShadowPartitions } from '../shadow-partitions.ts'

export function listOffsets (partitions: ShadowPartitions, body: RequestOf<typeof ListOffsets>): ResponseInput<typeof ListOffsets> {
  return {
    topics: body.topics.map(topic => ({
      name: topic.name,
      partitions: topic.partitions.map(({ partitionIndex, currentLeaderEpoch, timestamp }) => {
        const look = ask(partitions, topic.name, partitionIndex, shadow => shadow.listOffset(body.replicaId, currentLeaderEpoch, Number(timestamp)))
        return 'offset' in look
          ? { partitionIndex, errorCode: ErrorCodes.NONE, timestamp: -1n, offset: BigInt(look.offset), leaderEpoch: look.leaderEpoch }
          : { partitionIndex, errorCode: look.errorCode }
      })
    }))
  }
}

export function offsetForLeaderEpoch (partitions: ShadowPartitions, body: RequestOf<typeof OffsetForLeaderEpoch>): ResponseInput<typeof OffsetForLeaderEpoch> {
  return {
    topics: body.topics.map(({ topic, partitions: rows }) => ({
      topic,
      partitions: rows.map(({ partition, currentLeaderEpoch, leaderEpoch }) => {
        const look = ask(partitions, topic, partition, shadow => shadow.endOfEpoch(body.replicaId, currentLeaderEpoch, leaderEpoch))
        return 'offset' in look
          ? { partition, errorCode: ErrorCodes.NONE, leaderEpoch: look.leaderEpoch, endOffset: BigInt(look.offset) }
          : { partition, errorCode: look.errorCode }
      })
    }))
  }
}

function ask (partitions: ShadowPartitions, topic: string, index: number, question: (shadow: ShadowPartition) => OffsetLook): OffsetLook {
  const shadow = partitions.byName(topic, index)
  if (shadow !== null) return question(shadow)
  return { errorCode: partitions.knows(topic) ? ErrorCodes.NOT_LEADER_OR_FOLLOWER : ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION }
}
