/** Which leader epoch wrote from which offset on (Kafka's LeaderEpochFileCache). */
export interface EpochStart {
  readonly epoch: number
  readonly startOffset: number
}

export interface EpochEnd {
  readonly epoch: number
  readonly endOffset: number
}

const UNKNOWN: EpochEnd = { epoch: -1, endOffset: -1 }

export class LeaderEpochs {
  #starts: EpochStart[] = []

  get latest (): number {
    return this.#starts.at(-1)?.epoch ?? -1
  }

  /** `epoch` writes from `startOffset` on. Epochs that wrote nothing are forgotten. */
  assign (epoch: number, startOffset: number): void {
    if (epoch <= this.latest) return
    this.truncateTo(startOffset)
    this.#starts.push({ epoch, startOffset })
  }

  /** The epoch that wrote an offset, or -1. */
  epochOf (offset: number): number {
    return this.#starts.findLast(({ startOffset }) => startOffset <= offset)?.epoch ?? -1
  }

  /** The largest epoch at or below `epoch` and where it ends. */
  endOf (epoch: number, logEndOffset: number): EpochEnd {
    if (epoch === -1) return UNKNOWN
    if (epoch === this.latest) return { epoch, endOffset: logEndOffset }
    const next = this.#starts.find(start => start.epoch > epoch)
    // A greater epoch than any that wrote here: nobody can tell.
    if (next === undefined) return UNKNOWN
    const own = this.#starts.findLast(start => start.epoch <= epoch)
    return { epoch: own?.epoch ?? epoch, endOffset: next.startOffset }
  }

  /** Forgets what lies at or beyond the new end of the log. */
  truncateTo (endOffset: number): void {
    this.#starts = this.#starts.filter(({ startOffset }) => startOffset < endOffset)
  }

  /** The epoch that covers the new start of the log begins there. */
  dropBefore (logStart: number): void {
    const covering = this.#starts.findLast(({ startOffset }) => startOffset <= logStart)
    const later = this.#starts.filter(({ startOffset }) => startOffset > logStart)
    this.#starts = covering === undefined ? later : [{ epoch: covering.epoch, startOffset: logStart }, ...later]
  }

  clear (): void {
    this.#starts = []
  }
}
