/**
 * What the failover of a topic asks of the shadow cluster. What many topics ask at once goes out together; each answer is still for
 * one partition or topic.
 *
 * Where leaders come from the metadata log, every broker applies it in its own time: one that does not know yet that it leads a
 * partition is asked again for that partition, and only for that.
 */
import { ErrorCodes, errorName, meansStaleMetadata } from '../../../protocol/errors/codes.ts'
import { abortTransactions, type OpenTransaction } from '../../client/admin/abort-transactions.ts'
import { alterConfigsOfTopics, type TopicConfigChanges } from '../../client/admin/alter-topic-configs.ts'
import type { LeaderLookup, PartitionRow } from '../../client/admin/ask-leaders.ts'
import { describeProducers, type PartitionProducers } from '../../client/admin/describe-producers.ts'
import { endOfEpoch, type EpochEnd, type EpochRow } from '../../client/admin/end-of-epoch.ts'
import type { RowOutcome } from '../../client/admin/error-row.ts'
import type { Cluster } from '../../client/cluster.ts'
import { Coalesced } from '../../client/coalesced.ts'
import { ShadowError, type BrokerError } from '../../errors.ts'
import { sleep } from '../../net/sleep.ts'
import { readLogEnds } from './log-ends.ts'
import type { ProducerIdBarrier } from './producer-id-barrier.ts'

/** Of partitions. An answer must not keep those waiting who have theirs already. */
const MOST_PARTITIONS = 500
/** Of configs, each a record of the metadata log: the controller writes at most 10,000 for one request. */
const MOST_CONFIGS = 9000
/** So many that wait may be asked for every 20 ms; twice as many every 40 ms. */
const ROWS_PER_BASE = 100
const MOST_STEP_MS = 640
const ASK_AGAIN = { baseMs: 20, maxMs: 160 }
/** After so many attempts, about ten seconds, the topic's problem says what is the matter. */
const MOST_ATTEMPTS = 60

export interface FailoverQuestionsOptions {
  readonly shadow: Cluster
  readonly barrier: ProducerIdBarrier
  /** As the metadata log has it; default: as the cluster's metadata does. @throws {ShadowError} CLUSTER_UNAVAILABLE (retriable) while that is not known */
  readonly leaderOf?: LeaderLookup
  readonly signal: AbortSignal
  /** Default: the process's. */
  readonly now?: () => number
}

export class FailoverQuestions {
  readonly #signal: AbortSignal
  readonly #now: () => number
  /** Partitions whose leaders were asked before they knew that they lead: the more there are, the less often each is asked for. */
  #early = 0
  readonly #producers: Coalesced<PartitionRow, PartitionProducers>
  readonly #aborts: Coalesced<OpenTransaction, PartitionRow & RowOutcome>
  readonly #ends: Coalesced<EpochRow, EpochEnd>
  readonly #configs: Coalesced<TopicConfigChanges, { readonly refusal: BrokerError | null }>
  readonly #barrier: Coalesced<null, true>
  readonly #logEnds: Coalesced<PartitionRow, number | string>

  constructor ({ shadow, barrier, leaderOf, signal, now = () => performance.now() }: FailoverQuestionsOptions) {
    const options = { signal, ...(leaderOf === undefined ? {} : { leaderOf }) }
    this.#signal = signal
    this.#now = now
    this.#producers = new Coalesced(rows => describeProducers(shadow, rows, options), { most: MOST_PARTITIONS })
    this.#aborts = new Coalesced(rows => abortTransactions(shadow, rows, options), { most: MOST_PARTITIONS })
    this.#ends = new Coalesced(rows => endOfEpoch(shadow, rows, options), { most: MOST_PARTITIONS })
    this.#configs = new Coalesced(async rows => (await alterConfigsOfTopics(shadow, rows, { signal })).map(refusal => ({ refusal })), { most: MOST_CONFIGS, weigh: ({ changes }) => changes.size })
    this.#logEnds = new Coalesced(rows => readLogEnds(shadow, rows, { signal }), { most: MOST_PARTITIONS })
    this.#barrier = new Coalesced(async waiting => {
      await barrier.ensureNoted(signal)
      return waiting.map(() => true)
    }, { most: Infinity })
  }

  /** As `ProducerIdBarrier.ensureNoted`, for all ids that were noted before the call. */
  async ensureBarrier (): Promise<void> {
    await this.#barrier.request(null)
  }

  /** @throws {ShadowError} BROKER_ERROR (retriable) */
  async producersOf (row: PartitionRow): Promise<PartitionProducers> {
    return await this.#answered(this.#producers, row, 'the producers of it cannot be read')
  }

  /** @throws {ShadowError} BROKER_ERROR (retriable) */
  async abort (transaction: OpenTransaction): Promise<void> {
    await this.#answered(this.#aborts, transaction, 'an open transaction in it could not be aborted')
  }

  /** Where the copy of a partition ends, of which `leaderEpoch` is the last that was served: see `endOfEpoch`. @throws {ShadowError} BROKER_ERROR (retriable) */
  async endOfCopy (row: EpochRow): Promise<EpochEnd> {
    return await this.#answered(this.#ends, row, 'the end of the copy cannot be read')
  }

  /** See `readLogEnds`. @throws {ShadowError} BROKER_ERROR (retriable) */
  async logEnd (row: PartitionRow): Promise<number> {
    const end = await this.#logEnds.request(row)
    if (typeof end === 'string') throw new ShadowError('BROKER_ERROR', end, { retriable: true })
    return end
  }

  /** @throws {BrokerError} what the cluster has against it */
  async alterConfigs (topic: string, changes: ReadonlyMap<string, string | null>): Promise<void> {
    const { refusal } = await this.#configs.request({ topic, changes })
    if (refusal !== null) throw refusal
  }

  async #answered<Row extends PartitionRow, A extends RowOutcome> (question: Coalesced<Row, A>, row: Row, problem: string): Promise<A> {
    for (let failures = 0; ; failures++) {
      const answer = await question.request(row)
      const { errorCode, error } = answer
      if (errorCode === ErrorCodes.NONE) return answer
      const isEarly = meansStaleMetadata(errorCode) || errorCode === ErrorCodes.UNKNOWN_LEADER_EPOCH
      if (!isEarly || failures >= MOST_ATTEMPTS) throw new ShadowError('BROKER_ERROR', `${row.topic}-${row.partition}: ${problem}: ${error?.message ?? errorName(errorCode)}`, { retriable: true })
      this.#early++
      try {
        await sleep(askAgainInMs(failures, this.#early, this.#now()), this.#signal)
      } finally {
        this.#early--
      }
    }
  }
}

/**
 * How long to wait until a partition is asked for again whose leader does not know yet that it leads. All wait for multiples of the same
 * times, so that those that are asked for again go together; and the longer, the more there are: a broker that takes over many
 * partitions takes the longer, the more it is asked meanwhile.
 * @param failures how often it has been asked for, less one
 * @param early how many partitions wait
 */
export function askAgainInMs (failures: number, early: number, nowMs: number): number {
  const { baseMs, maxMs } = ASK_AGAIN
  const share = 2 ** Math.ceil(Math.log2(Math.max(1, early / ROWS_PER_BASE)))
  const stepMs = Math.max(Math.min(maxMs, baseMs * 2 ** failures), Math.min(MOST_STEP_MS, baseMs * share))
  return stepMs - nowMs % stepMs
}
