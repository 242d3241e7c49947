/**
 * What a partition knows of its idempotent producers: duplicates are recognised among the last five batches of each, and
 * sequences must go on without a gap. The rules are those of Kafka's ProducerStateManager and ProducerAppendInfo
 * (facts/kafka-replica-mode.md §11, rows 19 to 22).
 */
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { RecordBatch } from '../../../protocol/records/record-batch.ts'

const KEPT_BATCHES = 5
const MAX_SEQUENCE = 0x7fffffff
const NO_PRODUCER_ID = -1

export interface KnownBatch {
  readonly firstSequence: number
  readonly lastSequence: number
  readonly baseOffset: number
  readonly lastOffset: number
  readonly timestamp: number
}

export interface Producer {
  readonly producerId: number
  epoch: number
  coordinatorEpoch: number
  lastTimestamp: number
  /** First offset of the transaction that is open, or null. */
  transactionStart: number | null
  /** The newest batches, oldest first. */
  batches: KnownBatch[]
}

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
  readonly lastOffset: number
}

export class ProducerState {
  readonly #producers = new Map<number, Producer>()
  #aborted: AbortedTransaction[] = []

  get producers (): Iterable<Producer> {
    return this.#producers.values()
  }

  /** Where the earliest open transaction starts, or null. */
  get firstUnstableOffset (): number | null {
    let first: number | null = null
    for (const { transactionStart } of this.#producers.values()) {
      if (transactionStart !== null && (first === null || transactionStart < first)) first = transactionStart
    }
    return first
  }

  /** Transactions that were aborted and have records in this range of offsets. */
  abortedWithin (from: number, to: number): AbortedTransaction[] {
    return this.#aborted.filter(({ firstOffset, lastOffset }) => firstOffset < to && lastOffset >= from)
  }

  /** The batch that was already written with the same producer, epoch and sequences. */
  duplicateOf (batch: RecordBatch): KnownBatch | null {
    const producer = this.#producers.get(batch.producerId)
    if (producer?.epoch !== batch.producerEpoch) return null
    const last = lastSequence(batch)
    return producer.batches.find(known => known.firstSequence === batch.baseSequence && known.lastSequence === last) ?? null
  }

  /** NONE, or why the batch of an idempotent producer may not be appended. */
  check (batch: RecordBatch): number {
    const producer = this.#producers.get(batch.producerId)
    // Nothing is known, maybe because it was all deleted: any sequence is accepted.
    if (producer === undefined) return ErrorCodes.NONE
    if (batch.producerEpoch < producer.epoch) return ErrorCodes.INVALID_PRODUCER_EPOCH
    if (batch.producerEpoch !== producer.epoch) {
      if (batch.baseSequence !== 0) return ErrorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER
    } else {
      const last = producer.batches.at(-1)?.lastSequence ?? -1
      if (batch.baseSequence !== (last === MAX_SEQUENCE ? 0 : last + 1)) return ErrorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER
    }
    if (producer.transactionStart !== null && !batch.isTransactional) return ErrorCodes.INVALID_TXN_STATE
    return ErrorCodes.NONE
  }

  /** Takes note of a batch that was appended. */
  update (batch: RecordBatch): void {
    if (batch.producerId === NO_PRODUCER_ID) return
    if (batch.isControl) {
      this.#endTransaction(batch)
      return
    }
    const producer = this.#producer(batch)
    producer.batches.push({
      firstSequence: batch.baseSequence,
      lastSequence: lastSequence(batch),
      baseOffset: batch.baseOffset,
      lastOffset: batch.lastOffset,
      timestamp: batch.maxTimestamp
    })
    if (producer.batches.length > KEPT_BATCHES) producer.batches.shift()
    producer.lastTimestamp = batch.maxTimestamp
    if (batch.isTransactional) producer.transactionStart ??= batch.baseOffset
  }

  #producer (batch: RecordBatch): Producer {
    let producer = this.#producers.get(batch.producerId)
    if (producer === undefined) {
      producer = { producerId: batch.producerId, epoch: batch.producerEpoch, coordinatorEpoch: -1, lastTimestamp: -1, transactionStart: null, batches: [] }
      this.#producers.set(batch.producerId, producer)
    } else if (producer.epoch !== batch.producerEpoch) {
      producer.epoch = batch.producerEpoch
      producer.batches = []
    }
    return producer
  }

  #endTransaction (batch: RecordBatch): void {
    const marker = readMarker(batch.payload)
    if (marker === null) return
    const producer = this.#producer(batch)
    if (producer.transactionStart !== null && marker.type === 'abort') {
      this.#aborted.push({ producerId: batch.producerId, firstOffset: producer.transactionStart, lastOffset: batch.baseOffset })
    }
    producer.transactionStart = null
    producer.coordinatorEpoch = marker.coordinatorEpoch
    producer.lastTimestamp = batch.maxTimestamp
  }

  /** Forgets producers that have been silent since `timestamp`. */
  expire (timestamp: number): void {
    for (const [producerId, { lastTimestamp, transactionStart }] of this.#producers) {
      if (transactionStart === null && lastTimestamp < timestamp) this.#producers.delete(producerId)
    }
  }

  /** Forgets aborted transactions that end before the log starts. */
  dropBefore (logStart: number): void {
    this.#aborted = this.#aborted.filter(({ lastOffset }) => lastOffset >= logStart)
  }

  clear (): void {
    this.#producers.clear()
    this.#aborted = []
  }
}

function lastSequence (batch: RecordBatch): number {
  // Sequences go from 2^31-1 back to 0.
  return (batch.baseSequence + batch.lastOffsetDelta) % (MAX_SEQUENCE + 1)
}

/**
 * Reads the one record of a control batch: length, attributes, timestamp delta and offset delta before a key of two int16
 * (version and type), and a value of version and coordinator epoch. Null for anything that is not an end of a transaction.
 */
function readMarker (payload: Buffer): { readonly type: 'abort' | 'commit', readonly coordinatorEpoch: number } | null {
  let at = 0
  const skipVarint = (): void => { while (((payload[at++] ?? 0) & 0x80) !== 0); }
  skipVarint()
  at += 1
  skipVarint()
  skipVarint()
  skipVarint()
  if (payload.length < at + 4) return null
  const type = payload.readInt16BE(at + 2)
  at += 4
  skipVarint()
  const coordinatorEpoch = payload.length >= at + 6 ? payload.readInt32BE(at + 2) : -1
  return type === 0 ? { type: 'abort', coordinatorEpoch } : type === 1 ? { type: 'commit', coordinatorEpoch } : null
}
