import { api } from '../schema/api.ts'
import { array, int16, int32, int64, string } from '../schema/field.ts'

/** The producers that a partition knows (KIP-664). */
export const DescribeProducers = api({
  key: 61,
  name: 'DescribeProducers',
  versions: '0',
  flexible: '0+',
  target: 'leader',
  request: {
    topics: array({
      name: string('0+', { entity: 'topicName' }),
      partitionIndexes: array(int32())
    })
  },
  response: {
    throttleTimeMs: int32(),
    topics: array({
      name: string('0+', { entity: 'topicName' }),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string('0+', { nullable: '0+', default: null }),
        activeProducers: array({
          producerId: int64('0+', { entity: 'producerId' }),
          producerEpoch: int32(),
          lastSequence: int32('0+', { default: -1 }),
          lastTimestamp: int64('0+', { default: -1n }),
          coordinatorEpoch: int32(),
          currentTxnStartOffset: int64('0+', { default: -1n })
        })
      })
    })
  }
})
