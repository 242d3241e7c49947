import { test, type Test } from 'tap'
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { DescribeProducers } from '../../../protocol/messages/describe-producers.ts'
import { IncrementalAlterConfigs } from '../../../protocol/messages/incremental-alter-configs.ts'
import { InitProducerId } from '../../../protocol/messages/init-producer-id.ts'
import { Metadata } from '../../../protocol/messages/metadata.ts'
import { OffsetForLeaderEpoch } from '../../../protocol/messages/offset-for-leader-epoch.ts'
import { Cluster, type PartitionView } from '../../../src/client/cluster.ts'
import { silentLogger } from '../../../src/observability/logger.ts'
import { askAgainInMs, FailoverQuestions } from '../../../src/replication/failover/failover-questions.ts'
import { ProducerIdBarrier } from '../../../src/replication/failover/producer-id-barrier.ts'
import { ScriptedPeer } from '../../support/scripted-peer.ts'

const { signal } = new AbortController()
const PARTITIONS = Array.from({ length: 20 }, (_, partition) => ({ topic: `t${partition % 4}`, partition }))

/** One broker, which leads everything. */
async function start (t: Test) {
  const peer = await ScriptedPeer.start()
  peer.on(Metadata, () => ({ brokers: [{ nodeId: 1, ...peer.address }], controllerId: 1, topics: [] }))
  const cluster = new Cluster({ bootstrapServers: [peer.address], clientId: 'test', logger: silentLogger })
  t.teardown(async () => {
    await cluster.close()
    await peer.stop()
  })
  await cluster.refresh({ signal })
  const barrier = new ProducerIdBarrier({ shadow: cluster, logger: silentLogger, now: () => performance.now(), lead: () => null })
  const leaderOf = ({ partition }: { readonly partition: number }): PartitionView => ({ partition, leaderId: 1, leaderEpoch: 1, replicas: [1], isr: [1], errorCode: 0 })
  return { peer, cluster, barrier, questions: new FailoverQuestions({ shadow: cluster, barrier, leaderOf, signal }) }
}

test('what many topics ask at once is one request, and only partitions that are not led yet are asked for again', async t => {
  const { peer, questions } = await start(t)
  const asked: number[] = []
  let early = 3
  peer.on(OffsetForLeaderEpoch, ({ body }) => {
    asked.push(body.topics.reduce((count, { partitions }) => count + partitions.length, 0))
    return {
      throttleTimeMs: 0,
      topics: body.topics.map(({ topic, partitions }) => ({
        topic,
        partitions: partitions.map(({ partition }) => early-- > 0
          ? { partition, errorCode: ErrorCodes.NOT_LEADER_OR_FOLLOWER, leaderEpoch: -1, endOffset: -1n }
          : { partition, errorCode: 0, leaderEpoch: 0, endOffset: BigInt(100 + partition) })
      }))
    }
  })
  t.same((await Promise.all(PARTITIONS.map(row => questions.endOfCopy({ ...row, leaderEpoch: 0 })))).map(({ endOffset }) => endOffset), PARTITIONS.map(({ partition }) => 100 + partition))
  t.equal(asked[0], 20)
  t.equal(asked.reduce((sum, count) => sum + count, 0), 23)
})

test('what no repetition mends is told with the partition', async t => {
  const { peer, questions } = await start(t)
  peer.on(DescribeProducers, ({ body }) => ({
    throttleTimeMs: 0,
    topics: body.topics.map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map(partitionIndex => ({ partitionIndex, errorCode: ErrorCodes.TOPIC_AUTHORIZATION_FAILED, errorMessage: 'no', activeProducers: [] }))
    }))
  }))
  await t.rejects(questions.producersOf({ topic: 'a', partition: 3 }), { retriable: true, message: /a-3: the producers of it cannot be read: .*TOPIC_AUTHORIZATION_FAILED \(no\)/ })
  t.equal(peer.count(DescribeProducers), 1)
})

test('configs of many topics are one request, and each topic has its own outcome', async t => {
  const { peer, questions } = await start(t)
  peer.on(IncrementalAlterConfigs, ({ body }) => ({
    throttleTimeMs: 0,
    responses: body.resources.map(({ resourceType, resourceName }) => ({ errorCode: resourceName === 'bad' ? ErrorCodes.INVALID_CONFIG : 0, errorMessage: null, resourceType, resourceName }))
  }))
  const outcomes = await Promise.allSettled(['good', 'bad', 'other'].map(topic => questions.alterConfigs(topic, new Map([['x', null]]))))
  t.match(outcomes, [{ status: 'fulfilled' }, { reason: { wireCode: ErrorCodes.INVALID_CONFIG } }, { status: 'fulfilled' }])
  t.equal(peer.count(IncrementalAlterConfigs), 1)
})

