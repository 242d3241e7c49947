/**
 * A follower as its replica fetcher thread is one: it speaks Fetch and ListOffsets, keeps a log, and takes only what a broker's
 * log takes. Sources: AbstractFetcherThread, ReplicaFetcherThread, FetchSessionHandler, UnifiedLog.appendAsFollower.
 */
import { ErrorCodes, errorName } from '../../protocol/errors/codes.ts'
import { Fetch } from '../../protocol/messages/fetch.ts'
import { ListOffsets } from '../../protocol/messages/list-offsets.ts'
import { readBatches } from '../../protocol/records/record-batch.ts'
import type { RequestInput, ResponseOf } from '../../protocol/schema/api.ts'
import type { RawClient } from './raw-client.ts'

type Row = ResponseOf<typeof Fetch>['responses'][number]['partitions'][number]

export interface FollowedPartition {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
}

interface AppendedBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly bytes: Buffer
}

export interface FollowerOptions {
  readonly brokerId: number
  readonly brokerEpoch?: number
  /** Of Fetch. Default 17. */
  readonly version?: number
  readonly leaderEpoch?: number
  readonly maxWaitMs?: number
  readonly minBytes?: number
  readonly maxBytes?: number
  readonly partitionMaxBytes?: number
  readonly segmentBytes?: number
  /** False: every request is a full one without a session. */
  readonly useSessions?: boolean
}

/** One replica. */
export class ReplicaLog {
  readonly of: FollowedPartition
  batches: AppendedBatch[] = []
  logStart = 0
  end = 0
  highWatermark = 0
  leaderEpoch: number
  /** True when a broker's fetcher would have given the partition up. */
  failed: string | null = null
  /** Left out of the next request, as after an error. */
  isDelayed = false
  /** The error codes that it was answered with. */
  readonly errors: string[] = []

  constructor (of: FollowedPartition, leaderEpoch: number) {
    this.of = of
    this.leaderEpoch = leaderEpoch
  }

  get lastFetchedEpoch (): number {
    const last = this.batches.at(-1)
    return last === undefined || last.bytes.readInt8(16) !== 2 ? -1 : last.bytes.readInt32BE(12)
  }

  truncateTo (offset: number): void {
    this.batches = this.batches.filter(({ lastOffset }) => lastOffset < offset)
    this.end = Math.min(this.end, offset)
    this.highWatermark = Math.min(this.highWatermark, this.end)
  }

  truncateFullyAndStartAt (offset: number): void {
    this.batches = []
    this.logStart = this.end = this.highWatermark = offset
  }

  /** Throws where a broker would mark the partition as failed. */
  take (row: Row, fetchOffset: number, segmentBytes: number): void {
    if (fetchOffset !== this.end) throw new Error(`fetched ${fetchOffset}, the log ends at ${this.end}`)
    const records = row.records ?? Buffer.alloc(0)
    if (records.length > 0) this.#append(Buffer.from(records), segmentBytes)
    this.highWatermark = Math.max(this.logStart, Math.min(Number(row.highWatermark), this.end))
    const logStart = Number(row.logStartOffset)
    if (logStart <= this.logStart) return
    if (logStart > this.highWatermark) throw new Error(`log start ${logStart} is above the high watermark ${this.highWatermark}`)
    this.logStart = logStart
    this.batches = this.batches.filter(({ lastOffset }) => lastOffset >= logStart)
  }

  #append (records: Buffer, segmentBytes: number): void {
    const { batches, trailingBytes } = readBatches(records)
    const [first] = batches
    if (first === undefined || trailingBytes > 0) throw new Error(`${trailingBytes} bytes behind the last batch`)
    if (records.length > segmentBytes) throw new Error(`${records.length} bytes do not fit into a segment`)
    let last = -1
    for (const batch of batches) {
      if (!batch.isCrcValid()) throw new Error(`the batch at ${batch.baseOffset} is corrupt`)
      if (batch.baseOffset <= last) throw new Error(`offset ${batch.baseOffset} comes after ${last}`)
      if (batch.magic === 2 && batch.partitionLeaderEpoch > this.leaderEpoch) throw new Error(`leader epoch ${batch.partitionLeaderEpoch} is from the future`)
      last = batch.lastOffset
    }
    if (last - first.baseOffset >= 2 ** 31) throw new Error('offsets too far apart for a segment')
    if (first.baseOffset < this.end) {
      // UnexpectedAppendOffsetException: only an empty log starts anew.
      if (this.end !== this.logStart) throw new Error(`offset ${first.baseOffset} is before the end ${this.end}`)
      const { logStart } = this
      this.truncateFullyAndStartAt(first.baseOffset)
      this.#keep(batches.map(batch => ({ baseOffset: batch.baseOffset, lastOffset: batch.lastOffset, bytes: Buffer.from(batch.bytes) })))
      this.logStart = Math.min(logStart, this.end)
      return
    }
    this.#keep(batches.map(batch => ({ baseOffset: batch.baseOffset, lastOffset: batch.lastOffset, bytes: Buffer.from(batch.bytes) })))
  }

  #keep (batches: readonly AppendedBatch[]): void {
    this.batches.push(...batches)
    this.end = (batches.at(-1)?.lastOffset ?? this.end - 1) + 1
  }
}

