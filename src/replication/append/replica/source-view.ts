/** What the source was last seen to have of one partition, and for how long the shadow has been behind it. */
import type { PartitionStatus } from '../../link-service.ts'
import { LagClock } from '../lag-clock.ts'

export interface SourceBounds {
  /** Below 0 where an answer does not tell. */
  readonly logStartOffset: number
  readonly highWatermark: number
  /** Null or below 0 where an answer does not tell. */
  readonly lastStableOffset?: number | null
}

export class SourceView {
  readonly #lag: LagClock
  readonly #startOffset: number
  #logStart: number | null = null
  #lastStable: number | null = null
  #highWatermark: number | null = null
  /** The highest high watermark that was seen: a new leader of the source may not know it yet. */
  #end = 0

  /** `startOffset`: where the copy begins, if the source has more. */
  constructor (now: () => number, startOffset = 0) {
    this.#lag = new LagClock(now)
    this.#startOffset = startOffset
  }

  /** Where the log of the copy starts: with the source's, and not before the place that it was to begin at. */
  get logStart (): number {
    return Math.max(this.#logStart ?? 0, this.#startOffset)
  }

  get end (): number {
    return this.#end
  }

  /** Begins anew: what was seen before may be of another source, or have been lost by it. */
  restart (bounds: SourceBounds): void {
    this.#logStart = null
    this.#end = 0
    this.contact(bounds)
  }

  contact ({ logStartOffset, highWatermark, lastStableOffset = null }: SourceBounds): void {
    this.#lag.contact()
    // It does not move back; a new leader of the source may not know it yet.
    if (logStartOffset >= 0) this.#logStart = Math.max(this.#logStart ?? 0, logStartOffset)
    if (lastStableOffset !== null && lastStableOffset >= 0) this.#lastStable = lastStableOffset
    this.#highWatermark = highWatermark
    this.#end = Math.max(this.#end, highWatermark)
  }

  noteLevel (shadowEnd: number | null): void {
    if (this.#highWatermark !== null && shadowEnd !== null && shadowEnd >= this.#end) this.#lag.noteLevel()
  }

  status (shadowEnd: number | null, freshMs: number): Omit<PartitionStatus, 'partition' | 'activity' | 'problem'> {
    return {
      sourceLogStartOffset: this.#logStart,
      sourceLastStableOffset: this.#lastStable,
      sourceHighWatermark: this.#highWatermark,
      shadowEndOffset: shadowEnd,
      ...this.#lag.status(this.#highWatermark === null || shadowEnd === null ? null : Math.max(0, this.#end - shadowEnd), freshMs)
    }
  }
}
