import { test } from 'tap'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { ListOffsets } from '../../protocol/messages/list-offsets.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import type { HookOutcome } from '../../src/embedded/request-hooks.ts'
import { ShadowPair, until } from '../support/shadow-pair.ts'

/** What the shadow's broker does to the n-th append of copied batches. */
async function copyWith (t: Parameters<typeof ShadowPair.start>[0], outcomes: ReadonlyArray<HookOutcome<typeof Produce>>): Promise<ShadowPair> {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a', 2)
  const engine = pair.startEngine()
  await until('the topic is shadowed', async () => (await engine.partition('a', 1))?.activity === 'copying')
  let appends = 0
  await pair.onAppend(() => outcomes[appends++] ?? 'pass')
  for (let round = 0; appends < outcomes.length; round++) {
    if (round > 2000) throw new Error('too few appends')
    pair.write('a', 0, 3)
    pair.write('a', 1, 2)
    await until('appends go on', async () => appends >= outcomes.length || pair.isSame('a', 0))
  }
  pair.write('a', 0, 3)
  await pair.untilSame('a', 2)
  t.match(await engine.topic('a'), { state: 'ACTIVE', fault: null })
  for (const report of await engine.verify('a')) t.match(report, { difference: null, incomplete: null })
  return pair
}

function refused (errorCode: number): HookOutcome<typeof Produce> {
  return {
    transform: response => ({
      ...response,
      responses: response.responses.map(topic => ({
        ...topic,
        partitionResponses: topic.partitionResponses.map(({ index }) => ({ index, errorCode, baseOffset: -1n }))
      }))
    })
  }
}

test('an append that was carried out and never answered is not repeated', async t => {
  await copyWith(t, ['pass', { disconnectAfterHandling: true }, 'pass', { disconnectAfterHandling: true }, { disconnectAfterHandling: true }])
})

test('an append that never arrived is made again', async t => {
  await copyWith(t, ['disconnect', 'pass', 'disconnect', 'disconnect'])
})

test('an error that does not say whether the batch was appended leads to a look at the log', async t => {
  await copyWith(t, [
    refused(ErrorCodes.NOT_ENOUGH_REPLICAS_AFTER_APPEND), 'pass', refused(ErrorCodes.REQUEST_TIMED_OUT),
    refused(ErrorCodes.UNKNOWN_SERVER_ERROR), refused(ErrorCodes.NOT_LEADER_OR_FOLLOWER)
  ])
})

test('an answer that leaves partitions out says nothing of them', async t => {
  await copyWith(t, [{ transform: () => ({ responses: [] }) }])
})

test('an append that is carried out after its connection was given up is not repeated', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a')
  const engine = pair.startEngine()
  await until('the topic is shadowed', async () => (await engine.partition('a', 0))?.activity === 'copying')
  let appends = 0
  await pair.onAppend(({ connection }) => {
    if (appends++ > 0) return 'pass'
    setTimeout(() => connection.reset(), 50)
    return { delayMs: 500 }
  })
  pair.write('a', 0, 5)
  await pair.untilSame('a')
  t.match(await engine.topic('a'), { state: 'ACTIVE', fault: null })
  t.match(await engine.verify('a'), [{ difference: null, incomplete: null, toOffset: 5 }])
})

test('a broker that stood still with an append in its queue is asked again when it has moved for a while', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a')
  const engine = pair.startEngine()
  await until('the topic is shadowed', async () => (await engine.partition('a', 0))?.activity === 'copying')
  let stoppedAtMs = Infinity
  // It answers nobody for a while; then it tells its end, and only then appends what it had.
  const untilMs = (ms: number): number => Math.max(0, ms - (performance.now() - stoppedAtMs))
  pair.shadow.onRequest(ListOffsets, () => {
    if (performance.now() < stoppedAtMs) return 'pass'
    return untilMs(1500) > 0 ? 'disconnect' : { delayMs: untilMs(2700) }
  })
  await pair.onAppend(({ connection }) => {
    if (stoppedAtMs !== Infinity) return 'pass'
    stoppedAtMs = performance.now()
    setTimeout(() => connection.reset(), 20)
    return { delayMs: 3000 }
  })
  pair.write('a', 0, 5)
  await pair.untilSame('a')
  await until('the broker has done what it had in its queue', () => untilMs(3200) === 0)
  pair.write('a', 0, 1)
  await pair.untilSame('a')
  t.match(await engine.topic('a'), { state: 'ACTIVE', fault: null })
})

test('a shadow whose end cannot be read gets nothing', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a')
  const engine = pair.startEngine()
  await until('the topic is shadowed', async () => (await engine.partition('a', 0))?.activity === 'copying')
  let appends = 0
  const stop = pair.shadow.onRequest(ListOffsets, ({ body }) => ({
    answer: {
      topics: body.topics.map(({ name, partitions }) => ({
        name, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: ErrorCodes.OFFSET_NOT_AVAILABLE, offset: -1n, timestamp: -1n, leaderEpoch: -1 }))
      }))
    }
  }))
  await pair.onAppend(() => appends++ === 0 ? { disconnectAfterHandling: true } : 'pass')
  pair.write('a', 0, 5)
  await until('the end cannot be read', async () => /OFFSET_NOT_AVAILABLE/.test((await engine.partition('a', 0))?.problem ?? ''))
  t.equal(appends, 1)
  stop()
  await pair.untilSame('a')
})

test('connections that are reset at random lose and repeat nothing', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a', 3)
  const engine = pair.startEngine()
  await until('the topic is shadowed', async () => (await engine.partition('a', 2))?.activity === 'copying')
  let requests = 0
  // Every 11th request before it is handled, every 17th after it: a pattern that meets every step, the same in every run.
  const heal = pair.shadow.onRequest(Produce, () => {
    requests++
    return requests % 11 === 0 ? 'disconnect' : requests % 17 === 0 ? { disconnectAfterHandling: true } : 'pass'
  })
  for (let round = 0; round < 12; round++) {
    for (let partition = 0; partition < 3; partition++) pair.write('a', partition, 2)
    if (round === 5) pair.shadow.disconnectAll()
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  await until('enough was reset', () => requests >= 34)
  heal()
  await pair.untilSame('a', 3)
  t.match(await engine.topic('a'), { state: 'ACTIVE', fault: null })
})
