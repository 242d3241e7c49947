import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { FindCoordinator } from '../../../protocol/messages/find-coordinator.ts'
import type { ResponseInput } from '../../../protocol/schema/api.ts'
import type { NodePorts } from '../node-ports.ts'
import type { AddressContext } from '../offer.ts'

type Answer = ResponseInput<typeof FindCoordinator>

interface Coordinator {
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly errorCode: number
}

/** One coordinator per answer up to version 3, one per key from 4 on. A hidden one is not available. */
export function rewriteFindCoordinator (body: Answer, { ports }: AddressContext, version: number): Answer {
  if (version >= 4) return { ...body, coordinators: body.coordinators?.map(row => ({ ...row, ...rewrite(row, ports) })) }
  const { nodeId = -1, host = '', port = -1, errorCode = 0 } = body
  return { ...body, ...rewrite({ nodeId, host, port, errorCode }, ports) }
}

function rewrite ({ nodeId, errorCode }: Coordinator, ports: NodePorts): Coordinator {
  // An error has no coordinator, whatever stands in its place.
  const address = nodeId < 0 || errorCode !== 0 ? null : ports.addressOf(nodeId)
  if (address !== null) return { nodeId, ...address, errorCode }
  return { nodeId: -1, host: '', port: -1, errorCode: errorCode === 0 ? ErrorCodes.COORDINATOR_NOT_AVAILABLE : errorCode }
}
