/**
 * Compares the end of a follower's log with the source before the follower is served: what it holds was copied by an engine
 * before this one, and the source may have been rewritten since. The follower is read as a consumer reads it, up to its own high
 * watermark, which it learns from the empty answers it gets meanwhile.
 *
 * Its last batch is the source's, to the bit. Where the topic is compacted, either side may have cleaned by itself since: then what
 * both still hold is compared (`compareCleaned`), further and further back, until there is something.
 *
 * One that is not the source's is rolled back to what they have in common where the link says so, and stops the topic otherwise.
 */
import type { RecordBatch } from '../../../../protocol/records/record-batch.ts'
import { BatchReader } from '../../../client/admin/batch-reader.ts'
import type { BatchRequest } from '../../../client/admin/fetch-batches.ts'
import type { Cluster } from '../../../client/cluster.ts'
import { messageOf } from '../../../errors.ts'
import { knownLeader } from '../../source/leader.ts'
import { isSameBatch, tellApart } from '../same-batch.ts'
import { CheckQueue } from './check-queue.ts'
import { compareCleaned } from './compare-cleaned.ts'
import { readPiece, searchCommonPrefix, type ComparedClusters } from './prefix-search.ts'
import type { ReplicaPartition } from './replica-partition.ts'

/** Of one broker: after a restart every follower of every partition is compared, and these are enough for the reads to fill their requests. */
const CONCURRENT_CHECKS = 500
/** Enough for most batches; a broker answers with a whole one in any case. */
const TAIL_BYTES = 64 * 1024
const RETRY = { baseMs: 100, maxMs: 2000 }

export interface FollowerCheckOptions {
  readonly source: Cluster
  readonly shadow: Cluster
  readonly signal: AbortSignal
  readonly obstacle: () => string | null
}

interface Check {
  readonly partition: ReplicaPartition
  readonly brokerId: number
  readonly fetchOffset: number
}

type Verdict =
  | { readonly kind: 'same', readonly leaderEpoch: number }
  | { readonly kind: 'different', readonly reason: string, readonly offset: number }
  | { readonly kind: 'rewritten', readonly commonEnd: number, readonly difference: string }

export class FollowerCheck {
  readonly #options: FollowerCheckOptions
  readonly #source: BatchReader
  readonly #shadow: BatchReader
  readonly #queue: CheckQueue<Check>

