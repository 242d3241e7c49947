/** A link's status as JSON: the keys of `rpk shadow status --format json` where it has them, ours beside them. */
import type { LinkStatus, PartitionStatus, TaskStatus, TopicStatus } from '../../replication/link-service.ts'
import { contactWarning } from './source-contact.ts'

export interface Sections {
  readonly overview: boolean
  readonly tasks: boolean
  readonly topics: boolean
}

export function statusJson (link: LinkStatus, { overview, tasks, topics }: Sections): Record<string, unknown> {
  return {
    ...(overview ? { overview: overviewJson(link) } : {}),
    ...(tasks ? { tasks: link.tasks.map(taskJson) } : {}),
    ...(topics ? { topics: link.topics.map(topicJson), synced_shadow_topic_properties: link.syncedShadowTopicProperties } : {})
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
    refused_configs: topic.refusedConfigs,
    partitions: topic.partitions.map(partitionJson)
  }
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
