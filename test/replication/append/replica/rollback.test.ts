/** What a partition does when the log of a follower is not its source's any more. */
import { test } from 'tap'
import { ShadowError } from '../../../../src/errors.ts'
import { silentLogger } from '../../../../src/observability/logger.ts'
import type { PartitionEntry } from '../../../../src/kraft/metadata/metadata-image.ts'
import type { FetchLook } from '../../../../src/replication/append/replica/follower-fetch.ts'
import { ReplicaPartition } from '../../../../src/replication/append/replica/replica-partition.ts'
import { TailMemory } from '../../../../src/replication/append/replica/tail-memory.ts'
import { ShadowTopic } from '../../../../src/replication/link/shadow-topic.ts'
import { ByteBudget } from '../../../../src/replication/source/byte-budget.ts'
import type { TopicRecord } from '../../../../src/state/records.ts'
import { topicRecord } from '../../../support/topic-record.ts'

const RECORD = topicRecord({ sourceTopicId: 'AAAAAAAAAAAAAAAAAAAAAg', replicationFactor: 2 })

class Scene {
  readonly written: TopicRecord[] = []
  readonly checks: Array<[number, number]> = []
  readonly raised: number[] = []
  located = 0
  /** What a write waits for. */
  writing: Promise<unknown> = Promise.resolve()
  leaderEpoch = 2
  readonly topic: ShadowTopic
  readonly partition: ReplicaPartition

  constructor (record: Partial<TopicRecord> = {}, followsTruncation = true) {
    this.topic = new ShadowTopic({ ...RECORD, ...record }, {
      now: Date.now,
      wallClock: () => new Date(0),
      logger: silentLogger,
      signal: new AbortController().signal,
      write: async ([change]) => {
        await this.writing
        if (change?.kind === 'topic' && change.value !== null) this.written.push(change.value)
      },
      begin: () => this.partition
    })
    this.partition = new ReplicaPartition(this.topic, 0, {
      memory: new TailMemory(new ByteBudget(1000)),
      followsTruncation,
      logger: silentLogger,
      raiseLeaderEpoch: async (_, above) => {
        this.raised.push(above)
        return this.leaderEpoch
      },
      fetch: () => {},
      sourceBounds: () => Promise.reject(new ShadowError('CLUSTER_UNAVAILABLE', 'not asked here')),
      locate: () => { this.located++ },
      check: (_, brokerId, fetchOffset) => { this.checks.push([brokerId, fetchOffset]) },
      onProducerId: () => {},
      mayServe: () => true,
      isLiving: () => false,
      isFenced: () => false,
      problem: () => null
    })
    const entry: PartitionEntry = {
      topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', partition: 0, replicas: [1, 2, 3000], isr: [3000], removingReplicas: [3000], addingReplicas: [1, 2], elr: [], lastKnownElr: [], leader: 3000, leaderRecoveryState: 0, leaderEpoch: 7, partitionEpoch: 1
    }
    this.partition.setEntry(entry, 3000, new Set([3000]))
    this.topic.copy(1)
    this.partition.activate()
    this.serve(100)
  }

  serve (highWatermark: number): void {
    this.partition.located({ logStartOffset: 0, highWatermark })
  }

  ask (brokerId: number, fetchOffset: number, lastFetchedEpoch = 0): FetchLook | undefined {
    return this.partition.served?.look({ brokerId, fetchOffset, lastFetchedEpoch, contact: { atMs: Date.now(), brokerEpoch: 1 }, currentLeaderEpoch: 7, logStartOffset: 0 }, { maxBytes: 1000, atLeastOne: true })
  }
}

test('a source that ends before the place that the copy was to begin at has lost records; a new leader of it may not know its end for a moment', async t => {
  for (const followsTruncation of [true, false]) {
    const scene = new Scene({ startOffsets: [150] }, followsTruncation)
    const { partition, topic } = scene
    t.equal(partition.served?.phase, 'locating', 'it ends at 100')
    t.match(partition.status(1000), { problem: /^the source ends at offset 100, and the copy was to begin at 150/ })
    scene.serve(150)
    t.equal(partition.served?.phase, 'serving')
    t.equal(topic.record.fault, null)
    const lost = new Scene({ startOffsets: [150] }, followsTruncation)
    for (let attempt = 0; attempt < 10; attempt++) lost.serve(100)
    t.match(lost.topic.record, { state: 'FAULTED', fault: { code: 'SOURCE_LOST_RECORDS', partition: 0, offset: 100 } })
  }
})

