import { api } from '../schema/api.ts'
import { int16, int32, int64 } from '../schema/field.ts'

/** A broker takes the next block of producer ids (KIP-730). Controller listeners only. */
export const AllocateProducerIds = api({
  key: 67,
  name: 'AllocateProducerIds',
  versions: '0',
  flexible: '0+',
  target: 'controller',
  request: {
    brokerId: int32('0+', { entity: 'brokerId' }),
    brokerEpoch: int64('0+', { default: -1n })
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    producerIdStart: int64('0+', { entity: 'producerId' }),
    producerIdLen: int32()
  }
})
