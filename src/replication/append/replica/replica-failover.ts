/**
 * The failover of one topic in append mode replica, or the end of its promotion. It may be ended at any point, by a kill too, and begun again by whoever leads
 * then: every step looks at what is there.
 *
 *   freeze ──▶ followers at the end, producer-id barrier ──▶ (gather) ──▶ hand over ──▶ where it ended, end open transactions ──▶ (gather) ──▶ topic configs ──▶ FAILED_OVER
 *
 * Topics that are opened at the same time wait for each other at two points, for a short time: before the handover, so that brokers take
 * over all partitions in one go, and after it, so that nothing else is asked of them meanwhile.
 *
 * The source is not asked for anything: it may be gone. Then the longest follower is the truth.
 */
import type { PartitionRow } from '../../../client/admin/ask-leaders.ts'
import { ShadowError } from '../../../errors.ts'
import { orAborted } from '../../../net/abort.ts'
import type { Logger } from '../../../observability/logger.ts'
import type { FailoverQuestions } from '../../failover/failover-questions.ts'
import { Gathering, type Coming } from '../../failover/gathering.ts'
import type { ProducerIdBarrier } from '../../failover/producer-id-barrier.ts'
import { FailoverSteps, ShadowTopicGone } from '../../failover/failover-steps.ts'
import { openWithoutTopic } from '../../failover/open-without-topic.ts'
import { restoreConfigs } from '../../failover/restore-configs.ts'
import { deletionOf, TopicAbsence } from '../../failover/topic-absence.ts'
import { openedState } from '../../../state/topic-state.ts'
import type { ShadowTopic } from '../../link/shadow-topic.ts'
import type { Opening } from '../append-mode.ts'
import { cutPartition, isCutOff, toldBy, type Cut, type CutPartition } from './failover-cut.ts'
import type { FailoverTotals } from './failover-totals.ts'
import { handOver, leaveToIsr } from './hand-over.ts'
import { sameBrokers, targetReplicas } from './partition-entry.ts'
import { completeReplicas } from './replica-placement.ts'
import type { ReplicaPartition } from './replica-partition.ts'
import { ServedEpochs } from './served-epochs.ts'
import type { ShadowLeader } from './shadow-leader.ts'

/** Followers are looked at every few milliseconds: who has them at the end is not far behind the others. */
const HAND_OVER = { quietMs: 20, mostMs: 100 }
/** Brokers take partitions over one by one, a few hundred a second; and what follows another broker goes on only after all of them. */
const TAKEN_OVER = { quietMs: 200, mostMs: 2000 }

/** By partition. */
type Cuts = ReadonlyMap<number, Cut>

/** Where the topics that are opened at the same time wait for each other. */
export interface FailoverGatherings {
  readonly handOver: Gathering
  readonly takenOver: Gathering
}

export function failoverGatherings (now: () => number): FailoverGatherings {
  return { handOver: new Gathering({ ...HAND_OVER, now }), takenOver: new Gathering({ ...TAKEN_OVER, now }) }
}

export interface ReplicaFailoverOptions extends Opening {
  readonly leader: ShadowLeader
  /** How long a follower is waited for that does not have all, and may yet; then it is left out, and joins again afterwards. */
  readonly followerTimeoutMs: number
  readonly questions: FailoverQuestions
  readonly totals: FailoverTotals
  readonly gatherings: FailoverGatherings
  readonly barrier: ProducerIdBarrier
  readonly logger: Logger
  readonly now: () => number
  /** Ends when the engine no longer leads, and for nothing else: from the handover on, a promotion goes on to its end. */
  readonly leadership: AbortSignal
  /** The topic's partitions, as many as the metadata shows. */
  readonly partitionsOf: (topic: ShadowTopic) => readonly ReplicaPartition[]
  readonly shadowingConfigs: (topic: ShadowTopic) => Promise<Readonly<Record<string, string>>>
}

/**
 * See AppendMode.failOver. What can pass is tried again until the signal ends it.
 * @throws {ShadowError} ABORTED
 */
export async function failOverReplica (topic: ShadowTopic, options: ReplicaFailoverOptions): Promise<void> {
  const announced: Coming[] = []
  try {
    await open(topic, options, gathering => {
      const coming = gathering.announce(() => topic.problem !== null)
      announced.push(coming)
      return coming
    })
  } catch (error) {
    if (!(error instanceof ShadowTopicGone)) throw error
    await openWithoutTopic(topic, error.message, options)
  } finally {
    for (const coming of announced) coming.leave()
  }
}

