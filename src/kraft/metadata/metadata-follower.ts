import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { DecodeError } from '../../../protocol/errors/protocol-errors.ts'
import { Fetch } from '../../../protocol/messages/fetch.ts'
import type { ResponseOf } from '../../../protocol/schema/api.ts'
import { BrokerError, messageOf } from '../../errors.ts'
import { isAborted, throwIfAborted } from '../../net/abort.ts'
import { backoffMs } from '../../net/backoff.ts'
import { sleep } from '../../net/sleep.ts'
import { Waiters } from '../../net/waiters.ts'
import type { Logger } from '../../observability/logger.ts'
import type { Controllers } from '../controllers.ts'
import { METADATA_PARTITION, METADATA_TOPIC, METADATA_TOPIC_ID } from '../metadata-topic.ts'
import { loadSnapshot } from './load-snapshot.ts'
import { LogReader } from './log-reader.ts'
import { DeltaBuilder, type MetadataDelta } from './metadata-delta.ts'
import type { MetadataImage } from './metadata-image.ts'

/** Topics by their ids: the controllers look at nothing else. */
const MIN_FETCH_VERSION = 13

const FETCH_WAIT_MS = 500
const FETCH_BYTES = 8 * 1024 * 1024

/** How long the log's end is left alone that the quorum has not committed yet: it takes a round trip between controllers. */
const COMMIT_WAIT_MS = 5

/** After this time an attempt fails for all to see. Then there is another one. */
const DEADLINE_MS = 5000

/** For how long the image may stand for the cluster since it was last known to be all of it. */
const FRESH_MS = 5000

const RETRY_BACKOFF = { baseMs: 100, maxMs: 2000 }

/** What made the image worthless mostly does so again. */
const LOSS_BACKOFF = { baseMs: 1000, maxMs: 30_000 }

type PartitionAnswer = ResponseOf<typeof Fetch>['responses'][number]['partitions'][number]

/**
 * Follows the metadata log of a KRaft cluster as an observer that the quorum does not count, and keeps an image of it.
 *
 *   reading ──high watermark reached──▶ known ──(records, snapshots)──▶ known …
 *      ▲                                  │
 *      └── the log was rewritten below what was applied, or says what is not understood: the image is null, start over
 *
 * Only what is below the high watermark is applied, and nothing above it is kept: a tail that other controllers rewrite later was
 * never seen here. `image` is null until the high watermark was reached once, and after a loss of confidence.
 */
export class MetadataFollower {
  readonly #controllers: Controllers
  readonly #logger: Logger
  readonly #now: () => number
  readonly #abort = new AbortController()
  readonly #listeners = new Set<(delta: MetadataDelta) => void>()
  readonly #waiters = new Waiters()
  #reader = new LogReader()
  #isKnown = false
  #highWatermark = -1
  #atEndMs = -Infinity
  #problem: string | null = null
  /** Why the image was given up last; null when there has been one since. */
  #loss: string | null = null
  #lossCount = 0
  #finished: Promise<void> = Promise.resolve()

  private constructor (controllers: Controllers, options: { readonly logger: Logger, readonly now: () => number }) {
    this.#controllers = controllers
    this.#logger = options.logger
    this.#now = options.now
  }

  /** Starts following. The controllers stay the caller's; `now` must be their clock. */
  static start (controllers: Controllers, options: { readonly logger: Logger, readonly now?: () => number }): MetadataFollower {
    const follower = new MetadataFollower(controllers, { logger: options.logger, now: options.now ?? (() => performance.now()) })
    follower.#finished = follower.#run()
    return follower
  }

  /** The cluster as it is known; null when nobody knows. It grows in place: see MetadataImage. */
  get image (): MetadataImage | null {
    return this.#isKnown ? this.#reader.image : null
  }

  /** The image where it may stand for the answer of a broker, which would be as old: null, too, while there is a problem, and once it was not confirmed for a while. */
  get freshImage (): MetadataImage | null {
    return this.problem === null && this.ageMs() <= FRESH_MS ? this.image : null
  }

  /** Why the metadata log cannot be read or understood at the moment; null when it can. */
  get problem (): string | null {
    return this.#loss ?? this.#problem
  }

  /** The image holds everything up to this offset; -1 when it holds nothing. What heartbeats tell the controller. */
  get appliedOffset (): number {
    return this.#reader.appliedOffset
  }

  /** The first offset that was not committed yet when the controller answered last; -1 when it has not said. */
  get highWatermark (): number {
    return this.#highWatermark
  }

  /**
   * Milliseconds since the image was last known to be all that the active controller had committed; Infinity when it never was.
   * A controller that has lost its quorum takes up to about two seconds to notice: until then it may be wrong.
   */
  ageMs (): number {
    return this.#now() - this.#atEndMs
  }

