/**
 * The configuration of a link: the YAML document of `rpk shadow create`, key for key (facts/redpanda-contract.md §4, §6, §9.4),
 * with `append_mode` added. What this version does not do yet is refused by name: a setting that is accepted is a setting that works.
 */
import { z } from 'zod'
import { parseValue, parseYaml } from './document.ts'
import { formatDuration } from './duration.ts'
import { bootstrapServers, duration, flag, integerOrDefault } from './fields.ts'
import { formatHostPort, type HostPort } from '../net/host-port.ts'

export type PatternType = 'LITERAL' | 'PREFIX'
export type FilterType = 'INCLUDE' | 'EXCLUDE'

export interface NameFilter {
  readonly patternType: PatternType
  readonly filterType: FilterType
  /** A name, the start of names, or `*` (LITERAL only) for all. */
  readonly name: string
}

export interface LinkClientOptions {
  readonly bootstrapServers: readonly HostPort[]
  /** If set, the source must say that this is its cluster id. */
  readonly sourceClusterId: string | null
  readonly metadataMaxAgeMs: number
  readonly connectionTimeoutMs: number
  readonly retryBackoffMs: number
  readonly fetchWaitMaxMs: number
  readonly fetchMinBytes: number
  readonly fetchMaxBytes: number
  readonly fetchPartitionMaxBytes: number
}

export interface TopicSyncOptions {
  readonly intervalMs: number
  /** Stops discovery and the following of configs; copying goes on. */
  readonly paused: boolean
  readonly filters: readonly NameFilter[]
  /** Topic configs to carry over at failover besides those that always are. */
  readonly syncedProperties: readonly string[]
  /** Leaves out the configs that are carried over unless told otherwise. */
  readonly excludeDefault: boolean
}

export interface LinkConfig {
  readonly name: string
  /** `auto`: replica where the shadow cluster's controller can be reached and allows it, else produce. */
  readonly appendMode: 'auto' | 'replica' | 'produce'
  readonly clientOptions: LinkClientOptions
  readonly topicSync: TopicSyncOptions
}

export const LINK_DEFAULTS = {
  metadataMaxAgeMs: 10_000,
  connectionTimeoutMs: 1000,
  retryBackoffMs: 100,
  fetchWaitMaxMs: 500,
  // Redpanda's is 5 MiB, which makes a quiet topic wait for fetch_wait_max_ms each time.
  fetchMinBytes: 1,
  fetchMaxBytes: 8 * 1024 * 1024,
  fetchPartitionMaxBytes: 1024 * 1024,
  topicSyncIntervalMs: 30_000
} as const

/** Topics that are never shadowed: what Kafka, Redpanda and kafka-shadow itself keep in topics. */
const PROTECTED_TOPICS: readonly string[] = ['__consumer_offsets', '__transaction_state', '__share_group_state', '__cluster_metadata', '_redpanda.audit_log', '_schemas']
const PROTECTED_PREFIXES: readonly string[] = ['_redpanda', '__redpanda', '__kshadow']

const NAME = /^[A-Za-z0-9._-]{1,249}$/

/** Names that mean a place in a path: Kafka has no such topics, and a link's name is a part of URLs. */
const isDots = (name: string): boolean => name === '.' || name === '..'

/** Topic configs that say where a Redpanda topic's data is: they mean something else on another cluster (facts/redpanda-contract.md §4.1). */
const UNSYNCABLE_PROPERTIES: readonly string[] = [
  'redpanda.remote.readreplica', 'redpanda.remote.recovery', 'redpanda.remote.allowgaps', 'redpanda.virtual.cluster.id', 'redpanda.leaders.preference'
]

/** A key of `rpk shadow` that this version does not act on yet. */
function notYet (what: string): z.ZodOptional<z.ZodUndefined> {
  return z.undefined({ error: `${what} is not part of this version; leave the key out` }).optional()
}

const nameFilter = z.strictObject({
  pattern_type: z.enum(['LITERAL', 'PREFIX', 'PREFIXED'], { error: 'expected LITERAL or PREFIX' }),
  filter_type: z.enum(['INCLUDE', 'EXCLUDE'], { error: 'expected INCLUDE or EXCLUDE' }),
  name: z.string({ error: 'expected a topic name, the start of one, or *' })
}, { error: 'expected pattern_type, filter_type and name' }).transform((filter, context): NameFilter => {
  const patternType = filter.pattern_type === 'LITERAL' ? 'LITERAL' : 'PREFIX'
  const refuse = (message: string): void => context.addIssue({ code: 'custom', path: ['name'], message })
  if (filter.name === '*') {
    if (patternType === 'PREFIX') refuse('* is a LITERAL pattern')
  } else if (!NAME.test(filter.name) || isDots(filter.name)) refuse('expected 1 to 249 letters, digits, ".", "_" and "-", or exactly *')
  else if (filter.filter_type === 'INCLUDE' && isProtectedTopic(filter.name)) refuse('this topic is never shadowed')
  return { patternType, filterType: filter.filter_type, name: filter.name }
})

