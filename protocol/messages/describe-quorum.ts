import { api } from '../schema/api.ts'
import { array, int16, int32, int64, string, uint16, uuid, ZERO_UUID } from '../schema/field.ts'

const replicaState = {
  replicaId: int32('0+', { entity: 'brokerId' }),
  replicaDirectoryId: uuid('2+', { default: ZERO_UUID }),
  logEndOffset: int64(),
  lastFetchTimestamp: int64('1+', { default: -1n, ignorable: true }),
  lastCaughtUpTimestamp: int64('1+', { default: -1n, ignorable: true })
}

/** Which controller leads the metadata log, and how far the others have come (KIP-595). */
export const DescribeQuorum = api({
  key: 55,
  name: 'DescribeQuorum',
  versions: '0-2',
  flexible: '0+',
  request: {
    topics: array({
      topicName: string('0+', { entity: 'topicName' }),
      partitions: array({
        partitionIndex: int32()
      })
    })
  },
  response: {
    errorCode: int16(),
    errorMessage: string('2+', { nullable: '2+', default: '', ignorable: true }),
    topics: array({
      topicName: string('0+', { entity: 'topicName' }),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string('2+', { nullable: '2+', default: '', ignorable: true }),
        leaderId: int32('0+', { entity: 'brokerId' }),
        leaderEpoch: int32(),
        highWatermark: int64(),
        currentVoters: array(replicaState),
        observers: array(replicaState)
      })
    }),
    nodes: array({
      nodeId: int32('2+', { entity: 'brokerId' }),
      listeners: array({
        name: string('2+'),
        host: string('2+', { entity: 'host' }),
        port: uint16('2+')
      }, '2+')
    }, '2+', { default: [] })
  }
})