  /** Calls `listener` after every answer that changed anything; returns how to stop that. */
  onChange (listener: (delta: MetadataDelta) => void): () => void {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  /**
   * Waits until the image is known and holds everything up to `offset`.
   * @throws {ShadowError} ABORTED, also when the follower is stopped
   */
  async reached (offset: number, signal: AbortSignal): Promise<MetadataImage> {
    for (;;) {
      throwIfAborted(signal)
      throwIfAborted(this.#abort.signal)
      if (this.image !== null && this.appliedOffset >= offset) return this.image
      await this.#waiters.next(signal)
    }
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
        const isLoss = error instanceof DecodeError
        if (isLoss) {
          this.#lose(error)
        } else {
          this.#problem = messageOf(error)
          this.#logger.warn({ err: error }, 'the metadata log cannot be read; trying again')
        }
        await sleep(isLoss ? backoffMs(this.#lossCount++, LOSS_BACKOFF) : backoffMs(failures++, RETRY_BACKOFF), signal).catch(() => {})
      }
    }
  }

  /** One fetch, and what follows from it. */
  async #step (signal: AbortSignal): Promise<void> {
    const { position, positionEpoch } = this.#reader
    const { body, sentAtMs } = await this.#controllers.request(Fetch, (_version, { epoch }) => ({
      maxWaitMs: FETCH_WAIT_MS,
      minBytes: 1,
      maxBytes: FETCH_BYTES,
      topics: [{
        topicId: METADATA_TOPIC_ID,
        partitions: [{ partition: METADATA_PARTITION, currentLeaderEpoch: epoch, fetchOffset: BigInt(position), lastFetchedEpoch: positionEpoch, partitionMaxBytes: FETCH_BYTES }]
      }]
    }), { signal, purpose: 'metadata', idempotent: true, minVersion: MIN_FETCH_VERSION, deadlineMs: DEADLINE_MS, errorCodeOf })
    const errorCode = errorCodeOf(body)
    const answer = body.responses[0]?.partitions[0]
    if (errorCode !== ErrorCodes.NONE || answer === undefined) throw new BrokerError(errorCode, `Fetch ${METADATA_TOPIC}`)
    const { divergingEpoch, snapshotId } = answer
    if (divergingEpoch.epoch >= 0) {
      throw new DecodeError(`the controllers have another log from offset ${divergingEpoch.endOffset} of epoch ${divergingEpoch.epoch} on, but had committed it up to offset ${position}`)
    }
    if (snapshotId.epoch >= 0) await this.#startFrom(snapshotId, signal)
    else await this.#read(answer, sentAtMs, signal)
  }

  async #startFrom (snapshotId: { readonly endOffset: bigint, readonly epoch: number }, signal: AbortSignal): Promise<void> {
    if (Number(snapshotId.endOffset) < this.#reader.position) {
      throw new DecodeError(`the controllers offer snapshot ${snapshotId.endOffset}-${snapshotId.epoch}, but had committed the log up to offset ${this.#reader.position}`)
    }
    const startMs = this.#now()
    const reader = await loadSnapshot(this.#controllers, snapshotId, { signal })
    this.#reader = reader
    this.#logger.info({ endOffset: Number(snapshotId.endOffset), epoch: snapshotId.epoch, topics: reader.image.topics.size, durationMs: Math.round(this.#now() - startMs) }, 'read a snapshot of the metadata')
    reader.takeDelta()
    if (this.#isKnown) this.#tell(new DeltaBuilder({ replaced: true }))
  }

  async #read (answer: PartitionAnswer, sentAtMs: number, signal: AbortSignal): Promise<void> {
    const highWatermark = Number(answer.highWatermark)
    this.#highWatermark = Math.max(this.#highWatermark, highWatermark)
    const hasMoved = this.#reader.readLog(answer.records ?? Buffer.alloc(0), highWatermark)
    const delta = this.#reader.takeDelta()
    // A controller that became active a moment ago does not know the high watermark yet, and says -1.
    if (highWatermark >= 0 && this.#reader.position >= highWatermark) {
      this.#atEndMs = sentAtMs
      if (!this.#isKnown) {
        this.#isKnown = true
        this.#loss = null
        this.#lossCount = 0
        this.#tell(new DeltaBuilder({ replaced: true }))
        return
      }
    }
    if (this.#isKnown && !delta.isEmpty) this.#tell(delta)
    else this.#waiters.wake()
    if (!hasMoved) await sleep(COMMIT_WAIT_MS, signal)
  }

  #lose (error: Error): void {
    this.#logger.error({ err: error, offset: this.#reader.position }, 'what the cluster looks like is not known any more: reading its metadata from the beginning')
    this.#loss = messageOf(error)
    this.#reader = new LogReader()
    this.#highWatermark = -1
    this.#atEndMs = -Infinity
    if (!this.#isKnown) return
    this.#isKnown = false
    this.#tell(new DeltaBuilder({ replaced: true }))
  }

  #tell (delta: MetadataDelta): void {
    for (const listener of this.#listeners) listener(delta)
    this.#waiters.wake()
  }
}

function errorCodeOf (body: ResponseOf<typeof Fetch>): number {
  return body.errorCode === ErrorCodes.NONE ? body.responses[0]?.partitions[0]?.errorCode ?? ErrorCodes.UNKNOWN_SERVER_ERROR : body.errorCode
}
