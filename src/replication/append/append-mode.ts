/** How the records of a link land on the shadow (DESIGN.md §4): what differs between the append modes, and nothing else. */
import type { TopicView } from '../../client/cluster.ts'
import type { TopicRecord } from '../../state/records.ts'
import type { ShadowTopic } from '../link/shadow-topic.ts'
import type { PartitionStatus, PlannedRollback, StandbyStatus } from '../link-service.ts'

/** One partition of a shadow topic, as its topic sees it. */
export interface PartitionShadow {
  readonly partition: number
  /** The shadow's end as the last append or look-up confirmed it; null before the first. */
  readonly shadowEndOffset: number | null
  /** Takes nothing more from the source; what has arrived still goes to the shadow. */
  freeze (): void
  /** Takes from the source again. Only where nothing was stopped since `freeze`. */
  thaw (): void
  /** Nothing goes to the shadow from now on. */
  stop (): void
  /** `freshMs`: within which a contact with the source counts as now. */
  status (freshMs: number): PartitionStatus
}

export interface BeginOptions {
  /** An engine before this one may have copied the partition. */
  readonly isInherited: boolean
  /** Nothing is to be copied before it is thawed: it is frozen right afterwards. */
  readonly isHeld: boolean
}

/** A topic that is to be made on the shadow cluster. */
export interface ShadowCreation {
  readonly record: TopicRecord
  readonly configs: Readonly<Record<string, string>>
  /** -1 for the shadow cluster's default. */
  readonly replicationFactor: number
}

export interface CreatedTopic {
  /** Null where the shadow cluster has no topic ids. */
  readonly topicId: string | null
  /** See TopicRecord. */
  readonly replicationFactor?: number
}

/** A topic as the shadow cluster has it. */
export interface ShownTopic {
  /** Null where the shadow cluster has no topic ids. */
  readonly topicId: string | null
  readonly partitionCount: number
  /** See TopicView. */
  readonly errorCode: number
}

/** By name; null for a topic that there is not. */
export type ShownTopics = (topic: string) => ShownTopic | null

/** The topic when it is what this link would have made, and empty; in words why not otherwise. */
export type Adoption =
  | { readonly kind: 'adopted', readonly topic: CreatedTopic }
  | { readonly kind: 'foreign', readonly reason: string }

/** The opening of one topic: its failover, or the end of its promotion. */
export interface Opening {
  /** Ends when the engine no longer leads, and when a promotion is to become a failover. */
  readonly signal: AbortSignal
  /**
   * Asked once nothing is appended any more and the ends of the partitions are certain, before anything that cannot be taken
   * back. False when the shadow does not have everything: the topic is then to be thawed, and left as it is.
   */
  mayOpen (endOffsets: readonly number[]): Promise<boolean>
}

