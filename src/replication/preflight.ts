/** What must be so before a link is created. Each refusal says what was found and what to do. */
import { ApiVersions } from '../../protocol/messages/api-versions.ts'
import { CreatePartitions } from '../../protocol/messages/create-partitions.ts'
import { CreateTopics } from '../../protocol/messages/create-topics.ts'
import { DeleteRecords } from '../../protocol/messages/delete-records.ts'
import { DescribeConfigs } from '../../protocol/messages/describe-configs.ts'
import { DescribeProducers } from '../../protocol/messages/describe-producers.ts'
import { Fetch } from '../../protocol/messages/fetch.ts'
import { IncrementalAlterConfigs } from '../../protocol/messages/incremental-alter-configs.ts'
import { InitProducerId } from '../../protocol/messages/init-producer-id.ts'
import { ListOffsets } from '../../protocol/messages/list-offsets.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import type { Api } from '../../protocol/schema/api.ts'
import type { Cluster } from '../client/cluster.ts'
import type { LinkConfig } from '../config/link-config.ts'
import { formatHostPort } from '../net/host-port.ts'
import { messageOf, ShadowError } from '../errors.ts'

interface Need {
  readonly api: Api
  readonly minVersion: number
}

/** Fetch 4 is the first with record batches as they are on disk. */
const SOURCE_NEEDS: readonly Need[] = [{ api: Fetch, minVersion: 4 }, { api: ListOffsets, minVersion: 1 }, { api: DescribeConfigs, minVersion: 0 }]

/** Produce 7 is the first that takes zstd; ListOffsets 4 the first that fences leaders. */
const SHADOW_NEEDS: readonly Need[] = [
  { api: Produce, minVersion: 7 }, { api: ListOffsets, minVersion: 4 }, { api: Fetch, minVersion: 4 }, { api: CreateTopics, minVersion: 4 },
  { api: CreatePartitions, minVersion: 0 }, { api: DescribeConfigs, minVersion: 0 }, { api: IncrementalAlterConfigs, minVersion: 0 },
  { api: DeleteRecords, minVersion: 0 }, { api: InitProducerId, minVersion: 0 }, { api: DescribeProducers, minVersion: 0 }, { api: ApiVersions, minVersion: 0 }
]

export interface PreflightResult {
  readonly sourceClusterId: string | null
}

/**
 * Asks both clusters.
 * @throws {ShadowError} CLUSTER_UNAVAILABLE when one cannot be reached, CONFLICT when a link between them cannot work
 */
export async function preflight (config: LinkConfig, source: Cluster, shadow: Cluster, signal: AbortSignal): Promise<PreflightResult> {
  const servers = config.clientOptions.bootstrapServers.map(formatHostPort).join(', ')
  const sourceView = await source.refresh({ signal }).catch((error: unknown) => {
    throw new ShadowError('CLUSTER_UNAVAILABLE', `the source at ${servers} cannot be reached: ${messageOf(error)}`, { retriable: true, cause: error })
  })
  const shadowView = await shadow.refresh({ signal })
  const expected = config.clientOptions.sourceClusterId
  if (expected !== null && expected !== sourceView.clusterId) {
    throw new ShadowError('CONFLICT', `source_cluster_id is ${expected}, and the cluster at ${servers} says it is ${sourceView.clusterId ?? 'without an id'}`)
  }
  if (sourceView.clusterId !== null && sourceView.clusterId === shadowView.clusterId) {
    throw new ShadowError('CONFLICT', `the source at ${servers} is the shadow cluster itself (cluster id ${sourceView.clusterId})`)
  }
  await needs(source, SOURCE_NEEDS, 'source', signal)
  await needs(shadow, SHADOW_NEEDS, 'shadow', signal)
  return { sourceClusterId: sourceView.clusterId }
}

async function needs (cluster: Cluster, apis: readonly Need[], which: string, signal: AbortSignal): Promise<void> {
  for (const { api, minVersion } of apis) {
    const range = await cluster.versionRange(api, 'any', { signal })
    if (range === null || range.max < minVersion) {
      throw new ShadowError('CONFLICT', `the ${which} cluster does not offer ${api.name} in version ${minVersion} or newer${range === null ? '' : ` (it offers up to ${range.max})`}, which append_mode produce needs`)
    }
  }
}
