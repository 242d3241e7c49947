import type { Cluster, ClusterView } from '../../client/cluster.ts'
import type { LinkConfig } from '../../config/link-config.ts'
import { selectsTopic } from '../../config/link/name-filter.ts'
import { messageOf, ShadowError } from '../../errors.ts'
import type { Logger } from '../../observability/logger.ts'
import type { LinkState } from '../../state/link-state.ts'
import { failed, ok, someOf, warning, type PreflightFinding } from './preflight-finding.ts'
import { isCircle, loopReason, SourceLinks } from './source-links.ts'

export interface LoopPreflightOptions {
  readonly source: Cluster
  readonly sourceView: ClusterView
  readonly shadowView: ClusterView
  readonly logger: Logger
  readonly signal: AbortSignal
}

/** That no topic which the link would shadow is a shadow of this cluster itself. Nothing to say of a source that has no links. */
export async function checkLoops ({ topicSync: { filters } }: LinkConfig, { source, sourceView, shadowView, logger, signal }: LoopPreflightOptions): Promise<PreflightFinding[]> {
  const name = 'loops'
  const ending = new AbortController()
  const sourceLinks = new SourceLinks(source, { logger, signal: AbortSignal.any([signal, ending.signal]) })
  let links: LinkState | null
  try {
    links = await sourceLinks.current(sourceView)
  } catch (error) {
    const refusal = error instanceof ShadowError ? error : new ShadowError('CLUSTER_UNAVAILABLE', messageOf(error), { retriable: true, cause: error })
    return [failed(name, refusal, 'give the engine the right to read the state topic of the source, so that it can tell which topics there are shadows of this cluster')]
  } finally {
    ending.abort()
    await sourceLinks.stopped()
  }
  if (links === null) return []
  const question = { links, shadowClusterId: shadowView.clusterId, filters }
  const loops = [...sourceView.topics.values()].filter(({ isInternal, name: topic }) => !isInternal && selectsTopic(filters, topic) && loopReason(topic, question) !== null).map(({ name: topic }) => topic)
  const circles = loops.filter(topic => isCircle(topic, question))
  if (circles.length > 0) {
    const refusal = new ShadowError('CONFLICT', `the filters select ${circles.length} topics that are shadows of this cluster's own on the source, and would be copied in a circle: ${someOf(circles)}`)
    return [failed(name, refusal, 'give the two directions filters that have no topic in common, such as different prefixes, or exclude these topics')]
  }
  if (loops.length > 0) return [warning(name, `${loops.length} topics were shadows of this cluster until they were opened on the source: ${someOf(loops)}; they are not shadowed back`, 'to have one shadowed back on purpose, name it by a LITERAL filter')]
  return [ok(name, 'the source has links of its own, and none of the selected topics is a shadow of this cluster')]
}
