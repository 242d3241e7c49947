import type { HostPort } from '../net/host-port.ts'

export interface NodePortsOptions {
  /** True for a broker that is no real one, and that no client is to be led to. */
  readonly isShadowLeader: (nodeId: number) => boolean
  /** Is called whenever a real broker comes up that has no port. */
  readonly onHidden: (nodeId: number) => void
}

/**
 * Which address clients are told for a broker. A broker without a port here is hidden: its own address must never reach a
 * client, because the client would then write past the sidecar. Shadow leaders are hidden, too, whatever their ids.
 */
export class NodePorts {
  readonly #host: string
  readonly #ports: ReadonlyMap<number, number>
  readonly #options: NodePortsOptions

  constructor (host: string, ports: ReadonlyMap<number, number>, options: NodePortsOptions) {
    this.#host = host
    this.#ports = ports
    this.#options = options
  }

  /** Null for a broker that is to be hidden. */
  addressOf (nodeId: number): HostPort | null {
    if (this.#options.isShadowLeader(nodeId)) return null
    const port = this.#ports.get(nodeId)
    if (port !== undefined) return { host: this.#host, port }
    this.#options.onHidden(nodeId)
    return null
  }

  /** True for the id of a broker that clients cannot reach; not for the -1 that stands for none. */
  isHidden (nodeId: number): boolean {
    return nodeId >= 0 && (!this.#ports.has(nodeId) || this.#options.isShadowLeader(nodeId))
  }
}
