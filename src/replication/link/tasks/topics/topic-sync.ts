/**
 * The task `Source Topic Sync`: finds the topics that the link's filters select, creates their shadows, and follows the source's
 * partitions and configs. A shadow topic is claimed in the state topic before it is created, so that no client can write to it
 * in between, and so that an engine that takes over knows whose it is.
 */
import { ErrorCodes } from '../../../../../protocol/errors/codes.ts'
import { deleteTopic } from '../../../../client/admin/delete-topic.ts'
import { describeTopicConfigs } from '../../../../client/admin/describe-topic-configs.ts'
import { LATEST_TIMESTAMP, listOffsets } from '../../../../client/admin/list-offsets.ts'
import type { Cluster, ClusterView, TopicView } from '../../../../client/cluster.ts'
import type { TopicSyncOptions } from '../../../../config/link/topic-sync-options.ts'
import { SCHEMAS_TOPIC } from '../../../../config/link/schema-sync-options.ts'
import { BrokerError, isBrokerError, messageOf, ShadowError } from '../../../../errors.ts'
import { throwIfAborted } from '../../../../net/abort.ts'
import type { Logger } from '../../../../observability/logger.ts'
import type { TopicRecord } from '../../../../state/records.ts'
import type { FaultCode } from '../../../../state/topic-state.ts'
import { isConfigRefusal } from './settle-configs.ts'
import { SourceDeletions } from './source-deletions.ts'
import { describeFollowed, type DescribedConfigs } from './followed-configs.ts'
import { ShadowConfigs } from './shadow-configs.ts'
import { decideStartOffsets, type StartOffsets } from './start-offsets.ts'
import { askedNames, carriedConfigs } from './topic-configs.ts'
import { lookAtShadow, type ShownShadow } from './shown-shadow.ts'
import type { Adoption, AppendMode, ShadowCreation, ShownTopic } from '../../../append/append-mode.ts'
import { assertLeads } from '../../../may-lead.ts'
import type { ShadowTopic } from '../../shadow-topic.ts'

/** What a topic that is new on the source is shadowed by. */
interface Adopted {
  readonly configs: DescribedConfigs
  readonly startOffsets: StartOffsets | undefined
  readonly shown: ShownShadow
  /** Why it would be shadowed in a circle; null where it would not. */
  readonly loop: string | null
}

/** A broker that is behind may show fewer partitions than there are; so many views in a row are no mistake. */
const VIEWS_OF_A_DECREASE = 3
/** A broker that was busy with something else may not show a topic that was just created for as long as its session lasts (9 s by default). */
const GONE_AFTER_MS = 10_000

/** What the link is to this task. */
export interface TopicSyncHost {
  readonly name: string
  readonly source: Cluster
  readonly shadow: Cluster
  /** Asked anew by every run. */
  readonly options: () => TopicSyncOptions
  /** Whether the link shadows topics of this name. */
  readonly shadows: (topic: string) => boolean
  readonly mode: AppendMode
  readonly signal: AbortSignal
  /** False when another engine may lead by now. */
  readonly isLeading: () => boolean
  readonly logger: Logger
  readonly wallClock: () => Date
  readonly topics: ReadonlyMap<string, ShadowTopic>
  /** False once a failover of the whole link was asked for, and while it is paused: nothing new is shadowed then. */
  readonly takesTopics: () => boolean
  /** The name of another link that owns a topic of this name; null when none does. */
  ownerOf (topic: string): string | null
  /**
   * Why topics that the source shows must not be shadowed, because they are shadows of this cluster themselves; null for all others.
   * @throws {ShadowError} when nobody can tell
   */
  loopsIn (sourceView: ClusterView): Promise<(topic: string) => string | null>
  /** Makes a topic part of the link; its record is not written yet. */
  add (record: TopicRecord): ShadowTopic
  /** The topic is not part of the link any more, nor is its record. */
  removed (topic: ShadowTopic): void
  /** Throws when the source is not the cluster that the link was made for. */
  checkSource (view: ClusterView): void
}

export interface SyncResult {
  readonly selected: number
  /** Selected, and not shadowed because nothing new is. */
  readonly unshadowed: number
  readonly created: number
  /** What went wrong for single topics; the others went on. */
  readonly problems: readonly string[]
}

