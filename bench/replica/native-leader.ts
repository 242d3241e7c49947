/** A real leader that feeds followers, which are added to its partitions by a reassignment, as an operator does it. */
import { alterPartitionReassignments } from '../../src/client/admin/alter-partition-reassignments.ts'
import type { Cluster } from '../../src/client/cluster.ts'
import type { KafkaCluster } from '../../test/support/kafka-cluster.ts'
import { brokerPid } from '../brokers.ts'
import type { BenchReplica, Filled } from '../replication/source-topic.ts'
import { copying, recordsIn, until, type Copied } from './copying.ts'

export interface NativeLeader {
  readonly cluster: KafkaCluster
  readonly client: Cluster
  /** The broker that holds all of the topics, each of one partition. */
  readonly leaderId: number
  readonly topics: readonly string[]
  readonly filled: Filled
}

/** Makes replicas on all of these brokers at once. */
export async function addFollowers ({ cluster, client, leaderId, topics, filled }: NativeLeader, followers: readonly number[], signal: AbortSignal): Promise<Copied> {
  await reassign(client, topics, [leaderId, ...followers], signal)
  return await copying({
    cluster: client,
    filled,
    replicas: followers.flatMap(nodeId => replicasAt(nodeId, topics)),
    watched: [{ name: 'leader', pid: () => brokerPid(cluster, leaderId) }, ...followers.map(id => ({ name: `broker ${id}`, pid: () => brokerPid(cluster, id) }))],
    child: null,
    signal
  })
}

/** Returns when the followers have nothing of it any more. */
export async function removeFollowers ({ client, leaderId, topics }: NativeLeader, followers: readonly number[], signal: AbortSignal): Promise<void> {
  // A replica that is taken out while it is still being added stays for ever.
  const inSync = async (): Promise<number> => {
    const view = await client.refresh({ signal })
    return topics.flatMap(topic => view.topics.get(topic)?.partitions[0]?.isr ?? []).filter(id => followers.includes(id)).length
  }
  await until(inSync, count => count === topics.length * followers.length, { child: null, signal })
  await reassign(client, topics, [leaderId], signal)
  await until(async () => await recordsIn(client, followers.flatMap(nodeId => replicasAt(nodeId, topics)), signal), records => records === 0, { child: null, signal })
}

/** One partition of each topic. */
export function replicasAt (nodeId: number, topics: readonly string[]): BenchReplica[] {
  return topics.map(topic => ({ topic, partition: 0, nodeId }))
}

async function reassign (client: Cluster, topics: readonly string[], replicas: readonly number[], signal: AbortSignal): Promise<void> {
  for (const { errorCode, error } of await alterPartitionReassignments(client, topics.map(topic => ({ topic, partition: 0, replicas })), { signal })) {
    if (errorCode !== 0) throw error ?? new Error(`AlterPartitionReassignments: error ${errorCode}`)
  }
}
