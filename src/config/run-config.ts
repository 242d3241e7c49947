/** The configuration of a `kshadow run` process: which parts it runs, and where they listen. */
import { isIPv4 } from 'node:net'
import { z } from 'zod'
import { parseYaml } from './document.ts'
import { bootstrapServers, duration, flag, host, hostPort, integer, listenAddress, port } from './fields.ts'
import { formatHostPort, type HostPort } from '../net/host-port.ts'
import { registryEndpoint, type RegistryEndpoint } from './link/registry-endpoint.ts'
import { linkConfigSchema, linkDocument, type LinkConfig } from './link-config.ts'
import { countNodeIds, parseNodeIds, type NodeIdRange } from './node-ids.ts'
import { refusedSecrets } from './secrets/link-secrets.ts'

export interface ShadowClusterConfig {
  readonly bootstrapServers: readonly HostPort[]
  readonly connectionTimeoutMs: number
  /** Where links that copy schemas by API copy them to; null where there is none. */
  readonly schemaRegistry: RegistryEndpoint | null
}

export interface EngineConfig {
  readonly enabled: boolean
  /** How much fetched data one link may hold. */
  readonly maxBufferedBytes: number
  /** How long an engine that died keeps others from taking over. */
  readonly sessionTimeoutMs: number
  /** Connections to each shadow broker for appends: a slow partition holds up only those that share its connection. */
  readonly appendConnections: number
}

/** The broker that the engine registers with the shadow cluster, for links in append mode replica. */
export interface ShadowLeaderConfig {
  /** Where the real brokers fetch from. */
  readonly listen: HostPort
  /** What they are told. */
  readonly advertised: HostPort
  /** The ids that it may take; the first is taken that no other broker has. */
  readonly brokerIds: readonly NodeIdRange[]
  /** The controllers; empty where the brokers are to be asked for them. */
  readonly controllers: readonly HostPort[]
  /** The listener by which the brokers reach each other; null where they have only one. */
  readonly interBrokerListener: string | null
  /** How long a failover waits for a follower that does not have all of a partition, and may yet; 0 to leave it out at once. */
  readonly followerTimeoutMs: number
}

export interface SecretsConfig {
  /** The path of the file with the keys that secrets of links are sealed with: see secrets/secret-keys.ts. Null: links take references only. */
  readonly keyFile: string | null
}

export interface SidecarConfig {
  readonly enabled: boolean
  /** The address that the listeners bind. */
  readonly listenHost: string
  /** The address that clients are told. */
  readonly advertisedHost: string
  readonly bootstrapPort: number
  /** The broker ids that get a port: the n-th id of the ranges listens at bootstrapPort + 1 + n. */
  readonly nodeIds: readonly NodeIdRange[]
  readonly maxFrameBytes: number
  /** Link state older than this is stale: then only topics known to be failed over are open. */
  readonly staleAfterMs: number
  readonly drainTimeoutMs: number
}

