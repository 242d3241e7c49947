import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { UnregisterBroker } from '../../../protocol/messages/unregister-broker.ts'
import { BrokerError } from '../../errors.ts'
import type { Controllers } from '../controllers.ts'

/**
 * Makes the cluster forget a broker; that it does not know it is success. The broker leaves ISRs and ELRs, but stays in the
 * replica lists it is in. It needs the right to ALTER the cluster.
 * @throws {BrokerError} {ShadowError} as Controllers.request
 */
export async function unregisterBroker (controllers: Controllers, brokerId: number, options: { readonly signal: AbortSignal, readonly deadlineMs?: number }): Promise<void> {
  const { body } = await controllers.request(UnregisterBroker, { brokerId }, { ...options, purpose: 'command', idempotent: true })
  if (body.errorCode === ErrorCodes.NONE || body.errorCode === ErrorCodes.BROKER_ID_NOT_REGISTERED) return
  throw new BrokerError(body.errorCode, `UnregisterBroker ${brokerId}`, body.errorMessage)
}
