/** The answers that a client is owed, in the order of its requests, which is the order in which Kafka answers. */

/** Makes the client's answer, length word included, from the broker's, which is given without; null to pass that on unchanged. */
export type Rewrite = (frame: Buffer) => readonly Buffer[] | null

export interface PendingAnswer {
  readonly correlationId: number
  /** The answer itself, where it is made here; null where the broker gives it. */
  readonly ready: readonly Buffer[] | null
  /** What to do with the broker's answer; null to pass its bytes on as they come. */
  readonly rewrite: Rewrite | null
}

/** How many may be consumed before the array is cut. */
const CUT_AFTER = 1024

export class PendingAnswers {
  #entries: PendingAnswer[] = []
  #first = 0
  #readyBytes = 0

  get count (): number {
    return this.#entries.length - this.#first
  }

  /** The bytes of answers that are made and wait for earlier ones. */
  get readyBytes (): number {
    return this.#readyBytes
  }

  get first (): PendingAnswer | null {
    return this.#entries[this.#first] ?? null
  }

  push (entry: PendingAnswer): void {
    this.#entries.push(entry)
    if (entry.ready !== null) this.#readyBytes += bytesOf(entry.ready)
  }

  shift (): void {
    const entry = this.first
    if (entry === null) return
    if (entry.ready !== null) this.#readyBytes -= bytesOf(entry.ready)
    this.#first++
    if (this.#first === this.#entries.length) {
      this.#entries.length = 0
      this.#first = 0
    } else if (this.#first === CUT_AFTER) {
      this.#entries = this.#entries.slice(CUT_AFTER)
      this.#first = 0
    }
  }
}

function bytesOf (buffers: readonly Buffer[]): number {
  let sum = 0
  for (const buffer of buffers) sum += buffer.length
  return sum
}
