/** `topic_metadata_sync_options`: which topics are shadowed, and with which configs (facts/redpanda-contract.md §4). */
import { z } from 'zod'
import { formatDuration } from '../duration.ts'
import { duration, flag } from '../fields.ts'
import { filtersDocument, topicFilter, type NameFilter } from './name-filter.ts'

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

export const TOPIC_SYNC_INTERVAL_MS = 30_000

/** Topic configs that say where a Redpanda topic's data is: they mean something else on another cluster (facts/redpanda-contract.md §4.1). */
const UNSYNCABLE_PROPERTIES: readonly string[] = [
  'redpanda.remote.readreplica', 'redpanda.remote.recovery', 'redpanda.remote.allowgaps', 'redpanda.virtual.cluster.id', 'redpanda.leaders.preference'
]

const needsReplicaMode = 'append_mode produce can only start at the beginning of a topic; leave the key out'

const property = z.string({ error: 'expected the name of a topic config' })
  .regex(/^[a-z][a-z0-9._-]{0,248}$/, { error: 'expected the name of a topic config, such as retention.ms' })
  .refine(name => !UNSYNCABLE_PROPERTIES.includes(name), { error: 'this topic config belongs to one cluster and is never carried over' })

export const topicSync = z.strictObject({
  interval: duration(100, 86_400_000).default(TOPIC_SYNC_INTERVAL_MS),
  paused: flag(false),
  auto_create_shadow_topic_filters: z.array(topicFilter, { error: 'expected a list of filters' }).default([]),
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

export function topicSyncDocument (topics: TopicSyncOptions): Record<string, unknown> {
  return {
    interval: formatDuration(topics.intervalMs),
    paused: topics.paused,
    auto_create_shadow_topic_filters: filtersDocument(topics.filters),
    synced_shadow_topic_properties: [...topics.syncedProperties],
    exclude_default: topics.excludeDefault
  }
}
