/**
 * The task `Consumer Group Shadowing`: what the source's consumer groups have committed is committed on the shadow, as far as the
 * shadow has the records, so that consumers resume there where they were.
 *
 * The shadow's coordinator is what protects a group that is live there: it takes no commit of an administrator for it. The
 * ledger tells the link's values from those of the shadow's consumers, which are only ever moved forwards.
 */
import { fetchGroupOffsets, positionKey, type GroupPosition } from '../../../../client/admin/group-offsets.ts'
import { listGroups, type GroupListing, type ListedGroup } from '../../../../client/admin/list-groups.ts'
import type { PartitionRow } from '../../../../client/admin/ask-leaders.ts'
import { Coalesced } from '../../../../client/coalesced.ts'
import type { Cluster, ClusterView } from '../../../../client/cluster.ts'
import { Coordinators } from '../../../../client/group/coordinators.ts'
import type { GroupSyncOptions } from '../../../../config/link/group-sync-options.ts'
import { isRetriable, messageOf, ShadowError } from '../../../../errors.ts'
import { throwIfAborted } from '../../../../net/abort.ts'
import { sleep } from '../../../../net/sleep.ts'
import type { Logger } from '../../../../observability/logger.ts'
import type { GroupStatus, PartitionStatus } from '../../../link-service.ts'
import type { RecordedClaims } from '../../../../state/group-claims.ts'
import type { StateChange } from '../../../../state/records.ts'
import type { ShadowTopic } from '../../shadow-topic.ts'
import type { TaskOutcome, TaskWork } from '../task-loop.ts'
import { GroupCommitter, type CommittedGroup, type GroupCommit } from './commit-groups.ts'
import { GroupLedger } from './group-ledger.ts'
import { GroupRemovals } from './group-removals.ts'
import { GroupStatuses } from './group-statuses.ts'
import { LedgerJournal } from './ledger-journal.ts'
import { mostOffsetMetadata } from './offset-metadata-limit.ts'
import { renewalIntervalMs } from './offset-retention.ts'
import { clamped, planCommits, type CommitPlan, type PartitionBounds } from './plan-commits.ts'
import { shardOf } from './position-digest.ts'
import { describeGroups, isLive, selectedGroups } from './source-groups.ts'

/** Between the look at a group's positions and the commit of them are the requests of this many groups. */
const GROUPS_AT_A_TIME = 250
/** Whatever the shadow says it keeps positions for, they are not committed again more often than that. */
const LEAST_RENEWAL_MS = 1000
const MOST_FINISHED_TOGETHER = 10_000
/** For how long one run waits for records that were read on the source and are on their way to the shadow. */
const CATCH_UP_MS = 1000
const CATCH_UP_POLL_MS = 50
const NO_CONTACT_MS = 0

/** What the link is to this task. */
export interface GroupSyncHost {
  readonly name: string
  readonly uid: string
  readonly source: Cluster
  readonly shadow: Cluster
  readonly options: () => GroupSyncOptions
  /** What engines before this one have recorded. */
  readonly recorded: RecordedClaims
  readonly write: (changes: readonly StateChange[]) => Promise<unknown>
  readonly topics: ReadonlyMap<string, ShadowTopic>
  readonly signal: AbortSignal
  /** False when another engine may lead by now. */
  readonly isLeading: () => boolean
  readonly logger: Logger
  readonly now: () => number
  readonly wallClock: () => Date
  /** Throws when the source is not the cluster that the link was made for. */
  checkSource (view: ClusterView): void
}

interface Problem {
  readonly text: string
  /** It may be gone the next time, without anybody changing anything. */
  readonly isPassing: boolean
}

/** Which topics positions are committed for: asked at the moment of each commit. */
type Scope = (topic: string) => ShadowTopic | null

interface SyncResult {
  readonly selected: number
  readonly others: ReadonlyMap<string, number>
  readonly problems: readonly Problem[]
}

/** What the groups of one run have in common. */
interface SyncRun {
  readonly onShadow: GroupListing
  readonly scope: Scope
  readonly problems: Problem[]
  /** By the clock of the engine. */
  readonly patientUntilMs: number
}

export class GroupSync implements TaskWork {
  readonly name = 'Consumer Group Shadowing'
  readonly #host: GroupSyncHost
  readonly #ledger = new GroupLedger()
  readonly #journal: LedgerJournal
  readonly #sourceCoordinators: Coordinators
  readonly #shadowCoordinators: Coordinators
  readonly #committer: GroupCommitter
  readonly #removals: GroupRemovals
  readonly #statuses: GroupStatuses
  readonly #finishing: Coalesced<ShadowTopic, { readonly obstacle: string | null }>
  #exclusive: Promise<unknown> = Promise.resolve()
  #renewalMs: number | null = null
  #mostMetadata: number | null = null
  /** When all groups of the shadow were last looked at for positions that would expire. */
  #renewedAtMs = -Infinity

