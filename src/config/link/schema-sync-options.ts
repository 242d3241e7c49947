/**
 * `schema_registry_sync_options`: how schemas get to the shadow (facts/redpanda-contract.md §2.3, §6, §9.4). Either the topic that the
 * source's registry keeps them in is shadowed, or they are copied from one registry to the other by their REST APIs.
 */
import { z } from 'zod'
import { formatDuration } from '../duration.ts'
import { durationOrDefault, flag, integerOrDefault } from '../fields.ts'
import { linkRegistryAuth, linkRegistryTls, registryAuthDocument, registryTlsDocument, registryUrl, type RegistryEndpoint } from './registry-endpoint.ts'

/** Where Confluent's, Redpanda's and Karapace's registries keep everything, unless they are told another name. */
export const SCHEMAS_TOPIC = '_schemas'

/** The context of subjects whose name does not begin with one. */
export const DEFAULT_CONTEXT = '.'

export type UnsupportedFeaturePolicy = 'FAIL' | 'REMOVE'

export interface ContextMapping {
  readonly source: string
  readonly destination: string
}

export interface SchemaApiOptions {
  readonly source: RegistryEndpoint
  /** How often new subjects and versions are looked for. */
  readonly tailIntervalMs: number
  /** How often all is compared, and deletions and settings are followed. */
  readonly fullIntervalMs: number
  readonly maxRequestsPerSecond: number
  /** Either of them selects; both empty select everything. */
  readonly contexts: readonly string[]
  readonly subjects: readonly string[]
  /** Null: each context keeps its name. */
  readonly mappings: readonly ContextMapping[] | null
  /** What becomes of a schema with metadata or rules, and of settings besides the compatibility: not copied, or copied without them. */
  readonly unsupportedFeatures: UnsupportedFeaturePolicy
  readonly paused: boolean
}

export type SchemaSyncOptions =
  | { readonly mode: 'topic' }
  | { readonly mode: 'api', readonly api: SchemaApiOptions }

export const SCHEMA_DEFAULTS = { tailIntervalMs: 10_000, fullIntervalMs: 300_000, maxRequestsPerSecond: 30 } as const

const context = z.string({ error: 'expected the name of a context, such as ".staging"; "." is the default one' })
  .regex(/^\.[^:*/\s]{0,200}$/, { error: 'expected the name of a context, which begins with ".", such as ".staging"; "." is the default one' })

const subject = z.string({ error: 'expected the name of a subject' }).min(1, { error: 'expected the name of a subject' })

const empty = z.strictObject({}, { error: 'expected {}' })

const mapping = z.strictObject({ source: context, destination: context }, { error: 'expected source and destination' })

const destination = z.strictObject({
  identity: empty.optional(),
  exact: z.strictObject({ mappings: z.array(mapping, { error: 'expected a list of mappings' }).min(1, { error: 'expected at least one mapping' }) }, { error: 'expected mappings' }).optional()
}, { error: 'expected identity: {} or exact: {mappings: []}' }).optional().transform((value, issues): readonly ContextMapping[] | null => {
  const mappings = value?.exact?.mappings ?? null
  if (value?.identity !== undefined && mappings !== null) issues.addIssue({ code: 'custom', message: 'expected identity or exact, not both' })
  for (const side of ['source', 'destination'] as const) {
    const names = (mappings ?? []).map(pair => pair[side])
    const twice = names.find((name, index) => names.indexOf(name) !== index)
    if (twice !== undefined) issues.addIssue({ code: 'custom', path: ['exact', 'mappings'], message: `expected each ${side} once, and ${twice} is there twice` })
  }
  return mappings
})

const api = z.strictObject({
  source_url: registryUrl,
  auth_options: linkRegistryAuth,
  tls_settings: linkRegistryTls,
  tail_interval: durationOrDefault(SCHEMA_DEFAULTS.tailIntervalMs),
  full_sync_interval: durationOrDefault(SCHEMA_DEFAULTS.fullIntervalMs),
  max_source_requests_per_second: integerOrDefault(1, SCHEMA_DEFAULTS.maxRequestsPerSecond, 10_000),
  source_filter: z.strictObject({
    contexts: z.array(context, { error: 'expected a list of contexts' }).default([]),
    subjects: z.array(subject, { error: 'expected a list of subjects' }).default([])
  }, { error: 'expected contexts and subjects' }).optional(),
  destination,
  unsupported_schema_feature_policy: z.enum(['FAIL', 'REMOVE'], { error: 'expected FAIL or REMOVE' }).default('FAIL'),
  paused: flag(false)
}, { error: 'expected a map with source_url' }).transform((options): SchemaApiOptions => ({
  source: { url: options.source_url, auth: options.auth_options, tls: options.tls_settings },
  tailIntervalMs: options.tail_interval,
  fullIntervalMs: options.full_sync_interval,
  maxRequestsPerSecond: options.max_source_requests_per_second,
  contexts: options.source_filter?.contexts ?? [],
  subjects: options.source_filter?.subjects ?? [],
  mappings: options.destination,
  unsupportedFeatures: options.unsupported_schema_feature_policy,
  paused: options.paused
}))

/** Null where nothing is to be done about schemas. */
export const schemaSync = z.strictObject({
  shadow_schema_registry_topic: empty.optional(),
  shadow_schema_registry_api: api.optional()
}, { error: 'expected shadow_schema_registry_topic: {} or shadow_schema_registry_api' }).nullish().transform((value, issues): SchemaSyncOptions | null => {
  const { shadow_schema_registry_topic: topic, shadow_schema_registry_api: options } = value ?? {}
  if (topic !== undefined && options !== undefined) issues.addIssue({ code: 'custom', message: 'expected shadow_schema_registry_topic or shadow_schema_registry_api, not both' })
  if (options !== undefined) return { mode: 'api', api: options }
  return topic === undefined ? null : { mode: 'topic' }
})

/** The section as it is stored and shown; nothing where there is none. */
export function schemaSyncDocument (options: SchemaSyncOptions | null): Record<string, unknown> {
  if (options === null) return {}
  return { schema_registry_sync_options: options.mode === 'topic' ? { shadow_schema_registry_topic: {} } : { shadow_schema_registry_api: apiDocument(options.api) } }
}

function apiDocument (options: SchemaApiOptions): Record<string, unknown> {
  const { url, auth, tls } = options.source
  return {
    source_url: url,
    ...(auth === null ? {} : { auth_options: registryAuthDocument(auth) }),
    ...(tls === null ? {} : { tls_settings: registryTlsDocument(tls) }),
    tail_interval: formatDuration(options.tailIntervalMs),
    full_sync_interval: formatDuration(options.fullIntervalMs),
    max_source_requests_per_second: options.maxRequestsPerSecond,
    source_filter: { contexts: [...options.contexts], subjects: [...options.subjects] },
    destination: options.mappings === null ? { identity: {} } : { exact: { mappings: options.mappings.map(({ source, destination: to }) => ({ source, destination: to })) } },
    unsupported_schema_feature_policy: options.unsupportedFeatures,
    paused: options.paused
  }
}
