import type { HostPort } from '../net/host-port.ts'

/**
 * Which address clients are told for a broker. A broker without a port here is hidden: its own address must never reach a
 * client, because the client would then write past the sidecar.
 */
export class NodePorts {
  readonly #host: string
  readonly #ports: ReadonlyMap<number, number>
  readonly #onHidden: (nodeId: number) => void

  /** `onHidden` is called whenever a broker comes up that has no port. */
  constructor (host: string, ports: ReadonlyMap<number, number>, onHidden: (nodeId: number) => void) {
    this.#host = host
    this.#ports = ports
    this.#onHidden = onHidden
  }

  /** Null for a broker that is to be hidden. */
  addressOf (nodeId: number): HostPort | null {
    const port = this.#ports.get(nodeId)
    if (port !== undefined) return { host: this.#host, port }
    this.#onHidden(nodeId)
    return null
  }

  /** True for the id of a broker that clients cannot reach; not for the -1 that stands for none. */
  isHidden (nodeId: number): boolean {
    return nodeId >= 0 && !this.#ports.has(nodeId)
  }
}