  constructor (host: GroupSyncHost) {
    const { name, uid, source, shadow, recorded, write, signal, isLeading, logger, now, wallClock } = host
    this.#host = host
    this.#sourceCoordinators = new Coordinators(source)
    this.#shadowCoordinators = new Coordinators(shadow)
    const common = { shadow, ledger: this.#ledger, signal, isLeading }
    this.#journal = new LedgerJournal({ link: name, uid, ledger: this.#ledger, recorded, write, logger, now, wallClock })
    const onRefusedMetadata = (length: number): void => { this.#mostMetadata = Math.min(this.#mostMetadata ?? Infinity, length - 1) }
    this.#committer = new GroupCommitter({ ...common, coordinators: this.#shadowCoordinators, now, onRefusedMetadata })
    this.#removals = new GroupRemovals({ ...common, link: name, source, sourceCoordinators: this.#sourceCoordinators, shadowCoordinators: this.#shadowCoordinators, logger })
    this.#statuses = new GroupStatuses()
    this.#finishing = new Coalesced(topics => this.#finishAll(topics), { most: MOST_FINISHED_TOGETHER })
  }

  options (): GroupSyncOptions {
    return this.#host.options()
  }

  /** The groups of the source that are shadowed, by name, as the last run found them. */
  get groups (): readonly GroupStatus[] {
    return this.#statuses.all
  }

  async run (): Promise<TaskOutcome> {
    if (this.options().filters.length === 0) return { reason: 'no group filters are configured: no group is shadowed', problems: [] }
    const scope: Scope = topic => this.#taking(topic)
    this.#ledger.keepTopics(topic => scope(topic) !== null)
    await this.#exclusively(() => this.#journal.flush())
    if ([...this.#host.topics.keys()].every(topic => scope(topic) === null)) return { reason: 'no topic is shadowed at the moment: there are no positions to copy', problems: [] }
    this.#renewalMs ??= Math.max(LEAST_RENEWAL_MS, await renewalIntervalMs(this.#host.shadow, this.#host))
    this.#mostMetadata ??= await mostOffsetMetadata(this.#host.shadow, this.#host)
    try {
      const { selected, others, problems } = await this.#sync(scope, true)
      const left = [...others].map(([kind, count]) => `${count} ${kind}`).join(', ')
      return { reason: `${selected} groups of the source are selected${left === '' ? '' : `; groups of other kinds are not shadowed: ${left}`}`, problems: problems.map(({ text }) => text) }
    } catch (error) {
      throwIfAborted(this.#host.signal)
      await this.#renewAll(scope, new Set())
      throw error
    }
  }

  /**
   * The last sync of a topic that is being promoted, before it is opened: its source is at its end. Those who come at about the same
   * time share it. Null when it may be opened; in words why it waits otherwise. What waiting does not mend does not keep a topic closed: it is logged.
   */
  async finish (topic: ShadowTopic): Promise<string | null> {
    const { paused, filters } = this.options()
    if (paused || filters.length === 0) return null
    return (await this.#finishing.request(topic)).obstacle
  }

  async #finishAll (topics: readonly ShadowTopic[]): Promise<Array<{ readonly obstacle: string | null }>> {
    const { logger, signal, name } = this.#host
    const finished = new Map(topics.map(topic => [topic.topic, topic]))
    let obstacle: string | null
    try {
      const { problems } = await this.#sync(topic => promoting(finished.get(topic)), false)
      for (const { text, isPassing } of problems) if (!isPassing) logger.warn({ link: name }, `the last sync of consumer groups before a promotion: ${text}`)
      obstacle = problems.find(({ isPassing }) => isPassing)?.text ?? null
    } catch (error) {
      throwIfAborted(signal)
      obstacle = messageOf(error)
    }
    return topics.map(() => ({ obstacle: obstacle === null ? null : `the positions of its consumer groups cannot be copied: ${obstacle}` }))
  }

  /** Writes a record of the state topic again: see LinkState.fenced. */
  async rewrite (shard: number | null): Promise<void> {
    await this.#exclusively(() => this.#journal.rewrite(shard))
  }

  /** Nothing is recorded any more; returns what removes all that was. For a link all of whose topics are open. */
  async end (): Promise<StateChange[]> {
    return await this.#exclusively(() => Promise.resolve(this.#journal.end()))
  }

  /** What looks at positions and what commits them is one thing: what was read before another run has committed is old. */
  #exclusively<T> (work: () => Promise<T>): Promise<T> {
    const result = this.#exclusive.then(work)
    this.#exclusive = result.catch(() => {})
    return result
  }

  /** The topic that positions may be committed for: a shadow that nobody has begun to open, stopped or not. */
  #taking (name: string): ShadowTopic | null {
    const topic = this.#host.topics.get(name)
    if (topic === undefined) return null
    const { owned, created, state } = topic.record
    return created && (topic.isShadowed || (owned && state === 'FAULTED')) ? topic : null
  }

  /** One run over all groups of the source. @throws {ShadowError} when the source or the shadow cannot be asked at all */
  async #sync (scope: Scope, isWhole: boolean): Promise<SyncResult> {
    const { source, shadow, signal } = this.#host
    // Of the source, all topics: see #partitionsOf.
    const view = await source.refresh({ signal })
    const [theirs, mine] = await Promise.all([listGroups(source, { signal, view }), listGroups(shadow, { signal })])
    if (source.lastView !== null) this.#host.checkSource(source.lastView)
    const { groups, others } = selectedGroups(theirs.groups.values(), this.options().filters)
    for (const { groupId, nodeId } of theirs.groups.values()) this.#sourceCoordinators.learn(groupId, nodeId)
    for (const { groupId, nodeId } of mine.groups.values()) this.#shadowCoordinators.learn(groupId, nodeId)
    const patientUntilMs = this.#host.now() + CATCH_UP_MS
    const problems: Problem[] = theirs.gaps.map(gap => ({ text: `not all groups of the source are known: ${gap}`, isPassing: true }))
    // Those of one record together: it is written once.
    const ordered = [...groups].sort((a, b) => shardOf(a.groupId) - shardOf(b.groupId))
    for (let start = 0; start < ordered.length; start += GROUPS_AT_A_TIME) {
      await this.#exclusively(() => this.#syncGroups(ordered.slice(start, start + GROUPS_AT_A_TIME), { onShadow: mine, scope, problems, patientUntilMs }))
    }
    if (!isWhole) return { selected: groups.length, others, problems }
    await this.#describe(groups, problems)
    const present = new Set(groups.map(({ groupId }) => groupId))
    await this.#missing({ theirs, mine, present, scope, problems })
    await this.#renewAll(scope, present)
    await this.#exclusively(() => this.#journal.flush())
    this.#statuses.keepOnly(name => present.has(name) || this.#ledger.has(name))
    const known = { has: (groupId: string): boolean => theirs.groups.has(groupId) || mine.groups.has(groupId) || this.#ledger.has(groupId) }
    this.#sourceCoordinators.keepOnly(known)
    this.#shadowCoordinators.keepOnly(known)
    return { selected: groups.length, others, problems }
  }

  async #syncGroups (groups: readonly ListedGroup[], { onShadow, scope, problems, patientUntilMs }: SyncRun): Promise<void> {
    const { source, shadow, signal, wallClock } = this.#host
    const names = groups.map(({ groupId }) => groupId)
    const readAt = wallClock().toISOString()
    const theirs = await fetchGroupOffsets(source, this.#sourceCoordinators, names, { signal })
    await this.#catchUp([...theirs.values()].flatMap(answer => answer instanceof Error ? [] : answer), scope, patientUntilMs)
    const mine = await fetchGroupOffsets(shadow, this.#shadowCoordinators, names, { signal })
    const boundsOf = this.#bounds(scope)
    const plans = new Map<string, CommitPlan>()
    const absent = new Map<string, GroupPosition[]>()
    const failed = new Map<string, Error>()
    const commits: GroupCommit[] = []
    for (const groupId of names) {
      const wanted = theirs.get(groupId)
      const held = mine.get(groupId)
      if (wanted === undefined || held === undefined || wanted instanceof Error || held instanceof Error) {
        const error = wanted instanceof Error ? wanted : held
        if (error instanceof Error) failed.set(groupId, error)
        continue
      }
      const ours = held.filter(({ topic }) => scope(topic) !== null)
      for (const position of ours) this.#ledger.seen(groupId, position)
      const plan = this.#plan(groupId, wanted.filter(({ topic }) => scope(topic) !== null), ours, boundsOf)
      plans.set(groupId, plan)
      const keys = new Set(wanted.map(positionKey))
      absent.set(groupId, ours.filter(position => !keys.has(positionKey(position))))
      for (const row of wanted) this.#ledger.found(groupId, row)
      for (const position of plan.same) this.#ledger.adopt(groupId, position)
      if (!isLive(onShadow.groups.get(groupId))) commits.push({ groupId, commits: plan.commits, renewals: plan.renewals })
    }
    const outcomes = new Map((await this.#commit(commits, scope)).map(outcome => [outcome.groupId, outcome]))
    for (const { groupId } of groups) {
      this.#removals.found(groupId)
      const outcome = outcomes.get(groupId)
      const isLiveThere = outcome?.isLive === true || isLive(onShadow.groups.get(groupId))
      let error = failed.get(groupId) ?? outcome?.error ?? null
      if (error === null && !isLiveThere && this.options().onSourceDeletion === 'delete') error = await this.#removed(() => this.#removals.positionsMissing(groupId, absent.get(groupId) ?? [], scope))
      if (error !== null) problems.push({ text: `group ${groupId}: ${messageOf(error)}`, isPassing: isRetriable(error) })
      const plan = plans.get(groupId) ?? null
      const withoutMetadata = [...plan?.withoutMetadata ?? [], ...outcome?.withoutMetadata ?? []]
      this.#statuses.synced(groupId, { plan, isLiveOnShadow: isLiveThere, withoutMetadata, readAt, problem: error === null ? null : messageOf(error) })
    }
  }

  /** Records what is about to be committed, and what of it was. */
  async #commit (commits: readonly GroupCommit[], scope: Scope): Promise<CommittedGroup[]> {
    return await this.#journal.round(commits, () => this.#committer.commit(commits, scope))
  }

  #plan (groupId: string, wanted: readonly GroupPosition[], held: readonly GroupPosition[], boundsOf: (row: PartitionRow) => PartitionBounds | null): CommitPlan {
    const dueMs = this.#host.now() - (this.#renewalMs ?? Infinity)
    return planCommits({
      wanted,
      held,
      boundsOf,
      isOwn: position => this.#ledger.isOwn(groupId, position),
      isDue: row => this.#ledger.renewedAtMs(groupId, row) <= dueMs,
      mostMetadata: this.#mostMetadata ?? Infinity
    })
  }

  /** Waits a moment for the records below these positions: a position that is kept lower repeats them all. */
  async #catchUp (positions: readonly GroupPosition[], scope: Scope, patientUntilMs: number): Promise<void> {
    const { now, signal } = this.#host
    for (;;) {
      const boundsOf = this.#bounds(scope)
      if (now() >= patientUntilMs || !positions.some(position => position.offset > (boundsOf(position)?.end ?? Infinity))) return
      await sleep(CATCH_UP_POLL_MS, signal)
    }
  }

  /** What the shadow holds of a partition, as it is known at this moment; null for one that does not follow its source. */
  #bounds (scope: Scope): (row: PartitionRow) => PartitionBounds | null {
    const seen = new Map<string, readonly PartitionStatus[]>()
    return ({ topic: name, partition }) => {
      let partitions = seen.get(name)
      if (partitions === undefined) seen.set(name, partitions = this.#partitionsOf(scope(name)))
      const status = partitions[partition]
      if (status?.shadowEndOffset == null) return null
      // The log start of the shadow follows the source's: what is below it is nowhere, or will not be there for long.
      const logStart = Math.max(status.sourceLogStartOffset ?? 0, scope(name)?.record.startOffsets?.[partition] ?? 0)
      // A replica that has not begun yet holds nothing that a position could point at.
      return status.shadowEndOffset < logStart ? null : { logStart, end: status.shadowEndOffset }
    }
  }

  /** The same, and for a topic that was stopped what was known of it then. */
  #boundsOfStopped (scope: Scope): (row: PartitionRow) => PartitionBounds | null {
    const boundsOf = this.#bounds(scope)
    return row => {
      const topic = scope(row.topic)
      if (topic?.record.state !== 'FAULTED') return boundsOf(row)
      const end = topic.shadowEnds[row.partition] ?? null
      return end === null ? null : { logStart: 0, end }
    }
  }

  #partitionsOf (topic: ShadowTopic | null): readonly PartitionStatus[] {
    if (topic === null || topic.record.state === 'FAULTED') return []
    const { sourceTopicId } = topic.record
    const now = this.#host.source.lastView?.topics.get(topic.topic)
    // Positions in a topic that was made anew say nothing of the one that was copied.
    if (now === undefined || (now.topicId !== null && sourceTopicId !== null && now.topicId !== sourceTopicId)) return []
    return topic.status(NO_CONTACT_MS).partitions
  }

  /** Who is in the groups, for the status. */
  async #describe (groups: readonly ListedGroup[], problems: Problem[]): Promise<void> {
    const { source, signal } = this.#host
    const described = await describeGroups(source, this.#sourceCoordinators, groups, { signal })
    for (const group of groups) {
      const answer = described.get(group.groupId)
      if (answer instanceof Error) problems.push({ text: `the members of group ${group.groupId} are not known: ${messageOf(answer)}`, isPassing: isRetriable(answer) })
      this.#statuses.described(group, answer instanceof Error || answer === undefined ? null : answer)
    }
  }

  /** Groups that the link has committed for and that the source does not show. */
  async #missing ({ theirs, mine, present, scope, problems }: { readonly theirs: GroupListing, readonly mine: GroupListing, readonly present: ReadonlySet<string>, readonly scope: Scope, readonly problems: Problem[] }): Promise<void> {
    // Partial knowledge is never taken for the whole.
    if (theirs.gaps.length > 0) return
    for (const groupId of this.#ledger.groupIds) {
      if (present.has(groupId) || theirs.groups.has(groupId)) continue
      this.#statuses.gone(groupId)
      if (this.options().onSourceDeletion === 'keep') continue
      const error = await this.#removed(() => this.#removals.groupMissing(groupId, mine.groups.get(groupId), scope))
      if (error !== null) problems.push({ text: `group ${groupId}, which the source does not have any more: ${messageOf(error)}`, isPassing: isRetriable(error) })
    }
  }

