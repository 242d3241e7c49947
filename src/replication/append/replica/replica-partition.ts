/**
 * One partition of a shadow topic in append mode replica: joins what the metadata says of it, what its topic wants, and the
 * shadow partition that answers the followers.
 *
 *   unknown ──connect(): the metadata has it──▶ connected ──located(): the source's bounds are known──▶ served
 *
 * A follower is served once its log was compared with the source (`FollowerCheck`). With `on_source_truncation: follow`, a source that
 * has rewritten its log has it located and compared anew, and what it has lost is thrown away by every follower:
 *
 *              ┌──────────── the source has rewritten its log ◀──────────────┐
 *              ▼                                                             │
 *   connected ──▶ served, once compared: the longest first ──it is the source's, or the beginning of it──▶ admitted
 *              ▲      │ it differs
 *              │      ▼
 *              └── rollBack(): a new epoch is recorded, that begins where the common prefix ends; who holds older ones behind it cuts them off
 */
import type { PartitionEntry } from '../../../kraft/metadata/metadata-image.ts'
import type { Logger } from '../../../observability/logger.ts'
import { rollbackDecided } from '../../../state/rollbacks.ts'
import { followsSource, type TopicFault } from '../../../state/topic-state.ts'
import { ShadowError } from '../../../errors.ts'
import type { ShadowTopic } from '../../link/shadow-topic.ts'
import type { PartitionStatus } from '../../link-service.ts'
import type { FetchTarget } from '../../source/fetch-target.ts'
import type { PartitionShadow } from '../append-mode.ts'
import type { ShadowMetadata } from './leadership.ts'
import { ServedEpochs } from './served-epochs.ts'
import { ShadowPartition } from './shadow-partition.ts'
import type { SourceBounds } from './source-view.ts'
import type { TailMemory } from './tail-memory.ts'

export interface ReplicaWork {
  readonly memory: TailMemory
  /** `on_source_truncation: follow`. */
  readonly followsTruncation: boolean
  /** Resolves with a leader epoch of the partition, in which we lead it, above `above`. @throws {ShadowError} CLUSTER_UNAVAILABLE (retriable) */
  raiseLeaderEpoch (partition: ReplicaPartition, above: number): Promise<number>
  readonly logger: Logger
  /** True for a real broker that is alive. */
  isLiving (brokerId: number): boolean
  /** True for one that the metadata log says is not alive. */
  isFenced (brokerId: number): boolean
  fetch (target: FetchTarget): void
  sourceBounds (partition: ReplicaPartition): Promise<SourceBounds>
  /** Has the source's bounds looked up, after `attempt` failures in a row. */
  locate (partition: ReplicaPartition, attempt: number): void
  /** Has a follower's log compared with the source. */
  check (partition: ReplicaPartition, brokerId: number, fetchOffset: number): void
  onProducerId (producerId: number): void
  mayServe (producerId: number): boolean
  /** Why nothing is served at the moment, whatever partition it is; null when all is well. */
  problem (): string | null
}

/** How often the source may show an end below what a follower holds: a new leader of it learns its high watermark within moments. */
const MAX_DOUBTS = 10

/** A follower that was not heard of for so long keeps nobody waiting. */
const AHEAD_MS = 10_000

/** Kafka's own default, which a shadow topic has unless the link carries its source's value over. */
const DEFAULT_SEGMENT_BYTES = 1024 * 1024 * 1024

const NOTHING_KNOWN = {
  sourceLogStartOffset: null, sourceLastStableOffset: null, sourceHighWatermark: null, shadowEndOffset: null, lagRecords: null, lagSeconds: null, sourceContactAgeMs: null
} as const

export class ReplicaPartition implements PartitionShadow {
  readonly topic: ShadowTopic
  readonly partition: number
  readonly #work: ReplicaWork
  #served: ShadowPartition | null = null
  /** False for a topic that is not copied: its followers are answered, with nothing. */
  #isActive = false
  #isFrozen = false
  #isStopped = false
  #failures = 0
  #doubts = 0
  #problem: string | null = null
  /** Of the brokers with a replica, those that may hold what the source has rewritten since they were compared with it. */
  readonly #suspects = new Set<number>()
  #isRollingBack = false
  /** As it is recorded: nobody acts on a decision that may be lost. */
  #servedEpochs: ServedEpochs

