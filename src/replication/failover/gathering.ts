/**
 * A place where topics that are opened at the same time wait for each other, so that what comes next is done for all of them at once: a
 * cluster that takes a thousand partitions over is slowed down by everything else that it is asked for meanwhile, one by one.
 *
 *   announce() ──▶ coming ──arrive()──▶ waiting ──▶ on: all who are coming have come, or the patience with them is over
 *                    └──leave()──▶ not waited for
 *
 * Nobody is held up for long by one that is stuck: those who wait go on when nobody has come for `quietMs`, and after `mostMs` in any
 * case; and one that has a problem is not waited for at all.
 */
export interface GatheringOptions {
  readonly quietMs: number
  readonly mostMs: number
  readonly now: () => number
  /** Calls back once after so many milliseconds, and returns how to stop that. Default: `setTimeout`. */
  readonly timer?: (callback: () => void, ms: number) => () => void
}

/** One that is to come. */
export interface Coming {
  /** It is there; resolves when those who are there go on. */
  arrive (): Promise<void>
  /** It does not come any more; nothing after `arrive`. */
  leave (): void
}

interface Waiting {
  readonly sinceMs: number
  readonly goOn: () => void
}

export class Gathering {
  readonly #options: GatheringOptions
  readonly #timer: NonNullable<GatheringOptions['timer']>
  /** What tells of each whether it has a problem. */
  readonly #coming = new Set<() => boolean>()
  #waiting: Waiting[] = []
  #lastCameAtMs = 0
  #stopTimer: (() => void) | null = null

  constructor (options: GatheringOptions) {
    this.#options = options
    this.#timer = options.timer ?? ((callback, ms) => {
      const timer = setTimeout(callback, ms)
      return () => { clearTimeout(timer) }
    })
  }

  /** `isStuck`: true while it has a problem. Whoever announces it has it arrive or leave in the end. */
  announce (isStuck: () => boolean): Coming {
    // Each is one of its own, whatever function tells of it.
    const coming = (): boolean => isStuck()
    this.#coming.add(coming)
    return {
      arrive: () => {
        this.#coming.delete(coming)
        return this.#arrive()
      },
      leave: () => {
        if (this.#coming.delete(coming)) this.#look()
      }
    }
  }

  async #arrive (): Promise<void> {
    const nowMs = this.#lastCameAtMs = this.#options.now()
    const went = new Promise<void>(resolve => { this.#waiting.push({ sinceMs: nowMs, goOn: resolve }) })
    this.#look()
    await went
  }

  /** Lets those who wait go on when it is time, and looks again when it may be. */
  #look (): void {
    this.#stopTimer?.()
    this.#stopTimer = null
    const [first] = this.#waiting
    if (first === undefined) return
    const { now, quietMs, mostMs } = this.#options
    const leftMs = Math.min(this.#lastCameAtMs + quietMs, first.sinceMs + mostMs) - now()
    if (leftMs > 0 && this.#isAnybodyComing()) {
      this.#stopTimer = this.#timer(() => { this.#look() }, leftMs)
      return
    }
    const gone = this.#waiting
    this.#waiting = []
    for (const { goOn } of gone) goOn()
  }

  #isAnybodyComing (): boolean {
    for (const isStuck of this.#coming) if (!isStuck()) return true
    return false
  }
}
