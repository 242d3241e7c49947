/**
 * The leader epochs that followers get in place of the source's: one and the same, 0, until the source loses records that they hold.
 * What is copied after that gets the shadow partition's leader epoch of that time, so that the logs from before and after can be told
 * apart by Kafka's own means (KIP-101, KIP-279): a broker that was away, and comes back with what was thrown away, cuts it off
 * whoever leads by then, this engine, another one, or a real broker after the failover.
 *
 *   0 ──────────────┐ 100 ──────────▶ 120    thrown away, at 100
 *                   └ epoch 5 ─────────────────▶ 150
 *
 * Epochs are never above the shadow's leader epoch, and the same after every restart: they are in the topic's record.
 */
import type { EpochStart } from '../../../state/rollbacks.ts'

export const FIRST_EPOCH = 0

export class ServedEpochs {
  /** Those that the log has now, with where each begins: both rise. */
  readonly #current: EpochStart[] = [{ epoch: FIRST_EPOCH, startOffset: 0 }]
  readonly #known = new Set([FIRST_EPOCH])

  /** `given`: in turn, after the first one. */
  constructor (given: readonly EpochStart[] = []) {
    for (const { epoch, startOffset } of given) {
      this.#known.add(epoch)
      while (this.#current.length > 1 && (this.#current.at(-1)?.startOffset ?? -1) >= startOffset) this.#current.pop()
      this.#current.push({ epoch, startOffset })
    }
  }

  get latest (): number {
    return this.#current.at(-1)?.epoch ?? FIRST_EPOCH
  }

  /** What a batch gets. */
  epochAt (offset: number): number {
    return this.#current.findLast(({ startOffset }) => startOffset <= offset)?.epoch ?? FIRST_EPOCH
  }

  /** True for one that was ever given to followers: any other was written by a real broker that led the partition. */
  isKnown (epoch: number): boolean {
    return this.#known.has(epoch)
  }

  /** The highest epoch of the log that is not above `epoch`, and where it ends: Infinity for the last one. As LeaderEpochFileCache.endOffsetFor. */
  endOf (epoch: number): { readonly epoch: number, readonly endOffset: number } {
    const index = this.#current.findLastIndex(known => known.epoch <= epoch)
    return { epoch: this.#current[index]?.epoch ?? FIRST_EPOCH, endOffset: this.#current[index + 1]?.startOffset ?? Infinity }
  }

  /**
   * What a follower is told whose log ends at `fetchOffset` with a batch of `lastFetchedEpoch`, when some of that is not the log any
   * more (Partition.readRecords); null when all of it may be, or nothing can be told by its epoch.
   */
  divergence (lastFetchedEpoch: number, fetchOffset: number): { readonly epoch: number, readonly endOffset: number } | null {
    if (lastFetchedEpoch === this.latest || !this.#known.has(lastFetchedEpoch)) return null
    const end = this.endOf(lastFetchedEpoch)
    return end.epoch < lastFetchedEpoch || end.endOffset < fetchOffset ? end : null
  }
}
