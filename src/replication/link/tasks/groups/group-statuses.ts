/** What the status says of the groups of a link, put together from what a run finds out bit by bit. */
import type { DescribedGroup } from '../../../../client/admin/describe-groups.ts'
import type { PartitionRow } from '../../../../client/admin/ask-leaders.ts'
import type { ListedGroup } from '../../../../client/admin/list-groups.ts'
import type { GroupStatus } from '../../../link-service.ts'
import type { CommitPlan } from './plan-commits.ts'

export interface SyncedGroup {
  /** Null where the group could not be read. */
  readonly plan: CommitPlan | null
  readonly isLiveOnShadow: boolean
  readonly withoutMetadata: readonly PartitionRow[]
  /** ISO time at which the positions were asked for. */
  readonly readAt: string
  readonly problem: string | null
}

const UNKNOWN: Omit<GroupStatus, 'name'> = {
  state: null, type: null, protocolType: '', protocol: null, members: null, isLiveOnShadow: false, partitions: 0, clampedPartitions: 0, aheadPartitions: 0, waitingPartitions: 0, withoutMetadata: [], syncedAt: null, problem: null
}

export class GroupStatuses {
  readonly #groups = new Map<string, GroupStatus>()

  get all (): readonly GroupStatus[] {
    return [...this.#groups.values()].sort((a, b) => a.name < b.name ? -1 : 1)
  }

  synced (name: string, { plan, isLiveOnShadow, withoutMetadata, readAt, problem }: SyncedGroup): void {
    this.#change(name, {
      isLiveOnShadow,
      problem,
      ...(plan === null ? {} : { partitions: plan.wanted, clampedPartitions: plan.clamped, aheadPartitions: plan.ahead, waitingPartitions: plan.unknown, withoutMetadata: withoutMetadata.map(({ topic, partition }) => `${topic}-${partition}`) }),
      ...(plan === null || problem !== null || isLiveOnShadow ? {} : { syncedAt: readAt })
    })
  }

  /** Null where the members are not known. */
  described ({ groupId, state, type, protocolType }: ListedGroup, described: DescribedGroup | null): void {
    this.#change(groupId, {
      state: described?.state ?? (state === '' ? null : state),
      type: type === 'classic' || type === 'consumer' ? type : null,
      protocolType,
      protocol: described === null || described.protocol === '' ? null : described.protocol,
      members: described?.members.map(({ memberId, instanceId, clientId, clientHost }) => ({ memberId, instanceId, clientId, host: clientHost })) ?? null
    })
  }

  /** The source does not have it any more. */
  gone (name: string): void {
    this.#change(name, { state: null, protocol: null, members: null })
  }

  keepOnly (isKept: (name: string) => boolean): void {
    for (const name of this.#groups.keys()) if (!isKept(name)) this.#groups.delete(name)
  }

  #change (name: string, change: Partial<GroupStatus>): void {
    this.#groups.set(name, { ...(this.#groups.get(name) ?? { name, ...UNKNOWN }), ...change })
  }
}
