/**
 * Shadow topics as append mode replica makes them. A real broker is never in the ISR before it is to lead: a topic is created with
 * the shadow leader, and the engines that stand by, as its only replicas, and then moved to the real brokers, who copy but do not join. The move stays under way
 * until the failover, which is what completes it (facts/replica-mode-experiments.md, "Death between CreateTopics and the ISR shrink").
 */
import { alterTopicConfigs } from '../../../client/admin/alter-topic-configs.ts'
import { createPartitions } from '../../../client/admin/create-partitions.ts'
import { createTopics } from '../../../client/admin/create-topic.ts'
import { TopicCreations } from '../../../client/admin/topic-creations.ts'
import type { Cluster } from '../../../client/cluster.ts'
import type { BrokerEntry, MetadataImage, PartitionEntry, TopicEntry } from '../../../kraft/metadata/metadata-image.ts'
import type { TopicRecord } from '../../../state/records.ts'
import type { Adoption, CreatedTopic, ShadowCreation } from '../append-mode.ts'
import { targetReplicas } from './partition-entry.ts'
import { inRackOrder, livingBrokers, placeReplicas } from './replica-placement.ts'
import { whenReady, type ShadowLeader } from './shadow-leader.ts'

const READY_MS = 10_000
const SHOWN_MS = 10_000
/** Where the shadow cluster's own default is to count, which no request tells for all brokers. */
const DEFAULT_REPLICAS = 3

export interface ReplicaTopicsOptions {
  readonly leader: ShadowLeader
  readonly cluster: Cluster
  readonly signal: AbortSignal
}

export class ReplicaTopics {
  readonly #options: ReplicaTopicsOptions
  readonly #creations: TopicCreations

  constructor (options: ReplicaTopicsOptions) {
    const { leader, cluster, signal } = options
    this.#options = options
    this.#creations = new TopicCreations(topics => leader.uncordoned(() => createTopics(cluster, topics, { signal })))
  }

  /** @throws {BrokerError} what the shadow cluster says against it; {ShadowError} CLUSTER_UNAVAILABLE (retriable) */
  async create ({ record: { topic, partitions }, configs, replicationFactor }: ShadowCreation): Promise<CreatedTopic> {
    const { leader, signal } = this.#options
    await whenReady(leader, signal, READY_MS, async () => {
      const { brokerId } = leader.assertReady()
      // Engines that stand by are in the ISR from the start.
      const replicas = [brokerId, ...leader.livingStandbys]
      await this.#creations.create({ name: topic, partitions, replicationFactor: -1, configs, assignments: Array.from({ length: partitions }, () => replicas) })
    })
    return await this.#moved(topic, partitions, replicationFactor)
  }

