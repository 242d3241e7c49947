/**
 * One connection's worth of requests, one at a time. What becomes ready in a turn goes out together, at its end; what becomes
 * ready while a request is under way waits for its answer.
 *
 *   idle ──add()──▶ scheduled ──end of the turn──▶ busy ──answered──▶ busy, if something waits, or idle
 */
export class Lane<Kind, Member> {
  readonly nodeId: number
  readonly kind: Kind
  /** First come, first served. */
  readonly waiting = new Set<Member>()
  /** Those that are part of every request without waiting for it, for whoever has such. */
  standing: { readonly size: number } | null = null
  readonly #begin: (lane: Lane<Kind, Member>) => Promise<void> | null
  #isBusy = false
  #isScheduled = false

  /** `begin` takes from `waiting` and sends, for those that are standing as well; null when there is nothing to send now, and then it calls `schedule` in its time. */
  constructor (nodeId: number, kind: Kind, begin: (lane: Lane<Kind, Member>) => Promise<void> | null) {
    this.nodeId = nodeId
    this.kind = kind
    this.#begin = begin
  }

  add (member: Member): void {
    this.waiting.add(member)
    this.schedule()
  }

  get hasWork (): boolean {
    return this.waiting.size > 0 || (this.standing?.size ?? 0) > 0
  }

  schedule (): void {
    if (this.#isBusy || this.#isScheduled) return
    this.#isScheduled = true
    queueMicrotask(() => {
      this.#isScheduled = false
      this.#pump()
    })
  }

  #pump (): void {
    if (this.#isBusy || !this.hasWork) return
    const work = this.#begin(this)
    if (work === null) return
    this.#isBusy = true
    work.finally(() => {
      this.#isBusy = false
      this.#pump()
    }).catch(() => {})
  }
}

/** The lanes to all brokers of a cluster, made as they are needed. */
export class Lanes<Kind extends string | number, Member> {
  readonly #lanes = new Map<string, Lane<Kind, Member>>()
  readonly #begin: (lane: Lane<Kind, Member>) => Promise<void> | null

  constructor (begin: (lane: Lane<Kind, Member>) => Promise<void> | null) {
    this.#begin = begin
  }

  to (nodeId: number, kind: Kind): Lane<Kind, Member> {
    const key = `${nodeId}/${kind}`
    let lane = this.#lanes.get(key)
    if (lane === undefined) this.#lanes.set(key, lane = new Lane(nodeId, kind, this.#begin))
    return lane
  }
}
