import { test } from 'tap'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { ListOffsets } from '../../protocol/messages/list-offsets.ts'
import { STATE_TOPIC } from '../../src/state/state-topic.ts'
import { LINK, literal, RunningEngine, ShadowPair, until } from '../support/shadow-pair.ts'

const BACK = 'back'

/** A link from the pair's shadow cluster to its source. */
function backwards (pair: ShadowPair, filters: readonly object[]): Record<string, unknown> {
  const document = pair.linkDocument(pair.shadow.address)
  return { ...document, name: BACK, topic_metadata_sync_options: { interval: '200ms', auto_create_shadow_topic_filters: filters } }
}

test('a link that would copy in a circle is refused, and topics that would later are left alone', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a')
  pair.write('a', 0, 5)
  const there = pair.startEngine()
  await pair.untilSame('a')
  const back = new RunningEngine(pair.source.address, [], {})
  t.teardown(() => back.stop())
  await until('it leads', () => back.engine.leadership().leading)
  await t.rejects(back.engine.create(backwards(pair, literal('*')), { dryRun: false }), { code: 'CONFLICT', message: /would be copied in a circle: a/ })
  t.match((await back.engine.check(backwards(pair, literal('*')))).find(({ name }) => name === 'loops'), { verdict: 'failed' })

  await back.engine.create(backwards(pair, [...literal('*'), { pattern_type: 'LITERAL', filter_type: 'EXCLUDE', name: 'a' }]), { dryRun: false })
  await pair.createTopic('source', 'later')
  pair.write('later', 0, 5)
  await pair.untilSame('later')
  await pair.createTopic('shadow', 'own')
  const topicOf = async (name: string): Promise<unknown> => (await back.engine.status(BACK)).topics.find(topic => topic.name === name)
  await until('what is theirs is shadowed', async () => (await back.engine.status(BACK)).topics.some(({ name, state }) => name === 'own' && state === 'ACTIVE'))
  await until('what is ours is left alone', async () => (await topicOf('later')) !== undefined)
  t.match(await topicOf('later'), { state: 'FAULTED', owned: false, fault: { code: 'LOOP', reason: /link dr there/ } })
  t.match(await there.topic('later'), { state: 'ACTIVE' })
  t.equal(await topicOf('a'), undefined)

  // Opened there, and gone here: it does not come back by itself.
  await there.engine.failover(LINK, 'later')
  await until('it is open', async () => (await there.topic('later'))?.state === 'FAILED_OVER')
  await pair.deleteTopic('source', 'later')
  await until('it may be retried', async () => await back.engine.retryTopic(BACK, 'later').then(() => true, () => false))
  await until('it is left alone again', async () => /until it was failed over/.test(JSON.stringify(await topicOf('later'))))
  await back.engine.update(BACK, backwards(pair, literal('later', 'own')), { dryRun: false })
  await back.engine.retryTopic(BACK, 'later')
  await until('who names it has it shadowed back', async () => (await back.engine.status(BACK)).topics.some(({ name, owned, state }) => name === 'later' && owned && state === 'ACTIVE'))
  await until('it is the same on both sides', () => pair.isSame('later'))
})

test('while the links of the source cannot be read, nothing new is taken in', async t => {
  const pair = await ShadowPair.start(t, { topicSync: { auto_create_shadow_topic_filters: literal('a', 'b') } })
  await pair.createTopic('source', 'a')
  const engine = pair.startEngine()
  await until('it is copied', async () => (await engine.partition('a', 0))?.activity === 'copying')
  const mend = pair.source.onRequest(ListOffsets, ({ body }) => body.topics.some(({ name }) => name === STATE_TOPIC)
    ? { answer: { throttleTimeMs: 0, topics: [{ name: STATE_TOPIC, partitions: [{ partitionIndex: 0, errorCode: ErrorCodes.TOPIC_AUTHORIZATION_FAILED, timestamp: -1n, offset: -1n, leaderEpoch: -1 }] }] } }
    : 'pass')
  await pair.createTopic('source', STATE_TOPIC)
  await pair.createTopic('source', 'b')
  pair.write('a', 0, 5)
  await pair.untilSame('a')
  await until('the task says why', async () => /1 new topics are not shadowed yet: the source has links of its own/.test((await engine.link())?.tasks[0]?.reason ?? ''))
  t.equal(pair.shadowEnd('b'), -1)
  mend()
  await pair.untilSame('b')
})
