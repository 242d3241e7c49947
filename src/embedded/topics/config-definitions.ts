/**
 * The configuration that topics have: names, types, defaults and what values are allowed.
 * Source: org.apache.kafka.storage.internals.log.LogConfig and the server names in ServerTopicConfigSynonyms (4.1).
 */

/** The numbers that DescribeConfigs has for types. */
export const CONFIG_TYPES = { boolean: 1, string: 2, int: 3, long: 5, double: 6, list: 7 } as const

export type ConfigType = keyof typeof CONFIG_TYPES

export interface ConfigDefinition {
  readonly name: string
  readonly type: ConfigType
  readonly default: string
  /** The broker's setting that the default comes from. */
  readonly serverName: string
  readonly min?: number
  readonly max?: number
  readonly oneOf?: readonly string[]
}

const MAX_LONG = '9223372036854775807'
const MAX_INT = 2147483647

export const TOPIC_CONFIGS: ReadonlyMap<string, ConfigDefinition> = new Map(([
  { name: 'cleanup.policy', type: 'list', default: 'delete', serverName: 'log.cleanup.policy', oneOf: ['compact', 'delete'] },
  { name: 'compression.gzip.level', type: 'int', default: '-1', serverName: 'compression.gzip.level', min: -1, max: 9 },
  { name: 'compression.lz4.level', type: 'int', default: '9', serverName: 'compression.lz4.level', min: 1, max: 17 },
  { name: 'compression.type', type: 'string', default: 'producer', serverName: 'compression.type', oneOf: ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'] },
  { name: 'compression.zstd.level', type: 'int', default: '3', serverName: 'compression.zstd.level', min: -131072, max: 22 },
  { name: 'delete.retention.ms', type: 'long', default: '86400000', serverName: 'log.cleaner.delete.retention.ms', min: 0 },
  { name: 'file.delete.delay.ms', type: 'long', default: '60000', serverName: 'log.segment.delete.delay.ms', min: 0 },
  { name: 'flush.messages', type: 'long', default: MAX_LONG, serverName: 'log.flush.interval.messages', min: 1 },
  { name: 'flush.ms', type: 'long', default: MAX_LONG, serverName: 'log.flush.interval.ms', min: 0 },
  { name: 'follower.replication.throttled.replicas', type: 'list', default: '', serverName: 'follower.replication.throttled.replicas' },
  { name: 'index.interval.bytes', type: 'int', default: '4096', serverName: 'log.index.interval.bytes', min: 0 },
  { name: 'leader.replication.throttled.replicas', type: 'list', default: '', serverName: 'leader.replication.throttled.replicas' },
  { name: 'local.retention.bytes', type: 'long', default: '-2', serverName: 'log.local.retention.bytes', min: -2 },
  { name: 'local.retention.ms', type: 'long', default: '-2', serverName: 'log.local.retention.ms', min: -2 },
  { name: 'max.compaction.lag.ms', type: 'long', default: MAX_LONG, serverName: 'log.cleaner.max.compaction.lag.ms', min: 1 },
  { name: 'max.message.bytes', type: 'int', default: '1048588', serverName: 'message.max.bytes', min: 0 },
  { name: 'message.timestamp.after.max.ms', type: 'long', default: '3600000', serverName: 'log.message.timestamp.after.max.ms', min: 0 },
  { name: 'message.timestamp.before.max.ms', type: 'long', default: MAX_LONG, serverName: 'log.message.timestamp.before.max.ms', min: 0 },
  { name: 'message.timestamp.type', type: 'string', default: 'CreateTime', serverName: 'log.message.timestamp.type', oneOf: ['CreateTime', 'LogAppendTime'] },
  { name: 'min.cleanable.dirty.ratio', type: 'double', default: '0.5', serverName: 'log.cleaner.min.cleanable.ratio', min: 0, max: 1 },
  { name: 'min.compaction.lag.ms', type: 'long', default: '0', serverName: 'log.cleaner.min.compaction.lag.ms', min: 0 },
  { name: 'min.insync.replicas', type: 'int', default: '1', serverName: 'min.insync.replicas', min: 1 },
  { name: 'preallocate', type: 'boolean', default: 'false', serverName: 'log.preallocate' },
  { name: 'remote.log.copy.disable', type: 'boolean', default: 'false', serverName: 'remote.log.copy.disable' },
  { name: 'remote.log.delete.on.disable', type: 'boolean', default: 'false', serverName: 'remote.log.delete.on.disable' },
  { name: 'remote.storage.enable', type: 'boolean', default: 'false', serverName: 'remote.storage.enable' },
  { name: 'retention.bytes', type: 'long', default: '-1', serverName: 'log.retention.bytes' },
  { name: 'retention.ms', type: 'long', default: '604800000', serverName: 'log.retention.ms', min: -1 },
  { name: 'segment.bytes', type: 'int', default: '1073741824', serverName: 'log.segment.bytes', min: 14 },
  { name: 'segment.index.bytes', type: 'int', default: '10485760', serverName: 'log.index.size.max.bytes', min: 4 },
  { name: 'segment.jitter.ms', type: 'long', default: '0', serverName: 'log.roll.jitter.ms', min: 0 },
  { name: 'segment.ms', type: 'long', default: '604800000', serverName: 'log.roll.ms', min: 1 },
  { name: 'unclean.leader.election.enable', type: 'boolean', default: 'false', serverName: 'unclean.leader.election.enable' }
] satisfies readonly ConfigDefinition[]).map(definition => [definition.name, definition]))

/** Null when a topic may have this value, else what is wrong with it, in Kafka's words. */
export function configProblem (name: string, value: string | null): string | null {
  const definition = TOPIC_CONFIGS.get(name)
  if (definition === undefined) return `Unknown topic config name: ${name}`
  if (value === null) return `Null value not supported for topic configs: ${name}`
  const invalid = (why: string): string => `Invalid value ${value} for configuration ${name}: ${why}`
  switch (definition.type) {
    case 'boolean':
      return /^(true|false)$/i.test(value.trim()) ? null : invalid('Expected value to be either true or false')
    case 'string':
      return definition.oneOf?.includes(value) === false ? invalid(`String must be one of: ${definition.oneOf.join(', ')}`) : null
    case 'list': {
      const unknown = listOf(value).find(item => definition.oneOf?.includes(item) === false)
      return unknown === undefined ? null : invalid(`String must be one of: ${(definition.oneOf ?? []).join(', ')}`)
    }
    case 'int':
    case 'long':
    case 'double':
      return numberProblem(definition, value, invalid)
  }
}

function numberProblem ({ type, min = -Infinity, max = Infinity }: ConfigDefinition, value: string, invalid: (why: string) => string): string | null {
  if (type === 'double') {
    const number = value.trim() === '' ? NaN : Number(value)
    if (Number.isNaN(number)) return invalid('Not a number of type DOUBLE')
    return number < min || number > max ? invalid(`Value must be between ${min} and ${max}`) : null
  }
  const isInt = type === 'int'
  if (!/^[+-]?\d+$/.test(value.trim())) return invalid(`Not a number of type ${isInt ? 'INT' : 'LONG'}`)
  const number = BigInt(value.trim())
  const limit = isInt ? BigInt(MAX_INT) : BigInt(MAX_LONG)
  if (number > limit || number < -limit - 1n) return invalid(`Not a number of type ${isInt ? 'INT' : 'LONG'}`)
  if (Number(number) < min) return invalid(`Value must be at least ${min}`)
  return Number(number) > max ? invalid(`Value must be no more than ${max}`) : null
}

/** The items of a value of type list. */
export function listOf (value: string): string[] {
  return value.split(',').map(item => item.trim()).filter(item => item !== '')
}
