/** A claim to leadership that ends by our own clock, whatever anybody else thinks. */
export interface Lease {
  /** Aborted when leadership ends. */
  readonly signal: AbortSignal
  /** False from the moment on that another may lead, as far as our own clock can tell; never true again after it. */
  isHeld (): boolean
}

/**
 * The lease that whoever runs the election holds: it prolongs it with every answer, and it ends it.
 *
 * A coordinator gives a member's place away one session timeout after the last request that it got from it. Our lease counts
 * from when that request was sent, which is earlier, and is shorter by a margin, because two clocks do not run alike.
 */
export class HeldLease implements Lease {
  readonly #durationMs: number
  readonly #now: () => number
  readonly #abort = new AbortController()
  #endMs: number
  #timer: NodeJS.Timeout | null = null

  /** Held from `sentAtMs` on, when the request was sent that made us the leader. */
  constructor (options: { readonly durationMs: number, readonly sentAtMs: number, readonly now: () => number }) {
    this.#durationMs = options.durationMs
    this.#now = options.now
    this.#endMs = options.sentAtMs + options.durationMs
    this.#watch()
  }

  get signal (): AbortSignal {
    return this.#abort.signal
  }

  isHeld (): boolean {
    if (this.signal.aborted) return false
    if (this.#now() < this.#endMs) return true
    // The timer may be late, as everything is in a process that was stopped for a while.
    this.end('the lease has run out')
    return false
  }

  /** The coordinator answered a request that was sent at `sentAtMs`. A lease that has ended stays so. */
  renew (sentAtMs: number): void {
    if (!this.isHeld()) return
    this.#endMs = Math.max(this.#endMs, sentAtMs + this.#durationMs)
  }

  end (reason: string): void {
    if (this.signal.aborted) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#abort.abort(new Error(reason))
  }

  #watch (): void {
    const leftMs = this.#endMs - this.#now()
    if (leftMs <= 0) {
      this.end('the lease has run out')
      return
    }
    this.#timer = setTimeout(() => { this.#watch() }, Math.ceil(leftMs))
  }
}
