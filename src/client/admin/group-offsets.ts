/** What groups have committed: read, written and removed as an administrator does, who is no member. */
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { DeleteGroups } from '../../../protocol/messages/delete-groups.ts'
import { OffsetCommit } from '../../../protocol/messages/offset-commit.ts'
import { OffsetDelete } from '../../../protocol/messages/offset-delete.ts'
import { OffsetFetch } from '../../../protocol/messages/offset-fetch.ts'
import type { ResponseOf } from '../../../protocol/schema/api.ts'
import { BrokerError } from '../../errors.ts'
import type { Cluster } from '../cluster.ts'
import { GROUP_REQUEST_TIMEOUT_MS, GROUPS_PURPOSE, type Coordinators } from '../group/coordinators.ts'
import type { PartitionRow } from './ask-leaders.ts'

export interface GroupPosition extends PartitionRow {
  readonly offset: number
  /** -1: none. */
  readonly leaderEpoch: number
  readonly metadata: string
}

type Options = { readonly signal: AbortSignal }

interface ChangeOptions extends Options {
  /** Called at the moment of sending: what it throws is thrown, and nothing is sent. */
  readonly beforeSend?: () => void
}

const GROUPS_PER_REQUEST = 250
/** From this version on OffsetFetch takes several groups. */
const MANY_GROUPS_VERSION = 8
/** Up to this version topics are named, later they are told by their ids. */
const NAMED_TOPICS_VERSION = 9
/** From these versions on all topics can be asked for, and no time is sent that a broker would have to keep. */
const ALL_TOPICS_VERSION = 2
const MIN_COMMIT_VERSION = 2
/** Less than for other requests: the failover of a topic waits for a commit that is under way. */
const COMMIT_TIMEOUT_MS = 5000

type Topics = ReadonlyArray<Pick<ResponseOf<typeof OffsetFetch>['topics'][number], 'name' | 'partitions'>>

/**
 * All that groups have committed, by group; an error where there is one. A group that does not exist has committed nothing.
 * With `partitions`, just those: what may not be read is then an error, where it is left out of everything else.
 * @throws {ShadowError} ABORTED
 */
export async function fetchGroupOffsets (cluster: Cluster, coordinators: Coordinators, groupIds: readonly string[], { signal, partitions = null }: Options & { readonly partitions?: readonly PartitionRow[] | null }): Promise<Map<string, readonly GroupPosition[] | Error>> {
  const topics = partitions === null ? null : [...byName(partitions)].map(([name, rows]) => ({ name, partitionIndexes: rows.map(({ partition }) => partition) }))
  const options = { signal, purpose: GROUPS_PURPOSE, timeoutMs: GROUP_REQUEST_TIMEOUT_MS, minVersion: ALL_TOPICS_VERSION, maxVersion: NAMED_TOPICS_VERSION }
  return await coordinators.ask<readonly GroupPosition[]>(groupIds, GROUPS_PER_REQUEST, async (nodeId, groups) => {
    const range = await cluster.versionRange(OffsetFetch, nodeId, { signal })
    if ((range?.max ?? 0) >= MANY_GROUPS_VERSION) {
      const { body } = await cluster.request(OffsetFetch, { groups: groups.map(groupId => ({ groupId, topics })) }, nodeId, options)
      return new Map(body.groups.map(row => [row.groupId, positionsOf(row.groupId, row.errorCode, row.topics)]))
    }
    const answers = new Map<string, readonly GroupPosition[] | Error>()
    for (const groupId of groups) {
      const { body } = await cluster.request(OffsetFetch, { groupId, topics }, nodeId, options)
      answers.set(groupId, positionsOf(groupId, body.errorCode, body.topics))
    }
    return answers
  }, { signal })
}

function positionsOf (groupId: string, errorCode: number, topics: Topics): readonly GroupPosition[] | Error {
  if (errorCode === ErrorCodes.GROUP_ID_NOT_FOUND) return []
  if (errorCode !== ErrorCodes.NONE) return new BrokerError(errorCode, `OffsetFetch ${groupId}`)
  const positions: GroupPosition[] = []
  for (const { name, partitions } of topics) {
    for (const row of partitions) {
      // Half an answer would look like positions that were removed.
      if (row.errorCode !== ErrorCodes.NONE) return new BrokerError(row.errorCode, `OffsetFetch ${groupId} ${name}-${row.partitionIndex}`)
      if (row.committedOffset < 0n) continue
      positions.push({ topic: name, partition: row.partitionIndex, offset: Number(row.committedOffset), leaderEpoch: row.committedLeaderEpoch, metadata: row.metadata ?? '' })
    }
  }
  return positions
}

/** By `TOPIC/PARTITION`, the wire code for each position. */
export type CommitOutcome = ReadonlyMap<string, number>

