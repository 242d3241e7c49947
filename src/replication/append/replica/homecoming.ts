/**
 * What an engine does that begins to lead, so that it leads all that others led before it.
 *
 *   we are in the ISR        whoever leads is fenced, and the controller has us lead: `claimLeadership`
 *   another one is alone     we become that broker, too, for as long as it takes to get us into the ISR, and fence it: `Homecoming`.
 *                            It had just created the partition, or we had been away, when the engine was lost
 */
import type { Cluster } from '../../../client/cluster.ts'
import { ShadowError } from '../../../errors.ts'
import { fenceBroker } from '../../../kraft/commands/fence-broker.ts'
import type { MetadataImage, PartitionEntry } from '../../../kraft/metadata/metadata-image.ts'
import { isAborted } from '../../../net/abort.ts'
import type { Logger } from '../../../observability/logger.ts'
import type { ShadowLeaderRecord } from '../../../state/records.ts'
import type { BrokerSeat } from './broker-seat.ts'
import { eligibleLeaders, targetReplicas } from './partition-entry.ts'
import { PartitionControl } from './partition-control.ts'
import type { ShadowLeader } from './shadow-leader.ts'

const FENCE_MS = 5000
const SHOWN_MS = 10_000
const AT_ONCE = 1000

/**
 * Has every other engine's broker that leads something fenced: the one that led before, dead or alive. One that is alive stands by
 * with its next heartbeat. Resolves when none of them leads.
 * @throws {BrokerError} what the controller says against it; {ShadowError} CLUSTER_UNAVAILABLE (retriable), ABORTED
 */
export async function claimLeadership (leader: ShadowLeader, { brokerId, signal }: { readonly brokerId: number, readonly signal: AbortSignal }): Promise<void> {
  const { controllers, metadata, control, shadowIds } = leader
  const { brokers } = control.image
  // The ids say by themselves that no real broker is meant; the incarnation, that it is not one that somebody has given such an id.
  const leading = [...leadersOf(control.image)].filter(id => id !== brokerId && shadowIds.has(id) && brokers.get(id)?.incarnationId === leader.identities.known.get(id)?.incarnationId)
  await Promise.all(leading.map(async id => {
    const registered = brokers.get(id)
    if (registered === undefined || registered.fenced) return
    await fenceBroker(controllers, { brokerId: id, brokerEpoch: registered.epoch, metadataOffset: metadata.appliedOffset }, { signal, mayFence: () => { leader.assertMayLead() }, deadlineMs: FENCE_MS })
    await control.until(image => ledBy(image, id).some(({ isr }) => isr.includes(brokerId)) ? undefined : true, { what: `that broker ${id} does not lead`, timeoutMs: SHOWN_MS, signal })
  }))
}

function ledBy ({ topics }: MetadataImage, id: number): PartitionEntry[] {
  return [...topics.values()].flatMap(({ partitions }) => [...partitions.values()].filter(({ leader }) => leader === id))
}

function leadersOf ({ topics }: MetadataImage): Set<number> {
  const leaders = new Set<number>()
  for (const { partitions } of topics.values()) for (const { leader } of partitions.values()) leaders.add(leader)
  return leaders
}

export interface HomecomingOptions {
  readonly leader: ShadowLeader
  readonly cluster: Cluster
  readonly seatOf: (identity: ShadowLeaderRecord) => BrokerSeat
  readonly signal: AbortSignal
  readonly logger: Logger
}

export class Homecoming {
  readonly #options: HomecomingOptions

  constructor (options: HomecomingOptions) {
    this.#options = options
  }

