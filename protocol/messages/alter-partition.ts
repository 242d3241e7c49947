import { api } from '../schema/api.ts'
import { array, int16, int32, int64, int8, string, uuid, ZERO_UUID } from '../schema/field.ts'

/** A leader sets the in-sync replicas of its partitions (KIP-497). Controller listeners only. */
export const AlterPartition = api({
  key: 56,
  name: 'AlterPartition',
  versions: '0-3',
  flexible: '0+',
  target: 'controller',
  request: {
    brokerId: int32('0+', { entity: 'brokerId' }),
    brokerEpoch: int64('0+', { default: -1n }),
    topics: array({
      topicName: string('0-1', { default: '', ignorable: true, entity: 'topicName' }),
      topicId: uuid('2+', { default: ZERO_UUID, ignorable: true, entity: 'topicId' }),
      partitions: array({
        partitionIndex: int32(),
        leaderEpoch: int32(),
        newIsr: array(int32(), '0-2', { default: [], entity: 'brokerId' }),
        newIsrWithEpochs: array({
          brokerId: int32('3+', { entity: 'brokerId' }),
          brokerEpoch: int64('3+', { default: -1n })
        }, '3+', { default: [] }),
        leaderRecoveryState: int8('1+', { default: 0 }),
        partitionEpoch: int32()
      })
    })
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    topics: array({
      topicName: string('0-1', { default: '', ignorable: true, entity: 'topicName' }),
      topicId: uuid('2+', { default: ZERO_UUID, ignorable: true, entity: 'topicId' }),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        leaderId: int32('0+', { entity: 'brokerId' }),
        leaderEpoch: int32(),
        isr: array(int32(), '0+', { entity: 'brokerId' }),
        leaderRecoveryState: int8('1+', { default: 0, ignorable: true }),
        partitionEpoch: int32()
      })
    })
  }
})