  constructor (topic: ShadowTopic, partition: number, work: ReplicaWork) {
    this.topic = topic
    this.partition = partition
    this.#work = work
    this.#servedEpochs = servedEpochsOf(topic, partition)
  }

  /** What answers the followers; null before the metadata has shown the partition. */
  get served (): ShadowPartition | null {
    return this.#served
  }

  /** The highest position of the followers that count, which is the shadow's end; null while none has been heard of. */
  get highestEnd (): number | null {
    const ends = [...this.#served?.trustedFollowers.values() ?? []].map(({ fetchOffset }) => fetchOffset)
    return ends.length === 0 ? null : Math.max(...ends)
  }

  /** True while followers are to be given what the source has. */
  get isServed (): boolean {
    // A failover waits for followers that have not been compared yet, too.
    return this.#isActive && !this.#isStopped && (this.#served?.phase === 'serving' || this.#served?.phase === 'frozen')
  }

  /** True for a follower that was heard of lately, and is not known to be dead. */
  isPresent (brokerId: number): boolean {
    const position = this.#served?.followers.get(brokerId)
    return position !== undefined && Date.now() - position.atMs < AHEAD_MS && !this.#work.isFenced(brokerId)
  }

  /** True for a follower whose last batch is not enough to say that its log is the source's. */
  isSuspect (brokerId: number): boolean {
    return this.#suspects.has(brokerId)
  }

  /**
   * True when followers may be rolled back to what they have in common with the source. Of a compacted topic what was cleaned away
   * for the sake of a record that is thrown away would be missing; without topic ids nobody knows whether it is the same topic.
   */
  get mayFollow (): boolean {
    const { record } = this.topic
    return this.#work.followsTruncation && this.#isActive && !this.#isStopped && !this.#isFrozen && record.fault === null && followsSource(record.state) &&
      record.sourceTopicId !== null && record.configs['cleanup.policy']?.includes('compact') !== true
  }

  get shadowEndOffset (): number | null {
    return this.#served?.shadowEndOffset ?? null
  }

  /** Where the copy begins. */
  get #startOffset (): number {
    return this.topic.record.startOffsets?.[this.partition] ?? 0
  }

