import { api } from '../schema/api.ts'
import { array, int16, int32, int64, int8, records, string, struct, uuid, ZERO_UUID } from '../schema/field.ts'

/** Reads record batches from partitions, in sessions if wanted (KIP-227). */
export const Fetch = api({
  key: 1,
  name: 'Fetch',
  versions: '0-18',
  flexible: '12+',
  target: 'leader',
  request: {
    clusterId: string('12+', { nullable: '12+', default: null, ignorable: true, tag: 0 }),
    replicaId: int32('0-14', { default: -1, entity: 'brokerId' }),
    replicaState: struct({
      replicaId: int32('0+', { default: -1, entity: 'brokerId' }),
      replicaEpoch: int64('0+', { default: -1n })
    }, '15+', { tag: 1 }),
    maxWaitMs: int32(),
    minBytes: int32(),
    maxBytes: int32('3+', { default: 2147483647, ignorable: true }),
    isolationLevel: int8('4+', { default: 0, ignorable: true }),
    sessionId: int32('7+', { default: 0, ignorable: true }),
    sessionEpoch: int32('7+', { default: -1, ignorable: true }),
    topics: array({
      topic: string('0-12', { default: '', ignorable: true, entity: 'topicName' }),
      topicId: uuid('13+', { default: ZERO_UUID, ignorable: true, entity: 'topicId' }),
      partitions: array({
        partition: int32(),
        currentLeaderEpoch: int32('9+', { default: -1, ignorable: true }),
        fetchOffset: int64(),
        lastFetchedEpoch: int32('12+', { default: -1 }),
        logStartOffset: int64('5+', { default: -1n, ignorable: true }),
        partitionMaxBytes: int32(),
        replicaDirectoryId: uuid('17+', { ignorable: true, tag: 0 }),
        highWatermark: int64('18+', { default: 9223372036854775807n, ignorable: true, tag: 1 })
      })
    }),
    forgottenTopicsData: array({
      topic: string('0-12', { default: '', ignorable: true, entity: 'topicName' }),
      topicId: uuid('13+', { default: ZERO_UUID, ignorable: true, entity: 'topicId' }),
      partitions: array(int32())
    }, '7+', { default: [] }),
    rackId: string('11+', { default: '', ignorable: true })
  },
  response: {
    throttleTimeMs: int32('1+', { default: 0, ignorable: true }),
    errorCode: int16('7+', { default: 0, ignorable: true }),
    sessionId: int32('7+', { default: 0 }),
    responses: array({
      topic: string('0-12', { default: '', ignorable: true, entity: 'topicName' }),
      topicId: uuid('13+', { default: ZERO_UUID, ignorable: true, entity: 'topicId' }),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        highWatermark: int64(),
        lastStableOffset: int64('4+', { default: -1n, ignorable: true }),
        logStartOffset: int64('5+', { default: -1n, ignorable: true }),
        divergingEpoch: struct({
          epoch: int32('0+', { default: -1 }),
          endOffset: int64('0+', { default: -1n })
        }, '12+', { tag: 0 }),
        currentLeader: struct({
          leaderId: int32('0+', { default: -1, entity: 'brokerId' }),
          leaderEpoch: int32('0+', { default: -1 })
        }, '12+', { tag: 1 }),
        snapshotId: struct({
          endOffset: int64('0+', { default: -1n }),
          epoch: int32('0+', { default: -1 })
        }, '12+', { tag: 2 }),
        abortedTransactions: array({
          producerId: int64('0+', { entity: 'producerId' }),
          firstOffset: int64()
        }, '4+', { nullable: '4+', default: [], ignorable: true }),
        preferredReadReplica: int32('11+', { default: -1, entity: 'brokerId' }),
        records: records('0+', { nullable: '0+' })
      })
    }),
    nodeEndpoints: array({
      nodeId: int32('0+', { entity: 'brokerId' }),
      host: string('0+', { entity: 'host' }),
      port: int32(),
      rack: string('0+', { nullable: '0+', default: null })
    }, '16+', { tag: 0 })
  }
})
