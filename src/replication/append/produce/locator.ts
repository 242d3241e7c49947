/**
 * Finds out where the copying of a partition goes on: the position is the shadow's own end offset, and nothing is trusted but
 * what both clusters say now. Partitions are looked up together, and those of one round do not wait for those of another.
 *
 * After an append whose outcome is not known, a broker may still have the request in its queue. Its connection was reset, so
 * it can read no more of it, and what it had read it handles at once; the end offset counts only if it is read a while after.
 * That while begins with an answer: a broker that stands still handles nothing, and then everything at the same time.
 */
import { errorName, ErrorCodes } from '../../../../protocol/errors/codes.ts'
import type { RecordBatch } from '../../../../protocol/records/record-batch.ts'
import { BatchReader } from '../../../client/admin/batch-reader.ts'
import { CONSUMER_REPLICA_ID, DEBUGGING_REPLICA_ID, EARLIEST_TIMESTAMP, LATEST_TIMESTAMP, listOffsets, type ListedOffset } from '../../../client/admin/list-offsets.ts'
import type { Cluster } from '../../../client/cluster.ts'
import { messageOf } from '../../../errors.ts'
import { backoffMs } from '../../../net/backoff.ts'
import type { TopicFault } from '../../../state/topic-state.ts'
import { knownLeader } from '../../source/leader.ts'
import { isSameBatch, tellApart } from '../same-batch.ts'
import type { AmbiguousAppend, PartitionCopy } from './partition-copy.ts'

/** How long after the shadow first answered, an append of unknown outcome behind it, its end offset is read. */
const SETTLE_MS = 1000
/** A broker that was just lost has a pause of its own before it is dialled again. */
const MAX_BACKOFF_MS = 2000
const PARTITIONS_PER_ROUND = 500
/** Enough for the reads to fill their requests. */
const CONCURRENT_TAILS = 500
/** Enough for most batches; a broker answers with a whole one in any case. */
const TAIL_BYTES = 64 * 1024

export interface LocatorOptions {
  readonly source: Cluster
  readonly shadow: Cluster
  readonly signal: AbortSignal
  readonly now: () => number
  readonly retryBackoffMs: number
  /** Why the source cannot be asked at the moment; null when it can. */
  readonly obstacle: () => string | null
}

/** What both clusters say of a partition. */
interface Bounds {
  /** The end of the shadow leader's log, and what its replicas have of it. */
  readonly shadowLogEnd: number
  readonly shadowHighWatermark: number
  readonly shadowLogStart: number
  readonly sourceLogStart: number
  readonly sourceHighWatermark: number
}

type Outcome =
  | { readonly kind: 'located', readonly end: number, readonly epoch: number, readonly bounds: Bounds }
  | { readonly kind: 'fault', readonly fault: TopicFault }
  | { readonly kind: 'failed', readonly problem: string }
  | { readonly kind: 'later', readonly delayMs: number }

export class Locator {
  readonly #options: LocatorOptions
  readonly #due = new Map<PartitionCopy, number>()
  /** When the end of the shadow was first answered after an append of unknown outcome. */
  readonly #answeredAtMs = new WeakMap<AmbiguousAppend, number>()
  #timer: NodeJS.Timeout | null = null
  /** By the clock; Infinity when there is no timer. */
  #armedForMs = Infinity
  readonly #source: BatchReader
  readonly #shadow: BatchReader

