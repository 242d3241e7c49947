/** Access control entries as the protocol has them, by number: a newer cluster has kinds of resources and operations that have no name here. */

/** `ResourceType`. */
export const RESOURCE_TYPES = { ANY: 1, TOPIC: 2, GROUP: 3, CLUSTER: 4, TRANSACTIONAL_ID: 5, DELEGATION_TOKEN: 6, USER: 7 } as const

/** `PatternType`; the first two are for filters only. */
export const PATTERN_TYPES = { ANY: 1, MATCH: 2, LITERAL: 3, PREFIXED: 4 } as const

/** `AclOperation`. */
export const ACL_OPERATIONS = {
  ANY: 1,
  ALL: 2,
  READ: 3,
  WRITE: 4,
  CREATE: 5,
  DELETE: 6,
  ALTER: 7,
  DESCRIBE: 8,
  CLUSTER_ACTION: 9,
  DESCRIBE_CONFIGS: 10,
  ALTER_CONFIGS: 11,
  IDEMPOTENT_WRITE: 12,
  CREATE_TOKENS: 13,
  DESCRIBE_TOKENS: 14,
  TWO_PHASE_COMMIT: 15
} as const

/** `AclPermissionType`. */
export const ACL_PERMISSIONS = { ANY: 1, DENY: 2, ALLOW: 3 } as const

/** One entry. Two with the same fields are the same: a cluster has each once. */
export interface AclBinding {
  readonly resourceType: number
  readonly resourceName: string
  /** LITERAL or PREFIXED. */
  readonly patternType: number
  /** Such as `User:alice`. */
  readonly principal: string
  readonly host: string
  readonly operation: number
  readonly permission: number
}

/** Which entries are meant: null and ANY stand for all. */
export interface AclFilter {
  readonly resourceType: number
  readonly resourceName: string | null
  readonly patternType: number
  readonly principal: string | null
  readonly host: string | null
  readonly operation: number
  readonly permission: number
}

export const ALL_ACLS: AclFilter = {
  resourceType: RESOURCE_TYPES.ANY,
  resourceName: null,
  patternType: PATTERN_TYPES.ANY,
  principal: null,
  host: null,
  operation: ACL_OPERATIONS.ANY,
  permission: ACL_PERMISSIONS.ANY
}

/** True for an entry that can exist: nothing of it stands for any value, which in a request to delete would mean all. */
export function isConcrete ({ resourceType, patternType, operation, permission }: AclBinding): boolean {
  return resourceType > RESOURCE_TYPES.ANY && patternType > PATTERN_TYPES.MATCH && operation > ACL_OPERATIONS.ANY && permission > ACL_PERMISSIONS.ANY
}

/** An entry in words, such as `ALLOW User:alice READ on TOPIC orders (LITERAL) from *`. */
export function formatAcl ({ permission, principal, operation, resourceType, resourceName, patternType, host }: AclBinding): string {
  return `${nameOf(ACL_PERMISSIONS, permission)} ${principal} ${nameOf(ACL_OPERATIONS, operation)} on ${nameOf(RESOURCE_TYPES, resourceType)} ${resourceName} (${nameOf(PATTERN_TYPES, patternType)}) from ${host}`
}

function nameOf (names: Readonly<Record<string, number>>, code: number): string {
  return Object.entries(names).find(([, value]) => value === code)?.[0] ?? `#${code}`
}
