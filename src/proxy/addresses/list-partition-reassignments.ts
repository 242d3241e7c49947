import type { ListPartitionReassignments } from '../../../protocol/messages/list-partition-reassignments.ts'
import type { ResponseInput } from '../../../protocol/schema/api.ts'
import type { AddressContext } from '../offer.ts'

type Answer = ResponseInput<typeof ListPartitionReassignments>

/**
 * A partition that is read from followers is on its way from the shadow leader to them for as long as it is a shadow: of that, clients hear
 * nothing. Moves between real brokers are none of theirs either until it is failed over. Null when there is none.
 */
export function rewriteListPartitionReassignments (body: Answer, { reads }: AddressContext): Answer | null {
  const topics = body.topics.filter(({ name }) => !reads.isReadFromFollowers(name))
  return topics.length === body.topics.length ? null : { ...body, topics }
}
