import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { BrokerHeartbeat } from '../../../protocol/messages/broker-heartbeat.ts'
import { BrokerError } from '../../errors.ts'
import type { Controllers } from '../controllers.ts'

export interface BrokerToFence {
  readonly brokerId: number
  readonly brokerEpoch: bigint
  /** Up to where its metadata is known to reach. */
  readonly metadataOffset: number
}

/**
 * Has a broker fenced, by a heartbeat in its name: what it leads is led by others or by nobody, and leader epochs rise. A broker that
 * is alive unfences itself with its next heartbeat. `mayFence` is asked before every attempt; what it throws ends the request.
 * @throws {BrokerError} STALE_BROKER_EPOCH, BROKER_ID_NOT_REGISTERED and others. {ShadowError} as Controllers.request
 */
export async function fenceBroker (controllers: Controllers, { brokerId, brokerEpoch, metadataOffset }: BrokerToFence, options: { readonly signal: AbortSignal, readonly mayFence: () => void, readonly deadlineMs?: number }): Promise<void> {
  const { mayFence, ...rest } = options
  const { body } = await controllers.request(BrokerHeartbeat, () => {
    mayFence()
    return { brokerId, brokerEpoch, currentMetadataOffset: BigInt(metadataOffset), wantFence: true, wantShutDown: false }
  }, { ...rest, purpose: 'command', idempotent: true })
  if (body.errorCode !== ErrorCodes.NONE) throw new BrokerError(body.errorCode, `BrokerHeartbeat ${brokerId}`)
}
