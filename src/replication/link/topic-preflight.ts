/** What a link would make of the topics that its filters select. None of it keeps a link from being created. */
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { describeTopicConfigs, type TopicConfigEntry } from '../../client/admin/describe-topic-configs.ts'
import { EARLIEST_TIMESTAMP, listOffsets } from '../../client/admin/list-offsets.ts'
import type { Cluster, ClusterView, TopicView } from '../../client/cluster.ts'
import { shadowsTopic, type LinkConfig } from '../../config/link-config.ts'
import { BrokerError } from '../../errors.ts'
import type { AppendMode } from '../../state/records.ts'
import { ok, someOf, warning, whyNot, type PreflightFinding } from './preflight-finding.ts'

export interface TopicPreflightOptions {
  readonly config: LinkConfig
  readonly source: Cluster
  readonly sourceView: ClusterView
  readonly shadowView: ClusterView
  readonly appendMode: AppendMode
  /** The name of the link that owns a topic of this name; null when none does. */
  readonly ownerOf: (topic: string) => string | null
  /** Ends when the time for it is over. */
  readonly signal: AbortSignal
}

export async function checkTopics (options: TopicPreflightOptions): Promise<PreflightFinding[]> {
  const { config, sourceView, appendMode } = options
  const selected = [...sourceView.topics.values()].filter(({ isInternal, name }) => !isInternal && shadowsTopic(config, name))
  if (selected.length === 0) {
    return [warning('topics', `the filters select none of the ${sourceView.topics.size} topics that the source shows`, 'look at auto_create_shadow_topic_filters: without an INCLUDE that matches, a topic is not shadowed; or the engine may not describe the topics (ACLs of the source)')]
  }
  const partitions = selected.reduce((sum, topic) => sum + topic.partitions.length, 0)
  const findings = [ok('topics', `${selected.length} are selected, with ${partitions} partitions: ${someOf(selected.map(({ name }) => name))}`)]
  const unreadable = selected.filter(({ errorCode }) => errorCode !== ErrorCodes.NONE).map(({ name }) => name)
  if (unreadable.length > 0) findings.push(warning('readable topics', `the source tells nothing of ${someOf(unreadable)}`, 'give the engine the rights to describe and read these topics on the source'))
  findings.push(takenNames(selected, options), replicationFactors(selected, options))
  if (appendMode === 'produce') findings.push(...await checkProducible(selected.filter(({ errorCode }) => errorCode === ErrorCodes.NONE), options))
  return findings
}

function takenNames (selected: readonly TopicView[], { config, shadowView, ownerOf }: TopicPreflightOptions): PreflightFinding {
  const name = 'topic names'
  const taken = selected.flatMap(({ name: topic }) => {
    const owner = ownerOf(topic)
    if (owner === config.name) return []
    if (owner !== null) return [`${topic} (link ${owner})`]
    const existing = shadowView.topics.get(topic)
    return existing === undefined || existing.errorCode === ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION ? [] : [topic]
  })
  if (taken.length === 0) return ok(name, 'none of them is taken on the shadow cluster')
  return warning(name, `${taken.length} are taken on the shadow cluster: ${someOf(taken)}`, 'they would be left alone, and their sources not shadowed: delete them on the shadow cluster if nobody needs them, or exclude them by a filter')
}

function replicationFactors (selected: readonly TopicView[], { config, shadowView }: TopicPreflightOptions): PreflightFinding {
  const name = 'replicas'
  const brokers = shadowView.brokers.size
  if (config.topicSync.excludeDefault) return ok(name, 'the shadow cluster\'s default replication factor counts (exclude_default)')
  const larger = selected.filter(({ partitions }) => (partitions[0]?.replicas.length ?? 1) > brokers).map(topic => `${topic.name} (${topic.partitions[0]?.replicas.length ?? 0})`)
  if (larger.length === 0) return ok(name, `the shadow cluster has ${brokers} brokers, enough for as many replicas as on the source`)
  return warning(name, `${larger.length} topics have more replicas than the shadow cluster has brokers (${brokers}): ${someOf(larger)}`, `each of them would have ${brokers} on the shadow: add brokers if that is too few`)
}

/** What a Produce request cannot carry, as far as it can be seen from outside. */
async function checkProducible (selected: readonly TopicView[], { source, signal }: TopicPreflightOptions): Promise<PreflightFinding[]> {
  const name = 'exactness'
  const replica = 'append mode replica copies them exactly; in produce they are stopped where it cannot go on'
  try {
    const configs = await describeTopicConfigs(source, selected.map(({ name: topic }) => topic), { signal })
    const rows = selected.flatMap(topic => topic.partitions.map(({ partition }) => ({ topic: topic.name, partition, timestamp: EARLIEST_TIMESTAMP })))
    const starts = await listOffsets(source, rows, { signal })
    const value = (topic: string, config: string): string => valueOf(configs.get(topic), config)
    const names = selected.map(({ name: topic }) => topic)
    const undescribed = names.filter(topic => !(configs.get(topic) instanceof Map))
    const stamped = names.filter(topic => value(topic, 'message.timestamp.type') === 'LogAppendTime')
    const compacted = names.filter(topic => value(topic, 'cleanup.policy').includes('compact'))
    const begun = [...new Set(starts.filter(({ offset }) => offset > 0).map(({ topic }) => topic))]
    const unread = [...new Set(starts.filter(({ errorCode }) => errorCode !== ErrorCodes.NONE).map(({ topic }) => topic))]
    const findings = [
      ...(undescribed.length === 0 ? [] : [warning(name, `the configs of ${someOf(undescribed)} cannot be read`, 'give the engine the right to describe the configs of these topics on the source')]),
      ...(unread.length === 0 ? [] : [warning(name, `where ${someOf(unread)} begin cannot be read`, 'give the engine the right to read these topics on the source, and see that each partition has a leader')]),
      ...(stamped.length === 0 ? [] : [warning(name, `${stamped.length} topics have LogAppendTime, which the shadow's brokers would overwrite: ${someOf(stamped)}`, replica)]),
      ...(compacted.length === 0 ? [] : [warning(name, `${compacted.length} topics are compacted, which leaves gaps: ${someOf(compacted)}`, replica)]),
      ...(begun.length === 0 ? [] : [warning(name, `${begun.length} topics no longer begin at offset 0: ${someOf(begun)}`, replica)])
    ]
    return findings.length > 0 ? findings : [ok(name, 'nothing that append mode produce could not copy is seen; whether a topic holds transactions shows only when it is copied')]
  } catch (error) {
    return [warning(name, `whether append mode produce can copy them exactly is not known: ${whyNot(error, signal)}`, 'give the command again when the source answers')]
  }
}

function valueOf (described: ReadonlyMap<string, TopicConfigEntry> | BrokerError | undefined, config: string): string {
  return described === undefined || described instanceof BrokerError ? '' : described.get(config)?.value ?? ''
}