  constructor (options: LocatorOptions) {
    this.#options = options
    this.#source = new BatchReader(options.source, options)
    this.#shadow = new BatchReader(options.shadow, options)
    options.signal.addEventListener('abort', () => {
      this.#due.clear()
      if (this.#timer !== null) clearTimeout(this.#timer)
    }, { once: true })
  }

  /** Looks a partition up, after a pause that grows with the number of failures before. */
  schedule (copy: PartitionCopy, attempt: number): void {
    const delayMs = attempt === 0 ? 0 : this.#options.retryBackoffMs + backoffMs(attempt, { baseMs: this.#options.retryBackoffMs, maxMs: MAX_BACKOFF_MS })
    this.#at(copy, delayMs)
  }

  #at (copy: PartitionCopy, delayMs: number): void {
    if (this.#options.signal.aborted) return
    const atMs = this.#options.now() + delayMs
    this.#due.set(copy, atMs)
    if (atMs < this.#armedForMs) this.#arm(atMs)
  }

  #arm (atMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#armedForMs = atMs
    this.#timer = setTimeout(() => this.#round(), Math.max(0, atMs - this.#options.now()))
  }

  #round (): void {
    const now = this.#options.now()
    this.#timer = null
    this.#armedForMs = Infinity
    let nextMs = Infinity
    const copies: PartitionCopy[] = []
    for (const [copy, at] of this.#due) {
      if (at > now) {
        nextMs = Math.min(nextMs, at)
        continue
      }
      this.#due.delete(copy)
      if (copy.activity === 'stopped') continue
      copy.lookingUp()
      copies.push(copy)
    }
    for (let from = 0; from < copies.length; from += PARTITIONS_PER_ROUND) {
      const part = copies.slice(from, from + PARTITIONS_PER_ROUND)
      this.#locate(part).catch((error: unknown) => {
        for (const copy of part) if (copy.activity === 'locating') copy.lookupFailed(messageOf(error))
      })
    }
    if (nextMs < this.#armedForMs) this.#arm(nextMs)
  }

  async #locate (copies: readonly PartitionCopy[]): Promise<void> {
    const { source, signal, now, obstacle } = this.#options
    // Without having seen the source, nobody knows whether it is the right cluster.
    await source.view({ signal })
    const askedAtMs = now()
    const bounds = await this.#bounds(copies)
    const reason = obstacle()
    if (reason !== null) {
      for (const copy of copies) copy.lookupFailed(reason)
      return
    }
    const waiting = copies.map((copy, index) => ({ copy, bounds: bounds[index] ?? 'nothing was answered' }))
    const lookUp = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const outcome = await this.#decide(next.copy, next.bounds, askedAtMs).catch((error: unknown): Outcome => ({ kind: 'failed', problem: messageOf(error) }))
        if (signal.aborted) return
        this.#settle(next.copy, outcome)
      }
    }
    await Promise.all(Array.from({ length: CONCURRENT_TAILS }, lookUp))
  }

  #settle (copy: PartitionCopy, outcome: Outcome): void {
    if (copy.activity !== 'locating') return
    switch (outcome.kind) {
      case 'located':
        copy.located(outcome.end, outcome.epoch, { logStart: outcome.bounds.sourceLogStart, highWatermark: outcome.bounds.sourceHighWatermark })
        return
      case 'fault': copy.fault(outcome.fault); return
      case 'failed': copy.lookupFailed(outcome.problem); return
      case 'later': this.#at(copy, outcome.delayMs)
    }
  }

  /** For each partition its bounds, or why they could not be had. */
  async #bounds (copies: readonly PartitionCopy[]): Promise<Array<Bounds | string>> {
    const { source, shadow, signal } = this.#options
    const ask = async (cluster: Cluster, timestamp: number, replicaId: number): Promise<ReadonlyMap<string, ListedOffset>> => {
      const rows = await listOffsets(cluster, copies.map(({ topic, partition }) => ({ topic, partition, timestamp })), { signal, replicaId })
      return new Map(rows.map(row => [`${row.topic}/${row.partition}`, row]))
    }
    // The shadow's own end first: what the source says afterwards can only be more.
    const [logEnd, highWatermark, logStart] = await Promise.all([ask(shadow, LATEST_TIMESTAMP, DEBUGGING_REPLICA_ID), ask(shadow, LATEST_TIMESTAMP, CONSUMER_REPLICA_ID), ask(shadow, EARLIEST_TIMESTAMP, CONSUMER_REPLICA_ID)])
    const [sourceStart, sourceEnd] = await Promise.all([ask(source, EARLIEST_TIMESTAMP, CONSUMER_REPLICA_ID), ask(source, LATEST_TIMESTAMP, CONSUMER_REPLICA_ID)])
    return copies.map(({ topic, partition }) => {
      const key = `${topic}/${partition}`
      const offsets: number[] = []
      for (const [where, answers] of [['the shadow', logEnd], ['the shadow', highWatermark], ['the shadow', logStart], ['the source', sourceStart], ['the source', sourceEnd]] as const) {
        const row = answers.get(key)
        if (row === undefined) return `${where} left the partition out of its answer to ListOffsets`
        if (row.errorCode !== ErrorCodes.NONE) return `the end of ${where} partition cannot be read: ${row.error?.message ?? errorName(row.errorCode)}`
        if (row.offset < 0) return `${where} answered ListOffsets with offset ${row.offset}`
        offsets.push(row.offset)
      }
      const [shadowLogEnd = 0, shadowHighWatermark = 0, shadowLogStart = 0, sourceLogStart = 0, sourceHighWatermark = 0] = offsets
      return { shadowLogEnd, shadowHighWatermark, shadowLogStart, sourceLogStart, sourceHighWatermark }
    })
  }

  async #decide (copy: PartitionCopy, bounds: Bounds | string, askedAtMs: number): Promise<Outcome> {
    if (typeof bounds === 'string') return { kind: 'failed', problem: bounds }
    const { shadowLogEnd: end, shadowHighWatermark, shadowLogStart, sourceLogStart, sourceHighWatermark } = bounds
    // What its replicas have not confirmed may still disappear with the leader.
    if (end !== shadowHighWatermark) return { kind: 'failed', problem: `the shadow's replicas have confirmed offset ${shadowHighWatermark} of ${end}` }
    const { ambiguous } = copy
    if (ambiguous !== null && end <= ambiguous.lastOffset) {
      const answeredAtMs = this.#answeredAtMs.get(ambiguous) ?? this.#options.now()
      this.#answeredAtMs.set(ambiguous, answeredAtMs)
      if (askedAtMs < answeredAtMs + SETTLE_MS) return { kind: 'later', delayMs: answeredAtMs + SETTLE_MS - this.#options.now() }
    }
    const fault = boundsFault(copy, bounds)
    if (fault !== null) return { kind: 'fault', fault }
    // Nothing to compare: nothing was copied yet, or one of the two has deleted the last record.
    if (end === 0 || sourceLogStart >= end || shadowLogStart >= end) return { kind: 'located', end, epoch: -1, bounds }
    return await this.#compareTails(copy, end, bounds, sourceHighWatermark)
  }

  /** Source and shadow must hold the same batch at the shadow's end. */
  async #compareTails (copy: PartitionCopy, end: number, bounds: Bounds, sourceHighWatermark: number): Promise<Outcome> {
    const { source, shadow } = this.#options
    const [mine, theirs] = await Promise.all([
      this.#batchAt(shadow, this.#shadow, copy, copy.owner.shadowTopicId, end - 1),
      this.#batchAt(source, this.#source, copy, copy.owner.sourceTopicId, end - 1)
    ])
    if (typeof mine === 'string') return { kind: 'failed', problem: `the last batch of the shadow cannot be read: ${mine}` }
    if (typeof theirs === 'string') return { kind: 'failed', problem: `the source's batch at offset ${end - 1} cannot be read: ${theirs}` }
    if (isSameBatch(mine, theirs)) return { kind: 'located', end, epoch: theirs.partitionLeaderEpoch, bounds }
    const foreign = foreignWrite(copy, end)
    return {
      kind: 'fault',
      fault: foreign ?? {
        code: 'DIVERGED',
        reason: `source and shadow hold different batches before offset ${end}: ${tellApart(mine, theirs)} (the source goes on to ${sourceHighWatermark})`,
        partition: copy.partition,
        offset: mine.baseOffset
      }
    }
  }

  /** The batch that holds an offset, or why there is none. */
  async #batchAt (cluster: Cluster, reader: BatchReader, { topic, partition }: PartitionCopy, topicId: string | null, offset: number): Promise<RecordBatch | string> {
    const leader = knownLeader(cluster, topic, partition)
    if (leader === null) return 'the partition has no leader'
    const answer = await reader.read({ topic, topicId, partition, offset, maxBytes: TAIL_BYTES, leader })
    if (answer.errorCode !== ErrorCodes.NONE) return errorName(answer.errorCode)
    return answer.batches.find(batch => batch.lastOffset >= offset) ?? 'it holds no batch there'
  }

  /**
   * Looks for what nobody notices while nothing is copied: records that somebody else wrote to the shadow, and records that the
   * shadow lost.
   */
  async checkIdle (copies: readonly PartitionCopy[]): Promise<void> {
    const { shadow, signal } = this.#options
    const idle = copies.filter(copy => copy.activity === 'copying' && copy.isIdle && copy.shadowEndOffset !== null)
    const before = new Map(idle.map(copy => [`${copy.topic}/${copy.partition}`, { copy, end: copy.shadowEndOffset ?? 0 }]))
    const rows = await listOffsets(shadow, idle.map(({ topic, partition }) => ({ topic, partition, timestamp: LATEST_TIMESTAMP })), { signal, replicaId: DEBUGGING_REPLICA_ID })
    for (const { topic, partition, errorCode, offset } of rows) {
      const known = before.get(`${topic}/${partition}`)
      if (known === undefined || errorCode !== ErrorCodes.NONE || offset === known.end) continue
      const { copy, end } = known
      // Something was appended meanwhile: the answer says nothing.
      if (!copy.isIdle || copy.shadowEndOffset !== end || copy.activity !== 'copying') continue
      if (offset > end) copy.fault(foreignFault(copy, end, offset))
      else copy.lost(`the shadow ends at ${offset} where it had confirmed ${end}: it lost records, which are copied again`, { isAmbiguous: false })
    }
  }
}

