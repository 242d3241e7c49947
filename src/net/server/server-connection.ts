/**
 * One client's connection, seen from the broker: frames in, answers out in the order of their requests.
 *
 *   open ──▶ closed     by the client, by a malformed frame, by a hook, or because the broker stops
 *
 * As in Kafka, one request is handled at a time: a fetch that waits for data holds up what comes after it on the same
 * connection. What arrives meanwhile is kept up to a limit, then the socket is not read any more. Requests that have not been
 * started when the connection closes are never handled; one that has been, is to its end.
 */
import type { Socket } from 'node:net'
import { FrameReader } from '../../../protocol/frame.ts'
import { messageOf } from '../../errors.ts'
import type { Logger } from '../../observability/logger.ts'
import { isAborted } from '../abort.ts'

export interface FrameAnswer {
  /** The whole frame, length included. */
  readonly chunks: readonly Buffer[]
  /** Called once, when the chunks are not needed any more: the kernel has taken them, or the connection is closed. */
  readonly onSent?: () => void
}

/** The answer to a frame, null when none is due. */
export type FrameHandler = (frame: Buffer, connection: ServerConnection) => Promise<FrameAnswer | null>

export interface ServerConnectionOptions {
  readonly id: number
  readonly maxFrameBytes: number
  readonly logger: Logger
  readonly handle: FrameHandler
  readonly writeTimeoutMs?: number
  readonly onClosed: (connection: ServerConnection) => void
}

/** How many frames, and bytes of them, wait while another is handled. */
const MAX_QUEUED_FRAMES = 16
const MAX_QUEUED_BYTES = 1024 * 1024

export class ServerConnection {
  readonly id: number
  /** The client's address without its port, as DescribeGroups shows it. */
  readonly remoteHost: string
  readonly #socket: Socket
  readonly #frames: FrameReader
  readonly #logger: Logger
  readonly #handle: FrameHandler
  readonly #writeTimeoutMs: number
  /** What to call for answers that the kernel has not taken yet. */
  readonly #unsent = new Set<() => void>()
  readonly #ended = new AbortController()
  #queue: Buffer[] = []
  #queuedBytes = 0
  #isHandling = false

  constructor (socket: Socket, { id, maxFrameBytes, logger, handle, writeTimeoutMs = 0, onClosed }: ServerConnectionOptions) {
    this.id = id
    this.remoteHost = socket.remoteAddress ?? 'unknown'
    this.#socket = socket
    this.#frames = new FrameReader(maxFrameBytes)
    this.#logger = logger
    this.#handle = handle
    this.#writeTimeoutMs = writeTimeoutMs
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('error', error => logger.debug({ connection: id, error: error.message }, 'a client connection failed'))
    socket.on('close', () => {
      this.#queue = []
      this.#queuedBytes = 0
      this.#ended.abort()
      for (const sent of [...this.#unsent]) sent()
      onClosed(this)
    })
  }

  /** Aborted when the connection is closed, by whichever side. */
  get signal (): AbortSignal {
    return this.#ended.signal
  }

  /** Closes at once. What has been written and not sent is lost. */
  close (): void {
    this.#socket.destroy()
    // The 'close' event comes later; nothing more may be started before it.
    this.#queue = []
    this.#ended.abort()
  }

  /** Closes with a TCP reset, as a broker does that is killed. */
  reset (): void {
    this.#socket.resetAndDestroy()
    this.#queue = []
    this.#ended.abort()
  }

  #receive (chunk: Buffer): void {
    if (this.signal.aborted) return
    try {
      this.#frames.push(chunk, frame => {
        this.#queue.push(frame)
        this.#queuedBytes += frame.length
      })
    } catch (error) {
      this.#refuse(error)
      return
    }
    if (this.#isFull) this.#socket.pause()
    if (!this.#isHandling) this.#work().catch((error: unknown) => this.#refuse(error))
  }

  get #isFull (): boolean {
    return this.#queue.length >= MAX_QUEUED_FRAMES || this.#queuedBytes >= MAX_QUEUED_BYTES
  }

  async #work (): Promise<void> {
    this.#isHandling = true
    try {
      for (let frame = this.#take(); frame !== undefined; frame = this.#take()) {
        const answer = await this.#handle(frame, this)
        if (answer === null) continue
        if (isAborted(this.signal)) answer.onSent?.()
        else await this.#write(answer)
      }
    } finally {
      this.#isHandling = false
    }
  }

  #take (): Buffer | undefined {
    const frame = this.#queue.shift()
    if (frame !== undefined) this.#queuedBytes -= frame.length
    if (!this.#isFull && this.#socket.isPaused()) this.#socket.resume()
    return frame
  }

  /** Resolves when the answer is on its way: a client that does not read gets no further answers made. */
  async #write ({ chunks, onSent }: FrameAnswer): Promise<void> {
    const sent = this.#whenSent(onSent)
    this.#socket.cork()
    let hasRoom = true
    for (const chunk of chunks) hasRoom = chunk === chunks.at(-1) ? this.#socket.write(chunk, sent) : this.#socket.write(chunk)
    this.#socket.uncork()
    if (!hasRoom && this.#socket.writableNeedDrain) await this.#drained()
  }

  /** Memory that an answer refers to is in use until the kernel has it; a client that never takes it must not keep it for ever. */
  #whenSent (onSent: (() => void) | undefined): () => void {
    const timer = this.#writeTimeoutMs === 0 ? null : setTimeout(() => this.#refuse(new Error(`an answer was not taken within ${this.#writeTimeoutMs} ms`)), this.#writeTimeoutMs)
    const sent = (): void => {
      if (!this.#unsent.delete(sent)) return
      if (timer !== null) clearTimeout(timer)
      onSent?.()
    }
    this.#unsent.add(sent)
    return sent
  }

  #drained (): Promise<void> {
    return new Promise(resolve => {
      const done = (): void => {
        this.#socket.off('drain', done)
        this.signal.removeEventListener('abort', done)
        resolve()
      }
      this.#socket.on('drain', done)
      this.signal.addEventListener('abort', done)
    })
  }

  /** Nothing after a malformed request can be trusted, and an answer cannot be given or is not taken. */
  #refuse (error: unknown): void {
    this.#logger.warn({ connection: this.id, client: this.remoteHost, err: error }, `closing a client connection: ${messageOf(error)}`)
    this.close()
  }
}
