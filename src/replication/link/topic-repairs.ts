/**
 * What somebody orders about a single topic that is not as it should be.
 *
 *   remove    the topic leaves the link, as an ordinary topic with what it has: safe as a failover is
 *   retry     FAULTED ──▶ ACTIVE, from where it stands. What is compared at every start is compared again, so that it becomes FAULTED
 *             again if source and shadow do not agree there
 *   restore   FAULTED ──▶ ACTIVE, from the common prefix: every replica is rolled back to what it has in common with the source, and goes on
 *             from there; or from scratch: the shadow topic is deleted, and shadowed anew
 */
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { Cluster, ClusterView, TopicView } from '../../client/cluster.ts'
import { ShadowError } from '../../errors.ts'
import type { StateChange, TopicRecord } from '../../state/records.ts'
import { isWritable, type FaultCode } from '../../state/topic-state.ts'
import type { AppendMode } from '../append/append-mode.ts'
import type { PlannedRollback, Restoration, RestorePlan } from '../link-service.ts'
import { verifyPartition } from '../verify/verify-partition.ts'
import type { ShadowTopic } from './shadow-topic.ts'

/** What the link is to the repair of its topics. */
export interface RepairHost {
  readonly name: string
  readonly topics: Map<string, ShadowTopic>
  readonly mode: AppendMode
  readonly source: Cluster
  readonly shadow: Cluster
  readonly signal: AbortSignal
  /** The name of another link that owns a topic of this name; null when none does. */
  ownerOf (topic: string): string | null
  /** Throws when the source is not the cluster that the link was made for. */
  checkSource (view: ClusterView): void
  /** Fails a topic over, to the end. @throws {ShadowError} CONFLICT when that takes too long */
  open (topic: ShadowTopic): Promise<void>
  write (changes: readonly StateChange[]): Promise<unknown>
  wakeSync (): void
}

/** After these the shadow is all the same a beginning of the source, and to compare its end is enough. */
const PREFIX_FAULTS: ReadonlySet<FaultCode> = new Set<FaultCode>([
  'CONTROL_BATCH', 'TRANSACTIONAL_BATCH', 'LOG_APPEND_TIME', 'OLD_MESSAGE_FORMAT', 'OFFSET_GAP', 'LOG_START_ABOVE_ZERO', 'SOURCE_CORRUPT', 'SOURCE_OVERTOOK', 'APPEND_REFUSED'
])

/** With these, the shadow may hold what the source does not have, and nobody but the source has written any of it. */
const ROLLED_BACK_FAULTS: ReadonlySet<FaultCode> = new Set<FaultCode>(['SOURCE_LOST_RECORDS', 'DIVERGED', 'SOURCE_TOPIC_RECREATED'])

interface Plan {
  readonly source: TopicView
  readonly isOtherTopic: boolean
  readonly partitions: readonly PlannedRollback[]
}

export class TopicRepairs {
  readonly #host: RepairHost
  /** Of the topics that a repair is under way of. */
  readonly #repaired = new Set<string>()

  constructor (host: RepairHost) {
    this.#host = host
  }

  /**
   * Takes a topic out of the link for good: it is writable, and is not adopted again. One that the link left alone is not reported any more.
   * @throws {ShadowError} NOT_FOUND; CONFLICT when its failover takes too long, which goes on
   */
  async remove (name: string): Promise<void> {
    const topic = this.#known(name)
    if (!topic.record.owned) {
      await topic.enter('FAILED_OVER', { fault: null })
      return
    }
    if (!isWritable(topic.record.state)) await this.#host.open(topic)
    if (!isWritable(topic.record.state)) throw new ShadowError('CONFLICT', `topic ${name} is still ${topic.record.state}: ${topic.problem ?? 'its failover has not ended'}`, { retriable: true })
    await topic.update({ owned: false })
  }

  /**
   * Has a topic that was stopped go on. Where the fault says that the shadow may hold something else than the source, all of it is
   * compared first, which takes as long as to read it.
   * @throws {ShadowError} NOT_FOUND; CONFLICT where it cannot go on, in words: it then stays FAULTED
   */
  async retry (name: string): Promise<void> {
    await this.#alone(name, topic => this.#retry(topic))
  }

