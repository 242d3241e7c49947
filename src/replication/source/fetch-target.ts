/** What the fetcher fetches for: one position in one partition of the source. */
import type { RecordBatch } from '../../../protocol/records/record-batch.ts'
import type { TopicFault } from '../../state/topic-state.ts'
import type { HeldBytes } from './byte-budget.ts'

/** What a fetch from `fetchOffset` answered for one partition. */
export interface FetchedPartition {
  readonly fetchOffset: number
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly logStartOffset: number
  readonly batches: readonly RecordBatch[]
  /** The memory that the batches lie in. */
  readonly held: HeldBytes
}

export interface FetchTarget {
  readonly topic: string
  readonly partition: number
  /** The id that the source topic had when it was pinned; null where the source has no topic ids. */
  readonly sourceTopicId: string | null
  /** The next offset to fetch. */
  readonly nextOffset: number
  /** The source's leader epoch that the next fetch goes on from; -1 when not known. */
  readonly lastFetchedEpoch: number
  /** True when the source is known to have more than has been fetched. */
  readonly isBehind: boolean
  /** True when what was fetched is taken slowly: it is then asked for apart from the others, and less at a time. */
  readonly isSlow: boolean
  /** True while a fetch is under way. Set by the fetcher. */
  fetching: boolean
  /** True when the next fetch may go out, with less than `maxQueuedBytes` waiting. */
  wantsFetch (maxQueuedBytes: number): boolean
  /** Takes what a fetch answered. */
  fetched (answer: FetchedPartition): void
  /** What a fetch from `fetchOffset` answered is no batches at all. */
  unreadable (fetchOffset: number, reason: string): void
  /** The answer to a fetch from `fetchOffset` is such that the topic must stop. */
  stopAhead (fetchOffset: number, fault: TopicFault): void
  /** The source does not have `fetchOffset`. */
  lostBySource (fetchOffset: number, problem: string): void
  /** Something that will be tried again went wrong with the source. */
  noteProblem (problem: string): void
}
