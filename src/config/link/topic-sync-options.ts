/** `topic_metadata_sync_options`: which topics are shadowed, and with which configs (facts/redpanda-contract.md §4). */
import { z } from 'zod'
import { formatDuration } from '../duration.ts'
import { durationOrDefault, flag } from '../fields.ts'
import { filtersDocument, topicFilter, type NameFilter } from './name-filter.ts'

/** Where the copy of a topic begins. It is decided once, when the topic is shadowed first. */
export type StartPosition =
  | { readonly at: 'earliest' }
  | { readonly at: 'latest' }
  /** With the first record of this time or later. `text` is RFC 3339, as it was given; `ms` since 1970, never below 0. */
  | { readonly at: 'timestamp', readonly ms: number, readonly text: string }

export interface TopicSyncOptions {
  readonly intervalMs: number
  /** Stops discovery and the following of configs; copying goes on. */
  readonly paused: boolean
  readonly filters: readonly NameFilter[]
  /** Topic configs to carry over at failover besides those that always are. */
  readonly syncedProperties: readonly string[]
  /** Leaves out the configs that are carried over unless told otherwise. */
  readonly excludeDefault: boolean
  readonly start: StartPosition
  /** What becomes of the shadow of a topic that the source does not have any more. Not a key of `rpk shadow`. */
  readonly onSourceDeletion: 'keep' | 'delete'
}

export const TOPIC_SYNC_INTERVAL_MS = 30_000

/** Topic configs that say where a Redpanda topic's data is: they mean something else on another cluster (facts/redpanda-contract.md §4.1). */
const UNSYNCABLE_PROPERTIES: readonly string[] = [
  'redpanda.remote.readreplica', 'redpanda.remote.recovery', 'redpanda.remote.allowgaps', 'redpanda.virtual.cluster.id', 'redpanda.leaders.preference'
]

const property = z.string({ error: 'expected the name of a topic config' })
  .regex(/^[a-z][a-z0-9._-]{0,248}$/, { error: 'expected the name of a topic config, such as retention.ms' })
  .refine(name => !UNSYNCABLE_PROPERTIES.includes(name), { error: 'this topic config belongs to one cluster and is never carried over' })

const nothing = z.strictObject({}, { error: 'expected {}' })

/** Times below 0 stand for something else in ListOffsets. */
const instant = z.iso.datetime({ offset: true, error: 'expected a time as RFC 3339 has it, such as 2026-01-31T12:00:00Z' })
  .transform(text => ({ at: 'timestamp' as const, ms: Math.max(0, Date.parse(text)), text }))

export const topicSync = z.strictObject({
  interval: durationOrDefault(TOPIC_SYNC_INTERVAL_MS),
  paused: flag(false),
  auto_create_shadow_topic_filters: z.array(topicFilter, { error: 'expected a list of filters' }).default([]),
  synced_shadow_topic_properties: z.array(property, { error: 'expected a list of topic configs' }).default([]),
  exclude_default: flag(false),
  on_source_deletion: z.enum(['keep', 'delete'], { error: 'expected keep or delete' }).default('keep'),
  start_at_earliest: nothing.optional(),
  start_at_latest: nothing.optional(),
  start_at_timestamp: instant.optional()
}, { error: 'expected a map' }).refine(options => [options.start_at_earliest, options.start_at_latest, options.start_at_timestamp].filter(given => given !== undefined).length <= 1, {
  error: 'expected one of start_at_earliest, start_at_latest and start_at_timestamp at most'
}).transform((options): TopicSyncOptions => ({
  intervalMs: options.interval,
  paused: options.paused,
  filters: options.auto_create_shadow_topic_filters,
  syncedProperties: options.synced_shadow_topic_properties,
  excludeDefault: options.exclude_default,
  start: options.start_at_timestamp ?? { at: options.start_at_latest === undefined ? 'earliest' : 'latest' },
  onSourceDeletion: options.on_source_deletion
}))

export function topicSyncDocument (topics: TopicSyncOptions): Record<string, unknown> {
  return {
    interval: formatDuration(topics.intervalMs),
    paused: topics.paused,
    auto_create_shadow_topic_filters: filtersDocument(topics.filters),
    synced_shadow_topic_properties: [...topics.syncedProperties],
    exclude_default: topics.excludeDefault,
    on_source_deletion: topics.onSourceDeletion,
    ...startDocument(topics.start)
  }
}

function startDocument (start: StartPosition): Record<string, unknown> {
  switch (start.at) {
    case 'earliest': return {}
    case 'latest': return { start_at_latest: {} }
    case 'timestamp': return { start_at_timestamp: start.text }
  }
}
