import type { Segment, SegmentStorage } from './segment.ts'

const MIN_CAPACITY_BYTES = 64 * 1024
const MAX_CAPACITY_BYTES = 4 * 1024 * 1024

/**
 * Batches in one buffer, so that a fetch of many batches is one slice of it. Appending copies a batch once; the frame that
 * it came in is then free.
 */
class MemorySegment implements Segment {
  readonly baseOffset: number
  #buffer: Buffer
  #sizeBytes = 0

  constructor (baseOffset: number, capacityBytes: number) {
    this.baseOffset = baseOffset
    this.#buffer = Buffer.allocUnsafeSlow(capacityBytes)
  }

  get sizeBytes (): number {
    return this.#sizeBytes
  }

  hasRoom (bytes: number): boolean {
    return bytes <= this.#buffer.length - this.#sizeBytes
  }

  append (bytes: Buffer): number {
    const position = this.#sizeBytes
    bytes.copy(this.#buffer, position)
    this.#sizeBytes += bytes.length
    return position
  }

  read (position: number, bytes: number): Buffer {
    return this.#buffer.subarray(position, position + bytes)
  }

  truncate (sizeBytes: number): void {
    // Into another buffer: slices of this one may still be on their way to a client.
    const kept = Buffer.allocUnsafeSlow(this.#buffer.length)
    this.#buffer.copy(kept, 0, 0, sizeBytes)
    this.#buffer = kept
    this.#sizeBytes = sizeBytes
  }

  close (): void {}
  remove (): void {}
}

/** Nothing survives the process. */
export class MemoryStorage implements SegmentStorage {
  #capacityBytes = MIN_CAPACITY_BYTES / 2

  create (baseOffset: number, firstBatchBytes: number): Segment {
    // Small at first, for the many partitions that never hold much.
    this.#capacityBytes = Math.min(2 * this.#capacityBytes, MAX_CAPACITY_BYTES)
    return new MemorySegment(baseOffset, Math.max(this.#capacityBytes, firstBatchBytes))
  }

  open (): Segment[] {
    return []
  }

  readLogStart (): number {
    return 0
  }

  writeLogStart (): void {}
  remove (): void {}
}
