import { api } from '../schema/api.ts'
import { array, int16, int32, int64, string } from '../schema/field.ts'

/** Stores offsets of a group as part of a transaction. */
export const TxnOffsetCommit = api({
  key: 28,
  name: 'TxnOffsetCommit',
  versions: '0-5',
  flexible: '3+',
  target: 'groupCoordinator',
  request: {
    transactionalId: string('0+', { entity: 'transactionalId' }),
    groupId: string('0+', { entity: 'groupId' }),
    producerId: int64('0+', { entity: 'producerId' }),
    producerEpoch: int16(),
    generationId: int32('3+', { default: -1 }),
    memberId: string('3+', { default: '' }),
    groupInstanceId: string('3+', { nullable: '3+', default: null }),
    topics: array({
      name: string('0+', { entity: 'topicName' }),
      partitions: array({
        partitionIndex: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32('2+', { default: -1, ignorable: true }),
        committedMetadata: string('0+', { nullable: '0+' })
      })
    })
  },
  response: {
    throttleTimeMs: int32(),
    topics: array({
      name: string('0+', { entity: 'topicName' }),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16()
      })
    })
  }
})
