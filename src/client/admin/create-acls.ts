import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { CreateAcls } from '../../../protocol/messages/create-acls.ts'
import { BrokerError } from '../../errors.ts'
import type { Cluster } from '../cluster.ts'
import { formatAcl, type AclBinding } from './acl.ts'
import { askController } from './ask-controller.ts'

/**
 * Adds access control entries, each of them or not; one that is there already stays as it is, and is no error. Returns what the cluster
 * has against each, in their order; null where it is there now. Brokers learn of them a moment later. Needs Alter on the cluster.
 * @throws {BrokerError} NOT_CONTROLLER, asked twice; {ShadowError} when the controller cannot be asked: nobody knows then what was added
 */
export async function createAcls (cluster: Cluster, bindings: readonly AclBinding[], { signal }: { readonly signal: AbortSignal }): Promise<Array<BrokerError | null>> {
  if (bindings.length === 0) return []
  let outcomes: Array<BrokerError | null> = []
  await askController(cluster, CreateAcls, {
    creations: bindings.map(({ resourceType, resourceName, patternType, principal, host, operation, permission }) =>
      ({ resourceType, resourceName, resourcePatternType: patternType, principal, host, operation, permissionType: permission }))
  }, {
    signal,
    minVersion: 1,
    check: ({ results }) => {
      outcomes = bindings.map((binding, index) => outcomeOf(results[index], `CreateAcls ${formatAcl(binding)}`))
    }
  })
  return outcomes
}

/** @throws {BrokerError} NOT_CONTROLLER: nothing was carried out */
function outcomeOf (row: { readonly errorCode: number, readonly errorMessage: string | null } | undefined, what: string): BrokerError | null {
  if (row === undefined) return new BrokerError(ErrorCodes.UNKNOWN_SERVER_ERROR, what, 'the answer has no row for it')
  if (row.errorCode === ErrorCodes.NONE) return null
  const error = new BrokerError(row.errorCode, what, row.errorMessage)
  if (row.errorCode === ErrorCodes.NOT_CONTROLLER) throw error
  return error
}
