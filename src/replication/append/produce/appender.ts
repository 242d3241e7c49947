/**
 * Appends batches to the shadow by Produce with acks=all. Each shadow broker is written to over several connections with one
 * request under way on each; a partition always uses the same one, and one that is slow uses a connection for the slow ones.
 *
 * A request carries at most one batch of a partition, and nothing of a partition is sent before its last append was answered:
 * a broker may refuse one batch and take the next, which would land in its place.
 */
import { ErrorCodes, errorName, isRetriableCode, meansStaleMetadata } from '../../../../protocol/errors/codes.ts'
import { Produce } from '../../../../protocol/messages/produce.ts'
import type { RequestInput, ResponseOf } from '../../../../protocol/schema/api.ts'
import { ZERO_UUID } from '../../../../protocol/schema/field.ts'
import type { Cluster } from '../../../client/cluster.ts'
import { messageOf, ShadowError } from '../../../errors.ts'
import { Lanes, type Lane } from '../../source/lane.ts'
import { knownLeader } from '../../source/leader.ts'
import type { QueuedBatch } from './append-queue.ts'
import type { PartitionCopy } from './partition-copy.ts'

type AppendedRow = ResponseOf<typeof Produce>['responses'][number]['partitionResponses'][number]

/** The last version of Produce with topic names: used where the shadow cluster has no topic ids. */
const NAMES_VERSION = 12

const MAX_REQUEST_BYTES = 4 * 1024 * 1024
const ACKS_ALL = -1
/** How long a broker waits for its replicas, and how long we wait for the broker. */
const ACK_TIMEOUT_MS = 15_000
const REQUEST_TIMEOUT_MS = 30_000
/** An append that takes longer than this makes its partition a slow one. */
const SLOW_MS = 500
/** How often a batch may be refused for a reason that can pass, such as a limit that is being raised. */
const MAX_REFUSALS = 10

export interface AppenderOptions {
  readonly shadow: Cluster
  /** Connections to each shadow broker, besides the one for slow partitions. */
  readonly connections: number
  readonly signal: AbortSignal
  /** False when this engine may no longer write: another one may have taken over. */
  readonly mayAppend: () => boolean
  /** The shadow topic's limit is below the size of a batch. */
  readonly onTooLarge: (copy: PartitionCopy, sizeBytes: number) => void
}

interface Append {
  readonly copy: PartitionCopy
  readonly batch: QueuedBatch
}

export class Appender {
  readonly #options: AppenderOptions
  /** The kind of a lane is the number of its connection. */
  readonly #lanes = new Lanes<number, PartitionCopy>(lane => this.#begin(lane))
  #isRefreshing = false

  constructor (options: AppenderOptions) {
    this.#options = options
  }

  /** Puts a partition's next batch into a request. */
  wake (copy: PartitionCopy): void {
    if (copy.headBytes === 0) return
    const leader = knownLeader(this.#options.shadow, copy.topic, copy.partition)
    if (leader === null) {
      this.#refresh()
      copy.lost('the shadow cluster shows no leader for the partition', { isAmbiguous: false })
      return
    }
    this.#lanes.to(leader.leaderId, copy.isSlow ? this.#options.connections : laneOf(copy, this.#options.connections)).add(copy)
  }

  #begin (lane: Lane<number, PartitionCopy>): Promise<void> | null {
    if (this.#options.signal.aborted || !this.#options.mayAppend()) return null
    const appends = this.#take(lane)
    if (appends.length === 0) return null
    return this.#send(lane, appends).catch((error: unknown) => this.#failed(appends, error))
  }

  #take (lane: Lane<number, PartitionCopy>): Append[] {
    const appends: Append[] = []
    let totalBytes = 0
    // Slow ones go out one by one: they would else keep each other slow.
    const isSlow = lane.kind === this.#options.connections
    for (const copy of lane.waiting) {
      if (totalBytes > 0 && (isSlow || totalBytes + copy.headBytes > MAX_REQUEST_BYTES)) break
      lane.waiting.delete(copy)
      const batch = copy.takeForAppend()
      if (batch === null) continue
      appends.push({ copy, batch })
      totalBytes += batch.bytes.length
    }
    return appends
  }

