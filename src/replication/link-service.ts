/** What the engine offers to those above it: the admin port and, through it, the command line. */
import type { NameFilter } from '../config/link/name-filter.ts'
import type { AuditRecord, Operator } from '../state/audit-record.ts'
import type { AppendMode } from '../state/records.ts'
import type { PartitionRollback } from '../state/rollbacks.ts'
import type { TopicFault, TopicState } from '../state/topic-state.ts'

/** FAILED_OVER: nothing new is shadowed any more, after a failover of the whole link or at the end of its promotion. */
export type LinkStateName = 'ACTIVE' | 'PAUSED' | 'FAILED_OVER'

/** Which topics of a link an order is for: one by its name, those that filters select, or with null the whole link. */
export type TopicSelection = string | readonly NameFilter[] | null

/** What can be paused: besides topics, a task by its name. */
export type PauseSelection = TopicSelection | { readonly task: string }

/** Redpanda's names (facts/redpanda-contract.md §2.6). */
export type TaskState = 'ACTIVE' | 'PAUSED' | 'LINK_UNAVAILABLE' | 'NOT_RUNNING' | 'FAULTED'

export interface TaskStatus {
  readonly name: string
  readonly state: TaskState
  readonly reason: string
  /** ISO time at which the state was entered. */
  readonly since: string
}

/** What the Security Migrator Task has done with one kind of thing. */
export interface MirrorCounts {
  /** What the source has for the shadow, after filters and principal mapping; for users, what the users file has. */
  readonly wanted: number
  /** Of these, what the link has added and keeps as it is on the source. */
  readonly kept: number
  /** Of these, what the shadow cluster has by itself: it is left alone. */
  readonly local: number
  /** What the link has added, the source no longer has, and is not removed yet. */
  readonly vanished: number
  /** Since this engine began to lead. */
  readonly created: number
  /** Set again, because the source or somebody on the shadow had changed it. */
  readonly changed: number
  readonly deleted: number
}

export interface SecurityStatus {
  /** Null where it is not synced, or not known. */
  readonly acls: MirrorCounts | null
  readonly quotas: MirrorCounts | null
  readonly users: MirrorCounts | null
  /** The first of them. */
  readonly problems: readonly string[]
  readonly problemCount: number
  /** ISO time of the last run; null before the first. */
  readonly syncedAt: string | null
}

/** Every number is null where it is not known: nothing here is guessed or kept from an earlier time without saying so. */
export interface PartitionStatus {
  readonly partition: number
  readonly sourceLogStartOffset: number | null
  readonly sourceLastStableOffset: number | null
  readonly sourceHighWatermark: number | null
  /** The end of the shadow partition as the last append or look-up confirmed it. */
  readonly shadowEndOffset: number | null
  /** Records that the source has and the shadow has not. */
  readonly lagRecords: number | null
  /** Seconds of data at risk: for how long the shadow has been behind the source; 0 when it has all that the source was last seen to have. */
  readonly lagSeconds: number | null
  /** How long ago the source last answered for this partition, in milliseconds. */
  readonly sourceContactAgeMs: number | null
  readonly activity: 'starting' | 'copying' | 'waiting' | 'paused' | 'stopped'
  /** Why it waits: the last error that will be retried. */
  readonly problem: string | null
}

/** `exact`: every byte but partitionLeaderEpoch. `unsupported`: the topic was stopped because this append mode cannot copy it exactly. */
export type Fidelity = 'exact' | 'unsupported' | 'unknown'

