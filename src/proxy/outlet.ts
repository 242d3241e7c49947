/**
 * The way out to one socket. What is written during one event goes out with one system call: parts of a chunk that follow each
 * other are sent as one slice, and everything else as one gather write, by `flush()` at the end of the event.
 */
import type { Socket } from 'node:net'

const NO_BYTES = Buffer.alloc(0)

export class Outlet {
  readonly #socket: Socket
  #waiting: Buffer[] = []
  /** The chunk whose bytes from `#start` to `#end` are to be sent. */
  #chunk: Buffer = NO_BYTES
  #start = 0
  #end = 0
  #bytes = 0

  constructor (socket: Socket) {
    this.#socket = socket
  }

  /** How many bytes have been handed to the socket. */
  get bytes (): number {
    return this.#bytes
  }

  /** Sends a part of a chunk, which must not change afterwards. */
  forward (chunk: Buffer, start: number, end: number): void {
    if (chunk === this.#chunk && start === this.#end) {
      this.#end = end
      return
    }
    this.#endRun()
    this.#chunk = chunk
    this.#start = start
    this.#end = end
  }

  write (buffers: readonly Buffer[]): void {
    this.#endRun()
    for (const buffer of buffers) this.#waiting.push(buffer)
  }

  flush (): void {
    this.#endRun()
    const waiting = this.#waiting
    if (waiting.length === 0) return
    this.#waiting = []
    if (!this.#socket.writable) return
    if (waiting.length > 1) this.#socket.cork()
    for (const buffer of waiting) {
      this.#bytes += buffer.length
      this.#socket.write(buffer)
    }
    if (waiting.length > 1) this.#socket.uncork()
  }

  #endRun (): void {
    if (this.#end > this.#start) this.#waiting.push(this.#chunk.subarray(this.#start, this.#end))
    this.#chunk = NO_BYTES
    this.#start = this.#end = 0
  }
}
