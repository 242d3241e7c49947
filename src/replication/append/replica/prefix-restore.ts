/**
 * Takes a FAULTED topic back to what every real replica of it has in common with its source, by somebody's order. What is looked for is
 * what `on_source_truncation: follow` looks for, and followers are told of it in the same way; but all partitions and all replicas are
 * compared first, and where one of them cannot be, nothing is changed.
 *
 *   planRollback() ──▶ rollBack(): recorded, in epochs of their own ──▶ every replica has thrown away what lies behind
 *
 * The topic is FAULTED before, meanwhile and afterwards: whoever dies on the way leaves a topic that is, and an order that can be repeated.
 */
import { ErrorCodes, errorName } from '../../../../protocol/errors/codes.ts'
import { describeTopicConfigs } from '../../../client/admin/describe-topic-configs.ts'
import { EARLIEST_TIMESTAMP, LATEST_TIMESTAMP, listOffsets } from '../../../client/admin/list-offsets.ts'
import { replicaBounds } from '../../../client/admin/replica-bounds.ts'
import type { TopicView } from '../../../client/cluster.ts'
import { retry } from '../../../client/retry.ts'
import { BrokerError, ShadowError } from '../../../errors.ts'
import { rollbackDecided } from '../../../state/rollbacks.ts'
import type { ShadowTopic } from '../../link/shadow-topic.ts'
import type { PlannedRollback } from '../../link-service.ts'
import { livingReplicas } from './partition-entry.ts'
import { searchCommonPrefix, type ComparedClusters } from './prefix-search.ts'
import type { ReplicaPartition } from './replica-partition.ts'
import { ServedEpochs } from './served-epochs.ts'
import type { ShadowLeader } from './shadow-leader.ts'

export interface PrefixRestoreHost extends Omit<ComparedClusters, 'onMissing' | 'persist'> {
  readonly leader: ShadowLeader
  readonly partitionsOf: (topic: ShadowTopic) => readonly ReplicaPartition[]
  /** See ReplicaWork. */
  readonly raiseLeaderEpoch: (partition: ReplicaPartition, above: number) => Promise<number>
  /** Has the followers told what the topic's record says by now. */
  readonly renew: (topic: ShadowTopic) => Promise<void>
}

const SCRATCH = 'it can only be restored from scratch'
/** What passes by itself, such as a source leader that does not know its end yet, is waited for so long. */
const PATIENCE = { baseMs: 100, maxMs: 1000, deadlineMs: 10_000 }
const CONCURRENT_PARTITIONS = 8
/** A follower that was not heard of for so long is not there. */
const SILENT_MS = 10_000
/** A follower that was told to throws away at once, but may have to find its leader first. */
const THROWN_AWAY_MS = 30_000
const POLL_MS = 20

/**
 * What every partition is rolled back to; nothing is changed. `source` is the source's topic as it is now; `isOtherTopic` when it is not
 * the one that was copied.
 * @throws {ShadowError} CONFLICT where it cannot be done, in words; CLUSTER_UNAVAILABLE, BROKER_ERROR where somebody does not answer
 */
export async function planRollback (topic: ShadowTopic, source: TopicView, { isOtherTopic }: { readonly isOtherTopic: boolean }, host: PrefixRestoreHost): Promise<readonly PlannedRollback[]> {
  try {
    return await planAll(topic, { sourceTopicId: source.topicId, isOtherTopic }, host)
  } catch (error) {
    if (!(error instanceof ShadowError) || !error.retriable || host.signal.aborted) throw error
    throw new ShadowError(error.code, `topic ${topic.topic} stays FAULTED, because it cannot be compared with its source at the moment: ${error.message}`, { cause: error, retriable: true })
  }
}

async function planAll (topic: ShadowTopic, source: Omit<SourceLog, 'bounds'>, host: PrefixRestoreHost): Promise<readonly PlannedRollback[]> {
  await patiently(host, () => refuseCompacted(topic, host))
  const bounds = await patiently(host, () => sourceBounds(topic, host))
  const waiting = host.partitionsOf(topic).map(partition => ({ partition, bounds: bounds[partition.partition] }))
  const planned: PlannedRollback[] = []
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { partition, bounds } = next
      if (bounds === undefined) throw new ShadowError('INVARIANT', `${topic.topic}-${partition.partition} was not asked for`)
      planned.push(await planPartition(partition, { ...source, bounds }, host))
    }
  }
  try {
    await Promise.all(Array.from({ length: CONCURRENT_PARTITIONS }, work))
  } finally {
    waiting.length = 0
  }
  return planned.sort((a, b) => a.partition - b.partition)
}

