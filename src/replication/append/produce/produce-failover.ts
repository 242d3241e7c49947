/**
 * The opening of one topic: its failover, or the end of its promotion. It may be ended at any point, by a kill too, and begun
 * again by whoever leads then: every step looks at what is there, and the state topic says FAILING_OVER or PROMOTING until the
 * last one is done.
 *
 *   freeze ──▶ drain ──▶ read the ends ──▶ producer-id barrier ──▶ may it be opened? ──▶ topic configs ──▶ FAILED_OVER or PROMOTED
 *                                                                      └──▶ thaw (a promotion whose source has grown)
 *
 * In a failover the source is not asked for anything: it may be gone.
 */
import { ErrorCodes } from '../../../../protocol/errors/codes.ts'
import type { PartitionRow } from '../../../client/admin/ask-leaders.ts'
import { LATEST_TIMESTAMP, listOffsets } from '../../../client/admin/list-offsets.ts'
import type { Cluster } from '../../../client/cluster.ts'
import { BrokerError, ShadowError } from '../../../errors.ts'
import { sleep } from '../../../net/sleep.ts'
import type { Logger } from '../../../observability/logger.ts'
import { openedState, type TopicFault } from '../../../state/topic-state.ts'
import type { FailoverQuestions } from '../../failover/failover-questions.ts'
import { FailoverSteps, ShadowTopicGone } from '../../failover/failover-steps.ts'
import { openWithoutTopic } from '../../failover/open-without-topic.ts'
import type { ProducerIdBarrier } from '../../failover/producer-id-barrier.ts'
import { restoreConfigs } from '../../failover/restore-configs.ts'
import type { ShadowTopic } from '../../link/shadow-topic.ts'
import type { Opening } from '../append-mode.ts'
import { OwnTopic } from './own-topic.ts'
import type { PartitionCopy } from './partition-copy.ts'

const DRAIN_TIMEOUT_MS = 10_000
const POLL_MS = 10
const NAMED_PARTITIONS = 5
/** After an append of unknown outcome the shadow broker may still carry it out for a moment (see locator.ts). */
const SETTLE_MS = 1000

export interface FailoverOptions extends Opening {
  readonly shadow: Cluster
  readonly barrier: ProducerIdBarrier
  readonly questions: FailoverQuestions
  readonly logger: Logger
  readonly now: () => number
  /** Ends when the engine no longer leads, and for nothing else. */
  readonly leadership: AbortSignal
  /** The configs that the topic has because it is a shadow. */
  readonly shadowingConfigs: (topic: ShadowTopic) => Promise<Readonly<Record<string, string>>>
}

/**
 * See AppendMode.failOver. What can pass is tried again until the signal ends it.
 * @throws {ShadowError} ABORTED
 */
export async function failOverProduced (topic: ShadowTopic, copies: readonly PartitionCopy[], options: FailoverOptions): Promise<void> {
  try {
    await open(topic, copies, options)
  } catch (error) {
    if (!(error instanceof ShadowTopicGone)) throw error
    await openWithoutTopic(topic, error.message, options)
  }
}

async function open (topic: ShadowTopic, copies: readonly PartitionCopy[], options: FailoverOptions): Promise<void> {
  const { questions, logger } = options
  const own = new OwnTopic(topic, options)
  const steps = new FailoverSteps(topic, { ...options, absence: own.absence })
  const opened = openedState(topic.record.state)
  if (opened === null) throw new ShadowError('INVARIANT', `topic ${topic.topic} is ${topic.record.state}, and nothing has it opened`)
  await steps.run('drain', () => drain(topic, copies, options))
  if (topic.record.created) await steps.run('lookUp', () => own.check())
  if (topic.record.created || await steps.run('lookUp', () => wasCreated(topic, options))) {
    const partitions = Array.from({ length: topic.record.partitions }, (_, partition) => ({ topic: topic.topic, partition }))
    const endOffsets = await steps.run('endOffsets', () => settledEnds(copies, partitions, options))
    // After the ends: a batch that landed late has an id, too.
    await steps.run('producerIds', () => ensureProducerIds(partitions, options))
    // A promotion goes back to copying, and copies again what was lost.
    const fault = foreignWrite(copies, endOffsets) ?? (opened === 'FAILED_OVER' ? lostRecords(copies, endOffsets) : null)
    if (fault !== null) topic.fault(fault)
    // Of a promotion, that is the end.
    if (openedState(topic.record.state) !== opened) return
    if (!await options.mayOpen(endOffsets)) {
      topic.thaw()
      return
    }
    topic.stop()
    const refusedConfigs = await steps.run('configs', async () => {
      // They are set by its name.
      await own.check()
      return await restoreConfigs(topic, { alter: (name, changes) => questions.alterConfigs(name, changes), shadowing: await options.shadowingConfigs(topic) })
    })
    // Whether it was written must be known before anything else may become of the topic.
    await steps.run('record', () => topic.enter(opened, { created: true, endOffsets, refusedConfigs }), options.leadership)
  } else {
    // Claimed, and never created: there is nothing to open but the name.
    await steps.run('record', () => topic.enter(opened, { endOffsets: [] }), options.leadership)
  }
  steps.log(logger)
}