/** What the ends of both logs alone say against going on. */
function boundsFault (copy: PartitionCopy, { shadowLogEnd: end, sourceLogStart, sourceHighWatermark }: Bounds): TopicFault | null {
  const { partition } = copy
  if (sourceLogStart > end) {
    if (end === 0) {
      return {
        code: 'LOG_START_ABOVE_ZERO',
        reason: `the source partition starts at offset ${sourceLogStart}, and a shadow partition that is written by Produce requests can only start at 0`,
        partition,
        offset: 0
      }
    }
    return { code: 'SOURCE_OVERTOOK', reason: `the source deleted offsets ${end} to ${sourceLogStart - 1} before they were copied`, partition, offset: end }
  }
  if (sourceHighWatermark >= end) return null
  return foreignWrite(copy, end) ?? {
    code: 'SOURCE_LOST_RECORDS',
    reason: `the source ends at offset ${sourceHighWatermark} and the shadow at ${end}: the source has lost records that the shadow has, or something else wrote to the shadow`,
    partition,
    offset: end
  }
}

/** The fault when the shadow goes on beyond all that this engine can have appended; null when it does not, or nobody knows. */
function foreignWrite (copy: PartitionCopy, end: number): TopicFault | null {
  if (copy.shadowEndOffset === null) return null
  const most = Math.max(copy.shadowEndOffset, (copy.ambiguous?.lastOffset ?? -1) + 1)
  return end > most ? foreignFault(copy, most, end) : null
}

function foreignFault ({ partition }: PartitionCopy, from: number, to: number): TopicFault {
  return { code: 'FOREIGN_WRITE', reason: `something else wrote offsets ${from} to ${to - 1} of the shadow partition`, partition, offset: from }
}
