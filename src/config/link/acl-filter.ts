/** `acl_filters`: which access control entries of the source are shadowed (facts/redpanda-contract.md §9.4). */
import { z } from 'zod'

const RESOURCES = ['ANY', 'CLUSTER', 'GROUP', 'TOPIC', 'TXN_ID'] as const
/** What Redpanda guards its schema registry with: Kafka's own ACLs know nothing of it. */
const REGISTRY_RESOURCES = ['SUBJECT', 'REGISTRY', 'SR_ANY'] as const
const PATTERNS = ['ANY', 'LITERAL', 'PREFIXED', 'MATCH'] as const
const OPERATIONS = ['ANY', 'READ', 'WRITE', 'CREATE', 'REMOVE', 'ALTER', 'DESCRIBE', 'CLUSTER_ACTION', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS', 'IDEMPOTENT_WRITE'] as const
const PERMISSIONS = ['ANY', 'ALLOW', 'DENY'] as const

export interface AclFilterOptions {
  readonly resourceType: typeof RESOURCES[number]
  readonly patternType: typeof PATTERNS[number]
  /** Empty for every name. */
  readonly resourceName: string
  /** Empty for everybody. */
  readonly principal: string
  readonly operation: typeof OPERATIONS[number]
  readonly permissionType: typeof PERMISSIONS[number]
  /** Empty for every host. */
  readonly host: string
}

const text = (what: string): z.ZodType<string> => z.string({ error: `expected ${what}, or "" for all` }).default('')

const oneOf = <T extends string>(values: readonly [T, ...T[]]): z.ZodDefault<z.ZodEnum<{ [V in T]: V }>> =>
  z.enum(values, { error: `expected ${values.slice(0, -1).join(', ')} or ${values.at(-1) ?? ''}` }).default(values[0])

const resourceFilter = z.strictObject({
  resource_type: z.preprocess(value => value ?? 'ANY', z.enum([...RESOURCES, ...REGISTRY_RESOURCES], { error: 'expected ANY, CLUSTER, GROUP, TOPIC or TXN_ID' })),
  pattern_type: oneOf(PATTERNS),
  name: text('the name of a resource')
}, { error: 'expected resource_type, pattern_type and name' })

const accessFilter = z.strictObject({
  principal: text('a principal such as User:alice'),
  operation: oneOf(OPERATIONS),
  permission_type: oneOf(PERMISSIONS),
  host: text('a host')
}, { error: 'expected principal, operation, permission_type and host' })

export const aclFilter: z.ZodType<AclFilterOptions> = z.strictObject({
  resource_filter: z.preprocess(value => value ?? {}, resourceFilter),
  access_filter: z.preprocess(value => value ?? {}, accessFilter)
}, { error: 'expected resource_filter and access_filter' }).transform(({ resource_filter: resource, access_filter: access }, context): AclFilterOptions => {
  const resourceType = RESOURCES.find(type => type === resource.resource_type)
  if (resourceType === undefined) context.addIssue({ code: 'custom', path: ['resource_filter', 'resource_type'], message: 'Kafka has no ACLs for a schema registry: expected ANY, CLUSTER, GROUP, TOPIC or TXN_ID' })
  return {
    resourceType: resourceType ?? 'ANY',
    patternType: resource.pattern_type,
    resourceName: resource.name,
    principal: access.principal,
    operation: access.operation,
    permissionType: access.permission_type,
    host: access.host
  }
})

/** How filters are stored and shown. */
export function aclFiltersDocument (filters: readonly AclFilterOptions[]): Array<Record<string, Record<string, string>>> {
  return filters.map(filter => ({
    resource_filter: { resource_type: filter.resourceType, pattern_type: filter.patternType, name: filter.resourceName },
    access_filter: { principal: filter.principal, operation: filter.operation, permission_type: filter.permissionType, host: filter.host }
  }))
}
