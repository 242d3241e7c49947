import type { Socket } from 'node:net'
import { DecodeError } from '../../protocol/errors/protocol-errors.ts'
import { DEFAULT_MAX_FRAME_BYTES, FrameReader } from '../../protocol/frame.ts'
import { decodeResponse, encodeRequest } from '../../protocol/header.ts'
import { ApiVersions } from '../../protocol/messages/api-versions.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import type { Api, RequestInput, ResponseOf } from '../../protocol/schema/api.ts'
import type { VersionRange } from '../../protocol/schema/version-range.ts'
import { messageOf, ShadowError } from '../errors.ts'
import { throwIfAborted } from './abort.ts'
import { decodeApiVersions, negotiateVersions, usableVersions, versionUnsupported, type AnnouncedVersions } from './api-versions.ts'
import { CLIENT_SOFTWARE_NAME, CLIENT_SOFTWARE_VERSION } from './client-identity.ts'
import { connectionClosed, notSent, timedOut, type CloseCause } from './connection-end.ts'
import { DeadlineTimer } from './deadline-timer.ts'
import { connectFailed, dialTcp, type Dial, type ReadTarget } from './dial.ts'
import type { FrameMemory } from './frame-memory.ts'
import { formatHostPort, type HostPort } from './host-port.ts'
import { PendingRequest } from './pending-request.ts'

export type ConnectionState = 'negotiating' | 'ready' | 'draining' | 'closed'

export interface ConnectionOptions {
  readonly clientId: string
  /** For the dial and the negotiation together. */
  readonly connectionTimeoutMs: number
  readonly signal?: AbortSignal
  readonly dial?: Dial
  /** No answer may be larger. Default 100 MiB. */
  readonly maxFrameBytes?: number
  /** Where the memory of large answers comes from; whoever reads them gives it back. */
  readonly frameMemory?: FrameMemory
  /** How many requests may be unanswered at a time; others wait. Default 128. */
  readonly maxInFlightCount?: number
  /** No further request goes out while this many bytes wait for the kernel to take them. Default 16 MiB. */
  readonly maxQueuedBytes?: number
}

export interface RequestOptions {
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  readonly minVersion?: number | undefined
  readonly maxVersion?: number | undefined
  /**
   * Reset the connection when the request is aborted after it was written, so that a broker which has not read it yet never
   * does. Default: for Produce.
   */
  readonly resetOnAbort?: boolean | undefined
}

export interface Answer<A extends Api> {
  readonly body: ResponseOf<A>
  readonly version: number
}

const DEFAULT_MAX_IN_FLIGHT = 128
const DEFAULT_MAX_QUEUED_BYTES = 16 * 1024 * 1024
const MAX_CORRELATION_ID = 0x7fffffff

interface Exchange<T> extends RequestOptions {
  readonly what: string
  encode (correlationId: number): Buffer[]
  decode (frame: Buffer): T
}

/**
 * One socket's life, on the side of the client. It never reconnects.
 *
 *   connecting ──▶ negotiating ──▶ ready ──▶ draining ──▶ closed('drained')
 *        │              │            │          │
 *        └──────────────┴────────────┴──────────┴───────▶ closed(cause)
 *
 * A request's life: waiting for room ──▶ queued, until the end of the tick ──▶ written, in flight ──▶ answered.
 * Answers come in the order of the requests. An answer with another correlation id than that of the oldest request in flight,
 * one that cannot be read, and bytes that nobody asked for all end the connection: nothing that follows could be trusted.
 * The same is true when an answer is overdue. These ends reset the TCP connection, and the broker's kernel discards what the
 * broker has not read.
 */
export class Connection {
  readonly address: HostPort
  /** Resolves once, and never rejects. */
  readonly closed: Promise<CloseCause>
  readonly #socket: Socket
  readonly #clientId: string
  readonly #frames: FrameReader
  readonly #maxInFlight: number
  readonly #maxQueuedBytes: number
  readonly #waiting = new Set<PendingRequest>()
  readonly #outgoing = new Set<PendingRequest>()
  readonly #inFlight: PendingRequest[] = []
  readonly #deadlines = new DeadlineTimer(nowMs => this.#expire(nowMs))
  readonly #onFrame = (frame: Buffer): void => { this.#answered(frame) }
  #state: ConnectionState = 'negotiating'
  #announced: AnnouncedVersions = new Map()
  #nextCorrelationId = 0
  #queuedBytes = 0
  #isFlushScheduled = false
  #lastUsedMs = performance.now()
  #resolveClosed: (cause: CloseCause) => void = () => {}

