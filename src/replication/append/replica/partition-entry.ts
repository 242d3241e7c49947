/** What a partition's entry in the metadata log means for who leads it and who is to hold it. */
import type { BrokerEntry, MetadataImage, PartitionEntry } from '../../../kraft/metadata/metadata-image.ts'

/** The replicas that a reassignment under way leads to, or those that there are. */
export function targetReplicas ({ replicas, removingReplicas }: PartitionEntry): number[] {
  return replicas.filter(id => !removingReplicas.includes(id))
}

/** Who the controller may have lead: the ISR, and where that is empty those that left it last (KIP-966). */
export function eligibleLeaders ({ isr, elr }: PartitionEntry): readonly number[] {
  return isr.length > 0 ? isr : elr
}

/** True while a reassignment is under way. */
export function isMoving ({ addingReplicas, removingReplicas }: PartitionEntry): boolean {
  return addingReplicas.length > 0 || removingReplicas.length > 0
}

/** True when the partition is held by real brokers alone, one of which leads it, or would if it were alive. */
export function isHandedOver ({ replicas, leader }: PartitionEntry, shadowLeaders: ReadonlySet<number>): boolean {
  return !replicas.some(id => shadowLeaders.has(id)) && !shadowLeaders.has(leader)
}

/** True when a real broker leads it, and none but real ones is to lead after it: it is writable, whatever the replicas are. */
export function isLedByReal ({ isr, leader }: PartitionEntry, shadowLeaders: ReadonlySet<number>): boolean {
  return leader >= 0 && !shadowLeaders.has(leader) && !isr.some(id => shadowLeaders.has(id))
}

/** The real brokers of a replica set that are alive, and are not just shutting down: nobody takes such a one into an ISR. */
export function livingReplicas ({ replicas }: Pick<PartitionEntry, 'replicas'>, image: Pick<MetadataImage, 'brokers'>, shadowLeaders: ReadonlySet<number>): number[] {
  return replicas.filter(id => !shadowLeaders.has(id) && isLiving(image.brokers.get(id)))
}

function isLiving (broker: BrokerEntry | undefined): boolean {
  return broker !== undefined && !broker.fenced && !broker.inControlledShutdown
}

/** True for two sets of brokers that are the same, in whatever order. */
export function sameBrokers (a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every(id => b.includes(id))
}
