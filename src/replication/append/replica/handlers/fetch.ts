/**
 * Answers the Fetch of followers: a long poll that ends when there is data, an error, or something else to tell.
 *
 * An incremental answer holds the partitions that have something to tell; a full one all that were asked for, and no others: a
 * follower throws away what differs (FetchSessionHandler.verifyFullFetchResponsePartitions).
 */
import { ErrorCodes } from '../../../../../protocol/errors/codes.ts'
import type { Fetch } from '../../../../../protocol/messages/fetch.ts'
import type { ResponseInput } from '../../../../../protocol/schema/api.ts'
import type { ServerConnection } from '../../../../net/server/server-connection.ts'
import type { FetchRequestBody, FetchSession, SessionPartition } from '../fetch-session.ts'
import type { FetchSessions } from '../fetch-sessions.ts'
import type { Found } from '../partition-tail.ts'
import type { FetchLook } from '../follower-fetch.ts'
import type { TailMemory } from '../tail-memory.ts'

type Response = ResponseInput<typeof Fetch>
type PartitionRow = Response['responses'][number]['partitions'][number]

export interface FetchOptions {
  readonly sessions: FetchSessions
  /** Our own broker id, which answers name as the leader. */
  readonly brokerId: () => number
  /** No answer holds more than this, but for the first batch. */
  readonly maxResponseBytes: number
}

export interface FetchAnswer {
  readonly body: Response
  /** To be called when the answer has been sent: its records lie in memory that is used again. */
  readonly onSent: () => void
}

/** What would be answered at the moment. */
interface Draft {
  readonly rows: Map<SessionPartition, { readonly row: PartitionRow, readonly found: Found | null, readonly isNews: boolean, readonly mustLookAgain: boolean }>
  readonly bytes: number
  /** True when a row must not wait for more. */
  readonly isUrgent: boolean
}

/** The first version that names the replica in a tagged field. */
const REPLICA_STATE_VERSION = 15

const NO_RECORDS = Buffer.alloc(0)

export class FetchHandler {
  readonly #options: FetchOptions

  constructor (options: FetchOptions) {
    this.#options = options
  }

  async handle (body: FetchRequestBody, apiVersion: number, connection: Pick<ServerConnection, 'signal'>): Promise<FetchAnswer> {
    const { sessions } = this.#options
    const brokerId = apiVersion >= REPLICA_STATE_VERSION ? body.replicaState.replicaId : body.replicaId
    const opened = sessions.open(body, { brokerId, apiVersion, connection })
    if ('errorCode' in opened) return { body: { errorCode: opened.errorCode, responses: [] }, onSent: () => {} }
    const { session, isFull } = opened
    const memories = new Set<TailMemory>()
    session.isBusy = true
    try {
      const draft = await this.#poll(session, body, { isFull, memories, signal: connection.signal })
      return this.#answer(session, draft, isFull)
    } finally {
      session.isBusy = false
      session.whenDirty(() => {})
      sessions.answered(session)
      for (const memory of memories) memory.relax()
    }
  }

