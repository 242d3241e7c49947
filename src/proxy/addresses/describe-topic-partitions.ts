import type { DescribeTopicPartitions } from '../../../protocol/messages/describe-topic-partitions.ts'
import type { ResponseInput } from '../../../protocol/schema/api.ts'
import { showFollowers } from '../followers/shown-leader.ts'
import type { AddressContext } from '../offer.ts'

type Answer = ResponseInput<typeof DescribeTopicPartitions>

/**
 * The answer has ids and no addresses: who reads it knows those of Metadata or DescribeCluster. It only changes for topics that are read from
 * followers, whose leaders are to be the same as there. Null when there is none.
 */
export function rewriteDescribeTopicPartitions (body: Answer, { ports, reads }: AddressContext): Answer | null {
  if (!body.topics.some(({ name }) => name !== null && reads.isReadFromFollowers(name))) return null
  const withoutShadowLeaders = (nodeIds: readonly number[] | null | undefined): readonly number[] | null => nodeIds?.filter(nodeId => !reads.isShadowLeader(nodeId)) ?? null
  return {
    ...body,
    topics: body.topics.map(answered => {
      const topic = showFollowers(answered, reads, nodeId => !ports.isHidden(nodeId))
      if (topic === answered) return topic
      return {
        ...topic,
        partitions: topic.partitions.map(row => ({
          ...row,
          eligibleLeaderReplicas: withoutShadowLeaders(row.eligibleLeaderReplicas),
          lastKnownElr: withoutShadowLeaders(row.lastKnownElr)
        }))
      }
    })
  }
}
