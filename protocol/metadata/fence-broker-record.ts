import { int32, int64 } from '../schema/field.ts'
import { recordType } from './record-type.ts'

/** A broker was fenced. Written by controllers below metadata.version 3.3-IV2; later ones write BrokerRegistrationChangeRecord. */
export const FenceBrokerRecord = recordType({
  key: 7,
  kind: 'fenceBroker',
  name: 'FenceBrokerRecord',
  versions: '0',
  fields: {
    id: int32('0+', { entity: 'brokerId' }),
    epoch: int64()
  }
})
