/** The socket that a broker listens on, and its connections. */
import { createServer, type Server, type Socket } from 'node:net'
import type { HostPort } from '../host-port.ts'
import type { Logger } from '../../observability/logger.ts'
import { ServerConnection, type FrameHandler } from './server-connection.ts'

export interface ListenerOptions {
  readonly maxFrameBytes: number
  readonly logger: Logger
  readonly handle: FrameHandler
  /** A connection whose client does not take an answer within so many milliseconds is closed. Default: never. */
  readonly writeTimeoutMs?: number
  /** True when somebody else takes care of the connection whose first request is of this API; nothing has been read from it then. */
  readonly diverts?: (apiKey: number, socket: Socket) => boolean
}

/** Up to the API key: length and key. */
const KEY_END = 6
const KEY_AT = 4
/** Who has not said by then what it wants is not waited for. */
const SILENT_MS = 30_000

export class Listener {
  readonly address: HostPort
  readonly #server: Server
  readonly #connections: Set<ServerConnection>
  /** Those that have not said yet what they are. */
  readonly #undecided: Set<Socket>

  private constructor (server: Server, address: HostPort, connections: Set<ServerConnection>, undecided: Set<Socket>) {
    this.#server = server
    this.address = address
    this.#connections = connections
    this.#undecided = undecided
  }

  /** Port 0: one that the system chooses. Rejects when the address cannot be listened on. */
  static async open (address: HostPort, options: ListenerOptions): Promise<Listener> {
    const connections = new Set<ServerConnection>()
    let nextId = 1
    const undecided = new Set<Socket>()
    const serve = (socket: Socket): void => {
      connections.add(new ServerConnection(socket, {
        ...options,
        id: nextId++,
        onClosed: connection => { connections.delete(connection) }
      }))
    }
    const server = createServer(socket => {
      const { diverts } = options
      if (diverts === undefined) {
        serve(socket)
        return
      }
      undecided.add(socket)
      socket.once('close', () => undecided.delete(socket))
      peekApiKey(socket, apiKey => {
        undecided.delete(socket)
        if (!diverts(apiKey, socket)) serve(socket)
      })
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host: address.host, port: address.port }, () => {
        server.off('error', reject)
        resolve()
      })
    })
    server.on('error', error => options.logger.error({ err: error }, 'the listener failed'))
    const bound = server.address()
    return new Listener(server, { host: address.host, port: bound === null || typeof bound === 'string' ? address.port : bound.port }, connections, undecided)
  }

  get connections (): ReadonlySet<ServerConnection> {
    return this.#connections
  }

  /** Closes the listener and every connection. */
  close (): Promise<void> {
    return new Promise(resolve => {
      this.#server.close(() => resolve())
      for (const connection of this.#connections) connection.close()
      for (const socket of this.#undecided) socket.destroy()
    })
  }
}

/** Calls back with the API key of the first request, which stays unread; never for a connection that ends before. */
function peekApiKey (socket: Socket, callback: (apiKey: number) => void): void {
  const onError = (): void => { socket.destroy() }
  socket.setTimeout(SILENT_MS, onError)
  const onReadable = (): void => {
    const chunk: unknown = socket.read(KEY_END)
    if (!Buffer.isBuffer(chunk) || chunk.length < KEY_END) return
    socket.off('readable', onReadable)
    socket.off('error', onError)
    socket.setTimeout(0)
    socket.off('timeout', onError)
    socket.pause()
    socket.unshift(chunk)
    callback(chunk.readInt16BE(KEY_AT))
  }
  socket.on('error', onError)
  socket.on('readable', onReadable)
}
