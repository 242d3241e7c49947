import { api } from '../schema/api.ts'
import { array, int16, int32, string } from '../schema/field.ts'

/** The groups that this broker coordinates. */
export const ListGroups = api({
  key: 16,
  name: 'ListGroups',
  versions: '0-5',
  flexible: '3+',
  request: {
    statesFilter: array(string(), '4+', { default: [] }),
    typesFilter: array(string(), '5+', { default: [] })
  },
  response: {
    throttleTimeMs: int32('1+', { default: 0, ignorable: true }),
    errorCode: int16(),
    groups: array({
      groupId: string('0+', { entity: 'groupId' }),
      protocolType: string(),
      groupState: string('4+', { default: '', ignorable: true }),
      groupType: string('5+', { default: '', ignorable: true })
    })
  }
})
