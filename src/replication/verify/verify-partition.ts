/**
 * Compares one partition on source and shadow, batch by batch: every byte but partitionLeaderEpoch, which each cluster writes
 * itself. It reads both sides anew and shares nothing with the copying but the client.
 */
import { ErrorCodes, errorName } from '../../../protocol/errors/codes.ts'
import { LOG_OVERHEAD_BYTES, type RecordBatch } from '../../../protocol/records/record-batch.ts'
import { fetchBatches } from '../../client/admin/fetch-batches.ts'
import { EARLIEST_TIMESTAMP, LATEST_TIMESTAMP, listOffsets } from '../../client/admin/list-offsets.ts'
import { replicaBounds } from '../../client/admin/replica-bounds.ts'
import type { Cluster } from '../../client/cluster.ts'
import { retry } from '../../client/retry.ts'
import { BrokerError, messageOf, ShadowError } from '../../errors.ts'
import type { VerifyTopicReport } from '../link-service.ts'

const FETCH_BYTES = 4 * 1024 * 1024
/** partitionLeaderEpoch: bytes 12 to 15 of a batch. */
const EPOCH_AT = LOG_OVERHEAD_BYTES
const AFTER_EPOCH = EPOCH_AT + 4
const ANY_EPOCH = -1
const RETRY = { baseMs: 100, maxMs: 1000, deadlineMs: 30_000 }

export interface VerifySide {
  readonly cluster: Cluster
  readonly topicId: string | null
  /** The broker whose replica is read; null for the leader's. */
  readonly brokerId: number | null
}

export interface VerifyOptions {
  readonly source: VerifySide
  readonly shadow: VerifySide
  readonly topic: string
  readonly partition: number
  /** Where the copy began, where the link did not begin with all that the source has: what is before that is not missing. */
  readonly startOffset: number
  /** Where the copy ended when the topic was failed over: what follows is nobody's copy. Null while it is a shadow. */
  readonly endOffset: number | null
  /** True where a shadow that holds nothing of the source is as good as any other. */
  readonly mayBeEmpty?: boolean
  readonly signal: AbortSignal
}

/** Never throws but for the signal: what could not be compared is said in the report. */
export async function verifyPartition (options: VerifyOptions): Promise<VerifyTopicReport> {
  const { topic, partition, signal } = options
  const progress = { from: 0, to: 0, at: 0, batches: 0, bytes: 0 }
  const report = (difference: string | null, incomplete: string | null): VerifyTopicReport =>
    ({ topic, partition, replica: options.shadow.brokerId, fromOffset: progress.from, toOffset: progress.at, batches: progress.batches, bytes: progress.bytes, difference, incomplete })
  try {
    const difference = await compare(options, progress)
    return report(difference, null)
  } catch (error) {
    if (signal.aborted) throw error
    return report(null, `compared up to offset ${progress.at}: ${messageOf(error)}`)
  }
}

async function compare (options: VerifyOptions, progress: { from: number, to: number, at: number, batches: number, bytes: number }): Promise<string | null> {
  const { source, shadow, startOffset, endOffset } = options
  const { end: shadowEnd, start: shadowStart } = await boundsOf(options, shadow)
  const { end: sourceEnd, start: sourceStart } = await boundsOf(options, source)
  const copied = endOffset ?? shadowEnd
  progress.to = Math.min(copied, sourceEnd)
  progress.from = progress.at = Math.min(sourceStart, progress.to)
  if (shadowEnd < copied) return `the shadow ends at offset ${shadowEnd}, and was failed over at ${copied}`
  if (copied > sourceEnd) return `the shadow has offsets ${sourceEnd} to ${copied - 1}, which the source does not have`
  // The source's start may have moved on since it was asked, and the shadow's along with it; both only go up.
  const missingUpTo = Math.max(sourceStart, startOffset)
  if (shadowStart > missingUpTo && shadowStart > (await boundsOf(options, source)).start) {
    return `${missingUpTo > sourceStart ? 'the copy was to begin' : 'the source starts'} at offset ${missingUpTo} and the shadow starts at ${shadowStart}: the shadow does not have what is in between`
  }
  progress.from = progress.at = Math.max(progress.at, Math.min(shadowStart, progress.to))
  const mine = new BatchStream(options, shadow, progress.from)
  const theirs = new BatchStream(options, source, progress.from)
  while (progress.at < progress.to) {
    const [a, b] = await Promise.all([mine.next(), theirs.next()])
    const difference = differenceOf(a, b)
    if (difference !== null) return difference
    progress.batches++
    progress.bytes += a.sizeBytes
    progress.at = a.lastOffset + 1
  }
  // Nothing was compared, and there is something: that proves nothing.
  if (endOffset === null && options.mayBeEmpty !== true && progress.batches === 0 && sourceEnd > progress.at) throw new ShadowError('BROKER_ERROR', `the shadow has none of the source's offsets ${progress.at} to ${sourceEnd - 1} yet`, { retriable: true })
  return null
}

