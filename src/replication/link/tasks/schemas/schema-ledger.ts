/**
 * What a link did to the shadow's schema registry, in the state topic: only what is written there is ever deleted again. It is written
 * before it is done, so that an engine that dies in between leaves nothing behind that nobody owns.
 */
import type { SchemaRegistryRecord, SchemaSubjectRecord, StateChange } from '../../../../state/records.ts'

export interface LedgerOptions {
  readonly link: string
  readonly registry: SchemaRegistryRecord | null
  readonly subjects: readonly SchemaSubjectRecord[]
  readonly write: (changes: readonly StateChange[]) => Promise<unknown>
}

export class SchemaLedger {
  readonly #link: string
  readonly #write: LedgerOptions['write']
  #registry: SchemaRegistryRecord
  #isRecorded: boolean
  readonly #subjects: Map<string, SchemaSubjectRecord>

  constructor ({ link, registry, subjects, write }: LedgerOptions) {
    this.#link = link
    this.#write = write
    this.#registry = registry ?? { link, contexts: [], openedAt: null }
    this.#isRecorded = registry !== null
    this.#subjects = new Map(subjects.map(record => [record.subject, record]))
  }

  get registry (): SchemaRegistryRecord {
    return this.#registry
  }

  get subjects (): ReadonlyMap<string, SchemaSubjectRecord> {
    return this.#subjects
  }

  /** The id under which the link registered a version; null for one that is not its own. */
  idOf (subject: string, version: number): number | null {
    return this.#subjects.get(subject)?.versions.find(([known]) => known === version)?.[1] ?? null
  }

  async claimContext (context: string): Promise<void> {
    if (this.#registry.contexts.includes(context)) return
    await this.#setRegistry({ ...this.#registry, contexts: [...this.#registry.contexts, context].sort() })
  }

  async opened (at: string): Promise<void> {
    await this.#setRegistry({ ...this.#registry, openedAt: at })
  }

  async claimVersion (subject: string, version: number, id: number): Promise<void> {
    if (this.idOf(subject, version) === id) return
    const record = this.#recordOf(subject)
    const others = record.versions.filter(([known]) => known !== version)
    await this.#setSubject({ ...record, versions: [...others, [version, id] as const].sort(([a], [b]) => a - b) })
  }

  /** After the versions are gone from the registry. */
  async forgetVersion (subject: string, version: number): Promise<void> {
    const record = this.#subjects.get(subject)
    if (record === undefined) return
    await this.#setSubject({ ...record, versions: record.versions.filter(([known]) => known !== version) })
  }

  async setCompatibility (subject: string, compatibility: boolean): Promise<void> {
    const record = this.#recordOf(subject)
    if (record.compatibility !== compatibility) await this.#setSubject({ ...record, compatibility })
  }

  /** True where it was another one before. */
  async setMode (subject: string, mode: string | null): Promise<boolean> {
    const record = this.#recordOf(subject)
    if (record.mode === mode) return false
    await this.#setSubject({ ...record, mode })
    return true
  }

  /** Nothing is left of a subject. */
  async forgetSubject (subject: string): Promise<void> {
    const record = this.#subjects.get(subject)
    if (record !== undefined) await this.#setSubject({ ...record, versions: [], compatibility: false, mode: null })
  }

  /** What removes all of it. */
  removals (): StateChange[] {
    return [
      ...[...this.#subjects.keys()].map((subject): StateChange => ({ kind: 'schema-subject', link: this.#link, subject, value: null })),
      ...(this.#isRecorded ? [{ kind: 'schema-registry', link: this.#link, value: null } as const] : [])
    ]
  }

  /** Writes a record again as it is, or its absence; null for that of the registry: see LinkState.fenced. */
  async rewrite (subject: string | null): Promise<void> {
    await this.#write([subject === null
      ? { kind: 'schema-registry', link: this.#link, value: this.#isRecorded ? this.#registry : null }
      : { kind: 'schema-subject', link: this.#link, subject, value: this.#subjects.get(subject) ?? null }])
  }

  #recordOf (subject: string): SchemaSubjectRecord {
    return this.#subjects.get(subject) ?? { link: this.#link, subject, versions: [], compatibility: false, mode: null }
  }

  async #setRegistry (record: SchemaRegistryRecord): Promise<void> {
    await this.#write([{ kind: 'schema-registry', link: this.#link, value: record }])
    this.#registry = record
    this.#isRecorded = true
  }

  async #setSubject (record: SchemaSubjectRecord): Promise<void> {
    const isEmpty = record.versions.length === 0 && !record.compatibility && record.mode === null
    if (isEmpty && !this.#subjects.has(record.subject)) return
    await this.#write([{ kind: 'schema-subject', link: this.#link, subject: record.subject, value: isEmpty ? null : record }])
    if (isEmpty) this.#subjects.delete(record.subject)
    else this.#subjects.set(record.subject, record)
  }
}
