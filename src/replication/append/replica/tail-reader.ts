/**
 * One position in the source's log that is read on from, for the followers that come up to it. It checks what it reads.
 *
 *   reading ──▶ done     it has come to something that is in memory already, or nobody follows it any more
 */
import type { RecordBatch } from '../../../../protocol/records/record-batch.ts'
import type { TopicFault } from '../../../state/topic-state.ts'
import type { HeldBytes } from '../../source/byte-budget.ts'
import type { FetchedPartition, FetchTarget } from '../../source/fetch-target.ts'

/** What the tail does for its readers. */
export interface ReaderOwner {
  readonly topic: string
  readonly partition: number
  readonly sourceTopicId: string | null
  /** The end of the source's log as it was last seen. */
  readonly sourceEnd: number
  /** True when so much has been read ahead of the followers that no more is wanted now. */
  hasEnough (reader: TailReader, maxAheadBytes: number): boolean
  sourceContact (contact: { readonly logStartOffset: number, readonly highWatermark: number, readonly lastStableOffset: number | null }): void
  /** Takes one or more checked batches. */
  insert (reader: TailReader, batches: readonly RecordBatch[], held: HeldBytes): void
  /** The source does not have the reader's offset. */
  missing (reader: TailReader, problem: string): void
  fault (fault: TopicFault): void
  noteProblem (problem: string | null): void
}

export class TailReader implements FetchTarget {
  fetching = false
  readonly isSlow = false
  isDone = false
  /** The offset from which on nothing has been read yet. */
  nextOffset: number
  /** The source's leader epoch of the last batch before `nextOffset`; -1 when not known. */
  lastFetchedEpoch: number
  readonly #owner: ReaderOwner
  /** True when it has read up to `nextOffset` itself: a batch then begins there, or later. */
  #isContinuing: boolean
  #suspectAt = -1

  constructor (nextOffset: number, lastFetchedEpoch: number, owner: ReaderOwner, { isContinuing }: { readonly isContinuing: boolean }) {
    this.nextOffset = nextOffset
    this.lastFetchedEpoch = lastFetchedEpoch
    this.#owner = owner
    this.#isContinuing = isContinuing
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

  get isBehind (): boolean {
    return this.#owner.sourceEnd > this.nextOffset
  }

  wantsFetch (maxAheadBytes: number): boolean {
    return !this.isDone && !this.fetching && !this.#owner.hasEnough(this, maxAheadBytes)
  }

  fetched (answer: FetchedPartition): void {
    this.#owner.sourceContact(answer)
    if (!this.#awaits(answer.fetchOffset)) return
    this.#owner.noteProblem(null)
    const good: RecordBatch[] = []
    let next = this.nextOffset
    let suspicion: TopicFault | null = null
    for (const batch of answer.batches) {
      // The CRC comes first: what a damaged batch says of itself means nothing.
      suspicion = this.#faultOf(batch, next, good.length > 0 || this.#isContinuing)
      if (suspicion === null && good.length > 0 && batch.lastOffset < next) suspicion = this.#backwards(batch, next)
      if (suspicion !== null) break
      if (batch.lastOffset < next) continue
      good.push(batch)
      next = batch.lastOffset + 1
    }
    if (good.length > 0) {
      this.#suspectAt = -1
      this.#owner.insert(this, good, answer.held)
    }
    if (suspicion !== null) this.#suspect(suspicion, next)
  }

  /** What is before it has been read, with `lastEpoch` as the epoch of the last batch. */
  advance (nextOffset: number, lastEpoch: number): void {
    this.nextOffset = nextOffset
    this.lastFetchedEpoch = lastEpoch
    this.#isContinuing = true
  }

  #faultOf (batch: RecordBatch, next: number, isContinuing: boolean): TopicFault | null {
    const where = { partition: this.partition, offset: next }
    if (!batch.isCrcValid()) return { code: 'SOURCE_CORRUPT', reason: `the source's batch at offset ${next} has a wrong CRC`, ...where }
    if (batch.magic === 2 && isContinuing && batch.lastOffset >= next && batch.baseOffset < next) {
      return { code: 'DIVERGED', reason: `the source has a batch from ${batch.baseOffset} to ${batch.lastOffset} where one ended at ${next - 1} before: its batches have changed`, ...where }
    }
    return null
  }

  #backwards (batch: RecordBatch, next: number): TopicFault {
    return { code: 'SOURCE_CORRUPT', reason: `the source has a batch that ends at ${batch.lastOffset} behind one that ends at ${next - 1}`, partition: this.partition, offset: next }
  }

  unreadable (fetchOffset: number, reason: string): void {
    if (!this.#awaits(fetchOffset)) return
    this.#suspect({ code: 'SOURCE_CORRUPT', reason: `what the source holds at offset ${fetchOffset} cannot be read: ${reason}`, partition: this.partition, offset: fetchOffset }, fetchOffset)
  }

  /** Stops a topic only when the same offset is asked for once more: bytes may be damaged on the way, and no CRC covers all of a batch. */
  #suspect (fault: TopicFault, offset: number): void {
    if (this.#suspectAt === offset) {
      this.#owner.fault({ ...fault, reason: `${fault.reason} (asked for twice)` })
      return
    }
    this.#suspectAt = offset
    this.#owner.noteProblem(`${fault.reason}; asking for it again, to be sure`)
  }

  stopAhead (fetchOffset: number, fault: TopicFault): void {
    if (this.#awaits(fetchOffset)) this.#owner.fault(fault)
  }

  lostBySource (fetchOffset: number, problem: string): void {
    if (this.#awaits(fetchOffset)) this.#owner.missing(this, problem)
  }

  noteProblem (problem: string): void {
    if (!this.isDone) this.#owner.noteProblem(problem)
  }

  /** True when an answer to a fetch from there is one to go on with. */
  #awaits (fetchOffset: number): boolean {
    return !this.isDone && fetchOffset === this.nextOffset
  }
}
