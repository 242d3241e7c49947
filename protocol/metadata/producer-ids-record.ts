import { int32, int64 } from '../schema/field.ts'
import { recordType } from './record-type.ts'

/** A broker was given a block of producer ids; the next block starts at nextProducerId (KIP-730). */
export const ProducerIdsRecord = recordType({
  key: 15,
  kind: 'producerIds',
  name: 'ProducerIdsRecord',
  versions: '0',
  fields: {
    brokerId: int32('0+', { entity: 'brokerId' }),
    brokerEpoch: int64('0+', { default: -1n }),
    nextProducerId: int64()
  }
})
