/** The sidecar before brokers of which one follows a shadow topic in append mode replica. */
import { type Test } from 'tap'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { Fetch } from '../../protocol/messages/fetch.ts'
import { ListOffsets } from '../../protocol/messages/list-offsets.ts'
import { type Metadata } from '../../protocol/messages/metadata.ts'
import { OffsetForLeaderEpoch } from '../../protocol/messages/offset-for-leader-epoch.ts'
import type { Api, RequestInput, ResponseInput, ResponseOf } from '../../protocol/schema/api.ts'
import type { RawRequest } from '../support/raw-broker.ts'
import { answerWith, emptyAnswer, POISON, start, type Fixture, type FixtureOptions } from './fixture.ts'

const { NOT_LEADER_OR_FOLLOWER, OFFSET_OUT_OF_RANGE, FENCED_LEADER_EPOCH } = ErrorCodes

/** The shadow leader; 1 and 2 are followers, and 7 has no port. */
export const LEADER = 3

/** `ro` is a shadow topic in mode replica; `free` is nobody's. */
export async function startReplica (t: Test, options: FixtureOptions = {}): Promise<Fixture> {
  const fixture = await start(t, options)
  fixture.links.link('ro', 'replica')
  fixture.links.shadowLeader(LEADER)
  return fixture
}

export function versions (api: Api, first = api.versions.min, last = api.versions.max): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}

export interface Row {
  readonly leaderId: number
  readonly errorCode?: number
  readonly replicaNodes?: readonly number[]
  readonly isrNodes?: readonly number[]
  readonly offlineReplicas?: readonly number[]
}

export function metadata (partitions: readonly Row[], brokers: readonly number[], name = 'ro'): ResponseInput<typeof Metadata> {
  return {
    brokers: brokers.map(nodeId => ({ nodeId, ...POISON })),
    controllerId: LEADER,
    clusterId: 'c',
    topics: [{ errorCode: 0, name, partitions: partitions.map((row, partitionIndex) => ({ errorCode: 0, partitionIndex, leaderEpoch: 11, replicaNodes: [LEADER, 1, 2], isrNodes: [LEADER], offlineReplicas: [], ...row })) }]
  }
}

export function shown (body: ResponseOf<typeof Metadata>): unknown[] {
  return body.topics[0]?.partitions.map(row => [row.errorCode, row.leaderId, row.replicaNodes, row.isrNodes]) ?? []
}

/** What a follower of `ro` has: records up to 100, of which consumers may read up to 90, and committed ones up to 80. */
export const LOG_END = 100n
const FOUND = new Map<bigint, bigint>([[-2n, 5n], [-4n, 6n], [-3n, 85n], [1000n, 70n], [2000n, 85n], [3000n, 95n], [4000n, -1n], [-5n, -1n]])

/** A broker that follows `ro`, leads `free`, and refuses what a follower refuses. */
export function follower (overrides: { readonly fetchError?: number, readonly listError?: number } = {}): (request: RawRequest) => Buffer[] {
  const listOffsets = answerWith(ListOffsets, (body, version) => ({
    throttleTimeMs: 1,
    topics: [...body.topics].reverse().map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, timestamp, currentLeaderEpoch }) => {
        if (name === 'free') return { partitionIndex, errorCode: 0, ...(version === 0 ? { oldStyleOffsets: [1n] } : { offset: 1n, timestamp: -1n }) }
        if (body.replicaId !== -2) return { partitionIndex, errorCode: NOT_LEADER_OR_FOLLOWER }
        if (overrides.listError !== undefined) return { partitionIndex, errorCode: overrides.listError }
        if (currentLeaderEpoch !== -1 && currentLeaderEpoch !== 4) return { partitionIndex, errorCode: FENCED_LEADER_EPOCH }
        const offset = timestamp === -1n ? LOG_END : FOUND.get(timestamp) ?? -1n
        return { partitionIndex, errorCode: 0, ...(version === 0 ? { oldStyleOffsets: timestamp === -1n ? [LOG_END, 50n] : [offset] } : { offset, timestamp: timestamp >= 0n ? timestamp : -1n, ...(version >= 4 ? { leaderEpoch: 4 } : {}) }) }
      })
    }))
  }))
  const fetched = answerWith(Fetch, body => ({
    throttleTimeMs: 9,
    responses: body.topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition, fetchOffset }) => ({
        partitionIndex: partition,
        errorCode: overrides.fetchError ?? (fetchOffset === LOG_END ? 0 : OFFSET_OUT_OF_RANGE),
        highWatermark: 90n,
        lastStableOffset: 80n,
        records: null
      }))
    }))
  }))
  const epochs = answerWith(OffsetForLeaderEpoch, body => ({
    throttleTimeMs: 2,
    topics: body.topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition, leaderEpoch, currentLeaderEpoch }) => topic === 'free'
        ? { errorCode: 0, partition, leaderEpoch, endOffset: 9n }
        : { errorCode: currentLeaderEpoch !== -1 && currentLeaderEpoch !== 4 ? FENCED_LEADER_EPOCH : NOT_LEADER_OR_FOLLOWER, partition })
    }))
  }))
  return request => {
    if (request.apiKey === Fetch.key) return fetched(request)
    if (request.apiKey === ListOffsets.key) return listOffsets(request)
    return request.apiKey === OffsetForLeaderEpoch.key ? epochs(request) : [emptyAnswer(request)]
  }
}

export function offsetsOf (timestamps: readonly bigint[], isolationLevel: number, currentLeaderEpoch = -1, maxNumOffsets = 1): RequestInput<typeof ListOffsets> {
  return { replicaId: -1, isolationLevel, topics: [{ name: 'ro', partitions: timestamps.map((timestamp, partitionIndex) => ({ partitionIndex, timestamp, currentLeaderEpoch, maxNumOffsets })) }] }
}
