/**
 * What the state topic holds: JSON records by key, the newest of each key counting.
 *
 *   engine                 who leads the links, and its epoch
 *   link/NAME              the configuration of a link
 *   deletion/NAME          that a link of this name was deleted: configuration files do not bring it back
 *   topic/LINK/TOPIC       the state of one shadow topic
 *   security/LINK/ID       an ACL, a quota or a SCRAM user that a link has added to the shadow cluster, or is about to
 *   schema-registry/LINK   what the link did to the schema registry as a whole
 *   schema-subject/LINK/SUBJECT   what it did to one subject there; the subject's name is percent-encoded
 *   audit/SLOT             who ordered what: see audit-record.ts
 *   shadow-leader/ID       the broker that engines register with the shadow cluster, in append mode replica
 *   groups/LINK/SHARD      which positions of consumer groups the link has committed: see group-claims.ts
 *   groups-settled/LINK    which of them count
 *
 * A record with no value removes its key. Every record carries the epoch of the engine that wrote it, in its value or, without
 * one, in a header: see link-state.ts.
 */
import { z } from 'zod'
import type { AclBinding } from '../client/admin/acl.ts'
import type { QuotaEntity } from '../client/admin/client-quota.ts'
import type { ScramMechanism } from '../client/admin/scram-credential.ts'
import { parseValue } from '../config/document.ts'
import { linkConfigSchema, linkDocument, type LinkConfig } from '../config/link-config.ts'
import { plainSecretsOf } from '../config/secrets/secret-fields.ts'
import { ShadowError } from '../errors.ts'
import { auditSchema, type AuditRecord } from './audit-record.ts'
import { groupShardSchema, settledRoundSchema, type GroupShardRecord, type SettledRoundRecord } from './group-claims.ts'
import type { PartitionRollback } from './rollbacks.ts'
import { FAULT_CODES, TOPIC_STATES, type TopicFault, type TopicState } from './topic-state.ts'

/** The version of this layout. A reader that meets a newer one must not guess. */
export const SCHEMA_VERSION = 1

export interface EngineRecord {
  /** Rises by one with every engine that takes over. */
  readonly epoch: number
  readonly instance: string
  /** Where its admin port is, for those who ask another engine. */
  readonly adminAddress: string | null
  readonly since: string
  /** What the state topic lost of the records of engines up to this epoch was written again; 0 where nothing was ever lost (state-loss.ts). */
  readonly restoredEpoch: number
}

/** How records land on the shadow (DESIGN.md §4): what `append_mode` came to when the link was created. */
export type AppendMode = 'produce' | 'replica'

export interface LinkRecord {
  readonly uid: string
  readonly config: LinkConfig
  readonly appendMode: AppendMode
  /** Why `append_mode: auto` did not come to replica; null where that was not asked, or it did. */
  readonly appendModeReason: string | null
  /** The cluster id that the source gave when the link was created. */
  readonly sourceClusterId: string | null
  readonly createdAt: string
  /** When a failover of the whole link was asked for; nothing new is shadowed from then on. Null before. */
  readonly failedOverAt: string | null
  /** When a promotion of the whole link was asked for. Topics that are new on the source are shadowed, and promoted, until all is level. Null before. */
  readonly promotingAt: string | null
  /** When the whole link was paused; null while it is not. */
  readonly pausedAt: string | null
  /** In append mode replica: no batch with a producer id above this one was given to a follower. -1: none with any. */
  readonly highestProducerId: number
}

/** A link of this name was deleted, and none was created since. */
export interface DeletionRecord {
  readonly at: string
}

/** What a broker id is to the controller: whoever registers with it goes on as the same broker. */
export interface ShadowLeaderRecord {
  readonly brokerId: number
  readonly incarnationId: string
  readonly logDirId: string
  readonly since: string
  /** Where the engine that it was last given to is reached by the other brokers, `host:port`; null where no engine has said. */
  readonly address: string | null
  /** The process that may speak for this broker; null where it is not known, and where nobody may any more. */
  readonly instance: string | null
}

