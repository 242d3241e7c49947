import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { ListGroups } from '../../../protocol/messages/list-groups.ts'
import { BrokerError, messageOf } from '../../errors.ts'
import { throwIfAborted } from '../../net/abort.ts'
import type { Cluster, ClusterView } from '../cluster.ts'
import { GROUP_REQUEST_TIMEOUT_MS, GROUPS_PURPOSE } from '../group/coordinators.ts'

export interface ListedGroup {
  readonly groupId: string
  /** The broker that shows it, which is its coordinator. */
  readonly nodeId: number
  /** `consumer`, `connect`, `share`, `streams` or another; empty for one that nobody was a member of. */
  readonly protocolType: string
  /** Such as `Stable` or `Empty`; empty where the broker does not tell (before version 4). */
  readonly state: string
  /** `classic`, `consumer`, `share` or `streams`, in lower case; empty where the broker does not tell (before version 5). */
  readonly type: string
}

export interface GroupListing {
  readonly groups: ReadonlyMap<string, ListedGroup>
  /** Why there may be more groups than these, in words; empty when every broker has answered. */
  readonly gaps: readonly string[]
}

/** What groups have committed is in it. */
export const OFFSETS_TOPIC = '__consumer_offsets'

/**
 * The groups of a cluster, as each of its brokers shows those that it coordinates. Groups that the principal may not describe are
 * left out by the brokers, and nothing tells of that. `view`: one that was asked for just now, for those who have it.
 * @throws {ShadowError} ABORTED; CLUSTER_UNAVAILABLE when there is no metadata
 */
export async function listGroups (cluster: Cluster, { signal, view: known }: { readonly signal: AbortSignal, readonly view?: ClusterView }): Promise<GroupListing> {
  const view = known ?? await cluster.refreshTopics([OFFSETS_TOPIC], { signal })
  const groups = new Map<string, ListedGroup>()
  const gaps = [...leaderless(view)]
  await Promise.all([...view.brokers.keys()].map(async nodeId => {
    try {
      const { body } = await cluster.request(ListGroups, {}, nodeId, { signal, purpose: GROUPS_PURPOSE, timeoutMs: GROUP_REQUEST_TIMEOUT_MS })
      if (body.errorCode !== ErrorCodes.NONE) throw new BrokerError(body.errorCode, `ListGroups of broker ${nodeId}`)
      for (const { groupId, protocolType, groupState, groupType } of body.groups) {
        groups.set(groupId, { groupId, nodeId, protocolType, state: groupState, type: groupType.toLowerCase() })
      }
    } catch (error) {
      throwIfAborted(signal)
      gaps.push(`broker ${nodeId} does not tell its groups: ${messageOf(error)}`)
    }
  }))
  if (view.brokers.size === 0) gaps.push('the cluster shows no brokers')
  return { groups, gaps }
}

/** Groups of a partition that nobody leads are shown by no broker. */
function leaderless ({ topics }: ClusterView): string[] {
  const lost = topics.get(OFFSETS_TOPIC)?.partitions.filter(({ leaderId }) => leaderId < 0) ?? []
  return lost.length === 0 ? [] : [`${lost.length} partitions of ${OFFSETS_TOPIC} have no leader, and nobody tells their groups`]
}
