/**
 * Append mode `produce`: batches go to the shadow by Produce requests, one of a partition at a time, and each must land at the
 * offset that it has on the source (compare-and-append). It works on every cluster, and carries what a producer may write.
 */
import { ErrorCodes } from '../../../../protocol/errors/codes.ts'
import { alterTopicConfigs } from '../../../client/admin/alter-topic-configs.ts'
import { createPartitions } from '../../../client/admin/create-partitions.ts'
import { createTopics } from '../../../client/admin/create-topic.ts'
import { LATEST_TIMESTAMP, listOffsets } from '../../../client/admin/list-offsets.ts'
import { TopicCreations } from '../../../client/admin/topic-creations.ts'
import type { Cluster, TopicView } from '../../../client/cluster.ts'
import { partitionOf } from '../../../client/cluster-view.ts'
import { Coalesced } from '../../../client/coalesced.ts'
import { retry } from '../../../client/retry.ts'
import type { LinkClientOptions } from '../../../config/link/client-options.ts'
import { BrokerError, messageOf, ShadowError } from '../../../errors.ts'
import type { FrameMemory } from '../../../net/frame-memory.ts'
import { sleep } from '../../../net/sleep.ts'
import type { Logger } from '../../../observability/logger.ts'
import type { TopicRecord } from '../../../state/records.ts'
import { FailoverQuestions } from '../../failover/failover-questions.ts'
import type { ProducerIdBarrier } from '../../failover/producer-id-barrier.ts'
import type { ShadowTopic } from '../../link/shadow-topic.ts'
import { shadowingConfigs } from '../../link/tasks/topics/topic-configs.ts'
import { assertLeads } from '../../may-lead.ts'
import { ByteBudget } from '../../source/byte-budget.ts'
import { Fetcher } from '../../source/fetcher.ts'
import type { Adoption, AppendHost, AppendMode, BeginOptions, Opening, PartitionShadow, ShadowCreation } from '../append-mode.ts'
import { deleteShadowTopic } from '../delete-shadow-topic.ts'
import { discardTopic } from '../discard-topic.ts'
import { Appender } from './appender.ts'
import { Locator } from './locator.ts'
import { LogStartFollower } from './log-start.ts'
import { PartitionCopy } from './partition-copy.ts'
import { failOverProduced } from './produce-failover.ts'
import { ProducedTopic, type CopyWork } from './produced-topic.ts'

/** After that the next run of the sync goes on from there. A broker makes about a hundred partitions a second, and shows none of a request before it has made them. */
const AWAIT_TOPIC = { deadlineMs: 30_000, baseMs: 50, maxMs: 1000 }
const QUIESCE_TIMEOUT_MS = 3000
const QUIESCE_POLL_MS = 5

export interface ProduceModeOptions {
  readonly source: Cluster
  readonly shadow: Cluster
  readonly client: LinkClientOptions
  /** What the source's answers to fetches lie in. */
  readonly memory: FrameMemory
  readonly maxBufferedBytes: number
  readonly appendConnections: number
  readonly barrier: ProducerIdBarrier
  /** Ends when the engine no longer leads, and when the link is deleted. */
  readonly signal: AbortSignal
  readonly mayAppend: () => boolean
  readonly logger: Logger
  readonly now: () => number
  readonly host: AppendHost
}

/** Enough for creations to fill their requests. */
const CONCURRENT_TOPICS = 200

export class ProduceMode implements AppendMode {
  readonly concurrentTopics = CONCURRENT_TOPICS
  readonly #options: ProduceModeOptions
  readonly #topics = new WeakMap<ShadowTopic, ProducedTopic>()
  readonly #budget: ByteBudget
  readonly #appender: Appender
  readonly #locator: Locator
  readonly #logStarts: LogStartFollower
  readonly #work: CopyWork
  readonly #raising = new Set<string>()
  readonly #creations: TopicCreations
  readonly #questions: FailoverQuestions
  /** One look at the cluster is for all who wait for topics. */
  readonly #shown: Coalesced<Pick<TopicRecord, 'topic' | 'partitions'>, TopicView | ShadowError>

