/**
 * Fetches raw batches from the source for all partitions of a link. Each source broker is asked over three connections, so
 * that nobody waits for those who wait for data:
 *
 *   catch-up   partitions that are known to be behind: no waiting, large answers
 *   tail       partitions that are level: a long poll that any of them ends, in a session (KIP-227); those with nothing new are standing
 *   slow       partitions whose appends are slow: small answers, because a batch that waits keeps its whole answer in memory
 */
import { ErrorCodes, errorName, meansStaleMetadata } from '../../../protocol/errors/codes.ts'
import { DecodeError } from '../../../protocol/errors/protocol-errors.ts'
import { Fetch } from '../../../protocol/messages/fetch.ts'
import { readBatches } from '../../../protocol/records/record-batch.ts'
import type { RequestInput, ResponseOf } from '../../../protocol/schema/api.ts'
import { ZERO_UUID } from '../../../protocol/schema/field.ts'
import type { Cluster } from '../../client/cluster.ts'
import type { LinkClientOptions } from '../../config/link/client-options.ts'
import { messageOf } from '../../errors.ts'
import type { FrameMemory } from '../../net/frame-memory.ts'
import { backoffMs } from '../../net/backoff.ts'
import { HeldBytes, type ByteBudget } from './byte-budget.ts'
import type { FetchTarget } from './fetch-target.ts'
import { Lanes, type Lane } from './lane.ts'
import { knownLeader } from './leader.ts'
import { SourceSession, type FetchedRow } from './source-session.ts'
import { Standing } from './standing.ts'

type LaneKind = 'catch-up' | 'tail' | 'slow'

const LANES: readonly LaneKind[] = ['catch-up', 'tail', 'slow']

/** The most that an answer of the tail and slow lanes may have: it is taken from the link's budget while they wait. */
const SMALL_ANSWER_BYTES = 1024 * 1024

/** The first version with lastFetchedEpoch and divergingEpoch (KIP-595), and the last one with topic names. */
const EPOCH_VERSION = 12

const RETRY = { baseMs: 50, maxMs: 2000 }

/** The source answered a fetch with a top-level error, or left a partition out. */
const NO_ROW = 'the source left the partition out of its answer'

export interface FetcherOptions {
  readonly source: Cluster
  readonly client: LinkClientOptions
  readonly budget: ByteBudget
  /** What the answers of the source lie in. */
  readonly memory: FrameMemory
  readonly signal: AbortSignal
  /** Why nothing may be fetched at the moment, such as another cluster behind the same addresses; null when all is well. */
  readonly obstacle: () => string | null
  /** The source does not know the topic's id any more. */
  readonly onTopicIdUnknown: (target: FetchTarget) => void
  readonly now: () => number
}

/** The session is over, or was another broker's: all is told again. */
const SESSION_ERRORS: readonly number[] = [ErrorCodes.FETCH_SESSION_ID_NOT_FOUND, ErrorCodes.INVALID_FETCH_SESSION_EPOCH, ErrorCodes.FETCH_SESSION_TOPIC_ID_ERROR]

interface Request {
  readonly targets: readonly FetchTarget[]
  /** What each target was asked for: it may move on before the answer comes. */
  readonly offsets: readonly number[]
  readonly maxBytes: number
  /** False when those that are standing are wanted as well. */
  readonly isWhole: boolean
}

/** What belongs to the connection to one broker on which level partitions are waited for. */
interface Tail {
  readonly session: SourceSession
  readonly standing: Standing
}

export class Fetcher {
  readonly #options: FetcherOptions
  readonly #lanes = new Lanes<LaneKind, FetchTarget>(lane => this.#begin(lane))
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #attempts = new WeakMap<FetchTarget, number>()
  readonly #tails = new Map<Lane<LaneKind, FetchTarget>, Tail>()
  #isRefreshing = false

