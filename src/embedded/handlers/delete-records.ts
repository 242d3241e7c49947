import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { DeleteRecords } from '../../../protocol/messages/delete-records.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import type { BrokerState } from '../broker-state.ts'

/** Stands for everything that is committed. */
const HIGH_WATERMARK = -1

export function deleteRecords (state: BrokerState, body: RequestOf<typeof DeleteRecords>): ResponseInput<typeof DeleteRecords> {
  return {
    throttleTimeMs: 0,
    topics: body.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, offset }) => {
        const topic = state.topics.byName(name)
        const log = topic?.partitions[partitionIndex]
        if (topic === null || log === undefined) return { partitionIndex, lowWatermark: -1n, errorCode: ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION }
        if (!topic.config.isDeleted) return { partitionIndex, lowWatermark: -1n, errorCode: ErrorCodes.POLICY_VIOLATION }
        const target = Number(offset) === HIGH_WATERMARK ? log.highWatermark : Number(offset)
        if (target < 0 || target > log.highWatermark) return { partitionIndex, lowWatermark: -1n, errorCode: ErrorCodes.OFFSET_OUT_OF_RANGE }
        log.advanceLogStart(target)
        return { partitionIndex, lowWatermark: BigInt(log.logStartOffset), errorCode: ErrorCodes.NONE }
      })
    }))
  }
}