  async #retry (topic: ShadowTopic): Promise<void> {
    const { owned, created, fault } = topic.record
    if (!owned) {
      await this.#release(topic)
      return
    }
    if (created) await this.#checkTopics(topic)
    if (created && (fault === null || !PREFIX_FAULTS.has(fault.code))) await this.#checkRecords(topic)
    await this.#exclusively(topic, async () => {
      await this.#host.mode.renew(topic)
      await topic.restart()
    })
    this.#host.wakeSync()
  }

  /**
   * Has a topic that was stopped be shadowed anew, from what all of its replicas have in common with the source, or from nothing.
   * @throws {ShadowError} NOT_FOUND; CONFLICT where it cannot be done, or is not to be, in words; CLUSTER_UNAVAILABLE where somebody does not answer
   */
  async restore (name: string, restoration: Restoration): Promise<void> {
    await this.#alone(name, topic => restoration.from === 'scratch' ? this.#restoreFromScratch(topic) : this.#restoreFromPrefix(topic, restoration.keep))
  }

  /** From the beginning of its source: the shadow topic is deleted. */
  async #restoreFromScratch (topic: ShadowTopic): Promise<void> {
    const { topic: name, record } = topic
    if (!record.owned) throw new ShadowError('CONFLICT', `topic ${name} was not made by link ${this.#host.name}, which does not delete it (${record.fault?.reason ?? 'it is not owned'}): once the name is free, retry it`)
    // What cannot be copied again is not deleted.
    const source = await this.#sourceTopic(name)
    const shadow = shownIn(await this.#host.shadow.refresh({ signal: this.#host.signal }), name)
    if (shadow !== null && isAnother(shadow, record.shadowTopicId)) throw new ShadowError('CONFLICT', `the topic ${name} of the shadow cluster is another one than the link has made (its id is ${shadow.topicId ?? 'unknown'}): delete it yourself if nobody needs it`)
    await this.#exclusively(topic, async () => {
      await this.#host.mode.renew(topic)
      this.#faulted(name)
      if (record.created) await this.#host.mode.discard(record)
      const anew = { created: false, shadowTopicId: null, sourceTopicId: source.topicId, partitions: source.partitions.length, replicationFactor: null, startOffsets: null, endOffsets: null, refusedConfigs: {}, rollbacks: [] } as const
      const { state } = topic.record
      if (state === 'FAULTED') {
        await topic.restart(anew)
        return
      }
      await topic.update(anew)
      throw new ShadowError('CONFLICT', `topic ${name} is ${state} by an order that was given meanwhile, which counts; its shadow topic was deleted before, as the restoration from scratch has it: there is nothing in it to be opened`)
    })
    this.#host.wakeSync()
  }

  /** What a restoration from the common prefix would throw away. Changes nothing. @throws {ShadowError} as `restore` */
  async planRestore (name: string): Promise<RestorePlan> {
    const { isOtherTopic, partitions } = await this.#plan(this.#repairable(name))
    return { topic: name, isOtherTopic, partitions }
  }

  /**
   * All of its replicas throw away what they do not have in common with the source, to the batch, but nothing before `keep`, where that is
   * given by partition. Once they have, all is compared again.
   */
  async #restoreFromPrefix (topic: ShadowTopic, keep: readonly number[] | null): Promise<void> {
    const { topic: name, record: { partitions: count } } = topic
    if (keep !== null && keep.length !== count) throw new ShadowError('CONFLICT', `topic ${name} has ${count} partitions, and what is to be kept was said of ${keep.length}: nothing was changed; look at what would be thrown away, of every partition`)
    const plan = await this.#plan(topic)
    const beyond = plan.partitions.find(({ partition, toOffset }) => toOffset < (keep?.[partition] ?? 0))
    if (beyond !== undefined) throw new ShadowError('CONFLICT', `partition ${beyond.partition} of topic ${name} would be rolled back to offset ${beyond.toOffset}, and it was agreed to keep what is before ${keep?.[beyond.partition] ?? 0}: the source has changed since, or a replica has; nothing was changed: look again at what would be thrown away`)
    await this.#exclusively(topic, () => this.#host.mode.rollBack(topic, plan.partitions))
    // A failover does not wait for it. What was a beginning of another topic is one of this topic now.
    const { source, partitions } = await this.#plan(topic, plan.source)
    const rest = partitions.find(({ fromOffset, toOffset }) => toOffset < fromOffset)
    if (rest !== undefined) throw new ShadowError('CONFLICT', `topic ${name} stays FAULTED: it was rolled back, and partition ${rest.partition} differs from the source before that all the same, from offset ${rest.toOffset} on (${rest.difference ?? ''}): the source has changed meanwhile; give the order again`)
    await this.#exclusively(topic, async () => {
      await this.#host.mode.renew(topic)
      this.#faulted(name)
      await topic.restart({ sourceTopicId: source.topicId, endOffsets: null })
    })
    this.#host.wakeSync()
  }

  /** `compared`: the source topic that the shadow was compared with all over before. */
  async #plan (topic: ShadowTopic, compared: TopicView | null = null): Promise<Plan> {
    const { topic: name, record: { owned, created, fault, sourceTopicId, shadowTopicId, partitions } } = topic
    const { mode, shadow, signal } = this.#host
    if (!owned || !created) throw new ShadowError('CONFLICT', `the link has made no shadow of topic ${name} (${fault?.reason ?? 'it is not owned'}): there is nothing to go back to`)
    if (fault !== null && !ROLLED_BACK_FAULTS.has(fault.code)) {
      throw new ShadowError('CONFLICT', PREFIX_FAULTS.has(fault.code) || fault.code === 'SETTING_CHANGED'
        ? `topic ${name} was stopped by ${fault.code}, which throws nothing away: retry it`
        : `topic ${name} was stopped by ${fault.code}, after which nobody knows what its replicas hold: restore it from scratch`)
    }
    const shown = shownIn(await shadow.refresh({ signal }), name)
    if (shown === null || isAnother(shown, shadowTopicId)) throw new ShadowError('CONFLICT', `the shadow topic ${name} was deleted${shown === null ? '' : ' and made anew by somebody'}: there is nothing to go back to`)
    const source = await this.#sourceTopic(name)
    if (source.topicId === null || sourceTopicId === null) throw new ShadowError('CONFLICT', `the source has no topic ids: nobody knows whether topic ${name} stays the same one while it is compared; restore it from scratch`)
    if (source.partitions.length < partitions) throw new ShadowError('CONFLICT', `the source topic ${name} has ${source.partitions.length} partitions, and its shadow ${partitions}: restore it from scratch`)
    const isOtherTopic = isAnother(source, compared?.topicId ?? sourceTopicId)
    return { source, isOtherTopic, partitions: await mode.planRollback(topic, source, { isOtherTopic }) }
  }

  /** One repair of a topic at a time. */
  async #alone (name: string, repair: (topic: ShadowTopic) => Promise<void>): Promise<void> {
    const topic = this.#repairable(name)
    if (this.#repaired.has(name)) throw new ShadowError('CONFLICT', `topic ${name} is being repaired already, by an order that was given before`)
    this.#repaired.add(name)
    try {
      await repair(topic)
    } finally {
      this.#repaired.delete(name)
    }
  }

  #known (name: string): ShadowTopic {
    const topic = this.#host.topics.get(name)
    if (topic === undefined) throw new ShadowError('NOT_FOUND', `link ${this.#host.name} has no shadow topic ${name}`)
    return topic
  }

  #faulted (name: string): ShadowTopic {
    const topic = this.#known(name)
    if (topic.record.state !== 'FAULTED') throw new ShadowError('CONFLICT', `topic ${name} is ${topic.record.state}, and only one that is FAULTED is repaired`)
    return topic
  }

  /** @throws {ShadowError} CONFLICT also for a topic whose promotion went too far to be taken back */
  #repairable (name: string): ShadowTopic {
    const topic = this.#faulted(name)
    if (topic.record.handingOver) throw new ShadowError('CONFLICT', `topic ${name} was stopped when its promotion was handing it over: real brokers may lead it already, and clients may have written to it through them; it cannot be a shadow again: fail it over`)
    return topic
  }

  /** With nothing else being done to the topic, which is FAULTED still: somebody may have failed it over. */
  async #exclusively (topic: ShadowTopic, work: () => Promise<void>): Promise<void> {
    await topic.exclusively(async () => {
      this.#faulted(topic.topic)
      await work()
    })
  }

  /** Forgets a topic that the link left alone, so that the next sync sees its source as one that is new. */
  async #release (topic: ShadowTopic): Promise<void> {
    const { topics, name, shadow, signal } = this.#host
    const other = this.#host.ownerOf(topic.topic)
    if (other !== null) throw new ShadowError('CONFLICT', `link ${other} owns a topic named ${topic.topic}`)
    if (shownIn(await shadow.refresh({ signal }), topic.topic) !== null) throw new ShadowError('CONFLICT', `the shadow cluster still has a topic named ${topic.topic} that was not made by the link: delete it if nobody needs it`)
    await this.#exclusively(topic, async () => {
      await this.#host.write([{ kind: 'topic', link: name, topic: topic.topic, value: null }])
      topics.delete(topic.topic)
    })
    this.#host.wakeSync()
  }

  /** @throws {ShadowError} CONFLICT where either side is not the topic that was shadowed */
  async #checkTopics ({ topic, record }: ShadowTopic): Promise<void> {
    const restore = 'it can be restored from scratch'
    const shadow = shownIn(await this.#host.shadow.refresh({ signal: this.#host.signal }), topic)
    if (shadow === null) throw new ShadowError('CONFLICT', `the shadow topic ${topic} does not exist any more: ${restore}`)
    if (isAnother(shadow, record.shadowTopicId)) throw new ShadowError('CONFLICT', `the shadow topic ${topic} was deleted and made anew by somebody`)
    const source = await this.#sourceTopic(topic)
    if (isAnother(source, record.sourceTopicId)) throw new ShadowError('CONFLICT', `the source topic ${topic} was deleted and made anew: ${restore}`)
    if (source.partitions.length < record.partitions) throw new ShadowError('CONFLICT', `the source topic ${topic} has ${source.partitions.length} partitions, and its shadow ${record.partitions}: ${restore}`)
  }

  /** @throws {ShadowError} CONFLICT when the source does not have it */
  async #sourceTopic (topic: string): Promise<TopicView> {
    const view = await this.#host.source.refresh({ signal: this.#host.signal })
    this.#host.checkSource(view)
    const source = shownIn(view, topic)
    if (source === null) throw new ShadowError('CONFLICT', `the source does not have the topic ${topic}`)
    if (source.errorCode !== ErrorCodes.NONE) throw new ShadowError('CONFLICT', `the source tells nothing of topic ${topic}`)
    return source
  }

  /** Compares all that the shadow holds with the source. @throws {ShadowError} CONFLICT where there is a difference, or something cannot be compared */
  async #checkRecords (topic: ShadowTopic): Promise<void> {
    const { source, shadow, mode, signal } = this.#host
    const { record } = topic
    for (let partition = 0; partition < record.partitions; partition++) {
      for (const brokerId of mode.replicasOf(topic, partition) ?? [null]) {
        const { difference, incomplete } = await verifyPartition({
          source: { cluster: source, topicId: record.sourceTopicId, brokerId: null },
          shadow: { cluster: shadow, topicId: record.shadowTopicId, brokerId },
          topic: record.topic,
          partition,
          startOffset: record.startOffsets?.[partition] ?? 0,
          endOffset: null,
          mayBeEmpty: true,
          signal
        })
        const reason = difference ?? incomplete
        if (reason !== null) throw new ShadowError('CONFLICT', `topic ${record.topic} stays FAULTED: source and shadow ${difference === null ? 'cannot be compared' : 'differ'} in partition ${partition}: ${reason}`)
      }
    }
  }
}

function shownIn (view: ClusterView, topic: string): TopicView | null {
  const shown = view.topics.get(topic)
  return shown === undefined || shown.errorCode === ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION ? null : shown
}

function isAnother ({ topicId }: TopicView, known: TopicRecord['shadowTopicId']): boolean {
  return topicId !== null && known !== null && topicId !== known
}
