import { test } from 'tap'
import { DescribeProducers } from '../../protocol/messages/describe-producers.ts'
import { IncrementalAlterConfigs } from '../../protocol/messages/incremental-alter-configs.ts'
import { InitProducerId } from '../../protocol/messages/init-producer-id.ts'
import { ListOffsets } from '../../protocol/messages/list-offsets.ts'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { describeTopicConfigs } from '../../src/client/admin/describe-topic-configs.ts'
import { initProducerId } from '../../src/client/admin/init-producer-id.ts'
import { BrokerError } from '../../src/errors.ts'
import { LINK, literal, oneBatch, ShadowPair, until } from '../support/shadow-pair.ts'

const signal = new AbortController().signal

async function configsOf (pair: ShadowPair, topic: string): Promise<(name: string) => string | null | undefined> {
  const entries = (await describeTopicConfigs(pair.shadowCluster, [topic], { signal })).get(topic)
  if (entries === undefined || entries instanceof BrokerError) throw entries ?? new Error('no configs')
  return name => entries.get(name)?.value
}

test('fails a topic over, then the whole link, with the source\'s configs, and repeating it changes nothing', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a', 2, { 'retention.ms': '12345', 'cleanup.policy': 'compact' })
  await pair.createTopic('source', 'b')
  await pair.createTopic('source', 'c', 1, { 'max.message.bytes': '777777' })
  for (const name of ['a', 'b', 'c']) pair.write(name, 0, 10)
  const engine = pair.startEngine()
  for (const name of ['a', 'b', 'c']) await pair.untilSame(name)
  t.equal((await configsOf(pair, 'a'))('retention.ms'), '-1')
  t.equal(engine.state.state?.ruleFor('a').access, 'read-only')

  await t.rejects(engine.engine.failover(LINK, 'nothing'), { code: 'NOT_FOUND' })
  await engine.engine.failover(LINK, 'a')
  await until('a is failed over', async () => (await engine.topic('a'))?.state === 'FAILED_OVER')
  await until('a is open at the sidecars', () => engine.state.state?.ruleFor('a').access === 'open')
  t.match(engine.state.state?.topicOf(LINK, 'a'), { state: 'FAILED_OVER', endOffsets: [10, 0], refusedConfigs: {}, fault: null })
  const configs = await configsOf(pair, 'a')
  t.equal(configs('retention.ms'), '12345')
  t.equal(configs('cleanup.policy'), 'compact')
  t.not(configs('message.timestamp.before.max.ms'), undefined)
  const { since } = await engine.topic('a') ?? {}
  pair.write('a', 0, 5)
  pair.write('b', 0, 5)
  await pair.untilSame('b')
  t.equal(pair.shadow.log('a', 0).logEndOffset, 10, 'nothing is copied any more')
  await engine.engine.failover(LINK, 'a')
  t.equal((await engine.topic('a'))?.since, since)

  pair.shadow.log('a', 0).append(oneBatch({ records: [{ timestamp: 1 }] }))
  t.match((await engine.verify('a')).find(({ partition }) => partition === 0), { difference: null, toOffset: 10 }, 'what clients wrote since is not compared')

  await Promise.all([engine.engine.failover(LINK, null), engine.engine.failover(LINK, null)])
  await until('all are failed over', async () => (await engine.link())?.topics.every(({ state }) => state === 'FAILED_OVER') === true)
  t.equal((await engine.link())?.state, 'FAILED_OVER')
  t.equal((await configsOf(pair, 'c'))('max.message.bytes'), '777777')
  await pair.createTopic('source', 'too-late')
  await engine.engine.failover(LINK, null)
  pair.write('b', 0, 5)
  await new Promise(resolve => setTimeout(resolve, 1500))
  t.equal(await engine.topic('too-late'), null, 'nothing new is shadowed')
  t.equal(pair.shadow.log('b', 0).logEndOffset, 15)
  t.equal((await configsOf(pair, 'a'))('retention.ms'), '12345', 'no sync has set it back')
})

test('fails over with the source dead, and a faulted topic too', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a', 3)
  await pair.createTopic('source', 'bad')
  pair.write('bad', 0, 3)
  pair.source.log('bad', 0).append(oneBatch({ records: [{ timestamp: 1 }], logAppendTime: 7 }))
  for (let partition = 0; partition < 3; partition++) pair.write('a', partition, 10)
  const engine = pair.startEngine()
  await pair.untilSame('a', 3)
  await until('the other one is stopped', async () => (await engine.topic('bad'))?.state === 'FAULTED')
  await pair.source.stop()
  await engine.engine.failover(LINK, null)
  await until('both are failed over', async () => (await engine.link())?.topics.every(({ state }) => state === 'FAILED_OVER') === true)
  t.match(await engine.topic('bad'), { fault: { code: 'LOG_APPEND_TIME', offset: 3 } }, 'why it is no whole copy is still told')
  await until('the source is known to be gone', async () => (await engine.link())?.source.reachable === false)
})

