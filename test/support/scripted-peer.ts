/**
 * A broker that does as it is told: it answers ApiVersions, and everything else by handlers that a test sets. It can be late, be
 * silent, cut its answers anywhere, lie about correlation ids, send garbage and hang up. It knows the protocol and nothing of src.
 */
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { Reader } from '../../protocol/buffer/reader.ts'
import { FrameReader } from '../../protocol/frame.ts'
import { decodeRequest, encodeResponse } from '../../protocol/header.ts'
import { ApiVersions } from '../../protocol/messages/api-versions.ts'
import { APIS } from '../../protocol/messages/registry.ts'
import type { Api, RequestOf, ResponseInput } from '../../protocol/schema/api.ts'

export interface PeerRequest<A extends Api> {
  readonly version: number
  readonly correlationId: number
  readonly clientId: string | null
  readonly body: RequestOf<A>
  readonly connection: PeerConnection
}

/** Returns the answer; null for none at all. Requests of one connection are handled one after the other, as brokers do. */
export type PeerHandler<A extends Api> = (request: PeerRequest<A>) => ResponseInput<A> | null | Promise<ResponseInput<A> | null>

export interface SeenRequest {
  readonly api: string
  readonly version: number
  readonly correlationId: number
  /** The number of the connection, from 0, in the order in which they were opened. */
  readonly connection: number
}

type ErasedHandler = (frame: Buffer, version: number, connection: PeerConnection) => Promise<void>

export interface ScriptedPeerOptions {
  /** What is announced instead of all versions that are declared; null: not announced at all. */
  readonly versions?: Readonly<Record<string, readonly [min: number, max: number] | null>>
  /** Set for peers that do not speak the protocol: called instead of everything else. */
  readonly onSocket?: (socket: Socket) => void
}

export class PeerConnection {
  readonly index: number
  readonly socket: Socket
  /** Cuts the next answers after this many bytes; the rest follows a moment later. */
  splitAt: number | null = null
  /** Added to the correlation id of the next answers. */
  correlationShift = 0

  constructor (index: number, socket: Socket) {
    this.index = index
    this.socket = socket
  }

  async send (bytes: Buffer): Promise<void> {
    if (this.splitAt === null || this.splitAt <= 0 || this.splitAt >= bytes.length) {
      this.socket.write(bytes)
      return
    }
    this.socket.write(bytes.subarray(0, this.splitAt))
    await new Promise(resolve => { setTimeout(resolve, 2) })
    this.socket.write(bytes.subarray(this.splitAt))
  }
}

export class ScriptedPeer {
  readonly seen: SeenRequest[] = []
  readonly connections: PeerConnection[] = []
  /** Called for every connection when it is opened. */
  onConnection: (connection: PeerConnection) => void = () => {}
  /** How often a socket handed over bytes: requests that came in one piece count once. */
  chunks = 0
  readonly #server: Server
  readonly #options: ScriptedPeerOptions
  readonly #handlers = new Map<number, ErasedHandler>()
  readonly #waiters = new Set<() => void>()

  private constructor (options: ScriptedPeerOptions) {
    this.#options = options
    this.#server = createServer(socket => { this.#accept(socket) })
    this.on(ApiVersions, () => ({ errorCode: 0, apiKeys: this.announced() }))
  }

  static async start (options: ScriptedPeerOptions = {}): Promise<ScriptedPeer> {
    const peer = new ScriptedPeer(options)
    await peer.listen(0)
    return peer
  }

  async listen (port: number): Promise<void> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  get address (): { readonly host: string, readonly port: number } {
    const address = this.#server.address() as AddressInfo
    return { host: '127.0.0.1', port: address.port }
  }

  /** Rows for an answer to ApiVersions. */
  announced (): Array<{ apiKey: number, minVersion: number, maxVersion: number }> {
    const rows = []
    for (const { key, name, versions } of APIS.values()) {
      const range = this.#options.versions?.[name]
      if (range === null) continue
      rows.push({ apiKey: key, minVersion: range?.[0] ?? versions.min, maxVersion: range?.[1] ?? versions.max })
    }
    return rows
  }

  /** Answers all requests of an API from now on. */
  on<A extends Api> (api: A, handler: PeerHandler<A>): void {
    this.#handlers.set(api.key, async (frame, version, connection) => {
      const { header, body } = decodeRequest(api, version, frame)
      const { correlationId, clientId } = header
      const answer = await handler({ version, correlationId, clientId, body, connection })
      if (answer === null || connection.socket.destroyed) return
      // A refusal of the version comes in version 0 (KIP-511).
      const answerVersion = api.key === ApiVersions.key && 'errorCode' in answer && answer.errorCode === 35 ? 0 : version
      await connection.send(Buffer.concat(encodeResponse(api, answerVersion, { correlationId: correlationId + connection.correlationShift }, answer)))
    })
  }

  /** Waits until so many requests of an API have come. */
  async received (api: Api, count: number): Promise<void> {
    while (this.count(api) < count) await new Promise<void>(resolve => { this.#waiters.add(resolve) })
  }

  count (api: Api): number {
    return this.seen.filter(request => request.api === api.name).length
  }

  /** Stops listening, and ends all connections. */
  async stop (): Promise<void> {
    for (const { socket } of this.connections) socket.destroy()
    if (!this.#server.listening) return
    this.#server.close()
    await once(this.#server, 'close')
  }

  #accept (socket: Socket): void {
    const connection = new PeerConnection(this.connections.length, socket)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    this.connections.push(connection)
    this.onConnection(connection)
    if (this.#options.onSocket !== undefined) {
      this.#options.onSocket(socket)
      return
    }
    const frames = new FrameReader()
    let last: Promise<void> = Promise.resolve()
    socket.on('data', (chunk: Buffer) => {
      this.chunks++
      frames.push(chunk, frame => {
        const reader = new Reader(frame)
        const api = APIS.get(reader.int16())
        const version = reader.int16()
        if (api === undefined) throw new Error('an API that is not declared')
        this.seen.push({ api: api.name, version, correlationId: reader.int32(), connection: connection.index })
        const handler = this.#handlers.get(api.key)
        if (handler === undefined) throw new Error(`no handler for ${api.name}`)
        last = last.then(() => handler(frame, version, connection))
        for (const wake of this.#waiters) wake()
        this.#waiters.clear()
      })
    })
  }
}