export interface TopicStatus {
  readonly name: string
  readonly topicId: string | null
  readonly sourceTopicId: string | null
  readonly state: TopicState
  readonly since: string
  readonly owned: boolean
  readonly fault: TopicFault | null
  readonly fidelity: Fidelity
  readonly partitions: readonly PartitionStatus[]
  /** Where the copy of each partition began, where the link did not begin with all that the source has; null where it did. */
  readonly startOffsets: readonly number[] | null
  /** The source's values that are synced, as the sidecar shows them and a failover sets them. */
  readonly syncedConfigs: Readonly<Record<string, string>>
  /** Source configs that the shadow cluster refused, with its reasons. */
  readonly refusedConfigs: Readonly<Record<string, string>>
  /** What was thrown away because the source did not have it: with `on_source_truncation: follow`, and by `restoreTopic`. */
  readonly rollbacks: readonly PartitionRollback[]
  /** What keeps this topic from going on at the moment, such as a topic id that cannot be read. */
  readonly problem: string | null
}

export interface GroupMemberStatus {
  readonly memberId: string
  /** Null for a dynamic member. */
  readonly instanceId: string | null
  readonly clientId: string
  readonly host: string
}

/** A consumer group of the source. */
export interface GroupStatus {
  readonly name: string
  /** Of the group on the source, as Kafka names it; null where the source does not tell, or does not have the group any more. */
  readonly state: string | null
  /** Null where the source does not tell. */
  readonly type: 'classic' | 'consumer' | null
  /** `consumer`; empty for a group that nobody was a member of. */
  readonly protocolType: string
  /** The assignor that its members agreed on; null while there is none. */
  readonly protocol: string | null
  /** On the source; null where they are not known. */
  readonly members: readonly GroupMemberStatus[] | null
  /** True when it has members on the shadow: its positions are theirs then, and nothing is committed. */
  readonly isLiveOnShadow: boolean
  /** Positions of the group in topics of the link. */
  readonly partitions: number
  /** Those that are lower on the shadow for as long as it does not have the records. */
  readonly clampedPartitions: number
  /** Those in which consumers of the shadow are further than those of the source. */
  readonly aheadPartitions: number
  /** Those that are not copied, because the topic was stopped or it is not known yet what the shadow holds. */
  readonly waitingPartitions: number
  /** `TOPIC-PARTITION`: committed without their metadata, which is longer than the shadow takes. */
  readonly withoutMetadata: readonly string[]
  /** ISO time of the positions that the shadow has, but for those that wait; null before the first. */
  readonly syncedAt: string | null
  readonly problem: string | null
}

/** What a run, or all runs, did. Redpanda's names (facts/redpanda-contract.md §2.4). */
export interface SchemaSyncSummary {
  /** ISO times; null while it is not over. */
  readonly startTime: string
  readonly finishTime: string | null
  readonly subjectVersionsChanged: number
  readonly compatibilityConfigsChanged: number
  readonly modesChanged: number
  readonly unsupportedFeaturesRemoved: number
  readonly errors: number
}

/** The copying of schemas by API. Numbers are null until a whole look has ended. */
export interface SchemaRegistryStatus {
  readonly sourceUrl: string
  /** Null where `kshadow run` has none to copy to. */
  readonly shadowUrl: string | null
  /** The contexts of the shadow that are in mode IMPORT for the link. */
  readonly contexts: readonly string[]
  readonly inventory: {
    readonly selectedSourceSubjects: number | null
    readonly selectedSourceSubjectVersions: number | null
    readonly destinationSubjects: number | null
    readonly destinationSubjectVersions: number | null
  }
  /** Subjects that the filter selects and whose context is mapped nowhere. */
  readonly skippedSubjects: number
  readonly currentSync: { readonly syncType: 'FULL' | 'TAIL', readonly subjectsLeft: number, readonly summary: SchemaSyncSummary } | null
  readonly lastFullSync: SchemaSyncSummary | null
  readonly totalsSinceTaskStart: SchemaSyncSummary
  /** What is not as on the source, by subject or context: the first of them. */
  readonly problems: ReadonlyArray<{ readonly subject: string, readonly problem: string }>
  readonly problemCount: number
  /** When the registry was given back: nothing is copied any more. */
  readonly openedAt: string | null
}

/** Another engine that can take over at once what this one leads: it is alive, and a broker of its own. */
export interface StandbyStatus {
  readonly brokerId: number
  /** Shadow partitions of the link that this engine leads, and those of them that have the other one in their ISR. */
  readonly partitions: number
  readonly inSyncPartitions: number
}

