import { api } from '../schema/api.ts'
import { array, bool, int16, int32, int64, int8, string } from '../schema/field.ts'

/** Writes the markers that end transactions into partitions; spoken between brokers and by tools. */
export const WriteTxnMarkers = api({
  key: 27,
  name: 'WriteTxnMarkers',
  versions: '0-2',
  flexible: '1+',
  target: 'leader',
  request: {
    markers: array({
      producerId: int64('0+', { entity: 'producerId' }),
      producerEpoch: int16(),
      transactionResult: bool(),
      topics: array({
        name: string('0+', { entity: 'topicName' }),
        partitionIndexes: array(int32())
      }),
      coordinatorEpoch: int32(),
      transactionVersion: int8('2+', { default: 0, ignorable: true })
    })
  },
  response: {
    markers: array({
      producerId: int64('0+', { entity: 'producerId' }),
      topics: array({
        name: string('0+', { entity: 'topicName' }),
        partitions: array({
          partitionIndex: int32(),
          errorCode: int16()
        })
      })
    })
  }
})
