import { test } from 'tap'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { DescribeProducers } from '../../protocol/messages/describe-producers.ts'
import { ListOffsets } from '../../protocol/messages/list-offsets.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { CONSUMER_REPLICA_ID, LATEST_TIMESTAMP } from '../../src/client/admin/list-offsets.ts'
import { describeTopicConfigs } from '../../src/client/admin/describe-topic-configs.ts'
import { BrokerError } from '../../src/errors.ts'
import { sleep } from '../../src/net/sleep.ts'
import { LINK, literal, oneBatch, ShadowPair, until, type RunningEngine } from '../support/shadow-pair.ts'

const signal = new AbortController().signal

async function untilState (engine: RunningEngine, topic: string, state: string): Promise<void> {
  await until(`${topic} is ${state}`, async () => (await engine.topic(topic))?.state === state).catch(async (error: unknown) => {
    throw new Error(`${String(error)}: ${JSON.stringify(await engine.topic(topic))}`)
  })
}

async function untilWaitingFor (engine: RunningEngine, topic: string, reason: RegExp): Promise<void> {
  await until(`${topic} waits for ${String(reason)}`, async () => reason.test((await engine.topic(topic))?.problem ?? '')).catch(async (error: unknown) => {
    throw new Error(`${String(error)}: ${JSON.stringify(await engine.topic(topic))}`)
  })
}

/** Holds up openings, frozen, before the source is asked for the last time. Returns how to end that. */
function holdOpenings (pair: ShadowPair): { readonly isHolding: () => boolean, readonly release: () => void } {
  let held = 0
  const release = pair.shadow.onRequest(DescribeProducers, ({ body }) => {
    held++
    const row = { errorCode: ErrorCodes.NOT_LEADER_OR_FOLLOWER, activeProducers: [] }
    return { answer: { throttleTimeMs: 0, topics: body.topics.map(({ name, partitionIndexes }) => ({ name, partitions: partitionIndexes.map(partitionIndex => ({ partitionIndex, ...row })) })) } }
  })
  return { isHolding: () => held > 0, release }
}

test('waits for the writers of the source, names what they write to, and loses nothing', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a', 3, { 'retention.ms': '12345' })
  pair.write('a', 0, 10)
  const engine = pair.startEngine()
  await pair.untilSame('a', 3)
  const writer = setInterval(() => pair.write('a', 1, 1), 20)
  t.teardown(() => clearInterval(writer))
  await engine.engine.promote(LINK, 'a')
  t.equal((await engine.topic('a'))?.state, 'PROMOTING')
  await untilWaitingFor(engine, 'a', /the source is still written to, and its writers must be stopped: partition 1(;|$)/)
  await sleep(1500)
  t.equal((await engine.topic('a'))?.state, 'PROMOTING')
  t.equal(engine.state.state?.ruleFor('a').access, 'read-only')
  await engine.engine.promote(LINK, 'a')
  clearInterval(writer)
  await untilState(engine, 'a', 'PROMOTED')
  const end = pair.source.log('a', 1).logEndOffset
  t.match(engine.state.state?.topicOf(LINK, 'a'), { state: 'PROMOTED', endOffsets: [10, end, 0], fault: null })
  for (let partition = 0; partition < 3; partition++) t.ok(pair.isSame('a', partition), `partition ${partition}`)
  await until('a is open at the sidecars', () => engine.state.state?.ruleFor('a').access === 'open')
  const configs = (await describeTopicConfigs(pair.shadowCluster, ['a'], { signal })).get('a')
  t.equal(configs instanceof BrokerError ? null : configs?.get('retention.ms')?.value, '12345')

  const { since, problem } = await engine.topic('a') ?? {}
  t.equal(problem, null)
  pair.write('a', 0, 5)
  await engine.engine.promote(LINK, 'a')
  await engine.engine.failover(LINK, 'a')
  await sleep(500)
  t.match(await engine.topic('a'), { state: 'PROMOTED', since }, 'there is no way back, and no other end')
  t.equal(pair.shadowEnd('a', 0), 10, 'nothing is copied any more')
  t.equal((await engine.link())?.state, 'ACTIVE', 'the link goes on')
})

test('a source that is gone is waited for, and the promotion can become a failover', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a')
  await pair.createTopic('source', 'b')
  pair.write('a', 0, 10)
  const engine = pair.startEngine()
  await pair.untilSame('a')
  await pair.untilSame('b')
  await pair.source.stop()
  await engine.engine.promote(LINK, null)
  await untilWaitingFor(engine, 'a', /whether the shadow has everything cannot be known/)
  await sleep(2500)
  t.equal((await engine.topic('a'))?.state, 'PROMOTING')
  await engine.engine.failover(LINK, 'a')
  await untilState(engine, 'a', 'FAILED_OVER')
  t.match(await engine.topic('a'), { problem: null })
  t.equal((await engine.topic('b'))?.state, 'PROMOTING')
  await engine.engine.failover(LINK, null)
  await untilState(engine, 'b', 'FAILED_OVER')
  t.equal((await engine.link())?.state, 'FAILED_OVER')
})

