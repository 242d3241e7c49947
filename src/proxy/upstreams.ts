/** Opens connections to the brokers of the shadow cluster. */
import type { Socket } from 'node:net'
import type { BrokerView, Cluster, ClusterView } from '../client/cluster.ts'
import { messageOf, ShadowError } from '../errors.ts'
import type { Dial } from '../net/dial.ts'

/** What the sidecar needs of a Cluster. */
export type BrokerDirectory = Pick<Cluster, 'lastView' | 'refresh' | 'refreshBrokers'>

export interface UpstreamsOptions {
  readonly cluster: BrokerDirectory
  readonly dial: Dial
  readonly connectionTimeoutMs: number
  /** True for a broker that clients are told of. */
  readonly isOffered: (nodeId: number) => boolean
  /** True for a broker that is no real one, and serves no clients. */
  readonly isShadowLeader: (nodeId: number) => boolean
}

export class Upstreams {
  readonly #options: UpstreamsOptions
  #next = 0

  constructor (options: UpstreamsOptions) {
    this.#options = options
  }

  /**
   * @throws {ShadowError} NOT_FOUND when the cluster has no real broker of this id; CONNECT_FAILED, CLUSTER_UNAVAILABLE, ABORTED
   */
  async toNode (nodeId: number, signal: AbortSignal): Promise<Socket> {
    const { cluster, isShadowLeader } = this.#options
    if (isShadowLeader(nodeId)) throw new ShadowError('NOT_FOUND', `broker ${nodeId} of the shadow cluster is a shadow leader, and serves no clients`, { details: { nodeId } })
    const broker = cluster.lastView?.brokers.get(nodeId) ?? (await cluster.refresh({ signal })).brokers.get(nodeId)
    if (broker === undefined) throw new ShadowError('NOT_FOUND', `the shadow cluster has no broker ${nodeId}`, { details: { nodeId } })
    try {
      return await this.#dial(broker, signal)
    } catch (error) {
      // It may have moved: the next client finds where to.
      cluster.refresh({ signal }).catch(() => {})
      throw error
    }
  }

  /**
   * A connection to any broker, those that clients are told of first.
   * @throws {ShadowError} CLUSTER_UNAVAILABLE, ABORTED
   */
  async toAny (signal: AbortSignal): Promise<Socket> {
    const { cluster } = this.#options
    const known = cluster.lastView
    const { socket, reasons } = await this.#tryAll(known, signal)
    if (socket !== null) return socket
    const view = await cluster.refresh({ signal })
    if (view === known) throw unavailable(reasons)
    const again = await this.#tryAll(view, signal)
    if (again.socket !== null) return again.socket
    throw unavailable(again.reasons)
  }

  async #tryAll (view: ClusterView | null, signal: AbortSignal): Promise<{ readonly socket: Socket | null, readonly reasons: readonly string[] }> {
    const reasons: string[] = []
    for (const broker of this.#candidates(view)) {
      try {
        return { socket: await this.#dial(broker, signal), reasons }
      } catch (error) {
        if (signal.aborted) throw error
        reasons.push(messageOf(error))
      }
    }
    return { socket: null, reasons }
  }

  /** Real brokers, in turns, so that all clients that start do not start at the same broker. */
  #candidates (view: ClusterView | null): BrokerView[] {
    const { isOffered, isShadowLeader } = this.#options
    const brokers = [...view?.brokers.values() ?? []].filter(({ nodeId }) => !isShadowLeader(nodeId))
    const start = brokers.length === 0 ? 0 : this.#next++ % brokers.length
    const turned = [...brokers.slice(start), ...brokers.slice(0, start)]
    return [...turned.filter(({ nodeId }) => isOffered(nodeId)), ...turned.filter(({ nodeId }) => !isOffered(nodeId))]
  }

  #dial ({ host, port }: BrokerView, signal: AbortSignal): Promise<Socket> {
    return this.#options.dial({ host, port }, { timeoutMs: this.#options.connectionTimeoutMs, signal })
  }
}

function unavailable (reasons: readonly string[]): ShadowError {
  return new ShadowError('CLUSTER_UNAVAILABLE', `no broker of the shadow cluster can be reached: ${reasons.length === 0 ? 'none is known' : reasons.join('; ')}`, { retriable: true })
}
