/**
 * Which configs a shadow topic has: while it is a shadow, those that make the broker leave the bytes alone; afterwards, the source's.
 * The three classes of what is carried over are Redpanda's (facts/redpanda-contract.md §7.2).
 */
import type { TopicConfigEntry } from '../../../../client/admin/describe-topic-configs.ts'
import type { TopicSyncOptions } from '../../../../config/link/topic-sync-options.ts'

/** Carried over whatever the link says. */
const ALWAYS_CARRIED: readonly string[] = ['cleanup.policy', 'max.message.bytes', 'message.timestamp.type']

/** Carried over unless the link says `exclude_default`. The replication factor, which is no config, belongs to them. */
const CARRIED_BY_DEFAULT: readonly string[] = [
  'compression.type', 'delete.retention.ms', 'max.compaction.lag.ms', 'min.compaction.lag.ms', 'retention.bytes', 'retention.ms'
]

/** What Apache Kafka and Redpanda have under different names: how much of a log in tiered storage is kept on the brokers. */
const COUNTERPARTS: ReadonlyMap<string, string> = new Map([
  ['local.retention.bytes', 'retention.local.target.bytes'], ['local.retention.ms', 'retention.local.target.ms'],
  ['retention.local.target.bytes', 'local.retention.bytes'], ['retention.local.target.ms', 'local.retention.ms']
])

const ANY_TIME = '9223372036854775807'

/** What a broker accepts in one request by default is 100 MiB (`socket.request.max.bytes`): a batch must fit with room to spare. */
const MAX_BATCH_BYTES = 96 * 1024 * 1024

/** The names of the configs that a link carries over, sorted. */
export function carriedNames (options: TopicSyncOptions): string[] {
  return [...new Set([...ALWAYS_CARRIED, ...(options.excludeDefault ? [] : CARRIED_BY_DEFAULT), ...options.syncedProperties])].sort()
}

/** What the shadow cluster calls a topic config; null where it has none like it. `supported` are the names that it knows. */
export function nameOnShadow (name: string, supported: { has (name: string): boolean }): string | null {
  if (supported.has(name)) return name
  const counterpart = COUNTERPARTS.get(name)
  return counterpart !== undefined && supported.has(counterpart) ? counterpart : null
}

/** What to ask the source for, whichever of two names it has for a config. */
export function askedNames (options: TopicSyncOptions): string[] {
  return carriedNames(options).flatMap(name => [name, COUNTERPARTS.get(name)].filter(asked => asked !== undefined))
}

/**
 * The source's values of what is carried over, by the names that the shadow cluster has for them: effective ones, also where they come
 * from a default of its brokers. `supported` are the names that the shadow cluster knows.
 */
export function carriedConfigs (source: ReadonlyMap<string, TopicConfigEntry>, options: TopicSyncOptions, supported: ReadonlySet<string>): Record<string, string> {
  const configs: Record<string, string> = {}
  for (const name of carriedNames(options)) {
    const value = (source.get(name) ?? source.get(COUNTERPARTS.get(name) ?? ''))?.value
    // One that the shadow cluster does not know is refused at the failover, and told of then.
    if (value !== undefined && value !== null) configs[nameOnShadow(name, supported) ?? name] = value
  }
  return configs
}

/**
 * The configs of a topic while it is a shadow: nothing is deleted, compacted, recompressed or stamped by the broker, and no batch
 * is too old, too new or too large. `supported` are the names that the shadow cluster knows.
 */
export function shadowingConfigs (carried: Readonly<Record<string, string>>, supported: ReadonlySet<string>): Record<string, string> {
  // Kafka 3.6 replaced the one window by two (KIP-937).
  const windows = supported.has('message.timestamp.before.max.ms')
    ? { 'message.timestamp.before.max.ms': ANY_TIME, 'message.timestamp.after.max.ms': ANY_TIME }
    : { 'message.timestamp.difference.max.ms': ANY_TIME }
  const configs: Record<string, string> = {
    // DeleteRecords, which moves the log start along with the source's, needs `delete`.
    'cleanup.policy': 'delete',
    'retention.ms': '-1',
    'retention.bytes': '-1',
    'compression.type': 'producer',
    'message.timestamp.type': 'CreateTime',
    // The source may have taken larger batches before its limit was lowered.
    'max.message.bytes': String(Math.max(MAX_BATCH_BYTES, Number(carried['max.message.bytes'] ?? 0))),
    ...windows
  }
  return Object.fromEntries(Object.entries(configs).filter(([name]) => supported.has(name)))
}

/** What to change at failover: the source's values, and the cluster's defaults for what was set for shadowing only. */
export function failoverConfigs (carried: Readonly<Record<string, string>>, shadowing: Readonly<Record<string, string>>): Map<string, string | null> {
  const changes = new Map<string, string | null>(Object.keys(shadowing).map(name => [name, null]))
  for (const [name, value] of Object.entries(carried)) changes.set(name, value)
  return changes
}

/** What somebody changed of the configs that a shadow topic must have, and the values to set again. */
export function driftOf (actual: ReadonlyMap<string, TopicConfigEntry>, wanted: Readonly<Record<string, string>>): Map<string, string> {
  const drift = new Map<string, string>()
  for (const [name, value] of Object.entries(wanted)) {
    const entry = actual.get(name)
    if (entry === undefined || entry.value === value) continue
    // A larger limit harms nothing: it may have been raised for a batch.
    if (name === 'max.message.bytes' && Number(entry.value) >= Number(value)) continue
    drift.set(name, value)
  }
  return drift
}