test('configs that the shadow cluster refuses are reported, and the others are set', async t => {
  const pair = await ShadowPair.start(t, { topicSync: { synced_shadow_topic_properties: ['segment.bytes'] } })
  await pair.createTopic('source', 'a', 1, { 'segment.bytes': '5000000', 'retention.ms': '777' })
  const engine = pair.startEngine()
  await until('it is shadowed', async () => (await engine.partition('a', 0))?.activity === 'copying')
  pair.shadow.onRequest(IncrementalAlterConfigs, ({ body }) => {
    const refusal = body.resources.find(({ configs }) => configs.some(({ name, value }) => name === 'segment.bytes' && value !== null))
    if (refusal === undefined) return 'pass'
    return { answer: { throttleTimeMs: 0, responses: body.resources.map(({ resourceType, resourceName }) => ({ errorCode: ErrorCodes.POLICY_VIOLATION, errorMessage: 'no such segments here', resourceType, resourceName })) } }
  })
  await engine.engine.failover(LINK, 'a')
  await until('it is failed over', async () => (await engine.topic('a'))?.state === 'FAILED_OVER')
  const topic = await engine.topic('a')
  t.same(Object.keys(topic?.refusedConfigs ?? {}), ['segment.bytes'])
  t.match(topic?.refusedConfigs['segment.bytes'], /5000000.*no such segments here/)
  t.equal((await configsOf(pair, 'a'))('retention.ms'), '777')
})

test('a failover that was begun is ended by whoever leads next, whatever step it was at', async t => {
  for (const step of [InitProducerId, DescribeProducers, ListOffsets, IncrementalAlterConfigs]) {
    const pair = await ShadowPair.start(t)
    await pair.createTopic('source', 'a', 1, { 'retention.ms': '777' })
    pair.write('a', 0, 10, { producerId: -1 })
    const first = pair.startEngine()
    await pair.untilSame('a')
    pair.source.log('a', 0).append(oneBatch({ records: [{ timestamp: 1 }], producerId: 5, producerEpoch: 0, baseSequence: 0 }))
    await pair.untilSame('a')
    let hung = 0
    const stop = pair.shadow.onRequest(step, () => {
      hung++
      return 'drop'
    })
    await first.engine.failover(LINK, 'a')
    await until(`it is at ${step.name}`, () => hung > 0)
    t.equal((await first.topic('a'))?.state, 'FAILING_OVER')
    t.equal(first.state.state?.ruleFor('a').access, 'read-only')
    await first.stop()
    stop()
    const second = pair.startEngine()
    await until(`it is failed over after ${step.name}`, async () => (await second.topic('a'))?.state === 'FAILED_OVER')
    t.match(second.state.state?.topicOf(LINK, 'a'), { state: 'FAILED_OVER', endOffsets: [11] })
    t.equal((await configsOf(pair, 'a'))('retention.ms'), '777')
  }
})

test('without the barrier a new producer\'s first batch is taken for a copied one and lost; a failover raises it', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a')
  const engine = pair.startEngine()
  await until('it is shadowed', async () => (await engine.partition('a', 0))?.activity === 'copying')
  // The id that the shadow would hand out next, as the source's first producers have it.
  const [last = 0] = await initProducerId(pair.shadowCluster, pair.shadow.nodeId, { count: 1 }, { signal })
  const fromSource = last + 2000
  const batch = (value: string) => oneBatch({ records: [{ timestamp: 1, value: Buffer.from(value) }], producerId: fromSource, producerEpoch: 0, baseSequence: 0 })
  // What happens without a barrier: a client of the shadow with the same id, a batch of its own, and the same sequence.
  await pair.createTopic('shadow', 'unguarded')
  const unguarded = pair.shadow.log('unguarded', 0)
  unguarded.append(batch('copied'))
  t.match(unguarded.append(batch('new')), { errorCode: 0, baseOffset: 0, isDuplicate: true }, 'acknowledged with an old offset')
  t.equal(unguarded.logEndOffset, 1, 'and lost')

  pair.source.log('a', 0).append(batch('copied'))
  await pair.untilSame('a')
  await engine.engine.failover(LINK, 'a')
  await until('it is failed over', async () => (await engine.topic('a'))?.state === 'FAILED_OVER')
  const [fresh = -1] = await initProducerId(pair.shadowCluster, pair.shadow.nodeId, { count: 1 }, { signal })
  t.ok(fresh > fromSource, `${fresh} is above ${fromSource}`)
})

test('a producer that has had its id since before the failover is not taken for one of the source that came later', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a')
  const engine = pair.startEngine()
  const batch = (producerId: number, value: string) => oneBatch({ records: [{ timestamp: 1, value: Buffer.from(value) }], producerId, producerEpoch: 0, baseSequence: 0 })
  const freshId = async (): Promise<number> => (await initProducerId(pair.shadowCluster, pair.shadow.nodeId, { count: 1 }, { signal }))[0] ?? -1
  pair.source.log('a', 0).append(batch(10, 'copied'))
  await pair.untilSame('a')
  await until('ids are handed out far ahead of the copied ones', async () => await freshId() > 10 + 4000)
  const waiting = await freshId()
  // What the source hands out from here on.
  for (let producerId = 11; producerId < 311; producerId++) pair.source.log('a', 0).append(batch(producerId, 'copied'))
  await pair.untilSame('a')
  await engine.engine.failover(LINK, 'a')
  await until('it is failed over', async () => (await engine.topic('a'))?.state === 'FAILED_OVER')
  t.match(pair.shadow.log('a', 0).append(batch(waiting, 'new')), { errorCode: 0, baseOffset: 301, isDuplicate: false })
})

