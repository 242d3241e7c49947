/**
 * The high watermark that followers are told, which is what they show to consumers. As in Kafka, it is what all followers have that
 * are alive: a consumer that is moved to another follower must find there what it has read. It does not go back.
 */
export class ShownWatermark {
  #shown = 0
  /** What each follower was told last: one that is told a lower one goes back to it. */
  readonly #told = new Map<number, number>()

  /** `ends` are those of the followers that are alive, none of which means that nothing is known. True when it has moved. */
  advance (sourceEnd: number, ends: readonly number[]): boolean {
    const end = Math.min(sourceEnd, ...ends)
    if (ends.length === 0 || end <= this.#shown) return false
    this.#shown = end
    return true
  }

  /**
   * What to tell a follower that asks from `fetchOffset` on: at least what it had when it came, because all of that was committed on
   * the source; never more than `limit`, and never less than `logStart`. `isCompared` when its log is known to be the source's.
   */
  tell (brokerId: number, { fetchOffset, isCompared, limit, logStart }: { readonly fetchOffset: number, readonly isCompared: boolean, readonly limit: number, readonly logStart: number }): number {
    const highWatermark = Math.max(Math.min(isCompared ? this.#shown : fetchOffset, limit), logStart, this.#told.get(brokerId) ?? fetchOffset)
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
