import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { OffsetForLeaderEpoch } from '../../../protocol/messages/offset-for-leader-epoch.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import type { BrokerState } from '../broker-state.ts'
import { checkLeaderEpoch } from './leader-epoch-check.ts'

export function offsetForLeaderEpoch (state: BrokerState, body: RequestOf<typeof OffsetForLeaderEpoch>): ResponseInput<typeof OffsetForLeaderEpoch> {
  return {
    topics: body.topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition, currentLeaderEpoch, leaderEpoch }) => {
        const log = state.topics.partition(topic, partition)
        if (log === null) return { partition, errorCode: ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION }
        const errorCode = checkLeaderEpoch(log, currentLeaderEpoch)
        if (errorCode !== ErrorCodes.NONE) return { partition, errorCode }
        const end = log.endOfEpoch(leaderEpoch)
        return { partition, errorCode, leaderEpoch: end.epoch, endOffset: BigInt(end.endOffset) }
      })
    }))
  }
}
