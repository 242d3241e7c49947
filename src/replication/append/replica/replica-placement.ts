/** Which real brokers hold a shadow partition. The controller would choose by itself, but it would also choose the shadow leader. */
import type { MetadataImage } from '../../../kraft/metadata/metadata-image.ts'

export interface PlaceableBroker {
  readonly id: number
  readonly rack: string | null
}

/** The brokers in an order in which neighbours are in different racks, as far as that is possible. */
export function inRackOrder (brokers: readonly PlaceableBroker[]): number[] {
  const racks = new Map<string | null, number[]>()
  for (const { id, rack } of [...brokers].sort((a, b) => a.id - b.id)) {
    const known = racks.get(rack)
    if (known === undefined) racks.set(rack, [id])
    else known.push(id)
  }
  const order: number[] = []
  for (let row = 0; order.length < brokers.length; row++) {
    for (const ids of racks.values()) {
      const id = ids[row]
      if (id !== undefined) order.push(id)
    }
  }
  return order
}

/**
 * The replicas of a partition, the first of which is to lead once it is failed over. Partitions go round the brokers, and topics
 * begin at different ones, so that leaders and replicas are spread evenly.
 */
export function placeReplicas (order: readonly number[], topic: string, partition: number, replicationFactor: number): number[] {
  let start = 0
  for (let index = 0; index < topic.length; index++) start = (start * 31 + topic.charCodeAt(index)) >>> 0
  return Array.from({ length: Math.min(replicationFactor, order.length) }, (_, index) => order[(start + partition + index) % order.length] ?? -1)
}

/** The real brokers that are alive; all, if none is. */
export function livingBrokers (image: MetadataImage, shadowLeaders: ReadonlySet<number>): PlaceableBroker[] {
  const real = [...image.brokers.values()].filter(({ id }) => !shadowLeaders.has(id))
  const alive = real.filter(({ fenced, inControlledShutdown }) => !fenced && !inControlledShutdown)
  return alive.length > 0 ? alive : real
}

/**
 * `replicas` and as many others as make `count`: at first from `preferred`, then those that are alive, then any. Fewer where there
 * are no more brokers.
 */
export function completeReplicas (replicas: readonly number[], { count, preferred, image, shadowLeaders }: {
  readonly count: number
  readonly preferred: readonly number[]
  readonly image: MetadataImage
  readonly shadowLeaders: ReadonlySet<number>
}): number[] {
  const real = [...image.brokers.keys()].filter(id => !shadowLeaders.has(id))
  const others = [...preferred, ...inRackOrder(livingBrokers(image, shadowLeaders)), ...real].filter(id => real.includes(id))
  return [...new Set([...replicas, ...others])].slice(0, Math.max(count, replicas.length))
}
