import { api } from '../schema/api.ts'
import { array, int16, int32, int8, string } from '../schema/field.ts'

/** Elects leaders of partitions, preferred or unclean (KIP-460). */
export const ElectLeaders = api({
  key: 43,
  name: 'ElectLeaders',
  versions: '0-2',
  flexible: '2+',
  target: 'controller',
  request: {
    electionType: int8('1+', { default: 0 }),
    topicPartitions: array({
      topic: string('0+', { entity: 'topicName' }),
      partitions: array(int32())
    }, '0+', { nullable: '0+' }),
    timeoutMs: int32('0+', { default: 60000 })
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16('1+', { default: 0 }),
    replicaElectionResults: array({
      topic: string('0+', { entity: 'topicName' }),
      partitionResult: array({
        partitionId: int32(),
        errorCode: int16(),
        errorMessage: string('0+', { nullable: '0+' })
      })
    })
  }
})