/** Replicas clean a compacted log by themselves: nobody knows which bytes they had in common. */
async function refuseCompacted ({ topic, record }: ShadowTopic, { source, signal }: PrefixRestoreHost): Promise<void> {
  const configs = (await describeTopicConfigs(source, [topic], { signal })).get(topic)
  if (configs === undefined || configs instanceof BrokerError) throw configs ?? new BrokerError(ErrorCodes.UNKNOWN_SERVER_ERROR, `DescribeConfigs ${topic}`, 'left out of the answer')
  const policies = [record.configs['cleanup.policy'], configs.get('cleanup.policy')?.value]
  if (policies.some(policy => policy?.includes('compact'))) throw new ShadowError('CONFLICT', `topic ${topic} is compacted, and every replica cleans by itself: what they have in common cannot be told; ${SCRATCH}`)
}

interface Bounds {
  readonly logStartOffset: number
  readonly highWatermark: number
}

async function sourceBounds ({ topic, record }: ShadowTopic, { source, signal, obstacle }: PrefixRestoreHost): Promise<readonly Bounds[]> {
  const rowsAt = (timestamp: number): ReturnType<typeof listOffsets> => listOffsets(source, Array.from({ length: record.partitions }, (_, partition) => ({ topic, partition, timestamp })), { signal })
  const [starts, ends] = [await rowsAt(EARLIEST_TIMESTAMP), await rowsAt(LATEST_TIMESTAMP)]
  const failed = [...starts, ...ends].find(({ errorCode, offset }) => errorCode !== ErrorCodes.NONE || offset < 0)
  const reason = obstacle() ?? (failed === undefined ? null : `the source does not tell where ${topic}-${failed.partition} starts and ends: ${failed.error?.message ?? errorName(failed.errorCode)}`)
  if (reason !== null) {
    await source.refresh({ signal })
    throw new ShadowError('CLUSTER_UNAVAILABLE', reason, { retriable: true })
  }
  return starts.map(({ offset }, index) => ({ logStartOffset: offset, highWatermark: ends[index]?.offset ?? -1 }))
}

/** Where one real replica stands, and how far it is the source's. */
interface Compared {
  readonly brokerId: number
  readonly endOffset: number
  readonly lastFetchedEpoch: number
  readonly commonEnd: number
  /** What comes next on both sides; null where all of it is the source's. */
  readonly difference: string | null
}

interface SourceLog {
  readonly bounds: Bounds
  readonly sourceTopicId: string | null
  readonly isOtherTopic: boolean
}

async function planPartition (partition: ReplicaPartition, source: SourceLog, host: PrefixRestoreHost): Promise<PlannedRollback> {
  const replicas = await patiently(host, async () => await Promise.resolve(replicasOf(partition, host)))
  const compared: Compared[] = []
  for (const replica of replicas) compared.push(await compareReplica(partition, replica, source, host))
  const fromOffset = Math.max(...compared.map(({ endOffset }) => endOffset))
  const shortest = compared.filter(({ difference }) => difference !== null).sort((a, b) => a.commonEnd - b.commonEnd)[0]
  if (shortest === undefined) return { partition: partition.partition, fromOffset, toOffset: fromOffset, difference: null }
  const toOffset = shortest.commonEnd
  const epochs = epochsOf(partition, [{ epoch: epochsOf(partition).latest + 1, startOffset: toOffset }])
  for (const { brokerId, endOffset, lastFetchedEpoch } of compared) {
    if (endOffset <= toOffset || (epochs.divergence(lastFetchedEpoch, endOffset)?.endOffset ?? Infinity) <= toOffset) continue
    throw new ShadowError('CONFLICT', `broker ${brokerId} cannot be told to throw away what it has of ${nameOf(partition)} from offset ${toOffset} on: its log ends in a message format without leader epochs; ${SCRATCH}`)
  }
  return { partition: partition.partition, fromOffset, toOffset, difference: `broker ${shortest.brokerId} and the source: ${shortest.difference ?? ''}` }
}

