/**
 * Links and topic states as the records of the state topic say, for the engine and for every sidecar.
 *
 * Fencing: an engine that takes over first writes an `engine` record with the next epoch. A record with a lower epoch that
 * follows it was written by an engine that did not know it had been replaced, and is not applied. Of two engines that take the
 * same epoch, the one whose record is first has it.
 */
import { shadowsTopic } from '../config/link-config.ts'
import type { AuditRecord } from './audit-record.ts'
import { NO_CLAIMS, type GroupShardRecord, type RecordedClaims, type SettledRoundRecord } from './group-claims.ts'
import { decodeRecord, type DeletionRecord, type EngineRecord, type LinkRecord, type SchemaRegistryRecord, type SchemaSubjectRecord, type SecurityRecord, type ShadowLeaderRecord, type StateChange, type TopicRecord } from './records.ts'
import { isTakenOut, isWritable } from './topic-state.ts'

/** What may be done with a topic, and on whose behalf. */
export type TopicRule =
  | { readonly access: 'open' }
  | { readonly access: 'read-only', readonly link: string, readonly state: string }

const OPEN: TopicRule = { access: 'open' }

export class LinkState {
  engine: EngineRecord | null = null
  readonly links = new Map<string, LinkRecord>()
  /** By name: links that were deleted, and not created again. */
  readonly deletions = new Map<string, DeletionRecord>()
  /** By broker id: the brokers that are not real ones, and that no client must be led to. */
  readonly shadowLeaders = new Map<number, ShadowLeaderRecord>()
  /** By slot: what operators ordered. */
  readonly audit = new Map<number, AuditRecord>()
  /** The offset up to which the state topic has been read: the same number means the same state, everywhere. */
  revision = 0
  /** By link: what links did to the shadow's schema registry. */
  readonly schemaRegistries = new Map<string, SchemaRegistryRecord>()
  readonly #schemaSubjects = new Map<string, Map<string, SchemaSubjectRecord>>()
  /**
   * Keys whose last record was fenced off. Compaction will leave just that one, and in time remove what fenced it: the engine
   * that leads writes these keys again.
   */
  readonly fenced = new Set<string>()
  readonly #topics = new Map<string, TopicRecord>()
  /** By link, by id. */
  readonly #security = new Map<string, Map<string, SecurityRecord>>()
  /** By topic name: the record of the link that owns it. At most one link does. */
  readonly #owners = new Map<string, TopicRecord>()
  /** By the name of the link. */
  readonly #claims = new Map<string, { readonly shards: Map<number, GroupShardRecord>, settled: SettledRoundRecord | null }>()
  readonly #holdsClaims: boolean

  /** `holdsClaims`: whether claims on the positions of groups are kept, which only engines need. */
  constructor ({ holdsClaims = true }: { readonly holdsClaims?: boolean } = {}) {
    this.#holdsClaims = holdsClaims
  }

  /**
   * Applies the record at `offset`. `removalEpoch` is the epoch of a record without a value, null where it is not known.
   * Returns the change, or null for one that was fenced off.
   * @throws {ConfigError} for a record that this version does not understand; the state can then no longer be known
   */
  apply (offset: number, key: string, value: Buffer | null, removalEpoch: number | null = null): StateChange | null {
    const { change, epoch } = decodeRecord(key, value)
    this.revision = offset + 1
    if (this.#isFenced(change, epoch ?? removalEpoch)) {
      this.fenced.add(key)
      return null
    }
    this.fenced.delete(key)
    if (change.kind === 'engine') this.engine = change.value
    else if (change.kind === 'link') set(this.links, change.name, change.value)
    else if (change.kind === 'deletion') set(this.deletions, change.name, change.value)
    else if (change.kind === 'shadow-leader') set(this.shadowLeaders, change.brokerId, change.value)
    else if (change.kind === 'security') this.#setSecurity(change.link, change.id, change.value)
    else if (change.kind === 'schema-registry') set(this.schemaRegistries, change.link, change.value)
    else if (change.kind === 'schema-subject') this.#setSubject(change.link, change.subject, change.value)
    else if (change.kind === 'audit') set(this.audit, change.slot, change.value)
    else if (change.kind === 'topic') this.#setTopic(change.link, change.topic, change.value)
    else if (this.#holdsClaims) this.#setClaims(change)
    return change
  }

  #setClaims (change: Extract<StateChange, { readonly kind: 'groups' | 'groups-settled' }>): void {
    let claims = this.#claims.get(change.link)
    if (claims === undefined) this.#claims.set(change.link, claims = { shards: new Map<number, GroupShardRecord>(), settled: null })
    if (change.kind === 'groups') set(claims.shards, change.shard, change.value)
    else claims.settled = change.value
    if (claims.shards.size === 0 && claims.settled === null) this.#claims.delete(change.link)
  }

  /** What a link claims of the positions of consumer groups on the shadow. */
  claimsOf (link: string): RecordedClaims {
    return this.#claims.get(link) ?? NO_CLAIMS
  }

