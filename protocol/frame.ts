/**
 * Cuts a stream of chunks into frames: a four-byte length, then that many bytes.
 * A frame that lies whole inside a chunk is a slice of it; any other is assembled in a buffer of exactly its size.
 *
 * Whoever can choose where the bytes of a stream are put asks `space` instead: the rest of a large frame is then read to where it
 * belongs, and neither copied nor collected as garbage in pieces.
 */
import { DecodeError } from './errors/protocol-errors.ts'

export const LENGTH_BYTES = 4

/** What is read at a time while no large frame is under way. */
const SCRATCH_BYTES = 64 * 1024

/** Kafka's own default for `socket.request.max.bytes`. */
export const DEFAULT_MAX_FRAME_BYTES = 100 * 1024 * 1024

export class FrameReader {
  readonly #maxFrameBytes: number
  readonly #allocate: (length: number) => Buffer
  /** The bytes of a length that came in pieces. */
  readonly #head = Buffer.allocUnsafeSlow(LENGTH_BYTES)
  #headBytes = 0
  /** The frame that is being assembled. */
  #frame: Buffer | null = null
  #frameBytes = 0
  #scratch: Buffer | null = null

  /** `allocate` makes the buffers that frames are assembled in. The default is not from a pool: whoever keeps a slice keeps this frame alive and nothing else. */
  constructor (maxFrameBytes = DEFAULT_MAX_FRAME_BYTES, allocate: (length: number) => Buffer = length => Buffer.allocUnsafeSlow(length)) {
    this.#maxFrameBytes = maxFrameBytes
    this.#allocate = allocate
  }

  /** How many bytes of an unfinished frame are held. */
  get pendingBytes (): number {
    return this.#headBytes + this.#frameBytes
  }

  /** Where the next bytes of the stream are to be put: ask anew for every read, and tell `filled` how many it was. */
  space (): Buffer {
    if (this.#frame !== null) return this.#frame.subarray(this.#frameBytes)
    this.#scratch ??= Buffer.allocUnsafeSlow(SCRATCH_BYTES)
    return this.#scratch
  }

  /**
   * Takes the first `count` bytes of what `space` gave last, and calls `onFrame` for every frame that they complete.
   * @throws {DecodeError} as `push`
   */
  filled (count: number, onFrame: (frame: Buffer) => void): void {
    if (this.#frame !== null) this.#advance(this.#frame, count, onFrame)
    else if (this.#scratch !== null) this.#cut(this.#scratch.subarray(0, count), onFrame, { isReused: true })
  }

  /**
   * Calls `onFrame` for every frame that `chunk` completes, without its length.
   * @throws {DecodeError} for a length that no frame can have; the stream cannot be read any further.
   */
  push (chunk: Buffer, onFrame: (frame: Buffer) => void): void {
    this.#cut(chunk, onFrame, { isReused: false })
  }

  /** `isReused` when the memory of the chunk is about to be written over: whole frames are then copied out of it. */
  #cut (chunk: Buffer, onFrame: (frame: Buffer) => void, { isReused }: { readonly isReused: boolean }): void {
    let offset = 0
    while (offset < chunk.length) {
      if (this.#frame === null) {
        if (this.#headBytes === 0 && chunk.length - offset >= LENGTH_BYTES) {
          const length = frameLength(chunk, offset, this.#maxFrameBytes)
          offset += LENGTH_BYTES
          if (chunk.length - offset >= length) {
            const frame = chunk.subarray(offset, offset + length)
            onFrame(isReused ? Buffer.from(frame) : frame)
            offset += length
            continue
          }
          this.#begin(length)
        } else {
          const taken = chunk.copy(this.#head, this.#headBytes, offset, offset + LENGTH_BYTES - this.#headBytes)
          this.#headBytes += taken
          offset += taken
          if (this.#headBytes < LENGTH_BYTES) return
          this.#headBytes = 0
          this.#begin(frameLength(this.#head, 0, this.#maxFrameBytes))
        }
      }
      const frame = this.#frame
      if (frame === null) continue
      const taken = chunk.copy(frame, this.#frameBytes, offset, offset + frame.length - this.#frameBytes)
      offset += taken
      this.#advance(frame, taken, onFrame)
    }
  }

  /** `count` more bytes of the frame under way are there. */
  #advance (frame: Buffer, count: number, onFrame: (frame: Buffer) => void): void {
    this.#frameBytes += count
    if (this.#frameBytes < frame.length) return
    this.#frame = null
    this.#frameBytes = 0
    onFrame(frame)
  }

  #begin (length: number): void {
    this.#frame = this.#allocate(length)
    this.#frameBytes = 0
  }
}

/**
 * Reads and checks the length of a frame.
 * @throws {DecodeError} when it is negative or above the limit, with a hint where another protocol is recognised.
 */
export function frameLength (buffer: Buffer, offset: number, maxFrameBytes: number): number {
  const length = buffer.readInt32BE(offset)
  if (length >= 0 && length <= maxFrameBytes) return length
  throw new DecodeError(`a frame cannot have ${length} bytes (at most ${maxFrameBytes})${otherProtocol(buffer, offset)}`)
}

/** The two classic mistakes, named: the first four bytes of TLS and of HTTP make absurd lengths. */
function otherProtocol (buffer: Buffer, offset: number): string {
  const first = buffer[offset]
  const second = buffer[offset + 1]
  if ((first === 0x15 || first === 0x16) && second === 0x03) return ': the other side speaks TLS'
  const text = buffer.toString('latin1', offset, offset + LENGTH_BYTES)
  return /^(HTTP|GET |POST|PUT |HEAD)$/.test(text) ? ': the other side speaks HTTP' : ''
}