/** In words what differs first; null for the same batch. */
export function differenceOf (shadow: RecordBatch, source: RecordBatch): string | null {
  if (shadow.baseOffset !== source.baseOffset || shadow.lastOffset !== source.lastOffset) {
    return `the source has a batch of offsets ${source.baseOffset} to ${source.lastOffset} where the shadow has one of ${shadow.baseOffset} to ${shadow.lastOffset}`
  }
  const a = shadow.bytes
  const b = source.bytes
  const where = `the batch of offsets ${source.baseOffset} to ${source.lastOffset}`
  if (a.length !== b.length) return `${where} has ${b.length} bytes on the source and ${a.length} on the shadow`
  if (a.compare(b, 0, EPOCH_AT, 0, EPOCH_AT) === 0 && a.compare(b, AFTER_EPOCH, b.length, AFTER_EPOCH, a.length) === 0) {
    return shadow.isCrcValid() ? null : `${where} is the same on both sides, and its CRC is wrong`
  }
  for (let at = 0; at < a.length; at++) {
    if (a[at] !== b[at] && (at < EPOCH_AT || at >= AFTER_EPOCH)) return `${where} differs from byte ${at} on: ${hex(b, at)} on the source, ${hex(a, at)} on the shadow (CRC ${source.crc} and ${shadow.crc})`
  }
  return null
}

function hex (bytes: Buffer, at: number): string {
  return bytes.toString('hex', at, at + 8)
}

/** The batches of one side, in order. */
class BatchStream {
  readonly #options: VerifyOptions
  readonly #side: VerifySide
  #offset: number
  #batches: RecordBatch[] = []

  constructor (options: VerifyOptions, side: VerifySide, offset: number) {
    this.#options = options
    this.#side = side
    this.#offset = offset
  }

  async next (): Promise<RecordBatch> {
    let batch = this.#batches.shift()
    if (batch === undefined) {
      this.#batches = await this.#fetch()
      batch = this.#batches.shift()
    }
    if (batch === undefined) throw new ShadowError('INVARIANT', 'no batch was fetched')
    this.#offset = batch.lastOffset + 1
    return batch
  }

  async #fetch (): Promise<RecordBatch[]> {
    const { topic, partition, signal } = this.#options
    const { cluster, topicId, brokerId } = this.#side
    return await retry(async () => {
      const leader = brokerId === null ? await cluster.leaderOf(topic, partition, { signal }) : { leaderId: brokerId, leaderEpoch: ANY_EPOCH }
      const answer = await fetchBatches(cluster, { topic, topicId, partition, offset: this.#offset, maxBytes: FETCH_BYTES, leader }, { signal })
      if (answer.errorCode !== ErrorCodes.NONE) {
        await cluster.refresh({ signal })
        throw new BrokerError(answer.errorCode, `Fetch ${topic}-${partition} at offset ${this.#offset}`)
      }
      const batches = answer.batches.filter(batch => batch.lastOffset >= this.#offset)
      // A follower shows its last records to consumers a moment after it has them.
      if (batches.length === 0) throw new ShadowError('BROKER_ERROR', `broker ${leader.leaderId} shows no batch at offset ${this.#offset} of ${topic}-${partition}`, { retriable: true })
      return batches
    }, { signal, ...RETRY })
  }
}

async function boundsOf ({ topic, partition, signal }: VerifyOptions, { cluster, brokerId }: VerifySide): Promise<{ readonly start: number, readonly end: number }> {
  return await retry(async () => {
    if (brokerId !== null) {
      const { logStartOffset, logEndOffset } = await replicaBounds(cluster, { topic, partition, brokerId }, { signal })
      return { start: logStartOffset, end: logEndOffset }
    }
    const [end, start] = await listOffsets(cluster, [LATEST_TIMESTAMP, EARLIEST_TIMESTAMP].map(timestamp => ({ topic, partition, timestamp })), { signal })
    for (const row of [end, start]) {
      if (row === undefined || row.errorCode !== ErrorCodes.NONE) {
        throw row?.error ?? new BrokerError(row?.errorCode ?? ErrorCodes.UNKNOWN_SERVER_ERROR, `ListOffsets ${topic}-${partition}`, row === undefined ? 'left out of the answer' : errorName(row.errorCode))
      }
    }
    return { start: start?.offset ?? -1, end: end?.offset ?? -1 }
  }, { signal, ...RETRY })
}
