/** How partitions that are read from followers look to clients: one of the followers leads. */
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { ReadRules } from '../read-rules.ts'

/** What all answers that tell of partitions have. */
interface PartitionRow {
  readonly errorCode: number
  readonly partitionIndex: number
  readonly leaderId: number
  readonly replicaNodes: readonly number[]
  readonly isrNodes: readonly number[]
  readonly offlineReplicas?: readonly number[] | undefined
}

interface TopicRow<Row extends PartitionRow> {
  readonly name: string | null
  readonly partitions: readonly Row[]
}

/** What a broker says of a partition whose leader it does not know, or whose leader clients cannot reach. */
const WITHOUT_LEADER: ReadonlySet<number> = new Set([ErrorCodes.LEADER_NOT_AVAILABLE, ErrorCodes.LISTENER_NOT_FOUND])

/**
 * A topic as clients are told of it. One that is not read from followers stays as it is; of others, shadow leaders are left out, and where
 * no real broker leads, a follower that `isReachable` does. The leader epoch stays the broker's: a follower answers to that one only.
 */
export function showFollowers<Row extends PartitionRow, Topic extends TopicRow<Row>> (topic: Topic & TopicRow<Row>, reads: ReadRules, isReachable: (nodeId: number) => boolean): Topic {
  const { name } = topic
  if (name === null || !reads.isReadFromFollowers(name)) return topic
  return { ...topic, partitions: topic.partitions.map(row => showFollower(name, row, reads, isReachable)) }
}

function showFollower<Row extends PartitionRow> (topic: string, row: Row, reads: ReadRules, isReachable: (nodeId: number) => boolean): Row {
  const isReal = (nodeId: number): boolean => !reads.isShadowLeader(nodeId)
  const replicaNodes = row.replicaNodes.filter(isReal)
  const isrNodes = row.isrNodes.filter(isReal)
  const offlineReplicas = row.offlineReplicas?.filter(isReal)
  const shown = { ...row, replicaNodes, isrNodes, ...(offlineReplicas === undefined ? {} : { offlineReplicas }) }
  if (row.leaderId >= 0 && isReal(row.leaderId)) return shown
  const leaderId = reads.followerFor(topic, row.partitionIndex, replicaNodes.filter(nodeId => isReachable(nodeId) && offlineReplicas?.includes(nodeId) !== true))
  if (leaderId === null) return { ...shown, leaderId: -1, errorCode: row.errorCode === 0 ? ErrorCodes.LEADER_NOT_AVAILABLE : row.errorCode }
  return {
    ...shown,
    leaderId,
    // The ISR is the shadow leader alone: clients are shown at least whom they are to talk to.
    isrNodes: isrNodes.includes(leaderId) ? isrNodes : [leaderId, ...isrNodes],
    errorCode: WITHOUT_LEADER.has(row.errorCode) ? 0 : row.errorCode
  }
}
