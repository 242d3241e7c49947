import { api } from '../schema/api.ts'
import { array, int16, int32, string } from '../schema/field.ts'

/** The moves of partitions that are under way (KIP-455). */
export const ListPartitionReassignments = api({
  key: 46,
  name: 'ListPartitionReassignments',
  versions: '0',
  flexible: '0+',
  target: 'controller',
  request: {
    timeoutMs: int32('0+', { default: 60000 }),
    topics: array({
      name: string('0+', { entity: 'topicName' }),
      partitionIndexes: array(int32())
    }, '0+', { nullable: '0+', default: null })
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string('0+', { nullable: '0+' }),
    topics: array({
      name: string('0+', { entity: 'topicName' }),
      partitions: array({
        partitionIndex: int32(),
        replicas: array(int32(), '0+', { entity: 'brokerId' }),
        addingReplicas: array(int32(), '0+', { entity: 'brokerId' }),
        removingReplicas: array(int32(), '0+', { entity: 'brokerId' })
      })
    })
  }
})
