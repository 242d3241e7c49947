/**
 * That no two links copy schemas into each other. A schema registry gives out ids in one place only: of two sites one is its primary.
 */
import { StateFollower } from '../../state/state-follower.ts'
import { stateTopicIn } from '../../state/state-topic.ts'
import { isWritable } from '../../state/topic-state.ts'
import type { LinkState } from '../../state/link-state.ts'
import type { LinkRecord } from '../../state/records.ts'
import type { Cluster, ClusterView } from '../../client/cluster.ts'
import type { LinkConfig } from '../../config/link-config.ts'
import { SCHEMAS_TOPIC, type SchemaApiOptions, type SchemaSyncOptions } from '../../config/link/schema-sync-options.ts'
import { ShadowError } from '../../errors.ts'
import type { Logger } from '../../observability/logger.ts'
import { failed, ok, warning, whyNot, type PreflightFinding } from './preflight-finding.ts'
import { parseSubject, SubjectMap } from './tasks/schemas/subject-name.ts'

const LINE = 'schemas, other direction'

export interface DirectionOptions {
  readonly schemas: SchemaSyncOptions
  readonly source: Cluster
  readonly sourceView: ClusterView
  readonly shadowView: ClusterView
  readonly logger: Logger
  /** Ends when the time for it is over. */
  readonly signal: AbortSignal
}

/** Reads which links there are on the source cluster: it may be a shadow itself. */
export async function checkOtherDirection ({ schemas, source, sourceView, shadowView, logger, signal }: DirectionOptions): Promise<PreflightFinding> {
  try {
    if (stateTopicIn(sourceView) === null) return ok(LINE, 'the source cluster shows no state topic of kafka-shadow: it shadows nothing')
    const follower = StateFollower.start(source, { logger })
    try {
      return judge(schemas, await follower.reached(0, signal), shadowView.clusterId)
    } finally {
      await follower.stop()
    }
  } catch (error) {
    const refusal = new ShadowError('CLUSTER_UNAVAILABLE', `whether a link on the source cluster shadows schemas of this one cannot be read: ${whyNot(error, signal)}`, { retriable: true, cause: error })
    return failed(LINE, refusal, 'give the engine the right to read the topic __kshadow_links of the source cluster, and see that it has a leader')
  }
}

function judge (schemas: SchemaSyncOptions, state: LinkState, here: string | null): PreflightFinding {
  let doubt: PreflightFinding | null = null
  for (const [name, record] of state.links) {
    const theirs = record.config.schemaSync
    if (theirs === null || isOver(name, record, state)) continue
    if (here === null || record.sourceClusterId === null) {
      doubt = warning(LINE, `link ${name} on the source cluster shadows schemas, of a cluster that does not tell its id`, 'make sure that it is not this one: one site only can be the primary of schemas')
      continue
    }
    if (record.sourceClusterId !== here || !contradict(theirs, schemas)) continue
    return failed(LINE, new ShadowError('CONFLICT', `link ${name} on the source cluster shadows the schemas of this cluster: this site is their primary, and they cannot be shadowed in both directions, or neither registry could give out ids`),
      theirs.mode === 'topic'
        ? `leave schema_registry_sync_options out of this link; or make the other site the primary first, there: kshadow failover ${name} --topic ${SCHEMAS_TOPIC}`
        : 'leave schema_registry_sync_options out of this link, or give each direction contexts of its own (source_filter.contexts and destination.exact)')
  }
  return doubt ?? ok(LINE, 'no link on the source cluster shadows schemas of this one')
}

/** True for a link that no longer keeps its registry for itself. */
function isOver (name: string, { config, failedOverAt }: LinkRecord, state: LinkState): boolean {
  if (config.schemaSync?.mode === 'api') return failedOverAt !== null
  const topic = state.topicOf(name, SCHEMAS_TOPIC)
  return topic === null ? failedOverAt !== null : !topic.owned || isWritable(topic.state)
}

/** `theirs` copies from here to there, `mine` from there to here. */
function contradict (theirs: SchemaSyncOptions, mine: SchemaSyncOptions): boolean {
  if (theirs.mode === 'topic' || mine.mode === 'topic') return true
  // What was copied there must not come back, and what is copied here must not go there again.
  return overlap(copiesTo(theirs.api), copiesFrom(mine.api)) || overlap(copiesTo(mine.api), copiesFrom(theirs.api))
}

/** Refuses a second link into the same contexts of the shadow's registry: the failover of one would open what the other keeps. */
export function checkOtherLinks (config: LinkConfig, api: SchemaApiOptions, others: readonly LinkRecord[]): PreflightFinding[] {
  return others.flatMap(({ config: other, failedOverAt }) => {
    if (failedOverAt !== null || other.name === config.name || other.schemaSync?.mode !== 'api' || !overlap(copiesTo(other.schemaSync.api), copiesTo(api))) return []
    return [failed('schemas, other links', new ShadowError('CONFLICT', `link ${other.name} copies schemas into the same contexts of the shadow registry`), 'give each link contexts of its own: destination.exact')]
  })
}

/** Contexts; null for any. */
type Contexts = ReadonlySet<string> | null

function copiesFrom ({ contexts, subjects, mappings }: SchemaApiOptions): Contexts {
  const named = [...contexts, ...subjects.map(subject => parseSubject(subject).context)]
  if (named.length > 0) return new Set(named)
  return mappings === null ? null : new Set(mappings.map(({ source }) => source))
}

function copiesTo (api: SchemaApiOptions): Contexts {
  const from = copiesFrom(api)
  if (from === null) return null
  const map = new SubjectMap(api)
  return new Set([...from].flatMap(context => map.destinationOf(context) ?? []))
}

function overlap (a: Contexts, b: Contexts): boolean {
  if (a === null) return b === null || b.size > 0
  if (b === null) return a.size > 0
  return [...a].some(context => b.has(context))
}
