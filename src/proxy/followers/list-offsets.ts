/**
 * ListOffsets for topics that are read from followers. A follower answers nobody but a debugger (replica id -2), and does not care for the
 * isolation level then: LATEST is the end of its log, and a timestamp may be found beyond what consumers can read. What they can read is in
 * the answer to a Fetch, for which the end of the log is a place that is always there, and has no records.
 *
 *   1. ListOffsets of what the client asked    ListOffsets of the ends    (and the rest of the request, as it is)
 *   2. Fetch at the ends: high watermark and last stable offset
 */
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { Fetch } from '../../../protocol/messages/fetch.ts'
import { ListOffsets } from '../../../protocol/messages/list-offsets.ts'
import type { RequestOf, ResponseInput, ResponseOf } from '../../../protocol/schema/api.ts'
import { CONSUMER_REPLICA_ID, DEBUGGING_REPLICA_ID, EARLIEST_TIMESTAMP, LATEST_TIMESTAMP } from '../../client/admin/list-offsets.ts'
import { question, type Question } from '../question.ts'
import { inRequestOrder, type Answer, type Ask, type Judge } from '../verdict.ts'
import { FOLLOWER_FETCH_VERSION } from './fetch.ts'
import { partitionKey } from './partition-key.ts'

type Request = RequestOf<typeof ListOffsets>
type TopicRow = Request['topics'][number]
type PartitionRow = TopicRow['partitions'][number]
type TopicAnswer = ResponseInput<typeof ListOffsets>['topics'][number]
type PartitionAnswer = TopicAnswer['partitions'][number]

const LATEST = BigInt(LATEST_TIMESTAMP)
const EARLIEST = BigInt(EARLIEST_TIMESTAMP)
/** The first offset that is not in tiered storage alone. */
const EARLIEST_LOCAL = -4n
const READ_COMMITTED = 1

/** The first version whose clients know OFFSET_NOT_AVAILABLE. */
const OFFSET_NOT_AVAILABLE_VERSION = 5

export const judgeListOffsets: Judge<typeof ListOffsets> = (body, { reads, version }) => {
  if (body.replicaId !== CONSUMER_REPLICA_ID) return null
  const followed: TopicRow[] = []
  const others: TopicRow[] = []
  for (const topic of body.topics) {
    if (reads.isReadFromFollowers(topic.name)) followed.push(topic)
    else others.push(topic)
  }
  return followed.length === 0 ? null : new FollowerOffsets(body, version, followed, others).start()
}

class FollowerOffsets {
  readonly #request: Request
  readonly #version: number
  readonly #followed: readonly TopicRow[]
  readonly #notFollowed: readonly TopicRow[]
  #throttleTimeMs = 0
  /** What the broker says of topics that are none of ours. */
  #others: readonly TopicAnswer[] = []
  readonly #found = new Map<string, PartitionAnswer>()
  readonly #ends = new Map<string, PartitionAnswer>()
  /** What consumers can read up to, or why that is not known. */
  readonly #bounds = new Map<string, { readonly errorCode: number, readonly offset: bigint }>()

  /** `followed` and `others` are the topics of the request. */
  constructor (request: Request, version: number, followed: readonly TopicRow[], others: readonly TopicRow[]) {
    this.#request = request
    this.#version = version
    this.#followed = followed
    this.#notFollowed = others
  }

  start (): Ask<typeof ListOffsets> {
    const found = selectRows(this.#followed, row => row.timestamp !== LATEST)
    const ends = selectRows(this.#followed, isBounded).map(topic => ({ ...topic, partitions: topic.partitions.map(row => ({ ...row, timestamp: LATEST })) }))
    return {
      kind: 'ask',
      questions: [
        ...this.#ask(this.#notFollowed, CONSUMER_REPLICA_ID, topics => { this.#others = topics }),
        ...this.#ask(found, DEBUGGING_REPLICA_ID, topics => { keep(this.#found, topics) }),
        ...this.#ask(ends, DEBUGGING_REPLICA_ID, topics => { keep(this.#ends, topics) })
      ],
      isLast: ends.length === 0,
      next: () => ends.length === 0 ? this.#finish() : this.#askBounds(ends)
    }
  }

  #ask (topics: readonly TopicRow[], replicaId: number, take: (topics: ResponseOf<typeof ListOffsets>['topics']) => void): Question[] {
    if (topics.length === 0) return []
    return [question(ListOffsets, this.#version, { ...this.#request, replicaId, topics }, answer => {
      this.#throttleTimeMs = Math.max(this.#throttleTimeMs, answer.throttleTimeMs)
      take(answer.topics)
    })]
  }