test('it is recorded before anything is thrown away, once for all followers, and in an epoch of its own', async t => {
  const scene = new Scene()
  const { partition, topic } = scene
  scene.ask(1, 120)
  scene.ask(2, 115)
  let write: () => void = () => {}
  scene.writing = new Promise<void>(resolve => { write = resolve })
  const both = Promise.all([partition.rollBack(1, { from: 120, to: 100, difference: '' }), partition.rollBack(2, { from: 115, to: 100, difference: '' })])
  await Promise.resolve()
  await Promise.resolve()
  t.equal(scene.ask(1, 120)?.kind, 'data', 'nobody is told before it is written')
  t.same(scene.raised, [0])
  write()
  await both
  t.same(scene.written.map(({ rollbacks }) => rollbacks), [[{ partition: 0, at: new Date(0).toISOString(), fromOffset: 120, toOffset: 100, times: 1, discarded: 20, epochs: [{ epoch: 2, startOffset: 100 }] }]])
  t.equal(partition.served?.phase, 'locating')
  t.match(scene.ask(1, 120), { kind: 'diverging', epoch: 0, endOffset: 100 })
  t.match(scene.ask(2, 115), { kind: 'diverging', epoch: 0, endOffset: 100 })
  t.equal(scene.ask(1, 100)?.kind, 'data')
  t.equal(partition.highestEnd, 100, 'who has not done it is no truth')
  t.ok(partition.isSuspect(1))
  // An engine after this one knows it from the record.
  const next = new Scene({ rollbacks: topic.record.rollbacks })
  t.match(next.ask(2, 115), { kind: 'diverging', epoch: 0, endOffset: 100 })
  next.leaderEpoch = 9
  await next.partition.rollBack(1, { from: 150, to: 90, difference: '' })
  t.same(next.raised, [2], 'above all that was given before')
  t.match(next.topic.record.rollbacks, [{ times: 2, epochs: [{ epoch: 2, startOffset: 100 }, { epoch: 9, startOffset: 90 }] }])
  t.match(next.ask(1, 150, 2), { kind: 'diverging', epoch: 0, endOffset: 90 })
})

test('what could not be recorded is not done', async t => {
  const scene = new Scene()
  scene.ask(1, 120)
  scene.writing = Promise.reject(new ShadowError('NOT_LEADER', 'another engine leads'))
  await t.rejects(scene.partition.rollBack(1, { from: 120, to: 100, difference: '' }), { code: 'NOT_LEADER' })
  t.equal(scene.ask(1, 120)?.kind, 'data')
  t.same(scene.topic.record.rollbacks, [])
  scene.writing = Promise.resolve()
  await scene.partition.rollBack(1, { from: 120, to: 100, difference: '' })
  t.equal(scene.ask(1, 120)?.kind, 'diverging', 'and it may be tried again')
})

test('a topic that is being opened throws nothing away any more', async t => {
  const scene = new Scene()
  scene.ask(1, 120)
  scene.topic.freeze()
  await t.rejects(scene.partition.rollBack(1, { from: 120, to: 100, difference: '' }), { code: 'CONFLICT' })
  t.same(scene.written, [])
  t.equal(scene.ask(1, 120)?.kind, 'data')
})

test('what was decided is told in a failover, too', async t => {
  const scene = new Scene({ rollbacks: [{ partition: 0, at: '', fromOffset: 120, toOffset: 100, times: 1, discarded: 20, epochs: [{ epoch: 2, startOffset: 100 }] }] })
  scene.serve(200)
  scene.ask(1, 110, 2)
  scene.ask(2, 120)
  scene.topic.freeze()
  t.equal(scene.partition.served?.frozenEnd, 110, 'the longer log is none to go by')
  t.same([...scene.partition.served?.trustedFollowers.keys() ?? []], [1])
  t.match(scene.ask(2, 120), { kind: 'diverging', endOffset: 100 })
  scene.ask(2, 100)
  t.same([...scene.partition.served?.trustedFollowers.keys() ?? []], [1, 2])
})

test('a source that has rewritten its log is followed only where that is asked for, and can be done exactly', async t => {
  const refused: Array<[string, Scene]> = [
    ['not asked for', new Scene({}, false)],
    ['compacted', new Scene({ configs: { 'cleanup.policy': 'compact,delete' } })],
    ['no topic ids', new Scene({ sourceTopicId: null })]
  ]
  for (const [why, scene] of refused) {
    scene.partition.served?.fault({ code: 'SOURCE_LOST_RECORDS', reason: 'cut off', partition: 0, offset: 100 })
    t.match(scene.topic.record, { state: 'FAULTED', fault: { code: 'SOURCE_LOST_RECORDS' } }, why)
  }
  const scene = new Scene()
  scene.ask(1, 120)
  scene.located = 0
  scene.partition.served?.fault({ code: 'SOURCE_LOST_RECORDS', reason: 'cut off', partition: 0, offset: 100 })
  t.match(scene.topic.record, { state: 'ACTIVE', fault: null })
  t.equal(scene.located, 1, 'it is looked at anew')
  t.ok(scene.partition.isSuspect(1))
  scene.serve(100)
  scene.ask(1, 120)
  t.same(scene.checks.slice(-1), [[1, 120]])
  scene.partition.served?.fault({ code: 'SOURCE_CORRUPT', reason: 'damaged', partition: 0, offset: 100 })
  t.match(scene.topic.record, { state: 'FAULTED', fault: { code: 'SOURCE_CORRUPT' } })
})

test('who has less is given nothing before who has more was compared', async t => {
  const scene = new Scene()
  scene.ask(1, 120)
  scene.ask(2, 90)
  t.throws(() => scene.partition.admit(2, 90, 3), { code: 'CLUSTER_UNAVAILABLE', retriable: true, message: /broker 1 has more/ })
  scene.partition.admit(1, 120, 3)
  scene.partition.admit(2, 90, 3)
  t.notOk(scene.partition.served?.isAwaitingAdmission(2, 90))
})