  constructor (options: FollowerCheckOptions) {
    this.#options = options
    this.#source = new BatchReader(options.source, options)
    this.#shadow = new BatchReader(options.shadow, options)
    this.#queue = new CheckQueue<Check>({
      mostOfBroker: CONCURRENT_CHECKS,
      ...RETRY,
      signal: options.signal,
      isDue: check => this.#isDue(check),
      isPossible: ({ partition, brokerId }) => partition.isPresent(brokerId),
      run: check => this.#run(check)
    })
  }

  start (partition: ReplicaPartition, brokerId: number, fetchOffset: number): void {
    this.#queue.push({ partition, brokerId, fetchOffset })
  }

  async #run (check: Check): Promise<void> {
    const { partition, brokerId, fetchOffset } = check
    try {
      const verdict = await this.#verdictOn(check)
      // It may stand elsewhere by now, or the source may have been found to have rewritten its log once more.
      if (!this.#isDue(check)) return
      if (verdict.kind === 'same') partition.admit(brokerId, fetchOffset, verdict.leaderEpoch)
      else if (verdict.kind === 'rewritten') await partition.rollBack(brokerId, { from: fetchOffset, to: verdict.commonEnd, difference: verdict.difference })
      else partition.fault({ code: 'DIVERGED', reason: verdict.reason, partition: partition.partition, offset: verdict.offset })
      partition.noteProblem(null)
    } catch (error) {
      partition.noteProblem(`the log of broker ${brokerId} could not be compared with the source yet: ${messageOf(error)}`)
      throw error
    }
  }

  /** A follower that moved without us is another check. */
  #isDue ({ partition, brokerId, fetchOffset }: Check): boolean {
    return partition.isServed && partition.served?.isAwaitingAdmission(brokerId, fetchOffset) === true && partition.served.followers.get(brokerId)?.fetchOffset === fetchOffset
  }

  async #verdictOn (check: Check): Promise<Verdict> {
    const { partition, brokerId, fetchOffset } = check
    const { served } = partition
    const position = served?.followers.get(brokerId)
    if (served !== null && position !== undefined && position.lastFetchedEpoch >= 0 && !served.servedEpochs.isKnown(position.lastFetchedEpoch)) {
      return { kind: 'different', offset: fetchOffset, reason: `broker ${brokerId} holds records that were written under leader epoch ${position.lastFetchedEpoch}: a real broker has led the partition` }
    }
    // An empty log agrees with every other one.
    if (fetchOffset <= (served?.logStartOffset ?? 0)) return { kind: 'same', leaderEpoch: -1 }
    if (partition.isSuspect(brokerId) || (partition.mayFollow && fetchOffset > (served?.sourceEnd ?? 0))) return await this.#search(check)
    const verdict = await this.#compare(check)
    return verdict.kind === 'different' && partition.mayFollow ? await this.#search(check) : verdict
  }

  /** How far the log is the source's, where the source may have rewritten its own. */
  async #search ({ partition, brokerId, fetchOffset }: Check): Promise<Verdict> {
    const { topic, served } = partition
    const prefix = await searchCommonPrefix(this.#clusters(partition), {
      topic: topic.topic,
      partition: partition.partition,
      brokerId,
      endOffset: fetchOffset,
      shadowTopicId: served?.topicId ?? null,
      sourceTopicId: topic.record.sourceTopicId,
      logStartOffset: served?.logStartOffset ?? 0
    })
    if (prefix.kind === 'found' && prefix.difference === null) return { kind: 'same', leaderEpoch: prefix.leaderEpoch }
    if (prefix.kind === 'found' && partition.mayFollow) return { kind: 'rewritten', commonEnd: prefix.end, difference: prefix.difference ?? '' }
    const which = `broker ${brokerId} holds records before offset ${fetchOffset} that the source does not have`
    return prefix.kind === 'found'
      ? { kind: 'different', offset: prefix.end, reason: `${which}: ${prefix.difference ?? ''}` }
      : { kind: 'different', offset: fetchOffset, reason: `${which}, and what they have in common cannot be told: ${prefix.reason}` }
  }

  async #compare ({ partition, brokerId, fetchOffset }: Check): Promise<Verdict> {
    const { source, obstacle } = this.#options
    const { topic, served } = partition
    const sourceLeader = knownLeader(source, topic.topic, partition.partition)
    if (sourceLeader === null) {
      await source.refresh({ signal: this.#options.signal })
      throw new Error('the source shows no leader for the partition')
    }
    const isCompacted = topic.record.configs['cleanup.policy']?.includes('compact') === true
    for (let back = 1; ; back *= 2) {
      const at = Math.max(fetchOffset - back, served?.logStartOffset ?? 0)
      const where = { topic: topic.topic, partition: partition.partition, offset: at, maxBytes: TAIL_BYTES }
      const [mine, theirs] = await Promise.all([
        this.#batchesAt(partition, this.#options.shadow, { ...where, topicId: served?.topicId ?? null, leader: { leaderId: brokerId, leaderEpoch: -1 } }),
        this.#batchesAt(partition, source, { ...where, topicId: topic.record.sourceTopicId, leader: sourceLeader })
      ])
      const reason = obstacle()
      if (reason !== null) throw new Error(reason)
      const [last, same] = [mine[0], theirs[0]]
      // A leader that does not know its high watermark yet shows nothing; but the end of a log is never cleaned away.
      if (last === undefined) throw new Error(`the broker does not show offset ${at} yet`)
      if (same === undefined) throw new Error(`the source does not show offset ${at}`)
      if (!isCompacted) {
        return isSameBatch(last, same)
          ? { kind: 'same', leaderEpoch: epochAt(same, fetchOffset) }
          : { kind: 'different', offset: last.baseOffset, reason: `source and broker ${brokerId} hold different batches before offset ${fetchOffset}: ${tellApart(last, same)}` }
      }
      const { matching, difference } = compareCleaned(mine, theirs.filter(batch => batch.baseOffset < fetchOffset))
      if (difference !== null) return { kind: 'different', offset: difference.offset, reason: `source and broker ${brokerId} hold different records before offset ${fetchOffset}: ${difference.reason}` }
      if (matching !== null) return { kind: 'same', leaderEpoch: epochAt(matching, fetchOffset) }
      // All of it was cleaned away on one side or the other.
      if (at <= (served?.logStartOffset ?? 0)) return { kind: 'same', leaderEpoch: -1 }
    }
  }

  /** The batches from the one on that ends at the offset or later; none when it is not shown. */
  async #batchesAt (partition: ReplicaPartition, cluster: Cluster, request: BatchRequest): Promise<readonly RecordBatch[]> {
    return (await readPiece(this.#clusters(partition), cluster, request)).batches
  }

  #clusters (partition: ReplicaPartition): ComparedClusters {
    return {
      ...this.#options,
      fetch: (cluster, request) => (cluster === this.#options.source ? this.#source : this.#shadow).read(request),
      // The source may have deleted it since it was asked for its bounds.
      onMissing: offset => partition.served?.missing(offset, `the source does not have offset ${offset}`)
    }
  }
}

/** The source's leader epoch of the last batch before `offset`, if that is the one; of an earlier one it would say too little. */
function epochAt (batch: RecordBatch, offset: number): number {
  return batch.magic === 2 && batch.lastOffset === offset - 1 ? batch.partitionLeaderEpoch : -1
}
