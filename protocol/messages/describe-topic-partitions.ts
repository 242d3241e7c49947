import { api } from '../schema/api.ts'
import { array, bool, int16, int32, string, struct, uuid, ZERO_UUID } from '../schema/field.ts'

const cursor = struct({
  topicName: string('0+', { entity: 'topicName' }),
  partitionIndex: int32()
}, '0+', { nullable: '0+', default: null })

/** Topics and who leads which partition, page by page (KIP-966). */
export const DescribeTopicPartitions = api({
  key: 75,
  name: 'DescribeTopicPartitions',
  versions: '0',
  flexible: '0+',
  request: {
    topics: array({
      name: string('0+', { entity: 'topicName' })
    }),
    responsePartitionLimit: int32('0+', { default: 2000 }),
    cursor
  },
  response: {
    throttleTimeMs: int32('0+', { ignorable: true }),
    topics: array({
      errorCode: int16(),
      name: string('0+', { nullable: '0+', entity: 'topicName' }),
      topicId: uuid('0+', { default: ZERO_UUID, ignorable: true }),
      isInternal: bool('0+', { default: false, ignorable: true }),
      partitions: array({
        errorCode: int16(),
        partitionIndex: int32(),
        leaderId: int32('0+', { entity: 'brokerId' }),
        leaderEpoch: int32('0+', { default: -1, ignorable: true }),
        replicaNodes: array(int32(), '0+', { entity: 'brokerId' }),
        isrNodes: array(int32(), '0+', { entity: 'brokerId' }),
        eligibleLeaderReplicas: array(int32(), '0+', { nullable: '0+', default: null, entity: 'brokerId' }),
        lastKnownElr: array(int32(), '0+', { nullable: '0+', default: null, entity: 'brokerId' }),
        offlineReplicas: array(int32(), '0+', { ignorable: true, entity: 'brokerId' })
      }),
      topicAuthorizedOperations: int32('0+', { default: -2147483648 })
    }),
    nextCursor: cursor
  }
})
