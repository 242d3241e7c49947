import { test } from 'tap'
import { Produce } from '../../protocol/messages/produce.ts'
import { sleep } from '../../src/net/sleep.ts'
import { LINK, literal, ShadowPair, until, type RunningEngine } from '../support/shadow-pair.ts'

const QUIET_MS = 600

async function untilState (engine: RunningEngine, topic: string, state: string): Promise<void> {
  await until(`${topic} is ${state}`, async () => (await engine.topic(topic))?.state === state)
}

test('a paused topic keeps what it has over engines, says how far it is behind, and goes on exactly', async t => {
  const pair = await ShadowPair.start(t)
  for (const name of ['a', 'b']) {
    await pair.createTopic('source', name, 2)
    pair.write(name, 0, 10)
  }
  const first = pair.startEngine()
  for (const name of ['a', 'b']) await pair.untilSame(name, 2)
  await first.engine.pause(LINK, 'a')
  const { since } = await first.topic('a') ?? {}
  t.match(await first.topic('a'), { state: 'PAUSED', partitions: [{ activity: 'paused', shadowEndOffset: 10 }, { activity: 'paused' }] })
  t.equal(first.state.state?.ruleFor('a').access, 'read-only')
  for (const name of ['a', 'b']) pair.write(name, 0, 7)
  pair.source.log('a', 0).setLogStart(4)
  await pair.growTopic('a', 3)
  await pair.untilSame('b', 2)
  await until('the lag is shown', async () => (await first.partition('a', 0))?.lagRecords === 7)
  t.match(await first.partition('a', 1), { lagRecords: 0, lagSeconds: 0 })
  const { lagSeconds = null } = await first.partition('a', 0) ?? {}
  await sleep(QUIET_MS)
  t.ok(((await first.partition('a', 0))?.lagSeconds ?? 0) > (lagSeconds ?? Infinity), 'it keeps growing')
  t.equal(pair.shadowEnd('a'), 10)
  t.equal(pair.shadow.log('a', 0).logStartOffset, 0, 'what the source has deleted stays')
  t.equal(pair.shadowEnd('a', 2), -1)
  await first.engine.pause(LINK, 'a')
  t.equal((await first.topic('a'))?.since, since, 'to pause it again changes nothing')

  await first.stop()
  const second = pair.startEngine()
  await until('the next engine shows the lag', async () => (await second.partition('a', 0))?.lagRecords === 7)
  t.match(await second.topic('a'), { state: 'PAUSED', since })
  pair.write('a', 0, 3)
  await sleep(QUIET_MS)
  t.equal(pair.shadowEnd('a'), 10)
  await second.engine.resume(LINK, 'a')
  await until('it goes on', () => pair.shadowEnd('a') === 20 && pair.shadowEnd('a', 2) === 0)
  t.match(await second.topic('a'), { state: 'ACTIVE', fault: null })
  await second.engine.resume(LINK, 'a')
  for (const report of await second.verify('a')) t.match(report, { difference: null, incomplete: null })
})

test('a source that does not answer leaves the lag of a paused topic unknown, and growing', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a')
  pair.write('a', 0, 10)
  const first = pair.startEngine()
  await pair.untilSame('a')
  await first.engine.pause(LINK, 'a')
  await first.stop()
  await pair.source.stop()
  const second = pair.startEngine()
  await untilState(second, 'a', 'PAUSED')
  await sleep(QUIET_MS)
  t.match(await second.partition('a', 0), { lagRecords: null, sourceHighWatermark: null, activity: 'paused' })
  t.ok(((await second.partition('a', 0))?.lagSeconds ?? 0) > 0)
  await second.engine.failover(LINK, 'a')
  await until('a is open at the sidecars', () => second.state.state?.ruleFor('a').access === 'open')
  t.match(second.state.state?.topicOf(LINK, 'a'), { state: 'FAILED_OVER', endOffsets: [10] })
})

test('a paused topic can be failed over, and a promotion resumes it', async t => {
  const pair = await ShadowPair.start(t)
  for (const name of ['a', 'b']) {
    await pair.createTopic('source', name)
    pair.write(name, 0, 10)
  }
  const engine = pair.startEngine()
  for (const name of ['a', 'b']) await pair.untilSame(name)
  await engine.engine.pause(LINK, literalFilters('a', 'b'))
  for (const name of ['a', 'b']) pair.write(name, 0, 5)
  await engine.engine.failover(LINK, 'a')
  await engine.engine.promote(LINK, 'b')
  for (const name of ['a', 'b']) await until(`${name} is open at the sidecars`, () => engine.state.state?.ruleFor(name).access === 'open')
  t.match([engine.state.state?.topicOf(LINK, 'a')?.endOffsets, engine.state.state?.topicOf(LINK, 'b')?.endOffsets], [[10], [15]])
  await t.rejects(engine.engine.pause(LINK, 'a'), { code: 'CONFLICT', message: /topic a is FAILED_OVER/ })
  await t.rejects(engine.engine.resume(LINK, literalFilters('b')), { code: 'CONFLICT', message: /topic b is PROMOTED, and not PAUSED/ })
  await t.rejects(engine.engine.pause(LINK, literalFilters('x')), { code: 'NOT_FOUND' })
})