type Replica = Pick<Compared, 'brokerId' | 'endOffset' | 'lastFetchedEpoch'>

/** @throws {ShadowError} CONFLICT for a replica that cannot be compared; CLUSTER_UNAVAILABLE (retriable) for one that has not asked yet */
function replicasOf (partition: ReplicaPartition, { leader }: PrefixRestoreHost): readonly Replica[] {
  const { brokerId: self, image } = leader.assertReady()
  const name = nameOf(partition)
  const { served, topic } = partition
  const entry = served === null ? null : image.partition(served.topicId, partition.partition)
  if (served === null || entry === null || served.topicId !== topic.record.shadowTopicId) throw notNow(`the metadata does not show ${name}, as the link has made it`)
  const other = [entry.leader, ...entry.isr].find(id => id >= 0 && !leader.shadowIds.has(id))
  if (other !== undefined) throw new ShadowError('CONFLICT', `broker ${other} leads ${name}, or may be the next to, and may have written to it; ${SCRATCH}`)
  if (entry.leader !== self) throw notNow(`the shadow leader does not lead ${name} yet`)
  const living = livingReplicas(entry, image, leader.shadowIds)
  const real = entry.replicas.filter(id => !leader.shadowIds.has(id))
  if (real.length === 0) throw new ShadowError('CONFLICT', `no real broker has a replica of ${name}; ${SCRATCH}`)
  return real.map(brokerId => {
    if (!living.includes(brokerId)) throw new ShadowError('CONFLICT', `broker ${brokerId} has a replica of ${name} and is not alive: what it holds cannot be compared; start it, or move the replica to a broker that is alive`)
    const position = served.followers.get(brokerId)
    if (position === undefined || Date.now() - position.atMs > SILENT_MS) throw notNow(`broker ${brokerId} has not told where its log of ${name} ends`)
    const { fetchOffset: endOffset, lastFetchedEpoch } = position
    if (lastFetchedEpoch >= 0 && !served.servedEpochs.isKnown(lastFetchedEpoch)) throw new ShadowError('CONFLICT', `broker ${brokerId} holds records of ${name} that were written under leader epoch ${lastFetchedEpoch}: a real broker has led it; ${SCRATCH}`)
    if (served.servedEpochs.divergence(lastFetchedEpoch, endOffset) !== null) throw notNow(`broker ${brokerId} has not thrown away yet what it was told to of ${name}`)
    return { brokerId, endOffset, lastFetchedEpoch }
  })
}

async function compareReplica (partition: ReplicaPartition, replica: Replica, { bounds, sourceTopicId, isOtherTopic }: SourceLog, host: PrefixRestoreHost): Promise<Compared> {
  const { shadow, signal } = host
  const { brokerId, endOffset } = replica
  const persist = <T>(read: () => Promise<T>): Promise<T> => patiently(host, read)
  const { topic: { topic, record } } = partition
  const name = nameOf(partition)
  const startOffset = Math.max(bounds.logStartOffset, record.startOffsets?.[partition.partition] ?? 0)
  const refused = (reason: string): ShadowError => new ShadowError('CONFLICT', `${name} cannot be taken back to what it has in common with the source: ${reason}; ${SCRATCH}`)
  const { logStartOffset } = await persist(() => replicaBounds(shadow, { topic, partition: partition.partition, brokerId }, { signal }))
  if (endOffset <= logStartOffset) {
    // It holds nothing, and gets all from where it stands on.
    if (endOffset > Math.max(bounds.highWatermark, startOffset)) throw refused(`broker ${brokerId} holds no record of it and stands at offset ${endOffset}, and the source's log ends at ${bounds.highWatermark}`)
    return { ...replica, commonEnd: endOffset, difference: null }
  }
  if (endOffset <= startOffset) throw refused(`the source's log starts at offset ${startOffset}, and that of broker ${brokerId} ends at ${endOffset}: there is nothing to compare`)
  if (logStartOffset > startOffset) throw refused(`the log of broker ${brokerId} starts at offset ${logStartOffset}, and the source's at ${startOffset}: what is in between would be missing`)
  const log = { topic, partition: partition.partition, brokerId, endOffset, shadowTopicId: record.shadowTopicId, sourceTopicId, logStartOffset: startOffset, isOtherTopic }
  const prefix = await persist(() => searchCommonPrefix({ ...host, persist }, log))
  if (prefix.kind === 'unknown') throw refused(`of broker ${brokerId} and the source: ${prefix.reason}`)
  return { ...replica, commonEnd: prefix.end, difference: prefix.difference }
}