  private constructor (socket: Socket, frames: FrameReader, address: HostPort, options: ConnectionOptions) {
    this.address = address
    this.#socket = socket
    this.#clientId = options.clientId
    this.#frames = frames
    this.#maxInFlight = options.maxInFlightCount ?? DEFAULT_MAX_IN_FLIGHT
    this.#maxQueuedBytes = options.maxQueuedBytes ?? DEFAULT_MAX_QUEUED_BYTES
    this.closed = new Promise(resolve => { this.#resolveClosed = resolve })
    // Where the dial did not take the frames' memory to read to.
    socket.on('data', (chunk: Buffer) => { this.#received(chunk.length, () => { this.#frames.push(chunk, this.#onFrame) }) })
    socket.on('error', error => { this.#end('socket-error', messageOf(error), { cause: error }) })
    socket.on('end', () => { this.#end('peer-closed', 'the broker closed the connection') })
    socket.on('close', () => { this.#end('peer-closed', 'the connection was lost') })
  }

  /**
   * Opens a connection and learns which versions the broker speaks.
   * @throws {ShadowError} CONNECT_FAILED, ABORTED
   */
  static async open (address: HostPort, options: ConnectionOptions): Promise<Connection> {
    const dial = options.dial ?? dialTcp
    const startMs = performance.now()
    const { frameMemory } = options
    const frames = new FrameReader(options.maxFrameBytes ?? DEFAULT_MAX_FRAME_BYTES, frameMemory === undefined ? undefined : length => frameMemory.take(length))
    let opened: Connection | null = null
    let earlyBytes = 0
    const readTarget: ReadTarget = {
      space: () => frames.space(),
      filled: bytes => {
        if (opened === null) earlyBytes += bytes
        else opened.#received(bytes, () => { frames.filled(bytes, connection.#onFrame) })
      }
    }
    const socket = await dial(address, { timeoutMs: options.connectionTimeoutMs, readTarget, ...(options.signal === undefined ? {} : { signal: options.signal }) })
    const connection = new Connection(socket, frames, address, options)
    opened = connection
    if (earlyBytes > 0) connection.#protocolError(`${earlyBytes} bytes came that nobody asked for`)
    try {
      throwIfAborted(options.signal)
      const leftMs = Math.max(1, options.connectionTimeoutMs - (performance.now() - startMs))
      connection.#announced = await negotiateVersions(version => connection.#askVersions(version, { timeoutMs: leftMs, signal: options.signal, resetOnAbort: true }))
    } catch (error) {
      connection.reset('protocol-error')
      if (options.signal?.aborted === true) throw error
      throw connectFailed(address, messageOf(error), error)
    }
    connection.#state = 'ready'
    return connection
  }

  get state (): ConnectionState {
    return this.#state
  }

  /** Requests that have not been answered, those that wait for room included. */
  get pendingCount (): number {
    return this.#inFlight.length + this.#outgoing.size + this.#waiting.size
  }

  /** Bytes that were written and that the kernel has not taken yet. */
  get queuedBytes (): number {
    return this.#queuedBytes
  }

  /** How long nothing was asked and nothing came. 0 while a request is under way. */
  get idleMs (): number {
    return this.pendingCount > 0 ? 0 : performance.now() - this.#lastUsedMs
  }

  /** What the broker announced for an API, known here or not; null when it does not speak it. */
  versionRange (apiKey: number): VersionRange | null {
    return this.#announced.get(apiKey) ?? null
  }

  /**
   * Sends a request, in the highest version that both sides know within the bounds of the options, and waits for the answer.
   * Waits for room first when too much is in flight.
   *
   * @throws {ShadowError} CONNECT_FAILED: it was not sent. VERSION_UNSUPPORTED: neither. CONNECTION_CLOSED, REQUEST_TIMEOUT and
   *   ABORTED: it may or may not have been carried out, unless `details.sent` is false
   * @throws {EncodeError} it was not sent
   */
  async request<A extends Api> (api: A, body: RequestInput<A> | ((version: number) => RequestInput<A>), options: RequestOptions): Promise<Answer<A>> {
    throwIfAborted(options.signal)
    if (this.#state !== 'ready') throw notSent(this.address, api.name, { reason: `the connection is ${this.#state}` })
    const announced = this.#announced.get(api.key)
    const version = usableVersions(api, announced, options)?.max
    if (version === undefined) throw versionUnsupported(api, announced, formatHostPort(this.address), options)
    const input = typeof body === 'function' ? body(version) : body
    if (api.key === Produce.key && 'acks' in input && input.acks === 0) throw new ShadowError('INVARIANT', 'a Produce request with acks=0 has no answer to wait for')
    return await this.#exchange<Answer<A>>({
      ...options,
      resetOnAbort: options.resetOnAbort ?? api.key === Produce.key,
      what: `${api.name} v${version}`,
      encode: correlationId => encodeRequest(api, version, { correlationId, clientId: this.#clientId }, input),
      decode: frame => ({ body: decodeResponse(api, version, frame).body, version })
    })
  }

  /** Ends the connection. Requests that are in flight fail, and the broker may still carry them out. */
  close (cause: CloseCause = 'requested'): void {
    this.#end(cause, 'the connection was closed here')
  }

  /** Ends the connection with a TCP reset: the broker's kernel discards what the broker has not read. */
  reset (cause: CloseCause): void {
    this.#end(cause, 'the connection was reset here', { reset: true })
  }

  /** Takes no more requests, and ends the connection when those that were sent have been answered. */
  drain (): Promise<CloseCause> {
    if (this.#state === 'ready') {
      this.#state = 'draining'
      for (const request of this.#waiting) request.reject(notSent(this.address, request.what, { reason: 'the connection is draining' }))
      this.#waiting.clear()
      this.#endWhenDrained()
    }
    return this.closed
  }

  #askVersions (version: number, options: RequestOptions): Promise<ResponseOf<typeof ApiVersions>> {
    const body = { clientSoftwareName: CLIENT_SOFTWARE_NAME, clientSoftwareVersion: CLIENT_SOFTWARE_VERSION }
    return this.#exchange({
      ...options,
      what: `ApiVersions v${version}`,
      encode: correlationId => encodeRequest(ApiVersions, version, { correlationId, clientId: this.#clientId }, body),
      decode: frame => decodeApiVersions(version, frame)
    })
  }

  #exchange<T> (exchange: Exchange<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#state === 'closed') {
        reject(notSent(this.address, exchange.what, { reason: 'the connection has ended' }))
        return
      }
      const request = new PendingRequest({
        what: exchange.what,
        timeoutMs: exchange.timeoutMs,
        deadlineMs: performance.now() + exchange.timeoutMs,
        encode: exchange.encode.bind(exchange),
        resolve: frame => { resolve(exchange.decode(frame)) },
        reject
      })
      request.abortWith(exchange.signal, () => { this.#aborted(request, exchange.resetOnAbort === true) })
      this.#deadlines.watch(request.deadlineMs)
      this.#waiting.add(request)
      this.#admit()
    })
  }

  /** Moves requests that wait, oldest first, as long as there is room. */
  #admit (): void {
    for (const request of this.#waiting) {
      if (this.#inFlight.length + this.#outgoing.size >= this.#maxInFlight || this.#queuedBytes >= this.#maxQueuedBytes) return
      this.#waiting.delete(request)
      this.#queue(request)
    }
  }

  #queue (request: PendingRequest): void {
    try {
      request.encode(this.#nextCorrelationId)
    } catch (error) {
      request.reject(error)
      return
    }
    this.#nextCorrelationId = this.#nextCorrelationId === MAX_CORRELATION_ID ? 0 : this.#nextCorrelationId + 1
    this.#queuedBytes += request.sizeBytes
    this.#outgoing.add(request)
    if (this.#isFlushScheduled) return
    this.#isFlushScheduled = true
    // Runs when all that is to be done in this turn is done: requests that are made in it go out in one write.
    process.nextTick(() => { this.#flush() })
  }

  #flush (): void {
    this.#isFlushScheduled = false
    if (this.#state === 'closed' || this.#outgoing.size === 0) return
    this.#lastUsedMs = performance.now()
    const chunks: Buffer[] = []
    let bytes = 0
    for (const request of this.#outgoing) {
      this.#inFlight.push(request)
      bytes += request.sizeBytes
      chunks.push(...request.takeChunks())
    }
    this.#outgoing.clear()
    const last = chunks.pop()
    if (last === undefined) return
    this.#socket.cork()
    for (const chunk of chunks) this.#socket.write(chunk)
    this.#socket.write(last, () => {
      this.#queuedBytes -= bytes
      this.#admit()
    })
    this.#socket.uncork()
  }

  /** `cut` takes the bytes that came apart. */
  #received (bytes: number, cut: () => void): void {
    if (this.#state === 'closed') return
    if (this.#inFlight.length === 0) {
      this.#protocolError(`${bytes} bytes came that nobody asked for`)
      return
    }
    try {
      cut()
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.#protocolError(error.message, error)
    }
    // An answer may have ended the connection, and `state` is then not what it was above.
    if (this.#isClosed()) return
    if (this.#inFlight.length === 0 && this.#frames.pendingBytes > 0) {
      this.#protocolError(`${this.#frames.pendingBytes} bytes came that nobody asked for`)
      return
    }
    this.#lastUsedMs = performance.now()
    this.#admit()
    this.#endWhenDrained()
  }

  #answered (frame: Buffer): void {
    if (this.#state === 'closed') return
    const request = this.#inFlight.shift()
    if (request === undefined) {
      this.#protocolError(`an answer of ${frame.length} bytes came that nobody asked for`)
      return
    }
    const correlationId = frame.length < 4 ? null : frame.readInt32BE(0)
    if (correlationId !== request.correlationId) {
      this.#inFlight.unshift(request)
      this.#protocolError(correlationId === null
        ? `an answer has ${frame.length} bytes`
        : `the answer to ${request.what} has correlation id ${correlationId} instead of ${request.correlationId}`)
      return
    }
    if (request.isSettled) return
    try {
      request.resolve(frame)
    } catch (error) {
      const reason = `the answer to ${request.what} cannot be read: ${messageOf(error)}`
      request.reject(connectionClosed(this.address, 'protocol-error', request.what, { reason, cause: error }))
      this.#protocolError(reason, error)
    }
  }

  #protocolError (reason: string, cause?: unknown): void {
    this.#end('protocol-error', reason, { reset: true, cause })
  }

  #aborted (request: PendingRequest, resetOnAbort: boolean): void {
    if (this.#waiting.delete(request)) return
    if (this.#outgoing.delete(request)) {
      this.#queuedBytes -= request.sizeBytes
      this.#admit()
      this.#endWhenDrained()
      return
    }
    // Its answer still comes, and has to be taken out of the stream in its turn.
    if (resetOnAbort && this.#inFlight.includes(request)) this.#end('request-aborted', `${request.what} was aborted`, { reset: true })
  }

  /** What is overdue fails, and in flight it ends the connection. Returns the deadline of the next request; Infinity when there is none. */
  #expire (nowMs: number): number {
    let nextMs = Infinity
    for (const request of [...this.#waiting, ...this.#outgoing]) {
      if (request.deadlineMs > nowMs) {
        nextMs = Math.min(nextMs, request.deadlineMs)
        continue
      }
      if (this.#outgoing.delete(request)) this.#queuedBytes -= request.sizeBytes
      this.#waiting.delete(request)
      request.reject(timedOut(this.address, request, { isSent: false }))
    }
    for (const request of this.#inFlight) {
      if (request.deadlineMs > nowMs) {
        nextMs = Math.min(nextMs, request.deadlineMs)
        continue
      }
      request.reject(timedOut(this.address, request, { isSent: true }))
      this.#end('request-timeout', `${request.what} was not answered within ${request.timeoutMs} ms`, { reset: true })
      return Infinity
    }
    return nextMs
  }

  #isClosed (): boolean {
    return this.#state === 'closed'
  }

  #endWhenDrained (): void {
    if (this.#state === 'draining' && this.pendingCount === 0) this.#end('drained', 'the connection was drained')
  }

  #end (cause: CloseCause, reason: string, options: { readonly reset?: boolean, readonly cause?: unknown } = {}): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#deadlines.stop()
    if (options.reset === true) this.#socket.resetAndDestroy()
    else this.#socket.destroy()
    for (const request of this.#inFlight) request.reject(connectionClosed(this.address, cause, request.what, { reason, cause: options.cause }))
    for (const request of [...this.#outgoing, ...this.#waiting]) request.reject(notSent(this.address, request.what, { reason, cause: options.cause }))
    this.#inFlight.length = 0
    this.#outgoing.clear()
    this.#waiting.clear()
    this.#resolveClosed(cause)
  }
}
