/**
 * The configuration of a link: the YAML document of `rpk shadow create`, key for key (facts/redpanda-contract.md §4, §6, §9.4),
 * with `append_mode` and `on_source_truncation` added. What this version does not do yet is refused by name: a setting that is accepted is a setting that works.
 */
import { z } from 'zod'
import { parseValue, parseYaml } from './document.ts'
import { clientOptions, clientOptionsDocument, type LinkClientOptions } from './link/client-options.ts'
import { groupSync, groupSyncDocument, type GroupSyncOptions } from './link/group-sync-options.ts'
import { isDots, selectsTopic } from './link/name-filter.ts'
import { notYet, refusedUnless } from './link/not-yet.ts'
import { schemaSync, schemaSyncDocument, SCHEMAS_TOPIC, type SchemaSyncOptions } from './link/schema-sync-options.ts'
import { NO_SECURITY_SYNC, securitySync, securitySyncDocument, type SecuritySyncOptions } from './link/security-sync-options.ts'
import { topicSync, topicSyncDocument, type TopicSyncOptions } from './link/topic-sync-options.ts'
import { withoutSecrets } from './secrets/secret-fields.ts'

export interface LinkConfig {
  readonly name: string
  /** `auto`: replica where the shadow cluster's controller can be reached and allows it, else produce. */
  readonly appendMode: 'auto' | 'replica' | 'produce'
  /** `fault`: a topic is stopped whose source lost what the shadow holds. `follow`: the shadow throws it away, too (append mode replica only). */
  readonly onSourceTruncation: 'fault' | 'follow'
  readonly clientOptions: LinkClientOptions
  readonly topicSync: TopicSyncOptions
  readonly groupSync: GroupSyncOptions
  readonly securitySync: SecuritySyncOptions
  /** Null: schemas are left alone. */
  readonly schemaSync: SchemaSyncOptions | null
}

/** What `rpk` writes where no roles are asked for. */
const noRoles = z.strictObject({ interval: z.unknown(), paused: z.unknown(), role_name_filters: z.array(z.never()).default([]) }).partial().nullable()

const EXPECTED_LINK_NAME = 'expected 1 to 128 letters, digits, ".", "_" and "-"'

export const linkConfigSchema: z.ZodType<LinkConfig> = z.strictObject({
  name: z.string({ error: 'expected the name of the link' }).regex(/^[A-Za-z0-9._-]{1,128}$/, { error: EXPECTED_LINK_NAME })
    .refine(name => !isDots(name), { error: EXPECTED_LINK_NAME }),
  append_mode: z.enum(['auto', 'replica', 'produce'], { error: 'expected auto, replica or produce' }).default('auto'),
  on_source_truncation: z.enum(['fault', 'follow'], { error: 'expected fault or follow' }).default('fault'),
  client_options: clientOptions,
  topic_metadata_sync_options: z.preprocess(value => value ?? {}, topicSync),
  consumer_offset_sync_options: z.preprocess(value => value ?? {}, groupSync),
  security_sync_options: z.preprocess(value => value ?? NO_SECURITY_SYNC, securitySync),
  schema_registry_sync_options: schemaSync,
  role_sync_options: refusedUnless(noRoles, 'Kafka has no roles: leave the key out; ACLs are shadowed by security_sync_options'),
  cloud_options: notYet('Redpanda Cloud')
}, { error: 'expected a map with name and client_options' }).superRefine((link, context) => {
  const { start } = link.topic_metadata_sync_options
  if (link.append_mode !== 'produce' || start.at === 'earliest') return
  context.addIssue({ code: 'custom', path: ['topic_metadata_sync_options', `start_at_${start.at}`], message: 'append_mode produce can only start at the beginning of a topic; leave the key out' })
}).transform((link): LinkConfig => ({
  name: link.name,
  appendMode: link.append_mode,
  onSourceTruncation: link.on_source_truncation,
  clientOptions: link.client_options,
  topicSync: link.topic_metadata_sync_options,
  groupSync: link.consumer_offset_sync_options,
  securitySync: link.security_sync_options,
  schemaSync: link.schema_registry_sync_options
}))

/** True when a link shadows a topic of this name: by its filters, or because it shadows the topic of the source's schema registry. */
export function shadowsTopic ({ topicSync: { filters }, schemaSync: schemas }: Pick<LinkConfig, 'topicSync' | 'schemaSync'>, name: string): boolean {
  return name === SCHEMAS_TOPIC ? schemas?.mode === 'topic' : selectsTopic(filters, name)
}

/** Reads the YAML of one link. @throws {ConfigError} */
export function parseLinkYaml (text: string, source: string): LinkConfig {
  return parseYaml(text, source, linkConfigSchema)
}

/** Reads a link from JSON: a request body or a record of the state topic. @throws {ConfigError} */
export function parseLinkDocument (value: unknown, source: string): LinkConfig {
  return parseValue(value, source, linkConfigSchema)
}

/** The document as it may be shown to anybody: `${sealed}` stands for every secret. */
export function shownLinkDocument (link: LinkConfig): Record<string, unknown> {
  return withoutSecrets(linkDocument(link))
}

/** The document that `parseLinkDocument` reads back as this link, and how links are stored. */
export function linkDocument (link: LinkConfig): Record<string, unknown> {
  return {
    name: link.name,
    append_mode: link.appendMode,
    on_source_truncation: link.onSourceTruncation,
    client_options: clientOptionsDocument(link.clientOptions),
    topic_metadata_sync_options: topicSyncDocument(link.topicSync),
    consumer_offset_sync_options: groupSyncDocument(link.groupSync),
    security_sync_options: securitySyncDocument(link.securitySync),
    ...schemaSyncDocument(link.schemaSync)
  }
}
