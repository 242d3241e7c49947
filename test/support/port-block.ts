/**
 * Ports for servers that are killed and started again at the same port. A port that the system chooses would be free for anybody
 * in between; these lie below the range that systems choose from (32768 on Linux, 49152 elsewhere), and a block belongs to
 * whoever listens at its first port.
 */
import { createServer, type Server } from 'node:net'

const FIRST_PORT = 12_288
const END_PORT = 32_768
const BLOCK_PORTS = 16
const HOST = '127.0.0.1'

export interface PortBlock {
  readonly host: string
  /** Free when the block was taken. */
  readonly ports: readonly number[]
  release (): void
}

/** Takes `count` ports. @throws {Error} when there is no free block */
export async function takePorts (count: number): Promise<PortBlock> {
  if (count >= BLOCK_PORTS) throw new RangeError(`${count} ports; a block has ${BLOCK_PORTS - 1}`)
  const blocks = (END_PORT - FIRST_PORT) / BLOCK_PORTS
  // Where the search starts is random, so that processes that start together seldom meet.
  const start = Math.floor(Math.random() * blocks)
  for (let step = 0; step < blocks; step++) {
    const base = FIRST_PORT + (start + step) % blocks * BLOCK_PORTS
    const owner = await listen(base)
    if (owner === null) continue
    const ports = Array.from({ length: count }, (_, index) => base + 1 + index)
    if (await areFree(ports)) return { host: HOST, ports, release: () => owner.close() }
    owner.close()
  }
  throw new Error('no free ports')
}

async function areFree (ports: readonly number[]): Promise<boolean> {
  for (const port of ports) {
    const server = await listen(port)
    if (server === null) return false
    await new Promise<void>(resolve => server.close(() => resolve()))
  }
  return true
}

/** Null when somebody else listens there. */
async function listen (port: number): Promise<Server | null> {
  const server = createServer(socket => socket.destroy()).unref()
  return await new Promise(resolve => {
    server.once('error', () => resolve(null))
    server.listen(port, HOST, () => resolve(server))
  })
}
