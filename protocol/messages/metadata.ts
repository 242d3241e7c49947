import { api } from '../schema/api.ts'
import { array, bool, int16, int32, string, uuid, ZERO_UUID } from '../schema/field.ts'

/** The brokers of the cluster, its topics, and who leads which partition. */
export const Metadata = api({
  key: 3,
  name: 'Metadata',
  versions: '0-13',
  flexible: '9+',
  request: {
    topics: array({
      topicId: uuid('10+', { default: ZERO_UUID, ignorable: true, entity: 'topicId' }),
      name: string('0+', { nullable: '10+', entity: 'topicName' })
    }, '0+', { nullable: '1+' }),
    allowAutoTopicCreation: bool('4+', { default: true }),
    includeClusterAuthorizedOperations: bool('8-10', { default: false }),
    includeTopicAuthorizedOperations: bool('8+', { default: false })
  },
  response: {
    throttleTimeMs: int32('3+', { default: 0, ignorable: true }),
    brokers: array({
      nodeId: int32('0+', { entity: 'brokerId' }),
      host: string('0+', { entity: 'host' }),
      port: int32(),
      rack: string('1+', { nullable: '1+', default: null, ignorable: true })
    }),
    clusterId: string('2+', { nullable: '2+', default: null, ignorable: true }),
    controllerId: int32('1+', { default: -1, ignorable: true, entity: 'brokerId' }),
    topics: array({
      errorCode: int16(),
      name: string('0+', { nullable: '12+', entity: 'topicName' }),
      topicId: uuid('10+', { default: ZERO_UUID, ignorable: true, entity: 'topicId' }),
      isInternal: bool('1+', { default: false, ignorable: true }),
      partitions: array({
        errorCode: int16(),
        partitionIndex: int32(),
        leaderId: int32('0+', { entity: 'brokerId' }),
        leaderEpoch: int32('7+', { default: -1, ignorable: true }),
        replicaNodes: array(int32(), '0+', { entity: 'brokerId' }),
        isrNodes: array(int32(), '0+', { entity: 'brokerId' }),
        offlineReplicas: array(int32(), '5+', { default: [], ignorable: true, entity: 'brokerId' })
      }),
      topicAuthorizedOperations: int32('8+', { default: -2147483648 })
    }),
    clusterAuthorizedOperations: int32('8-10', { default: -2147483648 }),
    errorCode: int16('13+', { default: 0, ignorable: true })
  }
})