  async #removed (work: () => Promise<void>): Promise<Error | null> {
    try {
      await work()
      return null
    } catch (error) {
      throwIfAborted(this.#host.signal)
      if (!(error instanceof Error)) throw error
      return error
    }
  }

  /**
   * From time to time, commits the positions of all selected groups of the shadow again, as they are, but for those that are synced
   * anyway: nothing expires because the source does not answer, or does not have a group any more.
   */
  async #renewAll (scope: Scope, synced: ReadonlySet<string>): Promise<void> {
    const { shadow, signal, now, logger, name } = this.#host
    if (now() - this.#renewedAtMs < (this.#renewalMs ?? Infinity)) return
    try {
      const { groups } = await listGroups(shadow, { signal })
      const listed = selectedGroups(groups.values(), this.options().filters).groups.filter(group => !isLive(group)).map(({ groupId }) => groupId)
      const names = [...new Set([...listed, ...this.#ledger.groupIds.filter(groupId => !groups.has(groupId))])].filter(groupId => !synced.has(groupId))
      for (let start = 0; start < names.length; start += GROUPS_AT_A_TIME) await this.#exclusively(() => this.#renew(names.slice(start, start + GROUPS_AT_A_TIME), scope))
      this.#renewedAtMs = now()
    } catch (error) {
      throwIfAborted(signal)
      logger.warn({ link: name, err: error }, `positions on the shadow could not be committed again, and are to expire some time: ${messageOf(error)}`)
    }
  }

  async #renew (names: readonly string[], scope: Scope): Promise<void> {
    const { shadow, signal } = this.#host
    const held = await fetchGroupOffsets(shadow, this.#shadowCoordinators, names, { signal })
    const boundsOf = this.#boundsOfStopped(scope)
    const commits = names.flatMap((groupId): GroupCommit[] => {
      const answer = held.get(groupId)
      if (answer instanceof Error || answer === undefined) throw answer ?? new ShadowError('INVARIANT', `no answer about group ${groupId}`)
      const { renewals } = this.#plan(groupId, [], answer.filter(({ topic }) => scope(topic) !== null), () => null)
      // A group that was once joined on the shadow loses its positions after a time that no commit prolongs: they are put back.
      const there = new Set(answer.map(positionKey))
      const lost = this.#ledger.lastOf(groupId).filter(position => !there.has(positionKey(position)))
      return [{ groupId, commits: lost.flatMap(position => within(position, boundsOf(position))), renewals }]
    })
    for (const { error } of await this.#commit(commits, scope)) if (error !== null) throw error
  }
}

/** A position as near to where it was as the shadow holds something: the topic may have been made anew meanwhile. None while that is not known. */
function within (position: GroupPosition, bounds: PartitionBounds | null): GroupPosition[] {
  return bounds === null ? [] : [{ ...position, offset: clamped(position.offset, bounds) }]
}

/** A topic that is being promoted and not open yet. */
function promoting (topic: ShadowTopic | undefined): ShadowTopic | null {
  return topic?.record.state === 'PROMOTING' && topic.record.owned ? topic : null
}
