/** ListGroups, DescribeGroups and DeleteGroups. */
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { DeleteGroups } from '../../../protocol/messages/delete-groups.ts'
import type { DescribeGroups } from '../../../protocol/messages/describe-groups.ts'
import type { ListGroups } from '../../../protocol/messages/list-groups.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import type { BrokerState } from '../broker-state.ts'
import { metadataFor, NO_ASSIGNMENT } from '../groups/member.ts'
import type { RequestContext } from '../server/dispatcher.ts'

type Described = ResponseInput<typeof DescribeGroups>['groups'][number]

/** From this version of DescribeGroups on a group that does not exist is an error; before, it is shown as Dead. */
const MIN_NOT_FOUND_VERSION = 6

const GROUP_TYPE = 'classic'

export function listGroups (state: BrokerState, { statesFilter, typesFilter }: RequestOf<typeof ListGroups>): ResponseInput<typeof ListGroups> {
  const matches = (filter: readonly string[], value: string): boolean => filter.length === 0 || filter.some(wanted => wanted.toLowerCase() === value.toLowerCase())
  return {
    errorCode: ErrorCodes.NONE,
    groups: state.groups.all
      .filter(group => matches(statesFilter, group.state) && matches(typesFilter, GROUP_TYPE))
      .map(({ groupId, protocolType, state: groupState }) => ({ groupId, protocolType, groupState, groupType: GROUP_TYPE }))
  }
}

export function describeGroups (state: BrokerState, { groups }: RequestOf<typeof DescribeGroups>, { apiVersion }: RequestContext): ResponseInput<typeof DescribeGroups> {
  return { groups: groups.map(groupId => describe(state, groupId, apiVersion)) }
}

function describe (state: BrokerState, groupId: string, apiVersion: number): Described {
  const group = state.groups.get(groupId)
  if (group !== null) {
    const isStable = group.state === 'Stable'
    return {
      errorCode: ErrorCodes.NONE,
      groupId,
      groupState: group.state,
      protocolType: group.protocolType ?? '',
      protocolData: group.protocolName ?? '',
      members: group.members.map(member => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        memberMetadata: isStable ? metadataFor(member, group.protocolName) : NO_ASSIGNMENT,
        memberAssignment: isStable ? member.assignment : NO_ASSIGNMENT
      }))
    }
  }
  const empty = { groupId, protocolType: '', protocolData: '', members: [] }
  if (state.groups.exists(groupId)) return { ...empty, errorCode: ErrorCodes.NONE, groupState: 'Empty' }
  return apiVersion >= MIN_NOT_FOUND_VERSION
    ? { ...empty, errorCode: ErrorCodes.GROUP_ID_NOT_FOUND, errorMessage: `Group ${groupId} not found.`, groupState: 'Dead' }
    : { ...empty, errorCode: ErrorCodes.NONE, groupState: 'Dead' }
}

export function deleteGroups (state: BrokerState, { groupsNames }: RequestOf<typeof DeleteGroups>): ResponseInput<typeof DeleteGroups> {
  return { throttleTimeMs: 0, results: groupsNames.map(groupId => ({ groupId, errorCode: state.groups.delete(groupId) })) }
}