/** Waits until what was fetched is appended, as far as that goes without asking the source, and nothing is under way any more. */
async function drain (topic: ShadowTopic, copies: readonly PartitionCopy[], { now, signal }: FailoverOptions): Promise<void> {
  topic.freeze()
  const deadlineMs = now() + DRAIN_TIMEOUT_MS
  while (now() < deadlineMs && copies.some(copy => copy.isDraining)) await sleep(POLL_MS, signal)
  // A promotion may have to go back to copying. What it has not appended by now, the source has more of than the shadow.
  if (topic.record.state === 'FAILING_OVER') topic.stop()
  // An append that is still under way ends with an answer, or with the timeout of its request.
  while (copies.some(copy => copy.isAppending)) await sleep(POLL_MS, signal)
}

/** Whether a topic that is only claimed is there all the same: its creation may have been carried out and not recorded. It is empty then. */
async function wasCreated ({ record }: ShadowTopic, { shadow, signal }: FailoverOptions): Promise<boolean> {
  const found = (await shadow.refresh({ signal })).topics.get(record.topic)
  if (found?.partitions.length !== record.partitions) return false
  const ends = await listOffsets(shadow, found.partitions.map(({ partition }) => ({ topic: record.topic, partition, timestamp: LATEST_TIMESTAMP })), { signal })
  const failed = ends.find(({ errorCode }) => errorCode !== ErrorCodes.NONE)
  if (failed !== undefined) throw failed.error ?? new BrokerError(failed.errorCode, `ListOffsets ${record.topic}`)
  return ends.every(({ offset }) => offset === 0)
}

/** The fault when a partition does not end where this engine's last append left it; null when all do, as far as it knows. */
function foreignWrite (copies: readonly PartitionCopy[], endOffsets: readonly number[]): TopicFault | null {
  for (const { partition, shadowEndOffset, ambiguous } of copies) {
    const end = endOffsets[partition]
    if (shadowEndOffset === null || end === undefined || end <= shadowEndOffset || end === (ambiguous?.lastOffset ?? -1) + 1) continue
    return { code: 'FOREIGN_WRITE', reason: `something else wrote offsets ${shadowEndOffset} to ${end - 1} of the shadow partition, and nothing was copied there`, partition, offset: shadowEndOffset }
  }
  return null
}

/** The fault when partitions end before what the shadow cluster had confirmed to this engine; null when none does, as far as it knows. */
function lostRecords (copies: readonly PartitionCopy[], endOffsets: readonly number[]): TopicFault | null {
  const lost = copies.flatMap(({ partition, shadowEndOffset }) => {
    const end = endOffsets[partition]
    return shadowEndOffset === null || end === undefined || end >= shadowEndOffset ? [] : [{ partition, end, range: `offsets ${end} to ${shadowEndOffset - 1} of partition ${partition}` }]
  })
  const [first] = lost
  if (first === undefined) return null
  const more = lost.length - NAMED_PARTITIONS
  const ranges = `${lost.slice(0, NAMED_PARTITIONS).map(({ range }) => range).join(', ')}${more > 0 ? `, and of ${more} more partitions` : ''}`
  return { code: 'SHADOW_LOST_RECORDS', reason: `the shadow cluster has lost what it had confirmed: ${ranges}`, partition: first.partition, offset: first.end }
}

/**
 * Where the partitions end, once nothing can be appended any more. Where the outcome of an append is not known, or another engine
 * copied before this one, a broker that stood still may carry one out as it wakes: the ends count that are read a while after it
 * first answered.
 */
async function settledEnds (copies: readonly PartitionCopy[], partitions: readonly PartitionRow[], options: FailoverOptions): Promise<number[]> {
  const ends = await readEnds(partitions, options)
  if (copies.length === partitions.length && copies.every(({ ambiguous }) => ambiguous === null)) return ends
  await sleep(SETTLE_MS, options.signal)
  return await readEnds(partitions, options)
}

/** Where the partitions end, once all their replicas have all of it. */
async function readEnds (partitions: readonly PartitionRow[], { questions }: FailoverOptions): Promise<number[]> {
  return await Promise.all(partitions.map(row => questions.logEnd(row)))
}

/** Makes sure that no live broker hands out an id that these partitions know. What they know is asked of them: this engine may not have copied it all. */
async function ensureProducerIds (partitions: readonly PartitionRow[], { questions, barrier }: FailoverOptions): Promise<void> {
  const states = await Promise.all(partitions.map(row => questions.producersOf(row)))
  for (const { producers } of states) for (const { producerId } of producers) barrier.note(producerId)
  await questions.ensureBarrier()
}
