/**
 * One shadow partition as its leader: what the followers of it are told, and where they stand.
 *
 *                serve()              freeze()
 *   locating ──────────────▶ serving ──────────▶ frozen        any ──▶ stopped   stop()
 *      ▲                        │
 *      └───── relocate() ───────┘ the source has rewritten its log
 *
 *   locating  where source and followers stand is not known: followers are answered, with nothing and without an error
 *   serving   the source's batches, up to its high watermark
 *   frozen    the same, up to a fixed end and nothing beyond
 *   stopped   not the leader any more
 *
 * A leader that knows less than its followers destroys their data: a fetch behind the known end is answered with nothing, and
 * LATEST is never below what a follower is known to hold (facts/replica-mode-experiments.md, must-know 1). What a follower is to throw away it
 * is told by a diverging epoch (`ServedEpochs`), whatever else is known.
 */
import { ErrorCodes } from '../../../../protocol/errors/codes.ts'
import type { RecordBatch } from '../../../../protocol/records/record-batch.ts'
import { messageOf, ShadowError } from '../../../errors.ts'
import type { TopicFault } from '../../../state/topic-state.ts'
import type { PartitionStatus } from '../../link-service.ts'
import type { FetchTarget } from '../../source/fetch-target.ts'
import { FollowerAdmission, type VerifiedEnd } from './follower-admission.ts'
import type { FetchLook, FollowerFetch, OffsetLook, PartitionWatcher } from './follower-fetch.ts'
import { FollowerPositions, type FollowerPosition } from './follower-positions.ts'
import { PartitionTail, type Found, type TailOwner } from './partition-tail.ts'
import { ServedEpochs } from './served-epochs.ts'
import { ShownWatermark } from './shown-watermark.ts'
import { SourceView, type SourceBounds } from './source-view.ts'
import type { TailMemory } from './tail-memory.ts'

export type ShadowPhase = 'locating' | 'serving' | 'frozen' | 'stopped'

/** What the shadow cluster's metadata log says of the partition. */
export interface ShadowMetadata {
  readonly leaderEpoch: number
  readonly partitionEpoch: number
  /** True when this engine's broker id leads it. */
  readonly isLeader: boolean
  /** All replicas that are real brokers. */
  readonly followers: readonly number[]
}

export interface ShadowPartitionOptions {
  readonly topic: string
  readonly partition: number
  /** On the shadow cluster. */
  readonly topicId: string
  /** The id that the source topic had when it was pinned; null where the source has no topic ids. */
  readonly sourceTopicId: string | null
  /** Where the copy begins, where the source has more than that. Default: with all that it has. */
  readonly startOffset?: number
  readonly metadata: ShadowMetadata
  /** `segment.bytes` of the shadow topic, as it is at the moment: a follower cannot append more at once. */
  readonly maxServedBytes: number
  readonly memory: TailMemory
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** A follower that was not heard of for so long holds no memory. Default 10 s. */
  readonly followerTimeoutMs?: number
  /** For so long after it is served first, what was fetched is kept for replicas that have not come yet. Default 2 s. */
  readonly gatheringMs?: number
  /** Fetches for a target when there is a way to: `Fetcher.wake`. */
  readonly fetch: (target: FetchTarget) => void
  /** Asks the source where its log starts and ends (ListOffsets: its high watermark). */
  readonly sourceBounds: () => Promise<SourceBounds>
  /**
   * A follower that holds records has come for the first time, or stands elsewhere than when it was told of before: it is answered
   * with nothing until `admitFollower` says that its log is the source's.
   */
  readonly onFollower: (brokerId: number, fetchOffset: number) => void
  /** What followers get in place of the source's leader epochs, as it is at the moment. Default: always the same. */
  readonly servedEpochs?: () => ServedEpochs
  /**
   * Asked about a fault before it becomes one: true when the source has rewritten its log and the followers are to follow it. They are
   * answered with nothing then until `serve` is called, and compared with the source again, all of them.
   */
  readonly isFollowed?: (fault: TopicFault) => boolean
  /** True for a real broker that is alive, as the metadata log says. Default: none is known to be. */
  readonly isLiving?: (brokerId: number) => boolean
  /** A follower has thrown away the end of its log, from `to` on, as it was told to. */
  readonly onRolledBack?: (brokerId: number, thrownAway: { readonly from: number, readonly to: number }) => void
  /** Called once at most. Followers are answered with nothing from then on. */
  readonly onFault: (fault: TopicFault) => void
  /** A follower holds more than the source was last seen to have: nothing at or behind `sourceEnd` is served before `serve` is called again. */
  readonly onFollowerAhead: (follower: { readonly brokerId: number, readonly fetchOffset: number, readonly sourceEnd: number }) => void
  /** A batch with this producer id has arrived. It has not been served yet. */
  readonly onProducerId: (producerId: number) => void
  /** False: the batches of this producer are held back until `release` is called. */
  readonly mayServe: (producerId: number) => boolean
}

