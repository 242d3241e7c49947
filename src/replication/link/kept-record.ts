import type { LinkRecord } from '../../state/records.ts'

/** A link's own record: it is changed by one after the other, and a change counts once it is in the state topic. */
export class KeptRecord {
  readonly #write: (record: LinkRecord) => Promise<unknown>
  #current: LinkRecord
  #changing: Promise<unknown> = Promise.resolve()

  constructor (record: LinkRecord, write: (record: LinkRecord) => Promise<unknown>) {
    this.#current = record
    this.#write = write
  }

  get current (): LinkRecord {
    return this.#current
  }

  /** Resolves when the change counts. @throws what kept it from being written: the record is then what it was */
  async change (change: (record: LinkRecord) => LinkRecord): Promise<void> {
    const changed = this.#changing.then(async () => {
      const after = change(this.#current)
      await this.#write(after)
      this.#current = after
    })
    this.#changing = changed.catch(() => {})
    await changed
  }

  /** Resolves when no change is under way any more. */
  async settled (): Promise<void> {
    await this.#changing
  }
}
