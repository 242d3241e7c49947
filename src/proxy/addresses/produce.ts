import type { Produce } from '../../../protocol/messages/produce.ts'
import type { ResponseInput } from '../../../protocol/schema/api.ts'
import type { AddressContext } from '../offer.ts'

type Answer = ResponseInput<typeof Produce>

/** The first version whose answer can say who leads instead, and where that broker is (KIP-951). */
export const ENDPOINTS_VERSION = 10

const NO_LEADER = { leaderId: -1, leaderEpoch: -1 }

/**
 * New leaders get the addresses of their ports here. Of one that is hidden, both the endpoint and the hint go: a leader without
 * an endpoint is of no use, and an endpoint without a leader is a leak. Null when the answer names neither.
 */
export function rewriteProduce (body: Answer, { ports }: AddressContext): Answer | null {
  const endpoints = body.nodeEndpoints ?? []
  const hintsHidden = body.responses.some(topic => topic.partitionResponses.some(row => ports.isHidden(row.currentLeader?.leaderId ?? -1)))
  if (endpoints.length === 0 && !hintsHidden) return null
  return {
    ...body,
    nodeEndpoints: endpoints.flatMap(endpoint => {
      const address = ports.addressOf(endpoint.nodeId)
      return address === null ? [] : [{ ...endpoint, ...address }]
    }),
    responses: body.responses.map(topic => ({
      ...topic,
      partitionResponses: topic.partitionResponses.map(row => ports.isHidden(row.currentLeader?.leaderId ?? -1) ? { ...row, currentLeader: NO_LEADER } : row)
    }))
  }
}
