import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { Api, RequestInput, ResponseOf } from '../../../protocol/schema/api.ts'
import { isBrokerError } from '../../errors.ts'
import type { Cluster } from '../cluster.ts'
import { ADMIN_REQUEST_TIMEOUT_MS } from './admin-timeout.ts'

/**
 * Sends a request to the controller and gives the answer to `check`, which throws a BrokerError for what it refuses. After
 * NOT_CONTROLLER the controller is looked up anew and asked, once: the one that was asked has carried nothing out.
 */
export async function askController<A extends Api> (cluster: Cluster, api: A, body: RequestInput<A> | ((version: number) => RequestInput<A>), options: {
  readonly signal: AbortSignal
  readonly minVersion?: number
  readonly check: (body: ResponseOf<A>) => void
}): Promise<void> {
  const { signal, minVersion, check } = options
  const ask = async (): Promise<void> => {
    const answer = await cluster.request(api, body, 'controller', { signal, purpose: 'admin', timeoutMs: ADMIN_REQUEST_TIMEOUT_MS, ...(minVersion === undefined ? {} : { minVersion }) })
    check(answer.body)
  }
  try {
    await ask()
  } catch (error) {
    if (!isBrokerError(error, ErrorCodes.NOT_CONTROLLER)) throw error
    await cluster.refresh({ signal })
    await ask()
  }
}