/**
 * Has every replica throw away what the plan says; resolves when all of them have. It is recorded before: from then on it is true for
 * whoever leads, and whenever a follower comes. Nothing else is done with the topic meanwhile.
 * @throws {ShadowError} CONFLICT when the topic is not FAULTED any more; CLUSTER_UNAVAILABLE (retriable): it can be planned anew
 */
export async function rollBack (topic: ShadowTopic, plan: readonly PlannedRollback[], host: PrefixRestoreHost): Promise<void> {
  const partitions = host.partitionsOf(topic)
  const due = await Promise.all(plan.filter(({ fromOffset, toOffset }) => toOffset < fromOffset).map(async row => {
    const partition = partitions[row.partition]
    if (partition === undefined) throw new ShadowError('INVARIANT', `a plan for partition ${row.partition} of ${topic.topic}`)
    return { ...row, epoch: await host.raiseLeaderEpoch(partition, epochsOf(partition).latest) }
  }))
  assertFaulted(topic)
  if (due.length === 0) return
  const at = topic.wallClock().toISOString()
  await topic.update({ rollbacks: due.reduce((rows, { partition, fromOffset, toOffset, epoch }) => rollbackDecided(rows, { partition, fromOffset, toOffset, epoch, at }), topic.record.rollbacks) })
  await host.renew(topic)
  await untilThrownAway(topic, due, host)
}

async function untilThrownAway (topic: ShadowTopic, due: readonly PlannedRollback[], host: PrefixRestoreHost): Promise<void> {
  const { signal } = host
  try {
    await retry(async () => {
      assertFaulted(topic)
      for (const { partition: number, toOffset } of due) {
        const partition = host.partitionsOf(topic)[number]
        if (partition === undefined) continue
        const behind = replicasOf(partition, host).find(({ endOffset }) => endOffset > toOffset)
        if (behind !== undefined) throw notNow(`broker ${behind.brokerId} stands at offset ${behind.endOffset} of ${nameOf(partition)}, and was told to go back to ${toOffset}`)
      }
      await Promise.resolve()
    }, { signal, baseMs: POLL_MS, maxMs: POLL_MS, deadlineMs: THROWN_AWAY_MS })
  } catch (error) {
    if (!(error instanceof ShadowError) || signal.aborted) throw error
    throw new ShadowError(error.code, `topic ${topic.topic} stays as it is for now: that its replicas go back is recorded, and goes on, but ${error.message}; give the order again`, { cause: error, retriable: error.retriable })
  }
}

/** It may have been failed over meanwhile, with what it has. */
function assertFaulted ({ topic, record }: ShadowTopic): void {
  if (record.state !== 'FAULTED') throw new ShadowError('CONFLICT', `topic ${topic} is ${record.state} by now, and only one that is FAULTED is repaired`)
}

function epochsOf ({ topic: { record }, partition }: ReplicaPartition, more: ConstructorParameters<typeof ServedEpochs>[0] = []): ServedEpochs {
  return new ServedEpochs([...record.rollbacks.find(row => row.partition === partition)?.epochs ?? [], ...more])
}

function patiently<T> ({ signal }: PrefixRestoreHost, work: () => Promise<T>): Promise<T> {
  return retry(work, { signal, ...PATIENCE })
}

function nameOf ({ topic: { topic }, partition }: ReplicaPartition): string {
  return `partition ${partition} of ${topic}`
}

function notNow (reason: string): ShadowError {
  return new ShadowError('CLUSTER_UNAVAILABLE', reason, { retriable: true })
}
