import { api } from '../schema/api.ts'
import { array, bool, int16, int32, int64, uuid } from '../schema/field.ts'

/** Keeps the session of a registered broker, and fences, unfences or ends it (KIP-631). Controller listeners only. */
export const BrokerHeartbeat = api({
  key: 63,
  name: 'BrokerHeartbeat',
  versions: '0-2',
  flexible: '0+',
  target: 'controller',
  request: {
    brokerId: int32('0+', { entity: 'brokerId' }),
    brokerEpoch: int64('0+', { default: -1n }),
    currentMetadataOffset: int64(),
    wantFence: bool(),
    wantShutDown: bool(),
    offlineLogDirs: array(uuid(), '1+', { tag: 0 }),
    cordonedLogDirs: array(uuid(), '2+', { nullable: '2+', default: null, tag: 1 })
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    isCaughtUp: bool('0+', { default: false }),
    isFenced: bool('0+', { default: true }),
    shouldShutDown: bool()
  }
})
