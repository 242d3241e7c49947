import { describeBrokerConfig } from '../../../../client/admin/describe-broker-config.ts'
import type { Cluster } from '../../../../client/cluster.ts'
import { throwIfAborted } from '../../../../net/abort.ts'

export const RETENTION_CONFIG = 'offsets.retention.minutes'
const MINUTE_MS = 60_000
/** A position is committed again after this part of the time that it is kept for. */
const PARTS = 4
const LONGEST_MS = 24 * 60 * MINUTE_MS
/** Where the shadow does not tell for how long it keeps positions. */
const UNKNOWN_MS = 60 * MINUTE_MS

/**
 * How often a position on the shadow is to be committed again, in milliseconds, so that it does not expire: brokers count from the
 * last commit of a group that was never joined, and of one of KIP-848 (`offsetExpirationCondition`).
 * @throws {ShadowError} ABORTED
 */
export async function renewalIntervalMs (shadow: Cluster, { signal }: { readonly signal: AbortSignal }): Promise<number> {
  let shortest = LONGEST_MS
  for (const nodeId of (await shadow.view({ signal })).brokers.keys()) {
    try {
      const minutes = Number(await describeBrokerConfig(shadow, nodeId, RETENTION_CONFIG, { signal }) ?? NaN)
      shortest = Math.min(shortest, Number.isFinite(minutes) && minutes > 0 ? minutes * MINUTE_MS / PARTS : UNKNOWN_MS)
    } catch {
      throwIfAborted(signal)
      shortest = Math.min(shortest, UNKNOWN_MS)
    }
  }
  return shortest
}
