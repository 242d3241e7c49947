/**
 * The log of one partition: batches in segments, an index of them in memory, and what follows from them (producers, leader
 * epochs, the stable end). It says where things are; which batches may be appended is for batch-validator.ts.
 */
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { BATCH_HEADER_BYTES, LOG_OVERHEAD_BYTES, readBatches, RecordBatch } from '../../../protocol/records/record-batch.ts'
import { Waiters } from '../../net/waiters.ts'
import { LeaderEpochs, type EpochEnd } from './leader-epochs.ts'
import { ProducerState, type AbortedTransaction, type Producer } from './producer-state.ts'
import type { Segment, SegmentStorage } from './segment.ts'

const NO_PRODUCER_ID = -1

/** Length and magic, to know how much of a header there is. */
const PREFIX_BYTES = 17

/** Where a batch is. */
export interface BatchEntry {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly position: number
  readonly sizeBytes: number
  /** Milliseconds since 1970; -1 for the formats before batches. */
  readonly maxTimestamp: number
}

/** Whole batches, and the offset after the last of them. */
export interface BatchesRange {
  readonly bytes: Buffer
  readonly nextOffset: number
}

interface IndexedSegment {
  readonly segment: Segment
  readonly entries: BatchEntry[]
}

export type AppendOutcome =
  | { readonly errorCode: 0, readonly baseOffset: number, readonly isDuplicate: boolean, readonly timestamp: number }
  | { readonly errorCode: number, readonly message: string }

export class PartitionLog {
  readonly changes = new Waiters()
  readonly #storage: SegmentStorage
  readonly #epochs = new LeaderEpochs()
  readonly #producers = new ProducerState()
  #segments: IndexedSegment[] = []
  #logStartOffset = 0
  #logEndOffset = 0
  #heldHighWatermark: number | null = null
  #leaderEpoch: number
  #isRemoved = false

  /** Opens what an earlier run left in `storage`; this broker leads in `leaderEpoch` from there on. */
  constructor (storage: SegmentStorage, leaderEpoch: number) {
    this.#storage = storage
    this.#leaderEpoch = leaderEpoch
    this.#logStartOffset = storage.readLogStart()
    this.#logEndOffset = this.#logStartOffset
    for (const segment of storage.open()) this.#load(segment)
    this.#logStartOffset = Math.max(this.#logStartOffset, this.#segments[0]?.segment.baseOffset ?? 0)
    this.#logEndOffset = Math.max(this.#logEndOffset, this.#logStartOffset)
    this.#epochs.dropBefore(this.#logStartOffset)
    this.#epochs.assign(leaderEpoch, this.#logEndOffset)
  }

  get logStartOffset (): number {
    return this.#logStartOffset
  }

  get logEndOffset (): number {
    return this.#logEndOffset
  }

