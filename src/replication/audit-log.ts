/** Writes down who ordered what, on the engine that leads. */
import { messageOf } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import { AUDIT_SLOTS, type AuditRecord } from '../state/audit-record.ts'
import type { StateChange } from '../state/records.ts'

export type AuditOrder = Pick<AuditRecord, 'action' | 'link' | 'topics' | 'detail' | 'by'>

export interface AuditLogOptions {
  /** What engines before this one wrote. */
  readonly known: Iterable<AuditRecord>
  readonly write: (changes: readonly StateChange[]) => Promise<unknown>
  readonly wallClock: () => Date
  readonly logger: Logger
}

export class AuditLog {
  readonly #options: AuditLogOptions
  #next = 0

  constructor (options: AuditLogOptions) {
    this.#options = options
    for (const { number } of options.known) this.#next = Math.max(this.#next, number + 1)
  }

  /**
   * Carries an order out, and writes it down: before what it changes, and once more with the reason where it fails. An order is not
   * held up by it, and does not fail because of it.
   * @throws what `work` throws
   */
  async during<T> (order: AuditOrder, work: () => Promise<T>): Promise<T> {
    const record: AuditRecord = { ...order, number: this.#next++, at: this.#options.wallClock().toISOString(), problem: null }
    const written = this.#write(record)
    try {
      return await work()
    } catch (error) {
      await written
      await this.#write({ ...record, problem: messageOf(error) })
      throw error
    } finally {
      await written
    }
  }

  async #write (record: AuditRecord): Promise<void> {
    const { write, logger } = this.#options
    try {
      await write([{ kind: 'audit', slot: record.number % AUDIT_SLOTS, value: record }])
    } catch (error) {
      logger.warn({ link: record.link, action: record.action, err: error }, `what was ordered could not be written down: ${messageOf(error)}`)
    }
  }
}
