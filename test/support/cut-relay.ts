/**
 * A network that can be cut: connections go through it, and those of a kind can be made to fall silent, as between hosts that do not
 * reach each other any more: nothing arrives, and nobody is told.
 */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { FrameReader } from '../../protocol/frame.ts'
import { decodeRequest } from '../../protocol/header.ts'
import { Fetch } from '../../protocol/messages/fetch.ts'
import { dialTcp, type Dial } from '../../src/net/dial.ts'
import { formatHostPort, type HostPort } from '../../src/net/host-port.ts'

const FIRST_REPLICA_STATE_VERSION = 15

interface Wire {
  readonly target: string
  replicaId: number | null
  readonly sockets: readonly [Socket, Socket]
}

export class CutRelay {
  readonly #onRequest: (frame: Buffer) => void
  readonly #servers: Server[] = []
  readonly #ways = new Map<string, Promise<HostPort>>()
  readonly #wires = new Set<Wire>()
  /** Targets, and `follower ID`. */
  readonly #cuts = new Set<string>()

  /** `onRequest` sees every request of those that are no followers. */
  constructor ({ onRequest = () => {} }: { readonly onRequest?: (frame: Buffer) => void } = {}) {
    this.#onRequest = onRequest
  }

  /** Dials through the relay. */
  readonly dial: Dial = async (address, options) => {
    const key = formatHostPort(address)
    let way = this.#ways.get(key)
    if (way === undefined) this.#ways.set(key, way = this.listen(address))
    return await dialTcp(await way, options)
  }

  /** Opens a port that leads to `target`. */
  async listen (target: HostPort): Promise<HostPort> {
    const server = createServer(client => this.#relay(client, target))
    this.#servers.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    return { host: '127.0.0.1', port }
  }

  cut (...addresses: readonly HostPort[]): void {
    this.#cut(addresses.map(formatHostPort))
  }

  /** Cuts what this follower fetches by. */
  cutFollower (brokerId: number): void {
    this.#cut([`follower ${brokerId}`])
  }

  #cut (keys: readonly string[]): void {
    for (const key of keys) this.#cuts.add(key)
    for (const wire of this.#wires) if (this.#isCut(wire)) for (const socket of wire.sockets) socket.pause()
  }

  /** What was silent is reset: its bytes are lost. */
  heal (): void {
    for (const wire of this.#wires) if (this.#isCut(wire)) for (const socket of wire.sockets) socket.resetAndDestroy()
    this.#cuts.clear()
  }

  async stop (): Promise<void> {
    for (const { sockets } of this.#wires) for (const socket of sockets) socket.destroy()
    for (const server of this.#servers) {
      server.close()
      await once(server, 'close')
    }
  }

  #isCut ({ target, replicaId }: Wire): boolean {
    return this.#cuts.has(target) || (replicaId !== null && this.#cuts.has(`follower ${replicaId}`))
  }

  #relay (client: Socket, target: HostPort): void {
    const upstream = connect({ host: target.host, port: target.port, noDelay: true })
    const wire: Wire = { target: formatHostPort(target), replicaId: null, sockets: [client, upstream] }
    this.#wires.add(wire)
    const frames = new FrameReader()
    client.on('data', (chunk: Buffer) => {
      if (wire.replicaId === null) {
        frames.push(Buffer.from(chunk), frame => {
          wire.replicaId ??= replicaOf(frame)
          if (wire.replicaId === null) this.#onRequest(frame)
        })
        if (this.#isCut(wire)) {
          for (const socket of wire.sockets) socket.pause()
          return
        }
      }
      upstream.write(chunk)
    })
    upstream.on('data', (chunk: Buffer) => client.write(chunk))
    for (const [socket, other] of [[client, upstream], [upstream, client]] as const) {
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#wires.delete(wire)
        // Nobody hears of an end on the other side of a cut.
        if (!this.#isCut(wire)) other.destroy()
      })
    }
    if (this.#isCut(wire)) for (const socket of wire.sockets) socket.pause()
  }
}

/** The broker that a request fetches for; null for one that is no fetch of a follower. */
function replicaOf (frame: Buffer): number | null {
  const version = frame.readInt16BE(2)
  if (frame.readInt16BE(0) !== Fetch.key || version < FIRST_REPLICA_STATE_VERSION) return null
  return decodeRequest(Fetch, version, frame).body.replicaState.replicaId
}
