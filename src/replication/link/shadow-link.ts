/**
 * One link on the engine that leads: its connection to the source, its topics, its tasks. It begins from what the state topic says
 * and writes there all that must outlive it.
 */
import { alterTopicConfigs } from '../../client/admin/alter-topic-configs.ts'
import type { Cluster, ClusterView } from '../../client/cluster.ts'
import { linkDocument } from '../../config/link-config.ts'
import { messageOf, ShadowError } from '../../errors.ts'
import { isAborted } from '../../net/abort.ts'
import type { FrameMemory } from '../../net/frame-memory.ts'
import { sleep } from '../../net/sleep.ts'
import type { Logger } from '../../observability/logger.ts'
import type { LinkRecord, StateChange, TopicRecord } from '../../state/records.ts'
import { isWritable } from '../../state/topic-state.ts'
import { Appender } from '../append/produce/appender.ts'
import { ByteBudget } from '../source/byte-budget.ts'
import { Fetcher } from '../source/fetcher.ts'
import { Locator } from '../append/produce/locator.ts'
import { LogStartFollower } from '../append/produce/log-start.ts'
import type { PartitionCopy } from '../append/produce/partition-copy.ts'
import { failOver } from '../failover/failover.ts'
import type { ProducerIdBarrier } from '../failover/producer-id-barrier.ts'
import type { LinkStatus } from '../link-service.ts'
import { ShadowTopic, type TopicHost } from './shadow-topic.ts'
import { Task } from './task.ts'
import { carriedNames } from './topic-configs.ts'
import { TopicSync } from './topic-sync.ts'

const TOPIC_SYNC = 'Source Topic Sync'
const UPKEEP_INTERVAL_MS = 5000
/** How soon a source that could not be reached is tried again, at the latest. */
const UNREACHABLE_RETRY_MS = 5000
const CONCURRENT_FAILOVERS = 32
const QUIESCE_TIMEOUT_MS = 3000
const QUIESCE_POLL_MS = 5
/** Within how long after a contact with the source a partition counts as level with it. */
const FRESH_MS = 5000
/** Within how long after its last answer the source counts as reachable: it is asked at least this often. */
const REACHABLE_MS = 20_000

export interface ShadowLinkOptions {
  readonly record: LinkRecord
  readonly topics: readonly TopicRecord[]
  readonly source: Cluster
  /** What the source's answers to fetches lie in. */
  readonly memory: FrameMemory
  readonly shadow: Cluster
  readonly barrier: ProducerIdBarrier
  readonly maxBufferedBytes: number
  readonly appendConnections: number
  /** Ends when the engine no longer leads, and when the link is deleted. */
  readonly signal: AbortSignal
  readonly mayAppend: () => boolean
  readonly write: (changes: readonly StateChange[]) => Promise<unknown>
  /** The other link that owns a topic of this name; null when none does. */
  readonly ownerOf: (topic: string) => string | null
  readonly logger: Logger
  readonly now: () => number
  readonly wallClock: () => Date
}

export class ShadowLink implements TopicHost {
  readonly #options: ShadowLinkOptions
  #record: LinkRecord
  readonly #topics = new Map<string, ShadowTopic>()
  readonly #budget: ByteBudget
  readonly #fetcher: Fetcher
  readonly #appender: Appender
  readonly #locator: Locator
  readonly #logStarts: LogStartFollower
  readonly #topicSync: TopicSync
  readonly #task: Task
  #work: Promise<unknown> = Promise.resolve()
  #wakeSync: () => void = () => {}
  #sourceProblem: string | null = null
  #copiedBytes = 0
  readonly #raising = new Set<ShadowTopic>()
  readonly #failingOver = new Map<ShadowTopic, Promise<void>>()
  #failoverSlots = CONCURRENT_FAILOVERS
  readonly #failoverQueue: Array<() => void> = []

