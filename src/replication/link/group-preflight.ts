/** What a link would make of the consumer groups that its filters select. None of it keeps a link from being created. */
import { describeBrokerConfig } from '../../client/admin/describe-broker-config.ts'
import { groupOperations } from '../../client/admin/describe-groups.ts'
import { fetchGroupOffsets } from '../../client/admin/group-offsets.ts'
import { listGroups, OFFSETS_TOPIC, type ListedGroup } from '../../client/admin/list-groups.ts'
import type { Cluster, ClusterView } from '../../client/cluster.ts'
import { Coordinators } from '../../client/group/coordinators.ts'
import type { LinkConfig } from '../../config/link-config.ts'
import { messageOf } from '../../errors.ts'
import { ok, someOf, warning, whyNot, type PreflightFinding } from './preflight-finding.ts'
import { RETENTION_CONFIG } from './tasks/groups/offset-retention.ts'
import { describeGroups, selectedGroups } from './tasks/groups/source-groups.ts'

export interface GroupPreflightOptions {
  readonly config: LinkConfig
  readonly source: Cluster
  readonly shadow: Cluster
  readonly shadowView: ClusterView
  /** Ends when the time for it is over. */
  readonly signal: AbortSignal
}

/** So many groups are read to see whether that is possible. */
const MOST_READ = 250
/** Codes of Kafka's `AclOperation`. */
const READ = 3
const DELETE = 6
/** Kafka keeps positions for seven days by default. */
const SHORT_RETENTION_MINUTES = 24 * 60

/** Nothing for a link without group filters. */
export async function checkGroups (options: GroupPreflightOptions): Promise<PreflightFinding[]> {
  const { config: { groupSync }, signal } = options
  if (groupSync.filters.length === 0) return []
  try {
    const { findings, groups } = await ofSource(options)
    return [...findings, offsetsTopic(options.shadowView), await rights(groups, options), await retention(options)]
  } catch (error) {
    return [warning('groups', `they could not be looked at: ${whyNot(error, signal)}`, 'give the command again when both clusters answer')]
  }
}

async function ofSource ({ config: { groupSync }, source, signal }: GroupPreflightOptions): Promise<{ readonly findings: readonly PreflightFinding[], readonly groups: readonly ListedGroup[] }> {
  const { groups: listed, gaps } = await listGroups(source, { signal })
  const { groups } = selectedGroups(listed.values(), groupSync.filters)
  const findings: PreflightFinding[] = []
  // A group that may not be described is left out of a listing, and nothing tells of that.
  const rightsAdvice = 'give the engine DESCRIBE on the groups of the source (or on its cluster): brokers hide the others without a word'
  if (gaps.length > 0) findings.push(warning('groups', `not all groups of the source are known: ${someOf(gaps)}`, 'give the command again when all brokers of the source answer'))
  if (groups.length === 0) findings.push(warning('groups', `the filters select none of the ${listed.size} groups that the source shows`, `look at group_filters; or ${rightsAdvice}`))
  else findings.push(ok('groups', `${groups.length} of the ${listed.size} that the source shows are selected: ${someOf(groups.map(({ groupId }) => groupId))}; groups that the engine may not describe are not among them`))
  const sample = groups.slice(0, MOST_READ)
  const coordinators = new Coordinators(source)
  for (const { groupId, nodeId } of sample) coordinators.learn(groupId, nodeId)
  const [described, positions] = await Promise.all([
    describeGroups(source, coordinators, sample, { signal }),
    fetchGroupOffsets(source, coordinators, sample.map(({ groupId }) => groupId), { signal })
  ])
  const problems = [...described, ...positions].flatMap(([groupId, answer]) => answer instanceof Error ? [`${groupId} (${messageOf(answer)})`] : [])
  if (problems.length > 0) findings.push(warning('readable groups', `not all can be read: ${someOf(problems)}`, 'give the engine DESCRIBE on these groups and on their topics on the source'))
  else if (sample.length > 0) findings.push(ok('readable groups', `members and positions of ${sample.length === groups.length ? 'all' : `the first ${sample.length}`} can be read`))
  return { findings, groups }
}

