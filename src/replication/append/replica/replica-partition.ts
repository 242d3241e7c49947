/**
 * One partition of a shadow topic in append mode replica: joins what the metadata says of it, what its topic wants, and the
 * shadow partition that answers the followers.
 *
 *   unknown ──connect(): the metadata has it──▶ connected ──located(): the source's bounds are known──▶ served
 *
 * A follower is served once its log was compared with the source (`FollowerCheck`).
 */
import type { PartitionEntry } from '../../../kraft/metadata/metadata-image.ts'
import type { TopicFault } from '../../../state/topic-state.ts'
import type { ShadowTopic } from '../../link/shadow-topic.ts'
import type { PartitionStatus } from '../../link-service.ts'
import type { FetchTarget } from '../../source/fetch-target.ts'
import type { PartitionShadow } from '../append-mode.ts'
import { ShadowPartition, type ShadowMetadata } from './shadow-partition.ts'
import type { SourceBounds } from './source-view.ts'
import type { TailMemory } from './tail-memory.ts'

export interface ReplicaWork {
  readonly memory: TailMemory
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

  constructor (topic: ShadowTopic, partition: number, work: ReplicaWork) {
    this.topic = topic
    this.partition = partition
    this.#work = work
  }

  /** What answers the followers; null before the metadata has shown the partition. */
  get served (): ShadowPartition | null {
    return this.#served
  }

  /** The followers' highest position, which is the shadow's end; null while none has been heard of. */
  get highestEnd (): number | null {
    const ends = [...this.#served?.followers.values() ?? []].map(({ fetchOffset }) => fetchOffset)
    return ends.length === 0 ? null : Math.max(...ends)
  }

  /** True while followers are to be given what the source has. */
  get isServed (): boolean {
    // A failover waits for followers that have not been compared yet, too.
    return this.#isActive && !this.#isStopped && (this.#served?.phase === 'serving' || this.#served?.phase === 'frozen')
  }

  get shadowEndOffset (): number | null {
    return this.#served?.shadowEndOffset ?? null
  }

  /** Begins to copy. */
  activate (): void {
    this.#isActive = true
    this.#isStopped = false
    if (this.#served !== null) this.#work.locate(this, 0)
  }

  /** Takes what the metadata says. Returns the partition to be served when it is a new one. */
  setEntry (entry: PartitionEntry, brokerId: number): ShadowPartition | null {
    const metadata: ShadowMetadata = { leaderEpoch: entry.leaderEpoch, partitionEpoch: entry.partitionEpoch, isLeader: entry.leader === brokerId, replicas: entry.replicas }
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
      metadata,
      // It may be changed at any time.
      get maxServedBytes () { return Number(topic.record.configs['segment.bytes'] ?? DEFAULT_SEGMENT_BYTES) },
      memory: this.#work.memory,
      now: () => Date.now(),
      fetch: target => this.#work.fetch(target),
      sourceBounds: () => this.#work.sourceBounds(this),
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
    if (bounds.highWatermark >= (this.highestEnd ?? 0)) this.#doubts = 0
    this.#served.serve(bounds)
  }

  lookupFailed (problem: string): void {
    this.#problem = problem
    if (!this.#isStopped) this.#work.locate(this, ++this.#failures)
  }

  /** A follower's log is the source's up to `offset`, whose last batch the source wrote in `leaderEpoch`. */
  admit (brokerId: number, offset: number, leaderEpoch: number): void {
    this.#served?.admitFollower(brokerId, { offset, leaderEpoch })
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
    if (++this.#doubts < MAX_DOUBTS) {
      this.#work.locate(this, this.#doubts)
      return
    }
    this.#fault({
      code: 'SOURCE_LOST_RECORDS',
      reason: `the source ends at offset ${sourceEnd} and the shadow at ${fetchOffset}: the source has lost records that the shadow has`,
      partition: this.partition,
      offset: sourceEnd
    })
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
