/** Client quotas (KIP-546): limits by user, client id, both, or address. */

/** `user`, `client-id`, `ip`. */
export interface QuotaEntityPart {
  readonly type: string
  /** Null for the default of that type. */
  readonly name: string | null
}

/** Sorted by type: the same entity is written in one way. */
export type QuotaEntity = readonly QuotaEntityPart[]

/** One limit of one entity. */
export interface ClientQuota {
  readonly entity: QuotaEntity
  /** Such as `producer_byte_rate`. */
  readonly key: string
  readonly value: number
}

export function quotaEntity (parts: readonly QuotaEntityPart[]): QuotaEntity {
  return [...parts].sort((a, b) => a.type < b.type ? -1 : 1)
}

/** An entity in words, such as `user alice, client-id (default)`. */
export function formatQuotaEntity (entity: QuotaEntity): string {
  return entity.map(({ type, name }) => `${type} ${name ?? '(default)'}`).join(', ')
}
