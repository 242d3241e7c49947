import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { DeleteAcls } from '../../../protocol/messages/delete-acls.ts'
import { BrokerError, ShadowError } from '../../errors.ts'
import type { Cluster } from '../cluster.ts'
import { formatAcl, isConcrete, type AclBinding } from './acl.ts'
import { askController } from './ask-controller.ts'

/**
 * Removes exactly these access control entries, each of them or not; one that is not there is no error. Returns what the cluster has
 * against each, in their order; null where it is gone now. Needs Alter on the cluster.
 * @throws {BrokerError} NOT_CONTROLLER, asked twice; {ShadowError} when the controller cannot be asked: nobody knows then what was removed
 */
export async function deleteAcls (cluster: Cluster, bindings: readonly AclBinding[], { signal }: { readonly signal: AbortSignal }): Promise<Array<BrokerError | null>> {
  if (bindings.length === 0) return []
  const vague = bindings.find(binding => !isConcrete(binding))
  if (vague !== undefined) throw new ShadowError('INVARIANT', `a deletion of more than one access control entry: ${formatAcl(vague)}`)
  let outcomes: Array<BrokerError | null> = []
  await askController(cluster, DeleteAcls, {
    filters: bindings.map(binding => ({
      resourceTypeFilter: binding.resourceType,
      resourceNameFilter: binding.resourceName,
      patternTypeFilter: binding.patternType,
      principalFilter: binding.principal,
      hostFilter: binding.host,
      operation: binding.operation,
      permissionType: binding.permission
    }))
  }, {
    signal,
    // Version 0 has no patterns: a prefix would be taken for a name.
    minVersion: 1,
    check: ({ filterResults }) => {
      outcomes = bindings.map((binding, index) => {
        const what = `DeleteAcls ${formatAcl(binding)}`
        const row = filterResults[index]
        if (row === undefined) return new BrokerError(ErrorCodes.UNKNOWN_SERVER_ERROR, what, 'the answer has no row for it')
        const failed = [row, ...row.matchingAcls].find(({ errorCode }) => errorCode !== ErrorCodes.NONE)
        if (failed === undefined) return null
        const error = new BrokerError(failed.errorCode, what, failed.errorMessage)
        if (failed.errorCode === ErrorCodes.NOT_CONTROLLER) throw error
        return error
      })
    }
  })
  return outcomes
}
