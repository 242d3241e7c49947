/** A follower holds more than the source was last seen to have: what is served ends there until somebody has looked into it. */
export class SourceDoubt {
  #about: { readonly from: number, readonly brokerId: number, readonly fetchOffset: number } | null = null

  /** Nothing from here on is served; Infinity when there is no doubt. */
  get from (): number {
    return this.#about?.from ?? Infinity
  }

  /** True for the first follower; of later ones only that is kept which holds most. */
  raise (brokerId: number, fetchOffset: number, sourceEnd: number): boolean {
    const before = this.#about
    if (before === null || fetchOffset > before.fetchOffset) this.#about = { from: before?.from ?? sourceEnd, brokerId, fetchOffset }
    return before === null
  }

  end (): void {
    this.#about = null
  }

  /** In words; null when there is none. */
  get problem (): string | null {
    if (this.#about === null) return null
    const { from, brokerId, fetchOffset } = this.#about
    return `source lost records: broker ${brokerId} holds records up to offset ${fetchOffset}, and the source's log ended at ${from}; nothing from there on is served`
  }
}
