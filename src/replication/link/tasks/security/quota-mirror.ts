/** Client quotas: all of the source's, with the users that its principals are on the shadow. */
import { alterClientQuotas, type QuotaChanges } from '../../../../client/admin/alter-client-quotas.ts'
import { formatQuotaEntity, quotaEntity, type ClientQuota, type QuotaEntity } from '../../../../client/admin/client-quota.ts'
import { describeClientQuotas } from '../../../../client/admin/describe-client-quotas.ts'
import { mapPrincipal, type PrincipalRule } from '../../../../config/link/principal-rule.ts'
import { asked, explained, type Side } from './explain-refusal.ts'
import { grantId } from './grant-id.ts'
import type { MirroredKind, MirrorItem } from './mirror.ts'
import type { SecurityHost } from './security-host.ts'

interface Quota extends MirrorItem {
  readonly entity: QuotaEntity
  readonly key: string
  /** Null for what the ledger has: it says whose a limit is, not what it is. */
  readonly value: number | null
}

const USER = 'User:'

export function quotaMirror (host: SecurityHost): MirroredKind<Quota> {
  const { source, shadow, ledger, signal } = host
  const alter = async (items: readonly Quota[], valueOf: (item: Quota) => number | null): Promise<Array<Error | null>> => {
    const rows = byEntity(items, valueOf)
    const outcomes = await asked(refusal('shadow'), () => alterClientQuotas(shadow, rows, { signal }))
    const named = new Map(rows.map(({ entity }, index) => [formatQuotaEntity(entity), outcomes[index] ?? null]))
    return items.map(({ entity }) => named.get(formatQuotaEntity(entity)) ?? null)
  }
  return {
    name: 'quotas',
    wanted: async () => {
      const items = new Map<string, Quota>()
      const problems: string[] = []
      const copies = await host.copiesOfOurs()
      for (const quota of await asked(refusal('source'), () => describeClientQuotas(source, { signal }))) {
        if (copies.has(itemOf(quota).id)) continue
        const entity = mapUser(quota.entity, host.options().principalMapping)
        if (entity === null) continue
        if (typeof entity === 'string') problems.push(entity)
        else {
          const item = itemOf({ ...quota, entity })
          // Of two users that become one, the stricter limit counts.
          const other = items.get(item.id)
          items.set(item.id, other === undefined || (other.value ?? Infinity) > quota.value ? item : other)
        }
      }
      return { items, problems }
    },
    present: async () => new Map((await asked(refusal('shadow'), () => describeClientQuotas(shadow, { signal }))).map(itemOf).map(item => [item.id, item])),
    recorded: () => ledger.of('quota').map(({ id, entity, key }) => ({ id, entity, key, value: null })),
    grantOf: ({ entity, key }) => ({ type: 'quota', entity, key }),
    isLevel: (wanted, present) => wanted.value === present.value,
    set: items => alter(items, ({ value }) => value),
    remove: items => alter(items, () => null),
    rank: () => 0,
    waitsFor: () => false,
    isUnusual: () => false,
    // Two links would not agree on its value: it is the first one's.
    isShared: () => false,
    format: ({ entity, key }) => `${key} of ${formatQuotaEntity(entity)}`,
    explain: error => explained(error, refusal('shadow'))
  }
}

function itemOf ({ entity, key, value }: ClientQuota): Quota {
  return { id: grantId('quota', JSON.stringify(entity.map(({ type, name }) => [type, name])), key), entity, key, value }
}

function refusal (side: Side): Parameters<typeof asked>[0] {
  return { side, what: 'which client quotas it has', right: side === 'source' ? 'DescribeConfigs on the cluster' : 'DescribeConfigs and AlterConfigs on the cluster', without: 'set security_sync_options.sync_quotas: false' }
}

/** The entity on the shadow; null where its user is left out; why not, where what its user becomes is no user. */
function mapUser (entity: QuotaEntity, rules: readonly PrincipalRule[]): QuotaEntity | string | null {
  const mapped = []
  for (const { type, name } of entity) {
    if (type !== 'user' || name === null) {
      mapped.push({ type, name })
      continue
    }
    const principal = mapPrincipal(rules, `${USER}${name}`)
    if (principal === null) return null
    if (!principal.startsWith(USER)) return `the quotas of user ${name} are not shadowed: principal_mapping makes ${principal} of it, which is no user`
    mapped.push({ type, name: principal.slice(USER.length) })
  }
  return quotaEntity(mapped)
}

function byEntity (items: readonly Quota[], valueOf: (item: Quota) => number | null): QuotaChanges[] {
  const rows = new Map<string, { readonly entity: QuotaEntity, readonly changes: Map<string, number | null> }>()
  for (const item of items) {
    const name = formatQuotaEntity(item.entity)
    const row = rows.get(name) ?? { entity: item.entity, changes: new Map<string, number | null>() }
    rows.set(name, row)
    row.changes.set(item.key, valueOf(item))
  }
  return [...rows.values()]
}
