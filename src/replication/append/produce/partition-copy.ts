/**
 * The copying of one partition: what has been fetched and not yet appended, and where source and shadow stand.
 *
 *            located() says where to go on
 *   locating ─────────────────────────────▶ copying ──┐ fetched(), appended()
 *      ▲                                       │  ▲───┘
 *      │ after a pause                         │ anything that is not a clean answer: what is queued is dropped,
 *      └────────── waiting ◀───────────────────┘ and the shadow's end is read before anything is sent again
 *
 *   any ──▶ stopped     by the topic: a fault in any of its partitions, failover, or the end of the engine
 *
 * The position is the shadow's own end offset. At most one append is under way, and its answered base offset must be the
 * expected one (compare-and-append).
 */
import { CRC_AT, type RecordBatch } from '../../../../protocol/records/record-batch.ts'
import type { TopicFault } from '../../../state/topic-state.ts'
import type { PartitionStatus } from '../../link-service.ts'
import type { HeldBytes } from '../../source/byte-budget.ts'
import type { FetchedPartition, FetchTarget } from '../../source/fetch-target.ts'
import { AppendQueue, type QueuedBatch } from './append-queue.ts'
import { refusalOf } from './batch-check.ts'
import { SourceStanding } from './source-standing.ts'

export type CopyActivity = 'locating' | 'copying' | 'waiting' | 'stopped'

/** What the topic, and through it the link, does for its partitions. */
export interface CopyOwner {
  readonly topic: string
  /** The id that the source topic had when it was pinned; null where the source has no topic ids. */
  readonly sourceTopicId: string | null
  readonly shadowTopicId: string | null
  readonly now: () => number
  /** Something can be appended. */
  onReady (copy: PartitionCopy): void
  /** There is room to fetch again. */
  onRoom (copy: PartitionCopy): void
  /** The position must be looked up again, after `attempt` failures in a row. */
  onLost (copy: PartitionCopy, attempt: number): void
  onFault (copy: PartitionCopy, fault: TopicFault): void
  /** A producer id that the shadow's brokers have now seen. */
  onProducerId (producerId: number): void
  onCopied (bytes: number): void
}

/** An append whose outcome nobody knows: it may have been carried out, or be carried out yet. */
export interface AmbiguousAppend {
  readonly baseOffset: number
  readonly lastOffset: number
}

export class PartitionCopy implements FetchTarget {
  readonly owner: CopyOwner
  readonly partition: number
  activity: CopyActivity = 'locating'
  /** True while a fetch for it is under way. */
  fetching = false
  /** True when its appends are slow: it is then kept away from the connections of the others. */
  isSlow = false
  #nextOffset = 0
  readonly #queue = new AppendQueue()
  #ambiguous: AmbiguousAppend | null = null
  /** Set when a batch cannot be copied: the topic stops when all before it has been appended. */
  #ahead: TopicFault | null = null
  /** Set when the source says that the position is wrong: it is looked up again when the append under way has ended. */
  #lostAhead: string | null = null
  #frozen = false
  /** The source's leader epoch of the last batch before `#nextOffset`; -1 when not known. */
  #lastEpoch = -1
  /** The same of the last batch before the shadow's end. */
  #shadowEpoch = -1
  #failures = 0
  #problem: string | null = null
  #suspectAt = -1
  #refusedAt = -1
  #refusals = 0
  readonly #source: SourceStanding
  #shadowEnd: number | null = null

  /** `isInherited` when another engine may have copied it before: nobody knows what that one had under way when it ended. */
  constructor (partition: number, owner: CopyOwner, { isInherited = false }: { readonly isInherited?: boolean } = {}) {
    this.partition = partition
    this.owner = owner
    this.#source = new SourceStanding(owner.now)
    if (isInherited) this.#ambiguous = { baseOffset: 0, lastOffset: Infinity }
  }

  get topic (): string {
    return this.owner.topic
  }

  get sourceTopicId (): string | null {
    return this.owner.sourceTopicId
  }

