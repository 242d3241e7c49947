/** A source of one link for tests: logs that a test writes, fetched as the link's fetcher does, within the same budget. */
import { crc32 } from 'node:zlib'
import { buildBatch, type BatchInput } from '../../protocol/records/build-batch.ts'
import { readBatches } from '../../protocol/records/record-batch.ts'
import { HeldBytes, type ByteBudget } from '../../src/replication/source/byte-budget.ts'
import type { FetchTarget } from '../../src/replication/source/fetch-target.ts'

interface SourceBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly bytes: Buffer
}

/** One partition as the source has it. */
export class SourceLog {
  logStart = 0
  end = 0
  batches: SourceBatch[] = []
  /** When set, a fetch is told that this epoch ended there. */
  diverging: { readonly epoch: number, readonly endOffset: number } | null = null
  /** Called with the answer's copy of the records, to damage it. */
  damage: ((records: Buffer, fetchOffset: number) => void) | null = null
  /** The lastFetchedEpoch of every fetch, by offset. */
  readonly asked: Array<{ readonly offset: number, readonly epoch: number }> = []

  /** Appends a batch of so many records, after a hole of so many offsets. */
  append ({ records = 1, hole = 0, valueBytes = 10, ...input }: Partial<Omit<BatchInput, 'records'>> & { readonly records?: number, readonly hole?: number, readonly valueBytes?: number } = {}): this {
    const baseOffset = this.end + hole
    const bytes = buildBatch({
      baseOffset,
      partitionLeaderEpoch: 7,
      records: Array.from({ length: records }, (_, index) => ({ timestamp: 1000 + baseOffset + index, value: Buffer.alloc(valueBytes, baseOffset + index) })),
      ...input
    })
    return this.appendBytes(bytes)
  }

  /** An entry of message format 1: offset, size, CRC, magic, attributes, timestamp, no key, a value. */
  appendLegacy (): this {
    const bytes = Buffer.alloc(12 + 4 + 1 + 1 + 8 + 4 + 4 + 5)
    bytes.writeBigInt64BE(BigInt(this.end), 0)
    bytes.writeInt32BE(bytes.length - 12, 8)
    bytes.writeInt8(1, 16)
    bytes.writeBigInt64BE(1234n, 18)
    bytes.writeInt32BE(-1, 26)
    bytes.writeInt32BE(5, 30)
    bytes.write('hello', 34)
    bytes.writeUInt32BE(crc32(bytes.subarray(16)), 12)
    return this.appendBytes(bytes)
  }

  appendBytes (bytes: Buffer): this {
    for (const batch of readBatches(bytes).batches) {
      this.batches.push({ baseOffset: batch.baseOffset, lastOffset: batch.lastOffset, bytes: Buffer.from(batch.bytes) })
      this.end = batch.lastOffset + 1
    }
    return this
  }

  /** Whole batches from the one that holds `offset` on; the first one however large. */
  read (offset: number, maxBytes: number): Buffer[] {
    const found: Buffer[] = []
    let total = 0
    for (const { lastOffset, bytes } of this.batches) {
      if (lastOffset < offset) continue
      if (found.length > 0 && total + bytes.length > maxBytes) break
      found.push(bytes)
      total += bytes.length
    }
    return found
  }
}

export class ScriptedSource {
  readonly budget: ByteBudget
  /** The most that one partition gives in one answer. */
  answerBytes: number
  /** While true, nothing is answered. */
  isPaused = false
  /** How many answers with records were given. */
  answers = 0
  readonly #logs = new Map<string, SourceLog>()
  readonly #waiting = new Set<FetchTarget>()
  /** Level with the source: answered when something changes. */
  readonly #parked = new Set<FetchTarget>()
  #isScheduled = false
  #isStopped = false

  constructor (budget: ByteBudget, answerBytes: number) {
    this.budget = budget
    this.answerBytes = answerBytes
  }

  log (topic: string, partition: number): SourceLog {
    const key = `${topic}/${partition}`
    let log = this.#logs.get(key)
    if (log === undefined) this.#logs.set(key, log = new SourceLog())
    return log
  }

  readonly wake = (target: FetchTarget): void => {
    if (this.#isStopped || !target.wantsFetch(2 * this.answerBytes)) return
    this.#waiting.add(target)
    this.#schedule()
  }

  /** Answers those who wait at the end of a log: to be called after a log was changed. */
  changed (): void {
    for (const target of this.#parked) {
      target.fetching = false
      this.#waiting.add(target)
    }
    this.#parked.clear()
    this.#schedule()
  }

  resume (): void {
    this.isPaused = false
    this.#schedule()
  }

  stop (): void {
    this.#isStopped = true
  }

  #schedule (): void {
    if (this.#isScheduled || this.#isStopped) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#pump()
    })
  }

  #pump (): void {
    if (this.isPaused || this.#isStopped) return
    const taken = new Map<string, FetchTarget>()
    for (const target of this.#waiting) {
      if (!target.wantsFetch(Infinity)) {
        this.#waiting.delete(target)
        continue
      }
      const key = `${target.topic}/${target.partition}`
      if (taken.has(key)) continue
      if (this.budget.isShort) {
        this.budget.whenFreed(() => this.#schedule())
        break
      }
      taken.set(key, target)
      this.#waiting.delete(target)
      target.fetching = true
      const offset = target.nextOffset
      const reserved = Math.min(this.answerBytes, this.budget.freeBytes)
      this.budget.take(reserved)
      setImmediate(() => {
        this.budget.give(reserved)
        this.#answer(this.log(target.topic, target.partition), target, offset, reserved)
      })
    }
    if (this.#waiting.size > 0 && taken.size > 0) this.#schedule()
  }

  #answer (log: SourceLog, target: FetchTarget, offset: number, maxBytes: number): void {
    if (this.#isStopped) return
    log.asked.push({ offset, epoch: target.lastFetchedEpoch })
    target.fetching = false
    if (log.diverging !== null) {
      target.stopAhead(offset, { code: 'SOURCE_LOST_RECORDS', reason: 'the source has rewritten its log', partition: target.partition, offset })
      return
    }
    if (offset < log.logStart || offset > log.end) {
      target.lostBySource(offset, `the source does not have offset ${offset}`)
      setTimeout(() => this.wake(target), 1)
      return
    }
    const parts = log.read(offset, maxBytes)
    const answer = { fetchOffset: offset, highWatermark: log.end, lastStableOffset: log.end, logStartOffset: log.logStart }
    const records = Buffer.concat(parts)
    const held = new HeldBytes(this.budget, records.length, () => { records.fill(0xee) })
    if (records.length > 0) this.answers++
    log.damage?.(records, offset)
    target.fetched({ ...answer, batches: readBatches(records).batches, held })
    held.release()
    if (records.length > 0) this.wake(target)
    else if (target.wantsFetch(Infinity)) {
      // A long poll, as it were.
      target.fetching = true
      this.#parked.add(target)
    }
  }
}
