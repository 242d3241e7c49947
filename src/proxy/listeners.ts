/** The ports of a sidecar: one for each broker id, and one for clients to start at. */
import { createServer, type Server, type Socket } from 'node:net'
import type { SidecarConfig } from '../config/run-config.ts'
import { countNodeIds, nodeIds } from '../config/node-ids.ts'
import { messageOf, ShadowError } from '../errors.ts'
import { formatHostPort } from '../net/host-port.ts'

const KEEP_ALIVE_DELAY_MS = 30_000

const MAX_PORT = 65535

/** `nodeId` is null for a client at the bootstrap port. */
export type OnClient = (client: Socket, nodeId: number | null) => void

export interface Listeners {
  readonly bootstrapPort: number
  readonly ports: ReadonlyMap<number, number>
  /** Stops accepting; connections stay as they are. */
  close (): Promise<void>
}

/**
 * Binds all ports; the bootstrap port last, so that no client can start before every address it may be told is there.
 * With bootstrapPort 0 the system chooses each of them.
 * @throws {ShadowError} CONFIG_INVALID when the ports do not fit, CONFLICT when one cannot be bound; none stays bound then
 */
export async function listen (config: Pick<SidecarConfig, 'listenHost' | 'bootstrapPort' | 'nodeIds'>, onClient: OnClient): Promise<Listeners> {
  const { listenHost, bootstrapPort } = config
  const lastPort = bootstrapPort + countNodeIds(config.nodeIds)
  if (bootstrapPort !== 0 && lastPort > MAX_PORT) throw new ShadowError('CONFIG_INVALID', `the ports of all node ids would reach from ${bootstrapPort + 1} to ${lastPort}: the last port there is, is ${MAX_PORT}`)
  const servers: Server[] = []
  const ports = new Map<number, number>()
  const close = async (): Promise<void> => {
    await Promise.all(servers.map(server => new Promise<void>(resolve => { server.close(() => { resolve() }) })))
  }
  const bind = async (port: number, nodeId: number | null): Promise<number> => {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS }, client => { onClient(client, nodeId) })
    const bound = await bindServer(server, listenHost, port, nodeId)
    servers.push(server)
    return bound
  }
  try {
    let next = bootstrapPort
    for (const nodeId of nodeIds(config.nodeIds)) ports.set(nodeId, await bind(bootstrapPort === 0 ? 0 : ++next, nodeId))
    return { bootstrapPort: await bind(bootstrapPort, null), ports, close }
  } catch (error) {
    await close()
    throw error
  }
}

function bindServer (server: Server, host: string, port: number, nodeId: number | null): Promise<number> {
  return new Promise<number>((resolve, reject) => {
    server.once('error', error => {
      const what = nodeId === null ? 'for clients to start at' : `of broker ${nodeId}`
      reject(new ShadowError('CONFLICT', `cannot listen at ${formatHostPort({ host, port })}, the port ${what}: ${messageOf(error)}`, { details: { host, port }, cause: error }))
    })
    server.listen({ host, port }, () => {
      const address = server.address()
      if (address === null || typeof address === 'string') {
        reject(new ShadowError('INVARIANT', 'a TCP server has no port'))
        return
      }
      // A failed accept, such as for want of file descriptors, concerns one client and not the port.
      server.removeAllListeners('error')
      server.on('error', () => {})
      resolve(address.port)
    })
  })
}
