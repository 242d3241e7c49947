import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { FindCoordinator } from '../../../protocol/messages/find-coordinator.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import type { BrokerState } from '../broker-state.ts'
import type { RequestContext } from '../server/dispatcher.ts'

const GROUP = 0
const TRANSACTION = 1

/** From this version on many keys are asked for at once. */
const MIN_BATCHED_VERSION = 4

/** One broker coordinates everything. */
export function findCoordinator (state: BrokerState, body: RequestOf<typeof FindCoordinator>, { apiVersion }: RequestContext): ResponseInput<typeof FindCoordinator> {
  const isKnown = body.keyType === GROUP || body.keyType === TRANSACTION
  const here = isKnown
    ? { ...state.advertised(), nodeId: state.nodeId, errorCode: ErrorCodes.NONE, errorMessage: null }
    : { host: '', port: -1, nodeId: -1, errorCode: ErrorCodes.INVALID_REQUEST, errorMessage: `coordinators of type ${body.keyType} are not known here` }
  return apiVersion < MIN_BATCHED_VERSION ? here : { coordinators: body.coordinatorKeys.map(key => ({ key, ...here })) }
}