export function positionKey ({ topic, partition }: PartitionRow): string {
  return `${topic}/${partition}`
}

/**
 * Commits positions of a group that has no members; the coordinator refuses it for one that has some (`validateOffsetCommit` in
 * Kafka's ClassicGroup and ConsumerGroup: UNKNOWN_MEMBER_ID). One request, whose rows a coordinator appends together.
 * @throws {ShadowError} when no answer came: what was sent may have been carried out
 */
export async function commitGroupOffsets (cluster: Cluster, coordinators: Coordinators, groupId: string, positions: readonly GroupPosition[], { signal, lane, beforeSend = () => {} }: ChangeOptions & { readonly lane: number }): Promise<CommitOutcome> {
  const answers = await coordinators.ask<CommitOutcome>([groupId], 1, async nodeId => {
    const { body } = await cluster.request(OffsetCommit, () => {
      beforeSend()
      return {
        groupId,
        topics: [...byName(positions)].map(([name, rows]) => ({
          name,
          partitions: rows.map(({ partition, offset, leaderEpoch, metadata }) => ({
            partitionIndex: partition, committedOffset: BigInt(offset), committedLeaderEpoch: leaderEpoch, committedMetadata: metadata
          }))
        }))
      }
    }, nodeId, { signal, purpose: GROUPS_PURPOSE, lane, timeoutMs: COMMIT_TIMEOUT_MS, minVersion: MIN_COMMIT_VERSION, maxVersion: NAMED_TOPICS_VERSION })
    const codes = new Map<string, number>()
    for (const { name, partitions } of body.topics) for (const { partitionIndex, errorCode } of partitions) codes.set(positionKey({ topic: name, partition: partitionIndex }), errorCode)
    const moved = [...codes.values()].find(code => code === ErrorCodes.NOT_COORDINATOR || code === ErrorCodes.COORDINATOR_NOT_AVAILABLE)
    return new Map([[groupId, moved === undefined ? codes : new BrokerError(moved, `OffsetCommit ${groupId}`)]])
  }, { signal })
  return answerOf(answers, groupId)
}

/** Removes positions of a group. @throws {BrokerError} what the coordinator has against it */
export async function deleteGroupOffsets (cluster: Cluster, coordinators: Coordinators, groupId: string, partitions: readonly PartitionRow[], { signal, beforeSend = () => {} }: ChangeOptions): Promise<void> {
  const what = `OffsetDelete ${groupId}`
  const answers = await coordinators.ask<true>([groupId], 1, async nodeId => {
    const { body } = await cluster.request(OffsetDelete, () => {
      beforeSend()
      return { groupId, topics: [...byName(partitions)].map(([name, rows]) => ({ name, partitions: rows.map(({ partition }) => ({ partitionIndex: partition })) })) }
    }, nodeId, { signal, purpose: GROUPS_PURPOSE, timeoutMs: GROUP_REQUEST_TIMEOUT_MS })
    const code = [body.errorCode, ...body.topics.flatMap(topic => topic.partitions.map(({ errorCode }) => errorCode))].find(errorCode => errorCode !== ErrorCodes.NONE)
    return new Map([[groupId, code === undefined ? true : new BrokerError(code, what)]])
  }, { signal })
  answerOf(answers, groupId)
}

/** Removes a group that has no members, with its positions. @throws {BrokerError} what the coordinator has against it */
export async function deleteGroup (cluster: Cluster, coordinators: Coordinators, groupId: string, { signal, beforeSend = () => {} }: ChangeOptions): Promise<void> {
  const answers = await coordinators.ask<true>([groupId], 1, async nodeId => {
    const { body } = await cluster.request(DeleteGroups, () => {
      beforeSend()
      return { groupsNames: [groupId] }
    }, nodeId, { signal, purpose: GROUPS_PURPOSE, timeoutMs: GROUP_REQUEST_TIMEOUT_MS })
    return new Map(body.results.map(({ groupId: name, errorCode }) => [name, errorCode === ErrorCodes.NONE ? true : new BrokerError(errorCode, `DeleteGroups ${name}`)]))
  }, { signal })
  answerOf(answers, groupId)
}

/** @throws the error that there is in its place */
function answerOf<A> (answers: ReadonlyMap<string, A | Error>, groupId: string): A {
  const answer = answers.get(groupId)
  if (answer === undefined) throw new BrokerError(ErrorCodes.UNKNOWN_SERVER_ERROR, groupId, 'the answer has no row for it')
  if (answer instanceof Error) throw answer
  return answer
}

function byName<R extends PartitionRow> (rows: readonly R[]): Map<string, R[]> {
  const topics = new Map<string, R[]>()
  for (const row of rows) {
    const known = topics.get(row.topic)
    if (known === undefined) topics.set(row.topic, [row])
    else known.push(row)
  }
  return topics
}