test('a failover that finds more on the shadow than was copied says so', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a')
  pair.write('a', 0, 3)
  const engine = pair.startEngine()
  await pair.untilSame('a')
  pair.shadow.log('a', 0).append(oneBatch({ records: [{ timestamp: 1 }] }))
  await engine.engine.failover(LINK, 'a')
  await until('it is failed over', async () => (await engine.topic('a'))?.state === 'FAILED_OVER')
  t.match(await engine.topic('a'), { fault: { code: 'FOREIGN_WRITE', partition: 0, offset: 3 } })
  t.match(engine.state.state?.topicOf(LINK, 'a'), { state: 'FAILED_OVER', endOffsets: [4], fault: { code: 'FOREIGN_WRITE' } })
})

test('a failover that finds less on the shadow than it had confirmed opens what there is, and says what was lost', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a', 2)
  for (let record = 0; record < 100; record++) pair.write('a', 1, 10)
  const engine = pair.startEngine()
  await pair.untilSame('a', 2)
  t.equal(pair.shadow.log('a', 1).logEndOffset, 1000)
  // Or what was lost might be copied again.
  await pair.source.stop()
  // As an unclean leader election does.
  pair.shadow.log('a', 1).truncateTo(990)
  await engine.engine.failover(LINK, 'a')
  await until('it is failed over', async () => (await engine.topic('a'))?.state === 'FAILED_OVER')
  t.match(await engine.topic('a'), { fault: { code: 'SHADOW_LOST_RECORDS', partition: 1, offset: 990, reason: /offsets 990 to 999/ } })
  t.match(engine.state.state?.topicOf(LINK, 'a'), { state: 'FAILED_OVER', endOffsets: [0, 990] })
})

test('of a topic whose shadow was deleted the name is opened, what somebody made in its place is left alone, and the link can be deleted', async t => {
  const pair = await ShadowPair.start(t)
  for (const name of ['deleted', 'replaced', 'whole']) await pair.createTopic('source', name, 1, { 'retention.ms': '777' })
  for (const name of ['deleted', 'replaced', 'whole']) pair.write(name, 0, 10)
  const engine = pair.startEngine()
  for (const name of ['deleted', 'replaced', 'whole']) await pair.untilSame(name)
  for (const name of ['deleted', 'replaced']) await pair.deleteTopic('shadow', name)
  await pair.createTopic('shadow', 'replaced', 1, { 'retention.ms': '4711' })
  await engine.engine.failover(LINK, null)
  await until('all are failed over', async () => (await engine.link())?.topics.every(({ state }) => state === 'FAILED_OVER') === true, 30_000)
  t.match(await engine.topic('deleted'), { fault: { code: 'SHADOW_TOPIC_GONE', reason: 'the shadow topic was deleted' }, problem: null })
  t.match(await engine.topic('replaced'), { fault: { code: 'SHADOW_TOPIC_GONE', reason: /^the shadow topic was deleted and made anew by somebody: its id is .{22}, and was .{22}$/ } })
  t.match(await engine.topic('whole'), { fault: null })
  for (const name of ['deleted', 'replaced']) t.match(engine.state.state?.topicOf(LINK, name), { state: 'FAILED_OVER', endOffsets: [] })
  t.equal((await configsOf(pair, 'replaced'))('retention.ms'), '4711')
  t.equal(engine.state.state?.ruleFor('deleted').access, 'open')
  await engine.engine.delete(LINK, { force: false })
  await t.rejects(engine.engine.status(LINK), { code: 'NOT_FOUND' })
})

test('a link with live topics is deleted only by force, which fails them over first', async t => {
  const pair = await ShadowPair.start(t, { topicSync: { auto_create_shadow_topic_filters: literal('a') } })
  await pair.createTopic('source', 'a', 1, { 'retention.ms': '777' })
  pair.write('a', 0, 3)
  const engine = pair.startEngine()
  await pair.untilSame('a')
  await t.rejects(engine.engine.delete(LINK, { force: false }), { code: 'CONFLICT', message: /a is ACTIVE/ })
  t.match(await engine.topic('a'), { state: 'ACTIVE' })
  await engine.engine.delete(LINK, { force: true })
  await t.rejects(engine.engine.status(LINK), { code: 'NOT_FOUND' })
  await until('nothing of it is left in the state', () => engine.state.state?.links.size === 0 && engine.state.state.topicsOf(LINK).length === 0)
  t.equal(engine.state.state?.ruleFor('a').access, 'open')
  t.equal((await configsOf(pair, 'a'))('retention.ms'), '777')
  pair.write('a', 0, 3)
  await new Promise(resolve => setTimeout(resolve, 300))
  t.equal(pair.shadow.log('a', 0).logEndOffset, 3)
})
