/** The end of a link with a great many topics. */
import { test, type Test } from 'tap'
import { Produce } from '../../../protocol/messages/produce.ts'
import { alterTopicConfigs } from '../../../src/client/admin/alter-topic-configs.ts'
import { STATE_TOPIC } from '../../../src/state/state-topic.ts'
import { LINK, ShadowPair, until, type RunningEngine } from '../../support/shadow-pair.ts'

const signal = new AbortController().signal

/** A link with so many topics that what removes it is more than one batch of the state topic. */
async function manyTopics (t: Test): Promise<{ readonly pair: ShadowPair, readonly first: RunningEngine, readonly names: readonly string[] }> {
  const pair = await ShadowPair.start(t)
  const names = Array.from({ length: 40 }, (_, index) => `${index}-${'x'.repeat(120)}`)
  for (const name of names) await pair.createTopic('source', name)
  const first = pair.startEngine()
  await until('all are shadowed', async () => (await first.link())?.topics.filter(({ partitions }) => partitions[0]?.activity === 'copying').length === names.length)
  await alterTopicConfigs(pair.shadowCluster, STATE_TOPIC, new Map([['max.message.bytes', '4000']]), { signal })
  return { pair, first, names }
}

test('a link with more topics than the state topic takes in one batch can be deleted', async t => {
  const { first } = await manyTopics(t)
  await first.engine.delete(LINK, { force: true })
  await t.rejects(first.engine.status(LINK), { code: 'NOT_FOUND' })
  await until('nothing of it is left in the state', () => first.state.state?.links.size === 0 && first.state.state.topicsOf(LINK).length === 0)
})

test('a deletion that ends half way leaves topics that are open and a link that is failed over, and can be repeated', async t => {
  const { pair, first, names } = await manyTopics(t)
  await first.engine.failover(LINK, null)
  await until('all are open', async () => (await first.link())?.topics.every(({ state }) => state === 'FAILED_OVER') === true)
  await until('it is recorded', () => first.state.state?.topicsOf(LINK).every(({ state }) => state === 'FAILED_OVER') === true)
  const isRemoved = (): boolean => (first.state.state?.topicsOf(LINK).length ?? names.length) < names.length
  const heal = pair.shadow.onRequest(Produce, () => isRemoved() ? 'drop' : 'pass')
  const deleted = t.rejects(first.engine.delete(LINK, { force: false }), { code: 'ABORTED' })
  await until('some of it is removed', isRemoved)
  pair.shadow.disconnectAll()
  await first.stop()
  await deleted
  heal()
  const second = pair.startEngine()
  await until('the next engine has the link', async () => await second.link() !== null)
  const left = second.state.state?.topicsOf(LINK).length ?? 0
  t.ok(left > 0 && left < names.length, `${left} topics are left of it`)
  t.match(await second.link(), { state: 'FAILED_OVER' })
  for (const name of names) t.equal(second.state.state?.ruleFor(name).access, 'open')
  await pair.createTopic('source', 'new')
  await until('a sync has seen what it does not shadow any more', async () => /came after the link's failover/.test((await second.link())?.tasks[0]?.reason ?? ''))
  t.equal(second.state.state?.topicsOf(LINK).length, left, 'nothing is shadowed anew')
  await second.engine.delete(LINK, { force: false })
  await until('nothing of it is left in the state', () => second.state.state?.links.has(LINK) === false && second.state.state.topicsOf(LINK).length === 0)
})
