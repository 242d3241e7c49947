/** What the failovers that run at the same time take together: each topic tells how long its steps took. */
import type { Logger } from '../../../observability/logger.ts'

export class FailoverTotals {
  readonly #logger: Logger
  readonly #now: () => number
  #underWay = 0
  #startedAtMs = 0
  #topics = 0
  #partitions = 0
  #longestMs: Record<string, number> = {}

  constructor (logger: Logger, now: () => number) {
    this.#logger = logger
    this.#now = now
  }

  /** Does the failover of one topic; when none is under way any more, what all took is logged. */
  async during (work: () => Promise<void>): Promise<void> {
    if (this.#underWay++ === 0) {
      this.#startedAtMs = this.#now()
      this.#topics = this.#partitions = 0
      this.#longestMs = {}
    }
    try {
      await work()
    } finally {
      if (--this.#underWay === 0 && this.#topics > 1) this.#log()
    }
  }

  /** One topic is failed over. `tookMs`: by step. */
  add (partitions: number, tookMs: Readonly<Record<string, number>>): void {
    this.#topics++
    this.#partitions += partitions
    for (const [step, ms] of Object.entries(tookMs)) this.#longestMs[step] = Math.max(ms, this.#longestMs[step] ?? 0)
  }

  #log (): void {
    const totalMs = Math.round(this.#now() - this.#startedAtMs)
    this.#logger.info({ topics: this.#topics, partitions: this.#partitions, longest: this.#longestMs, totalMs }, `${this.#topics} topics with ${this.#partitions} partitions are failed over and writable`)
  }
}
