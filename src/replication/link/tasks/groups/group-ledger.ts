/**
 * What this link has committed on the shadow, by group and partition, so that it never takes the position of a consumer for its own.
 * A commit that was sent and not answered may have been carried out: until one is answered, both values are the link's.
 * What the next engine is to know of it is recorded: see ledger-journal.ts.
 */
import { positionKey, type GroupPosition } from '../../../../client/admin/group-offsets.ts'
import type { PartitionRow } from '../../../../client/admin/ask-leaders.ts'
import { digestOf, shardOf } from './position-digest.ts'

/** One value that is the link's. */
interface Claim {
  /** Null for one that an engine before this one has recorded. */
  readonly position: GroupPosition | null
  /** Null until it is needed. */
  digest: string | null
}

interface Entry {
  readonly topic: string
  readonly partition: number
  /** The newest last. */
  own: readonly Claim[]
  /** When the shadow last took a commit of this position, whoever's value it was; by the clock of the engine. */
  renewedAtMs: number
  /** How often in a row the source has had no position here. */
  missing: number
}

/** A position of which one value is certainly the link's. */
export interface CertainClaim extends PartitionRow {
  readonly digest: string
  readonly renewedAtMs: number
}

/** Unanswered commits of one position that are remembered; of older ones nobody says any more that they are the link's. */
const MOST_UNANSWERED = 8

export class GroupLedger {
  readonly #groups = new Map<string, Map<string, Entry>>()
  readonly #shards = new Map<number, Set<string>>()
  /** Shards whose record does not say what is known here, but for commits that are under way. */
  readonly #changed = new Set<number>()

  has (groupId: string): boolean {
    return this.#groups.has(groupId)
  }