function offsetsTopic ({ topics }: ClusterView): PreflightFinding {
  const name = 'offsets topic'
  const partitions = topics.get(OFFSETS_TOPIC)?.partitions ?? []
  // The engine is a member of a group itself: without a coordinator nobody would answer here.
  if (partitions.length === 0) return ok(name, `the shadow cluster does not show ${OFFSETS_TOPIC}; it coordinates the engine's own group`)
  const lost = partitions.filter(({ leaderId }) => leaderId < 0)
  if (lost.length > 0) return warning(name, `${lost.length} of ${partitions.length} partitions of ${OFFSETS_TOPIC} on the shadow have no leader`, 'groups of these partitions are not copied until they have one')
  return ok(name, `${OFFSETS_TOPIC} on the shadow has ${partitions.length} partitions with ${partitions[0]?.replicas.length ?? 0} replicas, each with a leader`)
}

async function rights (groups: readonly ListedGroup[], { config: { groupSync }, shadow, signal }: GroupPreflightOptions): Promise<PreflightFinding> {
  const name = 'group commits'
  const wanted = groupSync.onSourceDeletion === 'delete' ? [['READ', READ], ['DELETE', DELETE]] as const : [['READ', READ]] as const
  const names = wanted.map(([operation]) => operation).join(' and ')
  const advice = `give the engine ${names} on the groups of the shadow cluster, and READ on its topics`
  const sample = groups.slice(0, MOST_READ).map(({ groupId }) => groupId)
  if (sample.length === 0) return warning(name, 'whether the shadow takes them is not known without a group', advice)
  const answers = await groupOperations(shadow, new Coordinators(shadow), sample, { signal })
  const refused: string[] = []
  let untold: string | null = null
  for (const [groupId, answer] of answers) {
    if (answer === 'unknown') untold ??= 'its brokers do not tell what the engine may do'
    else if (answer instanceof Error) untold ??= messageOf(answer)
    else {
      const lacking = wanted.filter(([, code]) => (answer & (1 << code)) === 0).map(([operation]) => operation)
      if (lacking.length > 0) refused.push(`${groupId} (${lacking.join(', ')})`)
    }
  }
  if (refused.length > 0) return warning(name, `the engine has not the rights for ${refused.length} groups on the shadow: ${someOf(refused)}`, advice)
  if (untold !== null) return warning(name, `whether the shadow takes them shows only with the first: ${untold}`, advice)
  return ok(name, `the shadow gives the engine ${names} on the groups; READ on the topics is needed, too`)
}

async function retention ({ shadow, shadowView, signal }: GroupPreflightOptions): Promise<PreflightFinding> {
  const name = RETENTION_CONFIG
  let shortest = Infinity
  for (const nodeId of shadowView.brokers.keys()) {
    try {
      const minutes = Number(await describeBrokerConfig(shadow, nodeId, RETENTION_CONFIG, { signal }) ?? NaN)
      if (Number.isFinite(minutes)) shortest = Math.min(shortest, minutes)
    } catch (error) {
      return warning(name, `broker ${nodeId} of the shadow does not tell it: ${whyNot(error, signal)}`, 'give the engine DESCRIBE_CONFIGS on the cluster; positions are committed again every hour otherwise')
    }
  }
  if (shortest === Infinity) return warning(name, 'no broker of the shadow tells it', 'positions are committed again every hour; see that they are kept for much longer')
  if (shortest < SHORT_RETENTION_MINUTES) return warning(name, `the shadow keeps positions for ${shortest} minutes only`, 'raise it on the shadow\'s brokers: while no engine runs nobody commits positions again, and what expires then is lost for a failover')
  return ok(name, `the shadow keeps positions for ${shortest} minutes`)
}
