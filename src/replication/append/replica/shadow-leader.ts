/**
 * The broker of the shadow cluster that the engine is: it leads the shadow partitions of all links in append mode replica, and the
 * real brokers follow it (DESIGN.md §4). While another engine leads, it may stand by: in the ISR, so that the controller can have it
 * lead.
 *
 *   observing ──standBy()──▶ standing by ──lead()──▶ claiming ──▶ ready ──▶ settled    whatever fails is tried again; `problem` says what
 *       │ (controllers and metadata)                    ▲            (partitions that engines before it led alone come home)
 *       └────────────────────lead()────────────────────┘
 *
 * Who it is stands in the state topic: an engine that takes over within the session timeout at the same address was never away.
 * At another address it is fenced and unfenced once, because followers look an address up only when a leader epoch changes.
 */
import { randomInt } from 'node:crypto'
import type { Cluster } from '../../../client/cluster.ts'
import { retry } from '../../../client/retry.ts'
import type { ShadowLeaderConfig } from '../../../config/run-config.ts'
import { messageOf, ShadowError } from '../../../errors.ts'
import { assertLeads } from '../../may-lead.ts'
import { allocateProducerIds } from '../../../kraft/commands/allocate-producer-ids.ts'
import { unregisterBroker } from '../../../kraft/commands/unregister-broker.ts'
import { Controllers } from '../../../kraft/controllers.ts'
import { discoverControllers, knownControllers } from '../../../kraft/locate-controllers.ts'
import { MetadataFollower } from '../../../kraft/metadata/metadata-follower.ts'
import type { MetadataImage } from '../../../kraft/metadata/metadata-image.ts'
import { isAborted, throwIfAborted } from '../../../net/abort.ts'
import { dialTcp, type Dial } from '../../../net/dial.ts'
import { formatHostPort, type HostPort } from '../../../net/host-port.ts'
import { sleep } from '../../../net/sleep.ts'
import type { Logger } from '../../../observability/logger.ts'
import type { ShadowLeaderRecord, StateChange } from '../../../state/records.ts'
import type { StateFollower } from '../../../state/state-follower.ts'
import { brokerListener, BrokerSeat } from './broker-seat.ts'
import { ClientPassage } from './client-passage.ts'
import { claimLeadership, Homecoming } from './homecoming.ts'
import { PartitionControl } from './partition-control.ts'
import { ShadowIdentities, type EnginePlace } from './shadow-identity.ts'
import { ShadowLeaderServer } from './shadow-leader-server.ts'
import { ShadowPartitions } from './shadow-partitions.ts'
import { SpareBroker } from './spare-broker.ts'
import { dismissStandbys } from './standby-members.ts'

const RETRY_MS = 1000
const UNREGISTER_MS = 10_000
const ASIDE_GATHER_MS = 50
const BLOCKS_AT_ONCE = 16
const RETIRE_MS = 2000
/** An engine that stands by and hangs is noticed by the end of its session. */
const VACATED_MS = 15_000

export interface ShadowLeaderOptions {
  readonly config: ShadowLeaderConfig
  /** The shadow cluster; it stays the caller's. */
  readonly cluster: Cluster
  readonly state: StateFollower
  /** Only while this engine leads the links. */
  readonly write: (changes: readonly StateChange[]) => Promise<number>
  /** Of this process. */
  readonly instance: string
  /** False when another engine may lead by now, and while this one does not. */
  readonly mayLead: () => boolean
  /** Ends when this engine no longer leads the links, or no longer stands by. */
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
  readonly identities: ShadowIdentities
  readonly spare: SpareBroker
  readonly #options: ShadowLeaderOptions
  readonly #self: EnginePlace
  readonly #readyListeners = new Set<() => void>()
  #seat: BrokerSeat | null = null
  #server: ShadowLeaderServer | null = null
  #clients: ClientPassage | null = null
  #problem: string | null = null
  #asideTurn: Promise<void> | null = null
  #isReady = false
  #isSettled = false
  #standing: Promise<void> = Promise.resolve()
  readonly #standingAbort = new AbortController()
  /** True from `lead` on. */
  #isLeading = false
  #leading: Promise<void> | null = null
  #leaving: Promise<void> = Promise.resolve()

