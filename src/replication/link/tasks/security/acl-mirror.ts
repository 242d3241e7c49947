/** ACLs: those of the source that the link's filters select, with the principals that they have on the shadow. */
import { ACL_OPERATIONS, ACL_PERMISSIONS, ALL_ACLS, formatAcl, isConcrete, PATTERN_TYPES, RESOURCE_TYPES, type AclBinding, type AclFilter } from '../../../../client/admin/acl.ts'
import { createAcls } from '../../../../client/admin/create-acls.ts'
import { deleteAcls } from '../../../../client/admin/delete-acls.ts'
import { describeAcls } from '../../../../client/admin/describe-acls.ts'
import type { AclFilterOptions } from '../../../../config/link/acl-filter.ts'
import { mapPrincipal } from '../../../../config/link/principal-rule.ts'
import { asked, explained, type Side } from './explain-refusal.ts'
import { grantId } from './grant-id.ts'
import type { MirroredKind, MirrorItem } from './mirror.ts'
import type { SecurityHost } from './security-host.ts'

interface Acl extends MirrorItem {
  readonly acl: AclBinding
}

const EVERYBODY = 'User:*'
/** What brokers before 3.3 know; they close the connection of who asks for more. */
const OLD_RESOURCE_TYPES = RESOURCE_TYPES.DELEGATION_TOKEN
const OLD_OPERATIONS = ACL_OPERATIONS.IDEMPOTENT_WRITE

/** Redpanda's names where they are not Kafka's. */
const RESOURCES: Readonly<Record<AclFilterOptions['resourceType'], number>> = {
  ANY: RESOURCE_TYPES.ANY,
  CLUSTER: RESOURCE_TYPES.CLUSTER,
  GROUP: RESOURCE_TYPES.GROUP,
  TOPIC: RESOURCE_TYPES.TOPIC,
  TXN_ID: RESOURCE_TYPES.TRANSACTIONAL_ID
}

export function aclMirror (host: SecurityHost): MirroredKind<Acl> {
  const { source, shadow, ledger, signal } = host
  return {
    name: 'ACLs',
    wanted: async () => {
      const { aclFilters, principalMapping } = host.options()
      const items = new Map<string, Acl>()
      const problems: string[] = []
      const copies = await host.copiesOfOurs()
      for (const filter of aclFilters.length === 0 ? [ALL_ACLS] : aclFilters.map(wireFilter)) {
        for (const acl of await asked(refusal('source'), () => describeAcls(source, filter, { signal }))) {
          const principal = mapPrincipal(principalMapping, acl.principal)
          if (principal === null || copies.has(itemOf(acl).id)) continue
          if (isConcrete(acl)) {
            const item = itemOf({ ...acl, principal })
            items.set(item.id, item)
          } else problems.push(`the source has an entry of a kind that is not known here: ${formatAcl(acl)}`)
        }
      }
      return { items, problems }
    },
    present: async () => new Map((await asked(refusal('shadow'), () => describeAcls(shadow, ALL_ACLS, { signal }))).map(itemOf).map(item => [item.id, item])),
    recorded: () => ledger.of('acl').map(({ id, acl }) => ({ id, acl })),
    grantOf: ({ acl }) => ({ type: 'acl', acl }),
    isLevel: () => true,
    set: items => asked(refusal('shadow'), () => createAcls(shadow, items.map(({ acl }) => acl), { signal })),
    remove: items => asked(refusal('shadow'), () => deleteAcls(shadow, items.map(({ acl }) => acl), { signal })),
    // What is denied is denied before anything is allowed: nobody may have more for a moment than on the source.
    rank: ({ acl }) => acl.permission === ACL_PERMISSIONS.DENY ? 0 : 1,
    waitsFor: ({ acl }, { acl: other }) => acl.permission === ACL_PERMISSIONS.ALLOW && other.permission === ACL_PERMISSIONS.DENY && concernsSame(acl, other),
    isUnusual: ({ acl }) => acl.resourceType > OLD_RESOURCE_TYPES || acl.operation > OLD_OPERATIONS,
    isShared: host.isShared,
    format: ({ acl }) => formatAcl(acl),
    explain: error => explained(error, refusal('shadow'))
  }
}

/** True when the denial may concern those who the other entry allows something. */
function concernsSame (allowed: AclBinding, denied: AclBinding): boolean {
  return denied.principal === EVERYBODY || allowed.principal === EVERYBODY || denied.principal === allowed.principal
}

function itemOf (acl: AclBinding): Acl {
  return { id: grantId('acl', acl.resourceType, acl.resourceName, acl.patternType, acl.principal, acl.host, acl.operation, acl.permission), acl }
}

function refusal (side: Side): Parameters<typeof asked>[0] {
  return { side, what: 'which ACLs it has', right: side === 'source' ? 'Describe on the cluster' : 'Alter on the cluster', without: 'set security_sync_options.sync_acls: false' }
}

function wireFilter ({ resourceType, patternType, resourceName, principal, operation, permissionType, host }: AclFilterOptions): AclFilter {
  return {
    resourceType: RESOURCES[resourceType],
    patternType: PATTERN_TYPES[patternType],
    resourceName: resourceName === '' ? null : resourceName,
    principal: principal === '' ? null : principal,
    host: host === '' ? null : host,
    operation: operation === 'REMOVE' ? ACL_OPERATIONS.DELETE : ACL_OPERATIONS[operation],
    permission: ACL_PERMISSIONS[permissionType]
  }
}
