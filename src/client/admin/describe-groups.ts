import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { ConsumerGroupDescribe } from '../../../protocol/messages/consumer-group-describe.ts'
import { DescribeGroups } from '../../../protocol/messages/describe-groups.ts'
import { BrokerError } from '../../errors.ts'
import type { Cluster } from '../cluster.ts'
import { GROUP_REQUEST_TIMEOUT_MS, GROUPS_PURPOSE, type Coordinators } from '../group/coordinators.ts'

export interface DescribedMember {
  readonly memberId: string
  /** Null for a dynamic member. */
  readonly instanceId: string | null
  readonly clientId: string
  readonly clientHost: string
}

export interface DescribedGroup {
  readonly state: string
  /** The assignor; empty while there is none. */
  readonly protocol: string
  /** As in ListedGroup. */
  readonly protocolType: string
  readonly members: readonly DescribedMember[]
}

type Options = { readonly signal: AbortSignal }

/** The metadata and assignments of members come with the answer: some kilobytes for each of them. */
const GROUPS_PER_REQUEST = 100

/** The state that DescribeGroups shows of a group that does not exist. */
export const DEAD = 'Dead'

const NO_GROUP: DescribedGroup = { state: DEAD, protocol: '', protocolType: '', members: [] }

/**
 * Classic groups, by name; an error where there is one. A group that does not exist is `Dead`, whatever version the broker speaks.
 * @throws {ShadowError} ABORTED
 */
export async function describeClassicGroups (cluster: Cluster, coordinators: Coordinators, groupIds: readonly string[], { signal }: Options): Promise<Map<string, DescribedGroup | Error>> {
  return await coordinators.ask<DescribedGroup>(groupIds, GROUPS_PER_REQUEST, async (nodeId, groups) => {
    const { body } = await cluster.request(DescribeGroups, { groups: [...groups] }, nodeId, { signal, purpose: GROUPS_PURPOSE, timeoutMs: GROUP_REQUEST_TIMEOUT_MS })
    return new Map(body.groups.map(({ groupId, errorCode, errorMessage, groupState, protocolData, protocolType, members }): [string, DescribedGroup | Error] => {
      if (errorCode === ErrorCodes.GROUP_ID_NOT_FOUND) return [groupId, NO_GROUP]
      if (errorCode !== ErrorCodes.NONE) return [groupId, new BrokerError(errorCode, `DescribeGroups ${groupId}`, errorMessage)]
      return [groupId, {
        state: groupState,
        protocol: protocolData,
        protocolType,
        members: members.map(({ memberId, groupInstanceId, clientId, clientHost }) => ({ memberId, instanceId: groupInstanceId, clientId, clientHost }))
      }]
    }))
  }, { signal })
}

/** Up to this version a group that does not exist is an answer like any other, not an error. */
const DEAD_GROUPS_VERSION = 5
const OPERATIONS_VERSION = 3
/** What brokers answer that do not tell. */
const NOT_TOLD = -2147483648

/**
 * What the principal may do with groups, which need not exist, as a bit field of the codes of `AclOperation`; `unknown` where the
 * broker does not tell, an error where there is one.
 * @throws {ShadowError} ABORTED
 */
export async function groupOperations (cluster: Cluster, coordinators: Coordinators, groupIds: readonly string[], { signal }: Options): Promise<Map<string, number | 'unknown' | Error>> {
  return await coordinators.ask<number | 'unknown'>(groupIds, GROUPS_PER_REQUEST, async (nodeId, groups) => {
    const { body } = await cluster.request(DescribeGroups, { groups: [...groups], includeAuthorizedOperations: true }, nodeId, {
      signal, purpose: GROUPS_PURPOSE, timeoutMs: GROUP_REQUEST_TIMEOUT_MS, minVersion: OPERATIONS_VERSION, maxVersion: DEAD_GROUPS_VERSION
    })
    return new Map(body.groups.map(({ groupId, errorCode, authorizedOperations }): [string, number | 'unknown' | Error] => {
      if (errorCode !== ErrorCodes.NONE) return [groupId, new BrokerError(errorCode, `DescribeGroups ${groupId}`)]
      return [groupId, authorizedOperations === NOT_TOLD ? 'unknown' : authorizedOperations]
    }))
  }, { signal })
}

/**
 * Groups of the consumer protocol (KIP-848), by name; an error where there is one. A group that does not exist is `Dead` here, too.
 * @throws {ShadowError} ABORTED
 */
export async function describeConsumerGroups (cluster: Cluster, coordinators: Coordinators, groupIds: readonly string[], { signal }: Options): Promise<Map<string, DescribedGroup | Error>> {
  return await coordinators.ask<DescribedGroup>(groupIds, GROUPS_PER_REQUEST, async (nodeId, groups) => {
    const { body } = await cluster.request(ConsumerGroupDescribe, { groupIds: [...groups], includeAuthorizedOperations: false }, nodeId, {
      signal, purpose: GROUPS_PURPOSE, timeoutMs: GROUP_REQUEST_TIMEOUT_MS
    })
    return new Map(body.groups.map(({ groupId, errorCode, errorMessage, groupState, assignorName, members }): [string, DescribedGroup | Error] => {
      if (errorCode === ErrorCodes.GROUP_ID_NOT_FOUND) return [groupId, NO_GROUP]
      if (errorCode !== ErrorCodes.NONE) return [groupId, new BrokerError(errorCode, `ConsumerGroupDescribe ${groupId}`, errorMessage)]
      return [groupId, {
        state: groupState,
        protocol: assignorName,
        protocolType: 'consumer',
        members: members.map(({ memberId, instanceId, clientId, clientHost }) => ({ memberId, instanceId, clientId, clientHost }))
      }]
    }))
  }, { signal })
}
