/** Where a partition is cut off for its failover, and who leads it then. */
import { test } from 'tap'
import type { BrokerEntry, PartitionEntry } from '../../../../src/kraft/metadata/metadata-image.ts'
import { createLogger } from '../../../../src/observability/logger.ts'
import { cutPartition, toldBy, type Cut, type CutPartition } from '../../../../src/replication/append/replica/failover-cut.ts'
import { ShadowPartition } from '../../../../src/replication/append/replica/shadow-partition.ts'
import { TailMemory } from '../../../../src/replication/append/replica/tail-memory.ts'
import { ByteBudget } from '../../../../src/replication/source/byte-budget.ts'

const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ'
const { signal } = new AbortController()

/** One partition with replicas on brokers 1 and 2 that the shadow leader, broker 3000, leads, and whose source has 100 records. */
class Scene {
  readonly brokers = new Map<number, BrokerEntry>()
  readonly logged: string[] = []
  readonly served: ShadowPartition
  entry: PartitionEntry = {
    topicId: TOPIC_ID, partition: 0, replicas: [1, 2, 3000], isr: [3000], removingReplicas: [3000], addingReplicas: [1, 2], elr: [], lastKnownElr: [], leader: 3000, leaderRecoveryState: 0, leaderEpoch: 7, partitionEpoch: 1
  }

  constructor () {
    for (const id of [1, 2, 3000]) this.setBroker(id)
    this.served = new ShadowPartition({
      topic: 'orders',
      partition: 0,
      topicId: TOPIC_ID,
      sourceTopicId: null,
      metadata: { leaderEpoch: 7, partitionEpoch: 1, isLeader: true, followers: [1, 2] },
      maxServedBytes: 1000,
      memory: new TailMemory(new ByteBudget(1000)),
      now: Date.now,
      fetch: () => {},
      sourceBounds: async () => await Promise.resolve({ logStartOffset: 0, highWatermark: 100 }),
      onFollower: () => {},
      onFault: () => {},
      onFollowerAhead: () => {},
      onProducerId: () => {},
      mayServe: () => true
    })
    this.served.serve({ logStartOffset: 0, highWatermark: 100 })
  }

  setBroker (id: number, patch: Partial<BrokerEntry> = {}): void {
    this.brokers.set(id, { id, epoch: 1n, incarnationId: '', endpoints: new Map(), rack: null, fenced: false, inControlledShutdown: false, logDirs: [], cordonedLogDirs: [], ...patch })
  }

  /** A follower says where its log ends. */
  ask (brokerId: number, fetchOffset: number, brokerEpoch = 1): void {
    this.served.look({ brokerId, fetchOffset, lastFetchedEpoch: 0, contact: { atMs: Date.now(), brokerEpoch }, currentLeaderEpoch: 7, logStartOffset: 0 }, { maxBytes: 1000, atLeastOne: true })
  }

  freeze (): void {
    this.served.freeze(this.served.arrivedEnd)
  }

  get partition (): CutPartition {
    return { topic: 'orders', topicId: TOPIC_ID, partition: 0, served: this.served }
  }

  get options (): Parameters<typeof cutPartition>[1] {
    const logger = createLogger({ level: 'warn', pretty: false, destination: { write: (line: string) => { this.logged.push(line) } } })
    const image = { brokers: this.brokers, partition: () => this.entry }
    return { leader: { shadowIds: new Set([3000]), control: { image } }, followerTimeoutMs: 0, logger, now: () => performance.now(), signal }
  }

  async cut (options: Partial<Parameters<typeof cutPartition>[1]> = {}): Promise<Cut | null> {
    return await cutPartition(this.partition, { ...this.options, ...options })
  }
}

test('whoever has most is the truth, and who is dead and has no more is not waited for', async t => {
  const scene = new Scene()
  scene.ask(1, 90)
  scene.ask(2, 80)
  scene.setBroker(2, { fenced: true })
  scene.freeze()
  t.match(await scene.cut({ followerTimeoutMs: 60_000 }), { end: 90, targets: [1], wanted: [1, 2] })
  t.same(scene.logged, [])
})

test('where a dead broker has more than any living one, they are waited for, and then the longest living one is the truth', async t => {
  const scene = new Scene()
  scene.ask(1, 90)
  scene.ask(2, 100)
  scene.setBroker(2, { fenced: true })
  scene.freeze()
  t.match(await scene.cut(), { end: 90, targets: [1], wanted: [1, 2] })
  t.equal(scene.served.frozenEnd, 90)
  t.match(scene.logged.join('\n'), /orders-0 is handed over without brokers 2: 2 was at offset 100, and what it holds from offset 90 on is thrown away when it is back/)
})

test('a cut is what those said who are to lead, and not true any more once one of them is dead, shuts down or was started anew', async t => {
  for (const [what, after] of [['is dead', { fenced: true }], ['shuts down', { inControlledShutdown: true }], ['was started anew', { epoch: 2n }]] as const) {
    const scene = new Scene()
    scene.ask(1, 100)
    scene.ask(2, 100)
    scene.freeze()
    const cut = await scene.cut()
    t.match(cut, { end: 100, targets: [1, 2] })
    if (cut === null) return
    t.same(toldBy(cut, scene.partition, scene.options.leader), new Map([[1, 1n], [2, 1n]]), 'under the epochs under which they said so')
    scene.setBroker(2, after)
    t.equal(toldBy(cut, scene.partition, scene.options.leader), null, `broker 2 ${what}`)
    t.match(await scene.cut(), { end: 100, targets: [1] }, 'it is cut anew')
  }
})

test('a broker that comes back from a power loss with less leads nothing before it has caught up', async t => {
  const scene = new Scene()
  scene.ask(1, 90)
  scene.ask(2, 100)
  scene.freeze()
  const cut = await scene.cut()
  t.match(cut, { end: 100, targets: [2] }, 'broker 1 does not get there')
  if (cut === null) return
  scene.setBroker(2, { epoch: 2n })
  t.match(await scene.cut(), { end: 90, targets: [1] }, 'what it said before is not true of what it may have now')
  scene.ask(2, 80, 2)
  t.equal(toldBy(cut, scene.partition, scene.options.leader), null)
  t.match(await scene.cut(), { end: 90, targets: [1] })
  scene.ask(2, 90, 2)
  t.match(await scene.cut(), { end: 90, targets: [1, 2] })
})

test('what is promoted is not opened with less than was agreed', async t => {
  const scene = new Scene()
  scene.ask(1, 90)
  scene.served.freeze(100)
  await t.rejects(scene.cut({ atLeast: 100 }), { code: 'CLUSTER_UNAVAILABLE', retriable: true, message: /no living replica of orders-0 has all up to offset 100, where it is to end: the longest ends at 90/ })
  t.equal(scene.served.frozenEnd, 100, 'and it goes on being served what it has not')
})

test('one that real brokers lead meanwhile is left as it is', async t => {
  const scene = new Scene()
  scene.ask(1, 90)
  scene.freeze()
  const cut = scene.cut({ followerTimeoutMs: 60_000 })
  scene.entry = { ...scene.entry, replicas: [1, 2], addingReplicas: [], removingReplicas: [], isr: [1], leader: 1 }
  t.equal(await cut, null)
})
