import { api } from '../schema/api.ts'
import { int16, int32, string } from '../schema/field.ts'

/** Says that a member of a classic group is alive. */
export const Heartbeat = api({
  key: 12,
  name: 'Heartbeat',
  versions: '0-4',
  flexible: '4+',
  target: 'groupCoordinator',
  request: {
    groupId: string('0+', { entity: 'groupId' }),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string('3+', { nullable: '3+', default: null })
  },
  response: {
    throttleTimeMs: int32('1+', { default: 0, ignorable: true }),
    errorCode: int16()
  }
})
