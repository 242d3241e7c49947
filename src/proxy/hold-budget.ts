/**
 * What all clients together may have held here: parts of requests that cannot be passed on yet, and answers that nobody takes.
 *
 * Above the limit, clients with a part of a request are no longer read, but for the one whose request began first: its end is what
 * makes room. What never ends does not keep the others waiting: a part that does not become more is given up after a while, and above the limit
 * whatever has been held for so long.
 */

/** How much is held before clients have to wait. A few of the largest requests that there are (`sidecar.max_frame_bytes`). */
const MAX_HELD_BYTES = 256 * 1024 * 1024

/** As long as clients wait for an answer before they give up. */
const PATIENCE_MS = 30_000

const CHECK_INTERVAL_MS = 1000

/** Whose connection it is. */
export interface Holder {
  /** False while nothing is taken from it: it cannot help that nothing comes. */
  readonly isRead: boolean
  /** It is to be looked at again whether it may be read. */
  regulate (): void
  /** It has held what it holds for too long. */
  giveUp (): void
}

interface Held {
  requestBytes: number
  answerBytes: number
  sinceMs: number
  /** When it last became more, of a request, or less, of answers. */
  movedMs: number
}

export interface HoldLimits {
  readonly maxBytes: number
  readonly patienceMs: number
}

export class HoldBudget {
  readonly #limits: HoldLimits
  readonly #now: () => number
  /** In the order in which they began to hold what they do. */
  readonly #held = new Map<Holder, Held>()
  readonly #waiting = new Set<Holder>()
  #requestBytes = 0
  #answerBytes = 0
  #timer: NodeJS.Timeout | null = null
  #isWaking = false

  constructor (now: () => number, limits: Partial<HoldLimits> = {}) {
    this.#limits = { maxBytes: MAX_HELD_BYTES, patienceMs: PATIENCE_MS, ...limits }
    this.#now = now
  }

  get heldBytes (): number {
    return this.#requestBytes + this.#answerBytes
  }

  /** What a connection holds at the moment: of requests, and of answers. */
  update (holder: Holder, requestBytes: number, answerBytes: number): void {
    const held = this.#held.get(holder)
    if (held === undefined) {
      if (requestBytes + answerBytes > 0) this.#begin(holder, requestBytes, answerBytes)
      return
    }
    if (held.requestBytes === requestBytes && held.answerBytes === answerBytes) return
    this.#requestBytes += requestBytes - held.requestBytes
    this.#answerBytes += answerBytes - held.answerBytes
    if (requestBytes < held.requestBytes || requestBytes + answerBytes === 0) {
      // The request came to its end. What there is of the next one has just begun.
      this.#held.delete(holder)
      this.#waiting.delete(holder)
      if (requestBytes + answerBytes > 0) this.#held.set(holder, this.#entry(requestBytes, answerBytes))
    } else {
      if (requestBytes > held.requestBytes || answerBytes < held.answerBytes) held.movedMs = this.#now()
      held.requestBytes = requestBytes
      held.answerBytes = answerBytes
    }
    this.#wake()
  }

  /** False when a connection may not be read until there is room; it is told then. */
  mayRead (holder: Holder): boolean {
    if (!this.#isFull) return true
    const held = this.#held.get(holder)
    if (held === undefined || held.requestBytes === 0 || this.#first() === holder) return true
    this.#waiting.add(holder)
    return false
  }

  /** Gives up what has been held for too long. Called once a second while anything is held. */
  check (): void {
    const nowMs = this.#now()
    const { patienceMs } = this.#limits
    for (const [holder, held] of [...this.#held]) {
      if (!holder.isRead) held.movedMs = nowMs
      const limitedMs = this.#isFull ? held.sinceMs : held.movedMs
      if (nowMs - limitedMs < patienceMs) continue
      this.update(holder, 0, 0)
      holder.giveUp()
    }
    if (this.#held.size === 0) this.stop()
  }

  stop (): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  get #isFull (): boolean {
    return this.heldBytes >= this.#limits.maxBytes
  }

  /** The one whose request began first. None while answers that nobody takes leave no room: one more request would mean one more of them. */
  #first (): Holder | null {
    if (this.#answerBytes >= this.#limits.maxBytes) return null
    for (const [holder, { requestBytes }] of this.#held) if (requestBytes > 0) return holder
    return null
  }

  #begin (holder: Holder, requestBytes: number, answerBytes: number): void {
    this.#requestBytes += requestBytes
    this.#answerBytes += answerBytes
    this.#held.set(holder, this.#entry(requestBytes, answerBytes))
    this.#timer ??= setInterval(() => { this.check() }, Math.min(CHECK_INTERVAL_MS, this.#limits.patienceMs)).unref()
  }

  #entry (requestBytes: number, answerBytes: number): Held {
    const nowMs = this.#now()
    return { requestBytes, answerBytes, sinceMs: nowMs, movedMs: nowMs }
  }

  /** Has those look again that wait, if it may have become different for them. */
  #wake (): void {
    if (this.#waiting.size === 0 || this.#isWaking) return
    this.#isWaking = true
    setImmediate(() => {
      this.#isWaking = false
      const first = this.#isFull ? this.#first() : null
      const woken = first === null ? (this.#isFull ? [] : [...this.#waiting]) : [first]
      for (const holder of woken) if (this.#waiting.delete(holder)) holder.regulate()
    })
  }
}