  get groupIds (): readonly string[] {
    return [...this.#groups.keys()]
  }

  groupsIn (shard: number): ReadonlySet<string> {
    return this.#shards.get(shard) ?? new Set<never>()
  }

  get changedShards (): ReadonlySet<number> {
    return this.#changed
  }

  /** The record of a shard is to be written, or was. */
  mark (shard: number, isChanged: boolean): void {
    if (isChanged) this.#changed.add(shard)
    else this.#changed.delete(shard)
  }

  /** True for a value that the link has committed, or that nobody could tell from one. */
  isOwn (groupId: string, position: GroupPosition): boolean {
    return this.#groups.get(groupId)?.get(positionKey(position))?.own.some(own => isClaimOf(own, groupId, position)) === true
  }

  /** True where this value is the link's, and no other is. */
  isCertain (groupId: string, position: GroupPosition): boolean {
    const [own, another] = this.#groups.get(groupId)?.get(positionKey(position))?.own ?? []
    return own !== undefined && another === undefined && isClaimOf(own, groupId, position)
  }

  /** The positions that the link committed last, as far as this engine has seen them. */
  lastOf (groupId: string): GroupPosition[] {
    return [...this.#groups.get(groupId)?.values() ?? []].flatMap(({ own }) => own.at(-1)?.position ?? [])
  }

  /** What may be recorded of a group. */
  certainOf (groupId: string): CertainClaim[] {
    return [...this.#groups.get(groupId)?.values() ?? []].flatMap(({ topic, partition, own, renewedAtMs }) => {
      const [claim, another] = own
      if (claim === undefined || another !== undefined) return []
      if (claim.position !== null) claim.digest ??= digestOf(groupId, claim.position)
      return claim.digest === null ? [] : [{ topic, partition, digest: claim.digest, renewedAtMs }]
    })
  }

  renewedAtMs (groupId: string, row: PartitionRow): number {
    return this.#groups.get(groupId)?.get(positionKey(row))?.renewedAtMs ?? -Infinity
  }

  /** An engine before this one has recorded it. */
  restore (groupId: string, { topic, partition, digest, renewedAtMs }: CertainClaim): void {
    const entry = this.#entry(groupId, { topic, partition })
    entry.own = [{ position: null, digest }]
    entry.renewedAtMs = renewedAtMs
  }

  /** The shadow holds what the source has: whoever committed it, nothing is lost when the link moves on from there. */
  adopt (groupId: string, position: GroupPosition): void {
    const entry = this.#entry(groupId, position)
    const [own, another] = entry.own
    if (own !== undefined && another === undefined && isClaimOf(own, groupId, position)) {
      if (own.position === null) entry.own = [{ position, digest: own.digest }]
      return
    }
    entry.own = [{ position, digest: null }]
    this.#change(groupId)
  }

  /** The shadow has this: where it is another's, the link's values are gone, and whoever comes back to one of them has done so by themselves. */
  seen (groupId: string, position: GroupPosition): void {
    const entry = this.#groups.get(groupId)?.get(positionKey(position))
    if (entry === undefined || entry.own.length === 0 || entry.own.some(own => isClaimOf(own, groupId, position))) return
    entry.own = []
    this.#change(groupId)
  }

  /** A commit of the link is about to be sent. */
  sending (groupId: string, positions: readonly GroupPosition[]): void {
    for (const position of positions) {
      const entry = this.#entry(groupId, position)
      entry.own = [...entry.own, { position, digest: null }].slice(-MOST_UNANSWERED)
    }
  }

  /** The coordinator has it. */
  committed (groupId: string, position: GroupPosition, atMs: number): void {
    const entry = this.#entry(groupId, position)
    entry.own = [{ position, digest: null }]
    entry.renewedAtMs = atMs
  }

  /** The coordinator has not taken it. */
  refused (groupId: string, position: GroupPosition): void {
    const entry = this.#entry(groupId, position)
    const last = entry.own.findLastIndex(own => isClaimOf(own, groupId, position))
    entry.own = entry.own.filter((_, index) => index !== last)
    this.#change(groupId)
  }

  /** A position was committed again, as it was. */
  renewed (groupId: string, row: PartitionRow, atMs: number): void {
    const entry = this.#entry(groupId, row)
    entry.renewedAtMs = atMs
    if (entry.own.length === 1) this.#change(groupId)
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
    const entries = this.#groups.get(groupId)
    if (entries === undefined) return
    if (rows === null) entries.clear()
    else for (const row of rows) entries.delete(positionKey(row))
    this.#change(groupId)
    if (entries.size === 0) this.#remove(groupId)
  }

  /** Forgets topics that are open: nothing is committed for them any more. */
  keepTopics (isKept: (topic: string) => boolean): void {
    for (const [groupId, entries] of this.#groups) {
      const rows = [...entries.values()].filter(({ topic }) => !isKept(topic))
      if (rows.length > 0) this.forget(groupId, rows)
    }
  }

  #change (groupId: string): void {
    this.#changed.add(shardOf(groupId))
  }

  #remove (groupId: string): void {
    this.#groups.delete(groupId)
    this.#shards.get(shardOf(groupId))?.delete(groupId)
  }

  #entry (groupId: string, row: PartitionRow): Entry {
    let entries = this.#groups.get(groupId)
    if (entries === undefined) {
      this.#groups.set(groupId, entries = new Map<string, Entry>())
      const shard = shardOf(groupId)
      const others = this.#shards.get(shard)
      if (others === undefined) this.#shards.set(shard, new Set([groupId]))
      else others.add(groupId)
    }
    const key = positionKey(row)
    let entry = entries.get(key)
    if (entry === undefined) entries.set(key, entry = { topic: row.topic, partition: row.partition, own: [], renewedAtMs: -Infinity, missing: 0 })
    return entry
  }
}

function isClaimOf (claim: Claim, groupId: string, position: GroupPosition): boolean {
  if (claim.position !== null) return isSame(claim.position, position)
  return claim.digest === digestOf(groupId, position)
}

/** The same offset, and nothing to tell them apart. */
export function isSame (a: GroupPosition, b: GroupPosition): boolean {
  return a.offset === b.offset && a.leaderEpoch === b.leaderEpoch && a.metadata === b.metadata
}
