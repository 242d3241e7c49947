/**
 * What the link has added and the source no longer has: when it may be removed. One answer of the source is not enough, and when much is
 * gone at once (a cluster that was restored from a backup, an authorizer that was changed), time has to pass, too.
 */

/** Complete answers of the source in a row without the thing. */
const ANSWERS = 2
/** From this many on, and more than half of all that the link has added, it is much at once. */
const MUCH = 10

export interface Vanished {
  /** May be removed now. */
  readonly due: readonly string[]
  /** How many are not removed yet. */
  readonly waiting: number
  /** Set where much is gone at once: after how many milliseconds the first of it is removed. */
  readonly heldForMs: number | null
}

export class VanishedWatch {
  readonly #seen = new Map<string, { answers: number, readonly sinceMs: number }>()

  /** Takes note of one complete answer: of `all` that the link has added, `gone` was not in it. */
  note (gone: readonly string[], { all, nowMs, massDelayMs }: { readonly all: number, readonly nowMs: number, readonly massDelayMs: number }): Vanished {
    const isGone = new Set(gone)
    for (const id of this.#seen.keys()) if (!isGone.has(id)) this.#seen.delete(id)
    for (const id of gone) {
      const seen = this.#seen.get(id)
      if (seen === undefined) this.#seen.set(id, { answers: 1, sinceMs: nowMs })
      else seen.answers++
    }
    const isMuch = gone.length >= MUCH && gone.length > all / 2
    const leftMs = (id: string): number => isMuch ? Math.max(0, massDelayMs - (nowMs - (this.#seen.get(id)?.sinceMs ?? nowMs))) : 0
    const due = gone.filter(id => (this.#seen.get(id)?.answers ?? 0) >= ANSWERS && leftMs(id) === 0)
    const held = due.length === 0 && isMuch ? gone.reduce((least, id) => Math.min(least, leftMs(id)), Infinity) : 0
    return { due, waiting: gone.length - due.length, heldForMs: held > 0 ? held : null }
  }
}
