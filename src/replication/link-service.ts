/** What the engine offers to those above it: the admin port and, through it, the command line. */
import type { AppendMode } from '../state/records.ts'
import type { PartitionRollback } from '../state/rollbacks.ts'
import type { TopicFault, TopicState } from '../state/topic-state.ts'

/** FAILED_OVER: nothing new is shadowed any more, after a failover of the whole link or at the end of its promotion. */
export type LinkStateName = 'ACTIVE' | 'FAILED_OVER'

/** Redpanda's names (facts/redpanda-contract.md §2.6). */
export type TaskState = 'ACTIVE' | 'PAUSED' | 'LINK_UNAVAILABLE' | 'NOT_RUNNING' | 'FAULTED'

export interface TaskStatus {
  readonly name: string
  readonly state: TaskState
  readonly reason: string
  /** ISO time at which the state was entered. */
  readonly since: string
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
  readonly activity: 'starting' | 'copying' | 'waiting' | 'stopped'
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
  /** What was thrown away because the source had lost it (`on_source_truncation: follow`). */
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
  /** ISO time of the positions that the shadow has, but for those that wait; null before the first. */
  readonly syncedAt: string | null
  readonly problem: string | null
}

export interface LinkStatus {
  readonly name: string
  readonly uid: string
  readonly state: LinkStateName
  readonly appendMode: AppendMode
  /** Why `append_mode: auto` did not come to replica; null where it did, or was not asked. */
  readonly appendModeReason: string | null
  readonly sourceClusterId: string | null
  readonly createdAt: string
  /** The link's YAML document, secrets left out. */
  readonly configuration: Readonly<Record<string, unknown>>
  readonly tasks: readonly TaskStatus[]
  readonly topics: readonly TopicStatus[]
  /** The groups that are shadowed, by name; empty before the first run of their task. */
  readonly groups: readonly GroupStatus[]
  readonly syncedShadowTopicProperties: readonly string[]
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

export interface LinkService {
  /** All links, by name. */
  list (): Promise<readonly LinkStatus[]>
  /** @throws {ShadowError} NOT_FOUND */
  status (link: string): Promise<LinkStatus>
  /**
   * Creates a link from its YAML document as JSON.
   * @throws {ConfigError}, or {ShadowError} CONFLICT, CLUSTER_UNAVAILABLE, NOT_LEADER
   */
  create (document: unknown, options: { readonly dryRun: boolean }): Promise<LinkStatus>
  /**
   * Looks at all that a link from this document needs, and changes nothing. `create` refuses it when a line has failed.
   * @throws {ConfigError}, or {ShadowError} NOT_LEADER
   */
  check (document: unknown): Promise<readonly PreflightLine[]>
  /** Starts the failover of one topic, or of all with null; returns at once. Repeating it is harmless. */
  failover (link: string, topic: string | null): Promise<LinkStatus>
  /**
   * Starts the promotion of one topic, or of all with null; returns at once. Repeating it is harmless.
   * @throws {ShadowError} NOT_FOUND; CONFLICT for a topic that is FAULTED, FAILING_OVER or not the link's
   */
  promote (link: string, topic: string | null): Promise<LinkStatus>
  /** @throws {ShadowError} CONFLICT while there are live shadow topics, unless forced: then they become ordinary topics as they are. */
  delete (link: string, options: { readonly force: boolean }): Promise<void>
  /** Compares source and shadow batch by batch while copying goes on; one report per partition as it is done. */
  verify (link: string, options: { readonly topic: string | null, readonly signal: AbortSignal }): AsyncIterable<VerifyTopicReport>
  /** Whether this process leads the links, and who does if not. */
  leadership (): { readonly leading: boolean, readonly adminAddress: string | null }
}
