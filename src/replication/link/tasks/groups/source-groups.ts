/** The groups of the source that a link shadows: who they are, and who is in them. */
import { describeClassicGroups, describeConsumerGroups, type DescribedGroup } from '../../../../client/admin/describe-groups.ts'
import type { ListedGroup } from '../../../../client/admin/list-groups.ts'
import type { Cluster } from '../../../../client/cluster.ts'
import type { Coordinators } from '../../../../client/group/coordinators.ts'
import { selectsGroup, type NameFilter } from '../../../../config/link/name-filter.ts'

/** Kafka's own consumers, whatever protocol they speak; empty: groups that nobody was a member of. */
const PROTOCOL_TYPES: ReadonlySet<string> = new Set(['consumer', ''])
/** Those whose positions are committed offsets and nothing else; empty where the broker does not tell. */
const GROUP_TYPES: ReadonlySet<string> = new Set(['classic', 'consumer', ''])

export interface SelectedGroups {
  readonly groups: readonly ListedGroup[]
  /** How many groups the filters select that are not shadowed, by their kind: `connect`, `share`, `streams` and others. */
  readonly others: ReadonlyMap<string, number>
}

/**
 * The groups that a link shadows. A share group keeps its positions elsewhere, a streams group of KIP-1071 has a topology beside
 * them, and the members of other groups (Connect's workers, schema registries) commit none.
 */
export function selectedGroups (listed: Iterable<ListedGroup>, filters: readonly NameFilter[]): SelectedGroups {
  const groups: ListedGroup[] = []
  const others = new Map<string, number>()
  for (const group of listed) {
    if (!selectsGroup(filters, group.groupId)) continue
    if (PROTOCOL_TYPES.has(group.protocolType) && GROUP_TYPES.has(group.type)) groups.push(group)
    else {
      const kind = PROTOCOL_TYPES.has(group.protocolType) ? group.type : group.protocolType
      others.set(kind, (others.get(kind) ?? 0) + 1)
    }
  }
  return { groups, others }
}

/** True for a group of KIP-848. */
export function isConsumerProtocol ({ type }: ListedGroup): boolean {
  return type === 'consumer'
}

/**
 * The members of groups, and what they agreed on; an error where there is one.
 * @throws {ShadowError} ABORTED
 */
export async function describeGroups (cluster: Cluster, coordinators: Coordinators, groups: readonly ListedGroup[], { signal }: { readonly signal: AbortSignal }): Promise<Map<string, DescribedGroup | Error>> {
  const names = (isConsumer: boolean): string[] => groups.filter(group => isConsumerProtocol(group) === isConsumer).map(({ groupId }) => groupId)
  const [classic, consumer] = await Promise.all([
    describeClassicGroups(cluster, coordinators, names(false), { signal }),
    describeConsumerGroups(cluster, coordinators, names(true), { signal })
  ])
  return new Map([...classic, ...consumer])
}

/** States of groups that have members (`ClassicGroupState`, `ConsumerGroupState`). */
const LIVE_STATES: ReadonlySet<string> = new Set(['stable', 'preparingrebalance', 'completingrebalance', 'assigning', 'reconciling'])

/** True for a group with members, as far as its state is known. */
export function isLive (group: ListedGroup | undefined): boolean {
  return group !== undefined && LIVE_STATES.has(group.state.toLowerCase())
}