test('goes on promoting with the next engine, wherever the first one ended', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a')
  pair.write('a', 0, 1)
  const first = pair.startEngine()
  await pair.untilSame('a')
  const openings = holdOpenings(pair)
  await first.engine.promote(LINK, 'a')
  await until('it is frozen', () => openings.isHolding())
  pair.shadow.disconnectAll()
  await first.stop()
  pair.write('a', 0, 3)
  openings.release()
  const second = pair.startEngine()
  await untilState(second, 'a', 'PROMOTED')
  t.match(second.state.state?.topicOf(LINK, 'a'), { state: 'PROMOTED', endOffsets: [4] })
  t.ok(pair.isSame('a'))
})

test('a writer that comes back after the freeze is copied as well, before the topic is opened', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a', 2)
  pair.write('a', 0, 2)
  const engine = pair.startEngine()
  await pair.untilSame('a', 2)
  const openings = holdOpenings(pair)
  await engine.engine.promote(LINK, 'a')
  await untilWaitingFor(engine, 'a', /promoting, producerIds/)
  pair.write('a', 1, 7)
  await sleep(300)
  t.equal(pair.shadowEnd('a', 1), 0, 'frozen')
  t.equal(engine.state.state?.ruleFor('a').access, 'read-only')
  openings.release()
  await until('it is thawed', () => pair.shadowEnd('a', 1) === 7)
  t.equal((await engine.topic('a'))?.state, 'PROMOTING')
  await untilState(engine, 'a', 'PROMOTED')
  t.match(engine.state.state?.topicOf(LINK, 'a'), { endOffsets: [2, 7], fault: null })
  t.ok(pair.isSame('a', 0) && pair.isSame('a', 1))
})

test('a source that cannot be asked after the freeze leaves the topic closed; a failover during the freeze is a failover', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a')
  await pair.createTopic('source', 'b')
  for (const name of ['a', 'b']) pair.write(name, 0, 2)
  const engine = pair.startEngine()
  await pair.untilSame('a')
  await pair.untilSame('b')
  const openings = holdOpenings(pair)
  await engine.engine.promote(LINK, null)
  await until('both are frozen', async () => (await engine.link())?.topics.every(({ problem }) => /producerIds/.test(problem ?? '')) === true)
  await pair.source.stop()
  await engine.engine.failover(LINK, 'b')
  t.equal((await engine.topic('b'))?.state, 'FAILING_OVER')
  openings.release()
  await untilState(engine, 'b', 'FAILED_OVER')
  await untilWaitingFor(engine, 'a', /whether the shadow has everything cannot be known/)
  t.equal((await engine.topic('a'))?.state, 'PROMOTING')
  t.equal(engine.state.state?.ruleFor('a').access, 'read-only')
  await engine.engine.failover(LINK, 'a')
  await untilState(engine, 'a', 'FAILED_OVER')
})

test('follows partitions that the source gets meanwhile', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a')
  pair.write('a', 0, 3)
  const engine = pair.startEngine()
  await pair.untilSame('a')
  const writer = setInterval(() => pair.write('a', 0, 1), 20)
  t.teardown(() => clearInterval(writer))
  await engine.engine.promote(LINK, 'a')
  await untilWaitingFor(engine, 'a', /still written to/)
  await pair.growTopic('a', 3)
  pair.write('a', 2, 4)
  clearInterval(writer)
  await untilState(engine, 'a', 'PROMOTED')
  t.match(engine.state.state?.topicOf(LINK, 'a'), { partitions: 3, endOffsets: [pair.source.log('a', 0).logEndOffset, 0, 4] })
  t.ok(pair.isSame('a', 2))
})