export class TopicSync {
  readonly #host: TopicSyncHost
  readonly configs: ShadowConfigs
  readonly #decreases = new Map<string, number>()
  readonly #deletions: SourceDeletions
  /** Topics whose claim could not be recorded yet. */
  readonly #unclaimed = new Set<string>()
  /** Since when shadow topics are not shown, in milliseconds since 1970. */
  readonly #missingSince = new Map<string, number>()

  constructor (host: TopicSyncHost) {
    this.#host = host
    this.configs = new ShadowConfigs(host)
    this.#deletions = new SourceDeletions({ source: host.source, signal: host.signal, now: () => host.wallClock().getTime() })
  }

  /** One run. @throws {ShadowError} when the source or the shadow cluster cannot be asked at all */
  async run (): Promise<SyncResult> {
    const { source, shadow, mode, signal, shadows } = this.#host
    const sourceView = await source.refresh({ signal })
    this.#host.checkSource(sourceView)
    const shown = await lookAtShadow(shadow, mode, { signal })
    const selected = [...sourceView.topics.values()].filter(topic => !topic.isInternal && shadows(topic.name))
    const problems: string[] = []
    let created = 0
    const claimed = this.#claimed()
    const configs = await describeFollowed(claimed, { ...this.#host, options: this.#host.options(), shadowingConfigs: record => this.configs.shadowing(record) })
    const deletions = await this.#deletions.find(claimed.filter(topic => this.#mayDelete(topic) && isMissing(sourceView, topic.topic)), sourceView)
    await this.#each(claimed, problems, async topic => {
      // One that is being opened is not waited for.
      if (!topic.isShadowed) return
      await topic.exclusively(async () => {
        if (!topic.isShadowed) return
        if (deletions.has(topic.topic)) await this.#followDeletion(topic, deletions.get(topic.topic) ?? null)
        else if (await this.#follow(topic, sourceView, shown)) await this.configs.follow(topic, configs.source.get(topic.topic), configs.shadow.get(topic.topic))
      })
    })
    const fresh = selected.filter(({ name, errorCode }) => errorCode === ErrorCodes.NONE && !this.#host.topics.has(name))
    const isTaking = this.#host.takesTopics()
    if (isTaking && fresh.length > 0) {
      try {
        const loopOf = await this.#host.loopsIn(sourceView)
        const [described, starts] = await Promise.all([
          describeTopicConfigs(source, fresh.map(({ name }) => name), { signal, configs: askedNames(this.#host.options()) }),
          decideStartOffsets(source, fresh, this.#host.options().start, { signal })
        ])
        await this.#each(fresh, problems, async topic => {
          if (await this.#adopt(topic, { configs: described.get(topic.name), startOffsets: starts.get(topic.name), shown, loop: loopOf(topic.name) })) created++
        })
      } catch (error) {
        throwIfAborted(signal)
        // Those that are shadowed already were followed all the same.
        problems.push(`${fresh.length} new topics are not shadowed yet: ${messageOf(error)}`)
      }
    }
    return { selected: selected.length, unshadowed: isTaking ? 0 : fresh.length, created, problems }
  }

  /** The topics that are shadowed now. */
  #claimed (): ShadowTopic[] {
    return [...this.#host.topics.values()].filter(topic => topic.isShadowed)
  }

  /** Works through topics a few at a time. What fails for one is noted; an end of leadership ends it all. */
  async #each<T extends { readonly name: string } | ShadowTopic> (topics: readonly T[], problems: string[], work: (topic: T) => Promise<void>): Promise<void> {
    const waiting = [...topics]
    const worker = async (): Promise<void> => {
      for (let topic = waiting.shift(); topic !== undefined; topic = waiting.shift()) {
        throwIfAborted(this.#host.signal)
        try {
          await work(topic)
        } catch (error) {
          if (this.#host.signal.aborted) throw error
          const name = 'topic' in topic ? topic.topic : topic.name
          problems.push(`${name}: ${messageOf(error)}`)
          const known = this.#host.topics.get(name)
          if (known !== undefined) known.problem = messageOf(error)
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(waiting.length, this.#host.mode.concurrentTopics) }, worker))
  }

  /** Claims and creates the shadow of a topic that was not seen before. False when there is none to create. */
  async #adopt (topic: TopicView, { configs, startOffsets, shown, loop }: Adopted): Promise<boolean> {
    // A failover of the link takes the topics that are there when it begins.
    if (!this.#host.takesTopics()) return false
    if (configs === undefined || configs instanceof BrokerError) throw configs ?? new BrokerError(ErrorCodes.UNKNOWN_SERVER_ERROR, `DescribeConfigs ${topic.name}`, 'left out of the answer')
    if (startOffsets === undefined || startOffsets instanceof ShadowError) throw startOffsets ?? new ShadowError('INVARIANT', `nobody said where ${topic.name} begins`)
    const { name, options, wallClock } = this.#host
    const claim: TopicRecord = {
      link: name,
      topic: topic.name,
      state: 'ACTIVE',
      since: wallClock().toISOString(),
      owned: true,
      sourceTopicId: topic.topicId,
      shadowTopicId: null,
      created: false,
      partitions: topic.partitions.length,
      replicationFactor: null,
      startOffsets,
      configs: carriedConfigs(configs, options(), await this.configs.supported()),
      fault: null,
      handingOver: false,
      pausedWithLink: false,
      endOffsets: null,
      refusedConfigs: {},
      rollbacks: []
    }
    if (loop !== null) {
      this.#fault(this.#host.add({ ...claim, owned: false }), 'LOOP', loop)
      return false
    }
    const taken = await this.#isToMakeAnew(topic.name, shown) ? null : this.#takenBy(topic.name, shown)
    if (taken !== null) {
      this.#fault(this.#host.add({ ...claim, owned: false }), 'NAME_TAKEN', `${taken}: it is left alone, and its source is not shadowed`)
      return false
    }
    const shadow = this.#host.add(claim)
    return await shadow.exclusively(async () => {
      await this.#claim(shadow)
      // Again, now that the sidecars let nobody write to it any more.
      if (await this.#isToMakeAnew(topic.name, shown)) await deleteTopic(this.#host.shadow, topic.name, { signal: this.#host.signal, beforeSend: () => { assertLeads(this.#host.isLeading) } })
      await this.#create(shadow, shown)
      return true
    })
  }

  /** Records a topic as it is by now: it may have been paused, or failed over, before it was claimed. */
  async #claim (topic: ShadowTopic): Promise<void> {
    this.#unclaimed.add(topic.topic)
    await topic.update({})
    this.#unclaimed.delete(topic.topic)
  }

  /** A schema registry makes its topic when it is started: one that is empty is no more than its place (facts/redpanda-contract.md §7.1). */
  async #isToMakeAnew (topic: string, shown: ShownShadow): Promise<boolean> {
    const { shadow, signal } = this.#host
    const existing = shown.topic(topic)
    if (topic !== SCHEMAS_TOPIC || existing === null || existing.errorCode !== ErrorCodes.NONE || this.#host.ownerOf(topic) !== null) return false
    const ends = await listOffsets(shadow, Array.from({ length: existing.partitionCount }, (_, partition) => ({ topic, partition, timestamp: LATEST_TIMESTAMP })), { signal })
    return ends.length === existing.partitionCount && ends.every(({ errorCode, offset }) => errorCode === ErrorCodes.NONE && offset === 0)
  }

  #takenBy (topic: string, shown: ShownShadow): string | null {
    const other = this.#host.ownerOf(topic)
    if (other !== null) return `link ${other} owns a topic of this name`
    return shown.topic(topic) === null ? null : 'the shadow cluster has a topic of this name that was not made by the link'
  }

  /** Creates a claimed topic on the shadow cluster, or finds the one that was created when an engine died, and copies. */
  async #create (topic: ShadowTopic, shown: ShownShadow): Promise<void> {
    const { source, logger } = this.#host
    const { record } = topic
    const { excludeDefault } = this.#host.options()
    const configs = await this.configs.shadowing(record)
    const sourceFactor = source.lastView?.topics.get(record.topic)?.partitions[0]?.replicas.length ?? 1
    const replicationFactor = excludeDefault ? -1 : Math.min(sourceFactor, shown.brokerCount)
    if (!excludeDefault && replicationFactor < sourceFactor) {
      logger.warn({ link: record.link, topic: record.topic, replicationFactor, sourceFactor }, `the shadow of ${record.topic} has fewer replicas than its source: the shadow cluster has ${shown.brokerCount} brokers`)
    }
    let adoption: Adoption
    let refusedConfigs: Readonly<Record<string, string>> = {}
    try {
      adoption = await this.#make({ record, configs, replicationFactor })
    } catch (error) {
      if (!(error instanceof BrokerError) || error.retriable || !isRefusal(error)) throw error
      const made = await this.#makeWithout(error, { record, configs, replicationFactor })
      if (made === null) {
        topic.fault({ code: 'CREATE_REFUSED', reason: `the shadow cluster refuses to create the topic: ${error.message}`, partition: null, offset: null })
        return
      }
      adoption = made.adoption
      refusedConfigs = made.refused
    }
    if (adoption.kind === 'foreign') {
      topic.fault({ code: 'NAME_TAKEN', reason: adoption.reason, partition: null, offset: null })
      await topic.update({ owned: false })
      return
    }
    const { topicId, replicationFactor: factor = null } = adoption.topic
    await topic.update({ created: true, shadowTopicId: topicId, replicationFactor: factor, refusedConfigs })
    topic.problem = null
    topic.copy(record.partitions)
  }

  /** Creates the topic, or takes the one that an engine made that died. */
  async #make (creation: ShadowCreation): Promise<Adoption> {
    const { mode } = this.#host
    try {
      return { kind: 'adopted', topic: await mode.create(creation) }
    } catch (error) {
      if (!isBrokerError(error, ErrorCodes.TOPIC_ALREADY_EXISTS)) throw error
      return await mode.adopt(creation)
    }
  }

  /**
   * Where a value of the source's may be what the shadow cluster refuses: creates the topic with no more than a shadow needs, and then
   * sets the others one by one. Null when that is refused, too.
   */
  async #makeWithout (refusal: BrokerError, creation: ShadowCreation): Promise<{ readonly adoption: Adoption, readonly refused: Readonly<Record<string, string>> } | null> {
    const { record, configs } = creation
    const needed = await this.configs.needed(record)
    const others = new Map(Object.entries(configs).filter(([name]) => !(name in needed)))
    if (others.size === 0 || !isConfigRefusal(refusal)) return null
    try {
      const adoption = await this.#make({ ...creation, configs: needed })
      return { adoption, refused: adoption.kind === 'foreign' ? {} : await this.configs.settle(record.topic, others) }
    } catch (error) {
      if (!(error instanceof BrokerError) || error.retriable || !isRefusal(error)) throw error
      return null
    }
  }

  /** Compares a shadowed topic with what both clusters show now. True when both have it as it should be. */
  async #follow (topic: ShadowTopic, sourceView: ClusterView, shown: ShownShadow): Promise<boolean> {
    const { record } = topic
    if (!record.created) {
      // Claimed by an engine that did not get to the end of it; or that could not be recorded.
      if (this.#unclaimed.has(record.topic)) await this.#claim(topic)
      await this.#create(topic, shown)
      return false
    }
    const shadow = shown.topic(record.topic)
    if (shadow === null) {
      if (this.#isGone(record)) this.#fault(topic, 'SHADOW_TOPIC_GONE', 'the shadow topic was deleted')
      else topic.problem = 'the shadow cluster does not show the topic'
      return false
    }
    this.#missingSince.delete(record.topic)
    if (shadow.topicId !== null && record.shadowTopicId !== null && shadow.topicId !== record.shadowTopicId) {
      this.#fault(topic, 'SHADOW_TOPIC_GONE', `the shadow topic was deleted and made anew: its id is ${shadow.topicId}, and was ${record.shadowTopicId}`)
      return false
    }
    const source = sourceView.topics.get(record.topic)
    if (source === undefined || source.errorCode !== ErrorCodes.NONE) {
      topic.problem = 'the source does not show this topic any more; the shadow keeps what it has'
      return false
    }
    if (source.topicId !== null && record.sourceTopicId !== null && source.topicId !== record.sourceTopicId) {
      this.#fault(topic, 'SOURCE_TOPIC_RECREATED', `the source topic was deleted and made anew: its id is ${source.topicId}, and was ${record.sourceTopicId}`)
      return false
    }
    topic.problem = null
    await this.#followPartitions(topic, source, shadow)
    return topic.isShadowed
  }

  /** One whose failover or promotion was asked for stays, and so does one that was stopped. */
  #mayDelete ({ record: { created, state } }: ShadowTopic): boolean {
    return this.#host.options().onSourceDeletion === 'delete' && created && (state === 'ACTIVE' || state === 'PAUSED') && this.#host.takesTopics()
  }

  /** Deletes the shadow of a topic that the source has deleted. `doubt`: why that is not certain; null when it is. */
  async #followDeletion (topic: ShadowTopic, doubt: string | null): Promise<void> {
    if (!this.#mayDelete(topic)) return
    if (doubt !== null) {
      topic.problem = `the source does not show this topic any more (${doubt}); its shadow is deleted once that is certain`
      return
    }
    const { mode, name, logger } = this.#host
    await topic.remove(() => mode.remove(topic))
    this.#host.removed(topic)
    logger.warn({ link: name, topic: topic.topic, sourceTopicId: topic.record.sourceTopicId }, `the source has deleted topic ${topic.topic}: its shadow was deleted, too (on_source_deletion: delete)`)
  }

  /** A topic that a view lacks may only be missing in what one broker knows by then. */
  #isGone ({ topic }: TopicRecord): boolean {
    const now = this.#host.wallClock().getTime()
    const since = this.#missingSince.get(topic)
    if (since === undefined) this.#missingSince.set(topic, now)
    return since !== undefined && now - since >= GONE_AFTER_MS
  }

  async #followPartitions (topic: ShadowTopic, source: TopicView, shadow: ShownTopic): Promise<void> {
    const { record } = topic
    const count = source.partitions.length
    if (count < record.partitions) {
      const seen = (this.#decreases.get(record.topic) ?? 0) + 1
      this.#decreases.set(record.topic, seen)
      if (seen >= VIEWS_OF_A_DECREASE) this.#fault(topic, 'SOURCE_PARTITIONS_DECREASED', `the source topic has ${count} partitions, and had ${record.partitions}`)
      else topic.problem = `the source shows ${count} partitions of ${record.partitions}`
      return
    }
    this.#decreases.delete(record.topic)
    if (shadow.partitionCount > count) {
      // Nothing of ours made them; they hold no copy of anything.
      this.#fault(topic, 'FOREIGN_WRITE', `the shadow topic has ${shadow.partitionCount} partitions, and its source ${count}`)
      return
    }
    // It is to stay as it is. What came meanwhile is followed when it is resumed.
    if (record.state === 'PAUSED') return
    if (shadow.partitionCount < count || count > record.partitions) await this.#host.mode.grow(record, count)
    if (count > record.partitions) await topic.update({ partitions: count })
    topic.copy(count)
  }

  #fault (topic: ShadowTopic, code: FaultCode, reason: string): void {
    topic.fault({ code, reason, partition: null, offset: null })
  }
}

function isMissing ({ topics }: ClusterView, topic: string): boolean {
  const shown = topics.get(topic)
  return shown === undefined || shown.errorCode === ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION
}

/** Errors that a repetition does not mend. */
function isRefusal ({ wireCode }: BrokerError): boolean {
  const refusals: readonly number[] = [
    ErrorCodes.INVALID_TOPIC_EXCEPTION, ErrorCodes.INVALID_PARTITIONS, ErrorCodes.INVALID_REPLICATION_FACTOR, ErrorCodes.INVALID_REPLICA_ASSIGNMENT,
    ErrorCodes.INVALID_CONFIG, ErrorCodes.POLICY_VIOLATION, ErrorCodes.INVALID_REQUEST
  ]
  return refusals.includes(wireCode)
}