export interface LinkStatus {
  readonly name: string
  readonly uid: string
  readonly state: LinkStateName
  /** When the whole link was paused; null while it is not. */
  readonly pausedAt: string | null
  readonly appendMode: AppendMode
  /** Why `append_mode: auto` did not come to replica; null where it did, or was not asked. */
  readonly appendModeReason: string | null
  /** In append mode replica: the engines that stand by; null while that is not known, and where nothing is led. */
  readonly standbys: readonly StandbyStatus[] | null
  readonly sourceClusterId: string | null
  readonly createdAt: string
  /** The link's YAML document; `${sealed}` stands for every secret. */
  readonly configuration: Readonly<Record<string, unknown>>
  readonly tasks: readonly TaskStatus[]
  readonly topics: readonly TopicStatus[]
  /** The groups that are shadowed, by name; empty before the first run of their task. */
  readonly groups: readonly GroupStatus[]
  readonly syncedShadowTopicProperties: readonly string[]
  readonly security: SecurityStatus
  /** Null where schemas are not copied by API. */
  readonly schemaRegistry: SchemaRegistryStatus | null
  readonly source: { readonly reachable: boolean | null, readonly contactAgeMs: number | null, readonly problem: string | null }
  readonly bufferedBytes: number
  /** Since this engine began to lead. */
  readonly copiedBytes: number
}

export interface VerifyTopicReport {
  readonly topic: string
  readonly partition: number
  /** The broker whose replica was compared; null where it was what the leader shows. */
  readonly replica: number | null
  /** Offsets [from, to) that were compared. */
  readonly fromOffset: number
  readonly toOffset: number
  readonly batches: number
  readonly bytes: number
  /** The first difference, in words; null where there is none. */
  readonly difference: string | null
  /** What could not be compared, and why; null where all was. */
  readonly incomplete: string | null
}

/** How a topic that is FAULTED is restored. */
export type Restoration =
  /** The shadow topic is deleted, and all that the source has is copied. */
  | { readonly from: 'scratch' }
  /**
   * Every replica is rolled back to what it has in common with the source. `keep`: what must not be thrown away, by partition, as the plan
   * said that somebody has agreed to: the offset after it. Null: they agree to whatever is found.
   */
  | { readonly from: 'common-prefix', readonly keep: readonly number[] | null }

/** What a partition is rolled back to, and from where; to its end where nothing is thrown away. */
export interface PlannedRollback {
  readonly partition: number
  /** The highest end of a replica's log. */
  readonly fromOffset: number
  /** The end of what all replicas that differ have in common with the source. */
  readonly toOffset: number
  /** What comes next on both sides, in words; null where nothing differs. */
  readonly difference: string | null
}

export interface RestorePlan {
  readonly topic: string
  /** True when the source topic was made anew since it was copied: then all of it was compared. */
  readonly isOtherTopic: boolean
  readonly partitions: readonly PlannedRollback[]
}

/** One thing that was looked at before a link is created. */
export interface PreflightLine {
  readonly name: string
  /** `warning`: it works, and somebody should know. */
  readonly verdict: 'ok' | 'warning' | 'failed'
  /** What was found. */
  readonly text: string
  /** What to do about it; null where nothing is to be done. */
  readonly advice: string | null
}

export interface LinkUpdate {
  /** The keys of the document that were changed, such as `topic_metadata_sync_options.interval`; none where nothing was. */
  readonly changed: readonly string[]
  /** True when the link is connected to its source anew for it. */
  readonly reconnects: boolean
  readonly link: LinkStatus
}

