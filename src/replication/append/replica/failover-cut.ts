/** Where a partition ends that is handed over to real brokers, and who of them has all of it. */
import { ShadowError } from '../../../errors.ts'
import type { MetadataImage, PartitionEntry } from '../../../kraft/metadata/metadata-image.ts'
import { sleep } from '../../../net/sleep.ts'
import type { Logger } from '../../../observability/logger.ts'
import type { FollowerPosition } from './follower-positions.ts'
import { isHandedOver, isLedByReal, livingReplicas, targetReplicas } from './partition-entry.ts'
import type { ShadowPartition } from './shadow-partition.ts'

const POLL_MS = 5

/** What a partition is handed over with. */
export interface Cut {
  readonly partition: number
  /** Null where a real broker leads already: its log says where the copy ended. */
  readonly end: number | null
  /** The brokers that have all of it, the first of them to lead. */
  readonly targets: readonly number[]
  /** Those that are to hold it in the end. */
  readonly wanted: readonly number[]
}

/** A shadow partition that is to be handed over. */
export interface CutPartition {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  /** What answers its followers; null before the metadata has shown it. */
  readonly served: Pick<ShadowPartition, 'frozenEnd' | 'freeze' | 'followers' | 'trustedFollowers' | 'isCaughtUp'> | null
}

export interface CutOptions {
  readonly leader: { readonly shadowIds: ReadonlySet<number>, readonly control: { readonly image: Pick<MetadataImage, 'brokers' | 'partition'> } }
  /** How long a follower is waited for that does not have all, and may yet; then it is left out, and joins again afterwards. */
  readonly followerTimeoutMs: number
  /** What it must not end before; default: it is opened with what there is. */
  readonly atLeast?: number
  readonly logger: Logger
  readonly now: () => number
  readonly signal: AbortSignal
}

/**
 * Waits until the followers are at the frozen end. A dead one holds nothing up when it is known to have no more than the others;
 * who is not there in time is left out; without anybody there, the longest living one is the truth, and what a dead one has beyond that
 * is lost. One that holds what the source had lost is none of them before it has thrown it away: it is told to, by us, or by whoever
 * leads afterwards.
 *
 * Null for one that is handed over already.
 * @throws {ShadowError} CLUSTER_UNAVAILABLE (retriable), ABORTED
 */
export async function cutPartition (partition: CutPartition, { leader, now, signal, followerTimeoutMs, atLeast = 0, logger }: CutOptions): Promise<Cut | null> {
  const { served } = partition
  const name = `${partition.topic}-${partition.partition}`
  const deadlineMs = now() + followerTimeoutMs
  /** Where it was frozen anew because nobody living had all. */
  let givenUpAt = -1
  for (;;) {
    const entry = entryOf(partition, leader)
    if (isHandedOver(entry, leader.shadowIds) || isLedByReal(entry, leader.shadowIds)) return null
    const wanted = targetReplicas(entry).filter(id => !leader.shadowIds.has(id))
    if (entry.leader >= 0 && !leader.shadowIds.has(entry.leader)) return { partition: partition.partition, end: null, targets: [entry.leader], wanted }
    if (served === null) throw new ShadowError('CLUSTER_UNAVAILABLE', `${name} is not led yet`, { retriable: true })
    const { living, followers, known } = lookAt(served, entry, leader)
    const cutAt = (end: number): Cut => ({ partition: partition.partition, end, targets: inOrder(wanted, known.filter(id => served.isCaughtUp(id, end))), wanted })
    const whole = cutAt(Math.max(atLeast, served.frozenEnd, ...[...followers.values()].map(({ fetchOffset }) => fetchOffset)))
    if (whole.targets.length > 0 && missingIn(whole).every(id => !living.includes(id) && followers.has(id))) return whole
    if (now() >= deadlineMs) {
      if (known.length === 0) throw new ShadowError('CLUSTER_UNAVAILABLE', `no living replica of ${name} has asked the shadow leader for anything (replicas ${entry.replicas.join(', ')}; alive: ${living.join(', ') || 'none'})`, { retriable: true })
      const longest = Math.max(...known.map(id => followers.get(id)?.fetchOffset ?? 0))
      if (whole.targets.length > 0 || longest === givenUpAt) {
        const cut = whole.targets.length > 0 ? whole : cutAt(longest)
        logger.warn({ topic: partition.topic, partition: partition.partition, end: cut.end, brokers: missingIn(cut) }, `${name} is handed over without brokers ${missingIn(cut).join(', ')}: ${missingIn(cut).map(id => leftOut(served, id, cut)).join(', ')}`)
        return cut
      }
      if (longest < atLeast) throw new ShadowError('CLUSTER_UNAVAILABLE', `no living replica of ${name} has all up to offset ${atLeast}, where it is to end: the longest ends at ${longest}`, { retriable: true })
      // What was in our memory alone reached nobody, and nobody will get it any more; what dead ones alone hold neither. What was sent may
      // be on its way: it is looked at once more.
      served.freeze(longest)
      givenUpAt = longest
    }
    await sleep(POLL_MS, signal)
  }
}