export interface AppendMode {
  /** The configs that a topic must have while it is a shadow. `supported` are the names that the shadow cluster knows. */
  shadowingConfigs (record: TopicRecord, supported: ReadonlySet<string>): Readonly<Record<string, string>>
  /** True where it is known, without asking, that the shadow topic has all of these configs of its own. */
  hasConfigs (record: TopicRecord, configs: Readonly<Record<string, string>>): boolean
  /** All that the shadow cluster has, where that is known without asking it; null where it is not, or not all of it, or where it may be old. */
  shownTopics (): ShownTopics | null
  /**
   * Creates a claimed topic; resolves when it can be copied to.
   * @throws {BrokerError} what the shadow cluster says against it; TOPIC_ALREADY_EXISTS: see `adopt`
   */
  create (creation: ShadowCreation): Promise<CreatedTopic>
  /** Takes a topic that exists although it was only claimed: an engine may have died before it recorded the creation. */
  adopt (creation: ShadowCreation): Promise<Adoption>
  /** Makes a shadow topic have `count` partitions; resolves when all of them can be copied to. */
  grow (record: TopicRecord, count: number): Promise<void>
  /**
   * Deletes the shadow of a topic that is not copied any more, and no other of its name; resolves when the shadow cluster does not have it.
   * @throws {BrokerError} what the shadow cluster says against it; {ShadowError} CLUSTER_UNAVAILABLE (retriable)
   */
  remove (topic: ShadowTopic): Promise<void>
  /** Begins to copy a partition. */
  begin (topic: ShadowTopic, partition: number, options: BeginOptions): PartitionShadow
  /**
   * Lets go of a topic whose partitions were stopped, so that they can be begun anew.
   * @throws {ShadowError} CONFLICT (retriable) while the outcome of an append is open
   */
  renew (topic: ShadowTopic): Promise<void>
  /** Deletes a shadow topic that was let go of; resolves when one of its name can be created. @throws {BrokerError} what the shadow cluster says against it */
  discard (record: TopicRecord): Promise<void>
  /**
   * What every replica of a topic that was stopped would throw away, to have nothing but what is in common with `source`, which is the topic
   * that was copied or not (`isOtherTopic`). Changes nothing.
   * @throws {ShadowError} CONFLICT where it cannot be told or done, in words; CLUSTER_UNAVAILABLE
   */
  planRollback (topic: ShadowTopic, source: TopicView, options: { readonly isOtherTopic: boolean }): Promise<readonly PlannedRollback[]>
  /**
   * Has all of that thrown away by every replica; resolves when it is. The topic stays as it is otherwise; it may be left half way, and planned anew.
   * @throws {ShadowError} CONFLICT when the topic is not FAULTED any more; CLUSTER_UNAVAILABLE
   */
  rollBack (topic: ShadowTopic, plan: readonly PlannedRollback[]): Promise<void>
  /** What copying needs from time to time. Returns what went wrong, in words; it is tried again the next time. */
  keepUp (topics: readonly ShadowTopic[]): Promise<readonly string[]>
  /** Learns what earlier engines copied, as far as a failover needs it. Ends by itself or by the link's signal. */
  learn (topics: readonly ShadowTopic[]): Promise<void>
  /** Resolves when nothing of these topics is under way whose outcome is open, or after a while. */
  quiesce (topics: readonly ShadowTopic[]): Promise<void>
  /**
   * Takes a topic that is FAILING_OVER to FAILED_OVER, and one that is PROMOTING to PROMOTED (see `openedState`), unless
   * `mayOpen` says no, or a fault stops a promotion: the topic is then in the state that it was in, or FAULTED. Nothing may stop
   * the partitions of a topic that is PROMOTING before `mayOpen` said yes: they may have to be thawed.
   * @throws {ShadowError} ABORTED: whoever opens the topic next begins anew
   */
  failOver (topic: ShadowTopic, opening: Opening): Promise<void>
  /** The brokers whose replicas of a partition are the copy, each of which `verify` reads; null for the one that its leader shows. */
  replicasOf (topic: ShadowTopic, partition: number): readonly number[] | null
  /** See `LinkStatus.standbys`. */
  standbys (topics: Iterable<ShadowTopic>): readonly StandbyStatus[] | null
  /** How many topics are created, grown and compared with their sources at a time. */
  readonly concurrentTopics: number
  /** How much fetched data is held at the moment. */
  readonly bufferedBytes: number
}

/** What the link does for its append mode. */
export interface AppendHost {
  /** Why the source cannot be asked at the moment, such as another cluster behind its addresses; null when it can. */
  obstacle (): string | null
  /** The source does not know a topic's id any more. */
  wakeSync (): void
  onCopied (bytes: number): void
  onProducerId (producerId: number): void
  /** Writes to the link's record that batches with producer ids up to this one may be copied. */
  recordProducerId (producerId: number): Promise<unknown>
  /** What a topic's configs must be while it is a shadow. */
  shadowingConfigs (record: TopicRecord): Promise<Readonly<Record<string, string>>>
}
