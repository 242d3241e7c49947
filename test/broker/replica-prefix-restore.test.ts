/** A topic whose source has rewritten its log goes on from what they have in common, by order: whoever dies meanwhile, and whatever the source does. */
import tap, { test } from 'tap'
import { DescribeConfigs } from '../../protocol/messages/describe-configs.ts'
import { ListOffsets } from '../../protocol/messages/list-offsets.ts'
import { OffsetForLeaderEpoch } from '../../protocol/messages/offset-for-leader-epoch.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { createSourceTopic, endOffsets, eventually, testCluster, type BrokerEngine } from '../support/broker-link.ts'
import { compareSegments } from '../support/compare-segments.ts'
import { FaultRelay, type Tripwire } from '../support/fault-relay.ts'
import { Random } from '../support/random.ts'
import { replicaScene } from '../support/replica-scene.ts'
import { replicaEnds, replicatedLink, rewrite, untilEnds, untilFaulted, untilVerified, writeTo } from '../support/rewritten-source.ts'

tap.setTimeout(280_000)

const RUN = { dryRun: false }
const PREFIX = { from: 'common-prefix', keep: null } as const
const before = (apiKey: number, skip = 0): Tripwire => ({ apiKey, when: 'before', skip })
const after = (apiKey: number, skip = 0): Tripwire => ({ apiKey, when: 'after', skip })

/** Where engines die. What is written first is who gave the order; whichever write it is, the same must hold. */
const DEATHS: ReadonlyArray<readonly [place: string, tripwire: Tripwire]> = [
  ['when the order comes', before(Produce.key)],
  ['before it is compared', before(DescribeConfigs.key)],
  ['while it is compared', after(OffsetForLeaderEpoch.key)],
  ['before the roll-back is recorded', before(Produce.key, 1)],
  ['when the roll-back is recorded', after(Produce.key, 1)],
  ['before it is compared again', before(ListOffsets.key, 6)],
  ['while it is compared again', before(OffsetForLeaderEpoch.key, 5)],
  ['before ACTIVE is recorded', before(Produce.key, 2)],
  ['when ACTIVE is recorded', after(Produce.key, 2)]
]

