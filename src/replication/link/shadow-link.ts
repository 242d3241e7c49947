/**
 * One link on the engine that leads: its connection to the source, its topics, its tasks. It begins from what the state topic says
 * and writes there all that must outlive it.
 */
import type { Cluster, ClusterView } from '../../client/cluster.ts'
import { linkDocument } from '../../config/link-config.ts'
import { messageOf, ShadowError } from '../../errors.ts'
import { isAborted } from '../../net/abort.ts'
import { sleep } from '../../net/sleep.ts'
import type { Logger } from '../../observability/logger.ts'
import type { LinkRecord, StateChange, TopicRecord } from '../../state/records.ts'
import { followsSource, isWritable, openedState } from '../../state/topic-state.ts'
import type { AppendHost, AppendMode, PartitionShadow } from '../append/append-mode.ts'
import { Openings } from '../failover/openings.ts'
import type { ProducerIdBarrier } from '../failover/producer-id-barrier.ts'
import { SourceEnds } from '../failover/source-ends.ts'
import type { LinkStatus } from '../link-service.ts'
import { ShadowTopic, type TopicHost } from './shadow-topic.ts'
import { GroupSync } from './tasks/groups/group-sync.ts'
import { TaskLoop, type TaskOutcome } from './tasks/task-loop.ts'
import { carriedNames } from './tasks/topics/topic-configs.ts'
import { TopicSync } from './tasks/topics/topic-sync.ts'

const TOPIC_SYNC = 'Source Topic Sync'
const UPKEEP_INTERVAL_MS = 5000
/** Within how long after a contact with the source a partition counts as level with it. */
const FRESH_MS = 5000
/** Within how long after its last answer the source counts as reachable: it is asked at least this often. */
const REACHABLE_MS = 20_000

export interface ShadowLinkOptions {
  readonly record: LinkRecord
  readonly topics: readonly TopicRecord[]
  readonly source: Cluster
  readonly shadow: Cluster
  readonly barrier: ProducerIdBarrier
  readonly appendMode: (host: AppendHost) => AppendMode
  /** Ends when the engine no longer leads, and when the link is deleted. */
  readonly signal: AbortSignal
  readonly write: (changes: readonly StateChange[]) => Promise<unknown>
  /** The other link that owns a topic of this name; null when none does. */
  readonly ownerOf: (topic: string) => string | null
  /** A topic has become writable, or nothing new is shadowed any more. */
  readonly onOpened: () => void
  readonly logger: Logger
  readonly now: () => number
  readonly wallClock: () => Date
}

export class ShadowLink implements TopicHost, AppendHost {
  readonly #options: ShadowLinkOptions
  #record: LinkRecord
  readonly #topics = new Map<string, ShadowTopic>()
  readonly #mode: AppendMode
  readonly #topicSync: TopicSync
  readonly #topicTask: TaskLoop
  readonly #groupSync: GroupSync
  readonly #groupTask: TaskLoop
  #work: Promise<unknown> = Promise.resolve()
  #sourceProblem: string | null = null
  #copiedBytes = 0
  readonly #openings: Openings