  async #send (lane: Lane<number, PartitionCopy>, appends: readonly Append[]): Promise<void> {
    const { shadow, signal } = this.#options
    const sentAtMs = performance.now()
    const slow = setTimeout(() => {
      for (const { copy } of appends) {
        copy.isSlow = true
        copy.shedQueue()
      }
    }, SLOW_MS)
    let body
    try {
      const answer = await shadow.request(Produce, produceBody(appends), lane.nodeId, {
        purpose: 'produce',
        lane: lane.kind,
        signal,
        resetOnAbort: true,
        timeoutMs: REQUEST_TIMEOUT_MS,
        ...(appends.every(({ copy }) => copy.owner.shadowTopicId !== null) ? {} : { maxVersion: NAMES_VERSION })
      })
      body = answer.body
      if (performance.now() - sentAtMs < SLOW_MS) for (const { copy } of appends) copy.isSlow = false
    } finally {
      clearTimeout(slow)
    }
    this.#dispatch(appends, body)
  }

  #dispatch (appends: readonly Append[], body: ResponseOf<typeof Produce>): void {
    const rows = new Map<string, AppendedRow>()
    for (const { name, topicId, partitionResponses } of body.responses) {
      for (const row of partitionResponses) rows.set(`${name === '' ? topicId : name}/${row.index}`, row)
    }
    for (const { copy, batch } of appends) {
      const row = rows.get(`${copy.topic}/${copy.partition}`) ?? rows.get(`${copy.owner.shadowTopicId ?? ''}/${copy.partition}`)
      if (row === undefined) copy.lost('the shadow broker left the partition out of its answer to an append', { isAmbiguous: true })
      else if (row.errorCode === ErrorCodes.NONE) copy.appended(Number(row.baseOffset))
      else this.#rowFailed(copy, batch, row)
    }
  }

  #rowFailed (copy: PartitionCopy, batch: QueuedBatch, { errorCode, errorMessage }: AppendedRow): void {
    const text = `${errorName(errorCode)}${errorMessage === null || errorMessage === '' ? '' : ` (${errorMessage})`}`
    if (meansStaleMetadata(errorCode) || errorCode === ErrorCodes.UNKNOWN_LEADER_EPOCH) this.#refresh()
    switch (errorCode) {
      case ErrorCodes.MESSAGE_TOO_LARGE:
      case ErrorCodes.RECORD_LIST_TOO_LARGE:
        if (copy.countRefusal() >= MAX_REFUSALS) {
          copy.refused(text)
          return
        }
        this.#options.onTooLarge(copy, batch.bytes.length)
        copy.lost(`the shadow cluster refuses a batch of ${batch.bytes.length} bytes: ${text}; raising the topic's limit`, { isAmbiguous: false })
        return
      case ErrorCodes.CORRUPT_MESSAGE:
        // It was right when it left: damaged on the way, or a shadow broker that is broken.
        if (copy.countRefusal() >= MAX_REFUSALS) copy.refused(text)
        else copy.lost(`the shadow broker says ${text}`, { isAmbiguous: false })
        return
      case ErrorCodes.TOPIC_AUTHORIZATION_FAILED:
      case ErrorCodes.CLUSTER_AUTHORIZATION_FAILED:
        // Somebody can grant the right; nothing was appended.
        copy.lost(`this engine may not write to the shadow topic: ${text}`, { isAmbiguous: false })
        return
      default:
        // After UNKNOWN_SERVER_ERROR and the like nobody knows what the broker did.
        if (isRetriableCode(errorCode) || errorCode === ErrorCodes.UNKNOWN_SERVER_ERROR) copy.lost(`the shadow broker answered an append with ${text}`, { isAmbiguous: true })
        else copy.refused(text)
    }
  }

  #failed (appends: readonly Append[], error: unknown): void {
    // Without a connection nothing was sent. After anything else the batches may have been appended, or be appended yet.
    const isAmbiguous = !(error instanceof ShadowError && error.code === 'CONNECT_FAILED')
    if (!this.#options.signal.aborted) this.#refresh()
    for (const { copy } of appends) copy.lost(`an append failed: ${messageOf(error)}`, { isAmbiguous })
  }

  #refresh (): void {
    if (this.#isRefreshing) return
    this.#isRefreshing = true
    // A failure shows in the next look-up of the position.
    this.#options.shadow.refresh({ signal: this.#options.signal }).catch(() => {}).finally(() => { this.#isRefreshing = false })
  }
}

function produceBody (appends: readonly Append[]): RequestInput<typeof Produce> {
  const byTopic = new Map<string, Append[]>()
  for (const append of appends) {
    const others = byTopic.get(append.copy.topic)
    if (others === undefined) byTopic.set(append.copy.topic, [append])
    else others.push(append)
  }
  return {
    acks: ACKS_ALL,
    timeoutMs: ACK_TIMEOUT_MS,
    topicData: [...byTopic].map(([name, rows]) => ({
      name,
      topicId: rows[0]?.copy.owner.shadowTopicId ?? ZERO_UUID,
      partitionData: rows.map(({ copy, batch }) => ({ index: copy.partition, records: batch.bytes }))
    }))
  }
}

/** The connection of a partition: neighbours use different ones, and topics of one partition are spread. */
function laneOf (copy: PartitionCopy, connections: number): number {
  let hash = copy.partition
  for (let index = 0; index < copy.topic.length; index++) hash = (hash * 31 + copy.topic.charCodeAt(index)) >>> 0
  return hash % connections
}
