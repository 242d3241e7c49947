import { api } from '../schema/api.ts'
import { array, int16, int32, int8, string } from '../schema/field.ts'

/** Finds the broker that coordinates a group or a transactional id. */
export const FindCoordinator = api({
  key: 10,
  name: 'FindCoordinator',
  versions: '0-6',
  flexible: '3+',
  request: {
    key: string('0-3', { default: '' }),
    keyType: int8('1+', { default: 0 }),
    coordinatorKeys: array(string(), '4+', { default: [] })
  },
  response: {
    throttleTimeMs: int32('1+', { default: 0, ignorable: true }),
    errorCode: int16('0-3', { default: 0 }),
    errorMessage: string('1-3', { nullable: '1-3', default: '', ignorable: true }),
    nodeId: int32('0-3', { default: 0, entity: 'brokerId' }),
    host: string('0-3', { default: '', entity: 'host' }),
    port: int32('0-3', { default: 0 }),
    coordinators: array({
      key: string(),
      nodeId: int32('0+', { entity: 'brokerId' }),
      host: string('0+', { entity: 'host' }),
      port: int32(),
      errorCode: int16(),
      errorMessage: string('0+', { nullable: '0+' })
    }, '4+', { default: [] })
  }
})