/** True for a partition that needs no cut, because real brokers lead it, and none but real ones will. */
export function isCutOff (partition: CutPartition, leader: CutOptions['leader']): boolean {
  const entry = entryOf(partition, leader)
  return isHandedOver(entry, leader.shadowIds) || isLedByReal(entry, leader.shadowIds)
}

/**
 * The broker epochs under which the targets of a cut said that they have all of it, as far as they tell them. Null where that is not so
 * any more: one of them has died since, or was started anew and may have lost the end of its log.
 */
export function toldBy (cut: Cut, partition: CutPartition, leader: CutOptions['leader']): ReadonlyMap<number, bigint> | null {
  const { end, targets } = cut
  const entry = entryOf(partition, leader)
  if (end === null) return entry.leader >= 0 && !leader.shadowIds.has(entry.leader) ? new Map() : null
  const { served } = partition
  if (served === null) return null
  const { known, followers } = lookAt(served, entry, leader)
  if (!targets.every(id => known.includes(id) && served.isCaughtUp(id, end))) return null
  return new Map(targets.map(id => [id, BigInt(followers.get(id)?.brokerEpoch ?? -1)] as const).filter(([, epoch]) => epoch >= 0n))
}

/** Who of the replicas is alive, where the followers that count stand, and whose word of that is known to be true still. */
function lookAt (served: Pick<ShadowPartition, 'trustedFollowers'>, entry: PartitionEntry, { shadowIds, control: { image } }: CutOptions['leader']): {
  readonly living: readonly number[]
  readonly followers: ReadonlyMap<number, FollowerPosition>
  readonly known: readonly number[]
} {
  const living = livingReplicas(entry, image, shadowIds)
  const followers = served.trustedFollowers
  const isStill = (id: number): boolean => {
    const brokerEpoch = followers.get(id)?.brokerEpoch
    return brokerEpoch !== undefined && (brokerEpoch < 0 || BigInt(brokerEpoch) === image.brokers.get(id)?.epoch)
  }
  return { living, followers, known: living.filter(isStill) }
}

function missingIn ({ wanted, targets }: Cut): number[] {
  return wanted.filter(id => !targets.includes(id))
}

function entryOf ({ topic, topicId, partition }: CutPartition, { control }: CutOptions['leader']): PartitionEntry {
  const entry = control.image.partition(topicId, partition)
  if (entry === null) throw new ShadowError('CLUSTER_UNAVAILABLE', `the metadata does not show ${topic}-${partition}`, { retriable: true })
  return entry
}

/** What becomes of a broker that a partition is handed over without, in words. */
function leftOut (served: Pick<ShadowPartition, 'followers'>, brokerId: number, { end }: Cut): string {
  const position = served.followers.get(brokerId)
  if (position === undefined) return `${brokerId} has not said where its log ends`
  const beyond = end !== null && position.fetchOffset > end ? `, and what it holds from offset ${end} on is thrown away when it is back` : ''
  return `${brokerId} was at offset ${position.fetchOffset}${beyond}`
}

/** The brokers of `some` in the order of the replicas, so that the preferred one leads if it can. */
function inOrder (replicas: readonly number[], some: readonly number[]): number[] {
  return [...replicas.filter(id => some.includes(id)), ...some.filter(id => !replicas.includes(id))]
}
