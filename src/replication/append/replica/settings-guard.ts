/**
 * Sets configs of shadow topics again that somebody changed, as soon as the metadata shows it: with them a real broker could be made
 * the leader when the shadow leader is away for longer than its session. What the cluster refuses to set back stops the topic.
 */
import { alterTopicConfigs } from '../../../client/admin/alter-topic-configs.ts'
import type { Cluster } from '../../../client/cluster.ts'
import { BrokerError, messageOf } from '../../../errors.ts'
import type { MetadataFollower } from '../../../kraft/metadata/metadata-follower.ts'
import type { MetadataImage } from '../../../kraft/metadata/metadata-image.ts'
import type { Logger } from '../../../observability/logger.ts'
import type { TopicRecord } from '../../../state/records.ts'
import { isWritable } from '../../../state/topic-state.ts'
import type { ShadowTopic } from '../../link/shadow-topic.ts'
import { GUARDED_CONFIGS } from './replica-configs.ts'

export interface SettingsGuardOptions {
  readonly metadata: MetadataFollower
  readonly cluster: Cluster
  /** @throws {ShadowError} when another engine may lead by now */
  readonly assertMayLead: () => void
  readonly shadowingConfigs: (record: TopicRecord) => Promise<Readonly<Record<string, string>>>
  readonly signal: AbortSignal
  readonly logger: Logger
}

export class SettingsGuard {
  readonly #options: SettingsGuardOptions

  constructor (options: SettingsGuardOptions) {
    this.#options = options
  }

  /** Looks at a topic, and sets its configs again if need be. What passes is tried again by the next call. */
  async check (topic: ShadowTopic): Promise<void> {
    if (!isGuarded(topic) || this.#drift(topic.record, GUARDED_CONFIGS).size === 0) return
    const { cluster, signal, logger, shadowingConfigs, assertMayLead } = this.#options
    await topic.exclusively(async () => {
      if (!isGuarded(topic)) return
      // The cluster may be of a version that does not know all of them.
      const wanted = await shadowingConfigs(topic.record)
      const drift = this.#drift(topic.record, Object.fromEntries(Object.entries(GUARDED_CONFIGS).filter(([name]) => name in wanted)))
      if (drift.size === 0) return
      assertMayLead()
      logger.warn({ topic: topic.topic, configs: [...drift.keys()] }, `configs of the shadow topic ${topic.topic} were changed by somebody: setting them again`)
      try {
        await alterTopicConfigs(cluster, topic.topic, drift, { signal })
      } catch (error) {
        if (!(error instanceof BrokerError) || error.retriable) throw error
        topic.fault({ code: 'SETTING_CHANGED', reason: `${[...drift.keys()].join(', ')} was changed by somebody, and the shadow cluster refuses to change it back: ${messageOf(error)}`, partition: null, offset: null })
      }
    })
  }

  /** True when the metadata shows that the topic has all of these configs set. */
  has (record: Pick<TopicRecord, 'topic' | 'shadowTopicId'>, wanted: Readonly<Record<string, string>>): boolean {
    return isOwn(this.#options.metadata.freshImage, record) && this.#drift(record, wanted).size === 0
  }

  #drift (record: Pick<TopicRecord, 'topic' | 'shadowTopicId'>, wanted: Readonly<Record<string, string>>): Map<string, string> {
    const { image } = this.#options.metadata
    if (image === null || !isOwn(image, record)) return new Map()
    const actual = image.topicConfig(record.topic)
    return new Map(Object.entries(wanted).filter(([name, value]) => actual.get(name) !== value))
  }
}

/** One of that name that somebody made anew is none of ours. */
function isOwn (image: MetadataImage | null, { topic, shadowTopicId }: Pick<TopicRecord, 'topic' | 'shadowTopicId'>): boolean {
  const shown = image?.topicsByName.get(topic)
  return shown !== undefined && (shadowTopicId === null || shown.id === shadowTopicId)
}

/** A failover sets other configs; until it begins, also what has been stopped is a shadow. */
function isGuarded ({ record }: ShadowTopic): boolean {
  return record.owned && record.created && record.state !== 'FAILING_OVER' && !record.handingOver && !isWritable(record.state)
}
