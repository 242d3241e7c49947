/**
 * Compares the end of a follower's log with the source before the follower is served: what it holds was copied by an engine
 * before this one, and the source may have been rewritten since. The follower is read as a consumer reads it, up to its own high
 * watermark, which it learns from the empty answers it gets meanwhile.
 */
import { ErrorCodes, errorName } from '../../../../protocol/errors/codes.ts'
import type { RecordBatch } from '../../../../protocol/records/record-batch.ts'
import { fetchBatches } from '../../../client/admin/fetch-batches.ts'
import type { Cluster } from '../../../client/cluster.ts'
import { messageOf } from '../../../errors.ts'
import { backoffMs } from '../../../net/backoff.ts'
import { sleep } from '../../../net/sleep.ts'
import { knownLeader } from '../../source/leader.ts'
import { isSameBatch, tellApart } from '../same-batch.ts'
import type { ReplicaPartition } from './replica-partition.ts'

const CONCURRENT_CHECKS = 32
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

export class FollowerCheck {
  readonly #options: FollowerCheckOptions
  readonly #waiting: Check[] = []
  #running = 0

  constructor (options: FollowerCheckOptions) {
    this.#options = options
  }

  start (partition: ReplicaPartition, brokerId: number, fetchOffset: number): void {
    this.#waiting.push({ partition, brokerId, fetchOffset })
    if (this.#running >= CONCURRENT_CHECKS) return
    this.#running++
    this.#work().finally(() => { this.#running-- }).catch(() => {})
  }

  async #work (): Promise<void> {
    for (let check = this.#waiting.shift(); check !== undefined; check = this.#waiting.shift()) await this.#run(check)
  }

  async #run (check: Check): Promise<void> {
    const { signal } = this.#options
    const { partition, brokerId, fetchOffset } = check
    for (let failures = 0; !signal.aborted && this.#isDue(check); failures++) {
      try {
        const verdict = await this.#compare(check)
        if (verdict.kind === 'same') partition.admit(brokerId, fetchOffset, verdict.leaderEpoch)
        else partition.fault({ code: 'DIVERGED', reason: verdict.reason, partition: partition.partition, offset: verdict.offset })
        partition.noteProblem(null)
        return
      } catch (error) {
        partition.noteProblem(`the log of broker ${brokerId} could not be compared with the source yet: ${messageOf(error)}`)
        await sleep(backoffMs(failures, RETRY), signal).catch(() => {})
      }
    }
  }

  /** A follower that moved without us is another check. */
  #isDue ({ partition, brokerId, fetchOffset }: Check): boolean {
    return partition.isServed && partition.served?.followers.get(brokerId)?.fetchOffset === fetchOffset
  }

  async #compare ({ partition, brokerId, fetchOffset }: Check): Promise<Verdict> {
    const { source, shadow, obstacle } = this.#options
    const { topic, served } = partition
    const position = served?.followers.get(brokerId)
    if (position !== undefined && position.lastFetchedEpoch > 0) {
      return { kind: 'different', offset: fetchOffset, reason: `broker ${brokerId} holds records that were written under leader epoch ${position.lastFetchedEpoch}: a real broker has led the partition` }
    }
    const at = fetchOffset - 1
    const sourceLeader = knownLeader(source, topic.topic, partition.partition)
    if (sourceLeader === null) throw new Error('the source shows no leader for the partition')
    const where = { topic: topic.topic, partition: partition.partition, offset: at, maxBytes: TAIL_BYTES }
    const [mine, theirs] = await Promise.all([
      this.#batchAt(shadow, { ...where, topicId: served?.topicId ?? null, leader: { leaderId: brokerId, leaderEpoch: -1 } }),
      this.#batchAt(source, { ...where, topicId: topic.record.sourceTopicId, leader: sourceLeader })
    ])
    const reason = obstacle()
    if (reason !== null) throw new Error(reason)
    if (mine === null) throw new Error(`it does not show offset ${at} yet`)
    // The source has compacted its last records before that: there is nothing left to compare.
    if (theirs === null || theirs.baseOffset > at) return { kind: 'same', leaderEpoch: -1 }
    if (isSameBatch(mine, theirs)) return { kind: 'same', leaderEpoch: theirs.magic === 2 ? theirs.partitionLeaderEpoch : -1 }
    return { kind: 'different', offset: mine.baseOffset, reason: `source and broker ${brokerId} hold different batches before offset ${fetchOffset}: ${tellApart(mine, theirs)}` }
  }

  /** The first batch that ends at the offset or later; null when there is none. */
  async #batchAt (cluster: Cluster, request: Parameters<typeof fetchBatches>[1]): Promise<RecordBatch | null> {
    const answer = await fetchBatches(cluster, request, { signal: this.#options.signal })
    if (answer.errorCode !== ErrorCodes.NONE) {
      await cluster.refresh({ signal: this.#options.signal })
      throw new Error(`broker ${request.leader.leaderId} answers ${errorName(answer.errorCode)}`)
    }
    return answer.batches.find(batch => batch.lastOffset >= request.offset) ?? null
  }
}
