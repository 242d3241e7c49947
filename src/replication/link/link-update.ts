/** What an update of a link changes, and what of it may not be: facts/redpanda-contract.md §4.4. */
import type { Cluster } from '../../client/cluster.ts'
import { linkDocument, type LinkConfig } from '../../config/link-config.ts'
import { formatHostPort } from '../../net/host-port.ts'
import { ShadowError } from '../../errors.ts'
import type { LinkRecord } from '../../state/records.ts'
import { checkSource } from './cluster-preflight.ts'

/** Keys of `client_options` that say how the source is talked to, and not where it is or who talks. */
const TUNING: ReadonlySet<string> = new Set([
  'source_cluster_id', 'metadata_max_age_ms', 'connection_timeout_ms', 'retry_backoff_ms', 'fetch_wait_max_ms', 'fetch_min_bytes', 'fetch_max_bytes', 'fetch_partition_max_bytes'
])

const CLIENT = 'client_options.'
/** What the copying that runs does not have to know. */
const NO_RECONNECTION: ReadonlySet<string> = new Set([`${CLIENT}source_cluster_id`])
/** What is known to the link's parts from their start on. */
const FROM_THE_START: readonly string[] = ['on_source_truncation', 'schema_registry_sync_options']

export interface UpdatePlan {
  /** The keys of the document that change, such as `topic_metadata_sync_options.interval`, sorted. */
  readonly changed: readonly string[]
  /** True when the link has to be stopped and started anew. */
  readonly reconnects: boolean
  /** True when the source is reached in another way than before: somebody must ask who answers there. */
  readonly movesSource: boolean
}

/** @throws {ShadowError} CONFLICT naming the key that may not change */
export function planUpdate (record: LinkRecord, after: LinkConfig): UpdatePlan {
  const { config, appendMode, sourceClusterId } = record
  const refuse = (key: string, reason: string): never => { throw new ShadowError('CONFLICT', `${key} cannot be changed: ${reason}`, { details: { key } }) }
  if (after.name !== config.name) refuse('name', `the link is ${config.name}, and the document names ${after.name}; delete the link and create another one`)
  if (after.appendMode !== 'auto' && after.appendMode !== config.appendMode && after.appendMode !== appendMode) {
    refuse('append_mode', `the link is in append mode ${appendMode}, and keeps the one that it was created with`)
  }
  const wanted = after.clientOptions.sourceClusterId
  if (wanted !== null && wanted !== sourceClusterId) {
    refuse(`${CLIENT}source_cluster_id`, `the link was made for cluster ${sourceClusterId ?? 'without an id'}, and the document says ${wanted}; a link keeps its source`)
  }
  if (after.onSourceTruncation === 'follow' && appendMode !== 'replica') {
    refuse('on_source_truncation', `what was appended in append mode ${appendMode} cannot be taken back, and follow is for append mode replica`)
  }
  const changed = differingKeys(linkDocument(config), linkDocument(after)).sort()
  const ofClient = changed.filter(key => key.startsWith(CLIENT) && !NO_RECONNECTION.has(key))
  return { changed, reconnects: ofClient.length > 0 || changed.some(key => FROM_THE_START.some(start => key === start || key.startsWith(`${start}.`))), movesSource: ofClient.some(key => !TUNING.has(key.slice(CLIENT.length))) }
}

/** Asks who answers where the source is to be from now on. @throws {ShadowError} CLUSTER_UNAVAILABLE when nobody does; CONFLICT for another cluster */
export async function checkMovedSource (record: LinkRecord, after: LinkConfig, { cluster, signal }: { readonly cluster: Cluster, readonly signal: AbortSignal }): Promise<void> {
  const { view, findings } = await checkSource(after, { cluster, scope: 'creation', signal })
  if (view !== null && view.clusterId !== record.sourceClusterId) {
    const servers = after.clientOptions.bootstrapServers.map(formatHostPort).join(', ')
    throw new ShadowError('CONFLICT', `${CLIENT}bootstrap_servers cannot be changed: at ${servers} answers cluster ${view.clusterId ?? 'without an id'}, and the link was made for cluster ${record.sourceClusterId ?? 'without an id'}; a link keeps its source`)
  }
  const refusal = findings.find(({ error }) => error !== null)?.error
  if (refusal !== undefined && refusal !== null) throw refusal
}

/** The paths of the leaves in which two documents differ; a list is one leaf. */
function differingKeys (before: unknown, after: unknown, path = ''): string[] {
  if (!isMap(before) || !isMap(after)) return JSON.stringify(before) === JSON.stringify(after) ? [] : [path]
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  return keys.flatMap(key => differingKeys(before[key], after[key], path === '' ? key : `${path}.${key}`))
}

function isMap (value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
