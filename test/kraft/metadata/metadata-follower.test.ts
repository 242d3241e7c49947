import { test, type Test } from 'tap'
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { Fetch } from '../../../protocol/messages/fetch.ts'
import { FetchSnapshot } from '../../../protocol/messages/fetch-snapshot.ts'
import { AbortTransactionRecord } from '../../../protocol/metadata/abort-transaction-record.ts'
import { BeginTransactionRecord } from '../../../protocol/metadata/begin-transaction-record.ts'
import { ConfigRecord } from '../../../protocol/metadata/config-record.ts'
import { EndTransactionRecord } from '../../../protocol/metadata/end-transaction-record.ts'
import { FenceBrokerRecord } from '../../../protocol/metadata/fence-broker-record.ts'
import { NoOpRecord } from '../../../protocol/metadata/no-op-record.ts'
import { PartitionChangeRecord } from '../../../protocol/metadata/partition-change-record.ts'
import { PartitionRecord } from '../../../protocol/metadata/partition-record.ts'
import { RemoveTopicRecord } from '../../../protocol/metadata/remove-topic-record.ts'
import { TopicRecord } from '../../../protocol/metadata/topic-record.ts'
import { buildBatch } from '../../../protocol/records/build-batch.ts'
import { METADATA_TOPIC } from '../../../src/kraft/metadata-topic.ts'
import { MetadataFollower } from '../../../src/kraft/metadata/metadata-follower.ts'
import type { MetadataDelta } from '../../../src/kraft/metadata/metadata-delta.ts'
import { silentLogger } from '../../../src/observability/logger.ts'
import { until } from '../../support/shadow-pair.ts'
import { setUpQuorum, value, type ScriptedController } from '../scripted-quorum.ts'

const signal = new AbortController().signal
const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAw'

const noOp = value(NoOpRecord, {})

function topic (name: string, topicId = TOPIC_ID): Buffer {
  return value(TopicRecord, { name, topicId })
}

function partition (topicId = TOPIC_ID): Buffer {
  return value(PartitionRecord, { partitionId: 0, topicId, replicas: [1, 2], isr: [1, 2], removingReplicas: [], addingReplicas: [], leader: 1, leaderEpoch: 4, partitionEpoch: 9 })
}

async function setUp (t: Test, count = 1): Promise<{ readonly first: ScriptedController, readonly second: ScriptedController, readonly follow: () => MetadataFollower }> {
  const { controllers, quorum, first } = await setUpQuorum(t, count)
  const followers: MetadataFollower[] = []
  // Before the controllers are closed.
  t.teardown(async () => { await Promise.all(followers.map(follower => follower.stop())) })
  const follow = (): MetadataFollower => {
    const follower = MetadataFollower.start(controllers, { logger: silentLogger })
    followers.push(follower)
    return follower
  }
  return { first, second: quorum[1] ?? first, follow }
}

test('the image is null until everything is read that is committed, and holds nothing that is not', async t => {
  const { first, follow } = await setUp(t)
  first.append([topic('a'), partition()])
  first.append([topic('b', 'AAAAAAAAAAAAAAAAAAAABA')], { commit: false })
  const follower = follow()
  t.equal(follower.image, null)
  t.equal(follower.ageMs(), Infinity)
  const image = await follower.reached(1, signal)
  t.same([...image.topicsByName.keys()], ['a'])
  t.equal(follower.appliedOffset, 1)
  t.equal(follower.highWatermark, 2)
  const { promise, deltas } = deltaOf(follower)
  first.highWatermark = 3
  await promise
  t.same([...image.topicsByName.keys()], ['a', 'b'])
  t.same([...deltas[0]?.createdTopics ?? []], ['AAAAAAAAAAAAAAAAAAAABA'])
  t.ok(follower.ageMs() < 10_000)
})

test('a controller that does not know the high watermark yet commits nothing, and proves nothing', async t => {
  const { first, follow } = await setUp(t)
  first.append([topic('a')])
  first.highWatermark = -1
  const follower = follow()
  await until('it was asked a few times', () => first.fetches.length > 2)
  t.equal(follower.image, null)
  first.highWatermark = 1
  await follower.reached(0, signal)
})