  constructor (options: ShadowLeaderOptions) {
    const { config, cluster, state, write, dial, logger, now, wallClock, signal, instance } = options
    this.#options = options
    this.#self = { instance, address: formatHostPort(config.advertised) }
    this.identities = new ShadowIdentities({ state, write, ranges: config.brokerIds, self: this.#self, wallClock })
    this.controllers = new Controllers({
      locate: config.controllers.length > 0 ? knownControllers(config.controllers) : discoverControllers(cluster),
      clientId: 'kshadow-leader',
      logger,
      now,
      ...(dial === undefined ? {} : { dial })
    })
    this.metadata = MetadataFollower.start(this.controllers, { logger, now })
    this.spare = new SpareBroker({ config, cluster, controllers: this.controllers, metadata: this.metadata, identities: this.identities, mayLead: options.mayLead, signal, logger, now })
    this.control = new PartitionControl({ controllers: this.controllers, metadata: this.metadata, cluster, broker: () => this.#credentials(), signal })
  }

  /** See ShadowLeaderConfig. */
  get followerTimeoutMs (): number {
    return this.#options.config.followerTimeoutMs
  }

  /** Null before `lead` has found or made the identity, and before `standBy`. */
  get brokerId (): number | null {
    return this.#seat?.brokerId ?? null
  }

  /** Every id that is no real broker: also those of other engines, and of earlier ones. */
  get shadowIds (): ReadonlySet<number> {
    const ids = new Set(this.identities.ids)
    if (this.#seat !== null) ids.add(this.#seat.brokerId)
    return ids
  }

  /** The ids of other engines that stand by, as far as the metadata and the state have been read: alive, and who they are said to be. */
  get livingStandbys (): readonly number[] {
    const { image } = this.metadata
    return [...this.identities.known.values()].filter(({ brokerId, incarnationId, instance }) => {
      if (brokerId === this.brokerId || instance === null || instance === '' || instance === this.#self.instance) return false
      const registered = image?.brokers.get(brokerId)
      return registered?.incarnationId === incarnationId && !registered.fenced && !registered.inControlledShutdown
    }).map(({ brokerId }) => brokerId)
  }

  /** True while it is registered and unfenced, as far as the last heartbeat says, and leads. */
  get isReady (): boolean {
    return this.#isReady && this.#seat?.isUnfenced === true
  }

  /** True once it leads all that engines before it led. */
  get isSettled (): boolean {
    return this.#isSettled
  }

  /** While it gives up the leadership of everything for a moment, nobody else may get it. */
  get isSteppingAside (): boolean {
    return this.#asideTurn !== null
  }

  /** True while followers can connect, whether it is registered or not. */
  get isListening (): boolean {
    return this.#server !== null
  }

  /** How long ago the last heartbeat was sent that was answered well; Infinity when none was. */
  heartbeatAgeMs (): number {
    return this.#seat?.heartbeatAgeMs() ?? Infinity
  }

  /** Why it does not lead at the moment; null when it does. */
  get problem (): string | null {
    return this.metadata.problem ?? this.#seat?.problem ?? this.#problem ?? (this.isReady || !this.#isLeading ? null : `the shadow leader is ${this.#seat?.standing ?? 'starting'}`)
  }

  /** Calls `listener` when it becomes ready, at once when it is; returns how to stop that. */
  onReady (listener: () => void): () => void {
    this.#readyListeners.add(listener)
    if (this.isReady) listener()
    return () => { this.#readyListeners.delete(listener) }
  }

  /** Is the broker that the engine which leads has given it, until `lead` is called. It serves nothing: followers are refused, and ask again. */
  standBy (identity: ShadowLeaderRecord): void {
    if (this.#seat !== null || this.#isLeading) return
    const seat = this.#seat = this.#seatOf(identity)
    const signal = AbortSignal.any([this.#options.signal, this.#standingAbort.signal])
    this.#standing = this.#persist('stand by', signal, () => this.#take(seat, signal))
  }

  /** Begins to lead, if it has not begun: an `unregister` under way takes away who it was, and comes to its end first. */
  lead (): void {
    this.#isLeading = true
    this.#standingAbort.abort()
    this.#leading ??= this.#leaving.then(() => this.#standing).then(() => this.#lead())
  }

  /** @throws {ShadowError} CLUSTER_UNAVAILABLE (retriable) while it does not lead */
  assertReady (): { readonly brokerId: number, readonly image: MetadataImage } {
    if (!this.isReady) throw new ShadowError('CLUSTER_UNAVAILABLE', `the shadow leader is not ready: ${this.problem ?? 'it has not started'}`, { retriable: true })
    return this.assertAlive()
  }

  /** Whether it leads or stands by. @throws {ShadowError} CLUSTER_UNAVAILABLE (retriable) while it is neither */
  assertAlive (): { readonly brokerId: number, readonly image: MetadataImage } {
    const seat = this.#seat
    if (seat?.isUnfenced !== true) throw new ShadowError('CLUSTER_UNAVAILABLE', `the shadow leader is ${seat?.standing ?? 'not registered'}`, { retriable: true })
    return { brokerId: seat.brokerId, image: this.control.image }
  }

  get #hasBegun (): boolean {
    return this.#leading !== null
  }

  #credentials (): { readonly brokerId: number, readonly brokerEpoch: bigint } {
    if (this.#seat === null) throw new ShadowError('CLUSTER_UNAVAILABLE', 'the shadow leader is not registered', { retriable: true })
    return this.#seat.credentials()
  }

  /** For orders that do not name the broker's epoch: nobody would refuse those of an engine that was replaced. @throws {ShadowError} CLUSTER_UNAVAILABLE (retriable) */
  assertMayLead (): void {
    assertLeads(this.#options.mayLead)
  }

  #seatOf (identity: ShadowLeaderRecord): BrokerSeat {
    const { config, cluster, state, logger, now } = this.#options
    const { controllers, metadata } = this
    const isGivenToUs = (record: ShadowLeaderRecord | undefined): boolean => record?.instance === this.#self.instance && record.incarnationId === identity.incarnationId
    return new BrokerSeat(identity, {
      config,
      controllers,
      metadata,
      cluster,
      maySpeak: () => this.#maySpeakFor(identity),
      // What was read last may be old, in a process that was stopped for a while: the cluster may have forgotten the broker for good. Who
      // leads has its lease to go by, and nobody else writes who is which broker.
      beforeRegistration: async signal => {
        if (this.#isLeading) return
        const { shadowLeaders } = await state.caughtUp(signal)
        if (!isGivenToUs(shadowLeaders.get(identity.brokerId))) throw new ShadowError('CONFLICT', `broker ${identity.brokerId} is not this engine any more`)
      },
      logger,
      now
    })
  }

  /** One that leads by its lease; one that stands by as long as nobody else has been given the broker. */
  #maySpeakFor ({ brokerId, incarnationId }: ShadowLeaderRecord): boolean {
    if (this.#isLeading) return this.#options.mayLead()
    const record = this.identities.known.get(brokerId)
    // While it is taken back from us, we may still say that we leave.
    return record === undefined || (record.incarnationId === incarnationId && (record.instance === this.#self.instance || record.instance === ''))
  }

  /** Tries until it works, or the signal ends it. */
  async #persist (what: string, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    const { logger } = this.#options
    while (!isAborted(signal)) {
      try {
        await work()
        this.#problem = null
        return
      } catch (error) {
        if (isAborted(signal)) return
        if (this.#problem !== messageOf(error)) logger.warn({ err: error }, `the shadow leader cannot ${what} yet: ${messageOf(error)}`)
        this.#problem = messageOf(error)
        await sleep(RETRY_MS, signal).catch(() => {})
      }
    }
  }

  async #lead (): Promise<void> {
    const { signal } = this.#options
    await this.#persist('start', signal, async () => {
      await this.#begin()
      this.#isReady = true
    })
    if (!this.#isReady || isAborted(signal)) return
    for (const listener of [...this.#readyListeners]) listener()
    await this.#persist('lead what engines before it led', signal, () => this.#bringHome())
  }

  async #begin (): Promise<void> {
    const { signal, logger } = this.#options
    const image = await this.metadata.reached(0, signal)
    const { identity, isNew } = await this.identities.identify(image, signal)
    if (isNew) logger.info({ brokerId: identity.brokerId }, `the shadow leader is broker ${identity.brokerId}`)
    if (this.#seat?.brokerId !== identity.brokerId || this.#seat.identity.incarnationId !== identity.incarnationId) {
      // One that stood by as a broker that is in no ISR, because it is not alive.
      await this.#seat?.leave()
      this.#seat = this.#seatOf(identity)
    }
    await this.#take(this.#seat, signal)
    await claimLeadership(this, { brokerId: identity.brokerId, signal })
  }

  /** Listens before it registers: followers come at once. */
  async #take (seat: BrokerSeat, signal: AbortSignal): Promise<void> {
    const { config, logger } = this.#options
    const listener = brokerListener(await this.metadata.reached(0, signal), seat.brokerId, config)
    this.#clients ??= new ClientPassage({ target: () => this.#realBroker(listener.name), dial: this.#options.dial ?? dialTcp, logger })
    this.#server ??= await ShadowLeaderServer.open(config.listen, {
      brokerId: () => this.brokerId ?? -1,
      partitions: this.partitions,
      mayServe: () => this.#maySpeakFor(seat.identity),
      clients: this.#clients,
      logger,
      now: () => Date.now(),
      random: () => randomInt(2 ** 32) / 2 ** 32
    })
    await seat.take(signal)
  }

  /** See Homecoming. */
  async #bringHome (): Promise<void> {
    const { signal, logger, cluster } = this.#options
    const homecoming = new Homecoming({ leader: this, cluster, seatOf: identity => this.#seatOf(identity), signal, logger })
    await homecoming.run()
    throwIfAborted(signal)
    this.#isSettled = true
  }

  /** One that is alive, by chance: clients are to be spread. */
  #realBroker (listener: string): HostPort | null {
    const addresses = [...this.metadata.image?.brokers.values() ?? []].filter(({ id, fenced }) => !fenced && !this.shadowIds.has(id)).flatMap(({ endpoints }) => endpoints.get(listener) ?? [])
    return addresses.length === 0 ? null : addresses[randomInt(addresses.length)] ?? null
  }

  /**
   * Gives up the leadership of everything for a moment: what has others in its ISR is led by one of them afterwards, and everything
   * else by us again, with a leader epoch that has risen. All who ask meanwhile share one turn.
   * @throws {ShadowError} CLUSTER_UNAVAILABLE (retriable) while it does not lead; ABORTED
   */
  async stepAside (reason: string): Promise<void> {
    this.#asideTurn ??= this.#fenceAndUnfence(reason).finally(() => { this.#asideTurn = null })
    await this.#asideTurn
  }

  async #fenceAndUnfence (reason: string): Promise<void> {
    const { signal, logger } = this.#options
    this.assertReady()
    const seat = this.#seat
    if (seat === null) throw new ShadowError('CLUSTER_UNAVAILABLE', 'the shadow leader is not registered', { retriable: true })
    // Those of the same turn of the failover go with it.
    await sleep(ASIDE_GATHER_MS, signal)
    logger.info({ brokerId: this.brokerId }, `the shadow leader steps aside for a moment: ${reason}`)
    // Or engines that stand by would lead.
    await dismissStandbys(this, { signal })
    try {
      await seat.fence(signal)
    } finally {
      await seat.unfence(signal)
    }
  }

  /** Creates topics with replicas here, which a cordoned log directory does not let in everywhere (KAFKA-20832). */
  async uncordoned<T> (work: () => Promise<T>): Promise<T> {
    this.#seat?.setCordoned(false)
    try {
      return await work()
    } finally {
      this.#seat?.setCordoned(true)
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
    if (!this.isReady) return
    const next = this.metadata.image?.nextProducerId ?? 0n
    for (let reached = next; reached <= BigInt(producerId);) {
      const blocks = Math.min(BLOCKS_AT_ONCE, Math.ceil((producerId - Number(reached) + 1) / 1000))
      for (const { firstId, count } of await Promise.all(Array.from({ length: blocks }, () => allocateProducerIds(this.controllers, this.#credentials(), { signal })))) {
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
    const own = this.brokerId
    const others = [...(await state.reached(0, signal)).shadowLeaders.values()].filter(({ brokerId, incarnationId }) => brokerId !== own && image.brokers.get(brokerId)?.incarnationId === incarnationId)
    await this.#vacate(others, signal)
    this.#isReady = this.#isSettled = false
    this.#leading = null
    this.assertMayLead()
    const seat = this.#seat
    this.#seat = null
    await seat?.unregister({ signal, deadlineMs: UNREGISTER_MS })
    for (const { brokerId } of others) {
      this.assertMayLead()
      await unregisterBroker(this.controllers, brokerId, { signal, deadlineMs: UNREGISTER_MS })
    }
    const ids = [...new Set([...this.shadowIds, ...own === null ? [] : [own]])]
    await this.identities.forget(ids, signal)
    this.#clients?.close()
    await this.#server?.close()
    this.#server = this.#clients = null
    // Who was told to lead again meanwhile begins when this has ended.
    this.#isLeading = this.#hasBegun
    logger.info({ brokerIds: ids }, 'the shadow leader was unregistered: nothing is left for it to lead')
  }

  /** Engines that stand by leave first: one that is alive and was unregistered would come back. */
  async #vacate (others: readonly ShadowLeaderRecord[], signal: AbortSignal): Promise<void> {
    await this.identities.vacate(others.map(({ brokerId }) => brokerId), signal)
    await this.control.until(image => others.every(({ brokerId }) => image.brokers.get(brokerId)?.fenced !== false) ? true : undefined, { what: 'that the engines which stand by have left', timeoutMs: VACATED_MS, signal })
  }

  /** Stands by no more: the cluster knows at once, unlike after `stopped` alone. */
  async retire (): Promise<void> {
    await this.#seat?.retire(RETIRE_MS)
  }

  /** After the signal: ends everything. The cluster notices when the session times out, unless another engine goes on before. */
  async stopped (): Promise<void> {
    this.#isReady = false
    await this.#leaving
    await this.#standing
    await this.#leading
    await this.#seat?.leave()
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
