/** Fetch without sessions (a broker may always answer with session id 0, KIP-227), with long polling. */
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { Fetch } from '../../../protocol/messages/fetch.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import type { BrokerState } from '../broker-state.ts'
import type { PartitionLog } from '../log/partition-log.ts'
import type { RequestContext } from '../server/dispatcher.ts'
import { checkLeaderEpoch } from './leader-epoch-check.ts'

type Request = RequestOf<typeof Fetch>
type WantedPartition = Request['topics'][number]['partitions'][number]
type PartitionRow = ResponseInput<typeof Fetch>['responses'][number]['partitions'][number]

const MIN_VERSION_BY_ID = 13

/** From this version on an answer tells who leads. */
const MIN_LEADER_VERSION = 12

const READ_COMMITTED = 1

/** Kafka's own default for `fetch.max.bytes`: what one answer may hold in memory. */
const MAX_FETCH_BYTES = 55 * 1024 * 1024

/** Epochs of a request that is not part of a session, or that opens one. */
const INITIAL_EPOCH = 0
const FINAL_EPOCH = -1

/** A partition as it stands: rows that are answered as they are, or a range that can be read. */
type Look =
  | { readonly kind: 'answer', readonly row: PartitionRow }
  | { readonly kind: 'read', readonly log: PartitionLog, readonly wanted: WantedPartition, readonly endOffset: number }

interface FetchOptions {
  readonly request: Request
  readonly apiVersion: number
  readonly isCommitted: boolean
}

export async function fetch (state: BrokerState, body: Request, { apiVersion, signal }: RequestContext): Promise<ResponseInput<typeof Fetch>> {
  if (body.sessionEpoch !== INITIAL_EPOCH && body.sessionEpoch !== FINAL_EPOCH) {
    return { errorCode: ErrorCodes.FETCH_SESSION_ID_NOT_FOUND, responses: [] }
  }
  const options = { request: body, apiVersion, isCommitted: body.isolationLevel === READ_COMMITTED }
  const deadline = performance.now() + body.maxWaitMs
  for (;;) {
    const looks = lookAtAll(state, options)
    const leftMs = deadline - performance.now()
    if (leftMs <= 0 || signal.aborted || isDue(looks.flat(), body.minBytes)) return { responses: readAll(looks, options) }
    await nextChange(looks.flat(), leftMs, signal)
  }
}

function lookAtAll (state: BrokerState, options: FetchOptions): Look[][] {
  return options.request.topics.map(({ topic: name, topicId, partitions }) => {
    const isById = options.apiVersion >= MIN_VERSION_BY_ID
    const topic = isById ? state.topics.byId(topicId) : state.topics.byName(name)
    if (topic === null && isById) return partitions.map(({ partition }) => answer(partition, { errorCode: ErrorCodes.UNKNOWN_TOPIC_ID }))
    return partitions.map(wanted => lookAt(topic?.partitions[wanted.partition] ?? null, wanted, options, state.nodeId))
  })
}

function lookAt (log: PartitionLog | null, wanted: WantedPartition, { request, apiVersion, isCommitted }: FetchOptions, nodeId: number): Look {
  const { partition, currentLeaderEpoch, lastFetchedEpoch } = wanted
  if (log === null) return answer(partition, { errorCode: ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION })
  const staleEpoch = checkLeaderEpoch(log, currentLeaderEpoch)
  if (staleEpoch !== ErrorCodes.NONE) {
    return answer(partition, { errorCode: staleEpoch, ...(apiVersion >= MIN_LEADER_VERSION ? { currentLeader: { leaderId: nodeId, leaderEpoch: log.leaderEpoch } } : {}) })
  }
  // Nobody else has a replica.
  if (request.replicaId >= 0 || request.replicaState.replicaId >= 0) return answer(partition, { errorCode: ErrorCodes.NOT_LEADER_OR_FOLLOWER })
  const fetchOffset = Number(wanted.fetchOffset)
  if (lastFetchedEpoch >= 0) {
    const end = log.endOfEpoch(lastFetchedEpoch)
    if (end.epoch === -1) return answer(partition, { errorCode: ErrorCodes.OFFSET_OUT_OF_RANGE })
    if (end.epoch < lastFetchedEpoch || end.endOffset < fetchOffset) {
      return answer(partition, { errorCode: ErrorCodes.NONE, ...positions(log), divergingEpoch: { epoch: end.epoch, endOffset: BigInt(end.endOffset) } })
    }
  }
  if (fetchOffset < log.logStartOffset || fetchOffset > log.logEndOffset) return answer(partition, { errorCode: ErrorCodes.OFFSET_OUT_OF_RANGE })
  return { kind: 'read', log, wanted, endOffset: isCommitted ? log.lastStableOffset : log.highWatermark }
}

/** True when there is enough to answer with, or something that must not wait. */
function isDue (looks: readonly Look[], minBytes: number): boolean {
  let bytes = 0
  if (looks.length === 0) return true
  for (const look of looks) {
    if (look.kind === 'answer') return true
    bytes += look.log.availableBytes(Number(look.wanted.fetchOffset), look.endOffset, minBytes)
  }
  return bytes >= minBytes
}

function readAll (looks: readonly Look[][], { request, apiVersion, isCommitted }: FetchOptions): ResponseInput<typeof Fetch>['responses'] {
  let leftBytes = Math.min(request.maxBytes, MAX_FETCH_BYTES)
  // The first partition that has anything gives one batch at least, however large: else a client could never go on.
  let atLeastOne = apiVersion >= 3
  return looks.map((partitions, index) => ({
    topic: request.topics[index]?.topic ?? '',
    topicId: request.topics[index]?.topicId,
    partitions: partitions.map(look => {
      if (look.kind === 'answer') return look.row
      const { log, wanted, endOffset } = look
      const from = Number(wanted.fetchOffset)
      const { bytes, nextOffset } = log.read(from, { maxBytes: Math.max(0, Math.min(wanted.partitionMaxBytes, leftBytes)), endOffset, atLeastOne })
      if (bytes.length > 0) atLeastOne = false
      leftBytes -= bytes.length
      return {
        partitionIndex: wanted.partition,
        errorCode: ErrorCodes.NONE,
        ...positions(log),
        abortedTransactions: isCommitted
          ? log.abortedWithin(from, nextOffset).map(({ producerId, firstOffset }) => ({ producerId: BigInt(producerId), firstOffset: BigInt(firstOffset) }))
          : null,
        records: bytes
      }
    })
  }))
}

function positions (log: PartitionLog): { readonly highWatermark: bigint, readonly lastStableOffset: bigint, readonly logStartOffset: bigint } {
  return { highWatermark: BigInt(log.highWatermark), lastStableOffset: BigInt(log.lastStableOffset), logStartOffset: BigInt(log.logStartOffset) }
}

function answer (partitionIndex: number, row: Omit<PartitionRow, 'partitionIndex' | 'records' | 'highWatermark'> & { readonly highWatermark?: bigint }): Look {
  return { kind: 'answer', row: { partitionIndex, highWatermark: -1n, abortedTransactions: null, records: Buffer.alloc(0), ...row } }
}

/** Resolves when any of these partitions changes, the time is over or the client is gone. */
function nextChange (looks: readonly Look[], timeoutMs: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      for (const stop of stops) stop()
      resolve()
    }
    const timer = setTimeout(done, timeoutMs)
    signal.addEventListener('abort', done)
    const stops = looks.flatMap(look => look.kind === 'read' ? [look.log.changes.add(done)] : [])
  })
}