for (const version of ['3.9', '4.3'] as const) {
  test(`Kafka ${version}: what the source does not have is thrown away by every replica, by order, and nothing else`, async t => {
    const { source, sourceCluster, shadow, client, engine: first, another } = await replicaScene(t, { version, name: `prefix-${version}`, topic: 'orders', partitions: 2 })
    const sourceClient = testCluster(sourceCluster)
    t.teardown(() => sourceClient.close())
    const deaths = DEATHS.map((_, index) => `deaths-${index}`)
    for (const topic of ['opened', ...deaths]) await createSourceTopic(sourceClient, topic, 1)
    const topics = ['orders', 'opened', ...deaths]
    for (const topic of topics) writeTo(source, topic, { count: 100 })
    writeTo(source, 'orders', { partition: 1, count: 50 })
    await first.engine.create(replicatedLink(sourceCluster, topics), RUN)
    for (const topic of topics) await untilEnds(client, topic, 100)
    await untilEnds(client, 'orders', 50, 1)

    await t.test('it is said beforehand, it is what was agreed to, and one order at a time', async t => {
      rewrite(source, 'orders', { at: 60, count: 15 })
      await untilFaulted(first, 'orders')
      t.match(await first.engine.planRestore('dr', 'orders'), {
        topic: 'orders', isOtherTopic: false, partitions: [{ partition: 0, fromOffset: 100, toOffset: 60, difference: /offsets 60 to 60/ }, { partition: 1, fromOffset: 50, toOffset: 50, difference: null }]
      })
      await t.rejects(first.engine.restoreTopic('dr', 'orders', { from: 'common-prefix', keep: [61, 50] }), { code: 'CONFLICT', message: /would be rolled back to offset 60, and it was agreed to keep what is before 61/ })
      t.match(await first.topic('dr', 'orders'), { state: 'FAULTED', fault: { code: 'SOURCE_LOST_RECORDS' }, rollbacks: [] })
      t.same(await replicaEnds(client, 'orders'), [100, 100], 'to look at it changes nothing')
      const order = first.engine.restoreTopic('dr', 'orders', { from: 'common-prefix', keep: [60, 50] })
      await t.rejects(first.engine.restoreTopic('dr', 'orders', { from: 'scratch' }), { code: 'CONFLICT', message: /is being repaired already/ })
      t.match((await order).topics.find(({ name }) => name === 'orders'), { state: 'ACTIVE', fault: null, rollbacks: [{ partition: 0, fromOffset: 100, toOffset: 60, times: 1, discarded: 40 }] })
      await untilVerified(first, 'orders', 75)
      t.same(compareSegments(shadow.partitionDir(1, 'orders', 0), shadow.partitionDir(2, 'orders', 0)), { batches: 75, bytes: compareSegments(shadow.partitionDir(2, 'orders', 0), shadow.partitionDir(1, 'orders', 0)).bytes, startOffset: 0, endOffset: 75, difference: null })
      t.strictSame((await first.engine.audit('dr')).filter(({ action }) => action === 'topic restore').map(({ detail, problem }) => [detail, problem === null]), [
        ['orders from common-prefix', false], ['orders from common-prefix', true], ['orders from scratch', false]
      ])
      await t.rejects(first.engine.restoreTopic('dr', 'orders', PREFIX), { code: 'CONFLICT', message: /is ACTIVE, and only one that is FAULTED/ })
    })

    await t.test('the source changes again: after it, and in the middle of it', async t => {
      rewrite(source, 'orders', { at: 70, count: 40, text: 'third' })
      await untilFaulted(first, 'orders')
      const forget = source.onRequest(OffsetForLeaderEpoch, () => {
        if (first.state.state?.topicOf('dr', 'orders')?.rollbacks[0]?.times !== 2) return 'pass'
        forget()
        rewrite(source, 'orders', { at: 30, count: 90, text: 'fourth' })
        return 'pass'
      })
      await t.rejects(first.engine.restoreTopic('dr', 'orders', PREFIX), { code: 'CONFLICT', message: /stays FAULTED: it was rolled back, and partition 0 differs from the source before that all the same, from offset 30 on/ })
      t.match(await first.topic('dr', 'orders'), { state: 'FAULTED', rollbacks: [{ fromOffset: 75, toOffset: 70, times: 2, discarded: 45 }] })
      await untilEnds(client, 'orders', 70)
      await first.engine.restoreTopic('dr', 'orders', PREFIX)
      await untilVerified(first, 'orders', 120)
      t.match(await first.topic('dr', 'orders'), { state: 'ACTIVE', fault: null, rollbacks: [{ fromOffset: 70, toOffset: 30, times: 3, discarded: 85 }] })
    })

    await t.test('what was rolled back and not restored can be failed over, with what it has', async t => {
      rewrite(source, 'opened', { at: 60, count: 10 })
      await untilFaulted(first, 'opened')
      const forget = source.onRequest(OffsetForLeaderEpoch, () => first.state.state?.topicOf('dr', 'opened')?.rollbacks.length === 1 ? 'disconnect' : 'pass')
      const order = first.engine.restoreTopic('dr', 'opened', PREFIX)
      await eventually('it is recorded', () => first.state.state?.topicOf('dr', 'opened')?.rollbacks.length === 1)
      await first.engine.failover('dr', 'opened')
      await t.rejects(order, { code: /CONFLICT|CLUSTER_UNAVAILABLE|CONNECTION_CLOSED/ })
      forget()
      await eventually('it is open', async () => (await first.topic('dr', 'opened'))?.state === 'FAILED_OVER')
      t.match(await first.topic('dr', 'opened'), { fault: { code: 'SOURCE_LOST_RECORDS' }, partitions: [{ shadowEndOffset: 60 }] })
      t.same(await endOffsets(client, 'opened'), [60])
      await untilEnds(client, 'opened', 60)
    })

    await t.test('an engine that dies at any step leaves a topic that is FAULTED, or one that is the source\'s', async t => {
      await first.stop()
      const start = async (): Promise<{ readonly engine: BrokerEngine, readonly relay: FaultRelay }> => {
        const relay = new FaultRelay({ random: new Random(4), rate: () => 0, maxHoldMs: 0 })
        t.teardown(() => relay.stop())
        return { engine: await another({ sessionTimeoutMs: 1000, shadowDial: relay.dial, dial: relay.dial }), relay }
      }
      let { engine, relay } = await start()
      const found: string[] = []
      for (const [index, [place, tripwire]] of DEATHS.entries()) {
        const topic = deaths[index] ?? ''
        rewrite(source, topic, { at: 60, count: 10 + index })
        await untilFaulted(engine, topic)
        const dead = relay.trip(tripwire)
        const asked = engine.engine.restoreTopic('dr', topic, PREFIX).then(() => null, (error: unknown) => error)
        await dead
        await engine.stop()
        const error = await asked
        ;({ engine, relay } = await start())
        await eventually(`${place}: the successor knows the topic`, async () => await engine.topic('dr', topic) !== null)
        const status = await engine.topic('dr', topic)
        found.push(`${place}: ${status?.state ?? ''}${status?.rollbacks.length === 1 ? ', rolled back' : ''}`)
        if (status?.state === 'FAULTED') {
          t.ok(error, `${place}: whoever asked was told`)
          await engine.engine.restoreTopic('dr', topic, PREFIX)
        } else t.equal(status?.state, 'ACTIVE', place)
        await untilVerified(engine, topic, 70 + index)
        t.match(await engine.topic('dr', topic), { state: 'ACTIVE', fault: null, rollbacks: [{ times: 1, discarded: 40 }] }, place)
      }
      t.comment(found.join('; '))
      t.ok(found.some(state => state.endsWith('FAULTED')) && found.some(state => state.endsWith('FAULTED, rolled back')) && found.some(state => state.includes('ACTIVE')), 'they died before, meanwhile, and afterwards')
      await engine.stop()
    })
  })
}
