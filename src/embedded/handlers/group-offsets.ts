/** OffsetCommit, OffsetFetch and OffsetDelete. */
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { OffsetCommit } from '../../../protocol/messages/offset-commit.ts'
import type { OffsetDelete } from '../../../protocol/messages/offset-delete.ts'
import type { OffsetFetch } from '../../../protocol/messages/offset-fetch.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import { ZERO_UUID } from '../../../protocol/schema/field.ts'
import type { BrokerState } from '../broker-state.ts'
import type { OffsetCommitRow } from '../groups/committed-offsets.ts'
import type { RequestContext } from '../server/dispatcher.ts'

/** From these versions on topics are named by their ids, and many groups are asked for at once. */
const MIN_VERSION_BY_ID = 10
const MIN_BATCHED_VERSION = 8

/** Kafka's own default for `offset.metadata.max.bytes`. */
const MAX_METADATA_BYTES = 4096

interface WantedTopic {
  readonly name: string
  readonly topicId: string
  readonly partitionIndexes: readonly number[]
}

interface FetchedPartition {
  readonly partitionIndex: number
  readonly committedOffset: bigint
  readonly committedLeaderEpoch: number
  readonly metadata: string
  readonly errorCode: number
}

interface FetchedTopic {
  readonly name: string
  readonly topicId: string
  readonly partitions: readonly FetchedPartition[]
}

export function offsetCommit (state: BrokerState, body: RequestOf<typeof OffsetCommit>, { apiVersion }: RequestContext): ResponseInput<typeof OffsetCommit> {
  const groupError = state.groups.checkCommit(body.groupId, body, body.generationIdOrMemberEpoch)
  const accepted: OffsetCommitRow[] = []
  const topics = body.topics.map(({ name, topicId, partitions }) => {
    const topic = apiVersion >= MIN_VERSION_BY_ID ? state.topics.byId(topicId) : state.topics.byName(name)
    return {
      name,
      topicId,
      partitions: partitions.map(({ partitionIndex, committedOffset, committedLeaderEpoch, committedMetadata }) => {
        const fail = (errorCode: number): { readonly partitionIndex: number, readonly errorCode: number } => ({ partitionIndex, errorCode })
        if (topic === null && apiVersion >= MIN_VERSION_BY_ID) return fail(ErrorCodes.UNKNOWN_TOPIC_ID)
        if (topic?.partitions[partitionIndex] === undefined) return fail(ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION)
        if (groupError !== ErrorCodes.NONE) return fail(groupError)
        const row = { topic: topic.name, partition: partitionIndex, offset: Number(committedOffset), leaderEpoch: committedLeaderEpoch, metadata: committedMetadata ?? '' }
        const errorCode = commitRowError(row)
        if (errorCode === ErrorCodes.NONE) accepted.push(row)
        return fail(errorCode)
      })
    }
  })
  state.offsets.commit(body.groupId, accepted)
  return { topics }
}

/** Whether an offset can be kept as it is. */
export function commitRowError ({ offset, metadata }: OffsetCommitRow): number {
  if (Buffer.byteLength(metadata) > MAX_METADATA_BYTES) return ErrorCodes.OFFSET_METADATA_TOO_LARGE
  return Number.isSafeInteger(offset) ? ErrorCodes.NONE : ErrorCodes.INVALID_COMMIT_OFFSET_SIZE
}

export function offsetFetch (state: BrokerState, body: RequestOf<typeof OffsetFetch>, { apiVersion }: RequestContext): ResponseInput<typeof OffsetFetch> {
  const { requireStable } = body
  if (apiVersion < MIN_BATCHED_VERSION) {
    const wanted = body.topics === null ? null : body.topics.map(topic => ({ ...topic, topicId: ZERO_UUID }))
    return { errorCode: ErrorCodes.NONE, topics: fetchedTopics(state, body.groupId, wanted, { requireStable, byId: false }).map(({ name, partitions }) => ({ name, partitions })) }
  }
  return {
    groups: body.groups.map(({ groupId, topics, memberId, memberEpoch }) => {
      const errorCode = memberError(state, groupId, memberId, memberEpoch)
      if (errorCode !== ErrorCodes.NONE) return { groupId, errorCode, topics: [] }
      return { groupId, errorCode, topics: fetchedTopics(state, groupId, topics, { requireStable, byId: apiVersion >= MIN_VERSION_BY_ID }) }
    })
  }
}

