import { api } from '../schema/api.ts'
import { array, int16, int32, int64, string, uuid, ZERO_UUID } from '../schema/field.ts'

/** Stores the offsets that a group has consumed. */
export const OffsetCommit = api({
  key: 8,
  name: 'OffsetCommit',
  versions: '0-10',
  flexible: '8+',
  target: 'groupCoordinator',
  request: {
    groupId: string('0+', { entity: 'groupId' }),
    generationIdOrMemberEpoch: int32('1+', { default: -1, ignorable: true }),
    memberId: string('1+', { default: '', ignorable: true }),
    groupInstanceId: string('7+', { nullable: '7+', default: null }),
    retentionTimeMs: int64('2-4', { default: -1n, ignorable: true }),
    topics: array({
      name: string('0-9', { default: '', ignorable: true, entity: 'topicName' }),
      topicId: uuid('10+', { default: ZERO_UUID, ignorable: true, entity: 'topicId' }),
      partitions: array({
        partitionIndex: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32('6+', { default: -1, ignorable: true }),
        commitTimestamp: int64('1', { default: -1n }),
        committedMetadata: string('0+', { nullable: '0+' })
      })
    })
  },
  response: {
    throttleTimeMs: int32('3+', { default: 0, ignorable: true }),
    topics: array({
      name: string('0-9', { default: '', ignorable: true, entity: 'topicName' }),
      topicId: uuid('10+', { default: ZERO_UUID, ignorable: true, entity: 'topicId' }),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16()
      })
    })
  }
})
