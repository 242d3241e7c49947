/**
 * One shadow partition as its leader: what the followers of it are told, and where they stand. Its phases are those of `ShadowLife`.
 *
 * A leader that knows less than its followers destroys their data: a fetch behind the known end is answered with nothing, and
 * LATEST is never below what a follower is known to hold (facts/replica-mode-experiments.md, must-know 1). What a follower is to throw away it
 * is told by a diverging epoch (`ServedEpochs`), whatever else is known.
 */
import { ErrorCodes } from '../../../../protocol/errors/codes.ts'
import type { RecordBatch } from '../../../../protocol/records/record-batch.ts'
import { messageOf } from '../../../errors.ts'
import type { TopicFault } from '../../../state/topic-state.ts'
import type { PartitionStatus } from '../../link-service.ts'
import type { FetchTarget } from '../../source/fetch-target.ts'
import { FollowerAdmission, type VerifiedEnd } from './follower-admission.ts'
import type { FetchLook, FollowerFetch, OffsetLook, PartitionWatcher } from './follower-fetch.ts'
import { FollowerLogs } from './follower-logs.ts'
import { FollowerPositions, type FollowerPosition } from './follower-positions.ts'
import { Leadership, type ShadowMetadata } from './leadership.ts'
import { listedEndOfEpoch, listedOffset, type ListedLog } from './listed-offsets.ts'
import { PartitionTail, type Found, type TailOwner } from './partition-tail.ts'
import { ServedEpochs } from './served-epochs.ts'
import { servingFault } from './serving-fault.ts'
import type { ShadowPartitionOptions } from './shadow-partition-options.ts'
import { ShadowLife, type ShadowPhase } from './shadow-phase.ts'
import { ShownWatermark } from './shown-watermark.ts'
import { SourceDoubt } from './source-doubt.ts'
import { SourceView, type SourceBounds } from './source-view.ts'
import { TailDemand } from './tail-demand.ts'
import type { TailMemory } from './tail-memory.ts'

const ONE_EPOCH = new ServedEpochs()

const DEFAULT_FOLLOWER_TIMEOUT_MS = 10_000
/** Followers of a new partition begin within moments of each other, and at the same place. */
const DEFAULT_GATHERING_MS = 2000

export class ShadowPartition implements TailOwner {
  readonly topicId: string
  readonly demand: TailDemand
  readonly #options: ShadowPartitionOptions
  readonly #life: ShadowLife
  readonly #tail: PartitionTail
  readonly #leadership: Leadership
  readonly #followers: FollowerPositions
  readonly #logs: FollowerLogs
  readonly #source: SourceView
  readonly #admission: FollowerAdmission
  readonly #shown = new ShownWatermark()
  readonly #doubt = new SourceDoubt()
  #fault: TopicFault | null = null
  #problem: string | null = null
  #note: string | null = null
  #isLookingUp = false
  #servedBytes = 0

