/**
 * What the links of the source itself say, where it is a shadow cluster too: a topic there may be a shadow of our own cluster, and
 * to shadow it would be to copy in a circle.
 */
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { LATEST_TIMESTAMP, listOffsets } from '../../client/admin/list-offsets.ts'
import type { Cluster, ClusterView } from '../../client/cluster.ts'
import type { NameFilter } from '../../config/link/name-filter.ts'
import { BrokerError, messageOf, ShadowError } from '../../errors.ts'
import { abortedWithin, onAbort, throwIfAborted } from '../../net/abort.ts'
import type { Logger } from '../../observability/logger.ts'
import type { LinkState } from '../../state/link-state.ts'
import { StateFollower } from '../../state/state-follower.ts'
import { STATE_PARTITION, STATE_TOPIC, stateTopicIn } from '../../state/state-topic.ts'
import type { TopicRecord } from '../../state/records.ts'
import { isWritable } from '../../state/topic-state.ts'

const READ_MS = 10_000

/** Follows the state topic of a source, once it has one. Ends by the signal. */
export class SourceLinks {
  readonly #source: Cluster
  readonly #logger: Logger
  readonly #signal: AbortSignal
  #follower: StateFollower | null = null
  #stopped: Promise<void> = Promise.resolve()

  constructor (source: Cluster, { logger, signal }: { readonly logger: Logger, readonly signal: AbortSignal }) {
    this.#source = source
    this.#logger = logger
    this.#signal = signal
    onAbort(signal, () => { this.#stopped = this.#follower?.stop() ?? Promise.resolve() })
  }

  /**
   * What the source's links are, as they are now; null where it has none.
   * @throws {ShadowError} CLUSTER_UNAVAILABLE (retriable) when that cannot be read: then nobody knows what is a loop
   */
  async current (sourceView: ClusterView): Promise<LinkState | null> {
    throwIfAborted(this.#signal)
    if (!hasLinks(sourceView)) return null
    this.#follower ??= StateFollower.start(this.#source, { logger: this.#logger })
    const follower = this.#follower
    const signal = abortedWithin(this.#signal, READ_MS)
    try {
      // A topic is claimed there before it is created: whoever has read up to here knows of every topic that the view shows.
      const [end] = await listOffsets(this.#source, [{ topic: STATE_TOPIC, partition: STATE_PARTITION, timestamp: LATEST_TIMESTAMP }], { signal })
      if (end === undefined || end.errorCode !== ErrorCodes.NONE) throw end?.error ?? new BrokerError(end?.errorCode ?? ErrorCodes.UNKNOWN_SERVER_ERROR, `ListOffsets ${STATE_TOPIC}`)
      const state = await follower.reached(end.offset, signal)
      if (follower.problem !== null) throw new ShadowError('CLUSTER_UNAVAILABLE', follower.problem, { retriable: true })
      return state
    } catch (error) {
      throwIfAborted(this.#signal)
      throw new ShadowError('CLUSTER_UNAVAILABLE', `the source has links of its own (topic ${STATE_TOPIC}), which cannot be read: ${follower.problem ?? messageOf(error)}; a topic that is a shadow of this cluster could be copied in a circle`, { retriable: true, cause: error })
    }
  }

  /** After the signal: resolves when nothing is asked any more. */
  async stopped (): Promise<void> {
    await this.#stopped
  }
}

/** A topic of this name that is no state topic is a topic like any other. */
function hasLinks (sourceView: ClusterView): boolean {
  try {
    return stateTopicIn(sourceView) !== null
  } catch {
    return false
  }
}

export interface LoopQuestion {
  /** What the source's own links say; null where it has none. */
  readonly links: LinkState | null
  /** Of the cluster that is to hold the shadow; null where it does not tell. */
  readonly shadowClusterId: string | null
  readonly filters: readonly NameFilter[]
}

/** The record of a topic that a link of the source takes, or took, from our own cluster. */
function ownRecord (topic: string, { links, shadowClusterId }: LoopQuestion): TopicRecord | null {
  const record = links?.ownerOf(topic) ?? null
  if (record === null || links === null || shadowClusterId === null) return null
  return links.links.get(record.link)?.sourceClusterId === shadowClusterId ? record : null
}

/** True for a topic that is a shadow of our own cluster now. */
export function isCircle (topic: string, question: LoopQuestion): boolean {
  const record = ownRecord(topic, question)
  return record !== null && !isWritable(record.state)
}

/**
 * Why a topic of the source is not shadowed here: it is a shadow of this cluster, or was one until it was opened there. The way back
 * for the latter is to name it: a LITERAL filter that includes it. Null where nothing stands against it.
 */
export function loopReason (topic: string, question: LoopQuestion): string | null {
  const record = ownRecord(topic, question)
  if (record === null) return null
  if (!isWritable(record.state)) return `on the source it is a shadow of this cluster's own topic (link ${record.link} there): it would be copied in a circle`
  if (question.filters.some(filter => filter.filterType === 'INCLUDE' && filter.patternType === 'LITERAL' && filter.name === topic)) return null
  return `on the source it was a shadow of this cluster's own topic (link ${record.link} there) until it was ${record.state === 'PROMOTED' ? 'promoted' : 'failed over'}: it is not shadowed back unless a LITERAL filter names it`
}
