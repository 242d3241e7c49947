/**
 * The whole batches of one answer of the source, as they are served: an index of what lies where in the memory that the answer came in.
 *
 * A chunk stands for all offsets from `from` up to, and without, `to`, also for those that compaction left no record at.
 */
import type { RecordBatch } from '../../../../protocol/records/record-batch.ts'
import type { HeldBytes } from '../../source/byte-budget.ts'

/** A follower's segment holds offsets relative to its base as int32 (UnifiedLog.maybeRoll). */
const MAX_OFFSET_SPAN = 2 ** 31 - 1

export interface ChunkSlice {
  /** Whole batches, where they lie. */
  readonly bytes: Buffer
  /** Of the first batch; of a compressed entry of the older formats, that of its last record. */
  readonly baseOffset: number
  readonly magic: number
  /** The offset after the last record. */
  readonly nextOffset: number
  /** The source's, of the last batch; -1 when not known. */
  readonly lastEpoch: number
}

export interface SliceLimits {
  readonly maxBytes: number
  /** True when one whole batch is due, however large. */
  readonly atLeastOne: boolean
  /** Nothing at or after this offset. */
  readonly endOffset: number
}

export class TailChunk {
  /** Moves down over a hole that turns out to be before it. */
  from: number
  readonly to: number
  readonly held: HeldBytes
  readonly sizeBytes: number
  /** From this offset on it may not be served yet; Infinity when all of it may. */
  heldBackFrom = Infinity
  readonly #bytes: Buffer
  readonly #batches: readonly RecordBatch[]
  /** For each batch: where it ends in `#bytes`, the offset of its last record, its CRC and the source's leader epoch. */
  readonly #ends: number[] = []
  readonly #lastOffsets: number[] = []
  readonly #crcs: number[] = []
  readonly #epochs: number[] = []

  /**
   * `batches`: one or more, checked, as they lie in memory one behind the other. Overwrites the leader epoch of each with
   * `servedEpoch`: what a follower gets must not be above the leader epoch of the shadow partition.
   */
  constructor (from: number, batches: readonly [RecordBatch, ...RecordBatch[]], held: HeldBytes, servedEpoch: number) {
    const [first] = batches
    this.from = Math.min(from, first.baseOffset)
    this.held = held
    this.#batches = batches
    let sizeBytes = 0
    for (const batch of batches) {
      this.#ends.push(sizeBytes += batch.sizeBytes)
      this.#lastOffsets.push(batch.lastOffset)
      this.#crcs.push(batch.crc)
      this.#epochs.push(sourceEpochOf(batch))
      batch.setPartitionLeaderEpoch(servedEpoch)
    }
    this.sizeBytes = sizeBytes
    const { buffer, byteOffset } = first.bytes
    this.#bytes = Buffer.from(buffer, byteOffset, sizeBytes)
    this.to = (this.#lastOffsets.at(-1) ?? 0) + 1
    held.hold()
  }

  /** The source's leader epoch of the last batch; -1 when not known. */
  get lastEpoch (): number {
    return this.#epochs.at(-1) ?? -1
  }

  get batches (): readonly RecordBatch[] {
    return this.#batches
  }

  /** Bytes from the batch that holds `offset`, or the next one, to the end. */
  bytesFrom (offset: number): number {
    const index = this.#indexOf(offset)
    return index === this.#ends.length ? 0 : this.sizeBytes - this.#startOf(index)
  }

  /** Batches from the one that holds `offset`, or the next one, in one piece of memory; null when the limits leave none. */
  slice (offset: number, { maxBytes, atLeastOne, endOffset }: SliceLimits): ChunkSlice | null {
    const first = this.#indexOf(offset)
    const batch = this.#batches[first]
    if (batch === undefined) return null
    const start = this.#startOf(first)
    const { baseOffset } = batch
    const limit = Math.min(endOffset, this.heldBackFrom)
    let end = first
    for (; end < this.#ends.length && this.#lastOffset(end) < limit; end++) {
      if (end === first && atLeastOne) continue
      if ((this.#ends[end] ?? 0) - start > maxBytes || this.#lastOffset(end) - baseOffset > MAX_OFFSET_SPAN) break
    }
    if (end === first) return null
    return {
      bytes: this.#bytes.subarray(start, this.#ends[end - 1]),
      baseOffset,
      magic: batch.magic,
      nextOffset: this.#lastOffset(end - 1) + 1,
      lastEpoch: this.#epochs[end - 1] ?? -1
    }
  }

  /** The size of the batch that holds `offset`, or of the next one; 0 when there is none. */
  batchBytesAt (offset: number): number {
    return this.#batches[this.#indexOf(offset)]?.sizeBytes ?? 0
  }

  /** False when the batch at `offset` is not what was checked: its memory was used for something else, which is a defect. */
  isIntact (offset: number): boolean {
    const index = this.#indexOf(offset)
    if (index === this.#ends.length) return true
    const batch = this.#batches[index]
    return batch !== undefined && batch.lastOffset === this.#lastOffset(index) && batch.crc === this.#crcs[index]
  }

  #startOf (index: number): number {
    return index === 0 ? 0 : this.#ends[index - 1] ?? 0
  }

  #lastOffset (index: number): number {
    return this.#lastOffsets[index] ?? Infinity
  }

  /** The first batch that ends at `offset` or later. */
  #indexOf (offset: number): number {
    let low = 0
    let high = this.#lastOffsets.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#lastOffset(middle) < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** The older formats have none: other bytes lie there. */
function sourceEpochOf (batch: RecordBatch): number {
  return batch.magic === 2 ? batch.partitionLeaderEpoch : -1
}
