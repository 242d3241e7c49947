/**
 * Follows the state topic from its first record on and keeps the state that it tells of.
 *
 *   reading ──▶ at the end ──▶ (new records) ──▶ at the end …
 *      ▲            │
 *      └── the log was truncated below what was read, or the topic was made anew: start over with an empty state, which is not to be
 *          relied on before an engine has repaired it (state-loss.ts)
 *
 * What it shows is never partial: `state` is null until the end was reached once, and after starting over.
 */
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { Fetch } from '../../protocol/messages/fetch.ts'
import { readBatches } from '../../protocol/records/record-batch.ts'
import { readRecords } from '../../protocol/records/read-records.ts'
import { checkAnswer } from '../client/admin/check-answer.ts'
import { LATEST_TIMESTAMP, listOffsets } from '../client/admin/list-offsets.ts'
import type { Cluster, PartitionView } from '../client/cluster.ts'
import { BrokerError, isBrokerError, messageOf } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import { isAborted, throwIfAborted } from '../net/abort.ts'
import { backoffMs } from '../net/backoff.ts'
import { sleep } from '../net/sleep.ts'
import { Waiters } from '../net/waiters.ts'
import { LinkState } from './link-state.ts'
import { epochOf, type StateChange } from './records.ts'
import type { StateLoss } from './state-loss.ts'
import { STATE_PARTITION, STATE_TOPIC } from './state-topic.ts'

/** Read access to links and topic states, for those who act on them. */
export interface LinkStateView {
  /** Null until the state topic has been read to its end once. */
  readonly state: LinkState | null
  /** What the state topic has lost of what was read before; null while it has lost nothing, or has it again. `state` is not to be relied on then. */
  readonly loss: StateLoss | null
  /** Milliseconds since the state was last known to be all that the topic holds; Infinity before. */
  ageMs (): number
  /** Calls `listener` after every change; returns how to stop that. */
  onChange (listener: (change: StateChange) => void): () => void
}

/** On a connection of its own: what is copied must not wait behind a long poll. */
const STATE_PURPOSE = 'state'
const FETCH_WAIT_MS = 1000
const FETCH_BYTES = 4 * 1024 * 1024
const MAX_RECORD_BYTES = 64 * 1024 * 1024

export class StateFollower implements LinkStateView {
  readonly #cluster: Cluster
  readonly #logger: Logger
  readonly #now: () => number
  readonly #abort = new AbortController()
  readonly #listeners = new Set<(change: StateChange) => void>()
  readonly #fencedListeners = new Set<(key: string) => void>()
  readonly #lossListeners = new Set<(loss: StateLoss | null) => void>()
  readonly #waiters = new Waiters()
  readonly #holdsClaims: boolean
  #reading: LinkState
  #shown: LinkState | null = null
  #position = 0
  /** The leader epoch of what was read last; -1 where that is not known. */
  #leaderEpoch = -1
  #loss: StateLoss | null = null
  #topicId: string | null = null
  #atEndMs = -Infinity
  #problem: string | null = null
  #finished: Promise<void> = Promise.resolve()

  private constructor (cluster: Cluster, options: { readonly logger: Logger, readonly now: () => number, readonly holdsClaims: boolean }) {
    this.#cluster = cluster
    this.#logger = options.logger
    this.#now = options.now
    this.#holdsClaims = options.holdsClaims
    this.#reading = new LinkState(options)
  }

  /** Starts following; what is known is in `state`. The cluster stays the caller's. `holdsClaims`: see LinkState. */
  static start (cluster: Cluster, { logger, now = () => performance.now(), holdsClaims = true }: { readonly logger: Logger, readonly now?: () => number, readonly holdsClaims?: boolean }): StateFollower {
    const follower = new StateFollower(cluster, { logger, now, holdsClaims })
    follower.#finished = follower.#run()
    return follower
  }

  get state (): LinkState | null {
    return this.#shown
  }

  get loss (): StateLoss | null {
    return this.#loss
  }

