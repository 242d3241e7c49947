/**
 * A broker of the shadow cluster that is never alive, and that nobody is: registered, so that a move can name it. Whoever needs one is
 * `handOver`. It is recorded in the state topic before it is registered, and leaves the cluster with the shadow leader, whoever that is then.
 */
import { ShadowError } from '../../../errors.ts'
import { BrokerLife } from '../../../kraft/broker-life.ts'
import { abortedWithin } from '../../../net/abort.ts'
import { brokerListener, type BrokerSeatOptions } from './broker-seat.ts'
import type { ShadowIdentities } from './shadow-identity.ts'

const REGISTER_MS = 5000

export interface SpareBrokerOptions extends Pick<BrokerSeatOptions, 'config' | 'cluster' | 'controllers' | 'metadata' | 'logger' | 'now'> {
  readonly identities: ShadowIdentities
  readonly mayLead: () => boolean
  readonly signal: AbortSignal
}

export class SpareBroker {
  readonly #options: SpareBrokerOptions
  #registering: Promise<number> | null = null

  constructor (options: SpareBrokerOptions) {
    this.#options = options
  }

  /**
   * The id of a registered broker that is an engine's, or nobody's, and none of `replicas`.
   * @throws {ShadowError} CONFLICT when there is none, and no id is left for one; CLUSTER_UNAVAILABLE (retriable), ABORTED
   */
  async notAmong (replicas: readonly number[]): Promise<number> {
    const { identities, metadata } = this.#options
    for (const { brokerId, incarnationId } of identities.known.values()) {
      if (!replicas.includes(brokerId) && metadata.image?.brokers.get(brokerId)?.incarnationId === incarnationId) return brokerId
    }
    this.#registering ??= this.#register().finally(() => { this.#registering = null })
    return await this.#registering
  }

  async #register (): Promise<number> {
    const { config, cluster, controllers, metadata, identities, mayLead, signal, logger, now } = this.#options
    const image = await metadata.reached(0, signal)
    const { brokerId, incarnationId, logDirId } = await identities.spare(image, signal)
    const { clusterId } = await cluster.view({ signal })
    if (clusterId === null) throw new ShadowError('CONFLICT', 'the shadow cluster does not tell its cluster id')
    const { host, port } = config.advertised
    logger.info({ brokerId }, `broker ${brokerId} is registered for a moment, and is nobody: real brokers are to lead what a dead one keeps from being moved`)
    const life = BrokerLife.start(controllers, metadata, {
      brokerId, clusterId, incarnationId, logDirId, endpoint: { ...brokerListener(image, brokerId, config), host, port }, startFenced: true, mayHeartbeat: mayLead, logger, now
    })
    try {
      await life.fence({ signal: abortedWithin(signal, REGISTER_MS) })
    } catch (error) {
      throw new ShadowError('CLUSTER_UNAVAILABLE', `broker ${brokerId} could not be registered${life.problem === null ? '' : `: ${life.problem}`}`, { retriable: true, cause: error })
    } finally {
      await life.stop()
    }
    return brokerId
  }
}
