/**
 * The high watermark that followers are told, which is what they show to consumers. As in Kafka, it is what all followers have that
 * keep up: a consumer that is moved to another follower must find there what it has read. It does not go back.
 */
export class ShownWatermark {
  #shown = 0
  /** What each follower was told last: one that is told a lower one goes back to it. */
  readonly #told = new Map<number, number>()

  /** `lowest` is the lowest end of the followers that keep up; Infinity where there is none, and nothing is known. True when it has moved. */
  advance (sourceEnd: number, lowest: number): boolean {
    const end = Math.min(sourceEnd, lowest)
    if (lowest === Infinity || end <= this.#shown) return false
    this.#shown = end
    return true
  }

  /**
   * What to tell a follower that asks from `fetchOffset` on and will have all up to `end` with this answer: what the others have as
   * well, because it shows nothing that it has not written. At least what it had when it came, because all of that was committed on the
   * source; never more than `limit`, and never less than `logStart`. `isCompared` when its log is known to be the source's.
   */
  tell (brokerId: number, { fetchOffset, end, sourceEnd, lowestOther, isCompared, limit, logStart }: {
    readonly fetchOffset: number
    readonly end: number
    readonly sourceEnd: number
    /** The lowest end of the other followers that keep up; Infinity where there is none. */
    readonly lowestOther: number
    readonly isCompared: boolean
    readonly limit: number
    readonly logStart: number
  }): number {
    const common = isCompared ? Math.max(this.#shown, Math.min(end, sourceEnd, lowestOther)) : fetchOffset
    const highWatermark = Math.max(Math.min(common, limit), logStart, this.#told.get(brokerId) ?? fetchOffset)
    this.#told.set(brokerId, highWatermark)
    return highWatermark
  }

  /** The follower has thrown away what it was told of. */
  forgetFollower (brokerId: number): void {
    this.#told.delete(brokerId)
  }

  forget (): void {
    this.#shown = 0
    this.#told.clear()
  }
}
