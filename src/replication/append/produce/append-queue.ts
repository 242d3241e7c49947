/** The batches of one partition between source and shadow: those that wait, and the one whose append is under way. */
import type { RecordBatch } from '../../../../protocol/records/record-batch.ts'
import type { HeldBytes } from '../../source/byte-budget.ts'

/** A batch as it goes to the shadow: its base offset on the wire is 0, as a broker demands of a producer. */
export interface QueuedBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly producerId: number
  /** The source's, in which the batch was written. */
  readonly leaderEpoch: number
  /** Of the batch as it was checked. */
  readonly crc: number
  readonly bytes: Buffer
  readonly held: HeldBytes
}

export class AppendQueue {
  #waiting: QueuedBatch[] = []
  #inFlight: QueuedBatch | null = null
  #bytes = 0

  /** Of all batches, that under way included. */
  get bytes (): number {
    return this.#bytes
  }

  /** How many wait. */
  get length (): number {
    return this.#waiting.length
  }

  /** The one that waits longest. */
  get first (): QueuedBatch | null {
    return this.#waiting[0] ?? null
  }

  get inFlight (): QueuedBatch | null {
    return this.#inFlight
  }

  /** Its memory is kept until it has been settled or dropped. */
  push (batch: RecordBatch, held: HeldBytes): void {
    const { baseOffset, lastOffset, producerId, partitionLeaderEpoch: leaderEpoch, crc } = batch
    batch.rebase(0)
    held.hold()
    this.#waiting.push({ baseOffset, lastOffset, producerId, leaderEpoch, crc, bytes: batch.bytes, held })
    this.#bytes += batch.sizeBytes
  }

  /** Puts the first one under way, where none is; null when none waits. */
  take (): QueuedBatch | null {
    this.#inFlight = this.#waiting.shift() ?? null
    return this.#inFlight
  }

  /** The one under way is not any more; null when none was. */
  settle (): QueuedBatch | null {
    const batch = this.#inFlight
    this.#inFlight = null
    if (batch !== null) this.#release(batch)
    return batch
  }

  /** Lets go of all that wait. */
  drop (): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const batch of waiting) this.#release(batch)
  }

  #release (batch: QueuedBatch): void {
    this.#bytes -= batch.bytes.length
    batch.held.release()
  }
}
