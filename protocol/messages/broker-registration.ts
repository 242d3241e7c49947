import { api } from '../schema/api.ts'
import { array, bool, int16, int32, int64, string, uint16, uuid } from '../schema/field.ts'

/** Makes a broker known to the controller, fenced until its heartbeats say otherwise (KIP-631). Controller listeners only. */
export const BrokerRegistration = api({
  key: 62,
  name: 'BrokerRegistration',
  versions: '0-4',
  flexible: '0+',
  target: 'controller',
  request: {
    brokerId: int32('0+', { entity: 'brokerId' }),
    clusterId: string(),
    incarnationId: uuid(),
    listeners: array({
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
    isMigratingZkBroker: bool('1+', { default: false }),
    logDirs: array(uuid(), '2+', { default: [], ignorable: true }),
    previousBrokerEpoch: int64('3+', { default: -1n, ignorable: true })
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    brokerEpoch: int64('0+', { default: -1n })
  }
})