  /** Begins to copy. */
  activate (): void {
    this.#isActive = true
    this.#isStopped = false
    if (this.#served !== null) this.#work.locate(this, 0)
  }

  /** Takes what the metadata says. `shadowIds`: those that are no real brokers. Returns the partition to be served when it is a new one. */
  setEntry (entry: PartitionEntry, brokerId: number, shadowIds: ReadonlySet<number>): ShadowPartition | null {
    const followers = entry.replicas.filter(id => !shadowIds.has(id))
    const metadata: ShadowMetadata = { leaderEpoch: entry.leaderEpoch, partitionEpoch: entry.partitionEpoch, isLeader: entry.leader === brokerId, followers }
    if (this.#served?.topicId === entry.topicId) {
      this.#served.setMetadata(metadata)
      return null
    }
    this.#served?.stop()
    const { topic } = this
    const served = this.#served = new ShadowPartition({
      topic: topic.topic,
      partition: this.partition,
      topicId: entry.topicId,
      sourceTopicId: topic.record.sourceTopicId,
      startOffset: this.#startOffset,
      metadata,
      // It may be changed at any time.
      get maxServedBytes () { return Number(topic.record.configs['segment.bytes'] ?? DEFAULT_SEGMENT_BYTES) },
      servedEpochs: () => this.#servedEpochs,
      memory: this.#work.memory,
      now: () => Date.now(),
      fetch: target => this.#work.fetch(target),
      sourceBounds: () => this.#work.sourceBounds(this),
      // What was handed over is nobody's to follow here any more.
      isLiving: replica => !this.#isStopped && this.#work.isLiving(replica),
      isFenced: replica => this.#work.isFenced(replica),
      isFollowed: fault => this.#follow(fault),
      onRolledBack: (follower, thrownAway) => this.#rolledBack(follower, thrownAway),
      onFault: fault => this.#fault(fault),
      onFollower: (follower, fetchOffset) => this.#work.check(this, follower, fetchOffset),
      onFollowerAhead: ({ sourceEnd, fetchOffset }) => this.#doubt(sourceEnd, fetchOffset),
      onProducerId: producerId => this.#work.onProducerId(producerId),
      mayServe: producerId => this.#work.mayServe(producerId)
    })
    if (this.#isFrozen) served.freeze(0)
    if (this.#isActive && !this.#isStopped) this.#work.locate(this, 0)
    return served
  }

  /** The source's bounds are known. */
  located (bounds: SourceBounds): void {
    if (this.#served === null || this.#isStopped || !this.#isActive) return
    this.#failures = 0
    this.#problem = null
    if (bounds.highWatermark < this.#startOffset) {
      this.#lostBeforeStart(bounds)
      return
    }
    if (bounds.highWatermark >= (this.highestEnd ?? 0)) this.#doubts = 0
    this.#served.serve(bounds)
  }

  lookupFailed (problem: string): void {
    this.#problem = problem
    if (!this.#isStopped) this.#work.locate(this, ++this.#failures)
  }

  /**
   * A follower's log is the source's up to `offset`, whose last batch the source wrote in `leaderEpoch`.
   * @throws {ShadowError} CLUSTER_UNAVAILABLE (retriable) while others come first
   */
  admit (brokerId: number, offset: number, leaderEpoch: number): void {
    const served = this.#served
    if (served === null) return
    // What was lost is told apart from what comes after it once that is known: until then nothing is given to those who have less.
    const ahead = [...served.followers].find(([id, other]) => id !== brokerId && other.fetchOffset > offset && Date.now() - other.atMs < AHEAD_MS && served.isAwaitingAdmission(id, other.fetchOffset))
    if (this.mayFollow && ahead !== undefined) throw new ShadowError('CLUSTER_UNAVAILABLE', `broker ${ahead[0]} has more, and is compared first`, { retriable: true })
    this.#suspects.delete(brokerId)
    served.admitFollower(brokerId, { offset, leaderEpoch })
  }

  /**
   * Has every follower throw away what is behind `to`, the end of what one of them, whose log ends at `from`, has in common with the source. It is
   * recorded before: from then on it is true for whoever leads, and whenever a follower comes.
   * @throws {ShadowError} CONFLICT when the topic is not to follow its source any more; CLUSTER_UNAVAILABLE (retriable)
   */
  async rollBack (brokerId: number, { from, to, difference }: { readonly from: number, readonly to: number, readonly difference: string }): Promise<void> {
    // They are all compared again when it is done.
    if (this.#isRollingBack) return
    this.#isRollingBack = true
    try {
      const { topic, partition } = this
      const epoch = await this.#work.raiseLeaderEpoch(this, this.#servedEpochs.latest)
      if (!this.mayFollow) throw new ShadowError('CONFLICT', `${topic.topic} does not follow its source any more`)
      const fromOffset = Math.max(from, ...[...this.#served?.trustedFollowers.values() ?? []].map(({ fetchOffset }) => fetchOffset))
      await topic.update({ rollbacks: rollbackDecided(topic.record.rollbacks, { partition, fromOffset, toOffset: to, epoch, at: topic.wallClock().toISOString() }) })
      this.#servedEpochs = servedEpochsOf(topic, partition)
      this.#work.logger.warn({ topic: topic.topic, partition, broker: brokerId, fromOffset, toOffset: to, discarded: fromOffset - to, epoch },
        `${topic.topic}-${partition} is rolled back from offset ${fromOffset} to ${to}: ${fromOffset - to} records that the source has lost are thrown away (on_source_truncation: follow); broker ${brokerId} and the source differ from there on: ${difference}`)
      this.#relocate(0)
    } finally {
      this.#isRollingBack = false
    }
  }

  #rolledBack (brokerId: number, { from, to }: { readonly from: number, readonly to: number }): void {
    const { topic: { topic }, partition } = this
    this.#work.logger.warn({ topic, partition, broker: brokerId, fromOffset: from, toOffset: to }, `broker ${brokerId} has thrown away offsets ${to} to ${from - 1} of ${topic}-${partition}`)
  }

  /** All followers are compared with the source anew before they are given anything. */
  #relocate (attempt: number): void {
    for (const brokerId of this.#served?.metadata.followers ?? []) this.#suspects.add(brokerId)
    this.#served?.relocate()
    this.#work.locate(this, attempt)
  }

  /** The source has rewritten its log: true when the followers are to follow it, which begins with looking at it anew. */
  #follow (fault: TopicFault): boolean {
    if ((fault.code !== 'SOURCE_LOST_RECORDS' && fault.code !== 'DIVERGED') || !this.mayFollow) return false
    const { topic: { topic }, partition } = this
    this.#work.logger.warn({ topic, partition, offset: fault.offset }, `${topic}-${partition}: ${fault.reason}; its followers are compared with the source (on_source_truncation: follow)`)
    this.#relocate(1)
    return true
  }

  noteProblem (problem: string | null): void {
    this.#problem = problem
  }

  fault (fault: TopicFault): void {
    this.#fault(fault)
  }

  #fault (fault: TopicFault): void {
    this.topic.fault(fault)
  }

  /** A follower holds more than the source shows. A new leader of the source may not know its end yet; what stays so is a loss. */
  #doubt (sourceEnd: number, fetchOffset: number): void {
    if (this.#isFrozen || this.#isStopped) return
    // The comparison of the follower's log says more.
    if (++this.#doubts < MAX_DOUBTS || this.mayFollow) {
      this.#work.locate(this, Math.min(this.#doubts, MAX_DOUBTS))
      return
    }
    this.#fault({
      code: 'SOURCE_LOST_RECORDS',
      reason: `the source ends at offset ${sourceEnd} and the shadow at ${fetchOffset}: the source has lost records that the shadow has`,
      partition: this.partition,
      offset: sourceEnd
    })
  }

