/** A broker of bytes: it keeps every frame it gets and answers with whatever bytes a test wants. It knows frames, and nothing of src. */
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { FrameReader } from '../../protocol/frame.ts'

export interface RawRequest {
  readonly apiKey: number
  readonly version: number
  readonly correlationId: number
  /** Without the length word. */
  readonly frame: Buffer
  readonly socket: Socket
}

/** The whole answer, length word included; null for none. */
export type RawAnswer = (request: RawRequest) => Buffer | readonly Buffer[] | null

export class RawBroker {
  readonly requests: RawRequest[] = []
  readonly sockets: Socket[] = []
  answer: RawAnswer = () => null
  /** All bytes that have come. */
  bytes = 0
  readonly #server: Server

  private constructor () {
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, socket => { this.#accept(socket) })
  }

  static async start (): Promise<RawBroker> {
    const broker = new RawBroker()
    broker.#server.listen(0, '127.0.0.1')
    await once(broker.#server, 'listening')
    return broker
  }

  get address (): { readonly host: string, readonly port: number } {
    const { port } = this.#server.address() as AddressInfo
    return { host: '127.0.0.1', port }
  }

  /** The keys of all requests that have come, in order. */
  get keys (): number[] {
    return this.requests.map(request => request.apiKey)
  }

  async stop (): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #accept (socket: Socket): void {
    this.sockets.push(socket)
    socket.on('error', () => {})
    socket.on('end', () => { socket.end() })
    const frames = new FrameReader()
    socket.on('data', (chunk: Buffer) => {
      this.bytes += chunk.length
      frames.push(chunk, frame => {
        const request = { apiKey: frame.readInt16BE(0), version: frame.readInt16BE(2), correlationId: frame.readInt32BE(4), frame, socket }
        this.requests.push(request)
        const answer = this.answer(request)
        if (answer !== null) socket.write(Buffer.isBuffer(answer) ? answer : Buffer.concat(answer))
      })
    })
  }
}