test('what does not have everything is not promoted: faults before, during, and a failover under way', async t => {
  const pair = await ShadowPair.start(t)
  for (const name of ['bad', 'good', 'turns-bad']) await pair.createTopic('source', name)
  pair.source.log('bad', 0).append(oneBatch({ records: [{ timestamp: 1 }], logAppendTime: 7 }))
  const engine = pair.startEngine()
  await untilState(engine, 'bad', 'FAULTED')
  await pair.untilSame('good')
  await pair.untilSame('turns-bad')
  await t.rejects(engine.engine.promote(LINK, 'nothing'), { code: 'NOT_FOUND' })
  await t.rejects(engine.engine.promote(LINK, 'bad'), { code: 'CONFLICT', message: /topic bad is FAULTED.*failed over/ })
  await t.rejects(engine.engine.promote(LINK, null), { code: 'CONFLICT', message: /topic bad is FAULTED/ })
  t.equal((await engine.topic('good'))?.state, 'ACTIVE', 'nothing was begun')

  const heal = pair.source.onRequest(Metadata, () => 'drop')
  await engine.engine.promote(LINK, 'turns-bad')
  pair.source.log('turns-bad', 0).append(oneBatch({ records: [{ timestamp: 1 }], logAppendTime: 7 }))
  await untilState(engine, 'turns-bad', 'FAULTED')
  heal()
  t.match(await engine.topic('turns-bad'), { fault: { code: 'LOG_APPEND_TIME' } })
  await engine.engine.failover(LINK, 'turns-bad')
  await untilState(engine, 'turns-bad', 'FAILED_OVER')

  const openings = holdOpenings(pair)
  await engine.engine.failover(LINK, 'good')
  await t.rejects(engine.engine.promote(LINK, 'good'), { code: 'CONFLICT', message: /good is FAILING_OVER/ })
  openings.release()
  await untilState(engine, 'good', 'FAILED_OVER')
  await engine.engine.promote(LINK, 'good')
  t.equal((await engine.topic('good'))?.state, 'FAILED_OVER')
})

test('the promotion of a link takes in topics that are new on the source, over engines, and ends when there are no more', async t => {
  const pair = await ShadowPair.start(t, { topicSync: { auto_create_shadow_topic_filters: literal('a', 'b', 'too-late') } })
  await pair.createTopic('source', 'a')
  pair.write('a', 0, 3)
  const first = pair.startEngine()
  await pair.untilSame('a')
  const writer = setInterval(() => pair.write('a', 0, 1), 20)
  t.teardown(() => clearInterval(writer))
  await first.engine.promote(LINK, null)
  await untilWaitingFor(first, 'a', /still written to/)
  await first.stop()
  await pair.createTopic('source', 'b')
  pair.write('b', 0, 5)
  const second = pair.startEngine()
  await untilState(second, 'b', 'PROMOTED')
  t.match(second.state.state?.topicOf(LINK, 'b'), { endOffsets: [5] })
  t.match(await second.link(), { state: 'ACTIVE' })
  clearInterval(writer)
  await untilState(second, 'a', 'PROMOTED')
  t.ok(pair.isSame('a'))
  await until('the link is done with', async () => (await second.link())?.state === 'FAILED_OVER')
  await pair.createTopic('source', 'too-late')
  await until('what came too late is told', async () => /1 of them came after/.test((await second.link())?.tasks[0]?.reason ?? ''))
  t.equal(await second.topic('too-late'), null)
})

test('a topic that is stopped during the freeze of its promotion is copied again once it was repaired', async t => {
  const pair = await ShadowPair.start(t)
  for (const name of ['anew', 'again']) {
    await pair.createTopic('source', name)
    pair.write(name, 0, 3)
  }
  const engine = pair.startEngine()
  for (const name of ['anew', 'again']) await pair.untilSame(name)
  for (const name of ['anew', 'again']) {
    // Nothing but a failover or a promotion asks for the end like this.
    let isWritten = false
    const heal = pair.shadow.onRequest(ListOffsets, ({ body }) => {
      if (isWritten || body.replicaId !== CONSUMER_REPLICA_ID || body.topics.every(topic => topic.name !== name || topic.partitions[0]?.timestamp !== BigInt(LATEST_TIMESTAMP))) return 'pass'
      isWritten = true
      pair.shadow.log(name, 0).append(oneBatch({ records: [{ timestamp: 1 }] }))
      return 'pass'
    })
    await engine.engine.promote(LINK, name)
    await untilState(engine, name, 'FAULTED')
    heal()
    t.match(await engine.topic(name), { fault: { code: 'FOREIGN_WRITE', offset: 3, reason: /nothing was copied there/ } })
  }
  await engine.engine.restoreTopic(LINK, 'anew', { from: 'scratch' })
  pair.shadow.log('again', 0).truncateTo(3)
  await engine.engine.retryTopic(LINK, 'again')
  for (const name of ['anew', 'again']) {
    pair.write(name, 0, 4)
    await pair.untilSame(name)
    t.match(await engine.topic(name), { state: 'ACTIVE', fault: null, problem: null })
  }
  await engine.engine.promote(LINK, null)
  for (const name of ['anew', 'again']) await untilState(engine, name, 'PROMOTED')
  t.match(engine.state.state?.topicOf(LINK, 'anew'), { endOffsets: [7], fault: null })
})
