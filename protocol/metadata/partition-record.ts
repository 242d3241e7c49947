import { array, int32, int8, uuid } from '../schema/field.ts'
import { recordType } from './record-type.ts'

/** The whole state of a partition. Eligible leader replicas are those of KIP-966; null stands for none. */
export const PartitionRecord = recordType({
  key: 3,
  kind: 'partition',
  name: 'PartitionRecord',
  versions: '0-2',
  fields: {
    partitionId: int32('0+', { default: -1 }),
    topicId: uuid('0+', { entity: 'topicId' }),
    replicas: array(int32(), '0+', { entity: 'brokerId' }),
    isr: array(int32()),
    removingReplicas: array(int32(), '0+', { entity: 'brokerId' }),
    addingReplicas: array(int32(), '0+', { entity: 'brokerId' }),
    leader: int32('0+', { default: -1, entity: 'brokerId' }),
    leaderRecoveryState: int8('0+', { default: 0, tag: 0 }),
    leaderEpoch: int32('0+', { default: -1 }),
    partitionEpoch: int32('0+', { default: -1 }),
    directories: array(uuid(), '1+', { default: [] }),
    eligibleLeaderReplicas: array(int32(), '2+', { nullable: '2+', default: null, tag: 1, entity: 'brokerId' }),
    lastKnownElr: array(int32(), '2+', { nullable: '2+', default: null, tag: 2, entity: 'brokerId' })
  }
})
