/**
 * Append mode `replica`: the shadow cluster's own brokers fetch the source's batches from the shadow leader, as followers of the
 * shadow partitions. Every byte is exact, whatever the source holds, and nobody can write to a shadow partition: it has no leader
 * but us. Position and state are the cluster's: the followers' fetch offsets, and the metadata log.
 */
import { ErrorCodes } from '../../../../protocol/errors/codes.ts'
import type { PartitionRow } from '../../../client/admin/ask-leaders.ts'
import type { Cluster, PartitionView, TopicView } from '../../../client/cluster.ts'
import type { LinkClientOptions } from '../../../config/link/client-options.ts'
import type { LinkConfig } from '../../../config/link-config.ts'
import { messageOf, ShadowError } from '../../../errors.ts'
import type { MetadataDelta } from '../../../kraft/metadata/metadata-delta.ts'
import type { MetadataImage, PartitionEntry } from '../../../kraft/metadata/metadata-image.ts'
import { onAbort } from '../../../net/abort.ts'
import { sleep } from '../../../net/sleep.ts'
import type { FrameMemory } from '../../../net/frame-memory.ts'
import type { Logger } from '../../../observability/logger.ts'
import type { TopicRecord } from '../../../state/records.ts'
import { isWritable } from '../../../state/topic-state.ts'
import { FailoverQuestions } from '../../failover/failover-questions.ts'
import type { ProducerIdBarrier } from '../../failover/producer-id-barrier.ts'
import type { ShadowTopic } from '../../link/shadow-topic.ts'
import type { PlannedRollback, StandbyStatus } from '../../link-service.ts'
import { ByteBudget } from '../../source/byte-budget.ts'
import { Fetcher } from '../../source/fetcher.ts'
import type { Adoption, AppendHost, AppendMode, BeginOptions, CreatedTopic, Opening, PartitionShadow, ShadowCreation, ShownTopics } from '../append-mode.ts'
import { deleteShadowTopic } from '../delete-shadow-topic.ts'
import { discardTopic } from '../discard-topic.ts'
import { FailoverTotals } from './failover-totals.ts'
import { FollowerCheck } from './follower-check.ts'
import { ProducerIdGate } from './producer-id-gate.ts'
import { livingReplicas, targetReplicas } from './partition-entry.ts'
import { planRollback, rollBack, type PrefixRestoreHost } from './prefix-restore.ts'
import { replicaShadowingConfigs } from './replica-configs.ts'
import { failoverGatherings, failOverReplica, type FailoverGatherings } from './replica-failover.ts'
import { ReplicaPartition, type ReplicaWork } from './replica-partition.ts'
import { ReplicaTopics } from './replica-topics.ts'
import type { ShadowLeader } from './shadow-leader.ts'
import { SettingsGuard } from './settings-guard.ts'
import { admitStandbys, lackStandbys, standbysOf } from './standby-members.ts'
import { SourceBoundsLookup } from './source-bounds.ts'
import { TailMemory } from './tail-memory.ts'

/** What is changed about a topic within this time is looked at once. */
const REPAIR_PAUSE_MS = 10
const GONE_MS = 10_000

/** A leader that gave everything up for a moment leads again within this time. */
const RAISED_MS = 10_000
const DELETED_MS = 10_000

/** Enough for creations to fill their requests. */
const CONCURRENT_TOPICS = 1000

export interface ReplicaModeOptions {
  readonly leader: ShadowLeader
  readonly source: Cluster
  readonly shadow: Cluster
  readonly client: LinkClientOptions
  readonly onSourceTruncation: LinkConfig['onSourceTruncation']
  /** What the source's answers to fetches lie in. */
  readonly memory: FrameMemory
  readonly maxBufferedBytes: number
  readonly barrier: ProducerIdBarrier
  /** The highest producer id that the link's record has. */
  readonly highestProducerId: number
  /** Ends when the engine no longer leads, and when the link is deleted. */
  readonly signal: AbortSignal
  readonly logger: Logger
  readonly now: () => number
  readonly host: AppendHost
}

