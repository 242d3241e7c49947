/** What the admin port says of a link, for those who read it: the same shape as LinkStatus, checked. */
import { z } from 'zod'
import type { GroupStatus, LinkStatus, LinkUpdate, MirrorCounts, PartitionStatus, PreflightLine, RestorePlan, SchemaRegistryStatus, SchemaSyncSummary, SecurityStatus, TopicStatus, VerifyTopicReport } from '../replication/link-service.ts'
import type { PartitionRollback } from '../state/rollbacks.ts'
import { FAULT_CODES, TOPIC_STATES } from '../state/topic-state.ts'

const partition: z.ZodType<PartitionStatus> = z.object({
  partition: z.number(),
  sourceLogStartOffset: z.number().nullable(),
  sourceLastStableOffset: z.number().nullable(),
  sourceHighWatermark: z.number().nullable(),
  shadowEndOffset: z.number().nullable(),
  lagRecords: z.number().nullable(),
  lagSeconds: z.number().nullable(),
  sourceContactAgeMs: z.number().nullable(),
  activity: z.enum(['starting', 'copying', 'waiting', 'paused', 'stopped']),
  problem: z.string().nullable()
})

const rollback: z.ZodType<PartitionRollback> = z.object({
  partition: z.number(),
  at: z.string(),
  fromOffset: z.number(),
  toOffset: z.number(),
  times: z.number(),
  discarded: z.number(),
  epochs: z.array(z.object({ epoch: z.number(), startOffset: z.number() }))
})

const topic: z.ZodType<TopicStatus> = z.object({
  name: z.string(),
  topicId: z.string().nullable(),
  sourceTopicId: z.string().nullable(),
  state: z.enum(TOPIC_STATES),
  since: z.string(),
  owned: z.boolean(),
  fault: z.object({
    code: z.enum(FAULT_CODES), reason: z.string(), partition: z.number().nullable(), offset: z.number().nullable()
  }).nullable(),
  fidelity: z.enum(['exact', 'unsupported', 'unknown']),
  partitions: z.array(partition),
  startOffsets: z.array(z.number()).nullable(),
  syncedConfigs: z.record(z.string(), z.string()),
  refusedConfigs: z.record(z.string(), z.string()),
  rollbacks: z.array(rollback),
  problem: z.string().nullable()
})

const group: z.ZodType<GroupStatus> = z.object({
  name: z.string(),
  state: z.string().nullable(),
  type: z.enum(['classic', 'consumer']).nullable(),
  protocolType: z.string(),
  protocol: z.string().nullable(),
  members: z.array(z.object({ memberId: z.string(), instanceId: z.string().nullable(), clientId: z.string(), host: z.string() })).nullable(),
  isLiveOnShadow: z.boolean(),
  partitions: z.number(),
  clampedPartitions: z.number(),
  aheadPartitions: z.number(),
  waitingPartitions: z.number(),
  withoutMetadata: z.array(z.string()).default([]),
  syncedAt: z.string().nullable(),
  problem: z.string().nullable()
})

const mirrorCounts: z.ZodType<MirrorCounts> = z.object({
  wanted: z.number(), kept: z.number(), local: z.number(), vanished: z.number(), created: z.number(), changed: z.number(), deleted: z.number()
})

const security: z.ZodType<SecurityStatus> = z.object({
  acls: mirrorCounts.nullable(),
  quotas: mirrorCounts.nullable(),
  users: mirrorCounts.nullable(),
  problems: z.array(z.string()),
  problemCount: z.number(),
  syncedAt: z.string().nullable()
})

const schemaSummary: z.ZodType<SchemaSyncSummary> = z.object({
  startTime: z.string(),
  finishTime: z.string().nullable(),
  subjectVersionsChanged: z.number(),
  compatibilityConfigsChanged: z.number(),
  modesChanged: z.number(),
  unsupportedFeaturesRemoved: z.number(),
  errors: z.number()
})

const schemaRegistry: z.ZodType<SchemaRegistryStatus> = z.object({
  sourceUrl: z.string(),
  shadowUrl: z.string().nullable(),
  contexts: z.array(z.string()),
  inventory: z.object({
    selectedSourceSubjects: z.number().nullable(),
    selectedSourceSubjectVersions: z.number().nullable(),
    destinationSubjects: z.number().nullable(),
    destinationSubjectVersions: z.number().nullable()
  }),
  skippedSubjects: z.number(),
  currentSync: z.object({ syncType: z.enum(['FULL', 'TAIL']), subjectsLeft: z.number(), summary: schemaSummary }).nullable(),
  lastFullSync: schemaSummary.nullable(),
  totalsSinceTaskStart: schemaSummary,
  problems: z.array(z.object({ subject: z.string(), problem: z.string() })),
  problemCount: z.number(),
  openedAt: z.string().nullable()
})

export const linkStatusSchema: z.ZodType<LinkStatus> = z.object({
  name: z.string(),
  uid: z.string(),
  state: z.enum(['ACTIVE', 'PAUSED', 'FAILED_OVER']),
  pausedAt: z.string().nullable(),
  appendMode: z.enum(['produce', 'replica']),
  appendModeReason: z.string().nullable(),
  standbys: z.array(z.object({ brokerId: z.number(), partitions: z.number(), inSyncPartitions: z.number() })).nullable(),
  sourceClusterId: z.string().nullable(),
  createdAt: z.string(),
  configuration: z.record(z.string(), z.unknown()),
  tasks: z.array(z.object({
    name: z.string(), state: z.enum(['ACTIVE', 'PAUSED', 'LINK_UNAVAILABLE', 'NOT_RUNNING', 'FAULTED']), reason: z.string(), since: z.string()
  })),
  topics: z.array(topic),
  groups: z.array(group),
  syncedShadowTopicProperties: z.array(z.string()),
  security,
  schemaRegistry: schemaRegistry.nullable(),
  source: z.object({ reachable: z.boolean().nullable(), contactAgeMs: z.number().nullable(), problem: z.string().nullable() }),
  bufferedBytes: z.number(),
  copiedBytes: z.number()
})

export const linkUpdateSchema: z.ZodType<LinkUpdate> = z.object({ changed: z.array(z.string()), reconnects: z.boolean(), link: linkStatusSchema })

export const verifyReportSchema: z.ZodType<VerifyTopicReport> = z.object({
  topic: z.string(),
  partition: z.number(),
  replica: z.number().nullable(),
  fromOffset: z.number(),
  toOffset: z.number(),
  batches: z.number(),
  bytes: z.number(),
  difference: z.string().nullable(),
  incomplete: z.string().nullable()
})

export const preflightLineSchema: z.ZodType<PreflightLine> = z.object({
  name: z.string(),
  verdict: z.enum(['ok', 'warning', 'failed']),
  text: z.string(),
  advice: z.string().nullable()
})

export const restorePlanSchema: z.ZodType<RestorePlan> = z.object({
  topic: z.string(),
  isOtherTopic: z.boolean(),
  partitions: z.array(z.object({ partition: z.number(), fromOffset: z.number(), toOffset: z.number(), difference: z.string().nullable() }))
})