  constructor (options: ShadowLinkOptions) {
    const { record, source, shadow, signal, now, wallClock, logger } = options
    this.#options = options
    this.#record = record
    this.#mode = options.appendMode(this)
    this.#openings = new Openings({
      sourceEnds: new SourceEnds({ source, signal, now, checkSource: view => this.#checkSource(view) }),
      concurrency: this.#mode.concurrentFailovers,
      signal,
      logger,
      failOver: (topic, opening) => this.#mode.failOver(topic, opening),
      beforeOpening: topic => this.#groupSync.finish(topic),
      wakeSync: () => this.wakeSync(),
      onOpened: options.onOpened
    })
    this.#topicSync = new TopicSync({
      name: record.config.name,
      source,
      shadow,
      options: record.config.topicSync,
      mode: this.#mode,
      signal,
      logger,
      wallClock,
      topics: this.#topics,
      takesTopics: () => this.#record.failedOverAt === null,
      ownerOf: options.ownerOf,
      add: topic => this.#add(topic),
      removed: ({ topic }) => this.#topics.delete(topic),
      checkSource: view => this.#checkSource(view)
    })
    this.#topicTask = new TaskLoop({
      name: TOPIC_SYNC,
      options: () => this.#record.config.topicSync,
      run: () => this.#syncTopics(),
      whilePaused: async () => ({ reason: 'paused by the link\'s configuration: topics are copied, none is added', problems: [], again: !await this.#goOnPromoting(this.#isAllOpen) })
    }, { link: record.config.name, signal, logger, wallClock })
    this.#groupSync = new GroupSync({
      name: record.config.name,
      source,
      shadow,
      options: () => this.#record.config.groupSync,
      topics: this.#topics,
      signal,
      logger,
      now,
      wallClock,
      checkSource: view => this.#checkSource(view)
    })
    this.#groupTask = new TaskLoop(this.#groupSync, { link: record.config.name, signal, logger, wallClock })
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

  /** True when a failover of the whole link has ended: nothing is a shadow any more, and nothing will become one. */
  get isDone (): boolean {
    return this.#record.failedOverAt !== null && [...this.#topics.values()].every(({ record }) => !record.owned || isWritable(record.state))
  }

  /** True for a topic that the link has claimed and not opened. */
  isShadowing (topic: string): boolean {
    const record = this.#topics.get(topic)?.record
    return record?.owned === true && !isWritable(record.state)
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

  /** Begins to copy what follows its source, and goes on with what is PROMOTING or FAILING_OVER. */
  start (): void {
    for (const record of this.#options.topics) this.#add(record)
    for (const topic of this.#topics.values()) {
      const { state, owned, created, partitions } = topic.record
      if (followsSource(state) && owned && created) topic.copy(partitions, { isInherited: true })
      if (openedState(state) !== null) this.#openings.begin(topic)
    }
    const unopened = [...this.#topics.values()].filter(({ record }) => record.owned && record.created && !isWritable(record.state))
    this.#work = Promise.all([this.#topicTask.run(), this.#groupTask.run(), this.#keepUp(), this.#mode.learn(unopened)])
  }

  /** Stops copying, and waits for what is under way: nobody then has to find out whether it was carried out. */
  async quiesce (): Promise<void> {
    const topics = [...this.#topics.values()]
    for (const topic of topics) topic.stop()
    await this.#mode.quiesce(topics)
  }

  /** After the signal: resolves when nothing of the link is under way any more. */
  async stopped (): Promise<void> {
    for (const topic of this.#topics.values()) topic.stop()
    await this.#work
    await this.#openings.ended()
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

  begin (topic: ShadowTopic, partition: number, options: { readonly isInherited: boolean }): PartitionShadow {
    return this.#mode.begin(topic, partition, options)
  }

  /** See AppendMode. */
  replicasOf (topic: ShadowTopic, partition: number): readonly number[] | null {
    return this.#mode.replicasOf(topic, partition)
  }

  obstacle (): string | null {
    return this.#wrongSource()
  }

  wakeSync (): void {
    this.#topicTask.wake()
  }

  shadowingConfigs (record: TopicRecord): Promise<Readonly<Record<string, string>>> {
    return this.#topicSync.shadowingConfigs(record)
  }

  onProducerId (producerId: number): void {
    this.#options.barrier.note(producerId)
  }

  async recordProducerId (producerId: number): Promise<void> {
    this.#record = { ...this.#record, highestProducerId: Math.max(producerId, this.#record.highestProducerId) }
    await this.write([{ kind: 'link', name: this.name, value: this.#record }])
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

  async #syncTopics (): Promise<TaskOutcome> {
    const { logger } = this.#options
    const wasOpen = this.#isAllOpen
    try {
      const { selected, unshadowed, created, problems } = await this.#topicSync.run()
      this.#sourceProblem = null
      if (created > 0) logger.info({ link: this.name, created }, `${created} shadow topics were created`)
      const reason = `${selected} topics of the source are selected${unshadowed === 0 ? '' : `; ${unshadowed} of them came after the link's failover and are not shadowed`}`
      return { reason, problems, again: problems.length === 0 && !await this.#goOnPromoting(wasOpen) }
    } catch (error) {
      await this.#contactSource()
      throw error
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
        for (const problem of await this.#mode.keepUp([...this.#topics.values()].filter(topic => topic.isCopying))) logger.warn({ link: this.name }, problem)
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
      await Promise.all(this.#ownedTopics.map(topic => this.#failOver(topic)))
      this.#options.onOpened()
      return
    }
    await this.#failOver(this.#owned(name))
  }

  /** @throws {ShadowError} NOT_FOUND, or CONFLICT for a topic that the link does not own */
  #owned (name: string): ShadowTopic {
    const topic = this.#topics.get(name)
    if (topic === undefined) throw new ShadowError('NOT_FOUND', `link ${this.name} has no shadow topic ${name}`)
    if (!topic.record.owned) throw new ShadowError('CONFLICT', `topic ${name} is not a shadow of link ${this.name}: ${topic.record.fault?.reason ?? 'it is not owned'}`)
    return topic
  }

  async #failOver (topic: ShadowTopic): Promise<void> {
    if (topic.record.state !== 'FAILING_OVER') await this.#openings.endPromotion(topic)
    if (isWritable(topic.record.state)) return
    if (topic.record.state !== 'FAILING_OVER') await topic.enter('FAILING_OVER')
    this.#openings.begin(topic)
  }

  /**
   * Begins the promotion of one topic, or of the whole link with null; resolves when it is recorded. What is promoting, or
   * writable already, is left as it is. In the promotion of a link, topics that are new on the source are shadowed and promoted
   * too; once all topics are open and the source has no new ones, nothing new is shadowed any more.
   * @throws {ShadowError} NOT_FOUND, or CONFLICT for a topic that the link does not own, that is FAULTED or FAILING_OVER; with null
   * nothing is begun when there is any such
   */
  async promote (name: string | null): Promise<void> {
    const topics = name === null ? this.#ownedTopics : [this.#owned(name)]
    const refusals = topics.flatMap(topic => refusalOf(topic) ?? [])
    if (refusals.length > 0) throw new ShadowError('CONFLICT', `${refusals.slice(0, 3).join('; ')}${refusals.length > 3 ? `; and ${refusals.length - 3} more topics` : ''}`)
    if (name === null && this.#record.failedOverAt === null && this.#record.promotingAt === null) {
      this.#record = { ...this.#record, promotingAt: this.#options.wallClock().toISOString() }
      await this.write([{ kind: 'link', name: this.name, value: this.#record }])
    }
    await Promise.all(topics.map(topic => this.#promote(topic)))
    this.wakeSync()
  }

  async #promote (topic: ShadowTopic): Promise<void> {
    const { state } = topic.record
    if (state === 'ACTIVE' || state === 'PAUSED') {
      await topic.enter('PROMOTING')
      if (topic.record.created) topic.copy(topic.record.partitions, { isInherited: true })
    }
    if (openedState(topic.record.state) !== null) this.#openings.begin(topic)
  }

  get #ownedTopics (): ShadowTopic[] {
    return [...this.#topics.values()].filter(({ record, isRemoved }) => record.owned && !isRemoved)
  }

  get #isAllOpen (): boolean {
    return this.#ownedTopics.every(({ record }) => isWritable(record.state))
  }

  /**
   * After a sync without problems, in the promotion of the whole link: takes in the topics that are new on the source. The link's
   * promotion has ended when all was open before that sync (`wasOpen`), and it found no more. False when all that is missing is
   * one more sync.
   */
  async #goOnPromoting (wasOpen: boolean): Promise<boolean> {
    const { signal, wallClock, logger } = this.#options
    if (this.#record.promotingAt === null || this.#record.failedOverAt !== null) return true
    try {
      for (const topic of this.#ownedTopics) await this.#promote(topic)
      if (!this.#isAllOpen) return true
      if (!wasOpen) return false
      this.#record = { ...this.#record, failedOverAt: wallClock().toISOString() }
      await this.write([{ kind: 'link', name: this.name, value: this.#record }])
      logger.info({ link: this.name }, `all topics of link ${this.name} are open: nothing new is shadowed any more`)
      this.#options.onOpened()
    } catch (error) {
      if (!isAborted(signal)) logger.warn({ link: this.name, err: error }, `the promotion of link ${this.name} could not go on: ${messageOf(error)}`)
    }
    return true
  }

  /** Resolves when every failover and promotion that has begun has ended. */
  async failedOver (): Promise<void> {
    await this.#openings.ended()
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
      tasks: [this.#topicTask.status, this.#groupTask.status],
      topics: [...this.#topics.values()].map(topic => topic.status(FRESH_MS)).sort((a, b) => a.name < b.name ? -1 : 1),
      groups: this.#groupSync.groups,
      syncedShadowTopicProperties: carriedNames(this.#record.config.topicSync),
      source: { reachable: this.#isReachable(contactAgeMs), contactAgeMs, problem: this.#sourceProblem },
      bufferedBytes: this.#mode.bufferedBytes,
      copiedBytes: this.#copiedBytes
    }
  }

  /** Null while nobody knows. */
  #isReachable (contactAgeMs: number | null): boolean | null {
    if (this.#sourceProblem !== null) return false
    return contactAgeMs === null ? null : contactAgeMs <= REACHABLE_MS ? true : null
  }
}

/** Why a topic cannot be promoted; null when it can, or when there is nothing left to do. */
function refusalOf ({ topic, record }: ShadowTopic): string | null {
  if (record.state === 'FAULTED') return `topic ${topic} is FAULTED, so the shadow does not have everything of it: it can be failed over, with what it has`
  return record.state === 'FAILING_OVER' ? `topic ${topic} is FAILING_OVER already` : null
}
