import type { Cluster, PartitionView } from '../../client/cluster.ts'
import { partitionOf } from '../../client/cluster-view.ts'

/** The leader of a partition as the cluster was last seen; null when it has none, or is not known. */
export function knownLeader (cluster: Cluster, topic: string, partition: number): PartitionView | null {
  const view = partitionOf(cluster.lastView?.topics.get(topic), partition)
  return view === null || view.leaderId < 0 ? null : view
}