async function open (topic: ShadowTopic, options: ReplicaFailoverOptions, announce: (gathering: Gathering) => Coming): Promise<void> {
  const { leader, questions, logger, totals, leadership, gatherings } = options
  const toHandOver = announce(gatherings.handOver)
  const steps = new FailoverSteps(topic, { ...options, absence: absenceOf(topic, options) })
  const opened = openedState(topic.record.state)
  if (opened === null) throw new ShadowError('INVARIANT', `topic ${topic.topic} is ${topic.record.state}, and nothing has it opened`)
  const topicId = await steps.run('lookUp', () => topicIdOf(topic, leader))
  if (topicId === null) {
    // Claimed, and never created: there is nothing to open but the name.
    await steps.run('record', () => topic.enter(opened, { endOffsets: [] }), leadership)
    steps.log(logger)
    return
  }
  // No producer id comes to the followers from here on that was not noted.
  for (const partition of options.partitionsOf(topic)) partition.freeze()
  const [found] = await Promise.all([
    steps.run('followers', () => cutAll(topic, topicId, options)),
    steps.run('producerIds', () => questions.ensureBarrier())
  ])
  await steps.run('gather', () => orAborted(toHandOver.arrive(), options.signal))
  // Of a promotion, a fault is the end.
  if (openedState(topic.record.state) !== opened) return
  if (!topic.record.handingOver && !await options.mayOpen(found.map(({ end }) => end ?? -1))) {
    topic.thaw()
    return
  }
  // There is no way back from here on, and whoever goes on with it must know. A topic that is FAILING_OVER says so already.
  if (opened === 'PROMOTED' && !topic.record.handingOver) await steps.run('decision', () => topic.update({ handingOver: true }), leadership)
  const takenOver = announce(gatherings.takenOver)
  const cuts = new Map(found.map(cut => [cut.partition, cut]))
  await steps.run('handOver', () => handOverAll(topic, topicId, cuts, options), leadership)
  const ends = steps.run('endOffsets', () => endsOf(topic, cuts, questions), leadership)
  const [endOffsets] = await Promise.all([ends, steps.run('transactions', () => endTransactions(topic, ends, options), leadership)])
  await steps.run('gatherAgain', () => orAborted(takenOver.arrive(), leadership), leadership)
  const refusedConfigs = await steps.run('configs', async () => {
    // They are set by its name.
    if (leader.control.image.topicsByName.get(topic.topic)?.id !== topicId) throw new ShadowError('CONFLICT', `the topic ${topic.topic} of the shadow cluster is not the one that was handed over (id ${topicId})`, { retriable: true })
    return await restoreConfigs(topic, { alter: (name, changes) => questions.alterConfigs(name, changes), shadowing: await options.shadowingConfigs(topic) })
  }, leadership)
  await steps.run('replicas', () => giveBack(topic, topicId, cuts, leader), leadership)
  await steps.run('record', () => topic.enter(opened, { created: true, handingOver: false, shadowTopicId: topicId, endOffsets, refusedConfigs }), leadership)
  totals.add(topic.record.partitions, steps.log(logger))
}

/** By the metadata log, which lacks nothing. */
function absenceOf ({ topic, record: { shadowTopicId } }: ShadowTopic, { leader: { metadata }, now }: ReplicaFailoverOptions): TopicAbsence {
  return new TopicAbsence(async () => {
    const image = metadata.freshImage
    const isThere = image === null || shadowTopicId === null || image.topics.has(shadowTopicId)
    return await Promise.resolve(isThere ? null : deletionOf(shadowTopicId, image.topicsByName.get(topic)?.id ?? null))
  }, now)
}

/** Null for a topic that was claimed and never created; one of that name that somebody else made is none of ours. */
async function topicIdOf ({ topic, record }: ShadowTopic, leader: ShadowLeader): Promise<string | null> {
  const { image } = leader.control
  if (record.shadowTopicId !== null) {
    if (!image.topics.has(record.shadowTopicId)) throw new ShadowError('CONFLICT', `the shadow topic ${topic} (id ${record.shadowTopicId}) was deleted`, { retriable: true })
    return record.shadowTopicId
  }
  const found = image.topicsByName.get(topic)
  const isOurs = found !== undefined && [...found.partitions.values()].every(({ replicas }) => replicas.some(id => leader.shadowIds.has(id)))
  return await Promise.resolve(isOurs ? found.id : null)
}

/** Freezes all partitions at once, and waits for their followers together. Those that are handed over already are left out. */
async function cutAll (topic: ShadowTopic, topicId: string, options: ReplicaFailoverOptions): Promise<Cut[]> {
  options.leader.assertReady()
  const partitions = options.partitionsOf(topic)
  for (const partition of partitions) partition.freeze()
  const cuts = await Promise.all(partitions.map(({ partition, served }) => cutPartition({ topic: topic.topic, topicId, partition, served }, options)))
  return cuts.filter(found => found !== null)
}

/**
 * Hands all partitions over that are not yet. Before each attempt it is looked whether those are still there who are to lead, with all that
 * they had: time may have passed, and what was tried before may have failed for their sake. What is not so is cut anew, in `cuts`.
 */
async function handOverAll (topic: ShadowTopic, topicId: string, cuts: Map<number, Cut>, options: ReplicaFailoverOptions): Promise<void> {
  const partitions = options.partitionsOf(topic)
  const outcomes = await Promise.allSettled([...cuts.values()].map(async cut => {
    const partition = partitions[cut.partition]
    const still = await stillCut(cut, { topic: topic.topic, topicId, partition: cut.partition, served: partition?.served ?? null }, topic, options)
    cuts.set(cut.partition, still.cut)
    await handOver(options.leader, topicId, topic.topic, cut.partition, still.cut.targets, still.told)
    partition?.handedOver()
  }))
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}

