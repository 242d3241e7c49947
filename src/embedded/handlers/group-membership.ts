/** JoinGroup, SyncGroup, Heartbeat and LeaveGroup. */
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { Heartbeat } from '../../../protocol/messages/heartbeat.ts'
import type { JoinGroup } from '../../../protocol/messages/join-group.ts'
import type { LeaveGroup } from '../../../protocol/messages/leave-group.ts'
import type { SyncGroup } from '../../../protocol/messages/sync-group.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import type { BrokerState } from '../broker-state.ts'
import type { RequestContext } from '../server/dispatcher.ts'

/** From these versions of JoinGroup on. */
const REQUIRES_MEMBER_ID = 4
const NULLABLE_PROTOCOL = 7
const CAN_SKIP_ASSIGNMENT = 9

const LEAVES_MANY = 3

export async function joinGroup (state: BrokerState, body: RequestOf<typeof JoinGroup>, { apiVersion, clientId, clientHost }: RequestContext): Promise<ResponseInput<typeof JoinGroup>> {
  const answer = await state.groups.join(body.groupId, {
    memberId: body.memberId,
    groupInstanceId: body.groupInstanceId,
    clientId: clientId ?? '',
    clientHost: `/${clientHost}`,
    sessionTimeoutMs: body.sessionTimeoutMs,
    // Version 0 has but one timeout.
    rebalanceTimeoutMs: body.rebalanceTimeoutMs === -1 ? body.sessionTimeoutMs : body.rebalanceTimeoutMs,
    protocolType: body.protocolType,
    protocols: body.protocols.map(({ name, metadata }) => ({ name, metadata: Buffer.from(metadata) })),
    requiresKnownMemberId: apiVersion >= REQUIRES_MEMBER_ID,
    canSkipAssignment: apiVersion >= CAN_SKIP_ASSIGNMENT
  })
  return { ...answer, protocolName: answer.protocolName ?? (apiVersion >= NULLABLE_PROTOCOL ? null : '') }
}

export async function syncGroup (state: BrokerState, body: RequestOf<typeof SyncGroup>): Promise<ResponseInput<typeof SyncGroup>> {
  return await state.groups.sync(body.groupId, body)
}

export function heartbeat (state: BrokerState, body: RequestOf<typeof Heartbeat>): ResponseInput<typeof Heartbeat> {
  return { errorCode: state.groups.heartbeat(body.groupId, body, body.generationId) }
}

export function leaveGroup (state: BrokerState, body: RequestOf<typeof LeaveGroup>, { apiVersion }: RequestContext): ResponseInput<typeof LeaveGroup> {
  if (body.groupId === '') return { errorCode: ErrorCodes.INVALID_GROUP_ID }
  if (apiVersion < LEAVES_MANY) return { errorCode: state.groups.leave(body.groupId, { memberId: body.memberId, groupInstanceId: null }) }
  return {
    errorCode: ErrorCodes.NONE,
    members: body.members.map(({ memberId, groupInstanceId }) => ({ memberId, groupInstanceId, errorCode: state.groups.leave(body.groupId, { memberId, groupInstanceId }) }))
  }
}
