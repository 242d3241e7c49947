import { api } from '../schema/api.ts'
import { array, int16, int32, string } from '../schema/field.ts'

/** Removes members from a classic group. */
export const LeaveGroup = api({
  key: 13,
  name: 'LeaveGroup',
  versions: '0-5',
  flexible: '4+',
  target: 'groupCoordinator',
  request: {
    groupId: string('0+', { entity: 'groupId' }),
    memberId: string('0-2', { default: '' }),
    members: array({
      memberId: string(),
      groupInstanceId: string('0+', { nullable: '0+', default: null }),
      reason: string('5+', { nullable: '5+', default: null, ignorable: true })
    }, '3+', { default: [] })
  },
  response: {
    throttleTimeMs: int32('1+', { default: 0, ignorable: true }),
    errorCode: int16(),
    members: array({
      memberId: string(),
      groupInstanceId: string('0+', { nullable: '0+' }),
      errorCode: int16()
    }, '3+', { default: [] })
  }
})