export interface TopicRecord {
  readonly link: string
  readonly topic: string
  readonly state: TopicState
  /** When the state was entered. */
  readonly since: string
  /** False for a topic that was there before the link and is none of its business: it is reported, and stays writable. */
  readonly owned: boolean
  readonly sourceTopicId: string | null
  /** False while the topic is claimed, but has not been created on the shadow cluster. */
  readonly created: boolean
  /** Null before, and on clusters that have no topic ids. */
  readonly shadowTopicId: string | null
  readonly partitions: number
  /** In append mode replica: how many real brokers are to hold each partition; null where that was not recorded. */
  readonly replicationFactor: number | null
  /**
   * In append mode replica: the offset that the copy of each partition begins at, where the link did not begin with all that the source
   * has. Partitions that were added later are not in it: they begin with all. Null: all do.
   */
  readonly startOffsets: readonly number[] | null
  /** The topic configs to set at failover: the source's. */
  readonly configs: Readonly<Record<string, string>>
  readonly fault: TopicFault | null
  /** True once a promotion may have handed partitions over to real leaders: there is no way back from there. */
  readonly handingOver: boolean
  /** True for a topic that was PAUSED with its whole link, and is to go on with it. */
  readonly pausedWithLink: boolean
  /** Where each partition ended when it was failed over. */
  readonly endOffsets: readonly number[] | null
  /** Configs of the source that the shadow cluster refused, with its reasons. */
  readonly refusedConfigs: Readonly<Record<string, string>>
  /** In append mode replica: the partitions that were rolled back because their source did not have what they had, one row each. */
  readonly rollbacks: readonly PartitionRollback[]
}

/** Which of the shadow cluster's ACLs, quotas and users are a link's. It is written before the thing itself is added; no secret is in it. */
export type SecurityGrant =
  | { readonly type: 'acl', readonly acl: AclBinding }
  | { readonly type: 'quota', readonly entity: QuotaEntity, readonly key: string }
  /** `salt` in base64: an engine that takes over makes the same credential of the same password. */
  | { readonly type: 'user', readonly user: string, readonly mechanism: ScramMechanism, readonly salt: string }

export type SecurityRecord = SecurityGrant & {
  readonly link: string
  /** The same for the same thing. */
  readonly id: string
  readonly since: string
}

/** What a link that copies schemas by API did to the shadow's registry as a whole. */
export interface SchemaRegistryRecord {
  readonly link: string
  /** The contexts of the shadow that it put in mode IMPORT. */
  readonly contexts: readonly string[]
  /** When they were given back, and the link stopped touching the registry; null before. */
  readonly openedAt: string | null
}

/** What it did to one subject: written before it is done. */
export interface SchemaSubjectRecord {
  readonly link: string
  /** Its name on the shadow. */
  readonly subject: string
  /** Each version that it registered, with its id: what has another id by now is somebody else's. */
  readonly versions: ReadonlyArray<readonly [version: number, id: number]>
  /** It gave the subject a compatibility of its own. */
  readonly compatibility: boolean
  /** The mode that the subject has of its own on the source, set when the registry is given back; null where it has none. */
  readonly mode: string | null
}

export type StateChange =
  | { readonly kind: 'engine', readonly value: EngineRecord | null }
  | { readonly kind: 'link', readonly name: string, readonly value: LinkRecord | null }
  | { readonly kind: 'deletion', readonly name: string, readonly value: DeletionRecord | null }
  | { readonly kind: 'security', readonly link: string, readonly id: string, readonly value: SecurityRecord | null }
  | { readonly kind: 'shadow-leader', readonly brokerId: number, readonly value: ShadowLeaderRecord | null }
  | { readonly kind: 'schema-registry', readonly link: string, readonly value: SchemaRegistryRecord | null }
  | { readonly kind: 'schema-subject', readonly link: string, readonly subject: string, readonly value: SchemaSubjectRecord | null }
  | { readonly kind: 'audit', readonly slot: number, readonly value: AuditRecord | null }
  | { readonly kind: 'topic', readonly link: string, readonly topic: string, readonly value: TopicRecord | null }
  | { readonly kind: 'groups', readonly link: string, readonly shard: number, readonly value: GroupShardRecord | null }
  | { readonly kind: 'groups-settled', readonly link: string, readonly value: SettledRoundRecord | null }

const envelope = z.object({ v: z.number().int(), epoch: z.number().int().min(0), value: z.unknown() })

const engineSchema: z.ZodType<EngineRecord> = z.object({
  epoch: z.number().int().min(1),
  instance: z.string(),
  adminAddress: z.string().nullable(),
  since: z.string(),
  // Before a loss was noticed, there was no such field.
  restoredEpoch: z.number().int().min(0).default(0)
})