  #isFenced (change: StateChange, epoch: number | null): boolean {
    if (epoch === null || this.engine === null || epoch > this.engine.epoch) return false
    if (epoch < this.engine.epoch) return true
    return change.kind === 'engine' && change.value !== null && change.value.instance !== this.engine.instance
  }

  #setTopic (link: string, topic: string, record: TopicRecord | null): void {
    set(this.#topics, `${link}/${topic}`, record)
    if (record?.owned === true) this.#owners.set(topic, record)
    else if (this.#owners.get(topic)?.link === link) this.#owners.delete(topic)
  }

  #setSecurity (link: string, id: string, record: SecurityRecord | null): void {
    const records = this.#security.get(link) ?? new Map<string, SecurityRecord>()
    set(records, id, record)
    set(this.#security, link, records.size === 0 ? null : records)
  }

  /** The ACLs, quotas and users that a link has added to the shadow cluster, or was about to. */
  securityOf (link: string): SecurityRecord[] {
    return [...this.#security.get(link)?.values() ?? []]
  }

  #setSubject (link: string, subject: string, record: SchemaSubjectRecord | null): void {
    const subjects = this.#schemaSubjects.get(link) ?? new Map<string, SchemaSubjectRecord>()
    set(subjects, subject, record)
    set(this.#schemaSubjects, link, subjects.size === 0 ? null : subjects)
  }

  /** What a link did to the subjects of the shadow's schema registry. */
  schemaSubjectsOf (link: string): SchemaSubjectRecord[] {
    return [...this.#schemaSubjects.get(link)?.values() ?? []]
  }

  /** One change for every key that there is: applied in their order to nothing, they come to this. */
  changes (): StateChange[] {
    return [
      ...(this.engine === null ? [] : [{ kind: 'engine', value: this.engine } as const]),
      ...[...this.shadowLeaders].map(([brokerId, value]) => ({ kind: 'shadow-leader', brokerId, value } as const)),
      ...[...this.links].map(([name, value]) => ({ kind: 'link', name, value } as const)),
      ...[...this.deletions].map(([name, value]) => ({ kind: 'deletion', name, value } as const)),
      ...[...this.#topics.values()].map(value => ({ kind: 'topic', link: value.link, topic: value.topic, value } as const)),
      ...[...this.#security.values()].flatMap(records => [...records.values()].map(value => ({ kind: 'security', link: value.link, id: value.id, value } as const))),
      ...[...this.schemaRegistries].map(([link, value]) => ({ kind: 'schema-registry', link, value } as const)),
      ...[...this.#schemaSubjects.values()].flatMap(records => [...records.values()].map(value => ({ kind: 'schema-subject', link: value.link, subject: value.subject, value } as const))),
      ...[...this.audit].map(([slot, value]) => ({ kind: 'audit', slot, value } as const)),
      ...[...this.#claims].flatMap(([link, { shards, settled }]) => [
        ...[...shards].map(([shard, value]) => ({ kind: 'groups', link, shard, value } as const)),
        ...(settled === null ? [] : [{ kind: 'groups-settled', link, value: settled } as const])
      ])
    ]
  }

  /** What a link knows of a topic. */
  topicOf (link: string, topic: string): TopicRecord | null {
    return this.#topics.get(`${link}/${topic}`) ?? null
  }

  /** The topics of a link, in the order of their names. */
  topicsOf (link: string): TopicRecord[] {
    return [...this.#topics.values()].filter(record => record.link === link).sort((a, b) => a.topic < b.topic ? -1 : 1)
  }

  /** The record of the link that owns a topic of this name. */
  ownerOf (topic: string): TopicRecord | null {
    return this.#owners.get(topic) ?? null
  }

  /** Whether clients may write to a topic. */
  ruleFor (topic: string): TopicRule {
    const record = this.#owners.get(topic)
    if (record === undefined || isWritable(record.state)) return OPEN
    return { access: 'read-only', link: record.link, state: record.state }
  }

  /** True for a shadow topic in append mode replica: its leader is no real broker, and its followers are what can be read. */
  isReadFromFollowers (topic: string): boolean {
    const record = this.#owners.get(topic)
    return record !== undefined && !isWritable(record.state) && this.links.get(record.link)?.appendMode === 'replica'
  }

  /** The link whose filters select a name that no link owns yet: the link may be about to create it. */
  claimantOf (topic: string): string | null {
    if (this.#owners.has(topic)) return null
    for (const [name, { config, failedOverAt }] of this.links) {
      if (failedOverAt === null && shadowsTopic(config, topic) && !this.#wasRemoved(name, topic)) return name
    }
    return null
  }

  /** True for a topic that was taken out of a link, which does not adopt it again. */
  #wasRemoved (link: string, topic: string): boolean {
    const known = this.topicOf(link, topic)
    return known !== null && isTakenOut(known)
  }
}

function set<K, V> (map: Map<K, V>, key: K, value: V | null): void {
  if (value === null) map.delete(key)
  else map.set(key, value)
}
