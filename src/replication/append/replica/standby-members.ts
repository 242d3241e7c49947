/**
 * Engines that stand by are in the ISR of every shadow partition, so that the controller has one of them lead when the shadow leader
 * is away (KIP-631). They need nothing of what the partition holds: whoever leads serves the source's bytes.
 *
 *   among the replicas       AlterPartition, as the leader that we are
 *   not among the replicas   it is added, and then, like us, on its way out to the real brokers. Not by one order: a controller keeps what
 *                            an earlier one adds as long as a later one adds nothing (ReplicationControlManager.changePartitionReassignment),
 *                            and from Kafka 4.3 on no move is complete without all that it adds, nor a failover with it. So:
 *
 *     [1 2 | out: us | in: 1 2] ──to [it 1 2]──▶ [it 1 2 | out: us | in: it] ──cancelled──▶ [1 2 us]
 *       ──to all and it──▶ [it 1 2 us | in: it] ──into the ISR──▶ [it 1 2 us] ──to [1 2]──▶ [1 2 | out: us, it]
 *
 *   Real brokers are replicas all the time, and never in the ISR. Whoever dies in between leaves something that `ReplicaTopics.moveOn`
 *   moves on, and `handOver` can hand over.
 */
import type { MetadataImage, PartitionEntry } from '../../../kraft/metadata/metadata-image.ts'
import type { StandbyStatus } from '../../link-service.ts'
import { isMoving, targetReplicas } from './partition-entry.ts'
import type { ShadowLeader } from './shadow-leader.ts'

const SHOWN_MS = 10_000
/** Partitions that are taken out of the ISR at a time, for the sake of those who ask for something else meanwhile. */
const DISMISSED_AT_ONCE = 1000

/** Partitions of a topic, led by us, that an engine which stands by is to be a replica of, or in the ISR. */
export function lackStandbys (leader: ShadowLeader, topic: string): PartitionEntry[] {
  const { brokerId, livingStandbys, isSteppingAside } = leader
  if (brokerId === null || isSteppingAside || livingStandbys.length === 0) return []
  return [...leader.control.image.topicsByName.get(topic)?.partitions.values() ?? []].filter(entry => entry.leader === brokerId && livingStandbys.some(id => !entry.isr.includes(id)))
}

/** Of which partitions of these topics each engine that stands by is in the ISR; null while we lead nothing, or it is not known. */
export function standbysOf (leader: ShadowLeader, topics: readonly string[]): readonly StandbyStatus[] | null {
  const { brokerId, isReady, livingStandbys, metadata: { image } } = leader
  if (!isReady || brokerId === null || image === null) return null
  const led = topics.flatMap(topic => [...image.topicsByName.get(topic)?.partitions.values() ?? []].filter(entry => entry.leader === brokerId))
  return livingStandbys.map(id => ({ brokerId: id, partitions: led.length, inSyncPartitions: led.filter(({ isr }) => isr.includes(id)).length }))
}

/**
 * Takes the engines that stand by into the ISR of a shadow topic's partitions.
 * @throws {BrokerError} what the controller says against it; {ShadowError} CLUSTER_UNAVAILABLE (retriable), ABORTED
 */
export async function admitStandbys (leader: ShadowLeader, topic: string): Promise<void> {
  await Promise.all(lackStandbys(leader, topic).map(entry => admit(leader, topic, entry)))
}

async function admit (leader: ShadowLeader, topic: string, entry: PartitionEntry): Promise<void> {
  const { livingStandbys: standbys, shadowIds } = leader
  const real = targetReplicas(entry).filter(id => !shadowIds.has(id))
  const isAdded = standbys.some(id => !entry.replicas.includes(id))
  // On its way to real brokers first: until then it would be a move that is complete without them.
  if (isAdded && real.length === 0) return
  const current = isAdded ? await add(leader, topic, entry, { standbys, real }) : entry
  if (current === null) return
  const isr = [...current.isr, ...standbys.filter(id => !current.isr.includes(id))]
  const outcome = await leader.control.setIsr(current, isr)
  // Another change came first, or one of them has just died: the metadata shows it, and it is looked at again.
  if (outcome.kind === 'unknown') throw outcome.error
  if (isAdded) await leader.control.reassign(topic, current.partition, real)
}

/** Makes them replicas that nothing is moved away from. Null when we do not lead it any more. */
async function add (leader: ShadowLeader, topic: string, entry: PartitionEntry, { standbys, real }: { readonly standbys: readonly number[], readonly real: readonly number[] }): Promise<PartitionEntry | null> {
  const { control, brokerId, shadowIds } = leader
  const { topicId, partition } = entry
  const missing = standbys.filter(id => !entry.replicas.includes(id))
  if (entry.addingReplicas.some(id => !shadowIds.has(id))) await control.reassign(topic, partition, [...missing, ...real])
  if (isMoving(entry)) {
    // A cancelled move takes what it added out of the replicas: a real broker would throw its copy away.
    await control.until(image => {
      const shown = image.partition(topicId, partition)
      return shown === null || shown.addingReplicas.every(id => shadowIds.has(id)) ? true : undefined
    }, { what: `that no real broker is being added to ${topic}-${partition}`, timeoutMs: SHOWN_MS })
    await control.reassign(topic, partition, null)
  }
  // What was being added and is an engine went with the cancelled move.
  const kept = entry.replicas.filter(id => !shadowIds.has(id) || !entry.addingReplicas.includes(id))
  await control.reassign(topic, partition, [...new Set([...standbys, ...kept])])
  const now = await control.until(image => {
    const shown = image.partition(topicId, partition)
    return shown === null || (standbys.every(id => shown.replicas.includes(id)) && shown.removingReplicas.length === 0) ? { shown } : undefined
  }, { what: `the engines that stand by among the replicas of ${topic}-${partition}`, timeoutMs: SHOWN_MS })
  return now.shown?.leader === brokerId ? now.shown : null
}

/**
 * Takes all engines that stand by out of the ISR of everything that we lead.
 * @throws {ShadowError} CLUSTER_UNAVAILABLE (retriable) when it is not so in time; ABORTED
 */
export async function dismissStandbys (leader: ShadowLeader, { signal }: { readonly signal: AbortSignal }): Promise<void> {
  const { control } = leader
  const { brokerId } = leader.assertAlive()
  const isOther = (id: number): boolean => id !== brokerId && leader.shadowIds.has(id)
  const shared = (image: MetadataImage): PartitionEntry[] => [...image.topics.values()].flatMap(({ partitions }) => [...partitions.values()].filter(entry => entry.leader === brokerId && entry.isr.some(isOther)))
  const entries = shared(control.image)
  for (let from = 0; from < entries.length; from += DISMISSED_AT_ONCE) {
    await Promise.all(entries.slice(from, from + DISMISSED_AT_ONCE).map(entry => control.setIsr(entry, entry.isr.filter(id => !isOther(id)))))
  }
  if (entries.length === 0) return
  await control.until(image => shared(image).length === 0 ? true : undefined, { what: 'that the engines which stand by are out of the ISR', timeoutMs: SHOWN_MS, signal })
}

/** True when another engine, which is alive, leads a partition of a topic that is ours to lead. */
export function isLedByStandby (leader: ShadowLeader, isShadowTopic: (topic: string) => boolean): boolean {
  const { livingStandbys, metadata: { image } } = leader
  if (image === null || livingStandbys.length === 0) return false
  for (const { name, partitions } of image.topics.values()) {
    for (const entry of partitions.values()) if (livingStandbys.includes(entry.leader) && isShadowTopic(name)) return true
  }
  return false
}
