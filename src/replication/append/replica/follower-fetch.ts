/** What followers ask of a shadow partition, and what they are answered. */
import type { ToldPosition } from './follower-positions.ts'
import type { Found } from './partition-tail.ts'

/** A row of a follower's Fetch. */
export interface FollowerFetch extends ToldPosition {
  readonly currentLeaderEpoch: number
  /** Where the follower's own log starts. */
  readonly logStartOffset: number
}

export type FetchLook =
  | { readonly kind: 'error', readonly errorCode: number, readonly leaderEpoch: number | null }
  | { readonly kind: 'diverging', readonly epoch: number, readonly endOffset: number, readonly highWatermark: number, readonly logStartOffset: number }
  | {
    readonly kind: 'data'
    readonly found: Found | null
    readonly highWatermark: number
    readonly logStartOffset: number
    /** True when the follower has, or will have, more than it may show: others do not have it yet, or are given up after some time. */
    readonly isHeld: boolean
  }

export type OffsetLook = { readonly errorCode: number } | { readonly errorCode: 0, readonly offset: number, readonly leaderEpoch: number }

/** Somebody who wants to know when there may be something new to tell a follower. */
export interface PartitionWatcher {
  readonly fetchOffset: number
  /** True while a request is being answered that this partition is part of. */
  readonly isWaiting: boolean
  changed (): void
}
