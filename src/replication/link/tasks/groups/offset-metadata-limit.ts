import { describeBrokerConfig } from '../../../../client/admin/describe-broker-config.ts'
import type { Cluster } from '../../../../client/cluster.ts'
import { throwIfAborted } from '../../../../net/abort.ts'

const LIMIT_CONFIG = 'offset.metadata.max.bytes'

/**
 * The longest metadata that every broker of the shadow takes with a position, in UTF-16 units, as they count it
 * (`OffsetMetadataManager`, `GroupMetadataManager`); Infinity where none tells: what is refused then shows it.
 * @throws {ShadowError} ABORTED
 */
export async function mostOffsetMetadata (shadow: Cluster, { signal }: { readonly signal: AbortSignal }): Promise<number> {
  let shortest = Infinity
  for (const nodeId of (await shadow.view({ signal })).brokers.keys()) {
    try {
      const limit = Number(await describeBrokerConfig(shadow, nodeId, LIMIT_CONFIG, { signal }) ?? NaN)
      if (Number.isFinite(limit) && limit >= 0) shortest = Math.min(shortest, limit)
    } catch {
      throwIfAborted(signal)
    }
  }
  return shortest
}
