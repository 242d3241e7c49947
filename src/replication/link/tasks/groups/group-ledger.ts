/**
 * What this link has committed on the shadow, by group and partition, so that it never takes the position of a consumer for its own.
 * A commit that was sent and not answered may have been carried out: until one is answered, both values are the link's.
 * It lives as long as the engine leads; the next one learns what is the link's by finding it equal to the source's.
 */
import { positionKey, type GroupPosition } from '../../../../client/admin/group-offsets.ts'
import type { PartitionRow } from '../../../../client/admin/ask-leaders.ts'

interface Entry {
  /** The newest last. */
  own: readonly GroupPosition[]
  /** When the shadow last took a commit of this position, whoever's value it was; by the clock of the engine. */
  renewedAtMs: number
  /** How often in a row the source has had no position here. */
  missing: number
}

/** Unanswered commits of one position that are remembered; of older ones nobody says any more that they are the link's. */
const MOST_UNANSWERED = 8

export class GroupLedger {
  readonly #groups = new Map<string, Map<string, Entry>>()

  has (groupId: string): boolean {
    return this.#groups.has(groupId)
  }

  get groupIds (): readonly string[] {
    return [...this.#groups.keys()]
  }

  /** True for a value that the link has committed, or that nobody could tell from one. */
  isOwn (groupId: string, position: GroupPosition): boolean {
    return this.#groups.get(groupId)?.get(positionKey(position))?.own.some(own => isSame(own, position)) === true
  }

  /** The positions that the link committed last. */
  lastOf (groupId: string): GroupPosition[] {
    return [...this.#groups.get(groupId)?.values() ?? []].flatMap(({ own }) => own.at(-1) ?? [])
  }

  renewedAtMs (groupId: string, row: PartitionRow): number {
    return this.#groups.get(groupId)?.get(positionKey(row))?.renewedAtMs ?? -Infinity
  }

  /** The shadow holds what the source has: whoever committed it, nothing is lost when the link moves on from there. */
  adopt (groupId: string, position: GroupPosition): void {
    this.#entry(groupId, position).own = [position]
  }

  /** A commit of the link is about to be sent. */
  sending (groupId: string, positions: readonly GroupPosition[]): void {
    for (const position of positions) {
      const entry = this.#entry(groupId, position)
      entry.own = [...entry.own, position].slice(-MOST_UNANSWERED)
    }
  }

  /** The coordinator has it. */
  committed (groupId: string, position: GroupPosition, atMs: number): void {
    const entry = this.#entry(groupId, position)
    entry.own = [position]
    entry.renewedAtMs = atMs
  }

  /** The coordinator has not taken it. */
  refused (groupId: string, position: GroupPosition): void {
    const entry = this.#entry(groupId, position)
    const last = entry.own.findLastIndex(own => isSame(own, position))
    entry.own = entry.own.filter((_, index) => index !== last)
  }

  /** A consumer's position was committed again, as it was. */
  renewed (groupId: string, row: PartitionRow, atMs: number): void {
    this.#entry(groupId, row).renewedAtMs = atMs
  }

  /** The source was seen to have no position here; returns how often in a row. */
  missing (groupId: string, row: PartitionRow): number {
    return ++this.#entry(groupId, row).missing
  }

  /** The source has a position here. */
  found (groupId: string, row: PartitionRow): void {
    const entry = this.#groups.get(groupId)?.get(positionKey(row))
    if (entry !== undefined) entry.missing = 0
  }

  forget (groupId: string, rows: readonly PartitionRow[] | null = null): void {
    if (rows === null) this.#groups.delete(groupId)
    else for (const row of rows) this.#groups.get(groupId)?.delete(positionKey(row))
  }

  /** Forgets topics that are open: nothing is committed for them any more. */
  keepTopics (isKept: (topic: string) => boolean): void {
    for (const [groupId, entries] of this.#groups) {
      for (const key of entries.keys()) if (!isKept(key.slice(0, key.lastIndexOf('/')))) entries.delete(key)
      if (entries.size === 0) this.#groups.delete(groupId)
    }
  }

  #entry (groupId: string, row: PartitionRow): Entry {
    let entries = this.#groups.get(groupId)
    if (entries === undefined) this.#groups.set(groupId, entries = new Map<string, Entry>())
    const key = positionKey(row)
    let entry = entries.get(key)
    if (entry === undefined) entries.set(key, entry = { own: [], renewedAtMs: -Infinity, missing: 0 })
    return entry
  }
}

/** The same offset, and nothing to tell them apart. */
export function isSame (a: GroupPosition, b: GroupPosition): boolean {
  return a.offset === b.offset && a.leaderEpoch === b.leaderEpoch && a.metadata === b.metadata
}