const linkSchema: z.ZodType<LinkRecord> = z.object({
  uid: z.string(),
  config: linkConfigSchema,
  // Before there was another mode, there was no such field.
  appendMode: z.enum(['produce', 'replica']).default('produce'),
  appendModeReason: z.string().nullable().default(null),
  sourceClusterId: z.string().nullable(),
  createdAt: z.string(),
  failedOverAt: z.string().nullable(),
  // Before links could be promoted, there was no such field.
  promotingAt: z.string().nullable().default(null),
  pausedAt: z.string().nullable().default(null),
  highestProducerId: z.number().int().min(-1).default(-1)
})

const deletionSchema: z.ZodType<DeletionRecord> = z.object({ at: z.string() })

const shadowLeaderSchema: z.ZodType<ShadowLeaderRecord> = z.object({
  brokerId: z.number().int().min(0),
  incarnationId: z.string(),
  logDirId: z.string(),
  since: z.string(),
  // There was one broker id, which whoever led took, before engines stood by as brokers of their own.
  address: z.string().nullable().default(null),
  instance: z.string().nullable().default(null)
})

const rollbackSchema: z.ZodType<PartitionRollback> = z.object({
  partition: z.number().int().min(0),
  at: z.string(),
  fromOffset: z.number().int().min(0),
  toOffset: z.number().int().min(0),
  times: z.number().int().min(1),
  discarded: z.number().int().min(0),
  epochs: z.array(z.object({ epoch: z.number().int().min(1), startOffset: z.number().int().min(0) }))
})

const topicSchema: z.ZodType<TopicRecord> = z.object({
  link: z.string(),
  topic: z.string(),
  state: z.enum(TOPIC_STATES),
  since: z.string(),
  owned: z.boolean(),
  sourceTopicId: z.string().nullable(),
  created: z.boolean(),
  shadowTopicId: z.string().nullable(),
  partitions: z.number().int().min(0),
  replicationFactor: z.number().int().min(1).nullable().default(null),
  // Before copies could begin above the source's start, there was no such field.
  startOffsets: z.array(z.number().int().min(0)).nullable().default(null),
  configs: z.record(z.string(), z.string()),
  fault: z.object({
    code: z.enum(FAULT_CODES),
    reason: z.string(),
    partition: z.number().int().nullable(),
    offset: z.number().int().nullable()
  }).nullable(),
  handingOver: z.boolean().default(false),
  pausedWithLink: z.boolean().default(false),
  endOffsets: z.array(z.number().int()).nullable(),
  refusedConfigs: z.record(z.string(), z.string()),
  // Before shadows could be rolled back, there was no such field.
  rollbacks: z.array(rollbackSchema).default([])
})

const ofSecurity = { link: z.string(), id: z.string(), since: z.string() }

const securitySchema: z.ZodType<SecurityRecord> = z.discriminatedUnion('type', [
  z.object({
    ...ofSecurity,
    type: z.literal('acl'),
    acl: z.object({
      resourceType: z.number().int(), resourceName: z.string(), patternType: z.number().int(), principal: z.string(), host: z.string(), operation: z.number().int(), permission: z.number().int()
    })
  }),
  z.object({ ...ofSecurity, type: z.literal('quota'), entity: z.array(z.object({ type: z.string(), name: z.string().nullable() })), key: z.string() }),
  z.object({ ...ofSecurity, type: z.literal('user'), user: z.string(), mechanism: z.enum(['SCRAM-SHA-256', 'SCRAM-SHA-512']), salt: z.string() })
])

const schemaRegistrySchema: z.ZodType<SchemaRegistryRecord> = z.object({
  link: z.string(),
  contexts: z.array(z.string()),
  openedAt: z.string().nullable()
})

const schemaSubjectSchema: z.ZodType<SchemaSubjectRecord> = z.object({
  link: z.string(),
  subject: z.string(),
  versions: z.array(z.tuple([z.number().int(), z.number().int()])),
  compatibility: z.boolean(),
  mode: z.string().nullable()
})

export function keyOf (change: StateChange): string {
  switch (change.kind) {
    case 'engine': return 'engine'
    case 'link': return `link/${change.name}`
    case 'deletion': return `deletion/${change.name}`
    case 'security': return `security/${change.link}/${change.id}`
    case 'shadow-leader': return `shadow-leader/${change.brokerId}`
    case 'schema-registry': return `schema-registry/${change.link}`
    case 'schema-subject': return `schema-subject/${change.link}/${encodeURIComponent(change.subject)}`
    case 'audit': return `audit/${change.slot}`
    case 'topic': return `topic/${change.link}/${change.topic}`
    case 'groups': return `groups/${change.link}/${change.shard}`
    case 'groups-settled': return `groups-settled/${change.link}`
  }
}

