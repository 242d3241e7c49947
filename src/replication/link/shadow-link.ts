/**
 * One link on the engine that leads: its connection to the source, its topics, its tasks. It begins from what the state topic says
 * and writes there all that must outlive it.
 */
import type { Cluster, ClusterView } from '../../client/cluster.ts'
import { shadowsTopic, shownLinkDocument, type LinkConfig } from '../../config/link-config.ts'
import { messageOf, ShadowError } from '../../errors.ts'
import { isAborted } from '../../net/abort.ts'
import { sleep } from '../../net/sleep.ts'
import type { Logger } from '../../observability/logger.ts'
import type { LinkRecord, StateChange, TopicRecord } from '../../state/records.ts'
import { followsSource, isWritable, openedState } from '../../state/topic-state.ts'
import type { AppendHost, AppendMode, BeginOptions, PartitionShadow } from '../append/append-mode.ts'
import { Openings } from '../failover/openings.ts'
import type { ProducerIdBarrier } from '../failover/producer-id-barrier.ts'
import { SourceEnds } from '../failover/source-ends.ts'
import type { LinkStatus } from '../link-service.ts'
import { KeptRecord } from './kept-record.ts'
import { LinkOrders, type OrdersHost } from './link-orders.ts'
import { LinkTasks, type TaskParts } from './link-tasks.ts'
import { PausedTopics } from './paused-look.ts'
import { ShadowTopic, type TopicHost } from './shadow-topic.ts'
import { TopicRepairs, type RepairHost } from './topic-repairs.ts'
import { within } from './within.ts'
import { loopReason, SourceLinks } from './source-links.ts'
import { TaskLoop, type TaskOptions, type TaskOutcome } from './tasks/task-loop.ts'
import { carriedNames } from './tasks/topics/topic-configs.ts'
import { TopicSync } from './tasks/topics/topic-sync.ts'

const TOPIC_SYNC = 'Source Topic Sync'
const LINK_PAUSED = 'the link is paused'
const OPEN_TIMEOUT_MS = 60_000
const UPKEEP_INTERVAL_MS = 5000
/** Within how long after a contact with the source a partition counts as level with it. */
const FRESH_MS = 5000
/** Within how long after its last answer the source counts as reachable: it is asked at least this often. */
const REACHABLE_MS = 20_000

export interface ShadowLinkOptions extends TaskParts {
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
  readonly #kept: KeptRecord
  readonly #topics = new Map<string, ShadowTopic>()
  readonly #mode: AppendMode
  readonly #topicSync: TopicSync
  readonly #topicTask: TaskLoop
  readonly tasks: LinkTasks
  #work: Promise<unknown> = Promise.resolve()
  #sourceProblem: string | null = null
  #copiedBytes = 0
  readonly #openings: Openings
  readonly #paused: PausedTopics
  readonly #sourceLinks: SourceLinks
  readonly orders: LinkOrders
  readonly repairs: TopicRepairs

