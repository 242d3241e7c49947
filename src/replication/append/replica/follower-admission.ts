/**
 * Which followers hold nothing but what the source has. The others are answered with nothing until somebody has compared their logs.
 *
 *   unknown ──ask(): it holds records──▶ told of ──admit()──▶ admitted
 *      │                                    ▲                    │
 *      └──ask(): its log is empty──▶ admitted                    │ it comes back with less than was verified
 *                                           └────────────────────┘
 */

/** Where a follower's log ends and the source's log was verified to be the same up to there, and what wrote the last batch. */
export interface VerifiedEnd {
  readonly offset: number
  /** The source's leader epoch of the last batch before it; -1 when not known. */
  readonly leaderEpoch: number
}

export class FollowerAdmission {
  /** What each follower was served last: once it asks from there on, the source's leader epoch before its position is known. */
  readonly #served = new Map<number, VerifiedEnd>()
  readonly #admitted = new Map<number, VerifiedEnd>()
  /** Where each of the others stood when it was told of. */
  readonly #told = new Map<number, number>()
  readonly #onFollower: (brokerId: number, fetchOffset: number) => void

  /** `onFollower` is called for one whose log has to be compared, once for each place that it stands at. */
  constructor (onFollower: (brokerId: number, fetchOffset: number) => void) {
    this.#onFollower = onFollower
  }

  /** By broker id. */
  get admitted (): ReadonlyMap<number, VerifiedEnd> {
    return this.#admitted
  }

  /**
   * True when a follower that asks from `fetchOffset` on may be served. An empty log agrees with every other one. One that ends before
   * what was verified, or served and then asked on from, has lost its end: what is left is looked at again.
   */
  ask (brokerId: number, fetchOffset: number, logStart: number): boolean {
    const served = this.#served.get(brokerId)
    const verified = this.#admitted.get(brokerId)
    if (verified !== undefined && served?.offset === fetchOffset) this.#admitted.set(brokerId, served)
    if (verified !== undefined && fetchOffset >= verified.offset) return true
    this.#admitted.delete(brokerId)
    this.#served.delete(brokerId)
    if (fetchOffset <= logStart) {
      this.#told.delete(brokerId)
      this.#admitted.set(brokerId, { offset: fetchOffset, leaderEpoch: -1 })
      return true
    }
    if (this.#told.get(brokerId) === fetchOffset) return false
    this.#told.set(brokerId, fetchOffset)
    this.#onFollower(brokerId, fetchOffset)
    return false
  }

  /** False when the follower does not wait there any more. */
  admit (brokerId: number, verified: VerifiedEnd): boolean {
    if (this.#told.get(brokerId) !== verified.offset) return false
    this.#told.delete(brokerId)
    this.#admitted.set(brokerId, verified)
    return true
  }

  isAwaiting (brokerId: number, fetchOffset: number): boolean {
    return this.#told.get(brokerId) === fetchOffset
  }

  /** The follower is given what ends there. */
  serve (brokerId: number, end: VerifiedEnd): void {
    this.#served.set(brokerId, end)
  }

  /** What was served comes from a reading of the source that does not count any more. */
  forgetServed (): void {
    this.#served.clear()
  }

  forgetAll (): void {
    this.#served.clear()
    this.#admitted.clear()
    this.#told.clear()
  }

  /** The source's leader epoch of the last batch before an offset that a follower is known to stand at; -1 where it is not known. */
  epochBefore (offset: number): number {
    return Math.max(-1, ...[...this.#served.values(), ...this.#admitted.values()].filter(end => end.offset === offset).map(({ leaderEpoch }) => leaderEpoch))
  }
}
