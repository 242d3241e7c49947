import { api } from '../schema/api.ts'
import { array, int16, int32, int64, string } from '../schema/field.ts'

/** Moves the start of partition logs forward. */
export const DeleteRecords = api({
  key: 21,
  name: 'DeleteRecords',
  versions: '0-2',
  flexible: '2+',
  target: 'leader',
  request: {
    topics: array({
      name: string('0+', { entity: 'topicName' }),
      partitions: array({
        partitionIndex: int32(),
        offset: int64()
      })
    }),
    timeoutMs: int32()
  },
  response: {
    throttleTimeMs: int32(),
    topics: array({
      name: string('0+', { entity: 'topicName' }),
      partitions: array({
        partitionIndex: int32(),
        lowWatermark: int64(),
        errorCode: int16()
      })
    })
  }
})
