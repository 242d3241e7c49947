/** The socket that a broker listens on, and its connections. */
import { createServer, type Server } from 'node:net'
import type { HostPort } from '../host-port.ts'
import type { Logger } from '../../observability/logger.ts'
import { ServerConnection, type FrameHandler } from './server-connection.ts'

export interface ListenerOptions {
  readonly maxFrameBytes: number
  readonly logger: Logger
  readonly handle: FrameHandler
  /** A connection whose client does not take an answer within so many milliseconds is closed. Default: never. */
  readonly writeTimeoutMs?: number
}

export class Listener {
  readonly address: HostPort
  readonly #server: Server
  readonly #connections: Set<ServerConnection>

  private constructor (server: Server, address: HostPort, connections: Set<ServerConnection>) {
    this.#server = server
    this.address = address
    this.#connections = connections
  }

  /** Port 0: one that the system chooses. Rejects when the address cannot be listened on. */
  static async open (address: HostPort, options: ListenerOptions): Promise<Listener> {
    const connections = new Set<ServerConnection>()
    let nextId = 1
    const server = createServer(socket => {
      connections.add(new ServerConnection(socket, {
        ...options,
        id: nextId++,
        onClosed: connection => { connections.delete(connection) }
      }))
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
    return new Listener(server, { host: address.host, port: bound === null || typeof bound === 'string' ? address.port : bound.port }, connections)
  }

  get connections (): ReadonlySet<ServerConnection> {
    return this.#connections
  }

  /** Closes the listener and every connection. */
  close (): Promise<void> {
    return new Promise(resolve => {
      this.#server.close(() => resolve())
      for (const connection of this.#connections) connection.close()
    })
  }
}