const clientOptions = z.strictObject({
  bootstrap_servers: bootstrapServers,
  source_cluster_id: z.string({ error: 'expected a cluster id, in quotes where it looks like a number' }).default(''),
  tls_settings: notYet('TLS to the source'),
  authentication_configuration: notYet('authentication to the source'),
  metadata_max_age_ms: integerOrDefault(100, LINK_DEFAULTS.metadataMaxAgeMs),
  connection_timeout_ms: integerOrDefault(100, LINK_DEFAULTS.connectionTimeoutMs),
  retry_backoff_ms: integerOrDefault(1, LINK_DEFAULTS.retryBackoffMs),
  fetch_wait_max_ms: integerOrDefault(1, LINK_DEFAULTS.fetchWaitMaxMs, 30_000),
  fetch_min_bytes: integerOrDefault(1, LINK_DEFAULTS.fetchMinBytes),
  fetch_max_bytes: integerOrDefault(1024, LINK_DEFAULTS.fetchMaxBytes, 64 * 1024 * 1024),
  fetch_partition_max_bytes: integerOrDefault(1024, LINK_DEFAULTS.fetchPartitionMaxBytes, 64 * 1024 * 1024)
}, { error: 'expected client_options with bootstrap_servers' }).transform((options): LinkClientOptions => ({
  bootstrapServers: options.bootstrap_servers,
  sourceClusterId: options.source_cluster_id === '' ? null : options.source_cluster_id,
  metadataMaxAgeMs: options.metadata_max_age_ms,
  connectionTimeoutMs: options.connection_timeout_ms,
  retryBackoffMs: options.retry_backoff_ms,
  fetchWaitMaxMs: options.fetch_wait_max_ms,
  fetchMinBytes: options.fetch_min_bytes,
  fetchMaxBytes: options.fetch_max_bytes,
  fetchPartitionMaxBytes: options.fetch_partition_max_bytes
}))

const needsReplicaMode = 'append_mode produce can only start at the beginning of a topic; leave the key out'

const property = z.string({ error: 'expected the name of a topic config' })
  .regex(/^[a-z][a-z0-9._-]{0,248}$/, { error: 'expected the name of a topic config, such as retention.ms' })
  .refine(name => !UNSYNCABLE_PROPERTIES.includes(name), { error: 'this topic config belongs to one cluster and is never carried over' })

const topicSync = z.strictObject({
  interval: duration(100, 86_400_000).default(LINK_DEFAULTS.topicSyncIntervalMs),
  paused: flag(false),
  auto_create_shadow_topic_filters: z.array(nameFilter, { error: 'expected a list of filters' }).default([]),
  synced_shadow_topic_properties: z.array(property, { error: 'expected a list of topic configs' }).default([]),
  exclude_default: flag(false),
  start_at_earliest: z.strictObject({}, { error: 'expected {}' }).optional(),
  start_at_latest: z.undefined({ error: needsReplicaMode }).optional(),
  start_at_timestamp: z.undefined({ error: needsReplicaMode }).optional()
}, { error: 'expected a map' }).transform((options): TopicSyncOptions => ({
  intervalMs: options.interval,
  paused: options.paused,
  filters: options.auto_create_shadow_topic_filters,
  syncedProperties: options.synced_shadow_topic_properties,
  excludeDefault: options.exclude_default
}))

const EXPECTED_LINK_NAME = 'expected 1 to 128 letters, digits, ".", "_" and "-"'

export const linkConfigSchema: z.ZodType<LinkConfig> = z.strictObject({
  name: z.string({ error: 'expected the name of the link' }).regex(/^[A-Za-z0-9._-]{1,128}$/, { error: EXPECTED_LINK_NAME })
    .refine(name => !isDots(name), { error: EXPECTED_LINK_NAME }),
  append_mode: z.enum(['auto', 'replica', 'produce'], { error: 'expected auto, replica or produce' }).default('auto'),
  client_options: clientOptions,
  topic_metadata_sync_options: z.preprocess(value => value ?? {}, topicSync),
  consumer_offset_sync_options: notYet('shadowing of consumer groups'),
  security_sync_options: notYet('the migration of ACLs'),
  schema_registry_sync_options: notYet('schema registry sync'),
  role_sync_options: notYet('the migration of roles'),
  cloud_options: notYet('Redpanda Cloud')
}, { error: 'expected a map with name and client_options' }).transform((link): LinkConfig => ({
  name: link.name,
  appendMode: link.append_mode,
  clientOptions: link.client_options,
  topicSync: link.topic_metadata_sync_options
}))

/** Reads the YAML of one link. @throws {ConfigError} */
export function parseLinkYaml (text: string, source: string): LinkConfig {
  return parseYaml(text, source, linkConfigSchema)
}

/** Reads a link from JSON: a request body or a record of the state topic. @throws {ConfigError} */
export function parseLinkDocument (value: unknown, source: string): LinkConfig {
  return parseValue(value, source, linkConfigSchema)
}

/** The document that `parseLinkDocument` reads back as this link: how links are stored and shown. */
export function linkDocument (link: LinkConfig): Record<string, unknown> {
  const { clientOptions: client, topicSync: topics } = link
  return {
    name: link.name,
    append_mode: link.appendMode,
    client_options: {
      bootstrap_servers: client.bootstrapServers.map(formatHostPort),
      source_cluster_id: client.sourceClusterId ?? '',
      metadata_max_age_ms: client.metadataMaxAgeMs,
      connection_timeout_ms: client.connectionTimeoutMs,
      retry_backoff_ms: client.retryBackoffMs,
      fetch_wait_max_ms: client.fetchWaitMaxMs,
      fetch_min_bytes: client.fetchMinBytes,
      fetch_max_bytes: client.fetchMaxBytes,
      fetch_partition_max_bytes: client.fetchPartitionMaxBytes
    },
    topic_metadata_sync_options: {
      interval: formatDuration(topics.intervalMs),
      paused: topics.paused,
      auto_create_shadow_topic_filters: topics.filters.map(filter => ({
        pattern_type: filter.patternType, filter_type: filter.filterType, name: filter.name
      })),
      synced_shadow_topic_properties: [...topics.syncedProperties],
      exclude_default: topics.excludeDefault
    }
  }
}

/** True for topics that no filter may select, whatever it says. */
export function isProtectedTopic (name: string): boolean {
  return PROTECTED_TOPICS.includes(name) || PROTECTED_PREFIXES.some(prefix => name.startsWith(prefix))
}
