import { api } from '../schema/api.ts'
import { array, bool, int16, int32, int64, string, uuid, ZERO_UUID } from '../schema/field.ts'

/** Reads the offsets that groups have committed. */
export const OffsetFetch = api({
  key: 9,
  name: 'OffsetFetch',
  versions: '0-10',
  flexible: '6+',
  target: 'groupCoordinator',
  request: {
    groupId: string('0-7', { default: '', entity: 'groupId' }),
    topics: array({
      name: string('0+', { entity: 'topicName' }),
      partitionIndexes: array(int32())
    }, '0-7', { nullable: '2-7', default: [] }),
    groups: array({
      groupId: string('0+', { entity: 'groupId' }),
      memberId: string('9+', { nullable: '9+', default: null, ignorable: true }),
      memberEpoch: int32('9+', { default: -1, ignorable: true }),
      topics: array({
        name: string('0-9', { default: '', ignorable: true, entity: 'topicName' }),
        topicId: uuid('10+', { default: ZERO_UUID, ignorable: true, entity: 'topicId' }),
        partitionIndexes: array(int32())
      }, '0+', { nullable: '0+' })
    }, '8+', { default: [] }),
    requireStable: bool('7+', { default: false })
  },
  response: {
    throttleTimeMs: int32('3+', { default: 0, ignorable: true }),
    topics: array({
      name: string('0+', { entity: 'topicName' }),
      partitions: array({
        partitionIndex: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32('5+', { default: -1, ignorable: true }),
        metadata: string('0+', { nullable: '0+' }),
        errorCode: int16()
      })
    }, '0-7', { default: [] }),
    errorCode: int16('2-7', { default: 0, ignorable: true }),
    groups: array({
      groupId: string('0+', { entity: 'groupId' }),
      topics: array({
        name: string('0-9', { default: '', ignorable: true, entity: 'topicName' }),
        topicId: uuid('10+', { default: ZERO_UUID, ignorable: true, entity: 'topicId' }),
        partitions: array({
          partitionIndex: int32(),
          committedOffset: int64(),
          committedLeaderEpoch: int32('0+', { default: -1 }),
          metadata: string('0+', { nullable: '0+' }),
          errorCode: int16()
        })
      }),
      errorCode: int16('0+', { default: 0 })
    }, '8+', { default: [] })
  }
})
