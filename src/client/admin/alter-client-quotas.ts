import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { AlterClientQuotas } from '../../../protocol/messages/alter-client-quotas.ts'
import { BrokerError } from '../../errors.ts'
import type { Cluster } from '../cluster.ts'
import { askController } from './ask-controller.ts'
import { formatQuotaEntity, quotaEntity, type QuotaEntity } from './client-quota.ts'

export interface QuotaChanges {
  readonly entity: QuotaEntity
  /** Null removes a limit. */
  readonly changes: ReadonlyMap<string, number | null>
}

/**
 * Changes quotas of entities, of each all or none; no entity may be there twice. Returns what the cluster has against the changes of each,
 * in their order; null where they were made. Needs AlterConfigs on the cluster.
 * @throws {BrokerError} NOT_CONTROLLER, asked twice; {ShadowError} when the controller cannot be asked: nobody knows then what was changed
 */
export async function alterClientQuotas (cluster: Cluster, rows: readonly QuotaChanges[], { signal }: { readonly signal: AbortSignal }): Promise<Array<BrokerError | null>> {
  if (rows.length === 0) return []
  const outcomes = new Map<string, BrokerError | null>()
  await askController(cluster, AlterClientQuotas, {
    entries: rows.map(({ entity, changes }) => ({
      entity: entity.map(({ type, name }) => ({ entityType: type, entityName: name })),
      ops: [...changes].map(([key, value]) => ({ key, value: value ?? 0, remove: value === null }))
    })),
    validateOnly: false
  }, {
    signal,
    check: ({ entries }) => {
      for (const { entity: parts, errorCode, errorMessage } of entries) {
        const name = formatQuotaEntity(quotaEntity(parts.map(({ entityType, entityName }) => ({ type: entityType, name: entityName }))))
        const error = errorCode === ErrorCodes.NONE ? null : new BrokerError(errorCode, `AlterClientQuotas ${name}`, errorMessage)
        if (errorCode === ErrorCodes.NOT_CONTROLLER && error !== null) throw error
        outcomes.set(name, error)
      }
    }
  })
  return rows.map(({ entity }) => {
    const name = formatQuotaEntity(entity)
    const outcome = outcomes.get(name)
    return outcome === undefined ? new BrokerError(ErrorCodes.UNKNOWN_SERVER_ERROR, `AlterClientQuotas ${name}`, 'the answer has no row for it') : outcome
  })
}
