import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { AllocateProducerIds } from '../../../protocol/messages/allocate-producer-ids.ts'
import { BrokerError } from '../../errors.ts'
import type { Controllers } from '../controllers.ts'

export interface ProducerIdBlock {
  readonly firstId: bigint
  /** 1000 as of Kafka 4.3. */
  readonly count: number
}

/**
 * Takes the next block of the cluster's producer ids, which no broker is given then. A block that was taken by an attempt whose
 * answer was lost is lost with it, and does no harm.
 * @throws {BrokerError} STALE_BROKER_EPOCH, BROKER_ID_NOT_REGISTERED and others. {ShadowError} as Controllers.request
 */
export async function allocateProducerIds (controllers: Controllers, broker: { readonly brokerId: number, readonly brokerEpoch: bigint }, options: { readonly signal: AbortSignal, readonly deadlineMs?: number }): Promise<ProducerIdBlock> {
  const { brokerId, brokerEpoch } = broker
  const { body } = await controllers.request(AllocateProducerIds, { brokerId, brokerEpoch }, { ...options, purpose: 'command', idempotent: true })
  if (body.errorCode !== ErrorCodes.NONE) throw new BrokerError(body.errorCode, 'AllocateProducerIds')
  return { firstId: body.producerIdStart, count: body.producerIdLen }
}