  constructor (options: ProduceModeOptions) {
    const { source, shadow, client, memory, signal, now, host } = options
    this.#options = options
    this.#creations = new TopicCreations(topics => createTopics(shadow, topics, { signal }))
    this.#questions = new FailoverQuestions({ shadow, barrier: options.barrier, signal })
    this.#shown = new Coalesced(async wanted => {
      const { topics } = await shadow.refresh({ signal })
      return wanted.map(({ topic, partitions }) => shownWithLeaders(topics.get(topic), topic, partitions))
    }, { most: Infinity })
    this.#budget = new ByteBudget(options.maxBufferedBytes)
    const obstacle = (): string | null => host.obstacle()
    const fetcher = new Fetcher({ source, client, budget: this.#budget, memory, signal, obstacle, onTopicIdUnknown: () => host.wakeSync(), now: options.now })
    this.#appender = new Appender({ shadow, connections: options.appendConnections, signal, mayAppend: options.mayAppend, onTooLarge: (copy, bytes) => this.#raise(copy, bytes) })
    this.#locator = new Locator({ source, shadow, signal, now, retryBackoffMs: client.retryBackoffMs, obstacle })
    this.#logStarts = new LogStartFollower(shadow, () => { this.#assertMayLead() })
    this.#work = {
      append: copy => this.#appender.wake(copy),
      fetch: copy => fetcher.wake(copy),
      locate: (copy, attempt) => this.#locator.schedule(copy, attempt),
      onProducerId: producerId => host.onProducerId(producerId),
      onCopied: bytes => host.onCopied(bytes)
    }
  }

  standbys (): null {
    return null
  }

  get bufferedBytes (): number {
    return this.#budget.usedBytes
  }

  shadowingConfigs (record: TopicRecord, supported: ReadonlySet<string>): Readonly<Record<string, string>> {
    return shadowingConfigs(record.configs, supported)
  }

  hasConfigs (): boolean {
    return false
  }

  shownTopics (): null {
    return null
  }

  async create ({ record, configs, replicationFactor }: ShadowCreation): Promise<TopicView> {
    await this.#creations.create({ name: record.topic, partitions: record.partitions, replicationFactor, configs })
    return await this.#awaitTopic(record.topic, record.partitions)
  }

  async adopt ({ record, configs }: ShadowCreation): Promise<Adoption> {
    const { shadow, signal } = this.#options
    const existing = (await shadow.refresh({ signal })).topics.get(record.topic)
    if (existing === undefined) throw new BrokerError(ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION, `Metadata ${record.topic}`, 'created, and not seen yet')
    const ends = await listOffsets(shadow, existing.partitions.map(({ partition }) => ({ topic: record.topic, partition, timestamp: LATEST_TIMESTAMP })), { signal })
    const failed = ends.find(({ errorCode }) => errorCode !== ErrorCodes.NONE)
    if (failed !== undefined) throw new BrokerError(failed.errorCode, `ListOffsets ${record.topic}`)
    if (existing.partitions.length !== record.partitions || !ends.every(({ offset }) => offset === 0)) {
      return { kind: 'foreign', reason: `the shadow cluster has a topic of this name with ${existing.partitions.length} partitions, which is not empty or not as the link would have made it` }
    }
    await alterTopicConfigs(shadow, record.topic, new Map(Object.entries(configs)), { signal })
    return { kind: 'adopted', topic: await this.#awaitTopic(record.topic, record.partitions) }
  }

  async grow (record: TopicRecord, count: number): Promise<void> {
    const { shadow, signal } = this.#options
    if ((shadow.lastView?.topics.get(record.topic)?.partitions.length ?? 0) < count) await createPartitions(shadow, { topic: record.topic, count }, { signal })
    await this.#awaitTopic(record.topic, count)
  }

  async remove ({ topic, record }: ShadowTopic): Promise<void> {
    const { shadow, signal } = this.#options
    await deleteShadowTopic(shadow, record, { signal, assertMayLead: () => { this.#assertMayLead() } })
    await retry(async () => {
      const shown = (await shadow.refresh({ signal })).topics.get(topic)
      if (shown !== undefined && shown.topicId === record.shadowTopicId) throw new ShadowError('CLUSTER_UNAVAILABLE', `the shadow cluster still shows topic ${topic}`, { retriable: true })
    }, { signal, ...AWAIT_TOPIC })
  }

  /** The topic once all of its partitions have leaders: metadata takes a moment to get to all brokers. */
  async #awaitTopic (name: string, partitions: number): Promise<TopicView> {
    return await retry(async () => {
      const shown = await this.#shown.request({ topic: name, partitions })
      if (shown instanceof ShadowError) throw shown
      return shown
    }, { signal: this.#options.signal, ...AWAIT_TOPIC })
  }

  begin (topic: ShadowTopic, partition: number, options: BeginOptions): PartitionShadow {
    let produced = this.#topics.get(topic)
    if (produced === undefined) this.#topics.set(topic, produced = new ProducedTopic(topic, this.#work))
    const copy = new PartitionCopy(partition, produced, options)
    produced.copies.push(copy)
    this.#locator.schedule(copy, 0)
    return copy
  }

  #copies (topics: readonly ShadowTopic[]): PartitionCopy[] {
    return topics.flatMap(topic => this.#topics.get(topic)?.copies ?? [])
  }

  async keepUp (topics: readonly ShadowTopic[]): Promise<readonly string[]> {
    const copies = this.#copies(topics)
    const problems = await this.#logStarts.follow(copies, this.#options.signal)
    await this.#locator.checkIdle(copies)
    return problems
  }

  async learn (topics: readonly ShadowTopic[]): Promise<void> {
    const { barrier, signal, logger } = this.#options
    const partitions = topics.flatMap(({ topic, record }) => Array.from({ length: record.partitions }, (_, partition) => ({ topic, partition })))
    if (partitions.length === 0) return
    await barrier.learn(partitions, signal).catch((error: unknown) => {
      // Every failover asks again, and fails as long as there is no answer.
      if (!signal.aborted) logger.warn({ err: error }, `the producers of the shadow partitions could not be read: ${messageOf(error)}`)
    })
  }

  async quiesce (topics: readonly ShadowTopic[]): Promise<void> {
    const { now } = this.#options
    const deadlineMs = now() + QUIESCE_TIMEOUT_MS
    while (now() < deadlineMs && this.#copies(topics).some(copy => copy.isAppending)) await sleep(QUIESCE_POLL_MS)
  }

  async renew (topic: ShadowTopic): Promise<void> {
    await this.quiesce([topic])
    if (this.#copies([topic]).some(copy => copy.isAppending)) throw new ShadowError('CONFLICT', `an append to ${topic.topic} has not been answered yet`, { retriable: true })
    this.#topics.delete(topic)
  }

  async planRollback ({ topic }: ShadowTopic): Promise<never> {
    return await Promise.reject(new ShadowError('CONFLICT', `topic ${topic} is in append mode produce, and there is no request of Kafka's that deletes records at the end of a topic: restore it from scratch, or fail it over with what it has`))
  }

  async rollBack (topic: ShadowTopic): Promise<void> {
    await this.planRollback(topic)
  }

  async discard (record: TopicRecord): Promise<void> {
    await discardTopic(this.#options.shadow, record, { signal: this.#options.signal, assertMayLead: () => { this.#assertMayLead() } })
  }

  #assertMayLead (): void {
    assertLeads(this.#options.mayAppend)
  }

  replicasOf (): null {
    return null
  }

  async failOver (topic: ShadowTopic, opening: Opening): Promise<void> {
    const { shadow, barrier, logger, now, signal, host } = this.#options
    const copies = this.#topics.get(topic)?.copies ?? []
    await failOverProduced(topic, copies, { shadow, barrier, questions: this.#questions, logger, now, signal: opening.signal, leadership: signal, mayOpen: ends => opening.mayOpen(ends), shadowingConfigs: ({ record }) => host.shadowingConfigs(record) })
  }

  /** Makes a shadow topic take batches of this size: the source took them before its own limit was lowered. */
  #raise (copy: PartitionCopy, sizeBytes: number): void {
    const { shadow, signal } = this.#options
    if (this.#raising.has(copy.topic)) return
    this.#raising.add(copy.topic)
    alterTopicConfigs(shadow, copy.topic, new Map([['max.message.bytes', String(sizeBytes)]]), { signal })
      .catch((error: unknown) => copy.noteProblem(`max.message.bytes of the shadow topic could not be raised: ${messageOf(error)}`))
      .finally(() => this.#raising.delete(copy.topic))
  }
}

function shownWithLeaders (topic: TopicView | undefined, name: string, partitions: number): TopicView | ShadowError {
  if (topic === undefined || topic.errorCode !== ErrorCodes.NONE) return new BrokerError(topic?.errorCode ?? ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION, `Metadata ${name}`)
  for (let partition = 0; partition < partitions; partition++) {
    const found = partitionOf(topic, partition)
    if (found === null) return new BrokerError(ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION, `Metadata ${name}-${partition}`)
    if (found.leaderId < 0) return new BrokerError(ErrorCodes.LEADER_NOT_AVAILABLE, `Metadata ${name}-${partition}`)
  }
  return topic
}
