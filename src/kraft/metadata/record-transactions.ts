import { DecodeError } from '../../../protocol/errors/protocol-errors.ts'
import type { MetadataRecord } from '../../../protocol/metadata/decode-record.ts'

/** Transactions are made when a cluster is set up or migrated: this is beyond any of them. */
const MAX_RECORDS = 2_000_000

/**
 * Holds records back that are part of a transaction (KIP-868), until it is known whether they count.
 *
 *   none ──begin──▶ open ──end──▶ none, its records are given out
 *                     └──abort──▶ none, its records are dropped
 */
export class RecordTransactions {
  readonly #apply: (record: MetadataRecord) => void
  #held: MetadataRecord[] | null = null

  /** `apply` is called with every record that counts, in their order. */
  constructor (apply: (record: MetadataRecord) => void) {
    this.#apply = apply
  }

  get isOpen (): boolean {
    return this.#held !== null
  }

  /** @throws {DecodeError} when transactions are not one after the other, or larger than any that makes sense */
  add (record: MetadataRecord): void {
    const held = this.#held
    if (record.kind === 'beginTransaction') {
      if (held !== null) throw new DecodeError('a metadata transaction begins within another one')
      this.#held = []
    } else if (record.kind === 'endTransaction' || record.kind === 'abortTransaction') {
      if (held === null) throw new DecodeError('a metadata transaction ends that has not begun')
      this.#held = null
      if (record.kind === 'endTransaction') for (const one of held) this.#apply(one)
    } else if (held === null) {
      this.#apply(record)
    } else {
      if (held.length >= MAX_RECORDS) throw new DecodeError(`a metadata transaction of more than ${MAX_RECORDS} records`)
      held.push(record)
    }
  }
}
