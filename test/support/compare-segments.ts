/** Compares what two brokers have on disk for a partition, byte by byte but for what is each broker's own. */
import { storedBatches, storedRecords, type StoredBatch, type StoredRecord } from './segment-files.ts'

const EPOCH_AT = 12
const EPOCH_END = 16
const SHOWN_BYTES = 16

export interface SegmentComparison {
  /** How many batches are the same, from the first on. */
  readonly batches: number
  readonly bytes: number
  /** The base offset of the first batch; null where there is none. */
  readonly startOffset: number | null
  /** The offset after the last batch that is the same. */
  readonly endOffset: number | null
  /** What differs first, and where; null when all is the same. */
  readonly difference: string | null
}

/**
 * Compares the batches of two partition folders; where segments begin and end is each broker's own affair. Both replicas must have written everything.
 * What ends before `fromOffset`, where both logs start, is left out: when its segment is deleted is each broker's own affair too.
 * @throws {Error} for a file that is not whole batches.
 */
export function compareSegments (folder: string, otherFolder: string, fromOffset = 0): SegmentComparison {
  const batches = storedBatches(folder)
  const others = storedBatches(otherFolder)
  let count = 0
  let bytes = 0
  let startOffset: number | null = null
  let endOffset: number | null = null
  const result = (difference: string | null): SegmentComparison => ({ batches: count, bytes, startOffset, endOffset, difference })
  for (;;) {
    const batch = next(batches, fromOffset)
    const other = next(others, fromOffset)
    if (batch === null && other === null) return result(null)
    if (batch === null || other === null) {
      const more = batch ?? other
      return result(`${batch === null ? folder : otherFolder} ends before the batch at ${more?.baseOffset}`)
    }
    const at = differenceOf(batch, other)
    if (at !== null) return result(`the batches at ${batch.baseOffset} and ${other.baseOffset} differ at byte ${at}: ${shown(batch.bytes, at)} and ${shown(other.bytes, at)}`)
    count++
    bytes += batch.bytes.length
    startOffset ??= batch.baseOffset
    endOffset = batch.lastOffset + 1
  }
}

export interface CleanedComparison {
  /** How many records are in both. */
  readonly common: number
  /** How many are in one of them only. */
  readonly single: number
  readonly difference: string | null
}

/**
 * Compares two replicas of a compacted partition that were cleaned apart: what both have is the same, and of every key both have
 * the latest record, or no record any more where that deletes it.
 */
export function compareCleanedSegments (folder: string, otherFolder: string): CleanedComparison {
  const [mine, theirs] = [recordsOf(folder), recordsOf(otherFolder)]
  let common = 0
  for (const [offset, record] of mine) {
    const other = theirs.get(offset)
    if (other === undefined) continue
    if (other.text !== record.text) return { common, single: 0, difference: `the records at offset ${offset} differ` }
    common++
  }
  const single = mine.size + theirs.size - 2 * common
  const [latest, others] = [latestByKey(mine.values()), latestByKey(theirs.values())]
  for (const key of new Set([...latest.keys(), ...others.keys()])) {
    const [one, other] = [latest.get(key), others.get(key)]
    if (one?.offset !== other?.offset) return { common, single, difference: `the latest record of key ${key} is at offset ${one?.offset ?? 'none'} and ${other?.offset ?? 'none'}` }
  }
  return { common, single, difference: null }
}

function recordsOf (folder: string): Map<number, StoredRecord> {
  return new Map([...storedBatches(folder)].flatMap(batch => storedRecords(batch).map(record => [record.offset, record])))
}

function latestByKey (records: Iterable<StoredRecord>): Map<string, StoredRecord> {
  const latest = new Map<string, StoredRecord>()
  for (const record of records) if (record.key !== null) latest.set(record.key, record)
  for (const [key, { isDeletion }] of latest) if (isDeletion) latest.delete(key)
  return latest
}

function next (batches: Generator<StoredBatch, void>, fromOffset: number): StoredBatch | null {
  for (;;) {
    const result = batches.next()
    if (result.done === true) return null
    if (result.value.lastOffset >= fromOffset) return result.value
  }
}

/** Where two batches differ first; null when they are the same but for the epoch, which the older formats do not have. */
function differenceOf ({ bytes: left, magic }: StoredBatch, { bytes: right }: StoredBatch): number | null {
  if (left.subarray(0, EPOCH_AT).equals(right.subarray(0, EPOCH_AT)) && left.subarray(EPOCH_END).equals(right.subarray(EPOCH_END)) && (magic === 2 || left.equals(right))) return null
  for (let at = 0; at < left.length; at++) {
    if ((magic < 2 || at < EPOCH_AT || at >= EPOCH_END) && left[at] !== right[at]) return at
  }
  return left.length
}

function shown (bytes: Buffer, at: number): string {
  return bytes.toString('hex', at, at + SHOWN_BYTES)
}
