/**
 * What of one source partition lies in memory, for all its followers together: chunks in the order of their offsets, with gaps
 * where nobody is. A run is a sequence of chunks without a gap; a follower belongs to the run that it stands in or right behind,
 * and a reader reads on at the end of every run that somebody belongs to.
 *
 *         r2                              r1
 *     ────▼────────┐                  ────▼─────┬───────┐
 *       chunk      │▶ reader            chunk   │ chunk │▶ reader
 *     ─────────────┘                  ──────────┴───────┘
 *
 * A reader that comes to the next run ends there: from then on its follower belongs to that run.
 */
import type { RecordBatch } from '../../../../protocol/records/record-batch.ts'
import type { TopicFault } from '../../../state/topic-state.ts'
import type { HeldBytes } from '../../source/byte-budget.ts'
import type { FetchTarget } from '../../source/fetch-target.ts'
import type { ServedEpochs } from './served-epochs.ts'
import { TailChunk, type ChunkSlice, type SliceLimits } from './tail-chunk.ts'
import type { TailDemand } from './tail-demand.ts'
import type { ChunkHolder, TailMemory } from './tail-memory.ts'
import { TailReader, type ReaderOwner } from './tail-reader.ts'

/** Small answers, as a slow stream gives them, are read ahead up to so many; what comes after them comes in fewer, larger ones. */
const MAX_CHUNKS_AHEAD = 8
/** A follower that is further behind than this reads for itself. */
const MAX_RUN_CHUNKS = 64

export interface TailOwner {
  readonly topic: string
  readonly partition: number
  readonly sourceTopicId: string | null
  readonly memory: TailMemory
  readonly sourceEnd: number
  /** Nothing from this offset on is read or served. */
  readonly limitOffset: number
  readonly demand: TailDemand
  readonly servedEpochs: ServedEpochs
  /** The source's leader epoch of the last batch before an offset, where it is known from elsewhere; -1 where it is not. */
  epochBefore (offset: number): number
  wake (reader: FetchTarget): void
  /** Called for every batch on its arrival, before it can be served: true when it may be. */
  admit (batch: RecordBatch): boolean
  /** True when the batch may be served by now. */
  isAdmitted (batch: RecordBatch): boolean
  /** There may be something to serve that was not there before. */
  onData (): void
  sourceContact (contact: { readonly logStartOffset: number, readonly highWatermark: number, readonly lastStableOffset: number | null }): void
  missing (offset: number, problem: string): void
  fault (fault: TopicFault): void
  noteProblem (problem: string | null): void
}

export interface Found {
  readonly chunk: TailChunk
  readonly slice: ChunkSlice
}

export class PartitionTail implements ReaderOwner, ChunkHolder {
  readonly #owner: TailOwner
  #chunks: TailChunk[] = []
  #readers: TailReader[] = []
  /** From the first batch on that may not be served yet; nothing behind it is read. */
  #heldBackFrom = Infinity
  #isTending = false

  constructor (owner: TailOwner) {
    this.#owner = owner
  }

  get topic (): string {
    return this.#owner.topic
  }

  get partition (): number {
    return this.#owner.partition
  }

  get sourceTopicId (): string | null {
    return this.#owner.sourceTopicId
  }

  get sourceEnd (): number {
    return this.#owner.sourceEnd
  }

