/** A client of bytes: it sends what it is given and keeps every frame it gets. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { FrameReader } from '../../protocol/frame.ts'
import { decodeResponse, encodeRequest } from '../../protocol/header.ts'
import type { Api, RequestInput, ResponseOf } from '../../protocol/schema/api.ts'

export class RawClient {
  readonly socket: Socket
  /** Without their length words. */
  readonly frames: Buffer[] = []
  /** Every byte that came. */
  readonly received: Buffer[] = []
  /** Resolves with true when the other side ended it, with false when it was cut off. */
  readonly closed: Promise<boolean>
  isClosed = false
  #correlationId = 0
  #wake: () => void = () => {}
  #taken = 0

  private constructor (socket: Socket) {
    this.socket = socket
    const reader = new FrameReader()
    socket.on('data', (chunk: Buffer) => {
      this.received.push(chunk)
      reader.push(chunk, frame => { this.frames.push(frame) })
      this.#wake()
    })
    let ended = false
    socket.on('end', () => { ended = true })
    socket.on('error', () => {})
    this.closed = new Promise(resolve => {
      socket.on('close', () => {
        this.isClosed = true
        this.#wake()
        resolve(ended)
      })
    })
  }

  static async open (port: number): Promise<RawClient> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true })
    await once(socket, 'connect')
    return new RawClient(socket)
  }

  /** The bytes of a request with the next correlation id. */
  encode<A extends Api> (api: A, version: number, body: RequestInput<A>, clientId: string | null = 'raw'): Buffer {
    return Buffer.concat(encodeRequest(api, version, { correlationId: ++this.#correlationId, clientId }, body))
  }

  send (...bytes: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(bytes))
  }

  /** The next frame that nobody has taken yet. */
  async next (): Promise<Buffer> {
    for (;;) {
      const frame = this.frames[this.#taken]
      if (frame !== undefined) {
        this.#taken++
        return frame
      }
      if (this.isClosed) throw new Error('the connection was closed')
      await new Promise<void>(resolve => { this.#wake = resolve })
    }
  }

  /** Sends a request and reads the next answer as the one to it. */
  async request<A extends Api> (api: A, version: number, body: RequestInput<A>): Promise<ResponseOf<A>> {
    this.send(this.encode(api, version, body))
    const { header, body: answer } = decodeResponse(api, version, await this.next())
    if (header.correlationId !== this.#correlationId) throw new Error(`answer to ${header.correlationId} instead of ${this.#correlationId}`)
    return answer
  }

  close (): void {
    this.socket.destroy()
  }
}
