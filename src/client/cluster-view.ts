/** A cluster as one of its brokers described it: plain data, made anew by every refresh and never changed. */
import type { Metadata } from '../../protocol/messages/metadata.ts'
import type { ResponseOf } from '../../protocol/schema/api.ts'
import { ZERO_UUID } from '../../protocol/schema/field.ts'

export interface BrokerView {
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly rack: string | null
}

export interface PartitionView {
  readonly partition: number
  /** -1: none. */
  readonly leaderId: number
  /** -1 where the cluster is too old to tell (Metadata before version 7). */
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  readonly errorCode: number
}

export interface TopicView {
  readonly name: string
  /** Null where the cluster has no topic ids. */
  readonly topicId: string | null
  readonly isInternal: boolean
  /** Not 0 when the broker says something is wrong with the topic as a whole; there are then usually no partitions. */
  readonly errorCode: number
  /** In the order of their numbers. */
  readonly partitions: readonly PartitionView[]
}

export interface ClusterView {
  readonly clusterId: string | null
  /** -1: not known. With KRaft it is a broker that passes requests on to the controller. */
  readonly controllerId: number
  readonly brokers: ReadonlyMap<number, BrokerView>
  readonly topics: ReadonlyMap<string, TopicView>
  /** By the clock of the Cluster: when the request was sent that this is the answer to. */
  readonly atMs: number
}

type MetadataResponse = ResponseOf<typeof Metadata>
type PartitionRow = MetadataResponse['topics'][number]['partitions'][number]

/** Takes everything over that the answer has: topics with errors, partitions without a leader and an empty list of brokers too. */
export function clusterView (body: MetadataResponse, atMs: number): ClusterView {
  const topics = new Map<string, TopicView>()
  for (const { name, topicId, isInternal, errorCode, partitions } of body.topics) {
    // Only the answer to a question by id can have a topic without a name, and nobody asks that here.
    if (name === null) continue
    topics.set(name, { name, topicId: topicId === ZERO_UUID ? null : topicId, isInternal, errorCode, partitions: partitionViews(partitions) })
  }
  return {
    clusterId: body.clusterId,
    controllerId: body.controllerId,
    brokers: new Map(body.brokers.map(({ nodeId, host, port, rack }) => [nodeId, { nodeId, host, port, rack }])),
    topics,
    atMs
  }
}

function partitionViews (rows: readonly PartitionRow[]): PartitionView[] {
  const views = rows.map(({ partitionIndex, leaderId, leaderEpoch, replicaNodes, isrNodes, errorCode }) =>
    ({ partition: partitionIndex, leaderId, leaderEpoch, replicas: replicaNodes, isr: isrNodes, errorCode }))
  return views.sort((a, b) => a.partition - b.partition)
}

/** The partition of that number; null when the view does not have it. */
export function partitionOf (topic: TopicView | undefined, partition: number): PartitionView | null {
  if (topic === undefined) return null
  // Partitions are numbered without holes, but that is the broker's word and not ours.
  const guess = topic.partitions[partition]
  if (guess?.partition === partition) return guess
  return topic.partitions.find(view => view.partition === partition) ?? null
}