  constructor (options: ShadowLinkOptions) {
    const { record, source, shadow, signal, now, wallClock, logger } = options
    this.#options = options
    this.#kept = new KeptRecord(record, value => this.write([{ kind: 'link', name: value.config.name, value }]))
    this.#mode = options.appendMode(this)
    const sourceEnds = new SourceEnds({ source, signal, now, checkSource: view => this.#checkSource(view) })
    this.#paused = new PausedTopics(sourceEnds, signal)
    this.#sourceLinks = new SourceLinks(source, { logger, signal })
    this.#openings = new Openings({
      sourceEnds,
      signal,
      logger,
      failOver: (topic, opening) => this.#mode.failOver(topic, opening),
      beforeOpening: topic => this.tasks.groups.finish(topic),
      wakeSync: () => this.wakeSync(),
      onOpened: options.onOpened
    })
    this.orders = new LinkOrders(this.#ordersHost())
    this.repairs = new TopicRepairs(this.#repairHost())
    this.#topicSync = new TopicSync({
      name: record.config.name,
      source,
      shadow,
      options: () => this.#record.config.topicSync,
      shadows: topic => shadowsTopic(this.#record.config, topic),
      mode: this.#mode,
      signal,
      isLeading: options.isLeading,
      logger,
      wallClock,
      topics: this.#topics,
      takesTopics: () => this.#record.failedOverAt === null && this.#record.pausedAt === null,
      ownerOf: options.ownerOf,
      loopsIn: view => this.#loopsIn(view),
      add: topic => this.#add(topic),
      removed: ({ topic }) => this.#topics.delete(topic),
      checkSource: view => this.#checkSource(view)
    })
    this.#topicTask = new TaskLoop({
      name: TOPIC_SYNC,
      options: () => this.#taskOptions(this.#record.config.topicSync),
      run: () => this.#syncTopics(),
      whilePaused: async () => ({
        reason: this.#record.pausedAt === null ? 'paused by the link\'s configuration: topics are copied, none is added' : LINK_PAUSED,
        problems: [],
        again: !await this.orders.goOnPromoting(this.orders.isAllOpen)
      })
    }, { link: record.config.name, signal, logger, wallClock })
    this.tasks = new LinkTasks({
      ...options,
      topics: this.#topics,
      record: () => this.#record,
      taskOptions: taskOptions => this.#taskOptions(taskOptions),
      checkSource: view => this.#checkSource(view),
      wakeSync: () => this.wakeSync()
    })
  }

  #ordersHost (): OrdersHost {
    const link = (): ShadowLink => this
    const { wallClock, logger, signal, onOpened } = this.#options
    return {
      get name () { return link().name },
      get record () { return link().record },
      topics: this.#topics,
      openings: this.#openings,
      wallClock,
      logger,
      signal,
      change: change => this.#kept.change(change),
      reconfigure: config => this.reconfigure(config),
      wakeTasks: () => this.#wakeTasks(),
      wakeSync: () => this.wakeSync(),
      onFailedOver: () => this.tasks.end(),
      isSchemasLevel: () => this.tasks.isSchemasLevel(),
      onDone: onOpened,
      onPaused: () => this.#paused.look(this.#topics.values())
    }
  }

  #repairHost (): RepairHost {
    const { source, shadow, signal, ownerOf, onOpened, record } = this.#options
    return {
      name: record.config.name,
      topics: this.#topics,
      mode: this.#mode,
      source,
      shadow,
      signal,
      ownerOf,
      checkSource: view => this.#checkSource(view),
      open: async topic => {
        await this.orders.failover(topic.topic)
        await within(OPEN_TIMEOUT_MS, this.#openings.endOf(topic), `topic ${topic.topic} is still being failed over`)
        onOpened()
      },
      write: changes => this.write(changes),
      wakeSync: () => this.wakeSync()
    }
  }

  get name (): string {
    return this.#record.config.name
  }

  get record (): LinkRecord {
    return this.#record
  }

  get #record (): LinkRecord {
    return this.#kept.current
  }

  get topics (): ReadonlyMap<string, ShadowTopic> {
    return this.#topics
  }

  /** True when a failover of the whole link has ended: nothing is a shadow any more, and nothing will become one. */
  get isDone (): boolean {
    return this.#record.failedOverAt !== null && [...this.#topics.values()].every(({ record }) => !record.owned || isWritable(record.state))
  }

  /** The topics that the link owns and has not opened. */
  get unopened (): ShadowTopic[] {
    return [...this.#topics.values()].filter(({ record }) => record.owned && !isWritable(record.state))
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

  get signal (): AbortSignal {
    return this.#options.signal
  }

  /** Begins to copy what follows its source, and goes on with what is PROMOTING or FAILING_OVER. */
  start (): void {
    for (const record of this.#options.topics) this.#add(record)
    for (const topic of this.#topics.values()) {
      const { state, owned, created, partitions } = topic.record
      if ((followsSource(state) || state === 'PAUSED') && owned && created) topic.copy(partitions, { isInherited: true })
      if (openedState(state) !== null) this.#openings.begin(topic)
    }
    const unopened = this.unopened.filter(({ record }) => record.created)
    this.#work = Promise.all([this.#topicTask.run(), this.tasks.run(), this.#keepUp(), this.#mode.learn(unopened)])
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
    await this.tasks.stopped()
    await this.#openings.ended()
    await this.#kept.settled()
    await this.#sourceLinks.stopped()
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
      await this.#kept.change(record => record)
      return
    }
    const known = this.#topics.get(topic)
    if (known === undefined) await this.write([{ kind: 'topic', link: this.name, topic, value: null }])
    else await known.exclusively(() => known.update({}))
  }

  begin (topic: ShadowTopic, partition: number, options: BeginOptions): PartitionShadow {
    return this.#mode.begin(topic, partition, options)
  }

  /** See AppendMode. */
  replicasOf (topic: ShadowTopic, partition: number): readonly number[] | null {
    return this.#mode.replicasOf(topic, partition)
  }

  obstacle (): string | null {
    return this.#wrongSource()
  }

  /** Takes another configuration, by which nothing but the tasks' own options changes: they run by it from their next run on, which begins now. */
  async reconfigure (config: LinkConfig): Promise<void> {
    await this.#kept.change(record => ({ ...record, config }))
    this.#wakeTasks()
  }

  /** A task's own options, unless all of the link is paused. */
  #taskOptions<T extends TaskOptions> (options: T): T {
    return this.#record.pausedAt === null ? options : { ...options, paused: true, pausedReason: LINK_PAUSED }
  }

  #wakeTasks (): void {
    this.#topicTask.wake()
    this.tasks.wake()
  }

  wakeSync (): void {
    this.#topicTask.wake()
  }

  shadowingConfigs (record: TopicRecord): Promise<Readonly<Record<string, string>>> {
    return this.#topicSync.configs.shadowing(record)
  }

  onProducerId (producerId: number): void {
    this.#options.barrier.note(producerId)
  }

  async recordProducerId (producerId: number): Promise<void> {
    await this.#kept.change(record => ({ ...record, highestProducerId: Math.max(producerId, record.highestProducerId) }))
  }

  onCopied (bytes: number): void {
    this.#copiedBytes += bytes
  }

  async #loopsIn (view: ClusterView): Promise<(topic: string) => string | null> {
    const { shadow, signal } = this.#options
    const links = await this.#sourceLinks.current(view)
    const { clusterId } = await shadow.view({ signal })
    return topic => loopReason(topic, { links, shadowClusterId: clusterId, filters: this.#record.config.topicSync.filters })
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
    const wasOpen = this.orders.isAllOpen
    try {
      const { selected, unshadowed, created, problems } = await this.#topicSync.run()
      this.#sourceProblem = null
      if (created > 0) logger.info({ link: this.name, created }, `${created} shadow topics were created`)
      const reason = `${selected} topics of the source are selected${unshadowed === 0 ? '' : `; ${unshadowed} of them came after the link's failover and are not shadowed`}`
      return { reason, problems, again: problems.length === 0 && !await this.orders.goOnPromoting(wasOpen) }
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
      this.#paused.look(this.#topics.values())
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
      this.#checkSource(await source.refreshBrokers({ signal }))
      this.#sourceProblem = null
    } catch (error) {
      if (!signal.aborted) this.#sourceProblem = messageOf(error)
    }
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
      state: this.#record.failedOverAt !== null ? 'FAILED_OVER' : this.#record.pausedAt === null ? 'ACTIVE' : 'PAUSED',
      pausedAt: this.#record.pausedAt,
      appendMode: this.#record.appendMode,
      appendModeReason: this.#record.appendModeReason,
      standbys: this.#mode.standbys(this.#topics.values()),
      sourceClusterId: this.#record.sourceClusterId,
      createdAt: this.#record.createdAt,
      configuration: shownLinkDocument(this.#record.config),
      tasks: [this.#topicTask.status, ...this.tasks.statuses],
      topics: [...this.#topics.values()].map(topic => topic.status(FRESH_MS)).sort((a, b) => a.name < b.name ? -1 : 1),
      groups: this.tasks.groups.groups,
      security: this.tasks.security.status,
      schemaRegistry: this.tasks.schemas?.status ?? null,
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
