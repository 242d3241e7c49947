import type { GroupStatus } from '../../replication/link-service.ts'

export interface GroupTotals {
  readonly count: number
  /** How many have members on the source. */
  readonly members: number
  /** How many have members on the shadow. */
  readonly live: number
  /** How many have consumers on the shadow that are further than those of the source. */
  readonly ahead: number
  readonly partitions: number
  /** Of the group that was synced the longest time ago, of those that are; null while one never was, or there are none. */
  readonly oldestSyncedAt: string | null
}

export function groupTotals (groups: readonly GroupStatus[]): GroupTotals {
  const times = groups.filter(({ isLiveOnShadow, state }) => !isLiveOnShadow && state !== null).map(({ syncedAt }) => syncedAt ?? '')
  const oldest = times.reduce((first, time) => time < first ? time : first, times[0] ?? '')
  return {
    count: groups.length,
    members: groups.filter(({ members }) => (members?.length ?? 0) > 0).length,
    live: groups.filter(({ isLiveOnShadow }) => isLiveOnShadow).length,
    ahead: groups.filter(({ aheadPartitions }) => aheadPartitions > 0).length,
    partitions: groups.reduce((sum, { partitions }) => sum + partitions, 0),
    oldestSyncedAt: oldest === '' ? null : oldest
  }
}