  constructor (options: ShadowPartitionOptions) {
    this.#options = options
    this.topicId = options.topicId
    this.#life = new ShadowLife(`${options.topic}-${options.partition}`)
    this.#leadership = new Leadership(options.metadata)
    this.#source = new SourceView(options.now, options.startOffset)
    this.#followers = new FollowerPositions(options.now, options.followerTimeoutMs ?? DEFAULT_FOLLOWER_TIMEOUT_MS, brokerId => options.isFenced?.(brokerId) === true)
    this.#logs = new FollowerLogs(this.#followers, () => this.servedEpochs, (brokerId, thrownAway) => {
      this.#shown.forgetFollower(brokerId)
      options.onRolledBack?.(brokerId, thrownAway)
    })
    this.#admission = new FollowerAdmission((brokerId, fetchOffset) => options.onFollower(brokerId, fetchOffset))
    this.demand = new TailDemand({
      followers: this.#followers,
      admission: this.#admission,
      servedFrom: () => this.#isServing ? this.#logStart : null,
      expectedFollowers: () => this.metadata.followers.length,
      now: options.now
    })
    this.#tail = new PartitionTail(this)
  }

  get topic (): string {
    return this.#options.topic
  }

  get partition (): number {
    return this.#options.partition
  }

  get sourceTopicId (): string | null {
    return this.#options.sourceTopicId
  }

  get phase (): ShadowPhase {
    return this.#life.phase
  }

  get metadata (): ShadowMetadata {
    return this.#leadership.metadata
  }

  /** Bytes of batches that were handed to followers, each follower counted. */
  get servedBytes (): number {
    return this.#servedBytes
  }

  /** Bytes of batches in memory. */
  get bufferedBytes (): number {
    return this.#tail.bytes
  }

  /** How many positions of the source are being read from at the moment. */
  get readerCount (): number {
    return this.#tail.readerCount
  }

  get memory (): TailMemory {
    return this.#options.memory
  }

  /** Where each follower that has asked stands; also those that were not heard of for long. */
  get followers (): ReadonlyMap<number, FollowerPosition> {
    return this.#followers.all
  }

  /** Those of them whose logs are to end where they do: without any that is to throw something away. */
  get trustedFollowers (): ReadonlyMap<number, FollowerPosition> {
    return this.#logs.trusted
  }

  get servedEpochs (): ServedEpochs {
    return this.#options.servedEpochs?.() ?? ONE_EPOCH
  }

  get sourceEnd (): number {
    return this.#source.end
  }

  /** Where the log of the copy starts: where the source's was last seen to start, or where the copy begins. */
  get logStartOffset (): number {
    return this.#source.logStart
  }

  get limitOffset (): number {
    if (!this.#isServing) return -1
    return Math.min(this.#life.frozenEnd, this.#doubt.from)
  }

  get #isServing (): boolean {
    return this.#life.isServing && this.#fault === null
  }

  get #logStart (): number {
    return Math.min(this.#source.logStart, this.#life.frozenEnd)
  }

  // What the engine does with it.

  /** Older metadata than what is known is ignored. */
  setMetadata (metadata: ShadowMetadata): void {
    if (!this.#leadership.learn(metadata)) return
    this.#followers.keepOnly(metadata.followers)
    this.demand.changed()
  }

  /**
   * The source's bounds are known. Called again, it ends a doubt (`onFollowerAhead`); a frozen partition stays frozen.
   * @throws {ShadowError} CONFLICT when it has been stopped
   */
  serve (bounds: SourceBounds): void {
    this.#life.serve()
    this.demand.gather(this.#options.gatheringMs ?? DEFAULT_GATHERING_MS)
    this.#source.restart(bounds)
    // What was read before may be gone from the source.
    this.#tail.clear()
    this.#admission.forgetServed()
    this.#doubt.end()
    this.#problem = null
    this.#tail.tend()
    this.demand.changed()
  }

  /**
   * Fixes the end: what lies before it is still read and served, nothing beyond. It must be where a batch ends. What is still
   * locating is frozen from `serve` on.
   * @throws {ShadowError} CONFLICT when it has been stopped
   */
  freeze (endOffset: number): void {
    this.#life.freeze(endOffset)
    this.#tail.tend()
    this.demand.changed()
  }

  /** The end is where the source's is again. */
  thaw (): void {
    if (this.#life.isStopped) return
    this.#life.thaw()
    this.#tail.tend()
    this.demand.changed()
  }

  /** A follower's log, where it stood when it was told of, is the source's. */
  admitFollower (brokerId: number, verified: VerifiedEnd): void {
    if (!this.#admission.admit(brokerId, verified)) return
    this.#tail.tend()
    this.demand.changed()
  }

  /** True while the follower, which stood at `fetchOffset` when it was told of, waits for `admitFollower`. */
  isAwaitingAdmission (brokerId: number, fetchOffset: number): boolean {
    return this.#isServing && this.#admission.isAwaiting(brokerId, fetchOffset)
  }

  /** The end that was fixed; -1 when none was. */
  get frozenEnd (): number {
    return this.#life.frozenEnd === Infinity ? -1 : this.#life.frozenEnd
  }

  /** Up to where the followers are known to be, and what is in memory for them behind that. */
  get arrivedEnd (): number {
    return Math.min(this.#tail.endOfRun(this.#logs.trustedEnd), this.limitOffset < 0 ? Infinity : this.limitOffset)
  }

  /**
   * The source has rewritten its log, or `servedEpochs` are others: nothing that was read from it before counts any more, nor does what
   * followers were found to hold. They are answered with nothing until `serve` is called, but with a diverging epoch where that is due.
   */
  relocate (): void {
    if (this.#life.isStopped || this.#fault !== null) return
    this.#life.relocate()
    this.#doubt.end()
    this.#tail.clear()
    this.#admission.forgetAll()
    this.#shown.forget()
    this.demand.changed()
  }

  /** Lets go of everything; followers are sent elsewhere. */
  stop (): void {
    this.#life.stop()
    this.#tail.clear()
    this.#followers.rejectAll(this.#life.conflict)
    this.demand.changed()
  }

  /** `mayServe` may have changed its mind. */
  release (): void {
    this.#tail.release()
  }

  /** True when the follower's log is known to reach `offset`. */
  isCaughtUp (brokerId: number, offset: number): boolean {
    return (this.#followers.of(brokerId) ?? -1) >= offset
  }

  /**
   * Resolves when the logs of all these brokers are known to reach `offset`.
   * @throws {ShadowError} ABORTED, or CONFLICT when it is stopped meanwhile
   */
  whenAt (brokerIds: readonly number[], offset: number, signal: AbortSignal): Promise<void> {
    return this.#followers.when(brokerIds, fetchOffset => fetchOffset >= offset, signal)
  }

  // What the server asks.

  /** Calls `watcher.changed` whenever there may be something new to tell, until the returned function is called. */
  watch (watcher: PartitionWatcher): () => void {
    return this.demand.watch(watcher)
  }

  /** What a follower's fetch is answered. `maxBytes` is for this partition; `atLeastOne`: one whole batch is due, however large. */
  look (request: FollowerFetch, { maxBytes, atLeastOne }: { readonly maxBytes: number, readonly atLeastOne: boolean }): FetchLook {
    const refusal = this.#refusal(request.brokerId, request.currentLeaderEpoch)
    if (refusal !== ErrorCodes.NONE) return this.#error(refusal)
    const { brokerId, fetchOffset } = request
    const hasMoved = this.#followers.note(request)
    const divergence = this.#logs.divergence(request)
    if (divergence !== null) return { kind: 'diverging', ...divergence, highWatermark: divergence.endOffset, logStartOffset: Math.min(this.#logStart, divergence.endOffset) }
    if (!this.#isServing) return this.#data(brokerId, fetchOffset, null)
    if (fetchOffset < this.#logStart) {
      this.#noteDeleted(request)
      return this.#error(ErrorCodes.OFFSET_OUT_OF_RANGE)
    }
    if (fetchOffset > this.sourceEnd && this.#life.phase === 'serving') this.#doubtFollower(brokerId, fetchOffset)
    if (!this.#admission.ask(brokerId, fetchOffset, this.#logStart)) return this.#data(brokerId, fetchOffset, null)
    this.#followers.notePace(brokerId, this.#admission.admitted)
    if (hasMoved) {
      this.#noteLevel()
      this.#tail.tend()
      if (this.#advanceShown()) this.demand.changed()
    }
    const most = Math.min(maxBytes, this.#options.maxServedBytes)
    const found = this.#tail.find(fetchOffset, { maxBytes: most, atLeastOne })
    if (found === null) {
      if (!hasMoved) this.#tail.tend()
      return this.#data(brokerId, fetchOffset, null)
    }
    const fault = servingFault(found.slice, request, { partition: this.partition, maxServedBytes: this.#options.maxServedBytes })
    if (fault === null) return this.#data(brokerId, fetchOffset, found)
    this.fault(fault)
    return this.#data(brokerId, fetchOffset, null)
  }

  /** Something of `look` is sent: its memory is kept until the returned function is called, once. */
  serveFound (brokerId: number, { chunk, slice }: Found): () => void {
    this.#servedBytes += slice.bytes.length
    this.#admission.serve(brokerId, { offset: slice.nextOffset, leaderEpoch: slice.lastEpoch })
    return this.memory.serve(chunk)
  }

  /** What a follower's ListOffsets is answered. */
  listOffset (brokerId: number, currentLeaderEpoch: number, timestamp: number): OffsetLook {
    const refusal = this.#refusal(brokerId, currentLeaderEpoch)
    if (refusal !== ErrorCodes.NONE) return { errorCode: refusal }
    return listedOffset(this.#listedLog, timestamp)
  }

  /** Where an epoch ends, for a follower. */
  endOfEpoch (brokerId: number, currentLeaderEpoch: number, requestedEpoch: number): OffsetLook {
    const refusal = this.#refusal(brokerId, currentLeaderEpoch)
    return refusal === ErrorCodes.NONE ? listedEndOfEpoch(this.#listedLog, requestedEpoch) : { errorCode: refusal }
  }

  get #listedLog (): ListedLog {
    return { logStart: this.#logStart, latest: this.#latest, epochs: this.servedEpochs }
  }

  get #latest (): number | null {
    if (this.#life.phase === 'locating') return null
    const end = this.#life.phase === 'frozen' ? this.#life.frozenEnd : this.#trustedSourceEnd
    return Math.max(end, this.#followers.highest)
  }

  #refusal (brokerId: number, currentLeaderEpoch: number): number {
    const refusal = this.#leadership.refusal(brokerId, currentLeaderEpoch)
    return refusal === ErrorCodes.NONE && this.#life.isStopped ? ErrorCodes.NOT_LEADER_OR_FOLLOWER : refusal
  }

  #error (errorCode: number): FetchLook {
    const { isLeader, leaderEpoch } = this.metadata
    return { kind: 'error', errorCode, leaderEpoch: isLeader && !this.#life.isStopped ? leaderEpoch : null }
  }

  /** A follower throws when its log would have to start behind its high watermark, and takes any high watermark that is not. */
  #data (brokerId: number, fetchOffset: number, found: Found | null): FetchLook {
    const logStartOffset = Math.min(this.#logStart, fetchOffset)
    const { admitted } = this.#admission
    const isCompared = this.#isServing && admitted.has(brokerId)
    if (isCompared) this.#advanceShown()
    const end = found?.slice.nextOffset ?? fetchOffset
    const highWatermark = this.#shown.tell(brokerId, {
      fetchOffset,
      end,
      sourceEnd: this.#trustedSourceEnd,
      lowestOther: isCompared ? this.#followers.lowestKeepingUp(admitted, brokerId) : Infinity,
      isCompared,
      limit: this.#life.frozenEnd,
      logStart: logStartOffset
    })
    return { kind: 'data', found, highWatermark, logStartOffset, isHeld: highWatermark < end }
  }

  #advanceShown (): boolean {
    return this.#shown.advance(this.#trustedSourceEnd, this.#followers.lowestKeepingUp(this.#admission.admitted))
  }

  get #trustedSourceEnd (): number {
    return Math.min(this.sourceEnd, this.#doubt.from)
  }

  #doubtFollower (brokerId: number, fetchOffset: number): void {
    if (!this.#doubt.raise(brokerId, fetchOffset, this.sourceEnd)) return
    this.#tail.tend()
    this.#options.onFollowerAhead({ brokerId, fetchOffset, sourceEnd: this.#doubt.from })
  }

  #noteDeleted ({ fetchOffset, logStartOffset }: FollowerFetch): void {
    if (fetchOffset > logStartOffset) this.#note = `offsets ${fetchOffset} to ${this.#logStart - 1} were deleted by the source before they were copied`
  }

  // What the tail reports.

  epochBefore (offset: number): number {
    return this.#admission.epochBefore(offset)
  }

  wake (reader: FetchTarget): void {
    this.#options.fetch(reader)
  }

  admit (batch: RecordBatch): boolean {
    if (batch.magic !== 2 || batch.producerId < 0) return true
    this.#options.onProducerId(batch.producerId)
    return this.#options.mayServe(batch.producerId)
  }

  isAdmitted (batch: RecordBatch): boolean {
    return batch.magic !== 2 || batch.producerId < 0 || this.#options.mayServe(batch.producerId)
  }

  onData (): void {
    this.demand.changed()
  }

  sourceContact (contact: SourceBounds): void {
    const { logStart, end } = this.#source
    this.#source.contact(contact)
    this.#noteLevel()
    if (this.#source.logStart !== logStart) this.#tail.tend()
    if (this.#source.logStart !== logStart || this.#source.end !== end) this.demand.changed()
  }

  /** The source's log has moved on, has been cut off, or has another leader that does not know its end yet. */
  missing (offset: number, problem: string): void {
    this.#problem = problem
    if (this.#isLookingUp) return
    this.#isLookingUp = true
    this.#options.sourceBounds().then(bounds => {
      this.#isLookingUp = false
      if (!this.#isServing) return
      this.sourceContact(bounds)
      if (bounds.highWatermark >= offset) return
      this.fault({
        code: 'SOURCE_LOST_RECORDS',
        reason: `the source's log ends at offset ${bounds.highWatermark}, and records up to ${offset} were read from it before`,
        partition: this.partition,
        offset: bounds.highWatermark
      })
    }).catch((error: unknown) => {
      this.#isLookingUp = false
      this.noteProblem(`the source cannot be asked where its log starts and ends: ${messageOf(error)}`)
    })
  }

  fault (fault: TopicFault): void {
    if (this.#fault !== null || this.#life.isStopped) return
    if (this.#options.isFollowed?.(fault) === true) {
      this.#problem = fault.reason
      this.relocate()
      return
    }
    this.#fault = fault
    this.#problem = fault.reason
    this.#tail.clear()
    this.#options.onFault(fault)
    this.demand.changed()
  }

  noteProblem (problem: string | null): void {
    if (this.#fault === null) this.#problem = problem
  }

  /** The lowest end of the logs of the followers that are alive; null when there are none, or one of them has not said where its log ends: the copy is as good as the worst replica. */
  get shadowEndOffset (): number | null {
    return this.#logs.endOfCopy(this.metadata.followers.filter(brokerId => this.#options.isLiving?.(brokerId) === true))
  }

  #noteLevel (): void {
    this.#source.noteLevel(this.shadowEndOffset)
  }

  /** `freshMs`: within which a contact with the source counts as now. */
  status (freshMs: number): PartitionStatus {
    const doubt = this.#doubt.problem
    return {
      partition: this.partition,
      ...this.#source.status(this.shadowEndOffset, freshMs),
      activity: this.#fault !== null || this.#life.isStopped ? 'stopped' : this.#life.phase === 'locating' ? 'starting' : doubt === null ? 'copying' : 'waiting',
      problem: doubt ?? this.#problem ?? this.#note
    }
  }
}
