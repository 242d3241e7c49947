/** For how long the shadow of a partition has been behind its source, as far as contacts with the source tell. */
import type { PartitionStatus } from '../link-service.ts'

export class LagClock {
  readonly #now: () => number
  readonly #startedAtMs: number
  #contactAtMs: number | null = null
  #levelAtMs: number | null = null

  /** `now` in milliseconds. */
  constructor (now: () => number) {
    this.#now = now
    this.#startedAtMs = now()
  }

  /** The source has told what it has. */
  contact (): void {
    this.#contactAtMs = this.#now()
  }

  /** The shadow is level with what the source was last seen to have, which it had at the time of that contact. */
  noteLevel (): void {
    this.#levelAtMs = this.#contactAtMs
  }

  /** `lagRecords`: null where it is not known. `freshMs`: within which a contact with the source counts as now. */
  status (lagRecords: number | null, freshMs: number): Pick<PartitionStatus, 'lagRecords' | 'lagSeconds' | 'sourceContactAgeMs'> {
    const now = this.#now()
    const contactAgeMs = this.#contactAtMs === null ? null : now - this.#contactAtMs
    const isLevel = lagRecords === 0 && contactAgeMs !== null && contactAgeMs <= freshMs
    // Never level since this engine began: behind for at least as long as that.
    const behindSinceMs = this.#levelAtMs ?? (this.#contactAtMs === null ? null : this.#startedAtMs)
    return {
      lagRecords,
      lagSeconds: isLevel ? 0 : behindSinceMs === null ? null : (now - behindSinceMs) / 1000,
      sourceContactAgeMs: contactAgeMs
    }
  }
}
