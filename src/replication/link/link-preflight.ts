/** All that is looked at before a link is created: each finding is a line of its own, so that none hides another. */
import type { Cluster } from '../../client/cluster.ts'
import type { LinkConfig } from '../../config/link-config.ts'
import type { RegistryEndpoint } from '../../config/link/registry-endpoint.ts'
import { nodeIdIndex, nodeIds } from '../../config/node-ids.ts'
import type { ShadowLeaderConfig, SidecarConfig } from '../../config/run-config.ts'
import type { SecretLookup } from '../../config/secrets/link-secrets.ts'
import { ShadowError } from '../../errors.ts'
import { abortedWithin, throwIfAborted } from '../../net/abort.ts'
import type { Logger } from '../../observability/logger.ts'
import type { AppendMode, LinkRecord, ShadowLeaderRecord } from '../../state/records.ts'
import { replicaPreflight } from '../append/replica/replica-preflight.ts'
import type { ShadowLeader } from '../append/replica/shadow-leader.ts'
import type { PreflightLine } from '../link-service.ts'
import { checkShadow, checkSource, compareClusters, type PreflightScope } from './cluster-preflight.ts'
import { checkGroups } from './group-preflight.ts'
import { checkLoops } from './loop-preflight.ts'
import { failed, ok, someOf, warning, type PreflightFinding } from './preflight-finding.ts'
import { checkProperties } from './property-preflight.ts'
import { checkSchemas } from './schema-preflight.ts'
import { checkSecurity } from './security-preflight.ts'
import { checkTopics } from './topic-preflight.ts'

const CLUSTER_MS = 10_000
const REPLICA_MS = 6000
const TOPICS_MS = 10_000
const GROUPS_MS = 10_000
const SECURITY_MS = 10_000
const SCHEMAS_MS = 10_000

export interface LinkPreflightOptions {
  readonly source: Cluster
  readonly shadow: Cluster
  readonly isNameTaken: boolean
  /** The name of the link that owns a topic of this name; null when none does. */
  readonly ownerOf: (topic: string) => string | null
  /** Where `kshadow run` says that schemas are copied to by API. */
  readonly shadowRegistry: RegistryEndpoint | null
  /** What opens the secrets of the source's schema registry. */
  readonly sourceRegistrySecrets: SecretLookup
  /** The links that there are on this shadow cluster. */
  readonly otherLinks: readonly LinkRecord[]
  readonly logger: Logger
  readonly shadowLeader: ShadowLeaderConfig | null
  /** Null only where there is no `shadowLeader`. Asked only where the link may come to append mode replica. */
  readonly leader: () => ShadowLeader | null
  readonly knownLeaders: ReadonlyMap<number, ShadowLeaderRecord>
  readonly sidecar: Pick<SidecarConfig, 'enabled' | 'nodeIds'>
  readonly scope: PreflightScope
  /** Ends when this engine no longer leads. */
  readonly signal: AbortSignal
}

export interface LinkPreflight {
  readonly lines: readonly PreflightLine[]
  /** What a creation is refused with: that of the first line that failed. */
  readonly refusal: ShadowError | null
  readonly sourceClusterId: string | null
  readonly appendMode: AppendMode
  /** Why `auto` did not come to replica; null where it did, or was not asked. */
  readonly appendModeReason: string | null
}

interface ModeChoice {
  readonly appendMode: AppendMode
  readonly reason: string | null
  readonly findings: readonly PreflightFinding[]
}

/** @throws {ShadowError} ABORTED */
export async function preflightLink (config: LinkConfig, options: LinkPreflightOptions): Promise<LinkPreflight> {
  const { source, shadow, scope, signal } = options
  const within = (ms: number): AbortSignal => abortedWithin(signal, ms)
  const name = nameFinding(config, options)
  if (scope === 'creation' && name.error !== null) return { lines: [name], refusal: name.error, sourceClusterId: null, appendMode: 'produce', appendModeReason: null }
  const [ofSource, ofShadow, mode, ofProperties] = await Promise.all([
    checkSource(config, { cluster: source, scope, signal: within(CLUSTER_MS) }),
    checkShadow({ cluster: shadow, scope, signal: within(CLUSTER_MS) }),
    chooseMode(config, options, within(REPLICA_MS)),
    checkProperties(config, { shadow, signal: within(CLUSTER_MS) })
  ])
  throwIfAborted(signal)
  const findings = [name, ...ofSource.findings, ...ofShadow.findings, ...compareClusters(config, ofSource.view, ofShadow.view), ...mode.findings, ...truncationFindings(config, mode), ...startFindings(config, mode), ...ofProperties]
  if (ofSource.view !== null && ofShadow.view !== null) {
    findings.push(...await checkLoops(config, { source, sourceView: ofSource.view, shadowView: ofShadow.view, logger: options.logger, signal: within(CLUSTER_MS) }))
    throwIfAborted(signal)
  }
  if (config.schemaSync !== null) {
    findings.push(...await checkSchemas({ ...options, config, schemas: config.schemaSync, sourceView: ofSource.view, shadowView: ofShadow.view, appendMode: mode.appendMode, signal: within(SCHEMAS_MS) }))
    throwIfAborted(signal)
  }
  if (scope === 'everything') {
    if (ofShadow.view !== null) findings.push(...sidecarFindings([...ofShadow.view.brokers.keys()], options))
    findings.push(...ofSource.view === null || ofShadow.view === null
      ? [warning('topics', 'not looked at, because a cluster cannot be asked', 'give the command again when both answer')]
      : await checkTopics({ config, source, sourceView: ofSource.view, shadowView: ofShadow.view, appendMode: mode.appendMode, ownerOf: options.ownerOf, signal: within(TOPICS_MS) }))
    if (ofSource.view !== null && ofShadow.view !== null) findings.push(...await checkGroups({ config, source, shadow, shadowView: ofShadow.view, signal: within(GROUPS_MS) }))
    if (ofSource.view !== null && ofShadow.view !== null) findings.push(...await checkSecurity({ config, source, shadow, signal: within(SECURITY_MS) }))
    throwIfAborted(signal)
  }
  return {
    lines: findings.map(({ name: line, verdict, text, advice }) => ({ name: line, verdict, text, advice })),
    refusal: findings.find(({ error }) => error !== null)?.error ?? null,
    sourceClusterId: ofSource.view?.clusterId ?? null,
    appendMode: mode.appendMode,
    appendModeReason: mode.reason
  }
}

