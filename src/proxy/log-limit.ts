/** Keeps a client that does the same wrong thing a thousand times a second from writing a thousand lines a second. */
export class LogLimit {
  readonly #intervalMs: number
  readonly #now: () => number
  readonly #kinds = new Map<string, { nextMs: number, skipped: number }>()

  /** At most one line of a kind in `intervalMs`. */
  constructor (intervalMs: number, now: () => number) {
    this.#intervalMs = intervalMs
    this.#now = now
  }

  /** Calls `log` if it is time, with the number of lines that were left out since the last one. `kind` is one of few. */
  run (kind: string, log: (skipped: number) => void): void {
    const last = this.#kinds.get(kind)
    if (last !== undefined && this.#now() < last.nextMs) {
      last.skipped++
      return
    }
    this.#kinds.set(kind, { nextMs: this.#now() + this.#intervalMs, skipped: 0 })
    log(last?.skipped ?? 0)
  }

  /** Calls `log` the first time only. */
  once (kind: string, log: () => void): void {
    if (this.#kinds.has(kind)) return
    this.#kinds.set(kind, { nextMs: Infinity, skipped: 0 })
    log()
  }
}
