import { api } from '../schema/api.ts'
import { array, int16, int32, int64, records, string, struct, uuid, ZERO_UUID } from '../schema/field.ts'

/** Appends record batches to partitions. */
export const Produce = api({
  key: 0,
  name: 'Produce',
  versions: '0-13',
  flexible: '9+',
  target: 'leader',
  request: {
    transactionalId: string('3+', { nullable: '3+', default: null, entity: 'transactionalId' }),
    acks: int16(),
    timeoutMs: int32(),
    topicData: array({
      name: string('0-12', { default: '', ignorable: true, entity: 'topicName' }),
      topicId: uuid('13+', { default: ZERO_UUID, ignorable: true, entity: 'topicId' }),
      partitionData: array({
        index: int32(),
        records: records('0+', { nullable: '0+' })
      })
    })
  },
  response: {
    responses: array({
      name: string('0-12', { default: '', ignorable: true, entity: 'topicName' }),
      topicId: uuid('13+', { default: ZERO_UUID, ignorable: true, entity: 'topicId' }),
      partitionResponses: array({
        index: int32(),
        errorCode: int16(),
        baseOffset: int64(),
        logAppendTimeMs: int64('2+', { default: -1n, ignorable: true }),
        logStartOffset: int64('5+', { default: -1n, ignorable: true }),
        recordErrors: array({
          batchIndex: int32(),
          batchIndexErrorMessage: string('0+', { nullable: '0+', default: null })
        }, '8+', { default: [], ignorable: true }),
        errorMessage: string('8+', { nullable: '8+', default: null, ignorable: true }),
        currentLeader: struct({
          leaderId: int32('0+', { default: -1, entity: 'brokerId' }),
          leaderEpoch: int32('0+', { default: -1 })
        }, '10+', { tag: 0 })
      })
    }),
    throttleTimeMs: int32('1+', { default: 0, ignorable: true }),
    nodeEndpoints: array({
      nodeId: int32('0+', { entity: 'brokerId' }),
      host: string('0+', { entity: 'host' }),
      port: int32(),
      rack: string('0+', { nullable: '0+', default: null })
    }, '10+', { tag: 0 })
  }
})
