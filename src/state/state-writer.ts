/**
 * Writes records to the state topic on behalf of one engine. What waits goes out as one batch: a failover of a thousand topics is
 * a few of them. Batches carry a producer id and a sequence, so a batch that is
 * sent again after a lost answer is appended once, and an old one that arrives late is refused: a state never goes back.
 */
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { buildBatch } from '../../protocol/records/build-batch.ts'
import { initProducerId } from '../client/admin/init-producer-id.ts'
import type { Cluster } from '../client/cluster.ts'
import { Coalesced } from '../client/coalesced.ts'
import { retry } from '../client/retry.ts'
import { BrokerError, isBrokerError, ShadowError } from '../errors.ts'
import { encodeValue, headersOf, keyOf, type StateChange } from './records.ts'
import { STATE_PARTITION, STATE_TOPIC } from './state-topic.ts'

const APPEND_TIMEOUT_MS = 10_000

/** Kafka's own limit for a batch is 1 MiB and 12 bytes (`max.message.bytes`). */
const MOST_BATCH_BYTES = 960 * 1024

/** What one record has beside its key and value: lengths, and the header with the epoch. */
const RECORD_OVERHEAD_BYTES = 64

interface StateRecord {
  readonly key: Buffer
  readonly value: Buffer | null
}

export class StateWriter {
  readonly #cluster: Cluster
  readonly #epoch: number
  readonly #signal: AbortSignal
  readonly #resign: (reason: string) => void
  #producerId: number | null = null
  #sequence = 0
  /** Batches go out one after the other. */
  readonly #batches: Coalesced<readonly StateRecord[], number>

  /** `epoch` is the engine's, `signal` ends its leadership, which `resign` does where nobody knows any more what the topic holds. */
  constructor (cluster: Cluster, options: { readonly epoch: number, readonly signal: AbortSignal, readonly resign?: (reason: string) => void }) {
    this.#cluster = cluster
    this.#epoch = options.epoch
    this.#signal = options.signal
    this.#resign = options.resign ?? (() => {})
    this.#batches = new Coalesced(writes => this.#write(writes), { most: MOST_BATCH_BYTES, weigh: sizeOf })
  }

  /**
   * Appends changes in one batch, perhaps with those of others; all are in the topic, in order, or none is.
   * @returns the offset after the last of them
   * @throws {ShadowError} ABORTED when leadership ended; whether the batch was written is then for the next engine to read
   */
  async write (changes: readonly StateChange[]): Promise<number> {
    if (changes.length === 0) throw new ShadowError('INVARIANT', 'a batch of no changes')
    return await this.#batches.request(changes.map(change => ({ key: Buffer.from(keyOf(change)), value: encodeValue(change, this.#epoch) })))
  }

  /** Returns where each of the writes ends. Where the cluster takes smaller batches only (`message.max.bytes`), they go out in several. */
  async #write (writes: ReadonlyArray<readonly StateRecord[]>): Promise<number[]> {
    try {
      return await this.#writeOne(writes)
    } catch (error) {
      // Nothing of it was appended.
      if (writes.length < 2 || !isBrokerError(error, ErrorCodes.MESSAGE_TOO_LARGE)) throw error
      const half = Math.ceil(writes.length / 2)
      return [...await this.#write(writes.slice(0, half)), ...await this.#write(writes.slice(half))]
    }
  }

  async #writeOne (writes: ReadonlyArray<readonly StateRecord[]>): Promise<number[]> {
    const records = writes.flat()
    let batch: Buffer | null = null
    try {
      const start = await retry(async () => {
        const leader = await this.#cluster.leaderOf(STATE_TOPIC, STATE_PARTITION, { signal: this.#signal })
        batch ??= await this.#build(records, leader.leaderId)
        return await this.#append(batch, leader.leaderId)
      }, { signal: this.#signal, baseMs: 100, maxMs: 2000 })
      this.#sequence += records.length
      let end = start
      return writes.map(({ length }) => {
        end += length
        return end
      })
    } catch (error) {
      // An earlier attempt may have been carried out: with its sequence, the next batch would be taken for it and dropped.
      this.#producerId = null
      this.#sequence = 0
      throw error
    }
  }

  /** The producer id is asked of the leader: other nodes may be down, or no brokers, and what is written has to go through it anyway. */
  async #build (records: readonly StateRecord[], leaderId: number): Promise<Buffer> {
    if (this.#producerId === null) {
      const [producerId] = await initProducerId(this.#cluster, leaderId, { count: 1 }, { signal: this.#signal })
      this.#producerId = producerId ?? null
    }
    const timestamp = Date.now()
    return buildBatch({
      baseOffset: 0,
      records: records.map(record => ({ ...record, timestamp, headers: headersOf(this.#epoch) })),
      producerId: this.#producerId ?? -1,
      producerEpoch: 0,
      baseSequence: this.#sequence
    })
  }

  async #append (batch: Buffer, leaderId: number): Promise<number> {
    const topicId = this.#cluster.lastView?.topics.get(STATE_TOPIC)?.topicId ?? null
    const { body } = await this.#cluster.request(Produce, {
      acks: -1,
      timeoutMs: APPEND_TIMEOUT_MS,
      topicData: [{
        name: STATE_TOPIC,
        ...(topicId === null ? {} : { topicId }),
        partitionData: [{ index: STATE_PARTITION, records: batch }]
      }]
    }, leaderId, { purpose: 'general', timeoutMs: 2 * APPEND_TIMEOUT_MS, signal: this.#signal, ...(topicId === null ? { maxVersion: 12 } : {}) })
    const answer = body.responses[0]?.partitionResponses[0]
    if (answer === undefined) throw new ShadowError('INVARIANT', `the answer to Produce ${STATE_TOPIC} has no row for it`)
    if (answer.errorCode === 0) return Number(answer.baseOffset)
    const error = new BrokerError(answer.errorCode, `Produce ${STATE_TOPIC}`, answer.errorMessage)
    // One batch is under way at a time: with what was confirmed all there, ours would be the next one.
    if (answer.errorCode === ErrorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER) this.#resign(`the topic ${STATE_TOPIC} has lost records that its broker had confirmed (${error.message}): what it holds has to be read anew`)
    const isUnknown = answer.errorCode === ErrorCodes.UNKNOWN_SERVER_ERROR
    if (error.retriable || isUnknown) await this.#cluster.refresh({ signal: this.#signal })
    // It may have been carried out, which the same batch with the same sequence finds out.
    throw isUnknown ? new ShadowError('BROKER_ERROR', error.message, { retriable: true, cause: error }) : error
  }
}

function sizeOf (records: readonly StateRecord[]): number {
  return records.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0) + RECORD_OVERHEAD_BYTES, 0)
}
