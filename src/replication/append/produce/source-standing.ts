/** What the source was last seen to have of a partition, and how far behind the shadow is. */
import type { PartitionStatus } from '../../link-service.ts'
import { LagClock } from '../lag-clock.ts'

export class SourceStanding {
  readonly #lag: LagClock
  #logStart: number | null = null
  #lastStable: number | null = null
  #highWatermark: number | null = null

  constructor (now: () => number) {
    this.#lag = new LagClock(now)
  }

  get logStart (): number | null {
    return this.#logStart
  }

  get highWatermark (): number | null {
    return this.#highWatermark
  }

  /** `logStart` below 0, and `lastStable` below 0 or null: where an answer does not tell. */
  contact (logStart: number, highWatermark: number, lastStable: number | null): void {
    this.#lag.contact()
    if (logStart >= 0) this.#logStart = logStart
    if (lastStable !== null && lastStable >= 0) this.#lastStable = lastStable
    this.#highWatermark = highWatermark
  }

  noteLevel (shadowEnd: number | null): void {
    if (this.#highWatermark !== null && shadowEnd !== null && shadowEnd >= this.#highWatermark) this.#lag.noteLevel()
  }

  /** `freshMs`: within which a contact with the source counts as now. */
  status (shadowEnd: number | null, freshMs: number): Omit<PartitionStatus, 'partition' | 'activity' | 'problem'> {
    return {
      sourceLogStartOffset: this.#logStart,
      sourceLastStableOffset: this.#lastStable,
      sourceHighWatermark: this.#highWatermark,
      shadowEndOffset: shadowEnd,
      ...this.#lag.status(this.#highWatermark === null || shadowEnd === null ? null : Math.max(0, this.#highWatermark - shadowEnd), freshMs)
    }
  }
}
