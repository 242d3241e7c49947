import { positionKey, type GroupPosition } from '../../../../client/admin/group-offsets.ts'
import type { PartitionRow } from '../../../../client/admin/ask-leaders.ts'
import { isSame } from './group-ledger.ts'

/** What a partition of the shadow holds: offsets [logStart, end]. */
export interface PartitionBounds {
  readonly logStart: number
  readonly end: number
}

export interface PlanOptions {
  /** What the group has committed on the source, of topics that the link shadows. */
  readonly wanted: readonly GroupPosition[]
  /** What it has committed on the shadow, of the same topics. */
  readonly held: readonly GroupPosition[]
  /** Null while it is not known what the shadow holds. */
  readonly boundsOf: (row: PartitionRow) => PartitionBounds | null
  /** True for a value that the link committed. */
  readonly isOwn: (position: GroupPosition) => boolean
  /** True when the position would expire if it were not committed again soon. */
  readonly isDue: (row: PartitionRow) => boolean
  /** The longest metadata that the shadow takes, in UTF-16 units, as its coordinators count (`offset.metadata.max.bytes`). */
  readonly mostMetadata: number
}

export interface CommitPlan {
  /** The link's own values. */
  readonly commits: readonly GroupPosition[]
  /** Positions as they are, committed again so that they do not expire. */
  readonly renewals: readonly GroupPosition[]
  /** Positions of the shadow that are already what is wanted. */
  readonly same: readonly GroupPosition[]
  /** How many positions the source has. */
  readonly wanted: number
  /** How many positions the shadow has in place of the source's because its consumers are further. */
  readonly ahead: number
  /** How many positions are lower than the source's because the shadow does not have its records yet. */
  readonly clamped: number
  /** Positions whose metadata the shadow does not take. */
  readonly withoutMetadata: readonly PartitionRow[]
  /** How many positions wait until it is known what the shadow holds. */
  readonly unknown: number
}

/** The offset that is nearest to this one of those that the shadow holds. */
export function clamped (offset: number, { logStart, end }: PartitionBounds): number {
  return Math.min(Math.max(offset, logStart), end)
}

/**
 * What is to be committed for one group. A position of the link follows the source's in both directions; one of a consumer of the
 * shadow only forwards. What the source has no position for stays as it is.
 */
export function planCommits ({ wanted, held, boundsOf, isOwn, isDue, mostMetadata }: PlanOptions): CommitPlan {
  const heldByKey = new Map(held.map(position => [positionKey(position), position]))
  const commits: GroupPosition[] = []
  const renewals: GroupPosition[] = []
  const same: GroupPosition[] = []
  const withoutMetadata: PartitionRow[] = []
  let ahead = 0
  let tooFar = 0
  let unknown = 0
  const keep = (position: GroupPosition | undefined): void => { if (position !== undefined && isDue(position)) renewals.push(position) }
  for (const theirs of wanted) {
    const key = positionKey(theirs)
    const mine = heldByKey.get(key)
    heldByKey.delete(key)
    const bounds = boundsOf(theirs)
    if (bounds === null) {
      unknown++
      keep(mine)
      continue
    }
    if (theirs.offset > bounds.end) tooFar++
    const isTooLong = theirs.metadata.length > mostMetadata
    if (isTooLong) withoutMetadata.push(theirs)
    const target: GroupPosition = { ...theirs, offset: clamped(theirs.offset, bounds), leaderEpoch: -1, metadata: isTooLong ? '' : theirs.metadata }
    if (mine !== undefined && isSame(mine, target)) {
      same.push(target)
      keep(target)
    } else if (mine === undefined || mine.offset < target.offset || isOwn(mine)) commits.push(target)
    else {
      if (mine.offset > target.offset) ahead++
      keep(mine)
    }
  }
  for (const position of heldByKey.values()) keep(position)
  return { commits, renewals, same, wanted: wanted.length, ahead, clamped: tooFar, unknown, withoutMetadata }
}
