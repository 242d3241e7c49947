/**
 * `security_sync_options`: which ACLs, quotas and users the shadow cluster gets (facts/redpanda-contract.md §9.4). `interval`, `paused` and
 * `acl_filters` are Redpanda's; the others are kafka-shadow's own.
 */
import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { formatDuration } from '../duration.ts'
import { duration, durationOrDefault, flag } from '../fields.ts'
import { aclFilter, aclFiltersDocument, type AclFilterOptions } from './acl-filter.ts'
import { principalRule, principalRulesDocument, type PrincipalRule } from './principal-rule.ts'

export interface SecuritySyncOptions {
  readonly intervalMs: number
  readonly paused: boolean
  readonly syncAcls: boolean
  /** Empty for all. */
  readonly aclFilters: readonly AclFilterOptions[]
  readonly syncQuotas: boolean
  readonly principalMapping: readonly PrincipalRule[]
  /** The file on the engine's host with the SCRAM users of the shadow; null for none. */
  readonly usersFile: string | null
  /** How long a deletion of much at once is held back. */
  readonly massDeletionDelayMs: number
  /** What becomes of what the link has added, when the link is deleted. */
  readonly onLinkDeletion: 'keep' | 'delete'
}

const SECURITY_SYNC_INTERVAL_MS = 30_000
const MASS_DELETION_DELAY_MS = 600_000

/** What a link without the section does: a cluster without an authorizer, which many are, hides its ACLs, and that is a fault for who wants them. */
export const NO_SECURITY_SYNC = { sync_acls: false, sync_quotas: false } as const

export const securitySync = z.strictObject({
  interval: durationOrDefault(SECURITY_SYNC_INTERVAL_MS),
  paused: flag(false),
  acl_filters: z.array(aclFilter, { error: 'expected a list of filters' }).default([]),
  sync_acls: flag(true),
  sync_quotas: flag(true),
  principal_mapping: z.array(principalRule, { error: 'expected a list of rules' }).default([]),
  users_file: z.string({ error: 'expected the path of a file on the engine\'s host' })
    .refine(path => path === '' || isAbsolute(path), { error: 'expected an absolute path: it is read on the host of whichever engine leads' }).default(''),
  mass_deletion_delay: duration(0, 7 * 86_400_000).default(MASS_DELETION_DELAY_MS),
  on_link_deletion: z.enum(['keep', 'delete'], { error: 'expected keep or delete' }).default('keep')
}, { error: 'expected a map' }).transform((options): SecuritySyncOptions => ({
  intervalMs: options.interval,
  paused: options.paused,
  syncAcls: options.sync_acls,
  aclFilters: options.acl_filters,
  syncQuotas: options.sync_quotas,
  principalMapping: options.principal_mapping,
  usersFile: options.users_file === '' ? null : options.users_file,
  massDeletionDelayMs: options.mass_deletion_delay,
  onLinkDeletion: options.on_link_deletion
}))

export function securitySyncDocument (security: SecuritySyncOptions): Record<string, unknown> {
  return {
    interval: formatDuration(security.intervalMs),
    paused: security.paused,
    acl_filters: aclFiltersDocument(security.aclFilters),
    sync_acls: security.syncAcls,
    sync_quotas: security.syncQuotas,
    principal_mapping: principalRulesDocument(security.principalMapping),
    users_file: security.usersFile ?? '',
    mass_deletion_delay: formatDuration(security.massDeletionDelayMs),
    on_link_deletion: security.onLinkDeletion
  }
}
