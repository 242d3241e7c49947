/**
 * Compares what two brokers have on disk for a partition, byte by byte. It knows the format of segment files in its own words, and
 * nothing of the product: the exactness of the copy is not proven with the code that made it.
 *
 *   0         8        12                     16             length + 12
 *   │ base    │ length │ partition            │ magic, CRC,  │ next batch
 *   │ offset  │        │ leader epoch         │ records ...  │
 *                      └─ each broker's own ──┘
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const LENGTH_AT = 8
const OVERHEAD_BYTES = 12
const EPOCH_AT = 12
const EPOCH_END = 16
const MAGIC_AT = 16
const LAST_OFFSET_DELTA_AT = 23
const HEADER_BYTES = 61
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

interface Batch {
  readonly baseOffset: bigint
  readonly bytes: Buffer
}

/**
 * Compares the batches of two partition folders; where segments begin and end is each broker's own affair. Both replicas must have written everything.
 * @throws {Error} for a file that is not whole batches.
 */
export function compareSegments (folder: string, otherFolder: string): SegmentComparison {
  const batches = readFolder(folder)
  const others = readFolder(otherFolder)
  let count = 0
  let bytes = 0
  let startOffset: number | null = null
  let endOffset: number | null = null
  const result = (difference: string | null): SegmentComparison => ({ batches: count, bytes, startOffset, endOffset, difference })
  for (;;) {
    const batch = next(batches)
    const other = next(others)
    if (batch === null && other === null) return result(null)
    if (batch === null || other === null) {
      const more = batch ?? other
      return result(`${batch === null ? folder : otherFolder} ends before the batch at ${more?.baseOffset}`)
    }
    const at = differenceOf(batch.bytes, other.bytes)
    if (at !== null) return result(`the batches at ${batch.baseOffset} and ${other.baseOffset} differ at byte ${at}: ${shown(batch.bytes, at)} and ${shown(other.bytes, at)}`)
    count++
    bytes += batch.bytes.length
    startOffset ??= Number(batch.baseOffset)
    endOffset = Number(batch.baseOffset) + batch.bytes.readInt32BE(LAST_OFFSET_DELTA_AT) + 1
  }
}

function next (batches: Generator<Batch, void>): Batch | null {
  const result = batches.next()
  return result.done === true ? null : result.value
}

function * readFolder (folder: string): Generator<Batch, void> {
  // The names are base offsets of 20 digits: in order of the alphabet, they are in order.
  for (const name of readdirSync(folder).filter(file => file.endsWith('.log')).sort()) {
    const file = join(folder, name)
    const content = readFileSync(file)
    for (let at = 0; at < content.length;) {
      const bytes = content.subarray(at, at + OVERHEAD_BYTES + (at + OVERHEAD_BYTES <= content.length ? content.readInt32BE(at + LENGTH_AT) : HEADER_BYTES))
      if (bytes.length < HEADER_BYTES || content.length - at < OVERHEAD_BYTES + content.readInt32BE(at + LENGTH_AT)) throw new Error(`${file} does not end with a whole batch: ${content.length - at} bytes are left`)
      if (bytes.readInt8(MAGIC_AT) !== 2) throw new Error(`${file} has magic ${bytes.readInt8(MAGIC_AT)} at ${at}`)
      yield { baseOffset: bytes.readBigInt64BE(0), bytes }
      at += bytes.length
    }
  }
}

/** Where two batches differ first; null when they are the same but for the epoch. */
function differenceOf (left: Buffer, right: Buffer): number | null {
  if (left.subarray(0, EPOCH_AT).equals(right.subarray(0, EPOCH_AT)) && left.subarray(EPOCH_END).equals(right.subarray(EPOCH_END))) return null
  for (let at = 0; at < left.length; at++) {
    if ((at < EPOCH_AT || at >= EPOCH_END) && left[at] !== right[at]) return at
  }
  return left.length
}

function shown (bytes: Buffer, at: number): string {
  return bytes.toString('hex', at, at + SHOWN_BYTES)
}
