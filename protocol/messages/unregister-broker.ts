import { api } from '../schema/api.ts'
import { int16, int32, string } from '../schema/field.ts'

/** Makes the cluster forget a broker (KIP-631). */
export const UnregisterBroker = api({
  key: 64,
  name: 'UnregisterBroker',
  versions: '0',
  flexible: '0+',
  target: 'controller',
  request: {
    brokerId: int32('0+', { entity: 'brokerId' })
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string('0+', { nullable: '0+' })
  }
})