/** Every order takes who gave it, for the audit; null, or nothing, for what the engine was configured to do. */
export interface LinkService {
  /** All links, by name. */
  list (): Promise<readonly LinkStatus[]>
  /** @throws {ShadowError} NOT_FOUND */
  status (link: string): Promise<LinkStatus>
  /**
   * Creates a link from its YAML document as JSON.
   * @throws {ConfigError}, or {ShadowError} CONFLICT, CLUSTER_UNAVAILABLE, NOT_LEADER
   */
  create (document: unknown, options: { readonly dryRun: boolean, readonly by?: Operator | null }): Promise<LinkStatus>
  /**
   * Gives a link another document, all of it; a dry run only says what would change. What was begun, a failover too, goes on.
   * @throws {ConfigError}, or {ShadowError} NOT_FOUND; CONFLICT naming what may not change; CLUSTER_UNAVAILABLE where nobody answers
   *   at the source's new addresses
   */
  update (link: string, document: unknown, options: { readonly dryRun: boolean, readonly by?: Operator | null }): Promise<LinkUpdate>
  /**
   * Looks at all that a link from this document needs, and changes nothing. `create` refuses it when a line has failed.
   * @throws {ConfigError}, or {ShadowError} NOT_LEADER
   */
  check (document: unknown): Promise<readonly PreflightLine[]>
  /** Starts the failover of topics, or of all with null; returns at once. Repeating it is harmless. @throws {ShadowError} NOT_FOUND */
  failover (link: string, topics: TopicSelection, by?: Operator | null): Promise<LinkStatus>
  /**
   * Starts the promotion of topics, or of all with null; returns at once. Repeating it is harmless.
   * @throws {ShadowError} NOT_FOUND; CONFLICT for a topic that is FAULTED, FAILING_OVER or not the link's
   */
  promote (link: string, topics: TopicSelection, by?: Operator | null): Promise<LinkStatus>
  /**
   * Stops copying topics, or running a task, until `resume`: with null, all of the link. Repeating it is harmless.
   * @throws {ShadowError} NOT_FOUND; CONFLICT for a topic that is FAULTED, being opened or open, and for a link that is being promoted
   */
  pause (link: string, what: PauseSelection, by?: Operator | null): Promise<LinkStatus>
  /** Goes on with what was paused; with null, with what was paused by `pause` with null. @throws {ShadowError} as `pause` */
  resume (link: string, what: PauseSelection, by?: Operator | null): Promise<LinkStatus>
  /** Takes a topic out of a link, once it is failed over: it is an ordinary topic then, and is not adopted again. @throws {ShadowError} NOT_FOUND, CONFLICT */
  removeTopic (link: string, topic: string, by?: Operator | null): Promise<LinkStatus>
  /** Has a topic that is FAULTED go on from where it stands, if source and shadow agree there. @throws {ShadowError} NOT_FOUND, CONFLICT */
  retryTopic (link: string, topic: string, by?: Operator | null): Promise<LinkStatus>
  /** Has a topic that is FAULTED shadowed anew, from what is left of it or from the beginning of its source. @throws {ShadowError} NOT_FOUND, CONFLICT, CLUSTER_UNAVAILABLE */
  restoreTopic (link: string, topic: string, restoration: Restoration, by?: Operator | null): Promise<LinkStatus>
  /** What a restoration from the common prefix would throw away: nothing is changed. @throws {ShadowError} as `restoreTopic` */
  planRestore (link: string, topic: string): Promise<RestorePlan>
  /** @throws {ShadowError} CONFLICT while there are live shadow topics, unless forced: then they become ordinary topics as they are. */
  delete (link: string, options: { readonly force: boolean, readonly by?: Operator | null }): Promise<void>
  /** The newest orders, oldest first: of one link, also of one that was deleted, or of all with null. */
  audit (link: string | null): Promise<readonly AuditRecord[]>
  /** Compares source and shadow batch by batch while copying goes on; one report per partition as it is done. */
  verify (link: string, options: { readonly topic: string | null, readonly signal: AbortSignal }): AsyncIterable<VerifyTopicReport>
  /** Whether this process leads the links, and who does if not. */
  leadership (): { readonly leading: boolean, readonly adminAddress: string | null }
}
