/** A shadow leader with a scripted source behind it, for one test. */
import type { Test } from 'tap'
import { silentLogger } from '../../../../src/observability/logger.ts'
import { ShadowLeaderServer } from '../../../../src/replication/append/replica/shadow-leader-server.ts'
import type { ShadowPartitionOptions } from '../../../../src/replication/append/replica/shadow-partition-options.ts'
import { ShadowPartition } from '../../../../src/replication/append/replica/shadow-partition.ts'
import { ShadowPartitions } from '../../../../src/replication/append/replica/shadow-partitions.ts'
import { TailMemory } from '../../../../src/replication/append/replica/tail-memory.ts'
import { ByteBudget } from '../../../../src/replication/source/byte-budget.ts'
import type { TopicFault } from '../../../../src/state/topic-state.ts'
import { Random } from '../../../support/random.ts'
import { RawClient } from '../../../support/raw-client.ts'
import { ScriptedFollower, type FollowerOptions, type ReplicaLog } from '../../../support/scripted-follower.ts'
import { ScriptedSource, type SourceLog } from '../../../support/scripted-source.ts'

export const LEADER_EPOCH = 3
export const TOPIC = 'orders'
export const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ'

export interface ShadowSetUp {
  readonly budgetBytes?: number
  readonly answerBytes?: number
  readonly partitions?: number
  readonly options?: Partial<ShadowPartitionOptions>
}

export class Shadow {
  readonly source: ScriptedSource
  readonly budget: ByteBudget
  readonly partitions: ShadowPartitions
  readonly server: ShadowLeaderServer
  readonly faults: TopicFault[] = []
  readonly ahead: Array<{ readonly brokerId: number, readonly fetchOffset: number, readonly sourceEnd: number }> = []
  readonly producerIds: number[] = []
  readonly #t: Test
  readonly #shadows: ShadowPartition[] = []

  private constructor (t: Test, source: ScriptedSource, server: ShadowLeaderServer, partitions: ShadowPartitions, { partitions: count = 1, options = {} }: ShadowSetUp) {
    this.#t = t
    this.source = source
    this.budget = source.budget
    this.server = server
    this.partitions = partitions
    const memory = new TailMemory(this.budget)
    for (let index = 0; index < count; index++) this.#shadows.push(this.#newPartition(index, memory, options))
  }

  static async start (t: Test, setUp: ShadowSetUp = {}): Promise<Shadow> {
    const source = new ScriptedSource(new ByteBudget(setUp.budgetBytes ?? 10_000_000), setUp.answerBytes ?? 2000)
    const partitions = new ShadowPartitions()
    const random = new Random(7)
    const server = await ShadowLeaderServer.open({ host: '127.0.0.1', port: 0 }, { brokerId: () => 3000, partitions, logger: silentLogger, now: Date.now, random: () => random.next() })
    t.teardown(async () => {
      source.stop()
      await server.close()
    })
    return new Shadow(t, source, server, partitions, setUp)
  }

  #newPartition (index: number, memory: TailMemory, options: Partial<ShadowPartitionOptions>): ShadowPartition {
    const log = this.source.log(TOPIC, index)
    const shadow: ShadowPartition = new ShadowPartition({
      topic: TOPIC,
      partition: index,
      topicId: TOPIC_ID,
      sourceTopicId: null,
      metadata: { leaderEpoch: LEADER_EPOCH, partitionEpoch: 1, isLeader: true, followers: [1, 2, 4] },
      maxServedBytes: 1_000_000,
      memory,
      now: Date.now,
      fetch: this.source.wake,
      sourceBounds: async () => ({ logStartOffset: log.logStart, highWatermark: log.end }),
      // What followers hold is taken for the source's, unless a test says otherwise.
      onFollower: (brokerId, offset) => shadow.admitFollower(brokerId, { offset, leaderEpoch: -1 }),
      onFault: fault => { this.faults.push(fault) },
      onFollowerAhead: follower => { this.ahead.push(follower) },
      onProducerId: id => { this.producerIds.push(id) },
      mayServe: () => true,
      gatheringMs: 0,
      ...options
    })
    this.partitions.add(shadow)
    return shadow
  }

  get log (): SourceLog {
    return this.source.log(TOPIC, 0)
  }

  shadow (index = 0): ShadowPartition {
    const shadow = this.#shadows[index]
    if (shadow === undefined) throw new Error(`no partition ${index}`)
    return shadow
  }

  /** As the engine does once it knows where source and followers stand. */
  serve (index = 0): void {
    const { logStart, end } = this.source.log(TOPIC, index)
    this.shadow(index).serve({ logStartOffset: logStart, highWatermark: end })
  }

  async client (): Promise<RawClient> {
    const client = await RawClient.open(this.server.address.port)
    this.#t.teardown(() => client.close())
    return client
  }

  async follower (brokerId: number, options: Partial<FollowerOptions> = {}): Promise<ScriptedFollower> {
    const followed = this.#shadows.map(({ topic, topicId, partition }) => ({ topic, topicId, partition }))
    return new ScriptedFollower(await this.client(), followed, { brokerId, ...options })
  }
}

/** Fetches until the follower's log ends there. */
export async function catchUp (follower: ScriptedFollower, end: number, index = 0): Promise<void> {
  for (let round = 0; follower.replica(index).end < end; round++) {
    if (round > 3000) throw new Error(`stuck at ${follower.replica(index).end} of ${end}`)
    await follower.fetch({ maxWaitMs: 20 })
  }
}

/** Says what is different between what a follower has and what the source had; null when nothing is, but leader epochs. */
export function differenceOf (replica: ReplicaLog, log: SourceLog): string | null {
  const expected = log.batches.filter(({ lastOffset }) => lastOffset >= replica.logStart && lastOffset < replica.end)
  if (replica.batches.length !== expected.length) return `${replica.batches.length} batches instead of ${expected.length}`
  for (const [index, batch] of expected.entries()) {
    const copy = Buffer.from(replica.batches[index]?.bytes ?? '')
    if (copy.readInt8(16) === 2) {
      if (copy.readInt32BE(12) !== 0) return `the leader epoch at ${batch.baseOffset} is ${copy.readInt32BE(12)}`
      batch.bytes.copy(copy, 12, 12, 16)
    }
    if (!copy.equals(batch.bytes)) return `the batch at ${batch.baseOffset} differs`
  }
  return null
}