  /**
   * The source ends before the place that the copy was to begin at. A new leader of it may not know its end yet; what stays so is a loss,
   * and what is written there now would never be copied.
   */
  #lostBeforeStart ({ highWatermark }: SourceBounds): void {
    const reason = `the source ends at offset ${highWatermark}, and the copy was to begin at ${this.#startOffset}, where it ended or had records before: the source has lost records`
    if (++this.#doubts >= MAX_DOUBTS) {
      this.#fault({ code: 'SOURCE_LOST_RECORDS', reason, partition: this.partition, offset: highWatermark })
      return
    }
    this.#problem = reason
    this.#work.locate(this, this.#doubts)
  }

  freeze (): void {
    this.#isFrozen = true
    const served = this.#served
    if (served === null || served.phase === 'stopped') return
    served.freeze(served.arrivedEnd)
  }

  thaw (): void {
    this.#isFrozen = false
    this.#served?.thaw()
    if (!this.#isActive) this.activate()
  }

  /** Followers go on being answered: a leader that is not there would be missed. They get nothing more. */
  stop (): void {
    this.#isStopped = true
    const served = this.#served
    if (served !== null && served.phase !== 'stopped') served.freeze(Math.min(served.arrivedEnd, this.highestEnd ?? 0))
  }

  /** The partition is led by somebody else for good. */
  handedOver (): void {
    this.#isStopped = true
    this.#served?.stop()
  }

  status (freshMs: number): PartitionStatus {
    const problem = this.#work.problem() ?? this.#problem
    if (this.#served === null) return { partition: this.partition, ...NOTHING_KNOWN, activity: this.#isStopped ? 'stopped' : 'starting', problem }
    const status = this.#served.status(freshMs)
    return { ...status, activity: this.#isStopped ? 'stopped' : status.activity, problem: status.problem ?? problem }
  }
}

function servedEpochsOf ({ record }: ShadowTopic, partition: number): ServedEpochs {
  return new ServedEpochs(record.rollbacks.find(row => row.partition === partition)?.epochs)
}
