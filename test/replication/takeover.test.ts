import { test } from 'tap'
import { Heartbeat } from '../../protocol/messages/heartbeat.ts'
import { readRecords } from '../../protocol/records/read-records.ts'
import { Cluster } from '../../src/client/cluster.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import { STATE_TOPIC } from '../../src/state/state-topic.ts'
import { StateWriter } from '../../src/state/state-writer.ts'
import { LINK, ShadowPair, until, type RunningEngine } from '../support/shadow-pair.ts'

const signal = new AbortController().signal

test('a second engine waits, takes over when the first stops, and repeats nothing', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a', 2)
  pair.write('a', 0, 10)
  const first = pair.startEngine()
  await pair.untilSame('a', 2)
  const second = pair.startEngine()
  await until('the second knows who leads', () => second.state.state?.engine !== null && second.state.state !== null)
  t.match(first.engine.leadership(), { leading: true })
  t.match(second.engine.leadership(), { leading: false, adminAddress: '127.0.0.1:1' })
  await t.rejects(second.engine.status(LINK), { code: 'NOT_LEADER', details: { leader: '127.0.0.1:1' } })
  pair.write('a', 1, 10)
  await first.stop()
  await until('the second leads', () => second.engine.leadership().leading)
  pair.write('a', 0, 10)
  await pair.untilSame('a', 2)
  t.equal(second.state.state?.engine?.epoch, 2)
  t.match(await second.topic('a'), { state: 'ACTIVE', fault: null })
})

test('an engine whose heartbeats get lost stops to lead, and one of the two goes on and repeats nothing', async t => {
  const pair = await ShadowPair.start(t, { sessionTimeoutMs: 1500 })
  await pair.createTopic('source', 'a')
  const first = pair.startEngine()
  await until('the topic is shadowed', async () => (await first.partition('a', 0))?.activity === 'copying')
  pair.write('a', 0, 5)
  await pair.untilSame('a')
  const second = pair.startEngine()
  await until('the second follows', () => (second.state.state?.engine ?? null) !== null)
  // No heartbeat arrives any more, of either: the lease of the first ends by its own clock.
  const heal = pair.shadow.onRequest(Heartbeat, () => 'drop')
  await until('the first knows that it may not lead any more', () => !first.engine.leadership().leading)
  heal()
  pair.shadow.disconnectAll()
  pair.write('a', 0, 5)
  await pair.untilSame('a')
  const leaders = [first, second].filter(({ engine }) => engine.leadership().leading)
  t.equal(leaders.length, 1)
})

test('stopped and started again under load, seven times: no difference', async t => {
  const pair = await ShadowPair.start(t, { sessionTimeoutMs: 1000 })
  await pair.createTopic('source', 'a', 3)
  let round = 0
  const load = setInterval(() => pair.write('a', round++ % 3, 2), 2)
  t.teardown(() => clearInterval(load))
  let engine: RunningEngine | null = null
  for (let restart = 0; restart < 7; restart++) {
    engine = pair.startEngine()
    const before = pair.shadowEnd('a', restart % 3)
    await until('it copies', () => pair.shadowEnd('a', restart % 3) > before)
    // Every other one dies without a word: what it had under way is not waited for.
    if (restart % 2 === 0) pair.shadow.disconnectAll()
    await engine.stop()
    for (let partition = 0; partition < 3; partition++) t.ok(pair.isPrefix('a', partition), `restart ${restart}, partition ${partition}`)
  }
  clearInterval(load)
  engine = pair.startEngine()
  await pair.untilSame('a', 3)
  t.match(await engine.topic('a'), { state: 'ACTIVE', fault: null })
  for (const report of await engine.verify()) t.match(report, { difference: null, incomplete: null })
})

test('what an engine writes that was replaced is not applied, and overwritten by the one that leads', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a')
  const first = pair.startEngine()
  await pair.untilSame('a')
  await until('the first leads', () => first.engine.leadership().leading)
  await first.stop()
  const engine = pair.startEngine()
  await pair.untilSame('a')
  await until('the second epoch leads', () => engine.state.state?.engine?.epoch === 2)
  const stale = new Cluster({ bootstrapServers: [pair.shadow.address], clientId: 'stale', logger: silentLogger })
  t.teardown(() => stale.close())
  const writer = new StateWriter(stale, { epoch: 1, signal })
  const record = engine.state.state?.topicOf(LINK, 'a')
  if (record === null || record === undefined) throw new Error('no record')
  await writer.write([{ kind: 'topic', link: LINK, topic: 'a', value: { ...record, state: 'FAILED_OVER' } }, { kind: 'topic', link: LINK, topic: 'ghost', value: record }])
  const end = await writer.write([{ kind: 'link', name: LINK, value: null }])
  const state = await engine.state.reached(end, signal)
  t.equal(state.ruleFor('a').access, 'read-only')
  t.ok(state.links.has(LINK))
  t.equal(state.topicOf(LINK, 'ghost'), null)
  await until('all three keys were written again', () => state.fenced.size === 0)
  t.equal(state.topicOf(LINK, 'a')?.state, 'ACTIVE')
  t.ok(state.links.has(LINK))
  const after = [...pair.shadow.log(STATE_TOPIC, 0).batches(() => true)].flatMap(batch => [...readRecords(batch)]).filter(({ offset }) => offset >= end).map(({ key }) => key?.toString())
  t.same([...new Set(after)].sort(), [`link/${LINK}`, `topic/${LINK}/a`, `topic/${LINK}/ghost`])
})