/** The cut, or another one where it is not true any more, and the broker epochs of its targets. @throws {ShadowError} as `cutPartition` */
async function stillCut (cut: Cut, partition: CutPartition, topic: ShadowTopic, options: ReplicaFailoverOptions): Promise<{ readonly cut: Cut, readonly told: ReadonlyMap<number, bigint> }> {
  const { leader, leadership, logger } = options
  const name = `${partition.topic}-${partition.partition}`
  if (isCutOff(partition, leader)) return { cut, told: new Map() }
  const before = toldBy(cut, partition, leader)
  if (before !== null) return { cut, told: before }
  // A promotion loses nothing, and it was agreed to open it with that.
  const anew = await cutPartition(partition, { ...options, signal: leadership, ...(topic.record.state === 'PROMOTING' ? { atLeast: cut.end ?? 0 } : {}) })
  if (anew === null) return { cut, told: new Map() }
  logger.warn({ topic: partition.topic, partition: partition.partition, before: { end: cut.end, brokers: cut.targets }, end: anew.end, brokers: anew.targets },
    `${name} is handed over to brokers ${anew.targets.join(', ')}: of ${cut.targets.join(', ')}, who had all of it, not all are there any more as they were`)
  const told = toldBy(anew, partition, leader)
  if (told === null) throw new ShadowError('CLUSTER_UNAVAILABLE', `a broker that is to lead ${name} has just died`, { retriable: true })
  return { cut: anew, told }
}

/**
 * Transactions that were open on the source have no coordinator here that could end them, and would hold readers up for ever. They began
 * before `ends`, where the copies end; what began behind them is a client's own that writes already, which its coordinator ends.
 */
async function endTransactions (topic: ShadowTopic, ends: Promise<readonly number[]>, { questions, barrier }: ReplicaFailoverOptions): Promise<void> {
  const states = await Promise.all(rowsOf(topic).map(row => questions.producersOf(row)))
  // An engine that died may not have noted all that it gave to followers.
  let isHigher = false
  for (const { producers } of states) for (const { producerId } of producers) if (barrier.note(producerId)) isHigher = true
  if (isHigher) await questions.ensureBarrier()
  const endOffsets = await ends
  const isCopied = (partition: number, startOffset: number): boolean => startOffset >= 0 && startOffset < (endOffsets[partition] ?? 0)
  await Promise.all(states.flatMap(({ topic, partition, producers }) => producers.filter(({ currentTxnStartOffset }) => isCopied(partition, currentTxnStartOffset))
    .map(({ producerId, producerEpoch, coordinatorEpoch }) => questions.abort({ topic, partition, producerId, producerEpoch, coordinatorEpoch }))))
}

/** Where the copies ended: the last leader epoch of what was copied ends where the first real leader began. */
async function endsOf (topic: ShadowTopic, cuts: Cuts, questions: FailoverQuestions): Promise<number[]> {
  return await Promise.all(rowsOf(topic).map(async row => {
    const { partition } = row
    const { latest } = new ServedEpochs(topic.record.rollbacks.find(row => row.partition === partition)?.epochs)
    const { endOffset } = await questions.endOfCopy({ ...row, leaderEpoch: latest })
    const cutAt = cuts.get(partition)?.end ?? null
    // Where nothing was copied, there is no such epoch.
    const end = endOffset < 0 ? cutAt ?? 0 : endOffset
    if (cutAt !== null && end !== cutAt) topic.fault({ code: 'DIVERGED', reason: `the copy was handed over at offset ${cutAt}, and its new leader says that it ends at ${end}`, partition, offset: Math.min(cutAt, end) })
    return end
  }))
}

function rowsOf ({ topic, record }: ShadowTopic): PartitionRow[] {
  return Array.from({ length: record.partitions }, (_, partition) => ({ topic, partition }))
}

/**
 * Replicas that were left out are given back; they join when they have caught up, which nobody waits for. An engine before this one
 * may have left them out: the record says how many there are to be.
 */
async function giveBack (topic: ShadowTopic, topicId: string, cuts: Cuts, leader: ShadowLeader): Promise<void> {
  const { control, shadowIds } = leader
  const { image } = control
  await Promise.all(Array.from({ length: topic.record.partitions }, async (_, partition) => {
    const entry = image.partition(topicId, partition)
    if (entry === null) return
    const real = entry.replicas.filter(id => !shadowIds.has(id))
    const wanted = cuts.get(partition)?.wanted ?? []
    const count = Math.max(wanted.length, topic.record.replicationFactor ?? 0)
    const all = completeReplicas(targetReplicas(entry).filter(id => real.includes(id)), { count, preferred: [...wanted, ...real], image, shadowLeaders: shadowIds })
    if (real.length < entry.replicas.length) await leaveToIsr(leader, entry, topic.topic)
    else if (sameBrokers(all, targetReplicas(entry))) return
    await control.reassign(topic.topic, partition, all)
  }))
}