const LATEST = -1
const EARLIEST = -2
const ONE_EPOCH = new ServedEpochs()

const EARLIEST_LOCAL = -4
const LATEST_TIERED = -5

const DEFAULT_FOLLOWER_TIMEOUT_MS = 10_000
/** A follower that has something to fetch moves on every time it asks; writing what it got may take a moment. */
const MOVING_MS = 1000
/** Followers of a new partition begin within moments of each other, and at the same place. */
const DEFAULT_GATHERING_MS = 2000

export class ShadowPartition implements TailOwner {
  readonly topicId: string
  readonly #options: ShadowPartitionOptions
  readonly #tail: PartitionTail
  readonly #followers: FollowerPositions
  readonly #source: SourceView
  readonly #watchers = new Set<PartitionWatcher>()
  readonly #admission: FollowerAdmission
  readonly #shown = new ShownWatermark()
  #phase: ShadowPhase = 'locating'
  #metadata: ShadowMetadata
  #frozenEnd = Infinity
  /** Set when a follower holds more than the source: what is served ends here until somebody has looked into it. */
  #doubt: { readonly from: number, readonly brokerId: number, readonly fetchOffset: number } | null = null
  /** Where each follower stood that was told to throw something away, and has not done it yet. */
  readonly #divergent = new Map<number, number>()
  #fault: TopicFault | null = null
  #problem: string | null = null
  #note: string | null = null
  #isLookingUp = false
  #servedBytes = 0
  #gatheringUntilMs: number | null = null

  constructor (options: ShadowPartitionOptions) {
    this.#options = options
    this.topicId = options.topicId
    this.#metadata = options.metadata
    this.#source = new SourceView(options.now, options.startOffset)
    this.#followers = new FollowerPositions(options.now, options.followerTimeoutMs ?? DEFAULT_FOLLOWER_TIMEOUT_MS)
    this.#admission = new FollowerAdmission((brokerId, fetchOffset) => options.onFollower(brokerId, fetchOffset))
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
    return this.#phase
  }

