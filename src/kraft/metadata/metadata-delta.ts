import type { TopicEntry } from './metadata-image.ts'

/** What changed with one answer of the controller. What it says is by key: the image has what is true now. */
export interface MetadataDelta {
  /** Everything has to be looked at anew: the image is another one, or it is null because nobody knows any more. The rest is empty then. */
  readonly replaced: boolean
  /** Ids of brokers that were registered, changed or unregistered. */
  readonly brokers: ReadonlySet<number>
  /** Partitions that were made or changed, by the ids of their topics. */
  readonly partitions: ReadonlyMap<string, ReadonlySet<number>>
  /** Ids of topics. */
  readonly createdTopics: ReadonlySet<string>
  /** By topic id: the topics as they were last. */
  readonly removedTopics: ReadonlyMap<string, TopicEntry>
  /** Names of topics whose configs changed. */
  readonly topicConfigs: ReadonlySet<string>
  /** Ids of brokers whose dynamic configs changed; null stands for the configs of all brokers. */
  readonly brokerConfigs: ReadonlySet<number | null>
  readonly features: boolean
}

/** Collects what records change. */
export class DeltaBuilder implements MetadataDelta {
  readonly replaced: boolean
  readonly brokers = new Set<number>()
  readonly partitions = new Map<string, Set<number>>()
  readonly createdTopics = new Set<string>()
  readonly removedTopics = new Map<string, TopicEntry>()
  readonly topicConfigs = new Set<string>()
  readonly brokerConfigs = new Set<number | null>()
  features = false

  constructor ({ replaced }: { readonly replaced: boolean } = { replaced: false }) {
    this.replaced = replaced
  }

  get isEmpty (): boolean {
    return !this.replaced && !this.features && this.brokers.size === 0 && this.partitions.size === 0 && this.createdTopics.size === 0 &&
      this.removedTopics.size === 0 && this.topicConfigs.size === 0 && this.brokerConfigs.size === 0
  }

  partition (topicId: string, partition: number): void {
    const known = this.partitions.get(topicId)
    if (known === undefined) this.partitions.set(topicId, new Set([partition]))
    else known.add(partition)
  }

  /** A topic that was created by the same answer leaves no trace. */
  topicRemoved (topic: TopicEntry): void {
    this.partitions.delete(topic.id)
    if (!this.createdTopics.delete(topic.id)) this.removedTopics.set(topic.id, topic)
  }
}
