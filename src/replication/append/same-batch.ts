import type { RecordBatch } from '../../../protocol/records/record-batch.ts'

/** Base offset, length and leader epoch come before it: the first two are compared by value. */
const AFTER_LEADER_EPOCH = 16

/** True for the same batch, as far as its header says; its CRC covers everything else. */
export function isSameBatch (a: RecordBatch, b: RecordBatch): boolean {
  return a.magic === b.magic && a.baseOffset === b.baseOffset && a.lastOffset === b.lastOffset && a.sizeBytes === b.sizeBytes && a.crc === b.crc
}

/** True for the same batch to the bit, but for the leader epoch that each cluster writes itself. */
export function hasSameBytes (a: RecordBatch, b: RecordBatch): boolean {
  if (!isSameBatch(a, b)) return false
  return a.magic === 2 ? a.bytes.subarray(AFTER_LEADER_EPOCH).equals(b.bytes.subarray(AFTER_LEADER_EPOCH)) : a.bytes.equals(b.bytes)
}

/** In words what two batches at the same place are. */
export function tellApart (shadow: RecordBatch, source: RecordBatch): string {
  return `offsets ${source.baseOffset} to ${source.lastOffset} with CRC ${hex(source.crc)} on the source, ${shadow.baseOffset} to ${shadow.lastOffset} with CRC ${hex(shadow.crc)} on the shadow`
}

function hex (crc: number): string {
  return crc.toString(16).padStart(8, '0')
}
