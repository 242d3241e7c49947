/**
 * Reads the start of a frame that comes in pieces, one thing after the other: each is read once all of it is there. What it costs grows
 * with the bytes that have come, however small the pieces are and however they are cut.
 */
import { Reader } from '../../protocol/buffer/reader.ts'
import { DecodeError } from '../../protocol/errors/protocol-errors.ts'
import { LENGTH_BYTES } from '../../protocol/frame.ts'

/** How much of the frame is looked at first; more, if it turns out to be too little. */
const WINDOW_BYTES = 512

/** No header of a request, a topic or a partition needs as much: client id, transactional id and name have at most 32,767 bytes each. */
const MAX_STEP_BYTES = 256 * 1024

/** Where the bytes of a frame, its length word included, can be had. */
export interface FrameBytes {
  /** How many have arrived. */
  readonly bytes: number
  readonly totalBytes: number
  /** At least `bytes` bytes from `position` on if that many have arrived, else all that have. */
  from (position: number, bytes: number): Buffer
}

export class PiecewiseReader {
  /** How much has been understood: always the start of something. */
  #position = LENGTH_BYTES
  /** What there was of the next thing was too little: it is tried again when so much of the frame is there, or all. */
  #retryAtBytes = 0

  /**
   * Reads one thing. `read` returns how many bytes that are not looked at belong to it, behind what it has read, and has changed nothing when it
   * throws a DecodeError. False when not all of it has arrived.
   * @throws {DecodeError} when it never will, or is larger than anything that is looked at here
   */
  step (frame: FrameBytes, read: (reader: Reader) => number): boolean {
    if (this.#position > frame.totalBytes) throw new DecodeError('records reach beyond the end of their request')
    if (frame.bytes < Math.min(Math.max(this.#retryAtBytes, this.#position), frame.totalBytes)) return false
    for (let windowBytes = WINDOW_BYTES; ; windowBytes *= 8) {
      const reader = new Reader(frame.from(this.#position, windowBytes))
      try {
        const skip = read(reader)
        this.#position += reader.offset + skip
        this.#retryAtBytes = 0
        return true
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error
        const looked = reader.end
        if (looked >= MAX_STEP_BYTES) throw error
        // What cannot be read may be cut off: by the window, or because the rest is still under way.
        if (this.#position + looked < frame.bytes) continue
        if (frame.bytes === frame.totalBytes) throw error
        this.#retryAtBytes = frame.bytes + looked
        return false
      }
    }
  }
}