  /** The next offset to fetch. */
  get nextOffset (): number {
    return this.#nextOffset
  }

  /** The source's leader epoch that the next fetch goes on from; -1 when not known. */
  get lastFetchedEpoch (): number {
    return this.#lastEpoch
  }

  get queuedBytes (): number {
    return this.#queue.bytes
  }

  /** The shadow's end as the last append or look-up confirmed it; null before the first. */
  get shadowEndOffset (): number | null {
    return this.#shadowEnd
  }

  get sourceLogStartOffset (): number | null {
    return this.#source.logStart
  }

  get ambiguous (): AmbiguousAppend | null {
    return this.#ambiguous
  }

  /** True when the source is known to have more than has been fetched. */
  get isBehind (): boolean {
    return this.#source.highWatermark !== null && this.#source.highWatermark > this.#nextOffset
  }

  /** True when an append is under way whose answer is not known. */
  get isAppending (): boolean {
    return this.#queue.inFlight !== null
  }

  /** True when nothing is queued and no append is under way. */
  get isIdle (): boolean {
    return this.#queue.inFlight === null && this.#queue.length === 0
  }

  /** True while what was fetched before `freeze` is still on its way to the shadow. */
  get isDraining (): boolean {
    return this.#queue.inFlight !== null || (this.activity === 'copying' && this.#queue.length > 0)
  }

  wantsFetch (maxQueuedBytes: number): boolean {
    return this.activity === 'copying' && !this.fetching && !this.#frozen && this.#ahead === null && this.#lostAhead === null && this.#queue.bytes < maxQueuedBytes
  }

  /** The shadow ends at `end`, source and shadow agree on what is before it, and the source wrote the last of it in `epoch`. */
  located (end: number, epoch: number, source: { readonly logStart: number, readonly highWatermark: number }): void {
    if (this.activity === 'stopped') return
    this.activity = 'copying'
    this.#nextOffset = end
    this.#shadowEnd = end
    this.#lastEpoch = this.#shadowEpoch = epoch
    this.#ambiguous = null
    this.#problem = null
    this.#sourceContact(source.logStart, source.highWatermark, null)
    this.owner.onRoom(this)
  }

