/**
 * The part of a frame that has arrived, while nothing of it may be passed on. It takes memory for what has come, not for
 * what was announced, and large pieces are kept where they are.
 */

/** Pieces from this size on are kept; smaller ones are copied together, or a frame that comes byte by byte would cost a hundredfold. */
const KEEP_BYTES = 4096
const JOIN_BYTES = 16 * 1024

export class HeldFrame {
  /** The length of the whole frame, with the length word. */
  readonly totalBytes: number
  readonly #pieces: Buffer[] = []
  #bytes = 0
  /** The last of `#pieces` is the used part of this one, when it is not empty. */
  #joined = Buffer.alloc(0)
  #joinedBytes = 0
  /** Where `from` was last: the piece, and how many bytes lie before it. Who reads a frame goes on from there, and would else pass all pieces for each of its parts. */
  #index = 0
  #before = 0

  constructor (totalBytes: number) {
    this.totalBytes = totalBytes
  }

  /** How many bytes have arrived. */
  get bytes (): number {
    return this.#bytes
  }

  /** What has arrived, in order. */
  get pieces (): readonly Buffer[] {
    return this.#pieces
  }

  append (piece: Buffer): void {
    this.#bytes += piece.length
    if (piece.length >= KEEP_BYTES) {
      this.#pieces.push(piece)
      this.#joinedBytes = 0
      this.#joined = Buffer.alloc(0)
      return
    }
    const room = this.#joined.length - this.#joinedBytes
    const taken = Math.min(room, piece.length)
    if (taken > 0) {
      piece.copy(this.#joined, this.#joinedBytes, 0, taken)
      this.#joinedBytes += taken
      this.#pieces[this.#pieces.length - 1] = this.#joined.subarray(0, this.#joinedBytes)
    }
    if (taken < piece.length) this.#join(piece.subarray(taken))
  }

  #join (piece: Buffer): void {
    const left = this.totalBytes - this.#bytes + piece.length
    this.#joined = Buffer.allocUnsafeSlow(Math.min(JOIN_BYTES, left))
    this.#joinedBytes = piece.copy(this.#joined)
    this.#pieces.push(this.#joined.subarray(0, this.#joinedBytes))
  }

  /** At least `bytes` bytes from `position` on in one piece if that many have arrived, else all that have. */
  from (position: number, bytes: number): Buffer {
    if (position < this.#before) this.#index = this.#before = 0
    for (let piece = this.#pieces[this.#index]; piece !== undefined && position >= this.#before + piece.length; piece = this.#pieces[this.#index]) {
      // The last one may become longer.
      if (this.#index === this.#pieces.length - 1) return Buffer.alloc(0)
      this.#before += piece.length
      this.#index++
    }
    let index = this.#index
    const first = this.#pieces[index]?.subarray(position - this.#before)
    if (first === undefined) return Buffer.alloc(0)
    if (first.length >= bytes || index === this.#pieces.length - 1) return first
    const parts = [first]
    let length = first.length
    while (length < bytes && ++index < this.#pieces.length) {
      const part = this.#pieces[index]?.subarray(0, bytes - length)
      if (part === undefined) break
      parts.push(part)
      length += part.length
    }
    return Buffer.concat(parts, length)
  }

  whole (): Buffer {
    const [only] = this.#pieces
    return this.#pieces.length === 1 && only !== undefined ? only : Buffer.concat(this.#pieces, this.#bytes)
  }
}
