/** Whether the topic of a shadow topic's name is the one that the link has made. Where a cluster has no topic ids, nobody can tell one from another. */
import { ErrorCodes } from '../../../../protocol/errors/codes.ts'
import { ZERO_UUID } from '../../../../protocol/schema/field.ts'
import { absentTopics } from '../../../client/admin/absent-topics.ts'
import type { Cluster, TopicView } from '../../../client/cluster.ts'
import { BrokerError, ShadowError } from '../../../errors.ts'
import type { ShadowTopic } from '../../link/shadow-topic.ts'
import { deletionOf, TopicAbsence } from '../../failover/topic-absence.ts'

/** What was seen is true for so long: many topics are looked up at the same time, and one look is for all. */
const SEEN_MS = 1000

export interface OwnTopicOptions {
  readonly shadow: Cluster
  /** Milliseconds. */
  readonly now: () => number
  readonly signal: AbortSignal
}

export class OwnTopic {
  readonly absence: TopicAbsence
  readonly #topic: ShadowTopic
  readonly #options: OwnTopicOptions
  #seenAtMs = -Infinity

  constructor (topic: ShadowTopic, options: OwnTopicOptions) {
    this.#topic = topic
    this.#options = options
    this.absence = new TopicAbsence(() => this.#look(), options.now)
  }

  /** @throws {ShadowError} CONFLICT when it is another one; {BrokerError} when it is not shown, CLUSTER_UNAVAILABLE; ABORTED */
  async check (): Promise<void> {
    const { shadow, now, signal } = this.#options
    if (now() - this.#seenAtMs < SEEN_MS) return
    const { topic } = this.#topic
    const shown = (await shadow.refresh({ signal })).topics.get(topic)
    if (shown === undefined || shown.errorCode !== ErrorCodes.NONE) throw new BrokerError(shown?.errorCode ?? ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION, `Metadata ${topic}`)
    const another = this.#another(shown)
    if (another !== null) throw new ShadowError('CONFLICT', another, { retriable: true })
    this.#seenAtMs = now()
  }

  /** See TopicAbsence. */
  async #look (): Promise<string | null> {
    const { shadow, now, signal } = this.#options
    const { topic, record: { shadowTopicId } } = this.#topic
    // It is asked for after every attempt that fails, of every topic: a cluster in trouble is not to be asked for everything all the time.
    const { lastView } = shadow
    const ageMs = lastView === null ? Infinity : now() - lastView.atMs
    const view = lastView !== null && ageMs >= 0 && ageMs < SEEN_MS ? lastView : await shadow.refresh({ signal })
    const shown = view.topics.get(topic)
    if (shown?.errorCode === ErrorCodes.NONE) return this.#another(shown)
    // A broker leaves out what the principal may not describe.
    if (shown !== undefined) return null
    // Where there are no topic ids, nobody is asked for one.
    const absent = await absentTopics(shadow, view, [{ topic, topicId: shadowTopicId ?? ZERO_UUID }], { signal })
    return absent.get(topic) === null ? deletionOf(shadowTopicId, null) : null
  }

  #another ({ topicId }: TopicView): string | null {
    const { shadowTopicId } = this.#topic.record
    return topicId === null || shadowTopicId === null || topicId === shadowTopicId ? null : deletionOf(shadowTopicId, topicId)
  }
}
