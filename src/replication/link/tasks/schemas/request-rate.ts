/** Keeps requests to a registry below a rate: a token bucket that holds a tenth of a second's worth, so that there is no burst worth the name. */

export interface RateClock {
  readonly now: () => number
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
}

export class RequestRate {
  readonly #perMs: number
  readonly #capacity: number
  readonly #clock: RateClock
  #tokens: number
  #atMs: number

  /** `perSecond` requests, 1 at the least. */
  constructor (perSecond: number, clock: RateClock) {
    this.#perMs = perSecond / 1000
    this.#capacity = Math.max(1, perSecond / 10)
    this.#clock = clock
    this.#tokens = this.#capacity
    this.#atMs = clock.now()
  }

  /** Resolves when one more request may be sent. @throws {ShadowError} ABORTED */
  async take (signal: AbortSignal): Promise<void> {
    const now = this.#clock.now()
    this.#tokens = Math.min(this.#capacity, this.#tokens + Math.max(0, now - this.#atMs) * this.#perMs)
    this.#atMs = now
    // Below zero are those that wait: each of them waits for its own.
    this.#tokens--
    if (this.#tokens < 0) await this.#clock.sleep(Math.ceil(-this.#tokens / this.#perMs), signal)
  }
}
