/**
 * Asks the source where the logs of partitions start and end. Partitions that are looked up in the same moment share their
 * requests.
 */
import { ErrorCodes, errorName } from '../../../../protocol/errors/codes.ts'
import { EARLIEST_TIMESTAMP, LATEST_TIMESTAMP, listOffsets, type ListedOffset } from '../../../client/admin/list-offsets.ts'
import type { Cluster, TopicView } from '../../../client/cluster.ts'
import { Coalesced } from '../../../client/coalesced.ts'
import { messageOf, ShadowError } from '../../../errors.ts'
import { backoffMs } from '../../../net/backoff.ts'
import type { ReplicaPartition } from './replica-partition.ts'
import type { SourceBounds } from './source-view.ts'

const MOST_PER_REQUEST = 500
const MAX_BACKOFF_MS = 2000

export interface SourceBoundsOptions {
  readonly source: Cluster
  readonly signal: AbortSignal
  readonly retryBackoffMs: number
  /** Why the source cannot be asked at the moment; null when it can. */
  readonly obstacle: () => string | null
}

type Outcome = SourceBounds | string

export class SourceBoundsLookup {
  readonly #options: SourceBoundsOptions
  readonly #questions: Coalesced<ReplicaPartition, Outcome>
  readonly #timers = new Set<NodeJS.Timeout>()

  constructor (options: SourceBoundsOptions) {
    this.#options = options
    this.#questions = new Coalesced(partitions => this.#ask(partitions), { most: MOST_PER_REQUEST })
    options.signal.addEventListener('abort', () => {
      for (const timer of this.#timers) clearTimeout(timer)
      this.#timers.clear()
    }, { once: true })
  }

  /** @throws {ShadowError} CLUSTER_UNAVAILABLE (retriable) */
  async of (partition: ReplicaPartition): Promise<SourceBounds> {
    const outcome = await this.#questions.request(partition)
    if (typeof outcome === 'string') throw new ShadowError('CLUSTER_UNAVAILABLE', outcome, { retriable: true })
    return outcome
  }

  /** Tells a partition, after a pause that grows with the failures before. */
  schedule (partition: ReplicaPartition, attempt: number): void {
    const { signal, retryBackoffMs } = this.#options
    if (signal.aborted) return
    const delayMs = attempt === 0 ? 0 : retryBackoffMs + backoffMs(attempt, { baseMs: retryBackoffMs, maxMs: MAX_BACKOFF_MS })
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.of(partition).then(bounds => partition.located(bounds), (error: unknown) => { if (!signal.aborted) partition.lookupFailed(messageOf(error)) })
    }, delayMs)
    this.#timers.add(timer)
  }

  async #ask (partitions: readonly ReplicaPartition[]): Promise<Outcome[]> {
    const { source, signal, obstacle } = this.#options
    try {
      // Without having seen the source, nobody knows whether it is the right cluster.
      await source.view({ signal })
      const ask = async (timestamp: number): Promise<readonly ListedOffset[]> => await listOffsets(source, partitions.map(({ topic, partition }) => ({ topic: topic.topic, partition, timestamp })), { signal })
      const starts = await ask(EARLIEST_TIMESTAMP)
      const ends = await ask(LATEST_TIMESTAMP)
      // ListOffsets names topics: a topic that was made anew has bounds that would have followers throw away what they hold.
      const { topics } = await source.refresh({ signal })
      const reason = obstacle()
      return partitions.map(({ topic: { topic, record } }, index) => reason ?? strangerOf(topics.get(topic), record.sourceTopicId) ?? boundsOf(starts[index], ends[index]))
    } catch (error) {
      return partitions.map(() => `the source cannot be asked where its logs end: ${messageOf(error)}`)
    }
  }
}

/** Why what answers to the name is not the topic that was pinned; null when it is, or where there are no topic ids. */
export function strangerOf (shown: TopicView | undefined, pinnedId: string | null): string | null {
  if (shown === undefined) return 'the source does not show the topic'
  if (pinnedId === null || shown.topicId === null || shown.topicId === pinnedId) return null
  return `the source topic was deleted and made anew: its id is ${shown.topicId}, and was ${pinnedId}`
}

function boundsOf (start: ListedOffset | undefined, end: ListedOffset | undefined): Outcome {
  for (const row of [start, end]) {
    if (row === undefined) return 'the source left the partition out of its answer to ListOffsets'
    if (row.errorCode !== ErrorCodes.NONE) return `the end of the source partition cannot be read: ${row.error?.message ?? errorName(row.errorCode)}`
    if (row.offset < 0) return `the source answered ListOffsets with offset ${row.offset}`
  }
  return { logStartOffset: start?.offset ?? -1, highWatermark: end?.offset ?? -1 }
}
