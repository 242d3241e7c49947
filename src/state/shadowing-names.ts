import type { AppendMode } from './records.ts'

/**
 * The topic configs that a shadow has values of its own for, by append mode: of what would harm the copy. At the failover they become
 * the source's, or where that is not carried over, the shadow cluster's defaults.
 */
export const SHADOWING_CONFIG_NAMES: Readonly<Record<AppendMode, readonly string[]>> = {
  replica: ['min.insync.replicas', 'remote.storage.enable', 'retention.bytes', 'retention.ms', 'unclean.leader.election.enable'],
  produce: [
    'cleanup.policy', 'compression.type', 'max.message.bytes', 'message.timestamp.after.max.ms', 'message.timestamp.before.max.ms',
    'message.timestamp.difference.max.ms', 'message.timestamp.type', 'retention.bytes', 'retention.ms'
  ]
}
