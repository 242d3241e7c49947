import { test } from 'tap'
import { DeleteTopics } from '../../protocol/messages/delete-topics.ts'
import { buildBatch } from '../../protocol/records/build-batch.ts'
import { Cluster } from '../../src/client/cluster.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import { StateWriter } from '../../src/state/state-writer.ts'
import { LINK, oneBatch, ShadowPair, until, type RunningEngine } from '../support/shadow-pair.ts'

const PREFIX = { from: 'common-prefix', keep: null } as const
const RECORD = [{ timestamp: 1, value: Buffer.from('x') }]

async function untilState (engine: RunningEngine, topic: string, state: string): Promise<void> {
  await until(`${topic} is ${state}`, async () => (await engine.topic(topic))?.state === state).catch(async (error: unknown) => {
    throw new Error(`${String(error)}: ${JSON.stringify(await engine.topic(topic))}`)
  })
}

test('a topic that was stopped goes on once what stopped it is gone, and is stopped again as long as it is not', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a', 2)
  pair.write('a', 0, 3)
  pair.write('a', 1, 5)
  const first = pair.startEngine()
  await pair.untilSame('a', 2)
  pair.source.log('a', 0).appendRaw(buildBatch({ records: RECORD, baseOffset: 3, logAppendTime: 5 }))
  await untilState(first, 'a', 'FAULTED')
  await first.engine.retryTopic(LINK, 'a')
  await untilState(first, 'a', 'FAULTED')
  t.match(await first.topic('a'), { fault: { code: 'LOG_APPEND_TIME', partition: 0, offset: 3 } })
  for (const keep of [[3], [3, 5, 0]]) await t.rejects(first.engine.restoreTopic(LINK, 'a', { from: 'common-prefix', keep }), { code: 'CONFLICT', message: new RegExp(`topic a has 2 partitions, and what is to be kept was said of ${keep.length}: nothing was changed`) })
  await t.rejects(first.engine.planRestore(LINK, 'a'), { code: 'CONFLICT', message: /LOG_APPEND_TIME, which throws nothing away: retry it/ })
  await until('it is recorded', () => first.state.state?.topicOf(LINK, 'a')?.state === 'FAULTED')

  pair.source.log('a', 0).truncateTo(3)
  pair.write('a', 0, 4)
  await first.stop()
  const second = pair.startEngine()
  await untilState(second, 'a', 'FAULTED')
  await second.engine.retryTopic(LINK, 'a')
  await pair.untilSame('a', 2)
  t.match(await second.topic('a'), { state: 'ACTIVE', fault: null })
  await t.rejects(second.engine.retryTopic(LINK, 'a'), { code: 'CONFLICT', message: /topic a is ACTIVE, and only one that is FAULTED/ })
  await t.rejects(second.engine.retryTopic(LINK, 'x'), { code: 'NOT_FOUND' })
  pair.write('a', 1, 5)
  await pair.untilSame('a', 2)
  await second.engine.failover(LINK, 'a')
  await until('a is open at the sidecars', () => second.state.state?.ruleFor('a').access === 'open')
  t.match(second.state.state?.topicOf(LINK, 'a'), { state: 'FAILED_OVER', endOffsets: [7, 10] })
})

test('a shadow that somebody wrote to is not taken for a copy because its end looks like one', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a')
  for (let index = 0; index < 5; index++) pair.source.log('a', 0).append(oneBatch({ records: RECORD }))
  const engine = pair.startEngine()
  await pair.untilSame('a')
  pair.shadow.log('a', 0).append(oneBatch({ records: [{ timestamp: 2, value: Buffer.from('foreign') }] }))
  await untilState(engine, 'a', 'FAULTED')
  // The same batch as at this offset of the source comes to lie behind it.
  pair.shadow.log('a', 0).append(oneBatch({ records: RECORD }))
  for (let index = 0; index < 5; index++) pair.source.log('a', 0).append(oneBatch({ records: RECORD }))
  await t.rejects(engine.engine.retryTopic(LINK, 'a'), { code: 'CONFLICT', message: /topic a stays FAULTED: source and shadow differ in partition 0: the batch of offsets 5 to 5/ })
  t.match(await engine.topic('a'), { state: 'FAULTED', fault: { code: 'FOREIGN_WRITE' } })
  await t.rejects(engine.engine.restoreTopic(LINK, 'a', PREFIX), { code: 'CONFLICT', message: /FOREIGN_WRITE, after which nobody knows what its replicas hold: restore it from scratch/ })

  await engine.engine.restoreTopic(LINK, 'a', { from: 'scratch' })
  await pair.untilSame('a')
  t.match(await engine.topic('a'), { state: 'ACTIVE', fault: null, topicId: await pair.topicId('shadow', 'a') })
  for (const report of await engine.verify('a')) t.match(report, { difference: null, incomplete: null })
  await t.rejects(engine.engine.restoreTopic(LINK, 'a', { from: 'scratch' }), { code: 'CONFLICT' }, 'what is fine is not deleted')
})

