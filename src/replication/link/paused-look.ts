/**
 * What the status says of a topic that is paused. Nothing is fetched for it, so that what was last seen of the source would look
 * like a source that does not grow: it is asked where its logs end from time to time, and what is not known of now is null.
 */
import type { SourceEnds } from '../failover/source-ends.ts'
import type { PartitionStatus } from '../link-service.ts'
import type { ShadowTopic } from './shadow-topic.ts'

/** The source is asked more often than this. */
const FRESH_MS = 15_000

export class PausedLook {
  #ends: readonly number[] = []
  #atMs: number | null = null
  /** When the shadow was last known to have all of a partition. */
  readonly #levelAtMs: number[] = []

  /** The source's partitions end at `ends`, and the shadow's at `shadowEnds`, where those are known. */
  seen (ends: readonly number[], shadowEnds: ReadonlyArray<number | null>, atMs: number): void {
    this.#ends = ends
    this.#atMs = atMs
    ends.forEach((end, partition) => { if (shadowEnds[partition] === end) this.#levelAtMs[partition] = atMs })
  }

  /** `pausedMs`: for how long the topic has been paused. */
  status (status: PartitionStatus, { nowMs, pausedMs }: { readonly nowMs: number, readonly pausedMs: number }): PartitionStatus {
    const { partition, shadowEndOffset } = status
    const ageMs = this.#atMs === null ? null : nowMs - this.#atMs
    const end = ageMs === null || ageMs > FRESH_MS ? null : this.#ends[partition] ?? null
    const lagRecords = end === null || shadowEndOffset === null ? null : Math.max(0, end - shadowEndOffset)
    const levelAtMs = this.#levelAtMs[partition]
    // Nobody knows when the source grew: it may have been at once.
    const behindMs = levelAtMs === undefined ? Math.max(pausedMs, (status.lagSeconds ?? 0) * 1000) : nowMs - levelAtMs
    return {
      ...status,
      sourceHighWatermark: end,
      sourceLastStableOffset: null,
      lagRecords,
      lagSeconds: lagRecords === 0 ? 0 : behindMs / 1000,
      sourceContactAgeMs: ageMs ?? status.sourceContactAgeMs,
      activity: 'paused'
    }
  }
}

/** Asks the source about the topics of a link that are paused, one round at a time. */
export class PausedTopics {
  readonly #sourceEnds: SourceEnds
  readonly #signal: AbortSignal
  #looking: Promise<unknown> | null = null

  constructor (sourceEnds: SourceEnds, signal: AbortSignal) {
    this.#sourceEnds = sourceEnds
    this.#signal = signal
  }

  /** Does not wait: a source that does not answer holds nobody up, and its ends become unknown by themselves. */
  look (topics: Iterable<ShadowTopic>): void {
    const paused = [...topics].filter(({ record }) => record.state === 'PAUSED' && record.owned)
    if (this.#looking !== null || paused.length === 0) return
    const signal = this.#signal
    this.#looking = Promise.all(paused.map(async topic => {
      try {
        topic.sawSource(await this.#sourceEnds.of(topic.record, { signal }))
      } catch {
        // The link's own contact with the source says why.
      }
    })).finally(() => { this.#looking = null })
  }
}
