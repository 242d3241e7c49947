import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { DescribeProducers } from '../../../protocol/messages/describe-producers.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import type { BrokerState } from '../broker-state.ts'

export function describeProducers (state: BrokerState, body: RequestOf<typeof DescribeProducers>): ResponseInput<typeof DescribeProducers> {
  return {
    throttleTimeMs: 0,
    topics: body.topics.map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map(partitionIndex => {
        const log = state.topics.partition(name, partitionIndex)
        if (log === null) return { partitionIndex, errorCode: ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION, activeProducers: [] }
        return {
          partitionIndex,
          errorCode: ErrorCodes.NONE,
          activeProducers: Array.from(log.producers, ({ producerId, epoch, batches, lastTimestamp, coordinatorEpoch, transactionStart }) => ({
            producerId: BigInt(producerId),
            producerEpoch: epoch,
            lastSequence: batches.at(-1)?.lastSequence ?? -1,
            lastTimestamp: BigInt(lastTimestamp),
            coordinatorEpoch,
            currentTxnStartOffset: BigInt(transactionStart ?? -1)
          }))
        }
      })
    }))
  }
}