test('the barrier asks the brokers that the metadata log shows, without asking for the metadata of all topics', async t => {
  const { peer, cluster } = await start(t)
  let live: readonly number[] = [1]
  const barrier = new ProducerIdBarrier({ shadow: cluster, logger: silentLogger, now: () => performance.now(), liveBrokers: () => live, lead: () => null })
  peer.on(InitProducerId, () => ({ throttleTimeMs: 0, errorCode: 0, producerId: 10n, producerEpoch: 0 }))
  await barrier.ensureNoted(signal)
  t.equal(peer.count(InitProducerId), 0, 'nothing was noted')
  barrier.note(5)
  const before = peer.count(Metadata)
  await barrier.ensureNoted(signal)
  t.same([peer.count(InitProducerId), peer.count(Metadata)], [1, before])
  live = [1, 2]
  await t.rejects(barrier.ensureNoted(signal), { code: 'CONNECT_FAILED', retriable: true })
  t.equal(peer.count(Metadata), before + 1, 'a broker that is not known is looked up')
})

test('the barrier waits for a broker that does not answer until the metadata log shows it as dead, and no longer', async t => {
  const { peer } = await start(t)
  const blackHole = await ScriptedPeer.start()
  const brokers = [{ nodeId: 1, ...peer.address }, { nodeId: 2, ...blackHole.address }]
  peer.on(Metadata, () => ({ brokers, controllerId: 1, topics: [] }))
  const cluster = new Cluster({ bootstrapServers: [peer.address], clientId: 'test', logger: silentLogger })
  t.teardown(async () => {
    await cluster.close()
    await blackHole.stop()
  })
  await cluster.refresh({ signal })
  let live: readonly number[] = [1, 2]
  const barrier = new ProducerIdBarrier({ shadow: cluster, logger: silentLogger, now: () => performance.now(), liveBrokers: () => live, lead: () => null })
  peer.on(InitProducerId, () => ({ throttleTimeMs: 0, errorCode: 0, producerId: 10n, producerEpoch: 0 }))
  blackHole.on(InitProducerId, () => null)
  barrier.note(5)
  let isSure = false
  const sure = barrier.ensureNoted(signal).then(() => { isSure = true })
  await blackHole.received(InitProducerId, 1)
  await new Promise(resolve => setTimeout(resolve, 300))
  t.notOk(isSure, 'it may hand out an id that was copied')
  live = [1]
  const atMs = performance.now()
  await sure
  t.ok(performance.now() - atMs < 5000, 'the timeout of the request is not waited for')
})

test('the barrier is raised once for all who ask meanwhile, and again for ids that were noted later', async t => {
  const { peer, barrier, questions } = await start(t)
  let next = 10
  peer.on(InitProducerId, () => ({ throttleTimeMs: 0, errorCode: 0, producerId: BigInt(next++), producerEpoch: 0 }))
  barrier.note(5)
  await Promise.all(PARTITIONS.map(() => questions.ensureBarrier()))
  t.equal(peer.count(InitProducerId), 1)
  barrier.note(10)
  await questions.ensureBarrier()
  t.equal(next, 12)
})

test('partitions that are not led yet are asked for at the same times, less often the more they are, and quickly when they are few', t => {
  t.equal(askAgainInMs(0, 1, 1005), 15, 'at the next multiple of 20 ms')
  t.equal(askAgainInMs(0, 1, 1020), 20, 'never at once')
  t.equal(askAgainInMs(1, 1, 1005), 35, 'at the next multiple of 40 ms: what was asked for before goes with it')
  t.equal(askAgainInMs(50, 1, 1125), 155, 'and so on up to 160 ms')
  t.equal(askAgainInMs(0, 100, 1005), 15)
  t.equal(askAgainInMs(0, 101, 1005), 35)
  t.equal(askAgainInMs(0, 1000, 1280), 320)
  t.equal(askAgainInMs(50, 1_000_000, 1280), 640, 'and no longer, however many they are')
  t.end()
})