function nameFinding ({ name }: LinkConfig, { isNameTaken }: LinkPreflightOptions): PreflightFinding {
  if (!isNameTaken) return ok('name', `no link is named ${name}`)
  return failed('name', new ShadowError('CONFLICT', `a link named ${name} exists already`), 'choose another name; kshadow list shows the links')
}

async function chooseMode ({ appendMode: wanted }: LinkConfig, { shadowLeader, leader, knownLeaders }: LinkPreflightOptions, signal: AbortSignal): Promise<ModeChoice> {
  const line = 'append mode'
  if (wanted === 'produce') return { appendMode: 'produce', reason: null, findings: [ok(line, 'produce, as the link says')] }
  const lines = await replicaPreflight({ leader: leader(), config: shadowLeader, known: knownLeaders, signal })
  const first = lines.find(({ verdict }) => verdict === 'failed')
  if (first === undefined) {
    const text = wanted === 'auto' ? 'auto comes to replica: every byte is exact, and nobody can write to a shadow' : 'replica, as the link says'
    return { appendMode: 'replica', reason: null, findings: [...lines.map(found => ({ ...found, error: null })), ok(line, text)] }
  }
  const reason = `${first.text}${first.advice === null ? '' : ` (${first.advice})`}`
  if (wanted === 'replica') {
    return {
      appendMode: 'replica',
      reason: null,
      findings: lines.map(found => ({ ...found, error: found.verdict === 'failed' ? new ShadowError('CONFLICT', `append mode replica is not possible: ${found.text}${found.advice === null ? '' : ` (${found.advice})`}`) : null }))
    }
  }
  // What keeps it from replica is no failure of a link that takes what there is.
  const others = lines.map((found): PreflightFinding => ({ ...found, verdict: found.verdict === 'failed' ? 'warning' : found.verdict, error: null }))
  return { appendMode: 'produce', reason, findings: [...others, warning(line, `auto comes to produce: ${first.text}`, 'produce carries what a producer can write; for all else mend what is said above, before the link is created: a link keeps its mode')] }
}

/** A log that Produce requests have written cannot be cut off. */
function truncationFindings ({ onSourceTruncation }: LinkConfig, { appendMode, findings }: ModeChoice): PreflightFinding[] {
  // What is asked for and not possible has a line of its own already.
  if (onSourceTruncation !== 'follow' || findings.some(({ error }) => error !== null)) return []
  const line = 'on_source_truncation'
  if (appendMode === 'replica') return [warning(line, 'follow: records that the source loses are thrown away on the shadow, too', 'choose fault to have the topic stopped instead, and keep them')]
  return [failed(line, new ShadowError('CONFLICT', 'on_source_truncation: follow needs append mode replica, and this link comes to produce: a log that was written by Produce requests cannot be cut off'), 'choose fault, or mend what keeps the link from append_mode replica')]
}

/** What Produce requests write begins at offset 0. */
function startFindings ({ topicSync: { start } }: LinkConfig, { appendMode, findings }: ModeChoice): PreflightFinding[] {
  if (start.at === 'earliest' || findings.some(({ error }) => error !== null)) return []
  const line = `start_at_${start.at}`
  if (appendMode === 'replica') return [ok(line, 'what the source has before that is not shadowed')]
  return [failed(line, new ShadowError('CONFLICT', `${line} needs append mode replica, and this link comes to produce: a log that Produce requests write begins at offset 0`), 'leave the key out, or mend what keeps the link from append_mode replica')]
}

/** Clients of the sidecar of this process: which brokers they are never shown, and which ports nobody is sent to. */
function sidecarFindings (brokerIds: readonly number[], { sidecar, shadowLeader }: LinkPreflightOptions): PreflightFinding[] {
  if (!sidecar.enabled) return []
  const name = 'sidecar'
  const hidden = brokerIds.filter(id => nodeIdIndex(sidecar.nodeIds, id) === null)
  const wasted = shadowLeader === null ? [] : [...nodeIds(shadowLeader.brokerIds)].filter(id => nodeIdIndex(sidecar.nodeIds, id) !== null)
  const findings = [
    ...(hidden.length === 0 ? [] : [warning(name, `brokers ${someOf(hidden.map(String))} are not in sidecar.node_ids: clients are never shown them`, 'add them to sidecar.node_ids')]),
    ...(wasted.length === 0 ? [] : [warning(name, `sidecar.node_ids has ids that the shadow leader may take (${someOf(wasted.map(String))})`, 'leave them out of sidecar.node_ids, or give shadow_leader.broker_ids others: a real broker must never have one of them')])
  ]
  return findings.length > 0 ? findings : [ok(name, 'every shadow broker has a port')]
}
