/**
 * Cuts one direction of a connection into frames, in place. A frame is either passed on as its bytes come, or held until
 * whoever judges it has seen enough.
 *
 *              head complete: onHead                     last byte
 *   between ───────────────────────▶ passing ──────────────────────▶ between   (onEnd)
 *      │                                ▲
 *      │                                │ onPart or onFrame: true
 *      └───────────────────────────▶ holding ──────────────────────▶ between   (onFrame: false, the frame is dropped here)
 *
 * Between two frames it can be suspended: what comes is then kept until it goes on.
 */
import { DecodeError } from '../../protocol/errors/protocol-errors.ts'
import { frameLength, LENGTH_BYTES } from '../../protocol/frame.ts'
import { HeldFrame } from './held-frame.ts'

/** A method that throws leaves the stream unusable: the connection cannot go on. */
export interface FrameHandler {
  /** The first bytes of a frame, its length word included, are at `offset`. Decides whether its bytes are passed on as they come. */
  onHead (buffer: Buffer, offset: number, totalBytes: number): 'pass' | 'hold'
  /** More of a held frame has come, maybe all. True: pass on what is held, and the rest as it comes. */
  onPart (held: HeldFrame): boolean
  /** A held frame is complete, its length word included. True: pass it on unchanged. */
  onFrame (frame: Buffer): boolean
  /** Bytes to pass on; the chunk must not change until they are sent. */
  onPass (chunk: Buffer, start: number, end: number): void
  /** The last byte of a passed frame has been passed on. */
  onEnd (): void
}

export interface FrameStreamOptions {
  /** How much of a frame `onHead` needs, the length word included. No frame may be shorter. */
  readonly headBytes: number
  /** The longest frame that is accepted, without the length word. */
  readonly maxFrameBytes: number
}

export class FrameStream {
  readonly #handler: FrameHandler
  readonly #headBytes: number
  readonly #maxFrameBytes: number
  /** A head that came in pieces. */
  readonly #head: Buffer
  #headFilled = 0
  /** How many bytes of the present frame are still to come. */
  #left = 0
  /** Null while the present frame is passed on. */
  #held: HeldFrame | null = null
  #stopped = false
  #suspended = false
  /** What came while suspended. */
  #kept: Buffer[] = []

  constructor (handler: FrameHandler, { headBytes, maxFrameBytes }: FrameStreamOptions) {
    this.#handler = handler
    this.#headBytes = headBytes
    this.#maxFrameBytes = maxFrameBytes
    this.#head = Buffer.allocUnsafeSlow(headBytes)
  }

  /** True while the first bytes of a frame have been passed on and the last have not. */
  get isPassing (): boolean {
    return this.#left > 0 && this.#held === null
  }

  /** True when nothing of a frame has come but what was dealt with. */
  get isBetweenFrames (): boolean {
    return this.#left === 0 && this.#headFilled === 0
  }

  get isSuspended (): boolean {
    return this.#suspended
  }

  /** How much of a frame is held, and what is kept for later. */
  get heldBytes (): number {
    let sum = this.#held?.bytes ?? this.#headFilled
    for (const chunk of this.#kept) sum += chunk.length
    return sum
  }

  /** Takes no further frame; to be called where one ends, in `onFrame`. Whoever reads the chunks should stop that, too. */
  suspend (): void {
    this.#suspended = true
  }

  /** Goes on, with what has to be pushed first, in order. */
  resume (): Buffer[] {
    const kept = this.#kept
    this.#suspended = false
    this.#kept = []
    return kept
  }

  /** Everything that comes from now on is thrown away. */
  stop (): void {
    this.#stopped = true
    this.#kept = []
    this.#held = null
    this.#left = 0
    this.#headFilled = 0
  }

  /** @throws {DecodeError} for a length that no frame can have, and whatever the handler throws */
  push (chunk: Buffer): void {
    let at = 0
    while (at < chunk.length && !this.#stopped) {
      if (this.#suspended) {
        this.#kept.push(chunk.subarray(at))
        return
      }
      if (this.#left > 0) at = this.#continue(chunk, at)
      else if (this.#headFilled === 0 && chunk.length - at >= this.#headBytes) at = this.#begin(chunk, at)
      else at = this.#collectHead(chunk, at)
    }
  }

  /** Returns where what was taken ends. */
  #collectHead (chunk: Buffer, at: number): number {
    const before = this.#headFilled
    const taken = chunk.copy(this.#head, before, at, at + this.#headBytes - before)
    this.#headFilled += taken
    // A wrong length is said so at once: whoever speaks another protocol may never send more than this.
    if (before < LENGTH_BYTES && this.#headFilled >= LENGTH_BYTES) this.#totalBytes(this.#head, 0)
    if (this.#headFilled === this.#headBytes) {
      this.#headFilled = 0
      this.#begin(Buffer.from(this.#head), 0)
    }
    return at + taken
  }

  /** A frame starts at `at`, and its head is there. Returns where what belongs to it ends. */
  #begin (chunk: Buffer, at: number): number {
    const totalBytes = this.#totalBytes(chunk, at)
    const passed = this.#handler.onHead(chunk, at, totalBytes) === 'pass'
    if (this.#stopped) return chunk.length
    const end = Math.min(at + totalBytes, chunk.length)
    this.#left = totalBytes - (end - at)
    if (passed) this.#pass(chunk, at, end)
    else if (this.#left === 0) this.#decide(chunk.subarray(at, end), chunk, at)
    else this.#hold(new HeldFrame(totalBytes), chunk.subarray(at, end))
    return end
  }

  #continue (chunk: Buffer, at: number): number {
    const end = Math.min(at + this.#left, chunk.length)
    this.#left -= end - at
    if (this.#held === null) this.#pass(chunk, at, end)
    else this.#hold(this.#held, chunk.subarray(at, end))
    return end
  }

  #pass (chunk: Buffer, start: number, end: number): void {
    this.#handler.onPass(chunk, start, end)
    if (this.#left === 0) this.#handler.onEnd()
  }

  #hold (held: HeldFrame, piece: Buffer): void {
    held.append(piece)
    this.#held = held
    const passes = this.#handler.onPart(held)
    if (this.#stopped) return
    if (passes) {
      this.#held = null
      for (const part of held.pieces) this.#handler.onPass(part, 0, part.length)
      if (this.#left === 0) this.#handler.onEnd()
    } else if (this.#left === 0) {
      this.#held = null
      const frame = held.whole()
      this.#decide(frame, frame, 0)
    }
  }

  /** `frame` lies at `start` of `chunk`. */
  #decide (frame: Buffer, chunk: Buffer, start: number): void {
    if (!this.#handler.onFrame(frame)) return
    this.#handler.onPass(chunk, start, start + frame.length)
    this.#handler.onEnd()
  }

  #totalBytes (buffer: Buffer, at: number): number {
    const totalBytes = LENGTH_BYTES + frameLength(buffer, at, this.#maxFrameBytes)
    if (totalBytes < this.#headBytes) throw new DecodeError(`a frame of ${totalBytes - LENGTH_BYTES} bytes is too short for its header`)
    return totalBytes
  }
}
