import { DecodeError } from '../../../protocol/errors/protocol-errors.ts'
import { decodeMetadataRecord } from '../../../protocol/metadata/decode-record.ts'
import { readRecords } from '../../../protocol/records/read-records.ts'
import { readBatches, type RecordBatch } from '../../../protocol/records/record-batch.ts'
import { DeltaBuilder } from './metadata-delta.ts'
import { GrowingImage } from './growing-image.ts'
import { RecordTransactions } from './record-transactions.ts'

/** The controllers' own limit for a batch is 8 MiB, as of Kafka 4.3. */
const MAX_BATCH_BYTES = 128 * 1024 * 1024

/** An image, and how far into the log it goes. Control batches belong to the quorum and are passed over. */
export class LogReader {
  readonly image = new GrowingImage()
  readonly #transactions = new RecordTransactions(record => { this.image.apply(record, this.#delta) })
  #delta = new DeltaBuilder()
  #position = 0
  #positionEpoch = 0
  #appliedOffset = -1

  /** The offset of the next record to read. */
  get position (): number {
    return this.#position
  }

  /** The epoch of the record before `position`. */
  get positionEpoch (): number {
    return this.#positionEpoch
  }

  /** The image holds everything up to this offset. Within a transaction it stays before the transaction's beginning. */
  get appliedOffset (): number {
    return this.#appliedOffset
  }

  /** What has changed since this was called last. */
  takeDelta (): DeltaBuilder {
    const delta = this.#delta
    this.#delta = new DeltaBuilder()
    return delta
  }

  /**
   * Applies the batches of a fetch answer that lie below `highWatermark`, which is all that the controllers can never take back.
   * Returns false when there were batches, but none of them was.
   * @throws {DecodeError} when the log cannot be understood: the image is then worth nothing
   */
  readLog (records: Buffer, highWatermark: number): boolean {
    const { batches, trailingBytes } = readBatches(records)
    if (batches.length === 0 && trailingBytes > 0) throw new DecodeError(`a batch of the metadata log that is cut off after ${trailingBytes} bytes`)
    const before = this.#position
    for (const batch of batches) {
      if (batch.lastOffset >= highWatermark) return this.#position > before
      if (batch.lastOffset < this.#position) continue
      this.#applyBatch(batch, this.#position)
      this.#position = batch.lastOffset + 1
      this.#positionEpoch = batch.partitionLeaderEpoch
      if (!this.#transactions.isOpen) this.#appliedOffset = batch.lastOffset
    }
    return this.#position > before || batches.length === 0
  }

  /**
   * Applies the next piece of a snapshot, whose offsets mean nothing. Returns the bytes at its end that are the beginning of a batch.
   * @throws {DecodeError}
   */
  readSnapshot (piece: Buffer): Buffer {
    const { batches, trailingBytes } = readBatches(piece)
    for (const batch of batches) this.#applyBatch(batch, 0)
    return piece.subarray(piece.length - trailingBytes)
  }

  /** The snapshot is complete: it holds everything before `endOffset`. */
  finishSnapshot ({ endOffset, epoch }: { readonly endOffset: number, readonly epoch: number }): void {
    if (this.#transactions.isOpen) throw new DecodeError('a snapshot that ends within a transaction')
    this.#position = endOffset
    this.#positionEpoch = epoch
    this.#appliedOffset = endOffset - 1
  }

  #applyBatch (batch: RecordBatch, fromOffset: number): void {
    if (!batch.isCrcValid()) throw new DecodeError(`the batch of the metadata log at offset ${batch.baseOffset} has a wrong CRC`)
    if (batch.isControl) return
    for (const { offset, value } of readRecords(batch, { maxBytes: MAX_BATCH_BYTES })) {
      if (offset < fromOffset) continue
      if (value === null) throw new DecodeError(`the record of the metadata log at offset ${offset} has no value`)
      // A kind that is not declared is about something that is not followed here.
      const record = decodeMetadataRecord(value)
      if (record !== null) this.#transactions.add(record)
    }
  }
}