  /** With one replica, everything that is in the log is committed, unless a test holds it back. */
  get highWatermark (): number {
    return Math.min(this.#heldHighWatermark ?? this.#logEndOffset, this.#logEndOffset)
  }

  /** Up to where no transaction is open. */
  get lastStableOffset (): number {
    return Math.min(this.#producers.firstUnstableOffset ?? this.highWatermark, this.highWatermark)
  }

  get leaderEpoch (): number {
    return this.#leaderEpoch
  }

  get sizeBytes (): number {
    return this.#segments.reduce((sum, { segment }) => sum + segment.sizeBytes, 0)
  }

  get isRemoved (): boolean {
    return this.#isRemoved
  }

  get producers (): Iterable<Producer> {
    return this.#producers.producers
  }

  /** The largest epoch at or below `epoch` and where it ends (KIP-101). */
  endOfEpoch (epoch: number): EpochEnd {
    return this.#epochs.endOf(epoch, this.#logEndOffset)
  }

  /** The epoch that wrote an offset, or -1. */
  epochOf (offset: number): number {
    return this.#epochs.epochOf(offset)
  }

  /** Transactions that were aborted and have records in this range of offsets. */
  abortedWithin (from: number, to: number): AbortedTransaction[] {
    return this.#producers.abortedWithin(from, to)
  }

  /** Appends a batch that a producer sent and that was found valid, at the end, in this leader's epoch. */
  append (batch: RecordBatch): AppendOutcome {
    if (batch.producerId !== NO_PRODUCER_ID && !batch.isControl) {
      const duplicate = this.#producers.duplicateOf(batch)
      if (duplicate !== null) return { errorCode: 0, baseOffset: duplicate.baseOffset, isDuplicate: true, timestamp: duplicate.timestamp }
      const errorCode = this.#producers.check(batch)
      if (errorCode !== ErrorCodes.NONE) {
        return { errorCode, message: `producer ${batch.producerId} in epoch ${batch.producerEpoch} sent sequence ${batch.baseSequence}, which does not follow what the log has of it` }
      }
    }
    const bytes = Buffer.from(batch.bytes)
    const placed = new RecordBatch(bytes, 0, bytes.length)
    placed.rebase(this.#logEndOffset)
    bytes.writeInt32BE(this.#leaderEpoch, LOG_OVERHEAD_BYTES)
    this.#write(placed)
    this.changes.wake()
    return { errorCode: 0, baseOffset: placed.baseOffset, isDuplicate: false, timestamp: placed.maxTimestamp }
  }

  /**
   * For tests: appends batches as they are, offsets and epochs and wrong CRCs included, whatever a Produce request could carry.
   * Offsets may leave gaps.
   * @throws {RangeError} for an offset that the log already has, and for bytes that are no whole batches
   */
  appendRaw (bytes: Buffer): void {
    const { batches, trailingBytes } = readBatches(bytes)
    if (trailingBytes !== 0) throw new RangeError(`${trailingBytes} bytes at the end are no whole batch`)
    for (const batch of batches) {
      if (batch.baseOffset < this.#logEndOffset) throw new RangeError(`the log ends at ${this.#logEndOffset}, the batch is at ${batch.baseOffset}`)
      this.#write(batch)
    }
    this.changes.wake()
  }

  /**
   * Whole batches of at most `maxBytes` from `offset` on, none of them at or beyond `endOffset`; one batch at least, however
   * large, unless `atLeastOne` is false. At most what lies in one segment, as in Kafka.
   */
  read (offset: number, { maxBytes, endOffset, atLeastOne }: { readonly maxBytes: number, readonly endOffset: number, readonly atLeastOne: boolean }): BatchesRange {
    const nothing = { bytes: Buffer.alloc(0), nextOffset: offset }
    const found = this.#find(offset)
    if (found === null) return nothing
    const { entries, segment } = found.indexed
    const first = entries[found.at]
    if (first === undefined) return nothing
    let end = first.position
    let nextOffset = offset
    for (let at = found.at; at < entries.length; at++) {
      const entry = entries[at]
      if (entry === undefined || entry.lastOffset >= endOffset) break
      const bytes = entry.position + entry.sizeBytes - first.position
      if (bytes > maxBytes && !(at === found.at && atLeastOne)) break
      end = first.position + bytes
      nextOffset = entry.lastOffset + 1
    }
    return end === first.position ? nothing : { bytes: segment.read(first.position, end - first.position), nextOffset }
  }

  /** How many bytes lie from `offset` on, below `endOffset`; counts no further than `limitBytes`. */
  availableBytes (offset: number, endOffset: number, limitBytes: number): number {
    const found = this.#find(offset)
    if (found === null) return 0
    let bytes = 0
    for (let index = found.index; index < this.#segments.length; index++) {
      const { entries } = this.#segments[index] ?? found.indexed
      for (let at = index === found.index ? found.at : 0; at < entries.length; at++) {
        const entry = entries[at]
        if (entry === undefined || entry.lastOffset >= endOffset || bytes >= limitBytes) return bytes
        bytes += entry.sizeBytes
      }
    }
    return bytes
  }

  /** The batches for which `matches`, from the log start on. */
  * batches (matches: (entry: BatchEntry) => boolean): Generator<RecordBatch, void, undefined> {
    for (const { segment, entries } of this.#segments) {
      for (const entry of entries) {
        if (entry.lastOffset < this.#logStartOffset || !matches(entry)) continue
        yield new RecordBatch(segment.read(entry.position, entry.sizeBytes), 0, entry.sizeBytes)
      }
    }
  }

  /** The largest timestamp of a batch, -1 when there is none. */
  get maxTimestamp (): number {
    let max = -1
    for (const { entries } of this.#segments) {
      for (const entry of entries) if (entry.maxTimestamp > max && entry.lastOffset >= this.#logStartOffset) max = entry.maxTimestamp
    }
    return max
  }

  /** Moves the start forward; whole segments before it are removed. */
  advanceLogStart (offset: number): void {
    if (offset <= this.#logStartOffset) return
    this.setLogStart(Math.min(offset, this.#logEndOffset))
  }

  /** For tests: the log starts at `offset`, even beyond what it holds. What lies before is removed by segments, as in Kafka. */
  setLogStart (offset: number): void {
    this.#logStartOffset = offset
    this.#storage.writeLogStart(offset)
    while (this.#segments.length > 0 && (this.#segments[0]?.entries.at(-1)?.lastOffset ?? -1) < offset) this.#segments.shift()?.segment.remove()
    if (this.#logEndOffset < offset) this.#logEndOffset = offset
    this.#epochs.dropBefore(offset)
    this.#producers.dropBefore(offset)
    this.changes.wake()
  }

  /** Removes what lies at or after `offset`; a batch that spans it goes as a whole. */
  truncateTo (offset: number): void {
    if (offset >= this.#logEndOffset) return
    for (let last = this.#segments.at(-1); last !== undefined; last = this.#segments.at(-1)) {
      const keep = last.entries.findIndex(entry => entry.lastOffset >= offset)
      if (keep === -1) break
      if (keep === 0) {
        this.#segments.pop()
        last.segment.remove()
        continue
      }
      last.segment.truncate(last.entries[keep]?.position ?? 0)
      last.entries.length = keep
      break
    }
    // A gap that compaction left stays: what the log ends with is what was asked for.
    this.#logEndOffset = offset
    if (this.#logStartOffset > offset) {
      this.#logStartOffset = offset
      this.#storage.writeLogStart(offset)
    }
    this.#epochs.truncateTo(offset)
    this.#epochs.assign(this.#leaderEpoch, offset)
    this.#rebuildProducers()
    this.changes.wake()
  }

  /** For tests: nothing from `offset` on counts as committed until it is released with null. */
  holdHighWatermark (offset: number | null): void {
    this.#heldHighWatermark = offset
    this.changes.wake()
  }

  /** This broker leads in another epoch from here on. */
  startEpoch (leaderEpoch: number): void {
    this.#leaderEpoch = leaderEpoch
    this.#epochs.assign(leaderEpoch, this.#logEndOffset)
    this.changes.wake()
  }

  /** Removes the oldest segments while they are too old or the log is too large. Infinity keeps all. */
  enforceRetention ({ olderThan, maxBytes }: { readonly olderThan: number, readonly maxBytes: number }): void {
    let sizeBytes = this.sizeBytes
    let start = this.#logStartOffset
    for (const { segment, entries } of this.#segments) {
      const newest = entries.reduce((max, { maxTimestamp }) => Math.max(max, maxTimestamp), -1)
      // As in Kafka, a segment goes for its size only when the rest is still as large as what must be kept.
      if (newest >= olderThan && sizeBytes - segment.sizeBytes < maxBytes) break
      sizeBytes -= segment.sizeBytes
      start = (entries.at(-1)?.lastOffset ?? start - 1) + 1
    }
    this.advanceLogStart(start)
  }

  /** Forgets producers that have been silent since `timestamp`. */
  expireProducers (timestamp: number): void {
    this.#producers.expire(timestamp)
  }

  close (): void {
    for (const { segment } of this.#segments) segment.close()
    this.#segments = []
    this.#isRemoved = true
    this.changes.wake()
  }

  /** Removes the partition with everything that it left on disk. */
  remove (): void {
    for (const { segment } of this.#segments) segment.remove()
    this.#segments = []
    this.#storage.remove()
    this.#isRemoved = true
    this.changes.wake()
  }

  #write (batch: RecordBatch): void {
    let last = this.#segments.at(-1)
    if (last?.segment.hasRoom(batch.sizeBytes) !== true) {
      last = { segment: this.#storage.create(batch.baseOffset, batch.sizeBytes), entries: [] }
      this.#segments.push(last)
    }
    const position = last.segment.append(batch.bytes)
    this.#index(last, batch, position)
    this.#producersSee(batch)
  }

  #index (indexed: IndexedSegment, batch: RecordBatch, position: number): void {
    const isBatch = batch.magic === 2
    indexed.entries.push({
      baseOffset: batch.baseOffset,
      lastOffset: batch.lastOffset,
      position,
      sizeBytes: batch.sizeBytes,
      maxTimestamp: isBatch ? batch.maxTimestamp : -1
    })
    if (isBatch) this.#epochs.assign(batch.partitionLeaderEpoch, batch.baseOffset)
    this.#logEndOffset = batch.lastOffset + 1
  }

  #producersSee (batch: RecordBatch): void {
    if (batch.magic === 2) this.#producers.update(batch)
  }

  /** Indexes a segment of an earlier run. What is cut off at its end, because the process ended while writing, is removed. */
  #load (segment: Segment): void {
    const indexed: IndexedSegment = { segment, entries: [] }
    let position = 0
    while (position + PREFIX_BYTES <= segment.sizeBytes) {
      const batch = readBatchAt(segment, position)
      if (batch === null) break
      this.#index(indexed, batch, position)
      this.#producersSee(batch)
      position += batch.sizeBytes
    }
    if (position < segment.sizeBytes) segment.truncate(position)
    if (indexed.entries.length === 0) segment.remove()
    else this.#segments.push(indexed)
  }

  #rebuildProducers (): void {
    this.#producers.clear()
    for (const { segment, entries } of this.#segments) {
      for (const { position } of entries) {
        const batch = readBatchAt(segment, position)
        if (batch !== null) this.#producersSee(batch)
      }
    }
  }

  /** The batch that holds `offset` or is the next one after it. */
  #find (offset: number): { readonly index: number, readonly indexed: IndexedSegment, readonly at: number } | null {
    const index = firstIndex(this.#segments, ({ entries }) => (entries.at(-1)?.lastOffset ?? -1) >= offset)
    const indexed = this.#segments[index]
    return indexed === undefined ? null : { index, indexed, at: firstIndex(indexed.entries, ({ lastOffset }) => lastOffset >= offset) }
  }
}

/** The header of the batch at a position, and all of it where its records must be known; null when it is cut off there. */
function readBatchAt (segment: Segment, position: number): RecordBatch | null {
  const left = segment.sizeBytes - position
  const header = segment.read(position, Math.min(BATCH_HEADER_BYTES, left))
  const sizeBytes = LOG_OVERHEAD_BYTES + header.readInt32BE(8)
  if (sizeBytes < PREFIX_BYTES || sizeBytes > left) return null
  const batch = new RecordBatch(header, 0, sizeBytes)
  if (batch.magic !== 2 || !batch.isControl) return batch
  return new RecordBatch(segment.read(position, sizeBytes), 0, sizeBytes)
}

/** The first index for which `matches`, given that it does for all after it; the length when there is none. */
function firstIndex<T> (list: readonly T[], matches: (item: T) => boolean): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const item = list[middle]
    if (item !== undefined && matches(item)) high = middle
    else low = middle + 1
  }
  return low
}