export interface AdminConfig {
  readonly enabled: boolean
  readonly listen: HostPort
  /** The address that others are told to reach this admin port at. */
  readonly advertised: HostPort
  /** The admin port has no authentication: it listens beyond this machine only where somebody said so. */
  readonly allowRemote: boolean
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error'

export interface RunConfig {
  readonly shadowCluster: ShadowClusterConfig
  readonly engine: EngineConfig
  /** Null: links in append mode replica are not possible. */
  readonly shadowLeader: ShadowLeaderConfig | null
  readonly secrets: SecretsConfig
  readonly sidecar: SidecarConfig
  readonly admin: AdminConfig
  /** Links to create at the start if the state topic does not have them. */
  readonly links: readonly LinkConfig[]
  readonly logLevel: LogLevel
}

export const RUN_DEFAULTS = {
  adminListen: '127.0.0.1:9644',
  bootstrapPort: 19092,
  nodeIds: '0-15',
  shadowLeaderIds: '3000-3009',
  maxBufferedBytes: 64 * 1024 * 1024,
  maxFrameBytes: 100 * 1024 * 1024
} as const

const MAX_NODE_IDS = 1000

const nodeIds = z.union([z.string(), z.number().int()], { error: 'expected ids and ranges such as "0-15" or "1-3,100"' })
  .transform((value, context): NodeIdRange[] => {
    const ranges = parseNodeIds(String(value))
    const refuse = (message: string): never => {
      context.addIssue({ code: 'custom', message })
      return z.NEVER
    }
    if (ranges === null) return refuse('expected ids and ranges that do not overlap, such as "0-15" or "1-3,100"')
    return countNodeIds(ranges) <= MAX_NODE_IDS ? ranges : refuse(`expected at most ${MAX_NODE_IDS} ids: each has a port of its own`)
  })

const shadowCluster = z.strictObject({
  bootstrap_servers: bootstrapServers,
  connection_timeout_ms: integer(100).default(5000),
  schema_registry: registryEndpoint.optional(),
  tls_settings: z.undefined({ error: 'TLS to the shadow cluster is not part of this version; leave the key out' }).optional(),
  authentication_configuration: z.undefined({ error: 'authentication to the shadow cluster is not part of this version; leave the key out' }).optional()
}, { error: 'expected shadow_cluster with bootstrap_servers' }).transform((cluster): ShadowClusterConfig => ({
  bootstrapServers: cluster.bootstrap_servers,
  connectionTimeoutMs: cluster.connection_timeout_ms,
  schemaRegistry: cluster.schema_registry ?? null
}))

const engine = z.strictObject({
  enabled: flag(true),
  max_buffered_bytes: integer(1024 * 1024).default(RUN_DEFAULTS.maxBufferedBytes),
  session_timeout: duration(1000, 300_000).default(6000),
  append_connections: integer(1, 16).default(1)
}, { error: 'expected a map' }).transform((value): EngineConfig => ({
  enabled: value.enabled,
  maxBufferedBytes: value.max_buffered_bytes,
  sessionTimeoutMs: value.session_timeout,
  appendConnections: value.append_connections
}))

const shadowLeader = z.strictObject({
  listen: hostPort,
  advertised: hostPort.optional(),
  broker_ids: z.preprocess(value => value ?? RUN_DEFAULTS.shadowLeaderIds, nodeIds),
  controllers: z.array(hostPort, { error: 'expected a list of host:port' }).default([]),
  inter_broker_listener: z.string({ error: 'expected the name of a listener' }).regex(/^[A-Za-z0-9_-]{1,100}$/, { error: 'expected the name of a listener, such as INTERNAL' }).optional(),
  follower_timeout: duration(0, 3_600_000).default(10_000)
}, { error: 'expected a map with listen' }).transform((value, context): ShadowLeaderConfig => {
  if (value.advertised === undefined && isWildcard(value.listen.host)) {
    context.addIssue({ code: 'custom', path: ['advertised'], message: `expected the host:port that the shadow brokers reach this host at, because listen is ${formatHostPort(value.listen)}` })
  }
  return {
    listen: value.listen,
    advertised: value.advertised ?? value.listen,
    brokerIds: value.broker_ids,
    controllers: value.controllers,
    interBrokerListener: value.inter_broker_listener ?? null,
    followerTimeoutMs: value.follower_timeout
  }
})

const EXPECTED_PATH = 'expected the whole path of a file, from / on'

const secrets = z.strictObject({
  key_file: z.string({ error: EXPECTED_PATH }).refine(path => path.startsWith('/'), { error: EXPECTED_PATH }).optional()
}, { error: 'expected a map with key_file' }).transform((value): SecretsConfig => ({ keyFile: value.key_file ?? null }))

const sidecar = z.strictObject({
  enabled: flag(true),
  listen_host: host.default('127.0.0.1'),
  advertised_host: host.optional(),
  bootstrap_port: port.default(RUN_DEFAULTS.bootstrapPort),
  node_ids: z.preprocess(value => value ?? RUN_DEFAULTS.nodeIds, nodeIds),
  max_frame_bytes: integer(1024 * 1024).default(RUN_DEFAULTS.maxFrameBytes),
  stale_after: duration(1000, 600_000).default(15_000),
  drain_timeout: duration(0, 600_000).default(10_000)
}, { error: 'expected a map' }).transform((value, context): SidecarConfig => {
  if (value.bootstrap_port + countNodeIds(value.node_ids) > 65535) {
    context.addIssue({ code: 'custom', path: ['bootstrap_port'], message: `expected a port that leaves room for ${countNodeIds(value.node_ids)} broker ports after it` })
  }
  // 0.0.0.0 is an address to listen at, not one to be told: a client would connect to itself.
  if (value.advertised_host === undefined && isWildcard(value.listen_host)) {
    context.addIssue({ code: 'custom', path: ['advertised_host'], message: `expected the address that clients reach this host at, because listen_host is ${value.listen_host}` })
  }
  return {
    enabled: value.enabled,
    listenHost: value.listen_host,
    advertisedHost: value.advertised_host ?? value.listen_host,
    bootstrapPort: value.bootstrap_port,
    nodeIds: value.node_ids,
    maxFrameBytes: value.max_frame_bytes,
    staleAfterMs: value.stale_after,
    drainTimeoutMs: value.drain_timeout
  }
})

const admin = z.strictObject({
  enabled: flag(true),
  listen: z.preprocess(value => value ?? RUN_DEFAULTS.adminListen, listenAddress),
  advertised: hostPort.optional(),
  allow_remote: flag(false)
}, { error: 'expected a map' }).transform((value, context): AdminConfig => {
  const { host } = value.listen
  if (!value.allow_remote && !isLoopback(host)) {
    context.addIssue({ code: 'custom', path: ['listen'], message: 'expected a loopback address such as 127.0.0.1: the admin port has no authentication. To listen there all the same, set allow_remote: true' })
  }
  if (value.advertised === undefined && isWildcard(host)) {
    context.addIssue({ code: 'custom', path: ['advertised'], message: `expected the host:port that others reach this admin port at, because it listens at ${host}` })
  }
  return { enabled: value.enabled, listen: value.listen, advertised: value.advertised ?? value.listen, allowRemote: value.allow_remote }
})

export const runConfigSchema: z.ZodType<RunConfig> = z.strictObject({
  shadow_cluster: shadowCluster,
  engine: z.preprocess(value => value ?? {}, engine),
  shadow_leader: z.preprocess(value => value ?? undefined, shadowLeader.optional()),
  secrets: z.preprocess(value => value ?? {}, secrets),
  sidecar: z.preprocess(value => value ?? {}, sidecar),
  admin: z.preprocess(value => value ?? {}, admin),
  links: z.preprocess(value => value ?? [], z.array(linkConfigSchema, { error: 'expected a list of links' })),
  log_level: z.enum(['trace', 'debug', 'info', 'warn', 'error'], { error: 'expected trace, debug, info, warn or error' }).default('info')
}, { error: 'expected a map with shadow_cluster' }).transform((run, context): RunConfig => {
  const names = run.links.map(link => link.name)
  names.forEach((name, index) => {
    if (names.indexOf(name) !== index) context.addIssue({ code: 'custom', path: ['links', index, 'name'], message: 'expected a name that no other link has' })
  })
  run.links.forEach((link, index) => {
    for (const { key, expected } of refusedSecrets(linkDocument(link), { known: null, canSeal: run.secrets.keyFile !== null })) {
      context.addIssue({ code: 'custom', path: ['links', index, ...key.split('.')], message: expected })
    }
  })
  const refuse = (path: string[], message: string): void => context.addIssue({ code: 'custom', path, message })
  if (!run.engine.enabled && !run.sidecar.enabled) refuse(['sidecar', 'enabled'], 'expected the engine or the sidecar to be enabled: there is nothing to run')
  if (!run.engine.enabled && run.shadow_leader !== undefined) refuse(['shadow_leader'], 'expected none: the engine is what leads, and engine.enabled is false')
  if (!run.engine.enabled && run.secrets.keyFile !== null) refuse(['secrets', 'key_file'], 'expected none: the engine is what seals and opens secrets, and engine.enabled is false')
  if (!run.engine.enabled && names.length > 0) refuse(['links'], 'expected none: the engine creates links, and engine.enabled is false')
  if (run.admin.enabled && run.sidecar.enabled && sharesPort(run.admin.listen, run.sidecar)) refuse(['admin', 'listen'], 'expected a port that the sidecar does not listen at')
  return {
    shadowCluster: run.shadow_cluster,
    engine: run.engine,
    shadowLeader: run.shadow_leader ?? null,
    secrets: run.secrets,
    sidecar: run.sidecar,
    admin: run.admin,
    links: run.links,
    logLevel: run.log_level
  }
})

function isWildcard (host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

/** True for addresses that only this machine reaches. */
export function isLoopback (host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
}

function sharesPort (address: HostPort, sidecar: SidecarConfig): boolean {
  const sameHost = address.host === sidecar.listenHost || isWildcard(address.host) || isWildcard(sidecar.listenHost)
  return sameHost && address.port !== 0 && address.port >= sidecar.bootstrapPort && address.port <= sidecar.bootstrapPort + countNodeIds(sidecar.nodeIds)
}

/** Reads the file of `kshadow run -c`. @throws {ConfigError} */
export function parseRunYaml (text: string, source: string): RunConfig {
  return parseYaml(text, source, runConfigSchema)
}
