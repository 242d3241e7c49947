/** One broker of the shadow cluster that this engine is: registered, alive, and nobody that replicas are placed on. */
import type { Cluster } from '../../../client/cluster.ts'
import type { ShadowLeaderConfig } from '../../../config/run-config.ts'
import { ShadowError } from '../../../errors.ts'
import { BrokerLife } from '../../../kraft/broker-life.ts'
import { fenceBroker } from '../../../kraft/commands/fence-broker.ts'
import type { Controllers } from '../../../kraft/controllers.ts'
import type { MetadataFollower } from '../../../kraft/metadata/metadata-follower.ts'
import type { MetadataImage } from '../../../kraft/metadata/metadata-image.ts'
import { interBrokerListener } from '../../../kraft/registered-brokers.ts'
import { formatHostPort } from '../../../net/host-port.ts'
import type { Logger } from '../../../observability/logger.ts'
import type { ShadowLeaderRecord } from '../../../state/records.ts'
import { ensureInternalTopics } from './internal-topics.ts'

const PLAINTEXT = 0
const INTERNAL_TOPICS_MS = 15_000
const FENCE_MS = 5000

export interface BrokerSeatOptions {
  readonly config: Pick<ShadowLeaderConfig, 'advertised' | 'interBrokerListener'>
  readonly controllers: Controllers
  readonly metadata: MetadataFollower
  readonly cluster: Cluster
  /** False when another engine may speak for the broker. */
  readonly maySpeak: () => boolean
  /** Waited for before every registration: what it throws puts that off. */
  readonly beforeRegistration: (signal: AbortSignal) => Promise<void>
  readonly logger: Logger
  readonly now: () => number
}

export class BrokerSeat {
  readonly identity: ShadowLeaderRecord
  readonly #options: BrokerSeatOptions
  #life: BrokerLife | null = null

  constructor (identity: ShadowLeaderRecord, options: BrokerSeatOptions) {
    this.identity = identity
    this.#options = options
  }

  get brokerId (): number {
    return this.identity.brokerId
  }

  get isUnfenced (): boolean {
    return this.#life?.state === 'unfenced'
  }

  /** In words. */
  get standing (): string {
    return this.#life?.state ?? 'starting'
  }

  get problem (): string | null {
    return this.#life?.problem ?? null
  }

  /** See BrokerLife. Infinity before it was registered. */
  heartbeatAgeMs (): number {
    return this.#life?.heartbeatAgeMs() ?? Infinity
  }

  /** What orders in its name carry. @throws {ShadowError} CLUSTER_UNAVAILABLE (retriable) while it is not registered, or is not ours */
  credentials (): { readonly brokerId: number, readonly brokerEpoch: bigint } {
    const brokerEpoch = this.#life?.epoch ?? null
    if (brokerEpoch === null || !this.#options.maySpeak()) throw new ShadowError('CLUSTER_UNAVAILABLE', 'the shadow leader is not registered', { retriable: true })
    return { brokerId: this.brokerId, brokerEpoch }
  }

  /**
   * Becomes this broker: resolves when the cluster takes it for alive. Followers are told where it is by a change of leader epochs, if
   * it was elsewhere: they look an address up only then. Can be called again.
   * @throws {ShadowError} CONFLICT where that cannot be; ABORTED; as Controllers.request
   */
  async take (signal: AbortSignal): Promise<void> {
    const { config, controllers, metadata, cluster, maySpeak, beforeRegistration, logger, now } = this.#options
    const { brokerId, incarnationId, logDirId } = this.identity
    const image = await metadata.reached(0, signal)
    const listener = brokerListener(image, brokerId, config)
    const { clusterId } = await cluster.view({ signal })
    if (clusterId === null) throw new ShadowError('CONFLICT', 'the shadow cluster does not tell its cluster id')
    const before = image.brokers.get(brokerId)
    if (before === undefined || before.fenced) await ensureInternalTopics(cluster, metadata, { signal, deadlineMs: INTERNAL_TOPICS_MS })
    const { host, port } = config.advertised
    const known = before?.endpoints.get(listener.name)
    const hasMoved = known !== undefined && (known.host !== host || known.port !== port)
    if (before?.fenced === false && before.incarnationId === incarnationId && hasMoved) {
      logger.info({ brokerId, from: formatHostPort(known), to: formatHostPort({ host, port }) }, 'the shadow leader has moved: followers are told by a change of leader epochs')
      // Before the new address is registered: whoever dies in between leaves somebody who has to be unfenced, and no address that looks like the old one.
      await fenceBroker(controllers, { brokerId, brokerEpoch: before.epoch, metadataOffset: metadata.appliedOffset }, {
        signal,
        mayFence: () => { if (!maySpeak()) throw new ShadowError('CLUSTER_UNAVAILABLE', 'another engine may lead by now', { retriable: true }) },
        deadlineMs: FENCE_MS
      })
    }
    this.#life ??= BrokerLife.start(controllers, metadata, {
      brokerId, clusterId, incarnationId, logDirId, endpoint: { ...listener, host, port }, mayHeartbeat: maySpeak, beforeRegistration, logger, now
    })
    await this.#life.unfence({ signal })
    this.#life.setCordoned(true)
  }

  /** See BrokerLife. */
  setCordoned (isCordoned: boolean): void {
    this.#life?.setCordoned(isCordoned)
  }

  /** @throws {ShadowError} CLUSTER_UNAVAILABLE (retriable) before it was registered; ABORTED */
  async fence (signal: AbortSignal): Promise<void> {
    if (this.#life === null) throw new ShadowError('CLUSTER_UNAVAILABLE', 'the shadow leader is not registered', { retriable: true })
    await this.#life.fence({ signal })
  }

  /** @throws {ShadowError} CLUSTER_UNAVAILABLE (retriable) before it was registered; ABORTED */
  async unfence (signal: AbortSignal): Promise<void> {
    if (this.#life === null) throw new ShadowError('CLUSTER_UNAVAILABLE', 'the shadow leader is not registered', { retriable: true })
    await this.#life.unfence({ signal })
  }

  /** Sends no more heartbeats: the cluster notices when the session times out, unless another engine goes on before. */
  async leave (): Promise<void> {
    await this.#life?.stop()
    this.#life = null
  }

  /** The same, and the cluster knows at once. What cannot be told it within `timeoutMs` it notices by itself. */
  async retire (timeoutMs: number): Promise<void> {
    await this.#life?.fence({ signal: AbortSignal.timeout(timeoutMs) }).catch(() => {})
    await this.leave()
  }

  /** Leaves the cluster for good. @throws {ShadowError} as BrokerLife.stop */
  async unregister (options: { readonly signal: AbortSignal, readonly deadlineMs: number }): Promise<void> {
    const life = this.#life
    this.#life = null
    await life?.stop({ unregister: options })
  }
}

/** How the brokers reach each other. @throws {ShadowError} CONFLICT when that is not PLAINTEXT; as interBrokerListener */
export function brokerListener (image: MetadataImage, brokerId: number, config: Pick<ShadowLeaderConfig, 'interBrokerListener'>): ReturnType<typeof interBrokerListener> {
  const listener = interBrokerListener(image, { brokerId, configured: config.interBrokerListener })
  if (listener.securityProtocol !== PLAINTEXT) throw new ShadowError('CONFLICT', `the brokers reach each other by listener ${listener.name}, which is not PLAINTEXT: TLS and SASL between brokers are not part of this version`)
  return listener
}
