/** `client_options`: how the source is connected to and fetched from (facts/redpanda-contract.md §4). */
import { z } from 'zod'
import { formatHostPort, type HostPort } from '../../net/host-port.ts'
import { bootstrapServers, integerOrDefault } from '../fields.ts'
import { notYet } from './not-yet.ts'

export interface LinkClientOptions {
  readonly bootstrapServers: readonly HostPort[]
  /** If set, the source must say that this is its cluster id. */
  readonly sourceClusterId: string | null
  readonly metadataMaxAgeMs: number
  readonly connectionTimeoutMs: number
  readonly retryBackoffMs: number
  readonly fetchWaitMaxMs: number
  readonly fetchMinBytes: number
  readonly fetchMaxBytes: number
  readonly fetchPartitionMaxBytes: number
}

export const CLIENT_DEFAULTS = {
  metadataMaxAgeMs: 10_000,
  connectionTimeoutMs: 1000,
  retryBackoffMs: 100,
  fetchWaitMaxMs: 500,
  // Redpanda's is 5 MiB, which makes a quiet topic wait for fetch_wait_max_ms each time.
  fetchMinBytes: 1,
  fetchMaxBytes: 8 * 1024 * 1024,
  fetchPartitionMaxBytes: 1024 * 1024
} as const

export const clientOptions = z.strictObject({
  bootstrap_servers: bootstrapServers,
  source_cluster_id: z.string({ error: 'expected a cluster id, in quotes where it looks like a number' }).default(''),
  tls_settings: notYet('TLS to the source'),
  authentication_configuration: notYet('authentication to the source'),
  metadata_max_age_ms: integerOrDefault(100, CLIENT_DEFAULTS.metadataMaxAgeMs),
  connection_timeout_ms: integerOrDefault(100, CLIENT_DEFAULTS.connectionTimeoutMs),
  retry_backoff_ms: integerOrDefault(1, CLIENT_DEFAULTS.retryBackoffMs),
  fetch_wait_max_ms: integerOrDefault(1, CLIENT_DEFAULTS.fetchWaitMaxMs, 30_000),
  fetch_min_bytes: integerOrDefault(1, CLIENT_DEFAULTS.fetchMinBytes),
  fetch_max_bytes: integerOrDefault(1024, CLIENT_DEFAULTS.fetchMaxBytes, 64 * 1024 * 1024),
  fetch_partition_max_bytes: integerOrDefault(1024, CLIENT_DEFAULTS.fetchPartitionMaxBytes, 64 * 1024 * 1024)
}, { error: 'expected client_options with bootstrap_servers' }).transform((options): LinkClientOptions => ({
  bootstrapServers: options.bootstrap_servers,
  sourceClusterId: options.source_cluster_id === '' ? null : options.source_cluster_id,
  metadataMaxAgeMs: options.metadata_max_age_ms,
  connectionTimeoutMs: options.connection_timeout_ms,
  retryBackoffMs: options.retry_backoff_ms,
  fetchWaitMaxMs: options.fetch_wait_max_ms,
  fetchMinBytes: options.fetch_min_bytes,
  fetchMaxBytes: options.fetch_max_bytes,
  fetchPartitionMaxBytes: options.fetch_partition_max_bytes
}))

export function clientOptionsDocument (client: LinkClientOptions): Record<string, unknown> {
  return {
    bootstrap_servers: client.bootstrapServers.map(formatHostPort),
    source_cluster_id: client.sourceClusterId ?? '',
    metadata_max_age_ms: client.metadataMaxAgeMs,
    connection_timeout_ms: client.connectionTimeoutMs,
    retry_backoff_ms: client.retryBackoffMs,
    fetch_wait_max_ms: client.fetchWaitMaxMs,
    fetch_min_bytes: client.fetchMinBytes,
    fetch_max_bytes: client.fetchMaxBytes,
    fetch_partition_max_bytes: client.fetchPartitionMaxBytes
  }
}
