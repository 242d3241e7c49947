import { test } from 'tap'
import { createTopic } from '../../src/client/admin/create-topic.ts'
import { WriteRules } from '../../src/proxy/write-rules.ts'
import { STATE_TOPIC } from '../../src/state/state-topic.ts'
import { LINK, ShadowPair, until, type RunningEngine } from '../support/shadow-pair.ts'

/** The shadowed topics `a` and `b`, the latter failed over, and a sidecar's view of them. */
async function setUp (t: Parameters<typeof ShadowPair.start>[0]): Promise<{ readonly pair: ShadowPair, readonly engine: RunningEngine, readonly rules: WriteRules }> {
  const pair = await ShadowPair.start(t)
  for (const name of ['a', 'b']) {
    await pair.createTopic('source', name)
    pair.write(name, 0, 5)
  }
  const engine = pair.startEngine()
  for (const name of ['a', 'b']) await pair.untilSame(name)
  await engine.engine.failover(LINK, 'b')
  await until('b is open', () => engine.state.state?.ruleFor('b').access === 'open')
  const rules = new WriteRules(engine.state, { staleAfterMs: 60_000 })
  t.match(rules.refusalOf('a'), /read-only shadow topic/)
  t.equal(rules.refusalOf('b'), null)
  return { pair, engine, rules }
}

/** Looks at the rules all the time until the state is whole again. */
async function untilWhole (engine: RunningEngine, rules: WriteRules, epoch: number): Promise<string[]> {
  const opened: string[] = []
  await until('an engine of a later epoch leads, and has the link', async () => {
    if (rules.refusalOf('a') === null) opened.push(`a, ${rules.knowledge}`)
    return engine.state.loss === null && engine.state.state?.engine?.epoch === epoch && await engine.link() !== null
  })
  return opened
}

test('a state topic that was deleted and made anew opens nothing, and what it held is written again', async t => {
  const { pair, engine, rules } = await setUp(t)
  await pair.deleteTopic('shadow', STATE_TOPIC)
  await createTopic(pair.shadowCluster, { name: STATE_TOPIC, partitions: 1, replicationFactor: 1, configs: {} }, { signal: AbortSignal.timeout(5000) })
  t.same(await untilWhole(engine, rules, 2), [])
  t.equal(rules.knowledge, 'current')
  t.match(rules.refusalOf('a'), /read-only shadow topic/)
  t.equal(rules.refusalOf('b'), null)
  t.match(await engine.topic('b'), { state: 'FAILED_OVER' })
  pair.write('a', 0, 5)
  await pair.untilSame('a')
})

test('a state topic that was deleted comes into being again while an engine leads', async t => {
  const { pair, engine, rules } = await setUp(t)
  await pair.deleteTopic('shadow', STATE_TOPIC)
  t.same(await untilWhole(engine, rules, 2), [])
  t.match(rules.refusalOf('a'), /read-only shadow topic/)
  pair.write('a', 0, 5)
  await pair.untilSame('a')
})

for (const { what, kept } of [{ what: 'of all records', kept: 0 }, { what: 'of all but the engine\'s', kept: 1 }]) {
  test(`a state topic whose log was cut off, ${what}, opens nothing, and what it held is written again`, async t => {
    const { pair, engine, rules } = await setUp(t)
    const log = pair.shadow.log(STATE_TOPIC, 0)
    const [first] = log.batches(() => true)
    log.truncateTo(kept === 0 ? 0 : (first?.lastOffset ?? 0) + 1)
    t.same(await untilWhole(engine, rules, 2), [])
    t.match(rules.refusalOf('a'), /read-only shadow topic/)
    t.equal(rules.refusalOf('b'), null)
    t.match(await engine.topic('b'), { state: 'FAILED_OVER' })
  })
}
