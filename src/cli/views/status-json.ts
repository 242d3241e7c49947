/** A link's status as JSON: the keys of `rpk shadow status --format json` where it has them, ours beside them. */
import type { GroupStatus, LinkStatus, PartitionStatus, SecurityStatus, TaskStatus, TopicStatus } from '../../replication/link-service.ts'
import type { PartitionRollback } from '../../state/rollbacks.ts'
import { groupTotals } from './group-totals.ts'
import { schemaRegistryJson } from './schema-registry-view.ts'
import { contactWarning } from './source-contact.ts'

export interface Sections {
  readonly overview: boolean
  readonly tasks: boolean
  readonly topics: boolean
  /** summary: counts, and the groups with a problem. */
  readonly groups: 'none' | 'summary' | 'all'
  readonly schemas: boolean
}

export function statusJson (link: LinkStatus, { overview, tasks, topics, groups, schemas }: Sections): Record<string, unknown> {
  return {
    ...(overview ? { overview: overviewJson(link) } : {}),
    ...(tasks ? { tasks: link.tasks.map(taskJson), security: securityJson(link.security) } : {}),
    ...(topics ? { topics: link.topics.map(topicJson), synced_shadow_topic_properties: link.syncedShadowTopicProperties } : {}),
    ...(groups === 'none' ? {} : { consumer_groups: groupsJson(link, groups) }),
    ...(schemas && link.schemaRegistry !== null ? { schema_registry: schemaRegistryJson(link.schemaRegistry) } : {})
  }
}

export function overviewJson (link: LinkStatus): Record<string, unknown> {
  return {
    name: link.name,
    id: link.uid,
    state: link.state,
    paused_at: link.pausedAt,
    append_mode: link.appendMode,
    append_mode_reason: link.appendModeReason,
    standbys: link.standbys?.map(({ brokerId, partitions, inSyncPartitions }) => ({ broker_id: brokerId, partitions, in_sync_partitions: inSyncPartitions })) ?? null,
    created_at: link.createdAt,
    source_cluster_id: link.sourceClusterId,
    source_reachable: link.source.reachable,
    source_contact_age_ms: roundMs(link.source.contactAgeMs),
    source_problem: link.source.problem,
    /** Set when what the status says of the source is not of now. */
    warning: contactWarning(link),
    buffered_bytes: link.bufferedBytes,
    copied_bytes: link.copiedBytes
  }
}

function taskJson (task: TaskStatus): Record<string, unknown> {
  return { name: task.name, state: task.state, since: task.since, reason: task.reason }
}

function groupsJson ({ groups }: LinkStatus, which: 'summary' | 'all'): Record<string, unknown> {
  const { count, members, live, ahead, partitions, oldestSyncedAt } = groupTotals(groups)
  const shown = which === 'all' ? groups : groups.filter(({ problem }) => problem !== null)
  return { count, with_members: members, live_on_shadow: live, ahead_on_shadow: ahead, partitions, oldest_synced_at: oldestSyncedAt, [which === 'all' ? 'groups' : 'problems']: shown.map(groupJson) }
}

function groupJson (group: GroupStatus): Record<string, unknown> {
  return {
    name: group.name,
    state: group.state,
    type: group.type,
    protocol_type: group.protocolType,
    protocol: group.protocol,
    members: group.members?.map(({ memberId, instanceId, clientId, host }) => ({ member_id: memberId, instance_id: instanceId, client_id: clientId, host })) ?? null,
    live_on_shadow: group.isLiveOnShadow,
    partitions: group.partitions,
    clamped_partitions: group.clampedPartitions,
    ahead_partitions: group.aheadPartitions,
    waiting_partitions: group.waitingPartitions,
    without_metadata: group.withoutMetadata,
    synced_at: group.syncedAt,
    problem: group.problem
  }
}

function securityJson ({ acls, quotas, users, problems, problemCount, syncedAt }: SecurityStatus): Record<string, unknown> {
  return { acls, quotas, users, problems, problem_count: problemCount, synced_at: syncedAt }
}

export function topicJson (topic: TopicStatus): Record<string, unknown> {
  return {
    name: topic.name,
    id: topic.topicId,
    source_id: topic.sourceTopicId,
    state: topic.state,
    since: topic.since,
    owned: topic.owned,
    fidelity: topic.fidelity,
    fault: topic.fault,
    problem: topic.problem,
    start_offsets: topic.startOffsets,
    synced_configs: topic.syncedConfigs,
    refused_configs: topic.refusedConfigs,
    rollbacks: topic.rollbacks.map(rollbackJson),
    partitions: topic.partitions.map(partitionJson)
  }
}

function rollbackJson ({ partition, at, fromOffset, toOffset, times, discarded }: PartitionRollback): Record<string, unknown> {
  return { partition_id: partition, at, from_offset: fromOffset, to_offset: toOffset, times, discarded_records: discarded }
}

function partitionJson (partition: PartitionStatus): Record<string, unknown> {
  return {
    partition_id: partition.partition,
    src_start: partition.sourceLogStartOffset,
    src_lso: partition.sourceLastStableOffset,
    src_hwm: partition.sourceHighWatermark,
    dst_hwm: partition.shadowEndOffset,
    lag: partition.lagRecords,
    lag_seconds: partition.lagSeconds,
    source_contact_age_ms: roundMs(partition.sourceContactAgeMs),
    activity: partition.activity,
    problem: partition.problem
  }
}

function roundMs (ms: number | null): number | null {
  return ms === null ? null : Math.round(ms)
}
