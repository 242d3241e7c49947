/** What a link is configured to do, laid out as `rpk shadow describe` does (facts/redpanda-contract.md §9.3). */
import { formatDuration } from '../../config/duration.ts'
import { linkDocument, parseLinkDocument, type LinkConfig } from '../../config/link-config.ts'
import type { NameFilter } from '../../config/link/name-filter.ts'
import type { SchemaSyncOptions } from '../../config/link/schema-sync-options.ts'
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
  readonly security: boolean
  readonly schemas: boolean
}

export function describeJson (link: LinkStatus, { overview, client, topics, groups, security, schemas }: DescribeSections): Record<string, unknown> {
  const document = linkDocument(configOf(link))
  return {
    ...(overview ? { overview: { name: link.name, id: link.uid, state: link.state, append_mode: link.appendMode, append_mode_reason: link.appendModeReason, on_source_truncation: document['on_source_truncation'], created_at: link.createdAt, source_cluster_id: link.sourceClusterId } } : {}),
    ...(client ? { client_options: document['client_options'] } : {}),
    ...(topics ? { topic_metadata_sync_options: document['topic_metadata_sync_options'] } : {}),
    ...(groups ? { consumer_offset_sync_options: document['consumer_offset_sync_options'] } : {}),
    ...(security ? { security_sync_options: document['security_sync_options'] } : {}),
    ...(schemas ? { schema_registry_sync_options: document['schema_registry_sync_options'] ?? null } : {})
  }
}

export function describeText (link: LinkStatus, { overview, client, topics, groups, security, schemas }: DescribeSections): string {
  const config = configOf(link)
  return [
    ...(overview ? [formatSection('overview', overviewRows(link, config))] : []),
    ...(client ? [formatSection('client', clientRows(link, config))] : []),
    ...(topics ? [formatSection('topic sync', topicSyncRows(config))] : []),
    ...(groups ? [formatSection('consumer offset sync', groupSyncRows(config))] : []),
    ...(security ? [formatSection('security sync', securityRows(config))] : []),
    ...(schemas ? [formatSection('schema registry sync', schemaSyncRows(config.schemaSync))] : [])
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

function schemaSyncRows (schemas: SchemaSyncOptions | null): string {
  if (schemas === null) return 'Schemas are left alone.\n'
  if (schemas.mode === 'topic') return formatTable([['SHADOWING MODE', 'topic _schemas']])
  const { api } = schemas
  const all = (names: readonly string[]): string => names.length === 0 ? '-' : names.map(name => printable(name)).join(', ')
  return formatTable([
    ['SHADOWING MODE', 'API'],
    ['SOURCE URL', api.source.url],
    ['AUTHENTICATION', api.source.auth === null ? 'none' : 'basic'],
    ['TAIL INTERVAL', formatDuration(api.tailIntervalMs)],
    ['FULL SYNC INTERVAL', formatDuration(api.fullIntervalMs)],
    ['MAX SOURCE REQUESTS PER SECOND', String(api.maxRequestsPerSecond)],
    ['CONTEXTS', all(api.contexts)],
    ['SUBJECTS', all(api.subjects)],
    ['DESTINATION', api.mappings === null ? 'identity' : api.mappings.map(({ source, destination }) => `${source} to ${destination}`).join(', ')],
    ['UNSUPPORTED FEATURES', api.unsupportedFeatures],
    ['PAUSED', String(api.paused)]
  ])
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

function securityRows ({ securitySync: security }: LinkConfig): string {
  const filters = security.aclFilters.map(({ resourceType, patternType, resourceName, principal, operation, permissionType, host }) =>
    [resourceType, patternType, printable(resourceName), operation, permissionType, printable(principal), printable(host)])
  const rules = security.principalMapping.map(({ patternType, name, replacement }) =>
    `  - ${patternType.toLowerCase()} "${printable(name)}" ${replacement === null ? 'is left out' : `becomes "${printable(replacement)}"`}\n`)
  return formatTable([
    ['PAUSED', String(security.paused)],
    ['INTERVAL', formatDuration(security.intervalMs)],
    ['ACLS', String(security.syncAcls)],
    ['QUOTAS', String(security.syncQuotas)],
    ['USERS FILE', security.usersFile === null ? '-' : printable(security.usersFile)],
    ['MASS DELETION DELAY', formatDuration(security.massDeletionDelayMs)],
    ['ON LINK DELETION', security.onLinkDeletion]
  ]) + (filters.length === 0 ? 'ACL FILTERS:\n  none: all are selected\n' : `ACL FILTERS:\n${formatTable([['RESOURCE', 'PATTERN', 'NAME', 'OPERATION', 'PERMISSION', 'PRINCIPAL', 'HOST'], ...filters], { indent: '  ' })}`) +
    (rules.length === 0 ? '' : `PRINCIPAL MAPPING:\n${rules.join('')}`)
}
