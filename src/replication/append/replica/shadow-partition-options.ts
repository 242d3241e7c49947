/** What a shadow partition is given by the engine that leads it, and what it tells the engine. */
import type { TopicFault } from '../../../state/topic-state.ts'
import type { FetchTarget } from '../../source/fetch-target.ts'
import type { ShadowMetadata } from './leadership.ts'
import type { ServedEpochs } from './served-epochs.ts'
import type { SourceBounds } from './source-view.ts'
import type { TailMemory } from './tail-memory.ts'

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
  /** True for a broker that the metadata log says is not alive: nobody waits for it. Default: none. */
  readonly isFenced?: (brokerId: number) => boolean
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
