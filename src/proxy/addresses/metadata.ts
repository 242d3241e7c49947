import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { Metadata } from '../../../protocol/messages/metadata.ts'
import type { ResponseInput } from '../../../protocol/schema/api.ts'
import { showFollowers } from '../followers/shown-leader.ts'
import type { AddressContext } from '../offer.ts'
import { shownController } from './controller.ts'

type Answer = ResponseInput<typeof Metadata>
type PartitionRow = Answer['topics'][number]['partitions'][number]

/**
 * Every broker gets the address of its port here; one without a port is left out, and what it leads has no leader. What is read from
 * followers is led by one of them.
 */
export function rewriteMetadata (body: Answer, context: AddressContext): Answer {
  const { ports, reads } = context
  const brokers = body.brokers.flatMap(broker => {
    const address = ports.addressOf(broker.nodeId)
    return address === null ? [] : [{ ...broker, ...address }]
  })
  const told = new Set(brokers.map(({ nodeId }) => nodeId))
  const hidesLeader = ({ leaderId }: PartitionRow): boolean => ports.isHidden(leaderId)
  return {
    ...body,
    brokers,
    controllerId: shownController(body.controllerId, [...told], context),
    topics: body.topics.map(answered => {
      const topic = showFollowers(answered, reads, nodeId => told.has(nodeId))
      return topic.partitions.some(hidesLeader)
        ? { ...topic, partitions: topic.partitions.map(row => hidesLeader(row) ? withoutLeader(row) : row) }
        : topic
    })
  }
}

function withoutLeader (row: PartitionRow): PartitionRow {
  return { ...row, leaderId: -1, errorCode: ErrorCodes.LEADER_NOT_AVAILABLE }
}