/** Members of the newer kind of groups say who they are (KIP-848); there are none of those here. */
function memberError (state: BrokerState, groupId: string, memberId: string | null, memberEpoch: number): number {
  if (memberId === null || memberEpoch < 0) return ErrorCodes.NONE
  return state.groups.get(groupId)?.members.some(member => member.memberId === memberId) === true ? ErrorCodes.NONE : ErrorCodes.UNKNOWN_MEMBER_ID
}

function fetchedTopics (state: BrokerState, groupId: string, wanted: readonly WantedTopic[] | null, { requireStable, byId }: { readonly requireStable: boolean, readonly byId: boolean }): FetchedTopic[] {
  const topics = wanted ?? everyTopic(state, groupId)
  return topics.map(({ name: givenName, topicId, partitionIndexes }) => {
    const name = byId && wanted !== null ? state.topics.byId(topicId)?.name ?? null : givenName
    return {
      name: givenName,
      topicId,
      partitions: partitionIndexes.map(partitionIndex => {
        const none = { partitionIndex, committedOffset: -1n, committedLeaderEpoch: -1, metadata: '' }
        if (name === null) return { ...none, errorCode: ErrorCodes.UNKNOWN_TOPIC_ID }
        if (requireStable && state.offsets.isPending(groupId, name, partitionIndex)) return { ...none, errorCode: ErrorCodes.UNSTABLE_OFFSET_COMMIT }
        const committed = state.offsets.get(groupId, name, partitionIndex)
        if (committed === null) return { ...none, errorCode: ErrorCodes.NONE }
        return { partitionIndex, committedOffset: BigInt(committed.offset), committedLeaderEpoch: committed.leaderEpoch, metadata: committed.metadata, errorCode: ErrorCodes.NONE }
      })
    }
  })
}

function everyTopic (state: BrokerState, groupId: string): WantedTopic[] {
  const partitions = new Map<string, number[]>()
  for (const { topic, partition } of state.offsets.all(groupId)) partitions.set(topic, [...partitions.get(topic) ?? [], partition])
  return [...partitions].map(([name, partitionIndexes]) => ({ name, topicId: state.topics.byName(name)?.topicId ?? ZERO_UUID, partitionIndexes }))
}

export function offsetDelete (state: BrokerState, { groupId, topics }: RequestOf<typeof OffsetDelete>): ResponseInput<typeof OffsetDelete> {
  if (!state.groups.exists(groupId)) return { errorCode: ErrorCodes.GROUP_ID_NOT_FOUND, throttleTimeMs: 0, topics: [] }
  const group = state.groups.get(groupId)
  // What members subscribe to is theirs to say, in words that are not read here: nothing is taken from under any of them.
  if (group !== null && !group.isVacant && group.protocolType !== 'consumer') return { errorCode: ErrorCodes.NON_EMPTY_GROUP, throttleTimeMs: 0, topics: [] }
  const isInUse = group !== null && !group.isVacant
  return {
    errorCode: ErrorCodes.NONE,
    throttleTimeMs: 0,
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => {
        if (isInUse) return { partitionIndex, errorCode: ErrorCodes.GROUP_SUBSCRIBED_TO_TOPIC }
        if (state.topics.partition(name, partitionIndex) === null && state.offsets.get(groupId, name, partitionIndex) === null) return { partitionIndex, errorCode: ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION }
        state.offsets.remove(groupId, [{ topic: name, partition: partitionIndex }])
        return { partitionIndex, errorCode: ErrorCodes.NONE }
      })
    }))
  }
}