export class ScriptedFollower {
  readonly replicas: ReplicaLog[] = []
  readonly #client: RawClient
  readonly #options: Required<FollowerOptions>
  #sessionId = 0
  #sessionEpoch = 0
  /** What the leader knows from the session, by key. */
  #told = new Map<string, string>()
  /** How many rows the last answer had. */
  lastRows = 0
  lastError = 0

  constructor (client: RawClient, partitions: readonly FollowedPartition[], options: FollowerOptions) {
    this.#client = client
    this.#options = {
      brokerEpoch: 100, version: 17, leaderEpoch: 3, maxWaitMs: 0, minBytes: 1, maxBytes: 10_000_000, partitionMaxBytes: 1_000_000, segmentBytes: 1_000_000_000, useSessions: true, ...options
    }
    for (const partition of partitions) this.follow(partition)
  }

  get sessionId (): number {
    return this.#sessionId
  }

  follow (partition: FollowedPartition): ReplicaLog {
    const log = new ReplicaLog(partition, this.#options.leaderEpoch)
    this.replicas.push(log)
    return log
  }

  replica (index = 0): ReplicaLog {
    const log = this.replicas[index]
    if (log === undefined) throw new Error(`no replica ${index}`)
    return log
  }

  /** One round of the fetcher thread. Throws when the answer is not one that a follower accepts. */
  async fetch ({ maxWaitMs = this.#options.maxWaitMs } = {}): Promise<void> {
    const { brokerId, brokerEpoch, version, minBytes, maxBytes } = this.#options
    const wanted = new Map(this.replicas.filter(log => log.failed === null && !log.isDelayed).map(log => [keyOf(log.of), log]))
    for (const log of this.replicas) log.isDelayed = false
    const isFull = this.#sessionEpoch <= 0
    if (isFull) this.#told.clear()
    const forgotten = isFull ? [] : [...this.#told.keys()].filter(key => !wanted.has(key))
    const rows = new Map<string, ReplicaLog>()
    for (const [key, log] of wanted) {
      const said = JSON.stringify(this.#row(log), (_, value: unknown) => typeof value === 'bigint' ? String(value) : value)
      if (this.#told.get(key) === said) continue
      this.#told.set(key, said)
      rows.set(key, log)
    }
    const { topics, offsets } = this.#topics(wanted, rows)
    const answer = await this.#client.request(Fetch, version, {
      ...(version >= 15 ? { replicaState: { replicaId: brokerId, replicaEpoch: BigInt(brokerEpoch) } } : { replicaId: brokerId }),
      maxWaitMs,
      minBytes,
      maxBytes,
      isolationLevel: 0,
      sessionId: this.#sessionId,
      sessionEpoch: this.#options.useSessions ? this.#sessionEpoch : -1,
      topics,
      forgottenTopicsData: forgotten.map(key => {
        this.#told.delete(key)
        const log = this.replicas.find(replica => keyOf(replica.of) === key)
        return { topic: log?.of.topic ?? '', topicId: log?.of.topicId, partitions: [log?.of.partition ?? -1] }
      })
    })
    await this.#handle(answer, { isFull, wanted, offsets })
  }

  #topics (wanted: ReadonlyMap<string, ReplicaLog>, rows: ReadonlyMap<string, ReplicaLog>): { readonly topics: RequestInput<typeof Fetch>['topics'], readonly offsets: ReadonlyMap<string, number> } {
    const byTopic = new Map<string, { readonly topic: string, readonly topicId: string, readonly partitions: Array<RequestInput<typeof Fetch>['topics'][number]['partitions'][number]> }>()
    for (const log of rows.values()) {
      const { topic, topicId } = log.of
      let entry = byTopic.get(topicId)
      if (entry === undefined) byTopic.set(topicId, entry = { topic, topicId, partitions: [] })
      entry.partitions.push(this.#row(log))
    }
    return { topics: [...byTopic.values()], offsets: new Map([...wanted].map(([key, { end }]) => [key, end])) }
  }

  #row (log: ReplicaLog): RequestInput<typeof Fetch>['topics'][number]['partitions'][number] {
    return {
      partition: log.of.partition,
      currentLeaderEpoch: log.leaderEpoch,
      fetchOffset: BigInt(log.end),
      lastFetchedEpoch: log.lastFetchedEpoch,
      logStartOffset: BigInt(log.logStart),
      partitionMaxBytes: this.#options.partitionMaxBytes
    }
  }

  async #handle (answer: ResponseOf<typeof Fetch>, { isFull, wanted, offsets }: { readonly isFull: boolean, readonly wanted: ReadonlyMap<string, ReplicaLog>, readonly offsets: ReadonlyMap<string, number> }): Promise<void> {
    this.lastError = answer.errorCode
    this.lastRows = 0
    if (answer.errorCode !== 0) {
      this.#sessionEpoch = 0
      if (answer.errorCode === ErrorCodes.FETCH_SESSION_ID_NOT_FOUND) this.#sessionId = 0
      return
    }
    const rows = answer.responses.flatMap(({ topic, topicId, partitions }) => partitions.map(row => ({ row, key: this.#options.version >= 13 ? `${topicId}/${row.partitionIndex}` : this.#keyByName(topic, row.partitionIndex) })))
    this.lastRows = rows.length
    for (const { key } of rows) if (!wanted.has(key)) throw new Error(`${key} was not asked for`)
    if (isFull && (rows.length !== wanted.size || new Set(rows.map(({ key }) => key)).size !== wanted.size)) throw new Error(`a full answer with ${rows.length} of ${wanted.size} partitions`)
    this.#sessionEpoch = answer.sessionId === 0 ? 0 : this.#sessionEpoch + 1
    this.#sessionId = answer.sessionId
    for (const { row, key } of rows) {
      const log = wanted.get(key)
      if (log !== undefined && offsets.get(key) === log.end) await this.#apply(log, row)
    }
  }

  #keyByName (topic: string, partition: number): string {
    return this.replicas.map(({ of }) => of).filter(of => of.topic === topic && of.partition === partition).map(keyOf)[0] ?? `${topic}/${partition}`
  }

  async #apply (log: ReplicaLog, row: Row): Promise<void> {
    if (row.errorCode !== 0) log.errors.push(errorName(row.errorCode))
    if (row.errorCode === ErrorCodes.OFFSET_OUT_OF_RANGE) {
      await this.#fetchOffsetAndTruncate(log)
    } else if (row.errorCode === ErrorCodes.FENCED_LEADER_EPOCH) {
      log.failed = 'fenced'
    } else if (row.errorCode !== 0) {
      log.isDelayed = true
    } else if (row.divergingEpoch.endOffset >= 0n) {
      log.truncateTo(Math.min(Number(row.divergingEpoch.endOffset), log.end))
    } else {
      log.take(row, log.end, this.#options.segmentBytes)
    }
  }

  async #fetchOffsetAndTruncate (log: ReplicaLog): Promise<void> {
    const latest = await this.listOffset(log, -1)
    if (latest === null) {
      log.isDelayed = true
      return
    }
    if (latest < log.end) {
      log.truncateTo(latest)
      return
    }
    const earliest = await this.listOffset(log, -2)
    if (earliest !== null && earliest > log.end) log.truncateFullyAndStartAt(earliest)
  }

  /** Null after an error, which `errors` then has. */
  async listOffset (log: ReplicaLog, timestamp: number): Promise<number | null> {
    const { topics } = await this.#client.request(ListOffsets, 9, {
      replicaId: this.#options.brokerId,
      isolationLevel: 0,
      topics: [{ name: log.of.topic, partitions: [{ partitionIndex: log.of.partition, currentLeaderEpoch: log.leaderEpoch, timestamp: BigInt(timestamp) }] }]
    })
    const row = topics[0]?.partitions[0]
    if (row?.errorCode === 0) return Number(row.offset)
    log.errors.push(`ListOffsets ${errorName(row?.errorCode ?? -1)}`)
    return null
  }
}

function keyOf ({ topicId, partition }: FollowedPartition): string {
  return `${topicId}/${partition}`
}
