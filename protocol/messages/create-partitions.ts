import { api } from '../schema/api.ts'
import { array, bool, int16, int32, string } from '../schema/field.ts'

/** Adds partitions to topics. */
export const CreatePartitions = api({
  key: 37,
  name: 'CreatePartitions',
  versions: '0-3',
  flexible: '2+',
  target: 'controller',
  request: {
    topics: array({
      name: string('0+', { entity: 'topicName' }),
      count: int32(),
      assignments: array({
        brokerIds: array(int32(), '0+', { entity: 'brokerId' })
      }, '0+', { nullable: '0+' })
    }),
    timeoutMs: int32(),
    validateOnly: bool()
  },
  response: {
    throttleTimeMs: int32(),
    results: array({
      name: string('0+', { entity: 'topicName' }),
      errorCode: int16(),
      errorMessage: string('0+', { nullable: '0+', default: null })
    })
  }
})