test('a whole link is paused with its tasks, and resumed as it was', async t => {
  const pair = await ShadowPair.start(t)
  for (const name of ['a', 'b', 'c']) {
    await pair.createTopic('source', name)
    pair.write(name, 0, 10)
  }
  const first = pair.startEngine()
  for (const name of ['a', 'b', 'c']) await pair.untilSame(name)
  await first.engine.pause(LINK, 'a')
  await t.rejects(first.engine.resume(LINK, null), { code: 'CONFLICT', message: /link dr is not paused, but 1 of its topics are, one by one: a/ })
  await first.engine.pause(LINK, null)
  await until('its task is paused', async () => (await first.link())?.tasks[0]?.state === 'PAUSED')
  t.match(await first.link(), { state: 'PAUSED', pausedAt: /^2/, tasks: [{ reason: 'the link is paused' }], topics: [{ state: 'PAUSED' }, { state: 'PAUSED' }, { state: 'PAUSED' }] })
  await pair.createTopic('source', 'new')
  for (const name of ['a', 'b', 'c']) pair.write(name, 0, 5)
  await first.stop()
  const second = pair.startEngine()
  await until('the next engine has it', async () => (await second.link())?.state === 'PAUSED')
  await second.engine.resume(LINK, 'c')
  await pair.untilSame('c')
  await sleep(QUIET_MS)
  t.same([pair.shadowEnd('a'), pair.shadowEnd('b'), pair.shadowEnd('new')], [10, 10, -1])
  await second.engine.resume(LINK, null)
  await pair.untilSame('b')
  await pair.untilSame('new')
  t.match(await second.link(), { state: 'ACTIVE', pausedAt: null })
  t.match(await second.topic('a'), { state: 'PAUSED' }, 'it was paused for itself')
  t.equal(pair.shadowEnd('a'), 10)
  await second.engine.pause(LINK, null)
  await second.engine.promote(LINK, null)
  for (const name of ['a', 'b', 'c', 'new']) await untilState(second, name, 'PROMOTED')
  await until('the link is done with', async () => (await second.link())?.state === 'FAILED_OVER')
  t.ok(pair.isSame('a'))
})

test('a task is paused by its name: topics are copied, none is added', async t => {
  const pair = await ShadowPair.start(t, { topicSync: { auto_create_shadow_topic_filters: literal('*') } })
  await pair.createTopic('source', 'a')
  const engine = pair.startEngine()
  await until('it is copied', async () => (await engine.partition('a', 0))?.activity === 'copying')
  await t.rejects(engine.engine.pause(LINK, { task: 'No Such Task' }), { code: 'NOT_FOUND', message: /Source Topic Sync/ })
  await engine.engine.pause(LINK, { task: 'Source Topic Sync' })
  await until('it is paused', async () => (await engine.link())?.tasks[0]?.state === 'PAUSED')
  await pair.createTopic('source', 'b')
  pair.write('a', 0, 5)
  await pair.untilSame('a')
  t.match((await engine.link())?.configuration, { topic_metadata_sync_options: { paused: true } })
  t.equal(await engine.topic('b'), null)
  await engine.engine.resume(LINK, { task: 'Source Topic Sync' })
  await pair.untilSame('b')
})

test('several topics are failed over by filters, and the link goes on', async t => {
  const pair = await ShadowPair.start(t)
  for (const name of ['a-1', 'a-2', 'b']) await pair.createTopic('source', name)
  const engine = pair.startEngine()
  await until('all are copied', async () => (await engine.link())?.topics.filter(({ partitions }) => partitions[0]?.activity === 'copying').length === 3)
  await engine.engine.failover(LINK, [{ patternType: 'PREFIX', filterType: 'INCLUDE', name: 'a-' }, { patternType: 'LITERAL', filterType: 'EXCLUDE', name: 'a-2' }])
  await untilState(engine, 'a-1', 'FAILED_OVER')
  t.match([(await engine.topic('a-2'))?.state, (await engine.topic('b'))?.state, (await engine.link())?.state], ['ACTIVE', 'ACTIVE', 'ACTIVE'])
})

function literalFilters (...names: readonly string[]): Array<{ readonly patternType: 'LITERAL', readonly filterType: 'INCLUDE', readonly name: string }> {
  return names.map(name => ({ patternType: 'LITERAL', filterType: 'INCLUDE', name }))
}

test('a failover that is ordered while the link is being resumed is not taken back by that', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a')
  pair.write('a', 0, 3)
  const engine = pair.startEngine()
  await pair.untilSame('a')
  await engine.engine.pause(LINK, null)
  t.equal((await engine.topic('a'))?.state, 'PAUSED')
  let release = (): void => {}
  const gate = new Promise<void>(resolve => { release = resolve })
  // The state topic takes its time: nothing is copied meanwhile.
  let held = 0
  pair.shadow.onRequest(Produce, () => {
    held++
    return gate.then(() => 'pass' as const)
  })
  const resumed = engine.engine.resume(LINK, null)
  await until('it is being recorded that the link goes on', () => held > 0)
  const failedOver = engine.engine.failover(LINK, 'a')
  await until('the failover has begun', async () => (await engine.topic('a'))?.state === 'FAILING_OVER')
  release()
  await Promise.all([resumed, failedOver])
  await untilState(engine, 'a', 'FAILED_OVER')
  await until('a is open at the sidecars', () => engine.state.state?.ruleFor('a').access === 'open')
  pair.write('a', 0, 3)
  await sleep(QUIET_MS)
  t.equal(pair.shadowEnd('a'), 3, 'nothing is copied any more')
})
