import { array, int32, int8, uuid } from '../schema/field.ts'
import { recordType } from './record-type.ts'

/** What changed in a partition; everything that is null, a leader of -2 and a recovery state of -1 stayed as they were. */
export const PartitionChangeRecord = recordType({
  key: 5,
  kind: 'partitionChange',
  name: 'PartitionChangeRecord',
  versions: '0-2',
  fields: {
    partitionId: int32('0+', { default: -1 }),
    topicId: uuid('0+', { entity: 'topicId' }),
    isr: array(int32(), '0+', { nullable: '0+', default: null, tag: 0, entity: 'brokerId' }),
    leader: int32('0+', { default: -2, tag: 1, entity: 'brokerId' }),
    replicas: array(int32(), '0+', { nullable: '0+', default: null, tag: 2, entity: 'brokerId' }),
    removingReplicas: array(int32(), '0+', { nullable: '0+', default: null, tag: 3, entity: 'brokerId' }),
    addingReplicas: array(int32(), '0+', { nullable: '0+', default: null, tag: 4, entity: 'brokerId' }),
    leaderRecoveryState: int8('0+', { default: -1, tag: 5 }),
    directories: array(uuid(), '1+', { nullable: '1+', default: null, tag: 8 }),
    eligibleLeaderReplicas: array(int32(), '2+', { nullable: '2+', default: null, tag: 6, entity: 'brokerId' }),
    lastKnownElr: array(int32(), '2+', { nullable: '2+', default: null, tag: 7, entity: 'brokerId' })
  }
})