  /** An engine that died made it if the shadow leader alone leads it, or may; a real broker that leads it may have been written to. */
  async adopt ({ record: { topic, partitions }, configs, replicationFactor }: ShadowCreation): Promise<Adoption> {
    const { leader, cluster, signal } = this.#options
    leader.assertReady()
    const found = await this.#shown(topic, 1)
    const foreign = [...found.partitions.values()].find(entry => !this.#isOurs(entry))
    if (foreign !== undefined) return { kind: 'foreign', reason: `the shadow cluster has a topic of this name that was not made by the link: partition ${foreign.partition} is held by brokers ${foreign.replicas.join(', ')}` }
    if (found.partitions.size !== partitions) return { kind: 'foreign', reason: `the shadow cluster has a topic of this name with ${found.partitions.size} partitions, and the link would have made ${partitions}` }
    await alterTopicConfigs(cluster, topic, new Map(Object.entries(configs)), { signal })
    return { kind: 'adopted', topic: await this.#moved(topic, partitions, replicationFactor) }
  }

  /**
   * The controller wants new partitions to have as many replicas as the first one has (ReplicationControlManager.createPartitions), and
   * takes those that are alive into the ISR. They are taken out of it at once, with all of their replicas: the shadow leader leads, and
   * is then the only one. If it dies in that moment, and its session ends before another engine goes on, a real broker leads: the topic
   * is stopped (LEADERSHIP_LOST). `known`: how many partitions are copied already.
   */
  async grow (topic: string, { known, count, replicationFactor }: { readonly known: number, readonly count: number, readonly replicationFactor: number }): Promise<void> {
    const { leader, cluster, signal } = this.#options
    const { brokerId, image } = leader.assertReady()
    const partitions = image.topicsByName.get(topic)?.partitions
    const there = partitions?.size ?? 0
    if (there < count) {
      const replicas = [brokerId, ...this.#fillers(image, (partitions?.get(0)?.replicas.length ?? 1) - 1)]
      await leader.uncordoned(() => createPartitions(cluster, { topic, count, assignments: Array.from({ length: count - there }, () => replicas) }, { signal }))
    }
    await this.#held(topic, { known, count })
    await this.#moved(topic, count, replicationFactor)
  }

  /** Other engines, then real brokers, those that are not alive first: they do not get into the ISR. */
  #fillers ({ brokers }: MetadataImage, count: number): number[] {
    const others = [...brokers.values()].filter(({ id }) => id !== this.#options.leader.brokerId)
    const rank = ({ id, fenced }: BrokerEntry): number => this.#isShadow(id) ? 0 : fenced ? 1 : 2
    return others.sort((a, b) => rank(a) - rank(b)).slice(0, count).map(({ id }) => id)
  }

  /** Resolves when no real broker has a replica of a new partition that is not on its way to real brokers yet. */
  async #held (topic: string, { known, count }: { readonly known: number, readonly count: number }): Promise<void> {
    const { leader } = this.#options
    const { brokerId } = leader.assertReady()
    const isShared = (entry: PartitionEntry): boolean => entry.partition >= known && entry.leader === brokerId && entry.replicas.some(id => !this.#isShadow(id)) && this.#isStuck(entry)
    const found = await this.#shown(topic, count)
    // Who is in the ISR with it makes the move complete at once.
    const kept = ({ isr }: PartitionEntry): number[] => [brokerId, ...isr.filter(id => id !== brokerId && this.#isShadow(id))]
    await Promise.all([...found.partitions.values()].filter(isShared).map(entry => leader.control.reassign(topic, entry.partition, kept(entry))))
    await leader.control.until(image => {
      const entries = [...image.topicsByName.get(topic)?.partitions.values() ?? []]
      return entries.length >= count && !entries.some(isShared) ? true : undefined
    }, { what: `the new partitions of ${topic} without real brokers`, timeoutMs: SHOWN_MS })
  }

  /** Moves what nobody moves away from the shadow leader: somebody cancelled it, or an engine died before. Returns how many partitions. */
  async moveOn ({ topic, replicationFactor }: Pick<TopicRecord, 'topic' | 'replicationFactor'>): Promise<number> {
    const entry = this.#options.leader.control.image.topicsByName.get(topic)
    const stuck = [...entry?.partitions.values() ?? []].filter(partition => this.#isStuck(partition))
    if (entry === undefined || stuck.length === 0) return 0
    const factor = replicationFactor ?? Math.max(1, ...[...entry.partitions.values()].map(partition => targetReplicas(partition).filter(id => !this.#isShadow(id)).length))
    await this.#move(topic, stuck, factor)
    return stuck.length
  }

  async #moved (topic: string, partitions: number, replicationFactor: number): Promise<CreatedTopic> {
    const { leader } = this.#options
    const found = await this.#shown(topic, partitions)
    const factor = replicationFactor < 0 ? DEFAULT_REPLICAS : replicationFactor
    await this.#move(topic, [...found.partitions.values()].filter(entry => this.#isStuck(entry)), factor)
    await leader.control.until(image => {
      const entries = [...image.topicsByName.get(topic)?.partitions.values() ?? []]
      return entries.length >= partitions && entries.every(entry => !this.#isStuck(entry)) ? true : undefined
    }, { what: `the replicas of ${topic} on real brokers`, timeoutMs: SHOWN_MS })
    return { topicId: found.id, replicationFactor: factor }
  }

  async #move (topic: string, entries: readonly PartitionEntry[], replicationFactor: number): Promise<void> {
    const { control } = this.#options.leader
    const order = inRackOrder(livingBrokers(control.image, this.#options.leader.shadowIds))
    await Promise.all(entries.map(({ partition }) => control.reassign(topic, partition, placeReplicas(order, topic, partition, replicationFactor))))
  }

  async #shown (topic: string, partitions: number): Promise<TopicEntry> {
    return await this.#options.leader.control.until(image => {
      const entry = image.topicsByName.get(topic)
      return entry !== undefined && entry.partitions.size >= partitions ? entry : undefined
    }, { what: `topic ${topic}`, timeoutMs: SHOWN_MS })
  }

  #isShadow (brokerId: number): boolean {
    return this.#options.leader.shadowIds.has(brokerId)
  }

  #isOurs ({ leader, isr, replicas }: PartitionEntry): boolean {
    return replicas.some(id => this.#isShadow(id)) && (leader < 0 || this.#isShadow(leader)) && isr.every(id => this.#isShadow(id))
  }

  /** Led by the shadow leader, and not on its way to anybody else. */
  #isStuck (entry: PartitionEntry): boolean {
    return targetReplicas(entry).some(id => this.#isShadow(id))
  }
}
