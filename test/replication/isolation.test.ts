import { test } from 'tap'
import { randomBytes } from 'node:crypto'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { CreateTopics } from '../../protocol/messages/create-topics.ts'
import { DescribeConfigs } from '../../protocol/messages/describe-configs.ts'
import { Fetch } from '../../protocol/messages/fetch.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { readRecords } from '../../protocol/records/read-records.ts'
import { createTopic } from '../../src/client/admin/create-topic.ts'
import { STATE_TOPIC } from '../../src/state/state-topic.ts'
import { oneBatch, ShadowPair, until } from '../support/shadow-pair.ts'

test('filters: exclusion wins, prefixes and names select, what is taken is left alone', async t => {
  const pair = await ShadowPair.start(t, {
    topicSync: {
      auto_create_shadow_topic_filters: [
        { pattern_type: 'PREFIX', filter_type: 'INCLUDE', name: 'app-' },
        { pattern_type: 'LITERAL', filter_type: 'INCLUDE', name: 'single' },
        { pattern_type: 'LITERAL', filter_type: 'EXCLUDE', name: 'app-secret' },
        { pattern_type: 'PREFIX', filter_type: 'EXCLUDE', name: 'app-tmp' }
      ]
    }
  })
  const names = ['app-a', 'app-secret', 'app-tmp-1', 'single', 'single-not', 'other', 'app-taken']
  for (const name of names) {
    await pair.createTopic('source', name)
    pair.write(name, 0, 3)
  }
  await pair.createTopic('shadow', 'app-taken')
  pair.shadow.log('app-taken', 0).append(oneBatch({ records: [{ timestamp: 1 }] }))
  const engine = pair.startEngine()
  await pair.untilSame('app-a')
  await pair.untilSame('single')
  await until('the taken name is reported', async () => (await engine.topic('app-taken'))?.state === 'FAULTED')
  t.match(await engine.topic('app-taken'), { owned: false, fault: { code: 'NAME_TAKEN' }, fidelity: 'unknown' })
  t.equal(pair.shadow.log('app-taken', 0).logEndOffset, 1)
  t.equal(engine.state.state?.ruleFor('app-taken').access, 'open', 'its owner goes on writing')
  t.same((await engine.link())?.topics.map(({ name }) => name), ['app-a', 'app-taken', 'single'])
})

test('another cluster behind the source\'s addresses: nothing is copied, also after a restart', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a')
  pair.write('a', 0, 3)
  const first = pair.startEngine()
  await pair.untilSame('a')
  const heal = pair.source.onRequest(Metadata, () => ({ transform: response => ({ ...response, clusterId: 'another' }) }))
  await until('it is noticed', async () => /cluster another/.test((await first.link())?.source.problem ?? ''))
  t.match(await first.link(), { source: { reachable: false }, tasks: [{ state: 'FAULTED' }] })
  pair.write('a', 0, 3)
  await new Promise(resolve => setTimeout(resolve, 300))
  t.equal(pair.shadowEnd('a'), 3)
  await first.stop()
  const second = pair.startEngine()
  await until('the next engine notices it too', async () => /cluster another/.test((await second.link())?.source.problem ?? ''))
  await until('and the partition says why it waits', async () => /cluster another/.test((await second.partition('a', 0))?.problem ?? ''))
  t.equal(pair.shadowEnd('a'), 3)
  heal()
  await pair.untilSame('a')
})

test('one slow partition does not hold up the others, and memory stays bounded', async t => {
  const maxBufferedBytes = 1024 * 1024
  const pair = await ShadowPair.start(t, { maxBufferedBytes, client: { fetch_max_bytes: 256 * 1024, fetch_partition_max_bytes: 64 * 1024 } })
  await pair.createTopic('source', 'slow')
  await pair.createTopic('source', 'quick', 3)
  const engine = pair.startEngine()
  await until('both are shadowed', async () => (await engine.partition('quick', 2))?.activity === 'copying' && (await engine.partition('slow', 0))?.activity === 'copying')
  const slowId = await pair.topicId('shadow', 'slow')
  let held = 0
  await pair.onAppend(({ body }) => body.topicData.some(({ topicId }) => topicId === slowId) && held++ < 2 ? { delayMs: 1500 } : 'pass')
  let most = 0
  const look = (): void => {
    engine.link().then(link => { most = Math.max(most, link?.bufferedBytes ?? 0) }, () => {})
  }
  const watch = setInterval(look, 2)
  t.teardown(() => clearInterval(watch))
  pair.write('slow', 0, 1)
  await until('the slow one is under way', () => held > 0)
  const value = randomBytes(20_000)
  for (let batch = 0; batch < 100; batch++) {
    pair.write('slow', 0, 1, { records: [{ timestamp: 1, value }] })
    for (let partition = 0; partition < 3; partition++) pair.write('quick', partition, 1, { records: [{ timestamp: 1, value }] })
  }
  await pair.untilSame('quick', 3)
  t.ok(pair.shadowEnd('slow') < 101, 'the others are done before it')
  await pair.untilSame('slow')
  t.ok(most <= maxBufferedBytes + 256 * 1024 + 21_000, `at most ${most} bytes were held`)
  t.ok(most > 0)
  await until('all is given back', async () => ((await engine.link())?.bufferedBytes ?? 1) <= 2 * 256 * 1024)
})

