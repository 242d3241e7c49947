/**
 * Records in the state topic what the ledger knows, for the engine that leads next: it knows what this one knew, and never more.
 * How a round goes is in group-claims.ts. A death at any point leaves positions that nobody claims, which are only ever moved
 * forwards; none that is claimed and not the link's.
 */
import { positionKey, type GroupPosition } from '../../../../client/admin/group-offsets.ts'
import type { Logger } from '../../../../observability/logger.ts'
import type { GroupClaims, GroupShardRecord, RecordedClaims } from '../../../../state/group-claims.ts'
import type { StateChange } from '../../../../state/records.ts'
import type { GroupCommit } from './commit-groups.ts'
import type { GroupLedger } from './group-ledger.ts'
import { digestOf, shardOf } from './position-digest.ts'

/** Well below what one batch of the state topic holds. Groups beyond it are not recorded: nobody claims them after a takeover. */
const MOST_SHARD_BYTES = 256 * 1024
/** How far the clock of another engine may be ahead of ours. */
const CLOCK_TOLERANCE_MS = 60_000

export interface JournalOptions {
  readonly link: string
  readonly uid: string
  readonly ledger: GroupLedger
  readonly recorded: RecordedClaims
  readonly write: (changes: readonly StateChange[]) => Promise<unknown>
  readonly logger: Logger
  readonly now: () => number
  readonly wallClock: () => Date
}

/** Positions that are about to be committed, by group and `TOPIC/PARTITION`. */
type Pending = ReadonlyMap<string, ReadonlyMap<string, GroupPosition>>

const NOTHING_PENDING: Pending = new Map<never, never>()

export class LedgerJournal {
  readonly #options: JournalOptions
  /** Shards that the state topic has a record of. */
  readonly #recorded: Set<number>
  #round: number
  #settled: number
  #isSettledRecorded: boolean
  /** Shards with pending rows of a round that has not been settled: a later round must not settle them. */
  readonly #unsettled = new Set<number>()
  #isOver = false

  constructor (options: JournalOptions) {
    this.#options = options
    const { uid, recorded: { shards, settled } } = options
    this.#recorded = new Set(shards.keys())
    this.#isSettledRecorded = settled !== null
    this.#settled = settled?.uid === uid ? settled.round : 0
    this.#round = Math.max(this.#settled, ...[...shards.values()].map(({ round }) => round))
    for (const [shard, record] of shards) this.#restore(shard, record)
  }

