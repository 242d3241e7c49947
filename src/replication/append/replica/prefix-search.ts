/** Reads the logs of a follower and of the source for the search for what they have in common (`findCommonPrefix`). */
import { ErrorCodes, errorName } from '../../../../protocol/errors/codes.ts'
import { endOfEpoch } from '../../../client/admin/end-of-epoch.ts'
import { fetchBatches, type BatchRequest, type FetchedBatches } from '../../../client/admin/fetch-batches.ts'
import type { Cluster } from '../../../client/cluster.ts'
import { ShadowError } from '../../../errors.ts'
import { knownLeader } from '../../source/leader.ts'
import { findCommonPrefix, type CommonPrefix, type LogPiece } from './common-prefix.ts'
import { strangerOf } from './source-bounds.ts'

const PIECE_BYTES = 1024 * 1024

export interface ComparedClusters {
  readonly source: Cluster
  readonly shadow: Cluster
  readonly signal: AbortSignal
  /** Why the source cannot be asked at the moment; null when it can. */
  readonly obstacle: () => string | null
  /** How either of them is read. Default: `fetchBatches`. */
  readonly fetch?: (cluster: Cluster, request: BatchRequest) => Promise<FetchedBatches>
  /** The source does not have an offset that it was asked for. */
  readonly onMissing?: (offset: number) => void
  /** How a read is tried again. Default: it is not. */
  readonly persist?: <T>(read: () => Promise<T>) => Promise<T>
}

export interface FollowerLog {
  readonly topic: string
  readonly partition: number
  readonly brokerId: number
  /** Where the follower's log ends: 1 or more. */
  readonly endOffset: number
  readonly shadowTopicId: string | null
  /** Of the topic that it is compared with. */
  readonly sourceTopicId: string | null
  /** Nothing before it is compared. */
  readonly logStartOffset: number
  /** See ComparedLogs. */
  readonly isOtherTopic?: boolean
}

/**
 * How far the log of a follower is the source's; what is found is of one leader of the source, and of the topic with that id.
 * @throws {ShadowError} CLUSTER_UNAVAILABLE, BROKER_ERROR (retriable) while a side does not show what must be compared
 */
export async function searchCommonPrefix (clusters: ComparedClusters, { brokerId, endOffset, shadowTopicId, sourceTopicId, logStartOffset, isOtherTopic = false, ...row }: FollowerLog): Promise<CommonPrefix> {
  const { source, shadow, signal, obstacle, persist = once } = clusters
  const { topics } = await source.refresh({ signal })
  const sourceLeader = knownLeader(source, row.topic, row.partition)
  if (sourceLeader === null) throw notNow('the source shows no leader for the partition')
  const piece = { ...row, maxBytes: PIECE_BYTES }
  const prefix = await findCommonPrefix({
    endOffset,
    isOtherTopic,
    follower: { read: offset => persist(() => readPiece(clusters, shadow, { ...piece, offset, topicId: shadowTopicId, leader: { leaderId: brokerId, leaderEpoch: -1 } })) },
    source: {
      leaderEpoch: sourceLeader.leaderEpoch,
      logStartOffset,
      read: offset => persist(() => readPiece(clusters, source, { ...piece, offset, topicId: sourceTopicId, leader: sourceLeader })),
      endOfEpoch: async leaderEpoch => {
        const [answer] = await endOfEpoch(source, [{ ...row, leaderEpoch }], { signal, leaderOf: () => sourceLeader })
        if (answer === undefined || answer.errorCode !== ErrorCodes.NONE) throw notNow(`the source cannot be asked for its leader epochs: ${answer?.error?.message ?? errorName(answer?.errorCode ?? ErrorCodes.UNKNOWN_SERVER_ERROR)}`)
        return answer
      }
    }
  })
  // OffsetForLeaderEpoch names topics, and one may be made anew at any time.
  const reason = obstacle() ?? strangerOf(topics.get(row.topic), sourceTopicId) ?? strangerOf((await source.refresh({ signal })).topics.get(row.topic), sourceTopicId)
  if (reason !== null) throw notNow(reason)
  if (knownLeader(source, row.topic, row.partition)?.leaderEpoch !== sourceLeader.leaderEpoch) throw notNow('the source partition has got another leader meanwhile')
  return prefix
}

/** What a log holds from the batch on that ends at the offset or later. @throws {ShadowError} CLUSTER_UNAVAILABLE (retriable) */
export async function readPiece ({ source, signal, onMissing, fetch = (asked, one) => fetchBatches(asked, one, { signal }) }: ComparedClusters, cluster: Cluster, request: BatchRequest): Promise<LogPiece> {
  const answer = await fetch(cluster, request)
  if (answer.errorCode !== ErrorCodes.NONE) {
    if (answer.errorCode === ErrorCodes.OFFSET_OUT_OF_RANGE && cluster === source) onMissing?.(request.offset)
    await cluster.refresh({ signal })
    throw notNow(`broker ${request.leader.leaderId} answers ${errorName(answer.errorCode)}`)
  }
  return { ...answer, batches: answer.batches.filter(batch => batch.lastOffset >= request.offset) }
}

function once<T> (read: () => Promise<T>): Promise<T> {
  return read()
}

function notNow (reason: string): ShadowError {
  return new ShadowError('CLUSTER_UNAVAILABLE', reason, { retriable: true })
}
