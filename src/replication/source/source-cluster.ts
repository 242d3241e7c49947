import { Cluster } from '../../client/cluster.ts'
import type { LinkConfig } from '../../config/link-config.ts'
import type { Dial } from '../../net/dial.ts'
import type { FrameMemory } from '../../net/frame-memory.ts'
import type { Logger } from '../../observability/logger.ts'

/** A client of a link's source, by the link's own options. */
export function sourceCluster (config: LinkConfig, clientId: string, { logger, now, dial, fetchMemory }: { readonly logger: Logger, readonly now: () => number, readonly dial: Dial | undefined, readonly fetchMemory?: FrameMemory }): Cluster {
  const { bootstrapServers, connectionTimeoutMs, metadataMaxAgeMs } = config.clientOptions
  return new Cluster({ bootstrapServers, clientId, logger, connectionTimeoutMs, metadataMaxAgeMs, now, ...(dial === undefined ? {} : { dial }), ...(fetchMemory === undefined ? {} : { fetchMemory }) })
}
