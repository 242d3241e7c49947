import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { AddPartitionsToTxn } from '../../../protocol/messages/add-partitions-to-txn.ts'
import type { ResponseInput } from '../../../protocol/schema/api.ts'
import type { Judge } from '../verdict.ts'

/**
 * Refuses transactions that take in a read-only topic: their end would write a marker into it. Nothing of such a request is
 * forwarded, and the rows that are not to blame say so, as a broker does that refuses one for lack of rights.
 * Up to version 3: later ones are spoken between brokers only.
 */
export const judgeAddPartitionsToTxn: Judge<typeof AddPartitionsToTxn> = (body, { rules }) => {
  const topics = body.v3AndBelowTopics.map(topic => ({ ...topic, isRefused: rules.refusalOf(topic.name) !== null }))
  if (!topics.some(topic => topic.isRefused)) return null
  return {
    kind: 'answer',
    body: {
      throttleTimeMs: 0,
      resultsByTopicV3AndBelow: topics.map(({ name, partitions, isRefused }) => ({
        name,
        resultsByPartition: partitions.map(partitionIndex => ({
          partitionIndex,
          partitionErrorCode: isRefused ? ErrorCodes.POLICY_VIOLATION : ErrorCodes.OPERATION_NOT_ATTEMPTED
        }))
      }))
    }
  }
}

/** The answer to a request in a version that is not offered. */
export function refuseAddPartitionsToTxnVersion (): ResponseInput<typeof AddPartitionsToTxn> {
  return { throttleTimeMs: 0, errorCode: ErrorCodes.UNSUPPORTED_VERSION }
}