  /** Waits until there is something to answer, or the time is over, and says what. */
  async #poll (session: FetchSession, body: FetchRequestBody, { isFull, memories, signal }: { readonly isFull: boolean, readonly memories: Set<TailMemory>, readonly signal: AbortSignal }): Promise<Draft> {
    const wait = new Wait(session, body.maxWaitMs, signal)
    const draft = (partitions: Iterable<SessionPartition>): Draft => this.#draft(partitions, { body, isFull, memories })
    try {
      for (;;) {
        const news = draft(session.dirty)
        if (news.isUrgent || news.bytes >= body.minBytes || session.size === 0 || wait.isOver) {
          // What was looked at before and had nothing to tell is part of a full answer all the same.
          return isFull && news.rows.size < session.size ? draft(session.all) : news
        }
        for (const [partition, { isNews, mustLookAgain }] of news.rows) if (!isNews && !mustLookAgain) session.dirty.delete(partition)
        await wait.next()
      }
    } finally {
      wait.end()
    }
  }

  #draft (partitions: Iterable<SessionPartition>, { body, isFull, memories }: {
    readonly body: FetchRequestBody
    readonly isFull: boolean
    readonly memories: Set<TailMemory>
  }): Draft {
    const limit = Math.min(body.maxBytes, this.#options.maxResponseBytes)
    const rows: Draft['rows'] = new Map()
    let bytes = 0
    let isUrgent = false
    // A look may mark others as dirty, which are then looked at as well.
    for (const partition of partitions) {
      const hasRoom = bytes === 0
      const look = partition.look({ maxBytes: Math.max(0, Math.min(partition.maxBytes, limit - bytes)), atLeastOne: hasRoom })
      const row = this.#rowOf(partition, look)
      const found = look.kind === 'data' ? look.found : null
      const isChanged = look.kind !== 'data' || (!isFull && (look.highWatermark !== partition.sentHighWatermark || look.logStartOffset !== partition.sentLogStartOffset))
      if (isChanged) isUrgent = true
      if (partition.shadow !== null) memories.add(partition.shadow.memory)
      bytes += found?.slice.bytes.length ?? 0
      // Behind another one's data it may just not have had its turn.
      // What is held may be let go of because time has passed, of which nobody tells.
      const mustLookAgain = look.kind === 'data' && look.isHeld
      rows.set(partition, { row, found, isNews: isChanged || found !== null || !hasRoom, mustLookAgain })
    }
    return { rows, bytes, isUrgent }
  }

  #answer (session: FetchSession, { rows }: Draft, isFull: boolean): FetchAnswer {
    const releases: Array<() => void> = []
    const topics = new Map<string, { readonly topic: string, readonly topicId: string, readonly partitions: PartitionRow[] }>()
    for (const [partition, { row, found, isNews, mustLookAgain }] of rows) {
      // Served ones come last the next time; those that had no turn keep their place.
      if ((!isNews && !mustLookAgain) || found !== null) session.dirty.delete(partition)
      if (found !== null) session.dirty.add(partition)
      const isTold = isFull || row.errorCode !== ErrorCodes.NONE || found !== null || row.divergingEpoch !== undefined ||
        Number(row.highWatermark) !== partition.sentHighWatermark || Number(row.logStartOffset) !== partition.sentLogStartOffset
      if (!isTold) continue
      if (found !== null && partition.shadow !== null) releases.push(partition.shadow.serveFound(session.brokerId, found))
      // What comes after an error is told in any case.
      partition.sentHighWatermark = row.errorCode === ErrorCodes.NONE ? Number(row.highWatermark) : -1
      partition.sentLogStartOffset = Number(row.logStartOffset ?? -1n)
      const { topic, topicId } = partition
      const key = session.usesTopicIds ? topicId : topic
      const rowsOfTopic = topics.get(key)
      if (rowsOfTopic === undefined) topics.set(key, { topic, topicId, partitions: [row] })
      else rowsOfTopic.partitions.push(row)
    }
    return {
      body: { errorCode: ErrorCodes.NONE, sessionId: this.#options.sessions.isKept(session) ? session.id : 0, responses: [...topics.values()] },
      onSent: () => { for (const release of releases) release() }
    }
  }

  #rowOf ({ index }: SessionPartition, look: FetchLook): PartitionRow {
    if (look.kind === 'error') {
      const { errorCode, leaderEpoch } = look
      return {
        partitionIndex: index,
        errorCode,
        highWatermark: -1n,
        records: NO_RECORDS,
        ...(leaderEpoch === null ? {} : { currentLeader: { leaderId: this.#options.brokerId(), leaderEpoch } })
      }
    }
    const offsets = { highWatermark: BigInt(look.highWatermark), logStartOffset: BigInt(look.logStartOffset) }
    const row = { partitionIndex: index, errorCode: ErrorCodes.NONE, ...offsets, lastStableOffset: offsets.highWatermark, abortedTransactions: null }
    return look.kind === 'data'
      ? { ...row, records: look.found?.slice.bytes ?? NO_RECORDS }
      : { ...row, records: NO_RECORDS, divergingEpoch: { epoch: look.epoch, endOffset: BigInt(look.endOffset) } }
  }
}

/** The waiting of one request: one timer, however often it looks. */
class Wait {
  isOver = false
  readonly #signal: AbortSignal
  readonly #timer: NodeJS.Timeout
  #hasChanged = false
  #wake: () => void = () => {}
  readonly #finish = (): void => {
    this.isOver = true
    this.#wake()
  }

  constructor (session: FetchSession, timeoutMs: number, signal: AbortSignal) {
    this.#signal = signal
    this.isOver = timeoutMs <= 0 || signal.aborted
    this.#timer = setTimeout(this.#finish, Math.max(0, timeoutMs))
    signal.addEventListener('abort', this.#finish)
    session.whenDirty(() => {
      this.#hasChanged = true
      this.#wake()
    })
  }

  /** Resolves when a partition of the session has changed since the last look, or it is over. */
  async next (): Promise<void> {
    if (!this.#hasChanged && !this.isOver) await new Promise<void>(resolve => { this.#wake = resolve })
    this.#hasChanged = false
  }

  end (): void {
    clearTimeout(this.#timer)
    this.#signal.removeEventListener('abort', this.#finish)
  }
}