  /** Why the state topic cannot be read at the moment, or what it has lost; null when nothing is wrong. */
  get problem (): string | null {
    if (this.#problem !== null || this.#loss === null) return this.#problem
    return `topic ${STATE_TOPIC} has lost records (${this.#loss.reason}): nothing in it is relied on until an engine that had read them has written them again`
  }

  ageMs (): number {
    return this.#now() - this.#atEndMs
  }

  onChange (listener: (change: StateChange) => void): () => void {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  /** Calls `listener` with the key of every record that an engine wrote which had been replaced. */
  onFenced (listener: (key: string) => void): () => void {
    this.#fencedListeners.add(listener)
    return () => { this.#fencedListeners.delete(listener) }
  }

  /** Calls `listener` when records that were read are gone; with null, again and again, while the topic itself is. */
  onLoss (listener: (loss: StateLoss | null) => void): () => void {
    this.#lossListeners.add(listener)
    return () => { this.#lossListeners.delete(listener) }
  }

  /**
   * Waits until all records before `offset` have been applied.
   * @throws {ShadowError} ABORTED, also when the follower is stopped
   */
  async reached (offset: number, signal: AbortSignal): Promise<LinkState> {
    for (;;) {
      throwIfAborted(signal)
      throwIfAborted(this.#abort.signal)
      if (this.#shown !== null && this.#position >= offset) return this.#shown
      await this.#waiters.next(signal)
    }
  }

  /**
   * The state with all that was acknowledged before this was called.
   * @throws {BrokerError} what the broker says against telling the end; {ShadowError} ABORTED, or when it cannot be asked
   */
  async caughtUp (signal: AbortSignal): Promise<LinkState> {
    const [end] = await listOffsets(this.#cluster, [{ topic: STATE_TOPIC, partition: STATE_PARTITION, timestamp: LATEST_TIMESTAMP }], { signal })
    checkAnswer(end, `ListOffsets ${STATE_TOPIC}`)
    return await this.reached(end?.offset ?? 0, signal)
  }

  async stop (): Promise<void> {
    this.#abort.abort()
    this.#waiters.wake()
    await this.#finished
  }

  async #run (): Promise<void> {
    const { signal } = this.#abort
    for (let failures = 0; !signal.aborted;) {
      try {
        await this.#step(signal)
        failures = 0
        this.#problem = null
      } catch (error) {
        if (isAborted(signal)) return
        this.#problem = messageOf(error)
        this.#logger.warn({ err: error, topic: STATE_TOPIC }, 'the state of the links cannot be read; trying again')
        await this.#cluster.refresh({ signal }).catch(() => {})
        await sleep(backoffMs(failures++, { baseMs: 100, maxMs: 2000 }), signal).catch(() => {})
      }
    }
  }

  /** Where the topic is gone, whoever can make it anew is told. */
  async #leader (signal: AbortSignal): Promise<PartitionView> {
    try {
      return await this.#cluster.leaderOf(STATE_TOPIC, STATE_PARTITION, { signal, atAnyAge: true })
    } catch (error) {
      if (this.#topicId !== null && isBrokerError(error, ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION)) for (const listener of this.#lossListeners) listener(null)
      throw error
    }
  }

  /** One fetch, and what follows from it. */
  async #step (signal: AbortSignal): Promise<void> {
    const leader = await this.#leader(signal)
    const topicId = this.#cluster.lastView?.topics.get(STATE_TOPIC)?.topicId ?? null
    if (this.#topicId !== null && topicId !== this.#topicId) this.#startOver('the topic was made anew', { isMadeAnew: true })
    this.#topicId = topicId
    const { body } = await this.#cluster.request(Fetch, {
      maxWaitMs: this.#shown === null ? 0 : FETCH_WAIT_MS,
      minBytes: 1,
      maxBytes: FETCH_BYTES,
      topics: [{
        topic: STATE_TOPIC,
        ...(topicId === null ? {} : { topicId }),
        partitions: [{ partition: STATE_PARTITION, fetchOffset: BigInt(this.#position), lastFetchedEpoch: this.#leaderEpoch, partitionMaxBytes: FETCH_BYTES }]
      }]
    }, leader.leaderId, { purpose: STATE_PURPOSE, signal, ...(topicId === null ? { maxVersion: 12 } : {}) })
    const answer = body.responses[0]?.partitions[0]
    const errorCode = body.errorCode !== 0 ? body.errorCode : answer?.errorCode ?? ErrorCodes.UNKNOWN_SERVER_ERROR
    if (errorCode === ErrorCodes.OFFSET_OUT_OF_RANGE) {
      // Compaction never moves the start of a log: what is missing there says nothing about what was in it.
      if (this.#position === 0) throw new BrokerError(errorCode, `Fetch ${STATE_TOPIC}`, 'the first records of the topic were deleted, and the state of the links cannot be known without them')
      this.#startOver(`its log ends before offset ${this.#position}`)
      return
    }
    if (answer !== undefined && errorCode === 0 && answer.divergingEpoch.epoch >= 0) {
      this.#startOver(`its log has other records before offset ${this.#position}`)
      return
    }
    if (errorCode !== 0 || answer === undefined) throw new BrokerError(errorCode, `Fetch ${STATE_TOPIC}`)
    this.#apply(answer.records ?? Buffer.alloc(0))
    if (this.#position >= Number(answer.highWatermark)) this.#reachedEnd()
  }

  #apply (records: Buffer): void {
    for (const batch of readBatches(records).batches) {
      if (batch.lastOffset < this.#position) continue
      if (!batch.isCrcValid()) throw new BrokerError(ErrorCodes.CORRUPT_MESSAGE, `Fetch ${STATE_TOPIC}`, `the batch at offset ${batch.baseOffset} has a wrong CRC`)
      if (!batch.isControl) {
        for (const { offset, key, value, headers } of readRecords(batch, { maxBytes: MAX_RECORD_BYTES })) {
          if (offset < this.#position || key === null) continue
          this.#applyRecord({ offset, key: key.toString('utf8'), value, removalEpoch: epochOf(headers) })
        }
      }
      this.#position = batch.lastOffset + 1
      this.#leaderEpoch = batch.partitionLeaderEpoch
    }
  }

  #applyRecord ({ offset, key, value, removalEpoch }: { readonly offset: number, readonly key: string, readonly value: Buffer | null, readonly removalEpoch: number | null }): void {
    const change = this.#reading.apply(offset, key, value, removalEpoch)
    if (this.#shown === null) return
    if (change === null) for (const listener of this.#fencedListeners) listener(key)
    else for (const listener of this.#listeners) listener(change)
  }

  #reachedEnd (): void {
    this.#atEndMs = this.#now()
    this.#shown = this.#reading
    if (this.#loss !== null && (this.#shown.engine?.restoredEpoch ?? 0) >= this.#loss.epoch) this.#loss = null
    this.#waiters.wake()
  }

  #startOver (reason: string, { isMadeAnew = false }: { readonly isMadeAnew?: boolean } = {}): void {
    this.#logger.warn({ topic: STATE_TOPIC, position: this.#position }, `reading the state of the links from the beginning: ${reason}`)
    // Where nobody ever led, there was nothing to lose. A loss on top of another one loses no more than what was known before both.
    if (this.#loss !== null) this.#loss = { ...this.#loss, reason, isMadeAnew: this.#loss.isMadeAnew || isMadeAnew }
    else if (this.#shown !== null && this.#shown.engine !== null) this.#loss = { reason, epoch: this.#shown.engine.epoch, before: this.#shown, isMadeAnew }
    this.#reading = new LinkState({ holdsClaims: this.#holdsClaims })
    this.#shown = null
    this.#position = 0
    this.#leaderEpoch = -1
    this.#atEndMs = -Infinity
    if (this.#loss !== null) for (const listener of this.#lossListeners) listener(this.#loss)
  }
}
