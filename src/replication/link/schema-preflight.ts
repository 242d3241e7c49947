/** What a link would make of the source's schemas. */
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { Cluster, ClusterView } from '../../client/cluster.ts'
import type { LinkConfig } from '../../config/link-config.ts'
import type { RegistryEndpoint } from '../../config/link/registry-endpoint.ts'
import { SCHEMAS_TOPIC, type SchemaApiOptions, type SchemaSyncOptions } from '../../config/link/schema-sync-options.ts'
import type { SecretLookup } from '../../config/secrets/link-secrets.ts'
import { isRetriable, ShadowError } from '../../errors.ts'
import { sleep } from '../../net/sleep.ts'
import type { Logger } from '../../observability/logger.ts'
import type { AppendMode, LinkRecord } from '../../state/records.ts'
import type { PreflightScope } from './cluster-preflight.ts'
import { failed, ok, someOf, warning, whyNot, type PreflightFinding } from './preflight-finding.ts'
import { checkOtherDirection, checkOtherLinks } from './schema-directions.ts'
import { READONLY_MODES, RegistryApi } from './tasks/schemas/registry-api.ts'
import { RegistryHttp } from './tasks/schemas/registry-http.ts'
import { RequestRate } from './tasks/schemas/request-rate.ts'
import { contextScope, formatSubject, parseSubject, SubjectMap } from './tasks/schemas/subject-name.ts'

/** Of so many subjects the newest schema is looked at. */
const SAMPLE = 20

export interface SchemaPreflightOptions {
  readonly config: LinkConfig
  readonly schemas: SchemaSyncOptions
  readonly source: Cluster
  /** Null where a cluster could not be asked. */
  readonly sourceView: ClusterView | null
  readonly shadowView: ClusterView | null
  readonly shadowRegistry: RegistryEndpoint | null
  readonly sourceRegistrySecrets: SecretLookup
  readonly otherLinks: readonly LinkRecord[]
  readonly appendMode: AppendMode
  /** The name of the link that owns a topic of this name; null when none does. */
  readonly ownerOf: (topic: string) => string | null
  readonly scope: PreflightScope
  readonly logger: Logger
  /** Ends when the time for it is over. */
  readonly signal: AbortSignal
}

export async function checkSchemas (options: SchemaPreflightOptions): Promise<PreflightFinding[]> {
  const { schemas, sourceView, shadowView } = options
  const findings = schemas.mode === 'topic' ? checkTopic(options) : await checkRegistries(schemas.api, options)
  if (sourceView === null || shadowView === null) return findings
  return [...findings, await checkOtherDirection({ ...options, sourceView, shadowView })]
}

function checkTopic ({ sourceView, shadowView, appendMode, ownerOf }: SchemaPreflightOptions): PreflightFinding[] {
  const name = 'schemas'
  const findings: PreflightFinding[] = []
  if (sourceView !== null && sourceView.topics.get(SCHEMAS_TOPIC)?.errorCode !== ErrorCodes.NONE) {
    findings.push(warning(name, `the source shows no topic ${SCHEMAS_TOPIC}`, 'the registry of the source may keep its schemas elsewhere (kafkastore.topic): shadow_schema_registry_api copies them whatever they are kept in'))
  }
  const owner = ownerOf(SCHEMAS_TOPIC)
  if (owner !== null) findings.push(failed(name, new ShadowError('CONFLICT', `link ${owner} shadows ${SCHEMAS_TOPIC} already`), 'one link only can shadow the topic of a schema registry; copy the schemas of others by shadow_schema_registry_api'))
  else if (shadowView?.topics.get(SCHEMAS_TOPIC)?.errorCode === ErrorCodes.NONE) {
    findings.push(warning(name, `the shadow cluster has a topic ${SCHEMAS_TOPIC}`, 'unless it is empty it is left alone, and the source\'s is not shadowed: stop the registry there and delete the topic, if nobody needs its schemas'))
  }
  if (appendMode === 'produce') findings.push(warning(name, `${SCHEMAS_TOPIC} is compacted, and append mode produce stops a topic at the first gap that compaction left`, 'use append mode replica, or shadow_schema_registry_api'))
  return findings.length > 0 ? findings : [ok(name, `the topic ${SCHEMAS_TOPIC} is shadowed, byte for byte`)]
}