  #askBounds (ends: readonly TopicRow[]): Answer<typeof ListOffsets> | Ask<typeof ListOffsets> {
    const known = selectRows(ends, (row, topic) => this.#logEnd(topic, row) !== null)
    if (known.length === 0) return this.#finish()
    return {
      kind: 'ask',
      questions: [question(Fetch, FOLLOWER_FETCH_VERSION, {
        maxWaitMs: 0,
        minBytes: 0,
        maxBytes: 1,
        topics: known.map(({ name, partitions }) => ({
          topic: name,
          partitions: partitions.map(row => ({ partition: row.partitionIndex, fetchOffset: this.#logEnd(name, row) ?? 0n, partitionMaxBytes: 1 }))
        }))
      }, answer => { this.#takeBounds(answer) })],
      isLast: true,
      next: () => this.#finish()
    }
  }

  #takeBounds (answer: ResponseOf<typeof Fetch>): void {
    this.#throttleTimeMs = Math.max(this.#throttleTimeMs, answer.throttleTimeMs)
    const isCommitted = this.#request.isolationLevel === READ_COMMITTED
    for (const { topic, partitions } of answer.responses) {
      for (const { partitionIndex, errorCode, highWatermark, lastStableOffset } of partitions) {
        this.#bounds.set(partitionKey(topic, partitionIndex), {
          // The log became shorter in between.
          errorCode: errorCode === ErrorCodes.OFFSET_OUT_OF_RANGE ? this.#notAvailable : errorCode,
          offset: isCommitted ? lastStableOffset : highWatermark
        })
      }
    }
  }

  /** Null where it is not known. */
  #logEnd (topic: string, { partitionIndex }: PartitionRow): bigint | null {
    const end = this.#ends.get(partitionKey(topic, partitionIndex))
    if (end === undefined || end.errorCode !== 0) return null
    return this.#version === 0 ? end.oldStyleOffsets?.[0] ?? null : end.offset ?? null
  }

  #finish (): Answer<typeof ListOffsets> {
    const ours = new Map<TopicRow, TopicAnswer>(this.#followed.map(topic => [topic, { name: topic.name, partitions: topic.partitions.map(row => this.#answer(topic.name, row)) }]))
    return {
      kind: 'answer',
      body: {
        throttleTimeMs: this.#throttleTimeMs,
        topics: inRequestOrder(this.#request.topics.map(topic => ({ key: topic.name, ours: ours.get(topic) ?? null })), this.#others, ({ name }) => name)
      }
    }
  }

  /** The row of one partition, as its leader would give it. */
  #answer (topic: string, row: PartitionRow): PartitionAnswer {
    const key = partitionKey(topic, row.partitionIndex)
    const isLatest = row.timestamp === LATEST
    const answer = (isLatest ? this.#ends : this.#found).get(key)
    if (answer === undefined) return this.#none(row, this.#notAvailable)
    if (answer.errorCode !== 0 || !isBounded(row)) return answer
    const bound = this.#boundOf(key)
    if (bound.errorCode !== 0) return this.#none(row, bound.errorCode)
    if (this.#version === 0) return { ...answer, oldStyleOffsets: upTo(bound.offset, answer.oldStyleOffsets ?? []) }
    if (isLatest) return { ...answer, offset: bound.offset }
    return (answer.offset ?? -1n) < bound.offset ? answer : this.#none(row, 0)
  }

  #boundOf (key: string): { readonly errorCode: number, readonly offset: bigint } {
    const end = this.#ends.get(key)
    if (end !== undefined && end.errorCode !== 0) return { errorCode: end.errorCode, offset: -1n }
    return this.#bounds.get(key) ?? { errorCode: this.#notAvailable, offset: -1n }
  }

  get #notAvailable (): number {
    return this.#version >= OFFSET_NOT_AVAILABLE_VERSION ? ErrorCodes.OFFSET_NOT_AVAILABLE : ErrorCodes.LEADER_NOT_AVAILABLE
  }

  /** No offset: because there is none, or because of an error. */
  #none ({ partitionIndex }: PartitionRow, errorCode: number): PartitionAnswer {
    return { partitionIndex, errorCode }
  }
}

/** True for a question whose answer depends on how far consumers can read. */
function isBounded ({ timestamp }: PartitionRow): boolean {
  return timestamp !== EARLIEST && timestamp !== EARLIEST_LOCAL
}

function selectRows (topics: readonly TopicRow[], isWanted: (row: PartitionRow, topic: string) => boolean): TopicRow[] {
  return topics
    .map(topic => ({ ...topic, partitions: topic.partitions.filter(row => isWanted(row, topic.name)) }))
    .filter(({ partitions }) => partitions.length > 0)
}

function keep (rows: Map<string, PartitionAnswer>, topics: readonly TopicAnswer[]): void {
  for (const { name, partitions } of topics) for (const row of partitions) rows.set(partitionKey(name, row.partitionIndex), row)
}

/** The list of version 0 is in falling order: what is beyond what can be read gives way to that. */
function upTo (bound: bigint, offsets: readonly bigint[]): readonly bigint[] {
  return offsets.some(offset => offset > bound) ? [bound, ...offsets.filter(offset => offset < bound)] : offsets
}
