import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { Metadata } from '../../../protocol/messages/metadata.ts'
import type { ResponseInput } from '../../../protocol/schema/api.ts'
import type { NodePorts } from '../node-ports.ts'

type Answer = ResponseInput<typeof Metadata>
type PartitionRow = Answer['topics'][number]['partitions'][number]

/** Every broker gets the address of its port here; one without a port is left out, and what it leads has no leader. */
export function rewriteMetadata (body: Answer, ports: NodePorts): Answer {
  const brokers = body.brokers.flatMap(broker => {
    const address = ports.addressOf(broker.nodeId)
    return address === null ? [] : [{ ...broker, ...address }]
  })
  const hidesLeader = ({ leaderId }: PartitionRow): boolean => ports.isHidden(leaderId)
  return {
    ...body,
    brokers,
    controllerId: body.controllerId !== undefined && ports.isHidden(body.controllerId) ? -1 : body.controllerId,
    topics: body.topics.map(topic => topic.partitions.some(hidesLeader)
      ? { ...topic, partitions: topic.partitions.map(row => hidesLeader(row) ? withoutLeader(row) : row) }
      : topic)
  }
}

function withoutLeader (row: PartitionRow): PartitionRow {
  return { ...row, leaderId: -1, errorCode: ErrorCodes.LEADER_NOT_AVAILABLE }
}
