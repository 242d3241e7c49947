/**
 * Compares two copies of a compacted log that may have been cleaned apart: either may lack batches, and records within batches.
 * A cleaned batch keeps its offsets, its producer, epoch and first sequence number, and of its attributes all but the codec of an
 * empty one and the delete horizon (MemoryRecords.filterTo, DefaultRecordBatch.writeEmptyHeader).
 */
import { readRecords, type KafkaRecord } from '../../../../protocol/records/read-records.ts'
import type { RecordBatch } from '../../../../protocol/records/record-batch.ts'
import { isSameBatch, tellApart } from '../same-batch.ts'

export interface CleanedComparison {
  /** Of the source, the last batch that is known to be the same batch on both sides; null when there is none. */
  readonly matching: RecordBatch | null
  /** The first batch that is another one, or has another record at the same offset; null when all may be of one log. */
  readonly difference: { readonly offset: number, readonly reason: string } | null
}

/** Both lists in the order of their offsets; what lies outside of the other is passed over. @throws {DecodeError} for records that cannot be read */
export function compareCleaned (shadow: readonly RecordBatch[], source: readonly RecordBatch[]): CleanedComparison {
  let matching: RecordBatch | null = null
  for (let left = 0, right = 0; ;) {
    const [mine, theirs] = [shadow[left], source[right]]
    if (mine === undefined || theirs === undefined) return { matching, difference: null }
    if (mine.lastOffset < theirs.baseOffset) left++
    else if (theirs.lastOffset < mine.baseOffset) right++
    // Cleaning changes the offsets of a compressed entry of the older formats, and from Kafka 4.0 on it makes batches of them all
    // (KIP-724): only an equal one says something.
    else if ((mine.magic < 2 || theirs.magic < 2) && !isSameBatch(mine, theirs)) {
      left++
      right++
    } else {
      const verdict = verdictOn(mine, theirs)
      if (typeof verdict === 'string') return { matching, difference: { offset: mine.baseOffset, reason: verdict } }
      if (verdict) matching = theirs
      left++
      right++
    }
  }
}

/** True: they are the same batch. False: nothing that both still hold says so, nor otherwise. A text: they are not. */
function verdictOn (mine: RecordBatch, theirs: RecordBatch): boolean | string {
  if (isSameBatch(mine, theirs)) return true
  if (!isSameHeader(mine, theirs)) return tellApart(mine, theirs)
  const known = new Map(Array.from(readRecords(mine), record => [record.offset, record]))
  let common = 0
  for (const record of readRecords(theirs)) {
    const other = known.get(record.offset)
    if (other === undefined) continue
    if (!isSameRecord(record, other)) return `the records at offset ${record.offset} differ`
    common++
  }
  // A producer writes a sequence number once.
  return common > 0 || mine.producerId >= 0
}

function isSameHeader (a: RecordBatch, b: RecordBatch): boolean {
  return a.magic === b.magic && a.baseOffset === b.baseOffset && a.lastOffset === b.lastOffset &&
    a.producerId === b.producerId && a.producerEpoch === b.producerEpoch && a.baseSequence === b.baseSequence &&
    a.isTransactional === b.isTransactional && a.isControl === b.isControl && a.isLogAppendTime === b.isLogAppendTime
}

function isSameRecord (a: KafkaRecord, b: KafkaRecord): boolean {
  return a.timestamp === b.timestamp && isSameField(a.key, b.key) && isSameField(a.value, b.value) && a.headers.length === b.headers.length &&
    a.headers.every((header, index) => header.key === b.headers[index]?.key && isSameField(header.value, b.headers[index].value))
}

function isSameField (a: Buffer | null, b: Buffer | null): boolean {
  return a === null || b === null ? a === b : a.equals(b)
}
