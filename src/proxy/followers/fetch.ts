import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { Fetch } from '../../../protocol/messages/fetch.ts'
import type { RequestOf, ResponseInput, ResponseOf } from '../../../protocol/schema/api.ts'
import type { ReadRules } from '../read-rules.ts'
import type { Peek } from '../offer.ts'
import { question } from '../question.ts'
import type { Judge, Verdict } from '../verdict.ts'

/** The first version that a follower answers (KIP-392). */
export const FOLLOWER_FETCH_VERSION = 11
/** The first version that can be put in terms of that one: older ones want records in older formats. */
const FIRST_VERSION = 4
/** The last version whose clients do not know that a storage error passes. */
const LAST_WITHOUT_STORAGE_ERROR = 5

/** An answer that is put in an older version is held here as a whole: it may hold no more than so much, and one batch. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024

/** The first version in which a client can say of which leader epoch the last record is that it has. */
const LAST_EPOCH_VERSION = 12
const UNKNOWN_EPOCH = -1
const NO_RECORDS = Buffer.alloc(0)

/** Brokers have ids from 0 on; consumers fetch as -1, debuggers as -2. */
const FIRST_REPLICA_ID = 0

/**
 * Reads who fetches. A broker takes what a replica fetches for what that replica has: it lets the high watermark rise, acknowledges records that
 * nobody else has, and takes the replica into the ISR. Replicas fetch from brokers directly.
 */
export const isFromReplica: Peek = reader => reader.int32() >= FIRST_REPLICA_ID

/** In version 11 a client cannot say what a follower does not understand. */
export function isFetchJudged (version: number, reads: ReadRules): boolean {
  return version >= FIRST_VERSION && version !== FOLLOWER_FETCH_VERSION && reads.isAnyReadFromFollowers
}

/**
 * Asks for topics that are read from followers in the version that followers answer. A request that goes on with a session need not name
 * what it is about: all of them are asked so. In newer versions, see withoutLastEpochs.
 */
export const judgeFetch: Judge<typeof Fetch> = (body, { reads, version }) => {
  if (body.replicaId >= FIRST_REPLICA_ID) return refuseReplica(body, version)
  if (!isFetchJudged(version, reads)) return null
  if (version >= LAST_EPOCH_VERSION) return withoutLastEpochs(body)
  if (!continuesSession(body) && !body.topics.some(({ topic }) => reads.isReadFromFollowers(topic))) return null
  let answer: ResponseOf<typeof Fetch> | null = null
  return {
    kind: 'ask',
    questions: [question(Fetch, FOLLOWER_FETCH_VERSION, { ...body, maxBytes: Math.min(body.maxBytes, MAX_ANSWER_BYTES) }, body => { answer = body })],
    isLast: true,
    next () {
      if (answer === null) throw new TypeError('a question was asked and has no answer')
      return { kind: 'answer', body: inOlderVersion(answer, version) }
    }
  }
}

/** The first version whose answers have an error for all of them. */
const TOP_ERROR_VERSION = 7

function refuseReplica ({ topics }: RequestOf<typeof Fetch>, version: number): Verdict<typeof Fetch> {
  const errorCode = ErrorCodes.CLUSTER_AUTHORIZATION_FAILED
  if (version >= TOP_ERROR_VERSION) return { kind: 'answer', body: { errorCode, sessionId: 0, responses: [] } }
  return {
    kind: 'answer',
    body: { responses: topics.map(({ topic, partitions }) => ({ topic, partitions: partitions.map(({ partition }) => ({ partitionIndex: partition, errorCode, highWatermark: -1n, records: NO_RECORDS })) })) }
  }
}

/**
 * @platformatic/kafka says that its last record is of the epoch of the present leader, which a leader takes for true. Followers know the
 * epochs of their records alone, 0 in append mode replica, and call any other offset out of range. What is not said is not compared; other
 * clients never say it. Topics that have ids are not told apart.
 */
function withoutLastEpochs (body: RequestOf<typeof Fetch>): Verdict<typeof Fetch> | null {
  if (body.topics.every(({ partitions }) => partitions.every(({ lastFetchedEpoch }) => lastFetchedEpoch === UNKNOWN_EPOCH))) return null
  return { kind: 'amend', body: { ...body, topics: body.topics.map(topic => ({ ...topic, partitions: topic.partitions.map(row => ({ ...row, lastFetchedEpoch: UNKNOWN_EPOCH })) })) } }
}

function continuesSession ({ sessionId, sessionEpoch }: RequestOf<typeof Fetch>): boolean {
  return sessionId !== 0 && sessionEpoch > 0
}

function inOlderVersion (answer: ResponseOf<typeof Fetch>, version: number): ResponseInput<typeof Fetch> {
  return {
    ...answer,
    responses: answer.responses.map(topic => ({
      ...topic,
      partitions: topic.partitions.map(row => ({
        ...row,
        preferredReadReplica: -1,
        // As Kafka does.
        errorCode: row.errorCode === ErrorCodes.KAFKA_STORAGE_ERROR && version <= LAST_WITHOUT_STORAGE_ERROR ? ErrorCodes.NOT_LEADER_OR_FOLLOWER : row.errorCode
      }))
    }))
  }
}
