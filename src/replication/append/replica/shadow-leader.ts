/**
 * The broker that the engine registers with the shadow cluster: it leads the shadow partitions of all links in append mode
 * replica, and the real brokers follow it (DESIGN.md §4).
 *
 *   observing ──lead()──▶ identifying ──▶ registering ──▶ ready ──▶ …     whatever fails is tried again; `problem` says what
 *       (controllers and metadata)   (listener, internal topics)
 *
 * Its identity is in the state topic: an engine that takes over within the session timeout at the same address was never away.
 * At another address it is fenced and unfenced once, because followers look an address up only when a leader epoch changes.
 */
import { randomInt } from 'node:crypto'
import type { Cluster } from '../../../client/cluster.ts'
import { retry } from '../../../client/retry.ts'
import type { ShadowLeaderConfig } from '../../../config/run-config.ts'
import { messageOf, ShadowError } from '../../../errors.ts'
import { BrokerLife } from '../../../kraft/broker-life.ts'
import { allocateProducerIds } from '../../../kraft/commands/allocate-producer-ids.ts'
import { fenceBroker } from '../../../kraft/commands/fence-broker.ts'
import { unregisterBroker } from '../../../kraft/commands/unregister-broker.ts'
import { Controllers } from '../../../kraft/controllers.ts'
import { discoverControllers, knownControllers } from '../../../kraft/locate-controllers.ts'
import { MetadataFollower } from '../../../kraft/metadata/metadata-follower.ts'
import type { MetadataImage } from '../../../kraft/metadata/metadata-image.ts'
import { interBrokerListener } from '../../../kraft/registered-brokers.ts'
import { isAborted } from '../../../net/abort.ts'
import { dialTcp, type Dial } from '../../../net/dial.ts'
import { formatHostPort, type HostPort } from '../../../net/host-port.ts'
import { sleep } from '../../../net/sleep.ts'
import type { Logger } from '../../../observability/logger.ts'
import type { ShadowLeaderRecord, StateChange } from '../../../state/records.ts'
import type { StateFollower } from '../../../state/state-follower.ts'
import { ClientPassage } from './client-passage.ts'
import { ensureInternalTopics } from './internal-topics.ts'
import { PartitionControl } from './partition-control.ts'
import { ShadowIdentities } from './shadow-identity.ts'
import { ShadowLeaderServer } from './shadow-leader-server.ts'
import { ShadowPartitions } from './shadow-partitions.ts'

const PLAINTEXT = 0
const RETRY_MS = 1000
const INTERNAL_TOPICS_MS = 15_000
const UNREGISTER_MS = 10_000
const ASIDE_GATHER_MS = 50
const FENCE_MS = 5000
const BLOCKS_AT_ONCE = 16

export interface ShadowLeaderOptions {
  readonly config: ShadowLeaderConfig
  /** The shadow cluster; it stays the caller's. */
  readonly cluster: Cluster
  readonly state: StateFollower
  readonly write: (changes: readonly StateChange[]) => Promise<number>
  /** False when another engine may lead by now. */
  readonly mayLead: () => boolean
  /** Ends when this engine no longer leads the links. */
  readonly signal: AbortSignal
  readonly dial?: Dial | undefined
  readonly logger: Logger
  readonly now: () => number
  readonly wallClock: () => Date
}

export class ShadowLeader {
  readonly controllers: Controllers
  readonly metadata: MetadataFollower
  readonly control: PartitionControl
  /** What followers can fetch. */
  readonly partitions = new ShadowPartitions()
  readonly #options: ShadowLeaderOptions
  readonly #readyListeners = new Set<() => void>()
  readonly #identities: ShadowIdentities
  #identity: ShadowLeaderRecord | null = null
  #server: ShadowLeaderServer | null = null
  #clients: ClientPassage | null = null
  #life: BrokerLife | null = null
  #problem: string | null = null
  #asideTurn: Promise<void> | null = null
  #isReady = false
  #leading: Promise<void> | null = null
  #leaving: Promise<void> = Promise.resolve()