async function checkRegistries (api: SchemaApiOptions, options: SchemaPreflightOptions): Promise<PreflightFinding[]> {
  const { config, shadowRegistry, sourceRegistrySecrets, otherLinks, scope, signal } = options
  const findings = checkOtherLinks(config, api, otherLinks)
  const name = 'shadow registry'
  if (shadowRegistry === null) {
    return [...findings, failed(name, new ShadowError('CONFLICT', 'the file of kshadow run does not say where schemas are copied to'), 'add schema_registry: {url: …} to its section shadow_cluster')]
  }
  if (shadowRegistry.url === api.source.url) {
    return [...findings, failed(name, new ShadowError('CONFLICT', `source_url is the shadow registry itself (${api.source.url})`), 'give the URL of the source\'s registry in source_url')]
  }
  const clock = { now: () => performance.now(), sleep }
  const source = new RegistryHttp(api.source, { side: 'source', rate: new RequestRate(api.maxRequestsPerSecond, clock), clock, secrets: sourceRegistrySecrets })
  const shadow = new RegistryHttp(shadowRegistry, { side: 'shadow', rate: null, clock })
  try {
    findings.push(...plainPasswords([['source', api.source], ['shadow', shadowRegistry]]))
    const map = new SubjectMap(api)
    const [ofSource, ofShadow] = await Promise.all([checkSourceRegistry(api, new RegistryApi(source), map, options), checkShadowRegistry(new RegistryApi(shadow), map, signal)])
    findings.push(...ofSource, ...ofShadow)
  } finally {
    source.close()
    shadow.close()
  }
  return scope === 'everything' ? findings : findings.filter(({ verdict }) => verdict === 'failed')
}

function plainPasswords (endpoints: ReadonlyArray<readonly [string, RegistryEndpoint]>): PreflightFinding[] {
  return endpoints.filter(([, { url, auth }]) => auth !== null && url.startsWith('http:'))
    .map(([side, { url }]) => warning(`${side} registry`, `the password goes to ${url} in clear text`, 'give an https URL'))
}

async function checkSourceRegistry (api: SchemaApiOptions, source: RegistryApi, map: SubjectMap, { scope, signal }: SchemaPreflightOptions): Promise<PreflightFinding[]> {
  const name = 'source registry'
  try {
    const selected = (await source.subjects(signal)).map(parseSubject).filter(subject => map.selects(subject))
    const skipped = selected.filter(subject => map.toShadow(subject) === null)
    const findings = [ok(name, `${source.url} answers: ${selected.length} subjects are selected`)]
    if (skipped.length > 0) findings.push(warning(name, `${skipped.length} subjects are in contexts that are mapped nowhere, and skipped: ${someOf(skipped.map(formatSubject))}`, 'add their contexts to destination.exact.mappings, or leave them out by source_filter'))
    if (scope === 'everything') findings.push(...await checkFeatures(selected.slice(0, SAMPLE).map(formatSubject), source, api, signal))
    return findings
  } catch (error) {
    return [failed(name, unavailable(`the source registry cannot be asked: ${whyNot(error, signal)}`, error), 'check source_url, auth_options and tls_settings, and that the engine\'s host can reach it')]
  }
}

/** What the newest schemas have that is not copied. */
async function checkFeatures (subjects: readonly string[], source: RegistryApi, { unsupportedFeatures }: SchemaApiOptions, signal: AbortSignal): Promise<PreflightFinding[]> {
  const found: string[] = []
  for (const subject of subjects) {
    const newest = (await source.versions(subject, { deleted: true }, signal)).at(-1)
    const schema = newest === undefined ? null : await source.version(subject, newest, signal)
    if (schema !== null && schema.unsupported.length > 0) found.push(`${subject} (${schema.unsupported.join(', ')})`)
  }
  const name = 'schema features'
  if (found.length === 0) return [ok(name, `the newest schemas of ${subjects.length} subjects have nothing that is not copied`)]
  return unsupportedFeatures === 'FAIL'
    ? [warning(name, `metadata and rules are not copied, and these have them: ${someOf(found)}`, 'such versions are left out; unsupported_schema_feature_policy: REMOVE copies them without')]
    : [warning(name, `metadata and rules are not copied, and these have them: ${someOf(found)}`, 'such versions are copied without them, as unsupported_schema_feature_policy says')]
}

async function checkShadowRegistry (shadow: RegistryApi, map: SubjectMap, signal: AbortSignal): Promise<PreflightFinding[]> {
  const name = 'shadow registry'
  try {
    const contexts = map.sourceContexts([]).flatMap(context => map.destinationOf(context) ?? [])
    const there = (await shadow.subjects(signal)).map(parseSubject).filter(subject => contexts.includes(subject.context))
    const findings = [ok(name, `${shadow.url} answers`)]
    for (const context of contexts) {
      const mode = await shadow.mode(contextScope(context), signal)
      if (mode !== null && READONLY_MODES.includes(mode)) findings.push(failed(name, new ShadowError('CONFLICT', `context ${context} of the shadow registry is ${mode}, which somebody set`), 'set it to READWRITE; the link sets it to IMPORT for as long as it shadows'))
    }
    if (there.length > 0) findings.push(warning(name, `its contexts ${contexts.join(', ')} have ${there.length} subjects already: ${someOf(there.map(formatSubject))}`, 'nobody can register schemas in these contexts while they are shadowed, and ids that both sides gave to different schemas are reported, not copied: map to an empty context, or start with an empty registry'))
    return findings
  } catch (error) {
    return [failed(name, unavailable(`the shadow registry cannot be asked: ${whyNot(error, signal)}`, error), 'check shadow_cluster.schema_registry in the file of kshadow run')]
  }
}

function unavailable (message: string, cause: unknown): ShadowError {
  return new ShadowError('REGISTRY_ERROR', message, { retriable: isRetriable(cause), cause })
}