  get metadata (): ShadowMetadata {
    return this.#metadata
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
    return new Map([...this.#followers.all].filter(([, { lastFetchedEpoch, fetchOffset }]) => this.servedEpochs.divergence(lastFetchedEpoch, fetchOffset) === null))
  }

  get #trustedEnd (): number {
    return Math.max(0, ...[...this.trustedFollowers.values()].map(({ fetchOffset }) => fetchOffset))
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
    return Math.min(this.#frozenEnd, this.#doubt?.from ?? Infinity)
  }

  get followerOffsets (): readonly number[] {
    return this.#isServing ? this.#followers.aliveAmong(this.#admission.admitted).filter(offset => offset >= this.#logStart) : []
  }

  get movingOffsets (): readonly number[] {
    return this.#isServing ? this.#followers.movingAmong(this.#admission.admitted, MOVING_MS) : []
  }

  get isGathering (): boolean {
    return this.#gatheringUntilMs !== null && this.#options.now() < this.#gatheringUntilMs && this.#followers.count < this.#metadata.followers.length
  }

  get wantedOffsets (): readonly number[] {
    return Array.from(this.#watchers, ({ fetchOffset }) => fetchOffset)
  }

  get awaitedOffsets (): readonly number[] {
    return Array.from(this.#watchers).filter(({ isWaiting }) => isWaiting).map(({ fetchOffset }) => fetchOffset)
  }

  get #isServing (): boolean {
    return (this.#phase === 'serving' || this.#phase === 'frozen') && this.#fault === null
  }

  get #logStart (): number {
    return Math.min(this.#source.logStart, this.#frozenEnd)
  }

  // What the engine does with it.

  /** Older metadata than what is known is ignored. */
  setMetadata (metadata: ShadowMetadata): void {
    if (metadata.partitionEpoch < this.#metadata.partitionEpoch) return
    this.#metadata = metadata
    this.#followers.keepOnly(metadata.followers)
    this.#changed()
  }

  /**
   * The source's bounds are known. Called again, it ends a doubt (`onFollowerAhead`); a frozen partition stays frozen.
   * @throws {ShadowError} CONFLICT when it has been stopped
   */
  serve (bounds: SourceBounds): void {
    if (this.#phase === 'stopped') throw new ShadowError('CONFLICT', `${this.#name} is not led any more`)
    this.#gatheringUntilMs ??= this.#options.now() + (this.#options.gatheringMs ?? DEFAULT_GATHERING_MS)
    if (this.#phase === 'locating') this.#phase = this.#frozenEnd === Infinity ? 'serving' : 'frozen'
    this.#source.restart(bounds)
    // What was read before may be gone from the source.
    this.#tail.clear()
    this.#admission.forgetServed()
    this.#doubt = null
    this.#problem = null
    this.#tail.tend()
    this.#changed()
  }

  /**
   * Fixes the end: what lies before it is still read and served, nothing beyond. It must be where a batch ends. What is still
   * locating is frozen from `serve` on.
   * @throws {ShadowError} CONFLICT when it has been stopped
   */
  freeze (endOffset: number): void {
    if (this.#phase === 'stopped') throw new ShadowError('CONFLICT', `${this.#name} is not led any more`)
    this.#frozenEnd = endOffset
    if (this.#phase === 'serving') this.#phase = 'frozen'
    this.#tail.tend()
    this.#changed()
  }

  /** The end is where the source's is again. */
  thaw (): void {
    if (this.#phase === 'stopped') return
    this.#frozenEnd = Infinity
    if (this.#phase === 'frozen') this.#phase = 'serving'
    this.#tail.tend()
    this.#changed()
  }

  /** A follower's log, where it stood when it was told of, is the source's. */
  admitFollower (brokerId: number, verified: VerifiedEnd): void {
    if (!this.#admission.admit(brokerId, verified)) return
    this.#tail.tend()
    this.#changed()
  }

  /** True while the follower, which stood at `fetchOffset` when it was told of, waits for `admitFollower`. */
  isAwaitingAdmission (brokerId: number, fetchOffset: number): boolean {
    return this.#isServing && this.#admission.isAwaiting(brokerId, fetchOffset)
  }

  /** The end that was fixed; -1 when none was. */
  get frozenEnd (): number {
    return this.#frozenEnd === Infinity ? -1 : this.#frozenEnd
  }

  /** Up to where the followers are known to be, and what is in memory for them behind that. */
  get arrivedEnd (): number {
    return Math.min(this.#tail.endOfRun(this.#trustedEnd), this.limitOffset < 0 ? Infinity : this.limitOffset)
  }

  /**
   * The source has rewritten its log, or `servedEpochs` are others: nothing that was read from it before counts any more, nor does what
   * followers were found to hold. They are answered with nothing until `serve` is called, but with a diverging epoch where that is due.
   */
  relocate (): void {
    if (this.#phase === 'stopped' || this.#fault !== null) return
    this.#phase = 'locating'
    this.#doubt = null
    this.#tail.clear()
    this.#admission.forgetAll()
    this.#shown.forget()
    this.#changed()
  }

  /** Lets go of everything; followers are sent elsewhere. */
  stop (): void {
    this.#phase = 'stopped'
    this.#tail.clear()
    this.#followers.rejectAll(new ShadowError('CONFLICT', `${this.#name} is not led any more`))
    this.#changed()
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
    this.#watchers.add(watcher)
    return () => { this.#watchers.delete(watcher) }
  }

  /** What a follower's fetch is answered. `maxBytes` is for this partition; `atLeastOne`: one whole batch is due, however large. */
  look (request: FollowerFetch, { maxBytes, atLeastOne }: { readonly maxBytes: number, readonly atLeastOne: boolean }): FetchLook {
    const refusal = this.#refusal(request.brokerId, request.currentLeaderEpoch)
    if (refusal !== ErrorCodes.NONE) return this.#error(refusal)
    const { brokerId, fetchOffset } = request
    const hasMoved = this.#followers.note(request)
    const diverging = this.#divergingRow(request)
    if (diverging !== null) return diverging
    if (!this.#isServing) return this.#data(brokerId, fetchOffset, null)
    if (fetchOffset < this.#logStart) {
      this.#noteDeleted(request)
      return this.#error(ErrorCodes.OFFSET_OUT_OF_RANGE)
    }
    if (fetchOffset > this.sourceEnd && this.#phase === 'serving') this.#doubtFollower(brokerId, fetchOffset)
    if (!this.#admission.ask(brokerId, fetchOffset, this.#logStart)) return this.#data(brokerId, fetchOffset, null)
    if (hasMoved) {
      this.#noteLevel()
      this.#tail.tend()
      if (this.#advanceShown()) this.#changed()
    }
    const most = Math.min(maxBytes, this.#options.maxServedBytes)
    const found = this.#tail.find(fetchOffset, { maxBytes: most, atLeastOne })
    if (found === null) {
      if (!hasMoved) this.#tail.tend()
      return this.#data(brokerId, fetchOffset, null)
    }
    const fault = this.#faultOf(found, request)
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
    if (timestamp === LATEST_TIERED) return { errorCode: 0, offset: -1, leaderEpoch: -1 }
    const latest = this.#latest
    if (latest === null) return { errorCode: ErrorCodes.OFFSET_NOT_AVAILABLE }
    if (timestamp === LATEST) return { errorCode: 0, offset: latest, leaderEpoch: this.servedEpochs.latest }
    if (timestamp === EARLIEST || timestamp === EARLIEST_LOCAL) return { errorCode: 0, offset: Math.min(this.#logStart, latest), leaderEpoch: this.servedEpochs.epochAt(this.#logStart) }
    // A follower asks for nothing else.
    return { errorCode: ErrorCodes.UNSUPPORTED_VERSION }
  }

  /** Where an epoch ends, for a follower. */
  endOfEpoch (brokerId: number, currentLeaderEpoch: number, requestedEpoch: number): OffsetLook {
    const latest = this.listOffset(brokerId, currentLeaderEpoch, LATEST)
    const { epoch, endOffset } = this.servedEpochs.endOf(requestedEpoch)
    return 'offset' in latest ? { errorCode: 0, offset: Math.min(endOffset, latest.offset), leaderEpoch: epoch } : latest
  }

  get #latest (): number | null {
    if (this.#phase === 'locating') return null
    const end = this.#phase === 'frozen' ? this.#frozenEnd : Math.min(this.sourceEnd, this.#doubt?.from ?? Infinity)
    return Math.max(end, this.#followers.highest)
  }

  #refusal (brokerId: number, currentLeaderEpoch: number): number {
    const { isLeader, leaderEpoch, followers } = this.#metadata
    // As in Partition.checkCurrentLeaderEpoch. Ours comes from the metadata log: what is below it is old.
    if (currentLeaderEpoch > leaderEpoch) return ErrorCodes.UNKNOWN_LEADER_EPOCH
    if (currentLeaderEpoch >= 0 && currentLeaderEpoch < leaderEpoch) return ErrorCodes.FENCED_LEADER_EPOCH
    return this.#phase === 'stopped' || !isLeader || brokerId < 0 || !followers.includes(brokerId) ? ErrorCodes.NOT_LEADER_OR_FOLLOWER : ErrorCodes.NONE
  }

  #error (errorCode: number): FetchLook {
    const { isLeader, leaderEpoch } = this.#metadata
    return { kind: 'error', errorCode, leaderEpoch: isLeader && this.#phase !== 'stopped' ? leaderEpoch : null }
  }

  /** A follower throws when its log would have to start behind its high watermark, and takes any high watermark that is not. */
  #data (brokerId: number, fetchOffset: number, found: Found | null): FetchLook {
    const logStartOffset = Math.min(this.#logStart, fetchOffset)
    const isCompared = this.#isServing && this.#admission.admitted.has(brokerId)
    if (isCompared) this.#advanceShown()
    const highWatermark = this.#shown.tell(brokerId, { fetchOffset, isCompared, limit: this.#frozenEnd, logStart: logStartOffset })
    return { kind: 'data', found, highWatermark, logStartOffset }
  }

  #advanceShown (): boolean {
    return this.#shown.advance(Math.min(this.sourceEnd, this.#doubt?.from ?? Infinity), this.#followers.aliveAmong(this.#admission.admitted))
  }

  /**
   * What a follower is told that holds what is to be thrown away; null for any other. It cuts off where the epoch ends here, or on
   * itself if that is before (AbstractFetcherThread.getOffsetTruncationState), and asks again.
   */
  #divergingRow ({ brokerId, fetchOffset, lastFetchedEpoch }: FollowerFetch): FetchLook | null {
    const before = this.#divergent.get(brokerId)
    const divergence = this.servedEpochs.divergence(lastFetchedEpoch, fetchOffset)
    if (divergence !== null) {
      this.#divergent.set(brokerId, Math.max(before ?? 0, fetchOffset))
      const { epoch, endOffset } = divergence
      return { kind: 'diverging', epoch, endOffset, highWatermark: endOffset, logStartOffset: Math.min(this.#logStart, endOffset) }
    }
    if (before !== undefined) {
      this.#divergent.delete(brokerId)
      this.#shown.forgetFollower(brokerId)
      this.#options.onRolledBack?.(brokerId, { from: before, to: fetchOffset })
    }
    return null
  }

  #faultOf ({ slice }: Found, { fetchOffset, logStartOffset }: FollowerFetch): TopicFault | null {
    const where = { partition: this.partition, offset: fetchOffset }
    // Only an empty log may start anew in the middle of a batch.
    if (slice.magic === 2 && slice.baseOffset < fetchOffset && fetchOffset !== logStartOffset) {
      return { code: 'DIVERGED', reason: `the source has a batch that begins at ${slice.baseOffset} where a follower's log ends at ${fetchOffset}: their batches differ`, ...where }
    }
    if (slice.bytes.length > this.#options.maxServedBytes) {
      return { code: 'APPEND_REFUSED', reason: `the batch at offset ${fetchOffset} has ${slice.bytes.length} bytes, and a segment of the shadow topic holds ${this.#options.maxServedBytes}`, ...where }
    }
    return null
  }

  #doubtFollower (brokerId: number, fetchOffset: number): void {
    const before = this.#doubt
    if (before !== null && fetchOffset <= before.fetchOffset) return
    const from = before?.from ?? this.sourceEnd
    this.#doubt = { from, brokerId, fetchOffset }
    if (before !== null) return
    this.#tail.tend()
    this.#options.onFollowerAhead({ brokerId, fetchOffset, sourceEnd: from })
  }

  #noteDeleted ({ fetchOffset, logStartOffset }: FollowerFetch): void {
    if (fetchOffset > logStartOffset) this.#note = `offsets ${fetchOffset} to ${this.#logStart - 1} were deleted by the source before they were copied`
  }

  #changed (): void {
    for (const watcher of [...this.#watchers]) watcher.changed()
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
    this.#changed()
  }

  sourceContact (contact: SourceBounds): void {
    const { logStart, end } = this.#source
    this.#source.contact(contact)
    this.#noteLevel()
    if (this.#source.logStart !== logStart) this.#tail.tend()
    if (this.#source.logStart !== logStart || this.#source.end !== end) this.#changed()
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
    if (this.#fault !== null || this.#phase === 'stopped') return
    if (this.#options.isFollowed?.(fault) === true) {
      this.#problem = fault.reason
      this.relocate()
      return
    }
    this.#fault = fault
    this.#problem = fault.reason
    this.#tail.clear()
    this.#options.onFault(fault)
    this.#changed()
  }

  noteProblem (problem: string | null): void {
    if (this.#fault === null) this.#problem = problem
  }

  get #name (): string {
    return `${this.topic}-${this.partition}`
  }

  /** The lowest end of the logs of the followers that are alive; null when there are none, or one of them has not said where its log ends: the copy is as good as the worst replica. */
  get shadowEndOffset (): number | null {
    const { alive } = this.#followers
    if (alive.length === 0) return null
    // A living one that has said nothing yet may have nothing yet.
    const isSilent = (brokerId: number): boolean => !alive.some(told => told.brokerId === brokerId)
    if (this.#metadata.followers.some(brokerId => this.#options.isLiving?.(brokerId) === true && isSilent(brokerId))) return null
    // What is to be thrown away is no copy of anything.
    return Math.min(...alive.map(({ lastFetchedEpoch, fetchOffset }) => this.servedEpochs.divergence(lastFetchedEpoch, fetchOffset)?.endOffset ?? fetchOffset))
  }

  #noteLevel (): void {
    this.#source.noteLevel(this.shadowEndOffset)
  }

  /** `freshMs`: within which a contact with the source counts as now. */
  status (freshMs: number): PartitionStatus {
    const doubt = this.#doubt
    return {
      partition: this.partition,
      ...this.#source.status(this.shadowEndOffset, freshMs),
      activity: this.#fault !== null || this.#phase === 'stopped' ? 'stopped' : this.#phase === 'locating' ? 'starting' : doubt === null ? 'copying' : 'waiting',
      problem: doubt === null
        ? this.#problem ?? this.#note
        : `source lost records: broker ${doubt.brokerId} holds records up to offset ${doubt.fetchOffset}, and the source's log ended at ${doubt.from}; nothing from there on is served`
    }
  }
}