  /** Takes what a fetch answered. */
  fetched (answer: FetchedPartition): void {
    this.#sourceContact(answer.logStartOffset, answer.highWatermark, answer.lastStableOffset)
    // An answer to a fetch from before the position was looked up again would look like a gap.
    if (!this.#awaits(answer.fetchOffset)) return
    this.#problem = null
    for (const batch of answer.batches) {
      if (batch.magic === 2 && batch.lastOffset < this.#nextOffset) continue
      const fault = this.#faultOf(batch)
      if (fault !== null) {
        this.#suspect(fault)
        break
      }
      this.#enqueue(batch, answer.held)
    }
    if (this.#queue.length > 0 && this.#queue.inFlight === null) this.owner.onReady(this)
  }

  /** True when an answer to a fetch from there is one to go on with: not one from before the position was changed. */
  #awaits (fetchOffset: number): boolean {
    return this.activity === 'copying' && !this.#frozen && this.#ahead === null && this.#lostAhead === null && fetchOffset === this.#nextOffset
  }

  #enqueue (batch: RecordBatch, held: HeldBytes): void {
    this.#lastEpoch = batch.partitionLeaderEpoch
    this.#suspectAt = -1
    this.#nextOffset = batch.lastOffset + 1
    this.#queue.push(batch, held)
  }

  /** Why a batch cannot be copied; null when it can. The CRC comes first: what a damaged batch says of itself means nothing. */
  #faultOf (batch: RecordBatch): TopicFault | null {
    const where = { partition: this.partition, offset: this.#nextOffset }
    if (!batch.isCrcValid()) return { code: 'SOURCE_CORRUPT', reason: `the source's batch at offset ${where.offset} has a wrong CRC`, ...where }
    const refusal = refusalOf(batch, where.offset)
    return refusal === null ? null : { ...refusal, ...where }
  }

  /** What a fetch from `fetchOffset` answered is no batches at all. */
  unreadable (fetchOffset: number, reason: string): void {
    if (!this.#awaits(fetchOffset)) return
    this.#suspect({ code: 'SOURCE_CORRUPT', reason: `what the source holds at offset ${fetchOffset} cannot be read: ${reason}`, partition: this.partition, offset: fetchOffset })
  }

  /** Stops a topic only when the same offset is asked for once more: bytes may be damaged on the way, and no CRC covers all of a batch. */
  #suspect (fault: TopicFault): void {
    const offset = this.#nextOffset
    if (this.#suspectAt === offset) this.#stopAhead({ ...fault, reason: `${fault.reason} (asked for twice)` })
    this.#suspectAt = offset
    this.#problem = `${fault.reason}; asking for it again, to be sure`
  }

  /** The answer to a fetch from `fetchOffset` is such that the topic must stop, once all that was fetched before has been appended. */
  stopAhead (fetchOffset: number, fault: TopicFault): void {
    if (this.#awaits(fetchOffset)) this.#stopAhead(fault)
  }

  #stopAhead (fault: TopicFault): void {
    this.#ahead = fault
    this.#faultWhenIdle()
  }

  #faultWhenIdle (): void {
    if (this.#ahead !== null && this.isIdle && this.activity === 'copying') this.fault(this.#ahead)
  }

  /** The batch to append next, which is then under way; null when there is none. */
  takeForAppend (): QueuedBatch | null {
    if (this.activity !== 'copying' || this.#queue.inFlight !== null) return null
    const batch = this.#queue.take()
    if (batch === null || batch.bytes.readUInt32BE(CRC_AT) === batch.crc) return batch
    // A defect, which must not get as far as the shadow.
    this.lost('the memory of a batch was used for something else before it was sent', { isAmbiguous: false })
    return null
  }

  /** The size of the batch that `takeForAppend` would give; 0 when there is none. */
  get headBytes (): number {
    return this.#queue.inFlight !== null || this.activity !== 'copying' ? 0 : this.#queue.first?.bytes.length ?? 0
  }

  /** The broker appended the batch under way at `baseOffset`. */
  appended (baseOffset: number): void {
    const batch = this.#queue.settle()
    if (batch === null) return
    if (baseOffset !== batch.baseOffset) {
      this.#faultForSure(misplaced(batch, baseOffset, this.partition))
      return
    }
    this.#failures = 0
    this.#shadowEnd = batch.lastOffset + 1
    this.#shadowEpoch = batch.leaderEpoch
    if (batch.producerId >= 0) this.owner.onProducerId(batch.producerId)
    this.owner.onCopied(batch.bytes.length)
    this.#source.noteLevel(this.#shadowEnd)
    if (this.#lostAhead !== null) {
      this.lost(this.#lostAhead, { isAmbiguous: false })
      return
    }
    if (this.#queue.length > 0) this.owner.onReady(this)
    else this.#faultWhenIdle()
    this.owner.onRoom(this)
  }

  /** The broker refused the batch under way for good: nothing was appended. */
  refused (reason: string): void {
    const batch = this.#queue.settle()
    if (batch === null) return
    this.fault({
      code: 'APPEND_REFUSED',
      reason: `the shadow cluster refuses the batch of offsets ${batch.baseOffset} to ${batch.lastOffset}: ${reason}`,
      partition: this.partition,
      offset: batch.baseOffset
    })
  }

  /** How often the batch under way has now been refused, this time included. */
  countRefusal (): number {
    const offset = this.#queue.inFlight?.baseOffset ?? -1
    this.#refusals = this.#refusedAt === offset ? this.#refusals + 1 : 1
    this.#refusedAt = offset
    return this.#refusals
  }

  /**
   * An append that did not end in a clean answer, or that cannot be sent. Nothing is sent again before the shadow's end has been
   * read: what is queued is dropped, and fetched again from there. `isAmbiguous` when the batch under way may have been
   * appended all the same, or may be yet.
   */
  lost (problem: string, { isAmbiguous }: { readonly isAmbiguous: boolean }): void {
    const batch = this.#queue.settle()
    this.#queue.drop()
    if (isAmbiguous && batch !== null) this.#ambiguous = { baseOffset: batch.baseOffset, lastOffset: batch.lastOffset }
    if (this.activity !== 'copying') return
    this.activity = 'waiting'
    this.#problem = problem
    this.#ahead = null
    this.#lostAhead = null
    this.owner.onLost(this, this.#failures++)
  }

  /**
   * The source does not have `fetchOffset`: the position is looked up again. An append under way goes on meanwhile, and until it
   * has ended the shadow's end says nothing.
   */
  lostBySource (fetchOffset: number, problem: string): void {
    if (!this.#awaits(fetchOffset)) return
    this.#queue.drop()
    if (this.#queue.inFlight === null) this.lost(problem, { isAmbiguous: false })
    else this.#problem = this.#lostAhead = problem
  }

  /** The look-up of the position failed. */
  lookupFailed (problem: string): void {
    if (this.activity === 'stopped') return
    this.activity = 'waiting'
    this.#problem = problem
    this.owner.onLost(this, this.#failures++)
  }

  lookingUp (): void {
    if (this.activity !== 'stopped') this.activity = 'locating'
  }

  /** Something that will be tried again went wrong with the source. */
  noteProblem (problem: string): void {
    if (this.activity !== 'stopped') this.#problem = problem
  }

  fault (fault: TopicFault): void {
    if (this.activity !== 'stopped') this.#faultForSure(fault)
  }

  /** Also when the partition was stopped meanwhile: what has happened to the shadow must not go unsaid. */
  #faultForSure (fault: TopicFault): void {
    this.#problem = fault.reason
    this.owner.onFault(this, fault)
  }

  /** Gives back what is queued behind the append under way, to be fetched again later: others need the memory. */
  shedQueue (): void {
    const { first } = this.#queue
    if (first === null || this.#frozen) return
    this.#nextOffset = first.baseOffset
    this.#lastEpoch = this.#queue.inFlight?.leaderEpoch ?? this.#shadowEpoch
    // Found again when what is before it has been fetched again.
    this.#ahead = null
    this.#queue.drop()
  }

  /** Fetches nothing more; what has been fetched is still appended. */
  freeze (): void {
    this.#frozen = true
  }

  /** Takes `freeze` back. */
  thaw (): void {
    this.#frozen = false
    if (this.activity === 'copying') this.owner.onRoom(this)
  }

  /** No fetching and no new appends from now on. An append under way is still waited for: see `isAppending`. */
  stop (): void {
    this.activity = 'stopped'
    this.#queue.drop()
  }

  #sourceContact (logStart: number, highWatermark: number, lastStable: number | null): void {
    this.#source.contact(logStart, highWatermark, lastStable)
    this.#source.noteLevel(this.#shadowEnd)
  }

  /** `freshMs`: within which a contact with the source counts as now. */
  status (freshMs: number): PartitionStatus {
    return {
      partition: this.partition,
      ...this.#source.status(this.#shadowEnd, freshMs),
      activity: this.activity === 'locating' ? 'starting' : this.activity,
      problem: this.#problem
    }
  }
}

function misplaced (batch: QueuedBatch, baseOffset: number, partition: number): TopicFault {
  const range = `offsets ${batch.baseOffset} to ${batch.lastOffset}`
  if (baseOffset < batch.baseOffset) {
    return {
      code: 'DIVERGED',
      reason: `the shadow cluster took the batch of ${range} for a repetition of the one at ${baseOffset} and did not append it (same producer id, epoch and sequence)`,
      partition,
      offset: batch.baseOffset
    }
  }
  return {
    code: 'FOREIGN_WRITE',
    reason: `the batch of ${range} was appended at ${baseOffset}: something else wrote offsets ${batch.baseOffset} to ${baseOffset - 1} of the shadow partition, and from ${batch.baseOffset} on it is no copy`,
    partition,
    offset: batch.baseOffset
  }
}
