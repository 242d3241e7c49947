import { ShadowError } from '../errors.ts'

/** Smaller frames cost the collector little. */
const MIN_BYTES = 64 * 1024
const GRANULE_BYTES = 512 * 1024

/**
 * Memory for large frames that is used again. Buffers live outside of the heap, and every few megabytes of new ones make V8
 * collect all of it: on a connection that moves much data that costs as much as the data itself.
 *
 * Whoever gives memory back vouches that nobody holds a slice of it any more.
 */
export class FrameMemory {
  readonly #maxFreeBytes: number
  /** By capacity, smallest first. */
  #free: Buffer[] = []
  #freeBytes = 0
  /** What was handed out and not given back; what is never given back is left to the collector. */
  readonly #taken = new WeakMap<ArrayBufferLike, Buffer>()

  /** Keeps at most so much memory that nobody uses. */
  constructor (maxFreeBytes: number) {
    this.#maxFreeBytes = maxFreeBytes
  }

  get freeBytes (): number {
    return this.#freeBytes
  }

  /** A buffer of this length; its content is arbitrary. */
  take (length: number): Buffer {
    if (length < MIN_BYTES || length > this.#maxFreeBytes) return Buffer.allocUnsafeSlow(length)
    const index = this.#free.findIndex(buffer => buffer.length >= length)
    const [reused] = index === -1 ? [] : this.#free.splice(index, 1)
    if (reused !== undefined) this.#freeBytes -= reused.length
    const memory = reused ?? Buffer.allocUnsafeSlow(Math.ceil(length / GRANULE_BYTES) * GRANULE_BYTES)
    this.#taken.set(memory.buffer, memory)
    return memory.subarray(0, length)
  }

  /**
   * Gives back the memory that `slice` lies in, if it was taken here.
   * @throws {ShadowError} INVARIANT when it was given back before
   */
  give (slice: Buffer): void {
    const memory = this.#taken.get(slice.buffer)
    if (memory === undefined) {
      if (this.#free.some(({ buffer }) => buffer === slice.buffer)) throw new ShadowError('INVARIANT', 'the memory of a frame was given back twice')
      return
    }
    this.#taken.delete(slice.buffer)
    // Smaller pieces make room: those that are too small for what comes would keep out for good those that are not.
    while (this.#freeBytes + memory.length > this.#maxFreeBytes) {
      const [smallest] = this.#free
      if (smallest === undefined || smallest.length >= memory.length) return
      this.#free.shift()
      this.#freeBytes -= smallest.length
    }
    const index = this.#free.findIndex(({ length }) => length >= memory.length)
    this.#free.splice(index === -1 ? this.#free.length : index, 0, memory)
    this.#freeBytes += memory.length
  }
}
