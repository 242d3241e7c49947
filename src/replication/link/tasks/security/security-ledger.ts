/**
 * What a link has added to the shadow cluster, as the state topic has it. A thing is written here before it is added, and struck out after it is
 * removed: an engine that takes over in between finds it, and nothing that is not here is ever removed.
 */
import type { SecurityGrant, SecurityRecord, StateChange } from '../../../../state/records.ts'

export interface SecurityLedgerOptions {
  readonly link: string
  readonly records: readonly SecurityRecord[]
  readonly write: (changes: readonly StateChange[]) => Promise<unknown>
  readonly wallClock: () => Date
}

export class SecurityLedger {
  readonly #options: SecurityLedgerOptions
  readonly #records: Map<string, SecurityRecord>

  constructor (options: SecurityLedgerOptions) {
    this.#options = options
    this.#records = new Map(options.records.map(record => [record.id, record]))
  }

  get (id: string): SecurityRecord | null {
    return this.#records.get(id) ?? null
  }

  has (id: string): boolean {
    return this.#records.has(id)
  }

  of<T extends SecurityGrant['type']> (type: T): Array<Extract<SecurityRecord, { readonly type: T }>> {
    const isOfType = (record: SecurityRecord): record is Extract<SecurityRecord, { readonly type: T }> => record.type === type
    return [...this.#records.values()].filter(isOfType)
  }

  /** Resolves when all of them are in the state topic. */
  async enter (grants: ReadonlyArray<{ readonly id: string, readonly grant: SecurityGrant }>): Promise<void> {
    const { link, wallClock } = this.#options
    const since = wallClock().toISOString()
    await Promise.all(grants.map(async ({ id, grant }) => {
      const record: SecurityRecord = { link, id, since, ...grant }
      await this.#options.write([{ kind: 'security', link, id, value: record }])
      this.#records.set(id, record)
    }))
  }

  /** Nothing here is the link's from now on, whenever the state topic says so. */
  async strike (ids: readonly string[]): Promise<void> {
    for (const id of ids) this.#records.delete(id)
    await Promise.all(ids.map(id => this.rewrite(id)))
  }

  async strikeAll (): Promise<void> {
    await this.strike([...this.#records.keys()])
  }

  /** Writes a record again as it is: see LinkState.fenced. */
  async rewrite (id: string): Promise<void> {
    const { link } = this.#options
    await this.#options.write([{ kind: 'security', link, id, value: this.get(id) }])
  }
}