  /**
   * Resolves when no partition is left that only brokers of other engines may lead. It can be begun again at any point.
   * @throws {BrokerError} what the controller says against it; {ShadowError} CLUSTER_UNAVAILABLE (retriable), ABORTED
   */
  async run (): Promise<void> {
    const { leader, signal } = this.#options
    const { identities } = leader
    for (const identity of [...identities.known.values()]) {
      if (isAborted(signal)) return
      if (identity.brokerId !== leader.brokerId && this.#leftWith(identity.brokerId).length > 0) await this.#bringHome(identity)
    }
  }

  /** Those that it can lead, and neither we nor a real broker. */
  #leftWith (id: number): PartitionEntry[] {
    const { leader: { brokerId, shadowIds, control: { image } } } = this.#options
    const isLeft = (entry: PartitionEntry): boolean => {
      const eligible = eligibleLeaders(entry)
      return eligible.includes(id) && eligible.every(member => member !== brokerId && shadowIds.has(member))
    }
    return [...image.topics.values()].flatMap(({ partitions }) => [...partitions.values()].filter(isLeft))
  }

  async #bringHome (identity: ShadowLeaderRecord): Promise<void> {
    const { leader, cluster, seatOf, signal, logger } = this.#options
    const { brokerId: home, image } = leader.assertReady()
    const { brokerId } = identity
    const registered = image.brokers.get(brokerId)
    if (registered !== undefined && registered.incarnationId !== identity.incarnationId) throw new ShadowError('CONFLICT', `broker ${brokerId} is none of ours any more: incarnation ${registered.incarnationId} has its id, and ${this.#leftWith(brokerId).length} partitions have it alone in their ISR`)
    logger.info({ brokerId, home, partitions: this.#leftWith(brokerId).length }, `broker ${brokerId}, which another engine was, has partitions that only it can lead: they are brought to broker ${home}`)
    const seat = seatOf(await leader.identities.inherit(identity, signal))
    const control = new PartitionControl({ controllers: leader.controllers, metadata: leader.metadata, cluster, broker: () => seat.credentials(), signal })
    try {
      await seat.take(signal)
      for (let left = this.#leftWith(brokerId); left.length > 0; left = left.slice(AT_ONCE)) {
        await Promise.all(left.slice(0, AT_ONCE).map(entry => this.#admit(entry, { control, brokerId, home })))
      }
      await seat.fence(signal)
    } finally {
      await seat.leave()
    }
    if (this.#leftWith(brokerId).length > 0) throw new ShadowError('CLUSTER_UNAVAILABLE', `broker ${brokerId} still has partitions that only it can lead`, { retriable: true })
    await leader.identities.vacate([brokerId], signal)
  }

  /** Gets us into the ISR, and among the replicas that are on their way out. */
  async #admit ({ topicId, partition }: PartitionEntry, { control, brokerId, home }: { readonly control: PartitionControl, readonly brokerId: number, readonly home: number }): Promise<void> {
    const { leader: { shadowIds } } = this.#options
    const what = `partition ${partition} of topic ${topicId} as led by broker ${brokerId}`
    const shown = (look: (entry: PartitionEntry) => boolean) => (image: MetadataImage): PartitionEntry | null | undefined => {
      const now = image.partition(topicId, partition)
      return now === null || look(now) ? now : undefined
    }
    const led = await control.until(shown(({ leader }) => leader === brokerId), { what, timeoutMs: SHOWN_MS })
    const topic = control.image.topics.get(topicId)?.name
    if (led === null || topic === undefined) return
    let current: PartitionEntry | null = led
    if (!led.replicas.includes(home)) {
      const real = targetReplicas(led).filter(id => !shadowIds.has(id))
      await control.reassign(topic, partition, [home, ...real])
      if (real.length > 0) await control.reassign(topic, partition, real)
      current = await control.until(shown(({ replicas }) => replicas.includes(home)), { what: `broker ${home} among the replicas of ${topic}-${partition}`, timeoutMs: SHOWN_MS })
    }
    if (current === null) return
    const outcome = await control.setIsr(current, [...current.isr, home])
    if (outcome.kind === 'refused' || outcome.kind === 'unknown') throw outcome.error
    await control.until(shown(({ isr }) => isr.includes(home)), { what: `broker ${home} in the ISR of ${topic}-${partition}`, timeoutMs: SHOWN_MS })
  }
}
