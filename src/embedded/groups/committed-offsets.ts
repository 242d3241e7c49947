/**
 * The offsets that groups have committed. With a data folder every change is appended to a journal, one line of JSON each, which
 * the next start reads and writes anew; a line that the end of the process cut off was never acknowledged.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { writeFileAtomic } from '../atomic-file.ts'

export interface CommittedOffset {
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
}

export interface OffsetCommitRow extends CommittedOffset {
  readonly topic: string
  readonly partition: number
}

const FILE = 'committed-offsets.jsonl'

/** When the journal is this much longer than what it says, it is written anew. */
const SPARE_LINES = 10_000

const line = z.object({
  group: z.string(),
  topic: z.string(),
  partition: z.int(),
  /** Null: forgotten. */
  offset: z.int().nullable(),
  leaderEpoch: z.int(),
  metadata: z.string()
})

type Line = z.infer<typeof line>
type Partitions = Map<number, CommittedOffset>

export class CommittedOffsets {
  readonly #path: string | null
  readonly #groups = new Map<string, Map<string, Partitions>>()
  /** What open transactions want to commit, by producer id and group. */
  readonly #pending = new Map<number, Map<string, OffsetCommitRow[]>>()
  #journal: number | null = null
  #lines = 0

  constructor (dataDir: string | null) {
    this.#path = dataDir === null ? null : join(dataDir, FILE)
    if (this.#path === null) return
    for (const entry of readJournal(this.#path)) this.#apply(entry)
    this.#rewrite()
  }

  get groupIds (): readonly string[] {
    return [...this.#groups.keys()]
  }

  has (groupId: string): boolean {
    return this.#groups.has(groupId)
  }

  get (groupId: string, topic: string, partition: number): CommittedOffset | null {
    return this.#groups.get(groupId)?.get(topic)?.get(partition) ?? null
  }

  /** Everything that a group has committed. */
  all (groupId: string): OffsetCommitRow[] {
    return [...this.#groups.get(groupId) ?? []].flatMap(([topic, partitions]) =>
      [...partitions].map(([partition, committed]) => ({ topic, partition, ...committed })))
  }

  commit (groupId: string, rows: readonly OffsetCommitRow[]): void {
    this.#change(rows.map(({ topic, partition, offset, leaderEpoch, metadata }) => ({ group: groupId, topic, partition, offset, leaderEpoch, metadata })))
  }

  remove (groupId: string, partitions: ReadonlyArray<{ readonly topic: string, readonly partition: number }>): void {
    this.#change(partitions.map(({ topic, partition }) => ({ group: groupId, topic, partition, offset: null, leaderEpoch: -1, metadata: '' })))
  }

  removeGroup (groupId: string): void {
    this.remove(groupId, this.all(groupId))
  }

  removeTopic (topic: string): void {
    for (const groupId of this.groupIds) this.remove(groupId, this.all(groupId).filter(row => row.topic === topic))
  }

  /** Keeps offsets until the transaction of this producer ends. */
  commitPending (producerId: number, groupId: string, rows: readonly OffsetCommitRow[]): void {
    let groups = this.#pending.get(producerId)
    if (groups === undefined) this.#pending.set(producerId, groups = new Map<string, OffsetCommitRow[]>())
    groups.set(groupId, [...groups.get(groupId) ?? [], ...rows])
  }

  /** What the open transaction of a producer wants to commit. */
  pendingOf (producerId: number): Array<OffsetCommitRow & { readonly groupId: string }> {
    return [...this.#pending.get(producerId) ?? []].flatMap(([groupId, rows]) => rows.map(row => ({ groupId, ...row })))
  }

  /** True while a transaction may still change this offset. */
  isPending (groupId: string, topic: string, partition: number): boolean {
    for (const groups of this.#pending.values()) {
      if (groups.get(groupId)?.some(row => row.topic === topic && row.partition === partition) === true) return true
    }
    return false
  }

  endTransaction (producerId: number, isCommitted: boolean): void {
    const groups = this.#pending.get(producerId)
    this.#pending.delete(producerId)
    if (isCommitted) for (const [groupId, rows] of groups ?? []) this.commit(groupId, rows)
  }

  close (): void {
    if (this.#journal !== null) closeSync(this.#journal)
    this.#journal = null
  }

  #change (lines: readonly Line[]): void {
    // On disk first: what is acknowledged is there after a restart.
    if (this.#journal !== null && lines.length > 0) {
      writeSync(this.#journal, lines.map(entry => `${JSON.stringify(entry)}\n`).join(''))
      this.#lines += lines.length
    }
    for (const entry of lines) this.#apply(entry)
    if (this.#lines > SPARE_LINES + 2 * this.#liveLines().length) this.#rewrite()
  }

  #apply ({ group, topic, partition, offset, leaderEpoch, metadata }: Line): void {
    let topics = this.#groups.get(group)
    if (offset !== null) {
      if (topics === undefined) this.#groups.set(group, topics = new Map<string, Partitions>())
      let partitions = topics.get(topic)
      if (partitions === undefined) topics.set(topic, partitions = new Map<number, CommittedOffset>())
      partitions.set(partition, { offset, leaderEpoch, metadata })
      return
    }
    const partitions = topics?.get(topic)
    if (topics === undefined || partitions === undefined) return
    partitions.delete(partition)
    if (partitions.size === 0) topics.delete(topic)
    if (topics.size === 0) this.#groups.delete(group)
  }

  #liveLines (): Line[] {
    return this.groupIds.flatMap(group => this.all(group).map(({ topic, partition, offset, leaderEpoch, metadata }) => ({ group, topic, partition, offset, leaderEpoch, metadata })))
  }

  #rewrite (): void {
    if (this.#path === null) return
    const live = this.#liveLines()
    writeFileAtomic(this.#path, live.map(entry => `${JSON.stringify(entry)}\n`).join(''))
    if (this.#journal !== null) closeSync(this.#journal)
    this.#journal = openSync(this.#path, 'a')
    this.#lines = live.length
  }
}

function readJournal (path: string): Line[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    // A new data folder.
    return []
  }
  // What comes after the last end of a line was cut off.
  return text.split('\n').slice(0, -1).map(entry => line.parse(JSON.parse(entry)))
}