test('the image stands for the cluster while it is confirmed again and again, and nothing is wrong', async t => {
  let lateMs = 0
  const now = (): number => performance.now() + lateMs
  const { controllers, first } = await setUpQuorum(t, 1, { now })
  first.append([topic('a')])
  const follower = MetadataFollower.start(controllers, { logger: silentLogger, now })
  t.teardown(() => follower.stop())
  t.equal(follower.freshImage, null)
  const image = await follower.reached(0, signal)
  t.equal(follower.freshImage, image)
  first.highWatermark = -1
  const { length } = first.fetches
  await until('an answer that proves nothing', () => first.fetches.length > length + 1)
  lateMs = 6000
  t.equal(follower.freshImage, null, 'it may be old')
  t.equal(follower.image, image)
  first.highWatermark = 1
  await until('it is confirmed', () => follower.freshImage === image)
  first.peer.on(Fetch, () => ({ errorCode: ErrorCodes.CLUSTER_AUTHORIZATION_FAILED, responses: [] }))
  await until('it cannot be read', () => follower.problem !== null)
  t.equal(follower.freshImage, null)
  t.equal(follower.image, image)
})

test('deltas name what changed, and entries that were handed out stay what they were', async t => {
  const { first, follow } = await setUp(t)
  first.append([topic('a'), partition()])
  const follower = follow()
  const image = await follower.reached(1, signal)
  const before = image.partition(TOPIC_ID, 0)
  const changed = deltaOf(follower)
  first.append([
    value(PartitionChangeRecord, { partitionId: 0, topicId: TOPIC_ID, isr: [2], leader: 2 }),
    value(PartitionChangeRecord, { partitionId: 0, topicId: TOPIC_ID, removingReplicas: [1] }),
    value(ConfigRecord, { resourceType: 2, resourceName: 'a', name: 'retention.ms', value: '5' })
  ])
  await changed.promise
  t.match(before, { leader: 1, leaderEpoch: 4, partitionEpoch: 9, isr: [1, 2] })
  t.match(image.partition(TOPIC_ID, 0), { leader: 2, leaderEpoch: 5, partitionEpoch: 11, isr: [2], replicas: [1, 2], removingReplicas: [1] })
  const [delta] = changed.deltas
  t.same({ partitions: delta?.partitions, topicConfigs: delta?.topicConfigs, replaced: delta?.replaced }, { partitions: new Map([[TOPIC_ID, new Set([0])]]), topicConfigs: new Set(['a']), replaced: false })
  const removed = deltaOf(follower)
  first.append([value(RemoveTopicRecord, { topicId: TOPIC_ID })])
  await removed.promise
  t.equal(removed.deltas[0]?.removedTopics.get(TOPIC_ID)?.name, 'a')
  t.equal(image.topicConfig('a').size, 0)
})

test('a transaction counts when it has ended, and never when it was aborted', async t => {
  const { first, follow } = await setUp(t)
  first.append([noOp])
  const follower = follow()
  const image = await follower.reached(0, signal)
  first.append([value(BeginTransactionRecord, {}), topic('a')])
  first.append([partition()])
  await until('it has read on', () => first.fetches.at(-1)?.offset === 4)
  t.equal(image.topics.size, 0)
  t.equal(follower.appliedOffset, 0, 'heartbeats do not claim what is not in the image')
  first.append([value(EndTransactionRecord, {})])
  await follower.reached(4, signal)
  t.equal(image.partition(TOPIC_ID, 0)?.leader, 1)
  first.append([value(BeginTransactionRecord, {}), value(RemoveTopicRecord, { topicId: TOPIC_ID }), value(AbortTransactionRecord, {})])
  await follower.reached(7, signal)
  t.equal(image.topics.size, 1)
})

test('control batches and kinds that are not followed are passed over', async t => {
  const { first, follow } = await setUp(t)
  first.append([Buffer.from('anything')], { control: true })
  first.append([Buffer.from([1, 99, 0, 1, 2, 3]), topic('a')])
  const follower = follow()
  t.same([...(await follower.reached(2, signal)).topicsByName.keys()], ['a'])
})

for (const [what, bad] of [
  ['a known kind in a version that is not known', Buffer.from([1, 3, 77, 0])],
  ['a change of a broker that is not registered', value(FenceBrokerRecord, { id: 1, epoch: 5n })],
  ['a change of a partition that is not there', value(PartitionChangeRecord, { partitionId: 5, topicId: TOPIC_ID })],
  ['an end of a transaction that has not begun', value(EndTransactionRecord, {})]
] as const) {
  test(`the image is given up with ${what}`, async t => {
    const { first, follow } = await setUp(t)
    first.append([topic('a')])
    const follower = follow()
    await follower.reached(0, signal)
    const lost = deltaOf(follower)
    first.append([bad])
    await lost.promise
    t.equal(lost.deltas[0]?.replaced, true)
    t.equal(follower.image, null)
    t.equal(follower.appliedOffset, -1)
    t.type(follower.problem, 'string')
    t.equal(follower.ageMs(), Infinity)
  })
}

