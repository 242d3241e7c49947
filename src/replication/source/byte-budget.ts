/** What an answer should have room for at the least, as a part of the limit: what is freed little by little would be filled by ever smaller ones. */
const LEAST_SHARE = 1 / 16

/** How many bytes of fetched data one link may hold. */
export class ByteBudget {
  readonly limitBytes: number
  #usedBytes = 0
  #waiters: Array<() => void> = []
  readonly #reclaimers = new Set<() => void>()

  constructor (limitBytes: number) {
    this.limitBytes = limitBytes
  }

  get usedBytes (): number {
    return this.#usedBytes
  }

  get freeBytes (): number {
    return Math.max(0, this.limitBytes - this.#usedBytes)
  }

  /** True when too little is left to fetch anything. */
  get isShort (): boolean {
    return this.freeBytes < Math.max(1, Math.floor(this.limitBytes * LEAST_SHARE))
  }

  /** May go past the limit: a broker answers with one whole batch, however large, and it has arrived by then. */
  take (bytes: number): void {
    this.#usedBytes += bytes
  }

  give (bytes: number): void {
    this.#usedBytes -= bytes
    if (this.isShort) return
    const waiters = this.#waiters
    this.#waiters = []
    for (const wake of waiters) wake()
  }

  /** True while somebody waits for bytes that are not there. */
  get isAwaited (): boolean {
    return this.#waiters.length > 0
  }

  /** Calls back once, when enough has been given back. */
  whenFreed (wake: () => void): void {
    this.#waiters.push(wake)
    for (const reclaim of this.#reclaimers) reclaim()
  }

  /** Calls `reclaim` whenever somebody begins to wait: whoever holds bytes that can be had again gives some back. Returns how to stop that. */
  onShort (reclaim: () => void): () => void {
    this.#reclaimers.add(reclaim)
    return () => { this.#reclaimers.delete(reclaim) }
  }
}

/**
 * The bytes of one answer, which stay in memory until the last batch in it has been let go: batches are slices of it. What
 * counts against the budget is therefore the answer, not the batch.
 */
export class HeldBytes {
  readonly #budget: ByteBudget
  readonly #bytes: number
  readonly #onReleased: () => void
  #holders = 1

  /** Held once, by whoever makes it. `onReleased` is called when nobody holds any of it any more. */
  constructor (budget: ByteBudget, bytes: number, onReleased: () => void = () => {}) {
    this.#budget = budget
    this.#bytes = bytes
    this.#onReleased = onReleased
    budget.take(bytes)
  }

  hold (): void {
    this.#holders++
  }

  release (): void {
    if (--this.#holders > 0) return
    this.#onReleased()
    this.#budget.give(this.#bytes)
  }
}