test('a batch that is larger than every limit of the link is copied all the same', async t => {
  const pair = await ShadowPair.start(t, { maxBufferedBytes: 1024 * 1024, client: { fetch_max_bytes: 1024, fetch_partition_max_bytes: 1024 } })
  await pair.createTopic('source', 'a', 2, { 'max.message.bytes': '20000000' })
  for (let partition = 0; partition < 2; partition++) pair.write('a', partition, 3, { records: [{ timestamp: 1, value: randomBytes(3_000_000) }] })
  pair.startEngine()
  await pair.untilSame('a', 2)
  t.pass()
})

test('verify finds a flipped byte, a missing batch and an extra one', async t => {
  const pair = await ShadowPair.start(t)
  const names = ['flipped', 'missing', 'extra', 'same']
  for (const name of names) {
    await pair.createTopic('source', name)
    pair.write(name, 0, 10)
  }
  const engine = pair.startEngine()
  for (const name of names) await pair.untilSame(name)
  // Faults would be noticed soon by the copying as well: verify must find them by itself.
  const flipped = [...pair.shadow.log('flipped', 0).batches(({ baseOffset }) => baseOffset === 4)][0]
  flipped?.bytes.writeUInt8(0x55, flipped.sizeBytes - 2)
  const missing = pair.shadow.log('missing', 0)
  missing.truncateTo(5)
  missing.append(oneBatch({ records: Array.from({ length: 5 }, () => ({ timestamp: 1 })) }))
  pair.shadow.log('extra', 0).append(oneBatch({ records: [{ timestamp: 1 }] }))
  const reports = new Map((await engine.verify()).map(report => [report.topic, report]))
  t.match(reports.get('flipped'), { difference: /offsets 4 to 4 differs from byte/, toOffset: 4 })
  t.match(reports.get('missing'), { difference: /5 to 5 where the shadow has one of 5 to 9/, toOffset: 5 })
  t.match(reports.get('extra'), { difference: /the shadow has offsets 10 to 10, which the source does not have/ })
  t.match(reports.get('same'), { difference: null, incomplete: null, fromOffset: 0, toOffset: 10, batches: 10 })
})

test('a sync that hangs does not come after the failover', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a', 1, { 'retention.ms': '777' })
  pair.write('a', 0, 3)
  const engine = pair.startEngine()
  await pair.untilSame('a')
  // The sync has seen the shadow with configs that somebody changed, and is about to set them again.
  let isHeld = false
  let release = (): void => {}
  const gate = new Promise<void>(resolve => { release = resolve })
  const heal = pair.source.onRequest(DescribeConfigs, () => {
    isHeld = true
    return gate.then(() => 'pass' as const)
  })
  await until('a sync hangs', () => isHeld)
  await pair.growTopic('a', 3)
  await engine.engine.failover('dr', 'a')
  await until('it is failed over', async () => (await engine.topic('a'))?.state === 'FAILED_OVER')
  heal()
  release()
  pair.write('a', 2, 3)
  await new Promise(resolve => setTimeout(resolve, 1500))
  t.equal(pair.shadowEnd('a', 2), -1, 'no partition was added')
  t.match(engine.state.state?.topicOf('dr', 'a'), { state: 'FAILED_OVER', partitions: 1 })
})

test('a source that is slow to answer is not taken for one that has nothing', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a')
  const engine = pair.startEngine()
  await until('it is level', async () => (await engine.partition('a', 0))?.lagRecords === 0)
  pair.source.onRequest(Fetch, () => 'drop')
  pair.write('a', 0, 5)
  await until('the contact grows old', async () => ((await engine.partition('a', 0))?.sourceContactAgeMs ?? 0) > 5500)
  const status = await engine.partition('a', 0)
  t.ok((status?.lagSeconds ?? 0) > 5, 'the seconds at risk go on, whatever the last known lag was')
})

test('a topic whose claim the state topic refuses is not created before it is recorded', async t => {
  const pair = await ShadowPair.start(t)
  const engine = pair.startEngine()
  await until('it leads', async () => (await engine.link())?.tasks[0]?.state === 'ACTIVE')
  let refused = 0
  pair.shadow.onRequest(Produce, ({ body }) => {
    if (refused >= 2) return 'pass'
    refused++
    return { answer: { throttleTimeMs: 0, responses: body.topicData.map(({ name, topicId }) => ({ name, topicId, partitionResponses: [{ index: 0, errorCode: ErrorCodes.TOPIC_AUTHORIZATION_FAILED, baseOffset: -1n }] })) } }
  })
  const claimed: boolean[] = []
  pair.shadow.onRequest(CreateTopics, () => {
    claimed.push([...pair.shadow.log(STATE_TOPIC, 0).batches(() => true)].flatMap(batch => [...readRecords(batch)]).some(({ key }) => key?.toString() === 'topic/dr/a'))
    return 'pass'
  })
  await createTopic(pair.sourceCluster, { name: 'a', partitions: 1, replicationFactor: 1, configs: {} }, { signal: AbortSignal.timeout(10_000) })
  pair.write('a', 0, 3)
  await pair.untilSame('a')
  t.equal(refused, 2)
  t.same(claimed, [true])
})
