/** `on_source_deletion`: what becomes of the shadow of a topic that the source deletes. */
import { test, type Test } from 'tap'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { DeleteTopics } from '../../protocol/messages/delete-topics.ts'
import { DescribeConfigs } from '../../protocol/messages/describe-configs.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { LINK, ShadowPair, until, type RunningEngine } from '../support/shadow-pair.ts'

interface Scene {
  readonly pair: ShadowPair
  readonly engine: RunningEngine
  /** The engine's clock goes on by so much. */
  readonly pass: (ms: number) => void
}

/** Topics `a` and `b`, of which `a` will be deleted. */
async function start (t: Test, onSourceDeletion: 'keep' | 'delete'): Promise<Scene> {
  let passedMs = 0
  const pair = await ShadowPair.start(t, { topicSync: { on_source_deletion: onSourceDeletion, interval: '100ms' }, wallClock: () => new Date(Date.now() + passedMs) })
  for (const topic of ['a', 'b']) {
    await pair.createTopic('source', topic)
    pair.write(topic, 0, 5)
  }
  const engine = pair.startEngine()
  for (const topic of ['a', 'b']) await pair.untilSame(topic)
  return { pair, engine, pass: ms => { passedMs += ms } }
}

async function untilProblem ({ engine }: Scene, pattern: RegExp): Promise<void> {
  await until(`the status says ${pattern.source}`, async () => pattern.test((await engine.topic('a'))?.problem ?? ''))
}

/** Waits for some syncs that began after this call. */
async function someSyncs ({ pair }: Scene): Promise<void> {
  let seen = 0
  // Each of them asks once.
  const end = pair.source.onRequest(DescribeConfigs, () => {
    seen++
    return 'pass'
  })
  await until('some syncs', () => seen >= 6)
  end()
}

test('keep: the shadow stays, and says so', async t => {
  const scene = await start(t, 'keep')
  await scene.pair.deleteTopic('source', 'a')
  await untilProblem(scene, /^the source does not show this topic any more; the shadow keeps what it has/)
  scene.pass(60_000)
  await someSyncs(scene)
  t.match(await scene.engine.topic('a'), { state: 'ACTIVE', fault: null })
  t.equal(scene.pair.shadowEnd('a'), 5)
})

test('delete: the shadow goes once it is certain, with its record, and a topic made after that is shadowed anew', async t => {
  const scene = await start(t, 'delete')
  const { pair, engine } = scene
  await pair.deleteTopic('source', 'a')
  await untilProblem(scene, /its shadow is deleted once that is certain/)
  await someSyncs(scene)
  t.equal(pair.shadowEnd('a'), 5, 'three views are not enough before some time has passed')
  scene.pass(10_000)
  await until('the topic is gone', async () => await engine.topic('a') === null)
  t.equal(pair.shadowEnd('a'), -1)
  await until('its record is gone', () => engine.state.state?.topicOf(LINK, 'a') == null)
  t.match(await engine.topic('b'), { state: 'ACTIVE', fault: null, problem: null })
  await pair.createTopic('source', 'a', 2)
  pair.write('a', 1, 3)
  await pair.untilSame('a', 2)
  t.match(await engine.topic('a'), { state: 'ACTIVE', fault: null, problem: null })
})

test('delete: a topic that is not shown, and may not be read by its name or id, is kept', async t => {
  const scene = await start(t, 'delete')
  const { pair, engine } = scene
  let doubt: 'name' | 'id' | 'disconnect' = 'name'
  pair.source.onRequest(Metadata, ({ body }) => {
    if (body.topics === null) return { transform: answer => ({ ...answer, topics: answer.topics.filter(({ name }) => name !== 'a') }) }
    if (doubt === 'disconnect') return 'disconnect'
    const isByName = body.topics.some(({ name }) => name !== null)
    const errorCode = isByName
      ? doubt === 'name' ? ErrorCodes.TOPIC_AUTHORIZATION_FAILED : ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION
      : doubt === 'id' ? ErrorCodes.NONE : ErrorCodes.UNKNOWN_TOPIC_ID
    return { transform: answer => ({ ...answer, topics: answer.topics.map(row => ({ ...row, errorCode })) }) }
  })
  for (const [what, pattern] of [['name', /broker \d+ answers TOPIC_AUTHORIZATION_FAILED/], ['id', /broker \d+ has it/], ['disconnect', /broker \d+ does not tell/]] as const) {
    doubt = what
    await untilProblem(scene, pattern)
    scene.pass(60_000)
    await someSyncs(scene)
    t.match(await engine.topic('a'), { state: 'ACTIVE', fault: null }, what)
    t.equal(pair.shadowEnd('a'), 5)
  }
})

test('delete: a failover of the link does not wait for a shadow that is being deleted; what the shadow cluster refuses is tried again', async t => {
  const scene = await start(t, 'delete')
  const { pair, engine } = scene
  let isRefused = true
  let asked = 0
  pair.shadow.onRequest(DeleteTopics, ({ body }) => {
    asked++
    return isRefused ? { answer: { responses: body.topics.map(row => ({ ...row, errorCode: ErrorCodes.POLICY_VIOLATION, errorMessage: 'not now' })) } } : { delayMs: 1500 }
  })
  await pair.deleteTopic('source', 'a')
  await untilProblem(scene, /its shadow is deleted once that is certain/)
  scene.pass(10_000)
  await untilProblem(scene, /POLICY_VIOLATION \(not now\)/)
  isRefused = false
  const before = asked
  await until('it is asked for again', () => asked > before)
  await t.rejects(engine.engine.failover(LINK, 'a'), { code: 'CONFLICT', message: /^topic a was deleted on the source, and its shadow is being deleted, too/ })
  await engine.engine.failover(LINK, null)
  await until('b is open, and a is gone', async () => (await engine.topic('b'))?.state === 'FAILED_OVER' && await engine.topic('a') === null)
  t.equal(pair.shadowEnd('a'), -1)
})

test('delete: what is failed over stays, and an engine that died in between is finished by the next', async t => {
  const scene = await start(t, 'delete')
  const { pair, engine } = scene
  await engine.engine.failover(LINK, 'b')
  await until('b is open', async () => (await engine.topic('b'))?.state === 'FAILED_OVER')
  await pair.deleteTopic('source', 'a')
  await pair.deleteTopic('source', 'b')
  // The shadow is deleted, and the engine does not hear of it.
  const end = pair.shadow.onRequest(DeleteTopics, () => {
    engine.stop().catch(() => {})
    return { disconnectAfterHandling: true }
  })
  await untilProblem(scene, /its shadow is deleted once that is certain/)
  scene.pass(10_000)
  await until('the shadow is gone', () => pair.shadowEnd('a') === -1)
  await engine.stop()
  end()
  const second = pair.startEngine()
  await until('the second leads', async () => await second.topic('a') !== null)
  await until('its problem is told', async () => /its shadow is deleted/.test((await second.topic('a'))?.problem ?? ''))
  scene.pass(10_000)
  await until('the record is gone', async () => await second.topic('a') === null && await second.topic('b') !== null)
  t.match(await second.topic('b'), { state: 'FAILED_OVER' })
  t.equal(pair.shadowEnd('b'), 5)
})
