/** What a link is configured to do, laid out as `rpk shadow describe` does (facts/redpanda-contract.md §9.3). */
import { formatDuration } from '../../config/duration.ts'
import { linkDocument, parseLinkDocument, type LinkConfig } from '../../config/link-config.ts'
import type { NameFilter } from '../../config/link/name-filter.ts'
import { formatHostPort } from '../../net/host-port.ts'
import type { LinkStatus } from '../../replication/link-service.ts'
import { formatAppendMode } from './append-mode.ts'
import { printable } from './printable.ts'
import { formatSection, formatTable } from './table.ts'

export interface DescribeSections {
  readonly overview: boolean
  readonly client: boolean
  readonly topics: boolean
  readonly groups: boolean
}

export function describeJson (link: LinkStatus, { overview, client, topics, groups }: DescribeSections): Record<string, unknown> {
  const document = linkDocument(configOf(link))
  return {
    ...(overview ? { overview: { name: link.name, id: link.uid, state: link.state, append_mode: link.appendMode, append_mode_reason: link.appendModeReason, on_source_truncation: document['on_source_truncation'], created_at: link.createdAt, source_cluster_id: link.sourceClusterId } } : {}),
    ...(client ? { client_options: document['client_options'] } : {}),
    ...(topics ? { topic_metadata_sync_options: document['topic_metadata_sync_options'] } : {}),
    ...(groups ? { consumer_offset_sync_options: document['consumer_offset_sync_options'] } : {})
  }
}

export function describeText (link: LinkStatus, { overview, client, topics, groups }: DescribeSections): string {
  const config = configOf(link)
  return [
    ...(overview ? [formatSection('overview', overviewRows(link, config))] : []),
    ...(client ? [formatSection('client', clientRows(link, config))] : []),
    ...(topics ? [formatSection('topic sync', topicSyncRows(config))] : []),
    ...(groups ? [formatSection('consumer offset sync', groupSyncRows(config))] : [])
  ].join('\n')
}

/** @throws {ConfigError} when the engine is of a version with other keys */
function configOf (link: LinkStatus): LinkConfig {
  return parseLinkDocument(link.configuration, `link ${link.name}`)
}

function overviewRows (link: LinkStatus, { onSourceTruncation }: LinkConfig): string {
  return formatTable([['NAME', link.name], ['UID', link.uid], ['STATE', link.state], ['APPEND MODE', formatAppendMode(link)], ['ON SOURCE TRUNCATION', onSourceTruncation], ['CREATED AT', link.createdAt]])
}

function clientRows (link: LinkStatus, { clientOptions: client }: LinkConfig): string {
  return formatTable([
    ['CLIENT ID', `shadow-link-${link.name}-${link.uid}`],
    ['SOURCE CLUSTER ID', link.sourceClusterId ?? '-'],
    ['BOOTSTRAP SERVERS:'],
    ...client.bootstrapServers.map(server => [`  - ${formatHostPort(server)}`])
  ]) + 'CLIENT CONFIGURATION:\n' + formatTable([
    ['METADATA MAX AGE (ms)', String(client.metadataMaxAgeMs)],
    ['CONNECTION TIMEOUT (ms)', String(client.connectionTimeoutMs)],
    ['RETRY BACKOFF (ms)', String(client.retryBackoffMs)],
    ['FETCH WAIT MAX (ms)', String(client.fetchWaitMaxMs)],
    ['FETCH MIN BYTES', String(client.fetchMinBytes)],
    ['FETCH MAX BYTES', String(client.fetchMaxBytes)],
    ['FETCH PARTITION MAX BYTES', String(client.fetchPartitionMaxBytes)]
  ], { indent: '  ' })
}

function topicSyncRows ({ topicSync }: LinkConfig): string {
  const filters = filterLines(topicSync.filters)
  const properties = topicSync.syncedProperties.map(name => `  - ${printable(name)}\n`)
  return formatTable([
    ['INTERVAL', formatDuration(topicSync.intervalMs)],
    ['PAUSED', String(topicSync.paused)],
    ['START OFFSET', topicSync.start.at === 'timestamp' ? topicSync.start.text : topicSync.start.at.toUpperCase()],
    ['EXCLUDE DEFAULT', String(topicSync.excludeDefault)],
    ['ON SOURCE DELETION', topicSync.onSourceDeletion]
  ]) + `FILTERS:\n${filters.length === 0 ? '  none: no topic is selected\n' : filters.join('')}` + (properties.length === 0 ? '' : `PROPERTIES:\n${properties.join('')}`)
}

function groupSyncRows ({ groupSync }: LinkConfig): string {
  const filters = filterLines(groupSync.filters)
  return formatTable([
    ['PAUSED', String(groupSync.paused)],
    ['INTERVAL', formatDuration(groupSync.intervalMs)],
    ['ON SOURCE DELETION', groupSync.onSourceDeletion]
  ]) + `GROUP FILTERS:\n${filters.length === 0 ? '  none: no group is selected\n' : filters.join('')}`
}

function filterLines (filters: readonly NameFilter[]): string[] {
  return filters.map(({ filterType, patternType, name }) => `  - ${filterType.toLowerCase()} ${patternType.toLowerCase()} "${printable(name)}"\n`)
}
