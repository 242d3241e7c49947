/** Where a topic is not taken back to what it has in common with its source: in words, and with nothing changed; and what happens when it was taken back wrongly. */
import tap, { test } from 'tap'
import { DescribeConfigs } from '../../protocol/messages/describe-configs.ts'
import { buildBatch } from '../../protocol/records/build-batch.ts'
import { createTopic } from '../../src/client/admin/create-topic.ts'
import { deleteTopic } from '../../src/client/admin/delete-topic.ts'
import { ShadowError } from '../../src/errors.ts'
import type { TopicRecord } from '../../src/state/records.ts'
import { StateWriter } from '../../src/state/state-writer.ts'
import { createSourceTopic, eventually, testCluster } from '../support/broker-link.ts'
import { replicaScene } from '../support/replica-scene.ts'
import { replicaEnds, replicatedLink, rewrite, untilEnds, untilFaulted, untilVerified, writeTo } from '../support/rewritten-source.ts'

tap.setTimeout(280_000)

const PREFIX = { from: 'common-prefix', keep: null } as const
const NAMES = ['wrong', 'compacted', 'trimmed', 'emptied', 'remade', 'alike', 'behind', 'dead'] as const

test('what cannot be told is refused, and what is wrong is noticed', async t => {
  const { source, sourceCluster, shadow, client, engine: first, another } = await replicaScene(t, { version: '4.3', name: 'prefix-refusals', topic: 'damaged', partitions: 1 })
  const signal = AbortSignal.timeout(270_000)
  const sourceClient = testCluster(sourceCluster)
  t.teardown(() => sourceClient.close())
  for (const name of NAMES) {
    if (name !== 'compacted') await createSourceTopic(sourceClient, name, 1)
  }
  await createTopic(sourceClient, { name: 'compacted', partitions: 1, replicationFactor: 1, configs: { 'cleanup.policy': 'compact' } }, { signal })
  const topics = ['damaged', ...NAMES]
  for (const name of topics) writeTo(source, name, { count: 100 })
  await first.engine.create(replicatedLink(sourceCluster, topics), { dryRun: false })
  for (const name of topics) await untilEnds(client, name, 100)

  /** Neither what is recorded nor what replicas hold is another than before. */
  const refused = async (topic: string, expected: { readonly code: string | RegExp, readonly message: RegExp }): Promise<void> => {
    const record = (): TopicRecord | null => first.state.state?.topicOf('dr', topic) ?? null
    const before = record()
    await t.rejects(first.engine.planRestore('dr', topic), expected, `${topic}: the look at it`)
    await t.rejects(first.engine.restoreTopic('dr', topic, PREFIX), expected, `${topic}: the order`)
    t.same(record(), before, topic)
    t.equal(record()?.state, 'FAULTED')
    t.same(await replicaEnds(client, topic), [100, 100], topic)
  }

  for (const topic of ['wrong', 'compacted', 'trimmed', 'behind', 'dead']) rewrite(source, topic, { at: 60, count: 20 })
  rewrite(source, 'emptied', { at: 0, count: 20 })
  const damaged = buildBatch({ baseOffset: 100, records: [{ timestamp: 1, value: Buffer.from('x') }] })
  damaged.writeUInt8((damaged.at(-2) ?? 0) ^ 0xff, damaged.length - 2)
  source.log('damaged', 0).appendRaw(damaged)
  for (const topic of ['remade', 'alike']) {
    await deleteTopic(sourceClient, topic, { signal })
    await createSourceTopic(sourceClient, topic, 1)
  }
  writeTo(source, 'remade', { count: 20, text: 'another topic' })
  for (const [text, count] of [['first', 30], ['other', 1], ['first', 29]] as const) writeTo(source, 'alike', { text, count })
  rewrite(source, 'alike', { at: 60, count: 30, text: 'first' })
  for (const topic of topics) await untilFaulted(first, topic)

  await t.test('each is refused in words', async () => {
    await refused('damaged', { code: 'CONFLICT', message: /was stopped by SOURCE_CORRUPT, which throws nothing away: retry it/ })
    await refused('compacted', { code: 'CONFLICT', message: /is compacted, and every replica cleans by itself[^]*from scratch/ })
    writeTo(source, 'trimmed', { count: 50 })
    source.log('trimmed', 0).setLogStart(110)
    await refused('trimmed', { code: 'CONFLICT', message: /the source's log starts at offset 110, and that of broker 1 ends at 100: there is nothing to compare; it can only be restored from scratch/ })
    await refused('emptied', { code: 'CONFLICT', message: /no batch with a leader epoch in common from offset 0 on[^]*from scratch/ })
    await refused('remade', { code: 'CONFLICT', message: /no batch with a leader epoch in common from offset 0 on/ })
    source.log('behind', 0).holdHighWatermark(50)
    await refused('behind', { code: 'CLUSTER_UNAVAILABLE', message: /stays FAULTED, because it cannot be compared with its source at the moment: the source does not show offset 59 yet/ })
    source.log('behind', 0).holdHighWatermark(null)
    const forget = source.onRequest(DescribeConfigs, () => 'disconnect')
    // By whether the last attempt came to a connection, or to the pause before the next one.
    await refused('behind', { code: /^(CONNECTION_CLOSED|CLUSTER_UNAVAILABLE)$/, message: /stays FAULTED, because it cannot be compared with its source at the moment: (the connection|no broker of the cluster answers)/ })
    forget()
    await first.engine.restoreTopic('dr', 'behind', PREFIX)
    await untilVerified(first, 'behind', 80)
  })

  await t.test('of a topic that was made anew all is compared, and it goes on with what is the same', async t => {
    t.match(await first.topic('dr', 'alike'), { fault: { code: 'SOURCE_TOPIC_RECREATED' } })
    t.match(await first.engine.planRestore('dr', 'alike'), { isOtherTopic: true, partitions: [{ fromOffset: 100, toOffset: 30 }] }, 'an equal batch before the start of an epoch says nothing')
    await first.engine.restoreTopic('dr', 'alike', PREFIX)
    await untilVerified(first, 'alike', 90)
    const topicId = (await sourceClient.refresh({ signal })).topics.get('alike')?.topicId
    t.match(await first.topic('dr', 'alike'), { state: 'ACTIVE', fault: null, sourceTopicId: topicId, rollbacks: [{ fromOffset: 100, toOffset: 30 }] })
    writeTo(source, 'alike', { count: 10 })
    await untilVerified(first, 'alike', 100)
  })

  await t.test('a prefix that is wrong is noticed before anything is served', async t => {
    const record = first.state.state?.topicOf('dr', 'wrong') ?? null
    const epoch = first.state.state?.engine?.epoch ?? -1
    const leaderEpoch = (await client.refresh({ signal })).topics.get('wrong')?.partitions[0]?.leaderEpoch ?? -1
    t.ok(record !== null && leaderEpoch > 0)
    await first.stop()
    if (record === null) return
    // As an engine would leave it that took ten records too many for the source's.
    const rollbacks = [{ partition: 0, at: record.since, fromOffset: 100, toOffset: 70, times: 1, discarded: 30, epochs: [{ epoch: leaderEpoch, startOffset: 70 }] }]
    await new StateWriter(client, { epoch, signal }).write([{ kind: 'topic', link: 'dr', topic: 'wrong', value: { ...record, state: 'ACTIVE', fault: null, rollbacks } }])
    const second = await another()
    await untilFaulted(second, 'wrong')
    t.match(await second.topic('dr', 'wrong'), { fault: { code: 'DIVERGED', partition: 0, reason: /different batches before offset 70/ } })
    await untilEnds(client, 'wrong', 70)
    await second.engine.restoreTopic('dr', 'wrong', PREFIX)
    await untilVerified(second, 'wrong', 80)
    t.match(await second.topic('dr', 'wrong'), { state: 'ACTIVE', rollbacks: [{ fromOffset: 70, toOffset: 60, times: 2, discarded: 40 }] })

    const before = second.state.state?.topicOf('dr', 'dead')
    await shadow.broker(2).kill()
    await eventually('a topic with a replica that is not alive is refused', async () => {
      try {
        await second.engine.planRestore('dr', 'dead')
      } catch (error) {
        if (error instanceof ShadowError && error.code === 'CONFLICT' && /broker 2 has a replica of partition 0 of dead and is not alive[^]*start it/.test(error.message)) return true
        throw error
      }
      throw new Error('it was not refused')
    })
    t.same(second.state.state?.topicOf('dr', 'dead'), before)
    await shadow.broker(2).start()
    await eventually('it can be restored', async () => await second.engine.restoreTopic('dr', 'dead', PREFIX).then(() => true))
    await untilVerified(second, 'dead', 80)
    await second.stop()
  })
})
