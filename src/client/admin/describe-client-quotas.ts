import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { DescribeClientQuotas } from '../../../protocol/messages/describe-client-quotas.ts'
import { BrokerError } from '../../errors.ts'
import type { Cluster } from '../cluster.ts'
import { quotaEntity, type ClientQuota } from './client-quota.ts'

/**
 * All client quotas of a cluster. Needs DescribeConfigs on the cluster.
 * @throws {BrokerError} CLUSTER_AUTHORIZATION_FAILED and others; {ShadowError} when no broker can be asked
 */
export async function describeClientQuotas (cluster: Cluster, { signal }: { readonly signal: AbortSignal }): Promise<ClientQuota[]> {
  const { body } = await cluster.request(DescribeClientQuotas, { components: [], strict: false }, 'any', { signal, purpose: 'slow' })
  if (body.errorCode !== ErrorCodes.NONE) throw new BrokerError(body.errorCode, 'DescribeClientQuotas', body.errorMessage)
  if (body.entries === null) throw new BrokerError(ErrorCodes.UNKNOWN_SERVER_ERROR, 'DescribeClientQuotas', 'the answer has no entries')
  return body.entries.flatMap(({ entity, values }) => {
    const named = quotaEntity(entity.map(({ entityType, entityName }) => ({ type: entityType, name: entityName })))
    return values.map(({ key, value }) => ({ entity: named, key, value }))
  })
}
