/** One timer for the earliest of many deadlines. Times are those of `performance.now()`. */
export class DeadlineTimer {
  readonly #expire: (nowMs: number) => number
  #timer: NodeJS.Timeout | null = null
  #atMs = Infinity
  #isStopped = false

  /** `expire` is called when a deadline has passed; it returns the next one, or Infinity. */
  constructor (expire: (nowMs: number) => number) {
    this.#expire = expire
  }

  /** Sees to it that the timer runs out at `deadlineMs` or before. */
  watch (deadlineMs: number): void {
    if (deadlineMs >= this.#atMs || this.#isStopped) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#atMs = deadlineMs
    // Not at once: after a pause of the whole process the answer may lie in the socket, and is read before immediates run.
    this.#timer = setTimeout(() => { setImmediate(() => { this.#runOut() }) }, Math.max(1, Math.ceil(deadlineMs - performance.now())))
  }

  /** For good. */
  stop (): void {
    this.#isStopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  #runOut (): void {
    if (this.#isStopped) return
    this.#timer = null
    this.#atMs = Infinity
    this.watch(this.#expire(performance.now()))
  }
}
