/**
 * The failover of one topic. It may be ended at any point, by a kill too, and begun again by whoever leads then: every step
 * looks at what is there, and the state topic says FAILING_OVER until the last one is done.
 *
 *   freeze ──▶ drain ──▶ read the ends ──▶ producer-id barrier ──▶ topic configs ──▶ FAILED_OVER
 *
 * The source is not asked for anything: it may be gone.
 */
import { ErrorCodes, errorName } from '../../../protocol/errors/codes.ts'
import { alterTopicConfigs } from '../../client/admin/alter-topic-configs.ts'
import { DEBUGGING_REPLICA_ID, LATEST_TIMESTAMP, listOffsets } from '../../client/admin/list-offsets.ts'
import type { Cluster } from '../../client/cluster.ts'
import { retry } from '../../client/retry.ts'
import { BrokerError, ShadowError } from '../../errors.ts'
import { sleep } from '../../net/sleep.ts'
import type { Logger } from '../../observability/logger.ts'
import type { TopicFault } from '../../state/topic-state.ts'
import type { ShadowTopic } from '../link/shadow-topic.ts'
import { failoverConfigs } from '../link/topic-configs.ts'
import type { ProducerIdBarrier } from './producer-id-barrier.ts'

const DRAIN_TIMEOUT_MS = 10_000
const POLL_MS = 10
/** After an append of unknown outcome the shadow broker may still carry it out for a moment (see append/produce/locator.ts). */
const SETTLE_MS = 1000
const RETRY = { baseMs: 100, maxMs: 2000 }

export interface FailoverOptions {
  readonly shadow: Cluster
  readonly barrier: ProducerIdBarrier
  readonly logger: Logger
  readonly now: () => number
  readonly signal: AbortSignal
  /** The configs that the topic has because it is a shadow. */
  readonly shadowingConfigs: (topic: ShadowTopic) => Promise<Readonly<Record<string, string>>>
}

/**
 * Takes a topic that is FAILING_OVER to FAILED_OVER. What can pass is tried again for as long as this engine leads.
 * @throws {ShadowError} ABORTED
 */
export async function failOver (topic: ShadowTopic, options: FailoverOptions): Promise<void> {
  const { logger, now, signal } = options
  const { link, topic: name } = topic.record
  const startedAtMs = now()
  const steps: Record<string, number> = {}
  const step = async <T>(label: string, work: () => Promise<T>): Promise<T> => {
    const fromMs = now()
    const result = await retry(async () => {
      try {
        const value = await work()
        topic.problem = null
        return value
      } catch (error) {
        topic.problem = `failing over, ${label}: ${error instanceof Error ? error.message : String(error)}`
        throw asRetriable(error)
      }
    }, { signal, ...RETRY })
    steps[`${label}Ms`] = Math.round(now() - fromMs)
    return result
  }
  await step('drain', () => drain(topic, options))
  if (topic.record.created || await step('lookUp', () => wasCreated(topic, options))) {
    const partitions = Array.from({ length: topic.record.partitions }, (_, partition) => ({ topic: name, partition }))
    const endOffsets = await step('endOffsets', () => settledEnds(topic, partitions, options))
    // After the ends: a batch that landed late has an id, too.
    await step('producerIds', () => options.barrier.ensure(partitions, signal))
    const foreign = foreignWrite(topic, endOffsets)
    if (foreign !== null) topic.fault(foreign)
    const refusedConfigs = await step('configs', () => restoreConfigs(topic, options))
    await step('record', () => topic.enter('FAILED_OVER', { created: true, endOffsets, refusedConfigs }))
  } else {
    // Claimed, and never created: there is nothing to open but the name.
    await step('record', () => topic.enter('FAILED_OVER', { endOffsets: [] }))
  }
  logger.info({ link, topic: name, ...steps, totalMs: Math.round(now() - startedAtMs) }, `topic ${name} is failed over and writable`)
}

