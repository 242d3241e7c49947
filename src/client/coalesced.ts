export interface CoalescedOptions<Item> {
  /** How much goes together at most; a single item always goes, whatever it weighs. */
  readonly most: number
  /** Default: 1, so that `most` is a number of items. */
  readonly weigh?: (item: Item) => number
}

/**
 * Collects what is asked for in one turn of the event loop and asks for it together, one question at a time: a failover of a
 * thousand partitions is a few requests, and what comes while one is under way goes with the next. First come, first served.
 */
export class Coalesced<Item, Result> {
  readonly #ask: (items: readonly Item[]) => Promise<readonly Result[]>
  readonly #most: number
  readonly #weigh: (item: Item) => number
  #waiting: Array<{ readonly item: Item, readonly resolve: (result: Result) => void, readonly reject: (error: unknown) => void }> = []
  #isScheduled = false
  #isAsking = false

  /** `ask` answers with one result for each item, in their order; what it throws is thrown to all who asked. */
  constructor (ask: (items: readonly Item[]) => Promise<readonly Result[]>, { most, weigh = () => 1 }: CoalescedOptions<Item>) {
    this.#ask = ask
    this.#most = most
    this.#weigh = weigh
  }

  request (item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      this.#schedule()
    })
  }

  #schedule (): void {
    if (this.#isScheduled || this.#isAsking || this.#waiting.length === 0) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#pump()
    })
  }

  #pump (): void {
    const taken = this.#waiting.splice(0, this.#fitting())
    this.#isAsking = true
    this.#ask(taken.map(({ item }) => item)).then(results => {
      taken.forEach(({ resolve, reject }, index) => {
        const result = results[index]
        if (result === undefined) reject(new TypeError('a question without an answer'))
        else resolve(result)
      })
    }, (error: unknown) => { for (const { reject } of taken) reject(error) }).finally(() => {
      this.#isAsking = false
      this.#schedule()
    }).catch(() => {})
  }

  /** How many of those who wait go together. */
  #fitting (): number {
    let weight = 0
    const over = this.#waiting.findIndex(({ item }, index) => (weight += this.#weigh(item)) > this.#most && index > 0)
    return over === -1 ? this.#waiting.length : over
  }
}
