import { api } from '../schema/api.ts'
import { array, int16, int32, int64, int8, string } from '../schema/field.ts'

/** Finds the first offset at or after a timestamp, the earliest or the latest, for each partition. */
export const ListOffsets = api({
  key: 2,
  name: 'ListOffsets',
  versions: '0-11',
  flexible: '6+',
  target: 'leader',
  request: {
    replicaId: int32('0+', { entity: 'brokerId' }),
    isolationLevel: int8('2+', { default: 0 }),
    topics: array({
      name: string('0+', { entity: 'topicName' }),
      partitions: array({
        partitionIndex: int32(),
        currentLeaderEpoch: int32('4+', { default: -1, ignorable: true }),
        timestamp: int64(),
        maxNumOffsets: int32('0', { default: 1 })
      })
    }),
    timeoutMs: int32('10+', { default: 0, ignorable: true })
  },
  response: {
    throttleTimeMs: int32('2+', { default: 0, ignorable: true }),
    topics: array({
      name: string('0+', { entity: 'topicName' }),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        oldStyleOffsets: array(int64(), '0', { default: [] }),
        timestamp: int64('1+', { default: -1n }),
        offset: int64('1+', { default: -1n }),
        leaderEpoch: int32('4+', { default: -1 })
      })
    })
  }
})