  constructor (options: ShadowLinkOptions) {
    const { record, source, shadow, signal, now, wallClock, logger, mayAppend } = options
    const client = record.config.clientOptions
    this.#options = options
    this.#record = record
    this.#budget = new ByteBudget(options.maxBufferedBytes)
    const obstacle = (): string | null => this.#wrongSource()
    this.#fetcher = new Fetcher({ source, client, budget: this.#budget, memory: options.memory, signal, obstacle, onTopicIdUnknown: () => this.#wakeSync() })
    this.#appender = new Appender({ shadow, connections: options.appendConnections, signal, mayAppend, onTooLarge: (copy, bytes) => this.#raise(copy, bytes) })
    this.#locator = new Locator({ source, shadow, signal, now, retryBackoffMs: client.retryBackoffMs, obstacle })
    this.#logStarts = new LogStartFollower(shadow)
    this.#task = new Task(TOPIC_SYNC, wallClock)
    this.#topicSync = new TopicSync({
      name: record.config.name,
      source,
      shadow,
      options: record.config.topicSync,
      signal,
      logger,
      wallClock,
      topics: this.#topics,
      takesTopics: () => this.#record.failedOverAt === null,
      ownerOf: options.ownerOf,
      add: topic => this.#add(topic),
      checkSource: view => this.#checkSource(view)
    })
  }

  get name (): string {
    return this.#record.config.name
  }

  get record (): LinkRecord {
    return this.#record
  }

  get topics (): ReadonlyMap<string, ShadowTopic> {
    return this.#topics
  }

  get source (): Cluster {
    return this.#options.source
  }

  get now (): () => number {
    return this.#options.now
  }

  get wallClock (): () => Date {
    return this.#options.wallClock
  }

  get logger (): Logger {
    return this.#options.logger
  }

  /** Begins to copy what is ACTIVE, and goes on with what is FAILING_OVER. */
  start (): void {
    for (const record of this.#options.topics) this.#add(record)
    for (const topic of this.#topics.values()) {
      if (topic.record.state === 'ACTIVE' && topic.record.owned && topic.record.created) topic.copy(topic.record.partitions, { isInherited: true })
      if (topic.record.state === 'FAILING_OVER') this.#failOver(topic)
    }
    this.#work = Promise.all([this.#syncTopics(), this.#keepUp(), this.#learnProducerIds()])
  }

  /** Stops copying, and waits for the appends under way: nobody then has to find out whether they were carried out. */
  async quiesce (): Promise<void> {
    for (const topic of this.#topics.values()) topic.stop()
    const deadlineMs = this.now() + QUIESCE_TIMEOUT_MS
    while (this.now() < deadlineMs && [...this.#topics.values()].some(({ copies }) => copies.some(copy => copy.isAppending))) await sleep(QUIESCE_POLL_MS)
  }

  /** After the signal: resolves when nothing of the link is under way any more. */
  async stopped (): Promise<void> {
    for (const topic of this.#topics.values()) topic.stop()
    await this.#work
    await Promise.allSettled(this.#failingOver.values())
    await this.#options.source.close()
  }

  #add (record: TopicRecord): ShadowTopic {
    const topic = new ShadowTopic(record, this)
    this.#topics.set(record.topic, topic)
    return topic
  }

  write (changes: readonly StateChange[]): Promise<unknown> {
    return this.#options.write(changes)
  }

  /** Writes the link's own record again, or that of a topic, as they are: see LinkState.fenced. */
  async rewrite (topic: string | null): Promise<void> {
    if (topic === null) {
      await this.write([{ kind: 'link', name: this.name, value: this.#record }])
      return
    }
    const known = this.#topics.get(topic)
    if (known === undefined) await this.write([{ kind: 'topic', link: this.name, topic, value: null }])
    else await known.exclusively(() => known.update({}))
  }

  onReady (copy: PartitionCopy): void {
    this.#appender.wake(copy)
  }

  onRoom (copy: PartitionCopy): void {
    this.#fetcher.wake(copy)
  }

  onLost (copy: PartitionCopy, attempt: number): void {
    this.#locator.schedule(copy, attempt)
  }

  onProducerId (producerId: number): void {
    this.#options.barrier.note(producerId)
  }

  onCopied (bytes: number): void {
    this.#copiedBytes += bytes
  }

  /** Why what was last seen of the source is not the cluster that the link was made for; null when it is, or nothing was seen yet. */
  #wrongSource (view: ClusterView | null = this.#options.source.lastView): string | null {
    const expected = this.#record.sourceClusterId
    if (expected === null || view === null || view.clusterId === expected) return null
    return `the source's addresses lead to cluster ${view.clusterId ?? 'without an id'}, and the link was made for cluster ${expected}`
  }

  /** @throws {ShadowError} CONFLICT when another cluster answers at the source's addresses */
  #checkSource (view: ClusterView): void {
    const reason = this.#wrongSource(view)
    if (reason !== null) throw new ShadowError('CONFLICT', reason)
  }

  async #syncTopics (): Promise<void> {
    const { signal } = this.#options
    const { intervalMs, paused } = this.#record.config.topicSync
    while (!signal.aborted) {
      const waitMs = paused ? await this.#checkPaused() : await this.#syncOnce()
      await this.#pause(Math.min(waitMs, intervalMs))
    }
  }

  /** Waits, or is woken before its time. Two runs are at least a second apart. */
  async #pause (ms: number): Promise<void> {
    const { signal } = this.#options
    const woken = new Promise<void>(resolve => { this.#wakeSync = resolve })
    const timer = new AbortController()
    const end = (): void => timer.abort()
    signal.addEventListener('abort', end, { once: true })
    await sleep(Math.min(ms, 1000), signal).catch(() => {})
    await Promise.race([sleep(Math.max(0, ms - 1000), timer.signal).catch(() => {}), woken])
    timer.abort()
    signal.removeEventListener('abort', end)
  }

  /** While the task is paused, the source's identity is still watched. Returns how long to wait. */
  async #checkPaused (): Promise<number> {
    const { source, signal } = this.#options
    try {
      this.#checkSource(await source.refresh({ signal }))
      this.#sourceProblem = null
    } catch (error) {
      this.#sourceProblem = messageOf(error)
    }
    this.#task.set('PAUSED', 'paused by the link\'s configuration: topics are copied, none is added')
    return Infinity
  }

  async #syncOnce (): Promise<number> {
    const { signal, logger } = this.#options
    try {
      const { selected, created, problems } = await this.#topicSync.run()
      this.#sourceProblem = null
      if (created > 0) logger.info({ link: this.name, created }, `${created} shadow topics were created`)
      if (problems.length === 0) this.#task.set('ACTIVE', `${selected} topics of the source are selected`)
      else {
        logger.warn({ link: this.name, problems: problems.slice(0, 10) }, `${problems.length} topics could not be synced`)
        this.#task.set('FAULTED', `${problems.length} of ${selected} topics could not be synced: ${problems[0] ?? ''}`)
      }
      return problems.length === 0 ? Infinity : UNREACHABLE_RETRY_MS
    } catch (error) {
      if (signal.aborted) return 0
      this.#sourceProblem = messageOf(error)
      this.#task.set(this.#wrongSource() === null ? 'LINK_UNAVAILABLE' : 'FAULTED', messageOf(error))
      logger.warn({ link: this.name, err: error }, `${TOPIC_SYNC} failed: ${messageOf(error)}`)
      return UNREACHABLE_RETRY_MS
    }
  }

  /** What copying needs from time to time, whether topics are synced or not. */
  async #keepUp (): Promise<void> {
    const { signal, logger } = this.#options
    while (!signal.aborted) {
      await sleep(UPKEEP_INTERVAL_MS, signal).catch(() => {})
      if (isAborted(signal)) return
      await this.#contactSource()
      try {
        const copies = [...this.#topics.values()].filter(topic => topic.isCopying).flatMap(topic => topic.copies)
        for (const problem of await this.#logStarts.follow(copies, signal)) logger.warn({ link: this.name }, problem)
        await this.#locator.checkIdle(copies)
      } catch (error) {
        if (!isAborted(signal)) logger.warn({ link: this.name, err: error }, `the upkeep of the shadow failed: ${messageOf(error)}`)
      }
    }
  }

  /** Asks the source for something small, if nothing else did for a while: the status says whether it is there. */
  async #contactSource (): Promise<void> {
    const { source, signal } = this.#options
    try {
      this.#checkSource(await source.view({ signal }))
      this.#sourceProblem = null
    } catch (error) {
      if (!signal.aborted) this.#sourceProblem = messageOf(error)
    }
  }

  /** What earlier engines copied, this one must know too: see ProducerIdBarrier. */
  async #learnProducerIds (): Promise<void> {
    const { signal, barrier, logger } = this.#options
    const partitions = [...this.#topics.values()].filter(({ record }) => record.owned && record.created && record.state !== 'FAILED_OVER')
      .flatMap(({ topic, record }) => Array.from({ length: record.partitions }, (_, partition) => ({ topic, partition })))
    if (partitions.length === 0) return
    await barrier.learn(partitions, signal).catch((error: unknown) => {
      // Every failover asks again, and fails as long as there is no answer.
      if (!signal.aborted) logger.warn({ link: this.name, err: error }, `the producers of the shadow partitions could not be read: ${messageOf(error)}`)
    })
  }

  /** Makes a shadow topic take batches of this size: the source took them before its own limit was lowered. */
  #raise (copy: PartitionCopy, sizeBytes: number): void {
    const topic = this.#topics.get(copy.topic)
    if (topic === undefined || this.#raising.has(topic)) return
    this.#raising.add(topic)
    alterTopicConfigs(this.#options.shadow, copy.topic, new Map([['max.message.bytes', String(sizeBytes)]]), { signal: this.#options.signal })
      .catch((error: unknown) => { topic.problem = `max.message.bytes of the shadow topic could not be raised: ${messageOf(error)}` })
      .finally(() => this.#raising.delete(topic))
  }

  /**
   * Begins the failover of one topic, or of the whole link with null; resolves when it is recorded. What is failing over or
   * failed over already is left as it is.
   * @throws {ShadowError} NOT_FOUND, or CONFLICT for a topic that the link does not own
   */
  async failover (name: string | null): Promise<void> {
    if (name === null) {
      if (this.#record.failedOverAt === null) {
        this.#record = { ...this.#record, failedOverAt: this.#options.wallClock().toISOString() }
        await this.write([{ kind: 'link', name: this.name, value: this.#record }])
      }
      await Promise.all([...this.#topics.values()].filter(({ record }) => record.owned).map(topic => this.#begin(topic)))
      return
    }
    const topic = this.#topics.get(name)
    if (topic === undefined) throw new ShadowError('NOT_FOUND', `link ${this.name} has no shadow topic ${name}`)
    if (!topic.record.owned) throw new ShadowError('CONFLICT', `topic ${name} is not a shadow of link ${this.name}: ${topic.record.fault?.reason ?? 'it is not owned'}`)
    await this.#begin(topic)
  }

  async #begin (topic: ShadowTopic): Promise<void> {
    if (isWritable(topic.record.state)) return
    if (topic.record.state !== 'FAILING_OVER') await topic.enter('FAILING_OVER')
    this.#failOver(topic)
  }

  /** The rest of a failover, in the background. */
  #failOver (topic: ShadowTopic): void {
    if (this.#failingOver.has(topic)) return
    const { shadow, barrier, logger, now, signal } = this.#options
    const work = this.#slot()
      .then(() => topic.exclusively(() => failOver(topic, { shadow, barrier, logger, now, signal, shadowingConfigs: ({ record }) => this.#topicSync.shadowingConfigs(record) })))
      .catch((error: unknown) => {
        if (signal.aborted) return
        topic.problem = `failing over: ${messageOf(error)}`
        logger.error({ link: this.name, topic: topic.topic, err: error }, `the failover of ${topic.topic} stopped: ${messageOf(error)}`)
      })
      .finally(() => {
        this.#failingOver.delete(topic)
        this.#failoverSlots++
        this.#failoverQueue.shift()?.()
      })
    this.#failingOver.set(topic, work)
  }

  async #slot (): Promise<void> {
    while (this.#failoverSlots === 0) await new Promise<void>(resolve => this.#failoverQueue.push(resolve))
    this.#failoverSlots--
  }

  /** Resolves when every failover that has begun has ended. */
  async failedOver (): Promise<void> {
    while (this.#failingOver.size > 0) await Promise.all(this.#failingOver.values())
  }

  status (): LinkStatus {
    const { source, now } = this.#options
    const contactAgeMs = source.lastContactMs === null ? null : now() - source.lastContactMs
    return {
      name: this.name,
      uid: this.#record.uid,
      state: this.#record.failedOverAt === null ? 'ACTIVE' : 'FAILED_OVER',
      appendMode: this.#record.appendMode,
      appendModeReason: this.#record.appendModeReason,
      sourceClusterId: this.#record.sourceClusterId,
      createdAt: this.#record.createdAt,
      configuration: linkDocument(this.#record.config),
      tasks: [this.#task.status],
      topics: [...this.#topics.values()].map(topic => topic.status(FRESH_MS)).sort((a, b) => a.name < b.name ? -1 : 1),
      syncedShadowTopicProperties: carriedNames(this.#record.config.topicSync),
      source: { reachable: this.#isReachable(contactAgeMs), contactAgeMs, problem: this.#sourceProblem },
      bufferedBytes: this.#budget.usedBytes,
      copiedBytes: this.#copiedBytes
    }
  }

  /** Null while nobody knows. */
  #isReachable (contactAgeMs: number | null): boolean | null {
    if (this.#sourceProblem !== null) return false
    return contactAgeMs === null ? null : contactAgeMs <= REACHABLE_MS ? true : null
  }
}