export class ReplicaMode implements AppendMode {
  readonly concurrentTopics = CONCURRENT_TOPICS
  readonly #options: ReplicaModeOptions
  readonly #budget: ByteBudget
  readonly #fetcher: Fetcher
  readonly #bounds: SourceBoundsLookup
  readonly #check: FollowerCheck
  readonly #topics: ReplicaTopics
  readonly #gate: ProducerIdGate
  readonly #questions: FailoverQuestions
  readonly #totals: FailoverTotals
  readonly #gatherings: FailoverGatherings
  readonly #work: ReplicaWork
  readonly #guard: SettingsGuard
  readonly #prefixes: PrefixRestoreHost
  /** True when something may have changed since the repair under way began. */
  readonly #repairing = new Map<ShadowTopic, boolean>()
  /** By the name of the topic, in the order of their numbers. */
  readonly #partitions = new Map<string, ReplicaPartition[]>()

  constructor (options: ReplicaModeOptions) {
    const { leader, source, shadow, client, memory, signal, host, barrier } = options
    this.#options = options
    this.#budget = new ByteBudget(options.maxBufferedBytes)
    const obstacle = (): string | null => host.obstacle()
    this.#fetcher = new Fetcher({ source, client, budget: this.#budget, memory, signal, obstacle, onTopicIdUnknown: () => host.wakeSync(), now: options.now })
    this.#bounds = new SourceBoundsLookup({ source, signal, retryBackoffMs: client.retryBackoffMs, obstacle })
    this.#check = new FollowerCheck({ source, shadow, signal, obstacle })
    this.#topics = new ReplicaTopics({ leader, cluster: shadow, signal })
    this.#guard = new SettingsGuard({ metadata: leader.metadata, cluster: shadow, assertMayLead: () => leader.assertMayLead(), shadowingConfigs: record => host.shadowingConfigs(record), signal, logger: options.logger })
    this.#questions = new FailoverQuestions({ shadow, barrier, leaderOf: row => leaderOf(leader.control.image, row), signal })
    this.#totals = new FailoverTotals(options.logger, options.now)
    this.#gatherings = failoverGatherings(options.now)
    barrier.note(options.highestProducerId)
    this.#gate = new ProducerIdGate({
      highest: options.highestProducerId,
      record: producerId => host.recordProducerId(producerId),
      signal,
      onRaised: () => { for (const partition of this.#all()) partition.served?.release() }
    })
    const tailMemory = new TailMemory(this.#budget)
    this.#work = {
      memory: tailMemory,
      followsTruncation: options.onSourceTruncation === 'follow',
      raiseLeaderEpoch: (partition, above) => this.#raiseLeaderEpoch(partition, above),
      logger: options.logger,
      fetch: target => this.#fetcher.wake(target),
      sourceBounds: partition => this.#bounds.of(partition),
      locate: (partition, attempt) => this.#bounds.schedule(partition, attempt),
      check: (partition, brokerId, fetchOffset) => this.#check.start(partition, brokerId, fetchOffset),
      onProducerId: producerId => host.onProducerId(producerId),
      isFenced: brokerId => options.leader.metadata.image?.brokers.get(brokerId)?.fenced === true,
      isLiving: brokerId => !options.leader.shadowIds.has(brokerId) && options.leader.metadata.image?.brokers.get(brokerId)?.fenced === false,
      mayServe: producerId => this.#gate.mayServe(producerId),
      problem: () => leader.problem
    }
    this.#prefixes = {
      leader,
      source,
      shadow,
      signal,
      obstacle,
      partitionsOf: topic => this.#ensureAll(topic),
      raiseLeaderEpoch: (partition, above) => this.#raiseLeaderEpoch(partition, above),
      renew: async topic => {
        await this.renew(topic)
        topic.forgetCopies()
        await this.learn([topic])
      }
    }
    const forgets = [leader.metadata.onChange(delta => this.#onMetadata(delta)), leader.onReady(() => this.#connectAll())]
    onAbort(signal, () => {
      for (const forget of forgets) forget()
      for (const partition of this.#all()) this.#forget(partition)
      tailMemory.close()
    })
  }

  standbys (topics: Iterable<ShadowTopic>): readonly StandbyStatus[] | null {
    return standbysOf(this.#options.leader, Array.from(topics, ({ topic }) => topic))
  }

  get bufferedBytes (): number {
    return this.#budget.usedBytes
  }

  * #all (): Generator<ReplicaPartition> {
    for (const partitions of this.#partitions.values()) yield * partitions
  }

  shadowingConfigs (record: TopicRecord, supported: ReadonlySet<string>): Readonly<Record<string, string>> {
    return replicaShadowingConfigs(record.configs, supported)
  }

  hasConfigs (record: TopicRecord, configs: Readonly<Record<string, string>>): boolean {
    return this.#guard.has(record, configs)
  }

  shownTopics (): ShownTopics | null {
    const image = this.#options.leader.metadata.freshImage
    if (image === null) return null
    return name => {
      const topic = image.topicsByName.get(name)
      return topic === undefined ? null : { topicId: topic.id, partitionCount: topic.partitions.size, errorCode: ErrorCodes.NONE }
    }
  }

  async create (creation: ShadowCreation): Promise<CreatedTopic> {
    return await this.#topics.create(creation)
  }

  async adopt (creation: ShadowCreation): Promise<Adoption> {
    return await this.#topics.adopt(creation)
  }

  async grow ({ topic, partitions, replicationFactor }: TopicRecord, count: number): Promise<void> {
    const { leader } = this.#options
    const first = leader.control.image.topicsByName.get(topic)?.partitions.get(0)
    const factor = replicationFactor ?? (first === undefined ? 1 : targetReplicas(first).filter(id => !leader.shadowIds.has(id)).length)
    await this.#topics.grow(topic, { known: partitions, count, replicationFactor: Math.max(1, factor) })
  }

  async remove (topic: ShadowTopic): Promise<void> {
    const { leader, shadow, signal } = this.#options
    const topicId = topic.record.shadowTopicId
    leader.assertReady()
    if (topicId !== null) {
      await deleteShadowTopic(shadow, topic.record, { signal, assertMayLead: () => { leader.assertMayLead() } })
      await leader.control.until(image => image.topics.has(topicId) ? undefined : true, { what: `topic ${topic.topic} as deleted`, timeoutMs: DELETED_MS })
    }
    this.#forgetAll(topic)
  }

  begin (topic: ShadowTopic, partition: number, { isHeld }: BeginOptions): PartitionShadow {
    const found = this.#ensure(topic, partition)
    // Where the source stands is of no use to one that is held, and would have followers delete what the source has deleted.
    if (!isHeld) found.activate()
    return found
  }

  /** Followers of every unopened topic are answered, also of those that are not copied any more. */
  async learn (topics: readonly ShadowTopic[]): Promise<void> {
    for (const topic of topics) this.#ensureAll(topic)
    await Promise.resolve()
  }

  async quiesce (): Promise<void> {
    // Nothing of ours is under way whose outcome anybody would have to find out: followers fetch, and the rest is in the metadata log.
    await Promise.resolve()
  }

  async keepUp (): Promise<readonly string[]> {
    // Where nothing is a shadow any more, there need not be a shadow leader.
    if (this.#partitions.size > 0) this.#options.leader.assertReady()
    for (const topic of this.#topicsOfPartitions()) this.#repairSoon(topic)
    return await Promise.resolve([])
  }

  async renew ({ topic }: ShadowTopic): Promise<void> {
    for (const partition of this.#partitions.get(topic) ?? []) this.#forget(partition)
    this.#partitions.delete(topic)
    await Promise.resolve()
  }

  async planRollback (topic: ShadowTopic, source: TopicView, options: { readonly isOtherTopic: boolean }): Promise<readonly PlannedRollback[]> {
    return await planRollback(topic, source, options, this.#prefixes)
  }

  async rollBack (topic: ShadowTopic, plan: readonly PlannedRollback[]): Promise<void> {
    const { logger } = this.#options
    for (const { partition, fromOffset, toOffset, difference } of plan) {
      if (toOffset < fromOffset) logger.warn({ topic: topic.topic, partition, fromOffset, toOffset, discarded: fromOffset - toOffset }, `${topic.topic}-${partition} is rolled back from offset ${fromOffset} to ${toOffset}, by an order: ${fromOffset - toOffset} records are thrown away; ${difference ?? ''}`)
    }
    await rollBack(topic, plan, this.#prefixes)
  }

  async discard (record: TopicRecord): Promise<void> {
    const { leader, shadow, signal } = this.#options
    const { topic } = record
    await discardTopic(shadow, record, { signal, assertMayLead: () => { leader.assertMayLead() } })
    // Or the one that is to be created would be taken for the one that was deleted.
    await leader.control.until(image => image.topicsByName.has(topic) ? undefined : true, { what: `that topic ${topic} is gone`, timeoutMs: GONE_MS })
  }

  /** Undoes what somebody changed about a topic: the metadata shows it at once, and the upkeep tries again what failed. */
  #repairSoon (topic: ShadowTopic): void {
    const isUnderWay = this.#repairing.has(topic)
    this.#repairing.set(topic, true)
    if (isUnderWay) return
    const { logger, signal } = this.#options
    this.#repair(topic).catch((error: unknown) => {
      if (!signal.aborted) logger.warn({ topic: topic.topic, err: error }, `what somebody changed about ${topic.topic} could not be undone yet: ${messageOf(error)}`)
    }).finally(() => this.#repairing.delete(topic))
  }

  async #repair (topic: ShadowTopic): Promise<void> {
    const { leader, logger, signal } = this.#options
    while (this.#repairing.get(topic) === true) {
      await sleep(REPAIR_PAUSE_MS, signal)
      this.#repairing.set(topic, false)
      await this.#guard.check(topic)
      const moved = await topic.exclusively(async () => topic.isShadowed ? await this.#topics.moveOn(topic.record) : 0)
      // What has just been moved is looked at again once the metadata shows it.
      if (moved === 0) await topic.exclusively(async () => { if (topic.isShadowed && !topic.record.handingOver) await admitStandbys(leader, topic.topic) })
      if (moved > 0) logger.warn({ topic: topic.topic }, `${moved} partitions of ${topic.topic} were not being moved to real brokers any more: somebody cancelled that; it was begun again, and their followers start anew`)
    }
  }

  #topicsOfPartitions (): ShadowTopic[] {
    return [...this.#partitions.values()].flatMap(([first]) => first === undefined ? [] : [first.topic])
  }

  replicasOf ({ topic, record }: ShadowTopic, partition: number): readonly number[] | null {
    const { leader } = this.#options
    const { image } = leader.metadata
    const entry = image?.topicsByName.get(topic)?.partitions.get(partition)
    if (isWritable(record.state) || image === null || entry === undefined) return null
    const living = livingReplicas(entry, image, leader.shadowIds)
    // Without any that is alive, the attempt to read the leader's says so.
    return living.length > 0 ? living : null
  }

  async failOver (topic: ShadowTopic, opening: Opening): Promise<void> {
    const { leader, barrier, logger, now, signal, host } = this.#options
    this.#ensureAll(topic)
    await this.#totals.during(() => failOverReplica(topic, {
      leader,
      followerTimeoutMs: leader.followerTimeoutMs,
      questions: this.#questions,
      totals: this.#totals,
      gatherings: this.#gatherings,
      barrier,
      logger,
      now,
      signal: opening.signal,
      leadership: signal,
      mayOpen: ends => opening.mayOpen(ends),
      partitionsOf: () => this.#ensureAll(topic),
      shadowingConfigs: ({ record }) => host.shadowingConfigs(record)
    }))
    if (!isWritable(topic.record.state)) return
    this.#forgetAll(topic)
  }

  #forgetAll ({ topic }: ShadowTopic): void {
    for (const partition of this.#partitions.get(topic) ?? []) this.#forget(partition)
    this.#partitions.delete(topic)
  }

  #ensureAll (topic: ShadowTopic): readonly ReplicaPartition[] {
    return Array.from({ length: topic.record.partitions }, (_, partition) => this.#ensure(topic, partition))
  }

  #ensure (topic: ShadowTopic, partition: number): ReplicaPartition {
    let partitions = this.#partitions.get(topic.topic)
    if (partitions === undefined) this.#partitions.set(topic.topic, partitions = [])
    for (let next = partitions.length; next <= partition; next++) {
      const made = new ReplicaPartition(topic, next, this.#work)
      partitions.push(made)
      this.#connect(made)
    }
    const found = partitions[partition]
    if (found === undefined) throw new ShadowError('INVARIANT', `no partition ${partition} of ${topic.topic}`)
    return found
  }

  #forget (partition: ReplicaPartition): void {
    const { served } = partition
    partition.handedOver()
    if (served !== null) this.#options.leader.partitions.remove(served)
  }

  #connectAll (): void {
    for (const partition of this.#all()) this.#connect(partition)
    for (const topic of this.#topicsOfPartitions()) this.#repairSoon(topic)
  }

  #onMetadata (delta: MetadataDelta): void {
    if (delta.replaced) {
      this.#connectAll()
      return
    }
    const { leader } = this.#options
    if ([...delta.brokers].some(id => leader.livingStandbys.includes(id))) {
      for (const topic of this.#topicsOfPartitions()) if (lackStandbys(leader, topic.topic).length > 0) this.#repairSoon(topic)
    }
    for (const name of delta.topicConfigs) {
      const topic = this.#partitions.get(name)?.[0]?.topic
      if (topic !== undefined) this.#repairSoon(topic)
    }
    for (const [topicId, changed] of delta.partitions) {
      const name = leader.metadata.image?.topics.get(topicId)?.name
      const partitions = name === undefined ? undefined : this.#partitions.get(name)
      if (partitions === undefined) continue
      for (const index of changed) {
        const partition = partitions[index]
        if (partition !== undefined) this.#connect(partition)
      }
    }
  }

  /** See ReplicaWork: leader epochs rise when the leadership is given up for a moment, all at once. */
  async #raiseLeaderEpoch ({ topic: { topic }, partition }: ReplicaPartition, above: number): Promise<number> {
    const { leader } = this.#options
    const look = (image: MetadataImage): number | undefined => {
      const entry = image.topicsByName.get(topic)?.partitions.get(partition)
      return entry !== undefined && entry.leader === leader.brokerId && entry.leaderEpoch > above ? entry.leaderEpoch : undefined
    }
    if (look(leader.control.image) === undefined) await leader.stepAside(`${topic}-${partition} needs a leader epoch above ${above}, to tell what its source has lost from what comes after it`)
    return await leader.control.until(look, { what: `a leader epoch of ${topic}-${partition} above ${above}`, timeoutMs: RAISED_MS })
  }

  /** Takes over what the metadata shows of a partition. */
  #connect (partition: ReplicaPartition): void {
    const { leader } = this.#options
    const { brokerId } = leader
    const { topic } = partition
    const { image } = leader.metadata
    const found = image?.topicsByName.get(topic.topic)
    const entry = found?.partitions.get(partition.partition)
    if (brokerId === null || found === undefined || entry === undefined) return
    // A topic of that name that somebody made anew is none of ours.
    if (topic.record.shadowTopicId !== null && topic.record.shadowTopicId !== found.id) return
    const added = partition.setEntry(entry, brokerId, leader.shadowIds)
    if (added !== null) leader.partitions.add(added)
    this.#checkLeader(topic, entry)
    if (topic.isShadowed && targetReplicas(entry).some(id => leader.shadowIds.has(id))) this.#repairSoon(topic)
    else if (topic.isShadowed && entry.leader === brokerId && leader.livingStandbys.some(id => !entry.isr.includes(id))) this.#repairSoon(topic)
  }

  /** Nobody but a failover of ours makes a real broker lead, or lets it be the next to lead. */
  #checkLeader (topic: ShadowTopic, { leader, partition, isr }: PartitionEntry): void {
    if (!topic.isShadowed || topic.record.handingOver) return
    const { shadowIds } = this.#options.leader
    if (leader < 0 || shadowIds.has(leader)) {
      const member = isr.find(id => !shadowIds.has(id))
      if (member === undefined) return
      topic.fault({ code: 'LEADERSHIP_LOST', reason: `broker ${member} is in the ISR of partition ${partition} of the shadow topic, which nobody asked for: it may have led it, and may lead it when the shadow leader is away`, partition, offset: null })
      return
    }
    topic.fault({ code: 'LEADERSHIP_LOST', reason: `broker ${leader} leads partition ${partition} of the shadow topic, which nobody asked it to: it may have been written to`, partition, offset: null })
  }
}

function leaderOf (image: MetadataImage, { topic, partition }: PartitionRow): PartitionView | null {
  const entry = image.topicsByName.get(topic)?.partitions.get(partition)
  return entry === undefined ? null : { ...entry, leaderId: entry.leader, errorCode: ErrorCodes.NONE }
}
