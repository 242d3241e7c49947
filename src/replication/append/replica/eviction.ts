/**
 * Moves partitions that are none of ours off the shadow leader. Before metadata.version 4.3 a controller places replicas of new
 * topics on every broker that is registered, and so does an operator's tool (facts/kafka-replica-mode.md §4): such a replica is
 * in the ISR from the start, and holds acknowledgements up.
 *
 *   a real broker leads   reassign: that completes by itself
 *   we lead               the log is empty, because we take no records: it is served as what it is, and handed over
 *
 * The engine that leads the links does it for every engine, but for what one that stands by leads: nobody else can hand that over.
 */
import { messageOf } from '../../../errors.ts'
import type { MetadataDelta } from '../../../kraft/metadata/metadata-delta.ts'
import type { PartitionEntry, TopicEntry } from '../../../kraft/metadata/metadata-image.ts'
import { abortedWithin, isAborted, onAbort } from '../../../net/abort.ts'
import { backoffMs } from '../../../net/backoff.ts'
import { sleep } from '../../../net/sleep.ts'
import type { Logger } from '../../../observability/logger.ts'
import { EmptyPartition } from './empty-partition.ts'
import { handOver } from './hand-over.ts'
import { livingReplicas, targetReplicas } from './partition-entry.ts'
import { inRackOrder, placeReplicas } from './replica-placement.ts'
import type { ShadowLeader } from './shadow-leader.ts'

const FOLLOWER_WAIT_MS = 5000
const RETRY = { baseMs: 100, maxMs: 5000 }

export interface EvictionOptions {
  readonly leader: ShadowLeader
  /** True for a topic that is a shadow, or is about to be made one, as far as is known. */
  readonly isShadowTopic: (topic: string) => boolean
  /** Resolves when what `isShadowTopic` says is no older than the call. Default: it never is. */
  readonly lookAgain?: (signal: AbortSignal) => Promise<unknown>
  /** True while another engine leads the links. */
  readonly isStandingBy: () => boolean
  readonly signal: AbortSignal
  readonly logger: Logger
}

export class Eviction {
  readonly #options: EvictionOptions
  /** Topic ids and partitions that are being moved. */
  readonly #moving = new Set<string>()

  private constructor (options: EvictionOptions) {
    this.#options = options
  }

  /** Looks at what the metadata shows, until the signal. */
  static start (options: EvictionOptions): void {
    const { leader, signal } = options
    const eviction = new Eviction(options)
    const forgets = [leader.metadata.onChange(delta => eviction.#look(delta)), leader.onReady(() => eviction.#lookAtAll())]
    onAbort(signal, () => { for (const forget of forgets) forget() })
  }

  #look (delta: MetadataDelta): void {
    if (delta.replaced) {
      this.#lookAtAll()
      return
    }
    for (const [topicId, partitions] of delta.partitions) {
      const topic = this.#options.leader.metadata.image?.topics.get(topicId)
      for (const partition of partitions) {
        const entry = topic?.partitions.get(partition)
        if (topic !== undefined && entry !== undefined) this.#lookAt(topic, entry)
      }
    }
  }

  #lookAtAll (): void {
    for (const topic of this.#options.leader.metadata.image?.topics.values() ?? []) {
      for (const entry of topic.partitions.values()) this.#lookAt(topic, entry)
    }
  }

  #lookAt (topic: TopicEntry, entry: PartitionEntry): void {
    const { isShadowTopic, signal } = this.#options
    const key = `${entry.topicId}/${entry.partition}`
    if (!this.#isOurs(entry) || this.#moving.has(key) || signal.aborted || isShadowTopic(topic.name)) return
    this.#moving.add(key)
    this.#evict(topic, entry.partition).finally(() => { this.#moving.delete(key) }).catch(() => {})
  }

  /** True when it is on us to move it. */
  #isOurs ({ replicas, leader }: PartitionEntry): boolean {
    const { leader: { brokerId, shadowIds }, isStandingBy } = this.#options
    if (brokerId === null) return false
    return isStandingBy() ? leader === brokerId : replicas.some(id => shadowIds.has(id))
  }

  async #evict ({ id, name }: TopicEntry, partition: number): Promise<void> {
    const { leader, signal, logger, isShadowTopic, lookAgain } = this.#options
    await lookAgain?.(signal)
    if (isShadowTopic(name)) return
    logger.warn({ topic: name, partition }, `${name}-${partition} was placed on the shadow leader: moving it to real brokers`)
    for (let failures = 0; !isAborted(signal) && !isShadowTopic(name); failures++) {
      try {
        if (await this.#move(id, name, partition)) return
      } catch (error) {
        if (isAborted(signal)) return
        logger.warn({ topic: name, partition, err: error }, `${name}-${partition} could not be moved off the shadow leader yet: ${messageOf(error)}`)
      }
      await sleep(backoffMs(failures, RETRY), signal).catch(() => {})
    }
    if (leader.metadata.image?.partition(id, partition) == null) logger.info({ topic: name, partition }, `${name}-${partition} is gone`)
  }

  /** True when it is done, or the partition is gone. */
  async #move (topicId: string, topic: string, partition: number): Promise<boolean> {
    const { leader } = this.#options
    const { image, brokerId } = leader.assertAlive()
    const entry = image.partition(topicId, partition)
    if (entry === null || !this.#isOurs(entry)) return true
    const targets = this.#targetsOf(topic, entry)
    const isStaying = targetReplicas(entry).some(id => leader.shadowIds.has(id))
    if (entry.leader !== brokerId) {
      if (isStaying && !leader.shadowIds.has(entry.leader)) await leader.control.reassign(topic, partition, targets)
      return false
    }
    const empty = new EmptyPartition(topic, entry, brokerId)
    leader.partitions.add(empty.served)
    const forget = leader.metadata.onChange(() => {
      const now = leader.metadata.image?.partition(topicId, partition)
      if (now != null) empty.setEntry(now, brokerId)
    })
    try {
      if (isStaying) await leader.control.reassign(topic, partition, targets)
      const living = livingReplicas({ replicas: targets }, image, leader.shadowIds)
      await empty.served.whenAt(living.length > 0 ? living : targets, 0, abortedWithin(this.#options.signal, FOLLOWER_WAIT_MS))
      await handOver(leader, topicId, topic, partition, living.length > 0 ? living : targets)
      return true
    } finally {
      forget()
      empty.served.stop()
      leader.partitions.remove(empty.served)
    }
  }

  /** The real replicas that it has, and others in the place of those that are none. */
  #targetsOf (topic: string, entry: PartitionEntry): number[] {
    const { leader } = this.#options
    const wanted = targetReplicas(entry)
    const real = wanted.filter(id => !leader.shadowIds.has(id))
    const order = inRackOrder([...leader.control.image.brokers.values()].filter(({ id, fenced }) => !fenced && !leader.shadowIds.has(id)))
    const others = placeReplicas(order, topic, entry.partition, order.length).filter(id => !real.includes(id))
    return [...real, ...others].slice(0, Math.max(1, wanted.length))
  }
}
