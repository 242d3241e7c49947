/** Which real brokers hold a shadow partition. The controller would choose by itself, but it would also choose the shadow leader. */

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