test('a source topic that was made anew is shadowed anew, and one that does not answer is not given up', async t => {
  const pair = await ShadowPair.start(t)
  for (const name of ['a', 'b', 'gone']) {
    await pair.createTopic('source', name)
    pair.write(name, 0, 10)
  }
  const engine = pair.startEngine()
  for (const name of ['a', 'b', 'gone']) await pair.untilSame(name)
  await pair.deleteTopic('source', 'a')
  await pair.createTopic('source', 'a', 3)
  pair.write('a', 2, 4)
  pair.source.log('b', 0).truncateTo(6)
  for (const name of ['a', 'b']) await untilState(engine, name, 'FAULTED')
  await t.rejects(engine.engine.retryTopic(LINK, 'a'), { code: 'CONFLICT', message: /was deleted and made anew: it can be restored from scratch/ })
  await t.rejects(engine.engine.retryTopic(LINK, 'b'), { code: 'CONFLICT', message: /the shadow has offsets 6 to 9, which the source does not have/ })
  await engine.engine.restoreTopic(LINK, 'a', { from: 'scratch' })
  await pair.untilSame('a', 3)
  const before = engine.state.state?.topicOf(LINK, 'b')
  for (const ask of [() => engine.engine.planRestore(LINK, 'b'), () => engine.engine.restoreTopic(LINK, 'b', PREFIX)]) {
    await t.rejects(async () => { await ask() }, { code: 'CONFLICT', message: /append mode produce, and there is no request of Kafka's that deletes records at the end of a topic: restore it from scratch, or fail it over/ })
  }
  t.same(engine.state.state?.topicOf(LINK, 'b'), before, 'nothing was changed')
  await pair.source.stop()
  await t.rejects(engine.engine.restoreTopic(LINK, 'b', PREFIX), { code: 'CLUSTER_UNAVAILABLE' })
  await t.rejects(engine.engine.restoreTopic(LINK, 'b', { from: 'scratch' }), { code: 'CLUSTER_UNAVAILABLE' })
  t.equal(pair.shadowEnd('b'), 10, 'the only copy there is')
  await engine.engine.failover(LINK, 'b')
  await untilState(engine, 'b', 'FAILED_OVER')
})

test('a name that was taken can be shadowed once it is free', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('shadow', 'a')
  await pair.createTopic('source', 'a')
  pair.write('a', 0, 5)
  const engine = pair.startEngine()
  await untilState(engine, 'a', 'FAULTED')
  await t.rejects(engine.engine.retryTopic(LINK, 'a'), { code: 'CONFLICT', message: /still has a topic named a/ })
  await t.rejects(engine.engine.restoreTopic(LINK, 'a', PREFIX), { code: 'CONFLICT', message: /has made no shadow of topic a/ })
  await t.rejects(engine.engine.restoreTopic(LINK, 'a', { from: 'scratch' }), { code: 'CONFLICT', message: /was not made by link dr, which does not delete it/ })
  await pair.deleteTopic('shadow', 'a')
  await engine.engine.retryTopic(LINK, 'a')
  await pair.untilSame('a')
  t.match(await engine.topic('a'), { state: 'ACTIVE', owned: true })
})

test('a topic that was taken out of the link is writable, stays so over engines, and is not adopted again', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('shadow', 'taken')
  for (const name of ['a', 'b', 'taken']) {
    await pair.createTopic('source', name)
    if (name !== 'taken') pair.write(name, 0, 5)
  }
  const first = pair.startEngine()
  for (const name of ['a', 'b']) await pair.untilSame(name)
  await first.engine.removeTopic(LINK, 'a')
  await first.engine.removeTopic(LINK, 'a')
  await untilState(first, 'taken', 'FAULTED')
  await first.engine.removeTopic(LINK, 'taken')
  await t.rejects(first.engine.failover(LINK, 'a'), { code: 'CONFLICT', message: /it was removed from it/ })
  await until('it is recorded', () => first.state.state?.topicOf(LINK, 'a')?.owned === false)
  t.equal(first.state.state?.ruleFor('a').access, 'open')
  t.match(first.state.state?.topicOf(LINK, 'a'), { owned: false, state: 'FAILED_OVER', fault: null, endOffsets: [5] })
  t.match(await first.verify(), [{ topic: 'b', difference: null, incomplete: null }], 'it is not compared with the rest')
  t.match(await first.verify('a'), [{ topic: 'a', incomplete: /not a shadow/ }])
  await first.stop()
  pair.write('a', 0, 5)
  await pair.deleteTopic('shadow', 'a')
  const second = pair.startEngine()
  await until('the second leads', () => second.engine.leadership().leading)
  pair.write('b', 0, 5)
  await pair.untilSame('b')
  await until('a sync has run', async () => (await second.link())?.tasks[0]?.state === 'ACTIVE')
  t.equal(pair.shadowEnd('a'), -1)
  t.equal(second.state.state?.claimantOf('a'), null, 'clients may create it')
  t.match(await second.topic('taken'), { owned: false, fault: null })
  await second.engine.delete(LINK, { force: true })
  await until('nothing is left of it', () => second.state.state?.topicOf(LINK, 'a') === null)
})

