import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { DescribeAcls } from '../../../protocol/messages/describe-acls.ts'
import { BrokerError } from '../../errors.ts'
import type { Cluster } from '../cluster.ts'
import type { AclBinding, AclFilter } from './acl.ts'

/**
 * The access control entries that a filter selects, each once. An answer without entries and without an error means that there are none.
 * A broker may answer a moment behind the controller. Needs Describe on the cluster.
 * @throws {BrokerError} SECURITY_DISABLED where the cluster has no authorizer, CLUSTER_AUTHORIZATION_FAILED; {ShadowError} when no broker can be asked
 */
export async function describeAcls (cluster: Cluster, filter: AclFilter, { signal }: { readonly signal: AbortSignal }): Promise<AclBinding[]> {
  const { body } = await cluster.request(DescribeAcls, {
    resourceTypeFilter: filter.resourceType,
    resourceNameFilter: filter.resourceName,
    patternTypeFilter: filter.patternType,
    principalFilter: filter.principal,
    hostFilter: filter.host,
    operation: filter.operation,
    permissionType: filter.permission
    // Version 0 knows literal patterns only, and would leave out all others without a word.
  }, 'any', { signal, purpose: 'slow', minVersion: 1 })
  if (body.errorCode !== ErrorCodes.NONE) throw new BrokerError(body.errorCode, 'DescribeAcls', body.errorMessage)
  return body.resources.flatMap(({ resourceType, resourceName, patternType, acls }) =>
    acls.map(({ principal, host, operation, permissionType }) => ({ resourceType, resourceName, patternType, principal, host, operation, permission: permissionType })))
}
