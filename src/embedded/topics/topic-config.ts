/** What a topic's configuration means to the log. */
import { CODECS } from '../../../protocol/compression/codec.ts'
import { listOf, TOPIC_CONFIGS } from './config-definitions.ts'

export interface TopicConfig {
  readonly isCompacted: boolean
  readonly isDeleted: boolean
  /** The codec that batches are brought into; null: whatever the producer chose. */
  readonly compression: number | null
  readonly isLogAppendTime: boolean
  readonly maxMessageBytes: number
  readonly timestampBeforeMaxMs: number
  readonly timestampAfterMaxMs: number
  /** Infinity: for ever. */
  readonly retentionMs: number
  readonly retentionBytes: number
  readonly segmentBytes: number
  readonly minInsyncReplicas: number
}

/** The meaning of overrides that have been checked. */
export function topicConfig (overrides: ReadonlyMap<string, string>): TopicConfig {
  const text = (name: string): string => overrides.get(name) ?? TOPIC_CONFIGS.get(name)?.default ?? ''
  const number = (name: string): number => Number(text(name))
  const unlimited = (name: string): number => number(name) < 0 ? Infinity : number(name)
  const policies = listOf(text('cleanup.policy'))
  return {
    isCompacted: policies.includes('compact'),
    isDeleted: policies.includes('delete'),
    compression: compressionOf(text('compression.type')),
    isLogAppendTime: text('message.timestamp.type') === 'LogAppendTime',
    maxMessageBytes: number('max.message.bytes'),
    timestampBeforeMaxMs: number('message.timestamp.before.max.ms'),
    timestampAfterMaxMs: number('message.timestamp.after.max.ms'),
    retentionMs: unlimited('retention.ms'),
    retentionBytes: unlimited('retention.bytes'),
    segmentBytes: number('segment.bytes'),
    minInsyncReplicas: number('min.insync.replicas')
  }
}

function compressionOf (type: string): number | null {
  switch (type) {
    case 'uncompressed': return CODECS.none
    case 'gzip': return CODECS.gzip
    case 'snappy': return CODECS.snappy
    case 'lz4': return CODECS.lz4
    case 'zstd': return CODECS.zstd
    default: return null
  }
}
