/** Which part of each follower's log is a copy, and what it is to throw away: by the leader epochs that it was served. */
import type { FollowerFetch } from './follower-fetch.ts'
import type { FollowerPosition, FollowerPositions } from './follower-positions.ts'
import type { ServedEpochs } from './served-epochs.ts'

export class FollowerLogs {
  readonly #positions: FollowerPositions
  readonly #epochs: () => ServedEpochs
  readonly #onRolledBack: (brokerId: number, thrownAway: { readonly from: number, readonly to: number }) => void
  /** Where each follower stood that was told to throw something away, and has not done it yet. */
  readonly #divergent = new Map<number, number>()

  /** `epochs`: as they are at the moment. `onRolledBack`: a follower has thrown away the end of its log, from `to` on, as it was told to. */
  constructor (positions: FollowerPositions, epochs: () => ServedEpochs, onRolledBack: (brokerId: number, thrownAway: { readonly from: number, readonly to: number }) => void) {
    this.#positions = positions
    this.#epochs = epochs
    this.#onRolledBack = onRolledBack
  }

  /** Those whose logs are to end where they do: without any that is to throw something away. */
  get trusted (): ReadonlyMap<number, FollowerPosition> {
    const epochs = this.#epochs()
    return new Map([...this.#positions.all].filter(([, { lastFetchedEpoch, fetchOffset }]) => epochs.divergence(lastFetchedEpoch, fetchOffset) === null))
  }

  /** The highest end of those. */
  get trustedEnd (): number {
    return Math.max(0, ...[...this.trusted.values()].map(({ fetchOffset }) => fetchOffset))
  }

  /**
   * The lowest end of the logs of the followers that are alive, of which `living` are known to be; null when there are none, or one of
   * them has not said where its log ends: the copy is as good as the worst replica.
   */
  endOfCopy (living: readonly number[]): number | null {
    const { alive } = this.#positions
    // A living one that has said nothing yet may have nothing yet.
    if (alive.length === 0 || living.some(brokerId => !alive.some(told => told.brokerId === brokerId))) return null
    const epochs = this.#epochs()
    // What is to be thrown away is no copy of anything.
    return Math.min(...alive.map(({ lastFetchedEpoch, fetchOffset }) => epochs.divergence(lastFetchedEpoch, fetchOffset)?.endOffset ?? fetchOffset))
  }

  /**
   * What a follower is told that holds what is to be thrown away; null for any other. It cuts off where the epoch ends here, or on
   * itself if that is before (AbstractFetcherThread.getOffsetTruncationState), and asks again.
   */
  divergence ({ brokerId, fetchOffset, lastFetchedEpoch }: FollowerFetch): { readonly epoch: number, readonly endOffset: number } | null {
    const before = this.#divergent.get(brokerId)
    const divergence = this.#epochs().divergence(lastFetchedEpoch, fetchOffset)
    if (divergence !== null) this.#divergent.set(brokerId, Math.max(before ?? 0, fetchOffset))
    else if (before !== undefined) {
      this.#divergent.delete(brokerId)
      this.#onRolledBack(brokerId, { from: before, to: fetchOffset })
    }
    return divergence
  }
}
