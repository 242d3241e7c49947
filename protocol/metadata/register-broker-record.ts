import { array, bool, int16, int32, int64, string, uint16, uuid } from '../schema/field.ts'
import { recordType } from './record-type.ts'

/** A broker was registered, or registered anew: all that was known of it is replaced (KIP-631). */
export const RegisterBrokerRecord = recordType({
  key: 0,
  kind: 'registerBroker',
  name: 'RegisterBrokerRecord',
  versions: '0-4',
  fields: {
    brokerId: int32('0+', { entity: 'brokerId' }),
    isMigratingZkBroker: bool('2+', { default: false }),
    incarnationId: uuid(),
    brokerEpoch: int64(),
    endPoints: array({
      name: string(),
      host: string('0+', { entity: 'host' }),
      port: uint16(),
      securityProtocol: int16()
    }),
    features: array({
      name: string(),
      minSupportedVersion: int16(),
      maxSupportedVersion: int16()
    }),
    rack: string('0+', { nullable: '0+' }),
    fenced: bool('0+', { default: true }),
    inControlledShutdown: bool('1+', { default: false }),
    logDirs: array(uuid(), '3+', { tag: 0 }),
    cordonedLogDirs: array(uuid(), '4+', { nullable: '4+', default: null, tag: 1 })
  }
})