  constructor (options: ShadowLeaderOptions) {
    const { config, cluster, state, write, dial, logger, now, wallClock, signal } = options
    this.#options = options
    this.#identities = new ShadowIdentities({ state, write, ranges: config.brokerIds, wallClock })
    this.controllers = new Controllers({
      locate: config.controllers.length > 0 ? knownControllers(config.controllers) : discoverControllers(cluster),
      clientId: 'kshadow-leader',
      logger,
      now,
      ...(dial === undefined ? {} : { dial })
    })
    this.metadata = MetadataFollower.start(this.controllers, { logger, now })
    this.control = new PartitionControl({ controllers: this.controllers, metadata: this.metadata, cluster, broker: () => this.#broker(), signal })
  }

  /** See ShadowLeaderConfig. */
  get followerTimeoutMs (): number {
    return this.#options.config.followerTimeoutMs
  }

  /** Null before `lead` has found or made the identity. */
  get brokerId (): number | null {
    return this.#identity?.brokerId ?? null
  }

  /** Every id that is no real broker: also those of other engines, and of earlier ones. */
  get shadowIds (): ReadonlySet<number> {
    const ids = new Set(this.#identities.ids)
    if (this.#identity !== null) ids.add(this.#identity.brokerId)
    return ids
  }

  /** True while it is registered and unfenced, as far as the last heartbeat says. */
  get isReady (): boolean {
    return this.#isReady && this.#life?.state === 'unfenced'
  }

  /** True while followers can connect, whether it is registered or not. */
  get isListening (): boolean {
    return this.#server !== null
  }

  /** Why it does not lead at the moment; null when it does. */
  get problem (): string | null {
    return this.metadata.problem ?? this.#life?.problem ?? this.#problem ?? (this.isReady || this.#leading === null ? null : `the shadow leader is ${this.#life?.state ?? 'starting'}`)
  }

  /** Calls `listener` when it becomes ready, at once when it is; returns how to stop that. */
  onReady (listener: () => void): () => void {
    this.#readyListeners.add(listener)
    if (this.isReady) listener()
    return () => { this.#readyListeners.delete(listener) }
  }

  /** Begins to lead, if it has not begun: an `unregister` under way takes away who it was, and comes to its end first. */
  lead (): void {
    this.#leading ??= this.#leaving.then(() => this.#lead())
  }

  /** @throws {ShadowError} CLUSTER_UNAVAILABLE (retriable) while it does not lead */
  assertReady (): { readonly brokerId: number, readonly image: MetadataImage } {
    const { brokerId } = this
    if (!this.isReady || brokerId === null) throw new ShadowError('CLUSTER_UNAVAILABLE', `the shadow leader is not ready: ${this.problem ?? 'it has not started'}`, { retriable: true })
    return { brokerId, image: this.control.image }
  }

  #broker (): { readonly brokerId: number, readonly brokerEpoch: bigint } {
    const brokerEpoch = this.#life?.epoch ?? null
    if (this.#identity === null || brokerEpoch === null || !this.#options.mayLead()) throw new ShadowError('CLUSTER_UNAVAILABLE', 'the shadow leader is not registered', { retriable: true })
    return { brokerId: this.#identity.brokerId, brokerEpoch }
  }

  /** For orders that do not name the broker's epoch: nobody would refuse those of an engine that was replaced. @throws {ShadowError} CLUSTER_UNAVAILABLE (retriable) */
  assertMayLead (): void {
    if (!this.#options.mayLead()) throw new ShadowError('CLUSTER_UNAVAILABLE', 'another engine may lead by now', { retriable: true })
  }

  async #lead (): Promise<void> {
    const { signal, logger } = this.#options
    while (!isAborted(signal)) {
      try {
        await this.#begin()
        this.#problem = null
        this.#isReady = true
        for (const listener of [...this.#readyListeners]) listener()
        return
      } catch (error) {
        if (isAborted(signal)) return
        if (this.#problem !== messageOf(error)) logger.warn({ err: error }, `the shadow leader cannot start yet: ${messageOf(error)}`)
        this.#problem = messageOf(error)
        await sleep(RETRY_MS, signal).catch(() => {})
      }
    }
  }

  async #begin (): Promise<void> {
    const { config, cluster, signal, logger, mayLead, now } = this.#options
    const image = await this.metadata.reached(0, signal)
    const identity = this.#identity ??= await this.#identify(image)
    const { brokerId, incarnationId, logDirId } = identity
    const listener = interBrokerListener(image, { brokerId, configured: config.interBrokerListener })
    if (listener.securityProtocol !== PLAINTEXT) throw new ShadowError('CONFLICT', `the brokers reach each other by listener ${listener.name}, which is not PLAINTEXT: TLS and SASL between brokers are not part of this version`)
    this.#clients ??= new ClientPassage({ target: () => this.#realBroker(listener.name), dial: this.#options.dial ?? dialTcp, logger })
    this.#server ??= await ShadowLeaderServer.open(config.listen, { brokerId, partitions: this.partitions, mayServe: mayLead, clients: this.#clients, logger, now: () => Date.now(), random: () => randomInt(2 ** 32) / 2 ** 32 })
    const { clusterId } = await cluster.view({ signal })
    if (clusterId === null) throw new ShadowError('CONFLICT', 'the shadow cluster does not tell its cluster id')
    const before = image.brokers.get(brokerId)
    if (before === undefined || before.fenced) await ensureInternalTopics(cluster, this.metadata, { signal, deadlineMs: INTERNAL_TOPICS_MS })
    const { host, port } = config.advertised
    const known = before?.endpoints.get(listener.name)
    const hasMoved = known !== undefined && (known.host !== host || known.port !== port)
    if (before?.fenced === false && before.incarnationId === incarnationId && hasMoved) {
      logger.info({ brokerId, from: formatHostPort(known), to: formatHostPort({ host, port }) }, 'the shadow leader has moved: followers are told by a change of leader epochs')
      // Before the new address is registered: whoever dies in between leaves somebody who has to be unfenced, and no address that looks like the old one.
      await fenceBroker(this.controllers, { brokerId, brokerEpoch: before.epoch, metadataOffset: this.metadata.appliedOffset }, { signal, mayFence: () => { this.assertMayLead() }, deadlineMs: FENCE_MS })
    }
    this.#life ??= BrokerLife.start(this.controllers, this.metadata, {
      brokerId, clusterId, incarnationId, logDirId, endpoint: { ...listener, host, port }, mayHeartbeat: mayLead, logger, now
    })
    await this.#life.unfence({ signal })
    this.#life.setCordoned(true)
  }

  /** One that is alive, by chance: clients are to be spread. */
  #realBroker (listener: string): HostPort | null {
    const addresses = [...this.metadata.image?.brokers.values() ?? []].filter(({ id, fenced }) => !fenced && !this.shadowIds.has(id)).flatMap(({ endpoints }) => endpoints.get(listener) ?? [])
    return addresses.length === 0 ? null : addresses[randomInt(addresses.length)] ?? null
  }

  async #identify (image: MetadataImage): Promise<ShadowLeaderRecord> {
    const { identity, isNew } = await this.#identities.identify(image, this.#options.signal)
    if (isNew) this.#options.logger.info({ brokerId: identity.brokerId }, `the shadow leader is broker ${identity.brokerId}`)
    return identity
  }

  /**
   * Gives up the leadership of everything for a moment: what has others in its ISR is led by one of them afterwards, and everything
   * else by us again. All who ask meanwhile share one turn.
   * @throws {ShadowError} CLUSTER_UNAVAILABLE (retriable) while it does not lead; ABORTED
   */
  async stepAside (): Promise<void> {
    this.#asideTurn ??= this.#fenceAndUnfence().finally(() => { this.#asideTurn = null })
    await this.#asideTurn
  }

  async #fenceAndUnfence (): Promise<void> {
    const { signal, logger } = this.#options
    this.assertReady()
    const life = this.#life
    if (life === null) throw new ShadowError('CLUSTER_UNAVAILABLE', 'the shadow leader is not registered', { retriable: true })
    // Those of the same turn of the failover go with it.
    await sleep(ASIDE_GATHER_MS, signal)
    logger.info({ brokerId: this.brokerId }, 'the shadow leader steps aside for a moment, so that real brokers lead what a dead one keeps from being moved')
    try {
      await life.fence({ signal })
    } finally {
      await life.unfence({ signal })
    }
  }

  /** Creates topics with replicas here, which a cordoned log directory does not let in everywhere (KAFKA-20832). */
  async uncordoned<T> (work: () => Promise<T>): Promise<T> {
    this.#life?.setCordoned(false)
    try {
      return await work()
    } finally {
      this.#life?.setCordoned(true)
    }
  }

  /** The real brokers that are alive; null while the metadata log is not known. */
  get liveBrokers (): readonly number[] | null {
    const { image } = this.metadata
    if (image === null) return null
    const { shadowIds } = this
    return [...image.brokers.values()].filter(({ id, fenced }) => !fenced && !shadowIds.has(id)).map(({ id }) => id)
  }

  /** See ProducerIdBarrier. */
  async skipProducerIdBlocks (producerId: number, signal: AbortSignal): Promise<void> {
    if (this.#life?.epoch == null) return
    const next = this.metadata.image?.nextProducerId ?? 0n
    for (let reached = next; reached <= BigInt(producerId);) {
      const blocks = Math.min(BLOCKS_AT_ONCE, Math.ceil((producerId - Number(reached) + 1) / 1000))
      for (const { firstId, count } of await Promise.all(Array.from({ length: blocks }, () => allocateProducerIds(this.controllers, this.#broker(), { signal })))) {
        const end = firstId + BigInt(count)
        if (end > reached) reached = end
      }
    }
  }

  /**
   * Leaves the cluster for good, with every id that engines have used: no topic is a shadow in this mode any more.
   * @throws {ShadowError} CLUSTER_UNAVAILABLE (retriable) while partitions are still held here, and while it begins to lead
   */
  async unregister (signal: AbortSignal): Promise<void> {
    const left = this.#leaving.then(() => this.#unregister(signal))
    this.#leaving = left.catch(() => {})
    await left
  }

  async #unregister (signal: AbortSignal): Promise<void> {
    const { logger, state } = this.#options
    const image = await this.metadata.reached(0, signal)
    const held = [...image.topics.values()].flatMap(({ name, partitions }) => [...partitions.values()].filter(({ replicas }) => replicas.some(id => this.shadowIds.has(id))).map(({ partition }) => `${name}-${partition}`))
    if (held.length > 0) throw new ShadowError('CLUSTER_UNAVAILABLE', `the shadow leader still holds ${held.length} partitions, among them ${held[0] ?? ''}`, { retriable: true })
    if (this.#leading !== null && !this.#isReady) throw new ShadowError('CLUSTER_UNAVAILABLE', 'the shadow leader has just begun to lead', { retriable: true })
    this.#isReady = false
    this.#leading = null
    const own = this.brokerId
    const life = this.#life
    this.#life = null
    await life?.stop({ unregister: { signal, deadlineMs: UNREGISTER_MS } })
    const others = [...(await state.reached(0, signal)).shadowLeaders.values()].filter(({ brokerId, incarnationId }) => brokerId !== own && image.brokers.get(brokerId)?.incarnationId === incarnationId)
    for (const { brokerId } of others) await unregisterBroker(this.controllers, brokerId, { signal, deadlineMs: UNREGISTER_MS })
    const ids = [...this.shadowIds]
    await this.#identities.forget(ids, signal)
    this.#clients?.close()
    await this.#server?.close()
    this.#server = null
    this.#identity = null
    logger.info({ brokerIds: ids }, 'the shadow leader was unregistered: nothing is left for it to lead')
  }

  /** After the signal: ends everything. The cluster notices when the session times out, unless another engine goes on before. */
  async stopped (): Promise<void> {
    this.#isReady = false
    await this.#leaving
    await this.#leading
    await this.#life?.stop()
    this.#clients?.close()
    await this.#server?.close()
    await this.metadata.stop()
    await this.controllers.close()
  }
}

/** Retried while the shadow leader is not ready. */
export async function whenReady<T> (leader: ShadowLeader, signal: AbortSignal, deadlineMs: number, work: () => Promise<T>): Promise<T> {
  return await retry(async () => {
    leader.assertReady()
    return await work()
  }, { signal, deadlineMs, baseMs: 50, maxMs: 500 })
}
