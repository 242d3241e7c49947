import { int32, int64 } from '../schema/field.ts'
import { recordType } from './record-type.ts'

/** The cluster forgot a broker. */
export const UnregisterBrokerRecord = recordType({
  key: 1,
  kind: 'unregisterBroker',
  name: 'UnregisterBrokerRecord',
  versions: '0',
  fields: {
    brokerId: int32('0+', { entity: 'brokerId' }),
    brokerEpoch: int64()
  }
})