/** The value bytes of a change; null where the key is to be removed. @throws {ShadowError} INVARIANT for a link with a secret in clear */
export function encodeValue (change: StateChange, epoch: number): Buffer | null {
  if (change.value === null) return null
  const value = change.kind === 'link' ? { ...change.value, config: storedDocument(change.value.config) } : change.value
  return Buffer.from(JSON.stringify({ v: SCHEMA_VERSION, epoch, value }))
}

/** @throws {ShadowError} INVARIANT for a secret that was not sealed: whoever may read the topic could read it */
function storedDocument (config: LinkConfig): Record<string, unknown> {
  const document = linkDocument(config)
  const [plain] = plainSecretsOf(document)
  if (plain !== undefined) throw new ShadowError('INVARIANT', `${plain} of link ${config.name} is a secret that is not sealed, and cannot be written down`)
  return document
}

const EPOCH_HEADER = 'epoch'

/** The headers of every record of an engine. */
export function headersOf (epoch: number): ReadonlyArray<{ readonly key: string, readonly value: Buffer }> {
  return [{ key: EPOCH_HEADER, value: Buffer.from(String(epoch)) }]
}

/** The epoch that the headers of a record tell; null when they do not. */
export function epochOf (headers: ReadonlyArray<{ readonly key: string, readonly value: Buffer | null }>): number | null {
  const text = headers.find(({ key }) => key === EPOCH_HEADER)?.value?.toString('utf8') ?? ''
  return /^\d{1,15}$/.test(text) ? Number(text) : null
}

export interface DecodedRecord {
  readonly change: StateChange
  /** The epoch of the engine that wrote it; null for the removal of a key, which has it in its headers. */
  readonly epoch: number | null
}

/**
 * Reads one record of the state topic.
 * @throws {ConfigError} when it is not one that this version understands
 */
export function decodeRecord (key: string, value: Buffer | null): DecodedRecord {
  if (value === null) return { change: changeOf(key, null), epoch: null }
  const source = `state record ${key}`
  const { epoch, value: content } = parseValue(parseJson(value), source, envelope.refine(({ v }) => v <= SCHEMA_VERSION, {
    error: `written by a newer kafka-shadow: this one understands version ${SCHEMA_VERSION}`
  }))
  return { change: changeOf(key, content), epoch }
}

/** Null for bytes that are not JSON: the schema then says what was expected. */
function parseJson (value: Buffer): unknown {
  try {
    return JSON.parse(value.toString('utf8'))
  } catch {
    return null
  }
}

function changeOf (key: string, value: unknown): StateChange {
  const [kind, first = '', second = ''] = key.split('/')
  const source = `state record ${key}`
  if (kind === 'engine') return { kind, value: value === null ? null : parseValue(value, source, engineSchema) }
  if (kind === 'link') return { kind, name: first, value: value === null ? null : parseValue(value, source, linkSchema) }
  if (kind === 'deletion') return { kind, name: first, value: value === null ? null : parseValue(value, source, deletionSchema) }
  if (kind === 'topic') return { kind, link: first, topic: second, value: value === null ? null : parseValue(value, source, topicSchema) }
  if (kind === 'security') return { kind, link: first, id: second, value: value === null ? null : parseValue(value, source, securitySchema) }
  if (kind === 'schema-registry') return { kind, link: first, value: value === null ? null : parseValue(value, source, schemaRegistrySchema) }
  if (kind === 'schema-subject') return { kind, link: first, subject: decodeURIComponent(second), value: value === null ? null : parseValue(value, source, schemaSubjectSchema) }
  if (kind === 'audit') return { kind, slot: Number(first), value: value === null ? null : parseValue(value, source, auditSchema) }
  if (kind === 'shadow-leader') return { kind, brokerId: Number(first), value: value === null ? null : parseValue(value, source, shadowLeaderSchema) }
  if (kind === 'groups') return { kind, link: first, shard: Number(second), value: value === null ? null : parseValue(value, source, groupShardSchema) }
  if (kind === 'groups-settled') return { kind, link: first, value: value === null ? null : parseValue(value, source, settledRoundSchema) }
  return parseValue(key, source, z.never({ error: 'a kind of record that this version does not know' }))
}
