import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { InitProducerId } from '../../../protocol/messages/init-producer-id.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import type { BrokerState } from '../broker-state.ts'
import { fencedCode } from './transactions.ts'
import type { RequestContext } from '../server/dispatcher.ts'

/** From this version on a fenced producer is told so by a code of its own. */
const MIN_FENCED_VERSION = 4

export function initProducerId (state: BrokerState, body: RequestOf<typeof InitProducerId>, { apiVersion }: RequestContext): ResponseInput<typeof InitProducerId> {
  if (body.transactionalId === null) {
    return { throttleTimeMs: 0, errorCode: ErrorCodes.NONE, producerId: BigInt(state.producerIds.take()), producerEpoch: 0 }
  }
  const given = { producerId: Number(body.producerId), producerEpoch: body.producerEpoch }
  const result = state.transactions.init(body.transactionalId, { timeoutMs: body.transactionTimeoutMs, expected: given.producerId === -1 ? null : given })
  if ('errorCode' in result) return { throttleTimeMs: 0, errorCode: fencedCode(result.errorCode, apiVersion >= MIN_FENCED_VERSION), producerId: -1n, producerEpoch: -1 }
  return { throttleTimeMs: 0, errorCode: ErrorCodes.NONE, producerId: BigInt(result.producerId), producerEpoch: result.producerEpoch }
}