  get bytes (): number {
    return this.#chunks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  }

  /** How many positions of the source are being read from. */
  get readerCount (): number {
    return this.#readers.length
  }

  /** What can be served from `offset` on; null when it is not in memory, or the limits leave nothing. */
  find (offset: number, limits: Omit<SliceLimits, 'endOffset'>): Found | null {
    const chunk = this.#chunkAt(offset)
    if (chunk === null) return null
    if (!chunk.isIntact(offset)) {
      this.#drop(chunk)
      this.#owner.noteProblem('the memory of a batch was used for something else before it was sent; reading it again')
      this.tend()
      return null
    }
    const slice = chunk.slice(offset, { ...limits, endOffset: this.#owner.limitOffset })
    return slice === null ? null : { chunk, slice }
  }

  /** Up to where all that follows `offset` is in memory and may be served. */
  endOfRun (offset: number): number {
    let end = offset
    for (let index = this.#indexAt(offset), chunk = this.#chunks[index]; chunk !== undefined && chunk.from <= end; chunk = this.#chunks[++index]) {
      if (chunk.heldBackFrom < Infinity) return Math.max(end, chunk.heldBackFrom)
      end = chunk.to
    }
    return end
  }

  /** The size of the batch that `offset` is in, or that comes next; 0 when it is not in memory. */
  batchBytesAt (offset: number): number {
    return this.#chunkAt(offset)?.batchBytesAt(offset) ?? 0
  }

  /** Lets go of what nobody needs any more, and reads what somebody will need. To be called whenever a follower has moved. */
  tend (): void {
    if (this.#isTending) return
    this.#isTending = true
    const limit = Math.min(this.#owner.limitOffset, this.#heldBackFrom)
    const ends = new Set<number>()
    const needed = new Set<TailChunk>()
    for (const offset of this.#owner.demand.followerOffsets) {
      let end = offset
      for (let index = this.#indexAt(offset), chunk = this.#chunks[index]; chunk !== undefined && chunk.from <= end; chunk = this.#chunks[++index]) {
        needed.add(chunk)
        end = chunk.to
      }
      if (end < limit) ends.add(end)
    }
    let surplus = needed.size - MAX_RUN_CHUNKS
    for (const chunk of [...this.#chunks]) {
      if ((!needed.has(chunk) && !this.#owner.demand.isGathering) || (surplus-- > 0 && this.#isPassedBySomebody(chunk) && !this.#isAwaited(chunk))) this.#drop(chunk)
    }
    this.#readers = this.#readers.filter(reader => {
      if (ends.delete(reader.nextOffset)) return true
      reader.isDone = true
      return false
    })
    for (const end of ends) this.#readers.push(this.#newReader(end))
    for (const reader of this.#readers) this.#owner.wake(reader)
    this.#isTending = false
  }

  /** Whether batches may be served has changed. */
  release (): void {
    this.#heldBackFrom = Infinity
    for (const chunk of this.#chunks) {
      if (chunk.heldBackFrom < Infinity) this.#holdBack(chunk, batch => this.#owner.isAdmitted(batch))
    }
    this.tend()
    this.#owner.onData()
  }

  /** Lets go of everything. */
  clear (): void {
    for (const chunk of [...this.#chunks]) this.#drop(chunk)
    for (const reader of this.#readers) reader.isDone = true
    this.#readers = []
    this.#heldBackFrom = Infinity
  }

  hasEnough (reader: TailReader, maxAheadBytes: number): boolean {
    const end = reader.nextOffset
    if (end >= Math.min(this.#owner.limitOffset, this.#heldBackFrom)) return true
    if (this.#owner.demand.wantedOffsets.includes(end)) return false
    // Reading ahead is for when there is room.
    if (this.#owner.memory.isShort) return true
    const nearest = Math.max(-1, ...this.#owner.demand.followerOffsets.filter(offset => offset <= end))
    let bytes = 0
    let count = 0
    for (let index = this.#indexAt(nearest), chunk = this.#chunks[index]; chunk !== undefined && chunk.from < end; chunk = this.#chunks[++index]) {
      bytes += chunk.bytesFrom(nearest)
      count++
    }
    return bytes >= maxAheadBytes || count >= MAX_CHUNKS_AHEAD
  }

  insert (reader: TailReader, batches: readonly RecordBatch[], held: HeldBytes): void {
    const from = reader.nextOffset
    const index = this.#indexAt(from)
    const before = this.#chunks[index - 1]
    const { kept, next } = this.#untilNext(batches, index)
    const [first, ...others] = kept
    if (first === undefined) {
      // All of it is in memory: what lies between is a hole.
      if (next !== undefined) next.from = from
    } else {
      const chunk = new TailChunk(Math.max(before?.to ?? 0, Math.min(from, first.baseOffset)), [first, ...others], held, this.#owner.servedEpochs)
      this.#holdBack(chunk, batch => this.#owner.admit(batch))
      this.#chunks.splice(index, 0, chunk)
      this.#owner.memory.add(chunk, this)
      if (next !== undefined && kept.length < batches.length) next.from = chunk.to
      reader.advance(chunk.to, chunk.lastEpoch)
    }
    this.tend()
    this.#owner.onData()
  }

  /** The batches before the next chunk. One that reaches into it is not the one that was there: the chunk goes. */
  #untilNext (batches: readonly RecordBatch[], index: number): { readonly kept: readonly RecordBatch[], readonly next: TailChunk | undefined } {
    for (;;) {
      const next = this.#chunks[index]
      if (next === undefined) return { kept: batches, next }
      const kept = batches.filter(batch => batch.lastOffset < next.from)
      const overlapping = batches[kept.length]
      if (overlapping === undefined || overlapping.baseOffset >= next.from) return { kept, next }
      this.#drop(next)
    }
  }

  #holdBack (chunk: TailChunk, isAdmitted: (batch: RecordBatch) => boolean): void {
    chunk.heldBackFrom = Infinity
    for (const batch of chunk.batches) {
      // All are asked about, also those behind one that must wait.
      if (!isAdmitted(batch)) chunk.heldBackFrom = Math.min(chunk.heldBackFrom, batch.baseOffset)
    }
    this.#heldBackFrom = Math.min(this.#heldBackFrom, chunk.heldBackFrom)
  }

  /**
   * True when a follower that moves will come to the chunk without a gap: the one that is ahead then waits for memory. Without
   * that, what the one behind needs next would be taken from it first, and every byte be read once for each of them.
   */
  isNeeded (chunk: TailChunk): boolean {
    if (this.#isAwaited(chunk) || this.#owner.demand.isGathering) return true
    return this.#owner.demand.movingOffsets.some(offset => offset < chunk.to && this.#isInRunOf(offset, chunk))
  }

  #isInRunOf (offset: number, wanted: TailChunk): boolean {
    let end = offset
    for (let index = this.#indexAt(offset), chunk = this.#chunks[index]; chunk !== undefined && chunk.from <= end; chunk = this.#chunks[++index]) {
      if (chunk === wanted) return true
      end = chunk.to
    }
    return false
  }

  #isAwaited (chunk: TailChunk): boolean {
    const limit = Math.min(chunk.to, chunk.heldBackFrom, this.#owner.limitOffset)
    return this.#owner.demand.awaitedOffsets.some(offset => offset >= chunk.from && offset < limit)
  }

  evict (chunk: TailChunk): void {
    this.#drop(chunk)
  }

  sourceContact (contact: { readonly logStartOffset: number, readonly highWatermark: number, readonly lastStableOffset: number | null }): void {
    this.#owner.sourceContact(contact)
  }

  missing (reader: TailReader, problem: string): void {
    this.#owner.missing(reader.nextOffset, problem)
  }

  fault (fault: TopicFault): void {
    this.#owner.fault(fault)
  }

  noteProblem (problem: string | null): void {
    this.#owner.noteProblem(problem)
  }

  #newReader (offset: number): TailReader {
    const before = this.#chunks[this.#indexAt(offset) - 1]
    return before?.to === offset
      ? new TailReader(offset, before.lastEpoch, this, { isContinuing: true })
      : new TailReader(offset, this.#owner.epochBefore(offset), this, { isContinuing: false })
  }

  #isPassedBySomebody (chunk: TailChunk): boolean {
    return this.#owner.demand.followerOffsets.some(offset => offset >= chunk.to)
  }

  /** What was held back stays so: it is not read again before it may be served. */
  #drop (chunk: TailChunk): void {
    const index = this.#chunks.indexOf(chunk)
    if (index === -1) return
    this.#chunks.splice(index, 1)
    this.#owner.memory.remove(chunk)
  }

  #chunkAt (offset: number): TailChunk | null {
    const chunk = this.#chunks[this.#indexAt(offset)]
    return chunk !== undefined && chunk.from <= offset ? chunk : null
  }

  /** The first chunk that ends behind `offset`. */
  #indexAt (offset: number): number {
    let low = 0
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#chunks[middle]?.to ?? Infinity) <= offset) low = middle + 1
      else high = middle
    }
    return low
  }
}