  #restore (shard: number, { uid, writtenAt, round, groups }: GroupShardRecord): void {
    const { ledger } = this.#options
    if (uid !== this.#options.uid) {
      ledger.mark(shard, true)
      return
    }
    if (round > this.#settled && groups.some(([, , topics]) => topics.some(([, , pending]) => pending !== ''))) this.#unsettled.add(shard)
    const writtenAtMs = this.#engineTime(writtenAt)
    for (const [groupId, renewedAt, topics] of groups) {
      const renewedAtMs = this.#engineTime(renewedAt)
      for (const [topic, settled, pending] of topics) {
        for (const row of rowsOf(settled)) ledger.restore(groupId, { topic, ...row, renewedAtMs })
        // They were committed after they were recorded.
        if (round <= this.#settled) for (const row of rowsOf(pending)) ledger.restore(groupId, { topic, ...row, renewedAtMs: writtenAtMs })
      }
    }
  }

  /**
   * Does the commits of `work` between the records that go before and after them.
   * @throws {ShadowError} ABORTED when leadership ended; what `work` throws
   */
  async round<T> (groups: readonly GroupCommit[], work: () => Promise<T>): Promise<T> {
    const pending = new Map(groups.flatMap(({ groupId, commits }) => commits.length === 0 ? [] : [[groupId, new Map(commits.map(position => [positionKey(position), position]))] as const]))
    if (pending.size === 0) {
      const result = await work()
      await this.flush()
      return result
    }
    const { ledger } = this.#options
    const round = ++this.#round
    const shards = new Set([...pending.keys()].map(shardOf))
    await this.#write(new Set([...this.#outdated, ...shards]), pending)
    for (const shard of shards) this.#unsettled.add(shard)
    const result = await work()
    const failed = new Set<number>()
    const done = new Map([...pending].map(([groupId, positions]) => [groupId, new Map([...positions].filter(([, position]) => {
      const isDone = ledger.isCertain(groupId, position)
      if (!isDone) failed.add(shardOf(groupId))
      return isDone
    }))]))
    if (failed.size > 0) await this.#write(failed, done)
    const { link, uid, write } = this.#options
    await this.#unlessOver(() => write([{ kind: 'groups-settled', link, value: { uid, round } }]))
    this.#settled = round
    this.#isSettledRecorded = true
    this.#unsettled.clear()
    await this.flush()
    return result
  }

  /** Writes what has changed; nothing where nothing has. */
  async flush (): Promise<void> {
    await this.#write(this.#outdated, NOTHING_PENDING)
  }

  get #outdated (): ReadonlySet<number> {
    return new Set([...this.#options.ledger.changedShards, ...this.#unsettled])
  }

  /** Writes a record again, as it should be: see LinkState.fenced. Null: which round is settled. */
  async rewrite (shard: number | null): Promise<void> {
    const { ledger, link, uid, write } = this.#options
    if (shard === null) {
      await this.#unlessOver(() => write([{ kind: 'groups-settled', link, value: this.#isSettledRecorded ? { uid, round: this.#settled } : null }]))
      return
    }
    this.#recorded.add(shard)
    ledger.mark(shard, true)
    await this.flush()
  }

  /** Nothing is recorded from now on. Returns what removes all that was. */
  end (): StateChange[] {
    this.#isOver = true
    const { link } = this.#options
    const shards = [...this.#recorded].map((shard): StateChange => ({ kind: 'groups', link, shard, value: null }))
    return this.#isSettledRecorded ? [...shards, { kind: 'groups-settled', link, value: null }] : shards
  }

  async #write (shards: ReadonlySet<number>, pending: Pending): Promise<void> {
    const { link, ledger, write } = this.#options
    try {
      // Each by itself: as many of them as fit go together.
      await Promise.all([...shards].map(async shard => {
        const value = this.#recordOf(shard, pending)
        ledger.mark(shard, false)
        if (value !== null) this.#recorded.add(shard)
        if (this.#recorded.has(shard)) await this.#unlessOver(() => write([{ kind: 'groups', link, shard, value }]))
        if (value === null) this.#recorded.delete(shard)
      }))
      if (pending === NOTHING_PENDING) for (const shard of shards) this.#unsettled.delete(shard)
    } catch (error) {
      for (const shard of shards) ledger.mark(shard, true)
      throw error
    }
  }

  async #unlessOver (work: () => Promise<unknown>): Promise<void> {
    if (!this.#isOver) await work()
  }

  /** Null for a shard with nothing in it. */
  #recordOf (shard: number, pending: Pending): GroupShardRecord | null {
    const { ledger, uid, link, logger, wallClock } = this.#options
    const groups: GroupClaims[] = []
    let bytes = 0
    for (const groupId of new Set([...ledger.groupsIn(shard), ...[...pending.keys()].filter(name => shardOf(name) === shard)])) {
      const claims = this.#claimsOf(groupId, pending.get(groupId))
      if (claims === null) continue
      const size = Buffer.byteLength(JSON.stringify(claims))
      if (bytes + size > MOST_SHARD_BYTES) {
        logger.warn({ link, group: groupId }, `group ${groupId} has too many positions to be recorded: an engine that takes over does not know which of them are the link's`)
        continue
      }
      bytes += size
      groups.push(claims)
    }
    return groups.length === 0 ? null : { uid, writtenAt: wallClock().getTime(), round: this.#round, groups }
  }

  #claimsOf (groupId: string, pending: ReadonlyMap<string, GroupPosition> | undefined): GroupClaims | null {
    const topics = new Map<string, { readonly settled: string[], readonly pending: string[] }>()
    const rowsFor = (topic: string): { readonly settled: string[], readonly pending: string[] } => {
      let rows = topics.get(topic)
      if (rows === undefined) topics.set(topic, rows = { settled: [], pending: [] })
      return rows
    }
    let renewedAtMs = Infinity
    for (const claim of this.#options.ledger.certainOf(groupId)) {
      if (pending?.has(positionKey(claim)) === true) continue
      rowsFor(claim.topic).settled.push(`${claim.partition}:${claim.digest}`)
      renewedAtMs = Math.min(renewedAtMs, claim.renewedAtMs)
    }
    for (const position of pending?.values() ?? []) rowsFor(position.topic).pending.push(`${position.partition}:${digestOf(groupId, position)}`)
    if (topics.size === 0) return null
    return [groupId, this.#wallTime(renewedAtMs), [...topics].map(([topic, rows]) => [topic, rows.settled.join(' '), rows.pending.join(' ')] as const)]
  }

  /** Milliseconds since 1970; 0 where it is not known. */
  #wallTime (engineMs: number): number {
    const { now, wallClock } = this.#options
    return Number.isFinite(engineMs) ? Math.max(0, Math.floor(wallClock().getTime() - (now() - engineMs))) : 0
  }

  #engineTime (wallMs: number): number {
    const { now, wallClock } = this.#options
    const ageMs = wallClock().getTime() - wallMs
    return wallMs === 0 || ageMs < -CLOCK_TOLERANCE_MS ? -Infinity : now() - Math.max(0, ageMs)
  }
}

function rowsOf (text: string): Array<{ readonly partition: number, readonly digest: string }> {
  if (text === '') return []
  return text.split(' ').map(row => {
    const [partition = '', digest = ''] = row.split(':')
    return { partition: Number(partition), digest }
  })
}
