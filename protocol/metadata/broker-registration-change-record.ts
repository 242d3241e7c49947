import { array, int32, int64, int8, uuid } from '../schema/field.ts'
import { recordType } from './record-type.ts'

/** What changed in the registration of a broker. `fenced`: -1 unfenced, 0 as before, 1 fenced. `inControlledShutdown`: 0 as before, 1 shutting down. No log dirs, or null for the cordoned ones: as before. */
export const BrokerRegistrationChangeRecord = recordType({
  key: 17,
  kind: 'brokerRegistrationChange',
  name: 'BrokerRegistrationChangeRecord',
  versions: '0-3',
  fields: {
    brokerId: int32('0+', { entity: 'brokerId' }),
    brokerEpoch: int64(),
    fenced: int8('0+', { tag: 0 }),
    inControlledShutdown: int8('1+', { tag: 1 }),
    logDirs: array(uuid(), '2+', { tag: 2 }),
    cordonedLogDirs: array(uuid(), '3+', { nullable: '3+', default: null, tag: 3 })
  }
})
