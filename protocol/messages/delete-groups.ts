import { api } from '../schema/api.ts'
import { array, int16, int32, string } from '../schema/field.ts'

/** Removes empty groups with their offsets. */
export const DeleteGroups = api({
  key: 42,
  name: 'DeleteGroups',
  versions: '0-2',
  flexible: '2+',
  target: 'groupCoordinator',
  request: {
    groupsNames: array(string(), '0+', { entity: 'groupId' })
  },
  response: {
    throttleTimeMs: int32(),
    results: array({
      groupId: string('0+', { entity: 'groupId' }),
      errorCode: int16()
    })
  }
})