test('a failover that is ordered while a topic is being restored is not taken back by the restoration', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a')
  pair.write('a', 0, 3)
  const engine = pair.startEngine()
  await pair.untilSame('a')
  pair.source.log('a', 0).append(oneBatch({ records: RECORD, logAppendTime: 5 }))
  await untilState(engine, 'a', 'FAULTED')
  let isHeld = false
  let release = (): void => {}
  const gate = new Promise<void>(resolve => { release = resolve })
  pair.shadow.onRequest(DeleteTopics, () => {
    isHeld = true
    return gate.then(() => 'pass' as const)
  })
  const restored = t.rejects(engine.engine.restoreTopic(LINK, 'a', { from: 'scratch' }), { code: 'CONFLICT', message: /topic a is FAILING_OVER.*its shadow topic was deleted/ })
  await until('the shadow topic is being deleted', () => isHeld)
  await engine.engine.failover(LINK, 'a')
  t.match(await engine.topic('a'), { state: 'FAILING_OVER' })
  release()
  await restored
  await untilState(engine, 'a', 'FAILED_OVER')
  await until('a is open at the sidecars', () => engine.state.state?.ruleFor('a').access === 'open')
  t.match(engine.state.state?.topicOf(LINK, 'a'), { state: 'FAILED_OVER', created: false, endOffsets: [] })
  t.equal(pair.shadowEnd('a'), -1)
})

test('a topic that was stopped while its promotion handed it over is not repaired: it can only be failed over', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a')
  pair.write('a', 0, 3)
  const first = pair.startEngine()
  await pair.untilSame('a')
  await until('it is recorded', () => first.state.state?.topicOf(LINK, 'a')?.created === true)
  const record = first.state.state?.topicOf(LINK, 'a')
  if (record === null || record === undefined) throw new Error('no record')
  await first.stop()
  const cluster = new Cluster({ bootstrapServers: [pair.shadow.address], clientId: 'before', logger: silentLogger })
  t.teardown(() => cluster.close())
  const writer = new StateWriter(cluster, { epoch: 1, signal: new AbortController().signal })
  await writer.write([{ kind: 'topic', link: LINK, topic: 'a', value: { ...record, state: 'FAULTED', handingOver: true, fault: { code: 'DIVERGED', reason: 'for a test', partition: 0, offset: 3 } } }])
  const second = pair.startEngine()
  await untilState(second, 'a', 'FAULTED')
  const refusal = { code: 'CONFLICT', message: /real brokers may lead it already.*fail it over/ }
  await t.rejects(second.engine.retryTopic(LINK, 'a'), refusal)
  await t.rejects(second.engine.restoreTopic(LINK, 'a', { from: 'scratch' }), refusal)
  await t.rejects(second.engine.restoreTopic(LINK, 'a', PREFIX), refusal)
  await t.rejects(second.engine.planRestore(LINK, 'a'), refusal)
  await second.engine.failover(LINK, 'a')
  await untilState(second, 'a', 'FAILED_OVER')
  t.match(await second.topic('a'), { fault: { code: 'DIVERGED' } })
})