/** Waits until what was fetched is appended, as far as that goes without asking the source, and nothing is under way any more. */
async function drain (topic: ShadowTopic, { now, signal }: FailoverOptions): Promise<void> {
  topic.freeze()
  const deadlineMs = now() + DRAIN_TIMEOUT_MS
  while (now() < deadlineMs && topic.copies.some(copy => copy.isDraining)) await sleep(POLL_MS, signal)
  topic.stop()
  // An append that is still under way ends with an answer, or with the timeout of its request.
  while (topic.copies.some(copy => copy.isAppending)) await sleep(POLL_MS, signal)
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
function foreignWrite ({ copies }: ShadowTopic, endOffsets: readonly number[]): TopicFault | null {
  for (const { partition, shadowEndOffset, ambiguous } of copies) {
    const end = endOffsets[partition]
    if (shadowEndOffset === null || end === undefined || end <= shadowEndOffset || end === (ambiguous?.lastOffset ?? -1) + 1) continue
    return { code: 'FOREIGN_WRITE', reason: `something else wrote offsets ${shadowEndOffset} to ${end - 1} of the shadow partition, and nothing was copied there`, partition, offset: shadowEndOffset }
  }
  return null
}

/**
 * Where the partitions end, once nothing can be appended any more. Where the outcome of an append is not known, or another engine
 * copied before this one, a broker that stood still may carry one out as it wakes: the ends count that are read a while after it
 * first answered.
 */
async function settledEnds (topic: ShadowTopic, partitions: ReadonlyArray<{ readonly topic: string, readonly partition: number }>, options: FailoverOptions): Promise<number[]> {
  const ends = await readEnds(topic, partitions, options)
  if (topic.copies.length === partitions.length && topic.copies.every(({ ambiguous }) => ambiguous === null)) return ends
  await sleep(SETTLE_MS, options.signal)
  return await readEnds(topic, partitions, options)
}

/** Where the partitions end, once all their replicas have all of it. */
async function readEnds (topic: ShadowTopic, partitions: ReadonlyArray<{ readonly topic: string, readonly partition: number }>, { shadow, signal }: FailoverOptions): Promise<number[]> {
  const rows = partitions.map(row => ({ ...row, timestamp: LATEST_TIMESTAMP }))
  const [logEnds, highWatermarks] = await Promise.all([listOffsets(shadow, rows, { signal, replicaId: DEBUGGING_REPLICA_ID }), listOffsets(shadow, rows, { signal })])
  const confirmed = new Map(highWatermarks.map(row => [row.partition, row]))
  const ends: number[] = []
  for (const { partition, errorCode, error, offset } of logEnds) {
    const other = confirmed.get(partition)
    const failed = errorCode !== ErrorCodes.NONE ? { errorCode, error } : other === undefined || other.errorCode !== ErrorCodes.NONE ? other : undefined
    if (other === undefined || failed !== undefined) {
      throw new ShadowError('BROKER_ERROR', `the end of ${topic.topic}-${partition} cannot be read: ${failed?.error?.message ?? errorName(failed?.errorCode ?? ErrorCodes.UNKNOWN_SERVER_ERROR)}`, { retriable: true })
    }
    if (other.offset !== offset) throw new ShadowError('BROKER_ERROR', `the replicas of ${topic.topic}-${partition} have confirmed offset ${other.offset} of ${offset}`, { retriable: true })
    ends[partition] = offset
  }
  return ends
}

/**
 * Sets the source's configs. What the shadow cluster refuses goes back to its default, one by one, and is reported: a topic must
 * not keep forever what was only meant for shadowing.
 */
async function restoreConfigs (topic: ShadowTopic, { shadow, signal, shadowingConfigs }: FailoverOptions): Promise<Record<string, string>> {
  const changes = failoverConfigs(topic.record.configs, await shadowingConfigs(topic))
  try {
    await alterTopicConfigs(shadow, topic.topic, changes, { signal })
    return {}
  } catch (error) {
    if (!isRefusal(error)) throw error
  }
  const refused: Record<string, string> = {}
  for (const [name, value] of changes) {
    const reason = await refusalOf(shadow, topic.topic, name, value, signal)
    if (reason === null) continue
    refused[name] = `${value ?? 'the default'}: ${reason}`
    if (value !== null) await refusalOf(shadow, topic.topic, name, null, signal)
  }
  return refused
}

/** Sets one config; the shadow cluster's reason if it refuses. */
async function refusalOf (shadow: Cluster, topic: string, name: string, value: string | null, signal: AbortSignal): Promise<string | null> {
  try {
    await alterTopicConfigs(shadow, topic, new Map([[name, value]]), { signal })
    return null
  } catch (error) {
    if (!isRefusal(error)) throw error
    return error.message
  }
}

function isRefusal (error: unknown): error is BrokerError {
  const refusals: readonly number[] = [ErrorCodes.INVALID_CONFIG, ErrorCodes.INVALID_REQUEST, ErrorCodes.POLICY_VIOLATION]
  return error instanceof BrokerError && refusals.includes(error.wireCode)
}

/** Nothing ends a failover but the end of leadership: somebody may mend what is in its way. */
function asRetriable (error: unknown): unknown {
  if (error instanceof ShadowError && (error.retriable || error.code === 'ABORTED')) return error
  return new ShadowError('CLUSTER_UNAVAILABLE', error instanceof Error ? error.message : String(error), { retriable: true, cause: error })
}