  constructor (options: FetcherOptions) {
    this.#options = options
    options.signal.addEventListener('abort', () => {
      for (const timer of this.#timers) clearTimeout(timer)
      this.#timers.clear()
    }, { once: true })
  }

  /** Puts a partition into the next request, if it wants to be in one. */
  wake (target: FetchTarget): void {
    if (target.fetching) for (const { standing } of this.#tails.values()) standing.wake(target)
    if (this.#options.signal.aborted || !target.wantsFetch(2 * this.#options.client.fetchPartitionMaxBytes)) return
    const leader = knownLeader(this.#options.source, target.topic, target.partition)
    if (leader === null) {
      target.noteProblem('the source shows no leader for the partition')
      this.#refresh()
      this.#later(target)
      return
    }
    this.#lanes.to(leader.leaderId, target.isSlow ? 'slow' : target.isBehind ? 'catch-up' : 'tail').add(target)
  }

  #begin (lane: Lane<LaneKind, FetchTarget>): Promise<void> | null {
    const { budget, signal } = this.#options
    if (signal.aborted) return null
    if (budget.isShort) {
      // Nobody is asked to give up memory for those who have changed their mind.
      for (const target of lane.waiting) if (!target.wantsFetch(Infinity)) lane.waiting.delete(target)
      if (!lane.hasWork) return null
      budget.whenFreed(() => lane.schedule())
      return null
    }
    const request = this.#take(lane)
    if (request.targets.length === 0 && request.isWhole) return null
    budget.take(request.maxBytes)
    return this.#send(lane, request).catch((error: unknown) => this.#failed(lane, request, messageOf(error)))
  }

  #take (lane: Lane<LaneKind, FetchTarget>): Request {
    const { budget, client } = this.#options
    const tail = this.#tailOf(lane)
    const isWhole = tail === null || !tail.session.isKept || tail.standing.isDue || tail.standing.size === 0
    if (tail !== null) this.#release(isWhole ? tail.standing.takeAll() : tail.standing.takeWoken())
    const targets: FetchTarget[] = []
    const displaced: FetchTarget[] = []
    const partitions = new Set<string>()
    for (const target of lane.waiting) {
      // A request names a partition once: another position in it waits for the next request.
      const key = `${target.topic}/${target.partition}`
      if (partitions.has(key)) continue
      lane.waiting.delete(target)
      // It may have been stopped, lost or frozen while it waited.
      if (!target.wantsFetch(Infinity)) continue
      partitions.add(key)
      target.fetching = true
      targets.push(target)
      const other = tail?.standing.take(target.topic, '', target.partition) ?? null
      if (other !== null) displaced.push(other.target)
    }
    this.#release(displaced)
    const most = lane.kind === 'catch-up' ? client.fetchMaxBytes : Math.min(client.fetchMaxBytes, SMALL_ANSWER_BYTES)
    return { targets, offsets: targets.map(target => target.nextOffset), maxBytes: Math.min(most, budget.freeBytes), isWhole }
  }

  /** Has targets that were standing go where they belong by now. */
  #release (targets: readonly FetchTarget[]): void {
    for (const target of targets) target.fetching = false
    for (const target of targets) this.wake(target)
  }

  async #send (lane: Lane<LaneKind, FetchTarget>, request: Request): Promise<void> {
    const { source, client, signal, budget, obstacle } = this.#options
    const tail = this.#tailOf(lane)
    const session = tail?.session ?? null
    const isIncremental = session?.isKept === true
    let answer
    try {
      const reason = obstacle()
      if (reason !== null) {
        this.#failed(lane, request, reason)
        return
      }
      answer = await source.request(Fetch, version => this.#body(request, lane, version, session), lane.nodeId, {
        purpose: 'fetch',
        lane: LANES.indexOf(lane.kind),
        signal,
        timeoutMs: client.fetchWaitMaxMs + 30_000,
        // Ids are used for all topics of a request or for none.
        ...(request.targets.every(target => target.sourceTopicId !== null) ? {} : { maxVersion: EPOCH_VERSION })
      })
    } catch (error) {
      session?.lost()
      throw error
    } finally {
      budget.give(request.maxBytes)
    }
    if (signal.aborted) return
    // Another cluster may have been seen meanwhile.
    const reason = obstacle()
    const { errorCode } = answer.body
    if (reason !== null || errorCode !== ErrorCodes.NONE) session?.lost()
    if (reason !== null) {
      this.#failed(lane, request, reason)
      return
    }
    if (isIncremental && SESSION_ERRORS.includes(errorCode)) {
      this.#release(request.targets)
      return
    }
    if (errorCode !== ErrorCodes.NONE) {
      this.#failed(lane, request, `the source answered a fetch with ${errorName(errorCode)}`)
      return
    }
    session?.answered(answer.body)
    this.#dispatch(request, answer.body, tail)
  }

  /** Null for a lane that has no session. */
  #tailOf (lane: Lane<LaneKind, FetchTarget>): Tail | null {
    if (lane.kind !== 'tail') return null
    let tail = this.#tails.get(lane)
    if (tail === undefined) {
      const session = new SourceSession()
      this.#tails.set(lane, tail = { session, standing: new Standing(session, this.#options.now) })
      lane.standing = tail.standing
    }
    return tail
  }

  #body (request: Request, lane: Lane<LaneKind, FetchTarget>, version: number, session: SourceSession | null): RequestInput<typeof Fetch> {
    const { client } = this.#options
    const byTopic = new Map<string, Array<RequestInput<typeof Fetch>['topics'][number]['partitions'][number]>>()
    const ids = new Map<string, string>()
    request.targets.forEach((target, index) => {
      let partitions = byTopic.get(target.topic)
      if (partitions === undefined) {
        byTopic.set(target.topic, partitions = [])
        ids.set(target.topic, target.sourceTopicId ?? ZERO_UUID)
      }
      partitions.push({
        partition: target.partition,
        currentLeaderEpoch: knownLeader(this.#options.source, target.topic, target.partition)?.leaderEpoch ?? -1,
        fetchOffset: BigInt(request.offsets[index] ?? 0),
        partitionMaxBytes: client.fetchPartitionMaxBytes,
        // The source says if its log was rewritten behind our back (KIP-595).
        ...(version >= EPOCH_VERSION ? { lastFetchedEpoch: target.lastFetchedEpoch } : {})
      })
    })
    const topics = [...byTopic].map(([topic, partitions]) => ({ topic, topicId: ids.get(topic) ?? ZERO_UUID, partitions }))
    return {
      maxWaitMs: lane.kind === 'catch-up' ? 0 : client.fetchWaitMaxMs,
      minBytes: lane.kind === 'catch-up' ? 1 : client.fetchMinBytes,
      maxBytes: request.maxBytes,
      isolationLevel: 0,
      ...(session === null ? { topics } : session.ask(topics, { andKept: !request.isWhole }))
    }
  }

  #dispatch (request: Request, body: ResponseOf<typeof Fetch>, tail: Tail | null): void {
    const session = tail?.session ?? null
    const asked = request.targets.map((target, index) => ({ target, offset: request.offsets[index] ?? 0 }))
    const rows = new Map<string, FetchedRow>()
    let totalBytes = 0
    let inFrame: Buffer | null = null
    for (const { topic, topicId, partitions } of body.responses) {
      for (const row of partitions) {
        inFrame ??= row.records
        rows.set(`${topic === '' ? topicId : topic}/${row.partitionIndex}`, row)
        totalBytes += row.records?.length ?? 0
        const standing = tail?.standing.take(topic, topicId, row.partitionIndex) ?? null
        if (standing !== null) asked.push(standing)
      }
    }
    // All records of an answer lie in the one frame that it came in.
    const frame = inFrame
    const held = new HeldBytes(this.#options.budget, totalBytes, () => { if (frame !== null) this.#options.memory.give(frame) })
    const withData: FetchTarget[] = []
    const delayed = new Set<FetchTarget>()
    for (const { target, offset: from } of asked) {
      target.fetching = false
      const topicId = target.sourceTopicId ?? ZERO_UUID
      const told = rows.get(`${target.topic}/${target.partition}`) ?? rows.get(`${topicId}/${target.partition}`)
      if (told !== undefined) session?.note(target.topic, topicId, told)
      const row = told ?? session?.lastOf(target.topic, topicId, target.partition) ?? undefined
      if (row !== undefined && row.errorCode === ErrorCodes.NONE) {
        const before = target.nextOffset
        this.#took(target, from, row, held)
        if (target.nextOffset !== before) withData.push(target)
        // Bytes that did not take it on, from where it is, would come again at once.
        else if (before === from && (row.records?.length ?? 0) > 0) delayed.add(target)
        if (!delayed.has(target)) this.#attempts.delete(target)
      } else {
        this.#rowFailed(target, from, row)
        delayed.add(target)
      }
    }
    held.release()
    // Those who got nothing come first in the next request: only its first partition with data is sure to get a whole batch.
    const gotData = new Set(withData)
    for (const { target, offset } of asked) {
      if (gotData.has(target) || delayed.has(target)) continue
      if (tail?.session.isKept === true && this.#mayStand(target, offset)) {
        target.fetching = true
        tail.standing.add({ target, offset })
      } else this.#wakeOrWait(target, totalBytes)
    }
    for (const target of withData) this.wake(target)
    for (const target of delayed) this.#later(target)
  }

  /** True for one that wants just what it was asked for. */
  #mayStand (target: FetchTarget, offset: number): boolean {
    return target.nextOffset === offset && !target.isBehind && !target.isSlow && target.wantsFetch(2 * this.#options.client.fetchPartitionMaxBytes)
  }

  /** A partition that is behind and got nothing, in an answer with room for it, would be asked for over and over again at once. */
  #wakeOrWait (target: FetchTarget, totalBytes: number): void {
    if (target.isBehind && totalBytes === 0) this.#later(target)
    else this.wake(target)
  }

  #took (target: FetchTarget, fetchOffset: number, row: FetchedRow, held: HeldBytes): void {
    const { epoch, endOffset } = row.divergingEpoch
    if (endOffset >= 0n) {
      // Of an epoch that the source does not know at all it tells where the one before ends, which may be further than we are.
      const lostFrom = Math.min(Number(endOffset), fetchOffset)
      target.stopAhead(fetchOffset, {
        code: 'SOURCE_LOST_RECORDS',
        reason: `the source has rewritten its log: its leader epoch ${epoch} ends at offset ${endOffset}, so the records that the shadow holds from offset ${lostFrom} on are gone from the source (unclean leader election)`,
        partition: target.partition,
        offset: lostFrom
      })
      return
    }
    try {
      const { batches, trailingBytes } = row.records === null ? { batches: [], trailingBytes: 0 } : readBatches(row.records)
      // A broker sends the first batch whole or not at all (KIP-74): a length beyond the end is then a wrong one.
      if (batches.length === 0 && trailingBytes > 0) throw new DecodeError(`${trailingBytes} bytes that are no whole batch`)
      target.fetched({
        fetchOffset,
        highWatermark: Number(row.highWatermark),
        lastStableOffset: Number(row.lastStableOffset),
        logStartOffset: Number(row.logStartOffset),
        batches,
        held
      })
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      target.unreadable(fetchOffset, error.message)
    }
  }

  #rowFailed (target: FetchTarget, fetchOffset: number, row: FetchedRow | undefined): void {
    if (row === undefined) {
      target.noteProblem(NO_ROW)
      return
    }
    const { errorCode } = row
    if (errorCode === ErrorCodes.OFFSET_OUT_OF_RANGE) {
      target.lostBySource(fetchOffset, `the source does not have offset ${fetchOffset}`)
      return
    }
    target.noteProblem(`the source answered a fetch with ${errorName(errorCode)}`)
    if (errorCode === ErrorCodes.UNKNOWN_TOPIC_ID || errorCode === ErrorCodes.INCONSISTENT_TOPIC_ID || errorCode === ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION) this.#options.onTopicIdUnknown(target)
    if (meansStaleMetadata(errorCode) || errorCode === ErrorCodes.UNKNOWN_LEADER_EPOCH) this.#refresh()
  }

  #failed (lane: Lane<LaneKind, FetchTarget>, request: Request, problem: string): void {
    if (!this.#options.signal.aborted) this.#refresh()
    for (const target of [...request.targets, ...this.#tailOf(lane)?.standing.takeAll() ?? []]) {
      target.fetching = false
      target.noteProblem(problem)
      this.#later(target)
    }
  }

  #refresh (): void {
    if (this.#isRefreshing) return
    this.#isRefreshing = true
    // A failure shows in the next fetch, and in the status of the task that refreshes by itself.
    this.#options.source.refresh({ signal: this.#options.signal }).catch(() => {}).finally(() => { this.#isRefreshing = false })
  }

  #later (target: FetchTarget): void {
    const attempt = this.#attempts.get(target) ?? 0
    this.#attempts.set(target, attempt + 1)
    if (this.#options.signal.aborted) return
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.wake(target)
    }, backoffMs(attempt, RETRY) + RETRY.baseMs)
    this.#timers.add(timer)
  }
}