test('a log that was rewritten below what was applied is read from the beginning', async t => {
  const { first, follow } = await setUp(t)
  first.append([topic('a')])
  const follower = follow()
  await follower.reached(0, signal)
  const lost = deltaOf(follower)
  first.divergingEpoch = { epoch: 0, endOffset: 0n }
  await lost.promise
  t.equal(follower.image, null)
  t.match(follower.problem, /had committed it up to offset 1/)
  t.same([...(await follower.reached(0, signal)).topicsByName.keys()], ['a'])
  t.equal(follower.problem, null)
})

test('a tail that another controller rewrites was never applied', async t => {
  const { first, second, follow } = await setUp(t, 2)
  first.append([topic('a')])
  first.append([topic('lost', 'AAAAAAAAAAAAAAAAAAAABA')], { commit: false })
  const follower = follow()
  const image = await follower.reached(0, signal)
  const changed = deltaOf(follower)
  second.epoch = 2
  second.log = buildBatch({ baseOffset: 0, partitionLeaderEpoch: 1, records: [{ timestamp: 1, value: topic('a') }] })
  second.append([topic('b', 'AAAAAAAAAAAAAAAAAAAABQ')])
  first.epoch = null
  await changed.promise
  t.same([...image.topicsByName.keys()], ['a', 'b'])
  t.same(second.fetches[0], { offset: 1, lastFetchedEpoch: 1, currentLeaderEpoch: 2 })
  t.equal(follower.image, image)
})

test('a snapshot is read in pieces that cut batches, and the log after it', async t => {
  const { first, follow } = await setUp(t)
  const bytes = snapshotBytes()
  first.snapshot = { endOffset: 50n, epoch: 1, bytes }
  first.log = buildBatch({ baseOffset: 50, partitionLeaderEpoch: 1, records: [{ timestamp: 1, value: topic('b', 'AAAAAAAAAAAAAAAAAAAABA') }] })
  first.highWatermark = 51
  serveSnapshot(first, 100)
  const follower = follow()
  const image = await follower.reached(50, signal)
  t.same([...image.topicsByName.keys()], ['a', 'b'])
  t.match(first.fetches.find(({ offset }) => offset > 0), { offset: 50, lastFetchedEpoch: 1 })
  t.equal(first.peer.count(FetchSnapshot), Math.ceil(bytes.length / 100))
})

test('a snapshot is begun anew when another controller becomes active meanwhile', async t => {
  const { first, second, follow } = await setUp(t, 2)
  for (const controller of [first, second]) {
    controller.snapshot = { endOffset: 50n, epoch: 1, bytes: snapshotBytes() }
    controller.highWatermark = 50
    serveSnapshot(controller, 100, position => {
      if (controller === second || position === 0) return
      second.epoch = 2
      first.epoch = null
    })
  }
  const follower = follow()
  t.same([...(await follower.reached(49, signal)).topicsByName.keys()], ['a'])
  t.equal(follower.problem, null)
})

test('waiting ends with its signal', async t => {
  const { follow } = await setUp(t)
  const abort = new AbortController()
  const waiting = follow().reached(100, abort.signal)
  abort.abort()
  await t.rejects(waiting, { code: 'ABORTED' })
})

function snapshotBytes (): Buffer {
  return Buffer.concat([
    buildBatch({ baseOffset: 0, isControl: true, records: [{ timestamp: 1, value: Buffer.from('header') }] }),
    buildBatch({ baseOffset: 1, records: [topic('a'), partition()].map(one => ({ timestamp: 1, value: one })) }),
    buildBatch({ baseOffset: 3, isControl: true, records: [{ timestamp: 1, value: Buffer.from('footer') }] })
  ])
}

function serveSnapshot (controller: ScriptedController, pieceBytes: number, onPiece: (position: number) => void = () => {}): void {
  controller.peer.on(FetchSnapshot, ({ body }) => {
    const asked = body.topics[0]?.partitions[0]
    const position = Number(asked?.position)
    onPiece(position)
    const { endOffset, epoch, bytes } = controller.snapshot ?? { endOffset: 0n, epoch: 0, bytes: Buffer.alloc(0) }
    const errorCode = controller.epoch === null ? 6 : 0
    return {
      throttleTimeMs: 0,
      errorCode: 0,
      topics: [{ name: METADATA_TOPIC, partitions: [{ index: 0, errorCode, snapshotId: { endOffset, epoch }, size: BigInt(bytes.length), position: BigInt(position), unalignedRecords: bytes.subarray(position, position + pieceBytes) }] }]
    }
  })
}

/** Resolves with the next delta. */
function deltaOf (follower: MetadataFollower): { readonly promise: Promise<void>, readonly deltas: MetadataDelta[] } {
  const deltas: MetadataDelta[] = []
  const promise = new Promise<void>(resolve => {
    const stop = follower.onChange(delta => {
      deltas.push(delta)
      stop()
      resolve()
    })
  })
  return { promise, deltas }
}
