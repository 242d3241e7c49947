import { api } from '../schema/api.ts'
import { array, int16, int32, int64, records, string, struct, uint16, uuid } from '../schema/field.ts'

const snapshotId = {
  endOffset: int64(),
  epoch: int32()
}

/** Reads a snapshot of the metadata log, piece by piece (KIP-630). Controller listeners only. */
export const FetchSnapshot = api({
  key: 59,
  name: 'FetchSnapshot',
  versions: '0-1',
  flexible: '0+',
  target: 'controller',
  request: {
    clusterId: string('0+', { nullable: '0+', default: null, tag: 0 }),
    replicaId: int32('0+', { default: -1, entity: 'brokerId' }),
    maxBytes: int32('0+', { default: 2147483647 }),
    topics: array({
      name: string('0+', { entity: 'topicName' }),
      partitions: array({
        partition: int32(),
        currentLeaderEpoch: int32(),
        snapshotId: struct(snapshotId),
        position: int64(),
        replicaDirectoryId: uuid('1+', { ignorable: true, tag: 0 })
      })
    })
  },
  response: {
    throttleTimeMs: int32('0+', { ignorable: true }),
    errorCode: int16(),
    topics: array({
      name: string('0+', { entity: 'topicName' }),
      partitions: array({
        index: int32(),
        errorCode: int16(),
        snapshotId: struct(snapshotId),
        currentLeader: struct({
          leaderId: int32('0+', { entity: 'brokerId' }),
          leaderEpoch: int32()
        }, '0+', { tag: 0 }),
        size: int64(),
        position: int64(),
        unalignedRecords: records()
      })
    }),
    nodeEndpoints: array({
      nodeId: int32('1+', { entity: 'brokerId' }),
      host: string('1+', { entity: 'host' }),
      port: uint16('1+')
    }, '1+', { tag: 0 })
  }
})
