import { test } from 'tap'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { DescribeProducers } from '../../protocol/messages/describe-producers.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { EmbeddedBroker } from '../../src/embedded/embedded-broker.ts'
import { formatHostPort } from '../../src/net/host-port.ts'
import { sleep } from '../../src/net/sleep.ts'
import { LINK, literal, ShadowPair, until } from '../support/shadow-pair.ts'

type Sections = Readonly<Record<string, Readonly<Record<string, unknown>>>>

/** The pair's document with other values in its sections. */
function documentOf (pair: ShadowPair, changes: Sections = {}): Record<string, unknown> {
  const document = pair.linkDocument()
  for (const [section, values] of Object.entries(changes)) document[section] = { ...Object(document[section]) as object, ...values }
  return document
}

const RUN = { dryRun: false }

test('options of a task count at once, without a word to the source\'s partitions', async t => {
  const pair = await ShadowPair.start(t, { topicSync: { interval: '1h', auto_create_shadow_topic_filters: literal('a') } })
  await pair.createTopic('source', 'a')
  await pair.createTopic('source', 'b')
  const engine = pair.startEngine()
  await until('it is copied', async () => (await engine.partition('a', 0))?.activity === 'copying')
  const filters = { topic_metadata_sync_options: { interval: '1h', auto_create_shadow_topic_filters: literal('a', 'b') } }
  t.match(await engine.engine.update(LINK, documentOf(pair, filters), { dryRun: true }), { changed: ['topic_metadata_sync_options.auto_create_shadow_topic_filters'], reconnects: false })
  t.match((await engine.link())?.configuration, pair.linkDocument(), 'a dry run changes nothing')
  t.match(await engine.engine.update(LINK, documentOf(pair, filters), RUN), { changed: ['topic_metadata_sync_options.auto_create_shadow_topic_filters'], reconnects: false })
  await pair.untilSame('b')
  t.equal((await engine.partition('a', 0))?.activity, 'copying')
  t.match(await engine.engine.update(LINK, documentOf(pair, filters), RUN), { changed: [] })

  await engine.engine.update(LINK, documentOf(pair, { topic_metadata_sync_options: { paused: true, auto_create_shadow_topic_filters: literal('*') } }), RUN)
  await until('the task is paused', async () => (await engine.link())?.tasks[0]?.state === 'PAUSED')
  await pair.createTopic('source', 'c')
  await sleep(500)
  t.equal(await engine.topic('c'), null)
  await engine.stop()
  const second = pair.startEngine()
  await until('the next engine has it from the state topic', async () => (await second.link())?.tasks[0]?.state === 'PAUSED')
  await second.engine.update(LINK, documentOf(pair, { topic_metadata_sync_options: { auto_create_shadow_topic_filters: literal('*') } }), RUN)
  await pair.untilSame('c')
})

test('what may not change is refused by name, and nothing changes', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a')
  const engine = pair.startEngine()
  await pair.untilSame('a')
  const other = await EmbeddedBroker.start()
  t.teardown(() => other.stop())
  const refused: ReadonlyArray<readonly [Record<string, unknown>, string, RegExp]> = [
    [{ ...documentOf(pair), name: 'other' }, 'CONFLICT', /^name cannot be changed/],
    [{ ...documentOf(pair), append_mode: 'replica' }, 'CONFLICT', /^append_mode cannot be changed: the link is in append mode produce/],
    [documentOf(pair, { client_options: { source_cluster_id: 'another' } }), 'CONFLICT', /^client_options\.source_cluster_id cannot be changed/],
    [documentOf(pair, { client_options: { bootstrap_servers: [formatHostPort(other.address)] } }), 'CONFLICT', /^client_options\.bootstrap_servers cannot be changed: at .* answers cluster/],
    [documentOf(pair, { client_options: { bootstrap_servers: ['127.0.0.1:1'] } }), 'CLUSTER_UNAVAILABLE', /cannot be reached/],
    [documentOf(pair, { topic_metadata_sync_options: { interval: 'soon' } }), 'CONFIG_INVALID', /interval/]
  ]
  for (const [document, code, message] of refused) await t.rejects(engine.engine.update(LINK, document, RUN), { code, message }, String(message))
  await t.rejects(engine.engine.update('nothing', documentOf(pair), RUN), { code: 'NOT_FOUND' })
  t.match((await engine.link())?.configuration, pair.linkDocument())
  pair.write('a', 0, 5)
  await pair.untilSame('a')
  t.match(await engine.engine.update(LINK, { ...documentOf(pair), append_mode: 'produce' }, RUN), { changed: ['append_mode'] }, 'the mode that it has may be named')
})

test('other client options connect the link anew under load, and nothing is lost or repeated', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a', 2)
  const engine = pair.startEngine()
  await pair.untilSame('a', 2)
  let round = 0
  const load = setInterval(() => pair.write('a', round++ % 2, 3), 5)
  t.teardown(() => clearInterval(load))
  const { port } = pair.source.address
  for (let turn = 1; turn <= 4; turn++) {
    const before = pair.shadowEnd('a')
    const update = await engine.engine.update(LINK, documentOf(pair, { client_options: { fetch_max_bytes: 1_000_000 + turn, bootstrap_servers: [`${turn % 2 === 0 ? '127.0.0.1' : 'localhost'}:${port}`] } }), RUN)
    t.equal(update.reconnects, true)
    await until('it goes on', () => pair.shadowEnd('a') > before)
    t.ok(pair.isPrefix('a', 0))
  }
  clearInterval(load)
  await pair.untilSame('a', 2)
  t.match(await engine.topic('a'), { state: 'ACTIVE', fault: null })
  t.match(engine.state.state?.links.get(LINK)?.config.clientOptions, { fetchMaxBytes: 1_000_004 })
  t.equal(engine.engine.leadership().leading, true, 'the same engine leads')
  await engine.engine.update(LINK, documentOf(pair, { client_options: { fetch_max_bytes: 1_000_004, bootstrap_servers: [`127.0.0.1:${port}`], source_cluster_id: (await engine.link())?.sourceClusterId } }), RUN)
  t.match((await engine.link())?.configuration, { client_options: { source_cluster_id: /./ } })
})

test('openings that are under way go on when a link is connected anew', async t => {
  const pair = await ShadowPair.start(t)
  for (const name of ['promoting', 'failing']) await pair.createTopic('source', name)
  const engine = pair.startEngine()
  for (const name of ['promoting', 'failing']) await pair.untilSame(name)
  const writer = setInterval(() => pair.write('promoting', 0, 1), 20)
  t.teardown(() => clearInterval(writer))
  let held = 0
  const release = pair.shadow.onRequest(DescribeProducers, ({ body }) => {
    held++
    const row = { errorCode: ErrorCodes.NOT_LEADER_OR_FOLLOWER, activeProducers: [] }
    return { answer: { throttleTimeMs: 0, topics: body.topics.map(({ name, partitionIndexes }) => ({ name, partitions: partitionIndexes.map(partitionIndex => ({ partitionIndex, ...row })) })) } }
  })
  await engine.engine.promote(LINK, 'promoting')
  await engine.engine.failover(LINK, 'failing')
  await until('the failover is held up', () => held > 0)
  const updating = engine.engine.update(LINK, documentOf(pair, { client_options: { fetch_max_bytes: 1_000_000 } }), RUN)
  // Orders that come meanwhile are for the link that follows.
  const ordering = Promise.all(Array.from({ length: 20 }, async (_, index) => {
    await sleep(index)
    await engine.engine.failover(LINK, 'failing')
  }))
  t.match(await updating, { reconnects: true })
  await ordering
  t.match(await engine.link(), { topics: [{ name: 'failing', state: 'FAILING_OVER' }, { name: 'promoting', state: 'PROMOTING' }] })
  release()
  await until('the failover has ended', async () => (await engine.topic('failing'))?.state === 'FAILED_OVER')
  clearInterval(writer)
  await until('the promotion has ended', async () => (await engine.topic('promoting'))?.state === 'PROMOTED')
  t.ok(pair.isSame('promoting'))
})

test('where nobody knows whether a new configuration was written, the engine gives the links up, and whoever leads goes on with what is', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a')
  const engine = pair.startEngine()
  await pair.untilSame('a')
  // The record is written, and nobody is told.
  const stop = pair.shadow.onRequest(Produce, ({ body }) => {
    const isLink = body.topicData.some(({ partitionData }) => partitionData.some(({ records }) => records?.includes('link/dr') === true))
    return isLink ? { transform: response => ({ ...response, responses: response.responses.map(row => ({ ...row, partitionResponses: row.partitionResponses.map(partition => ({ ...partition, errorCode: ErrorCodes.TOPIC_AUTHORIZATION_FAILED })) })) }) } : 'pass'
  })
  await t.rejects(engine.engine.update(LINK, documentOf(pair, { client_options: { ...Object(pair.linkDocument()['client_options']) as object, fetch_wait_max_ms: 77 } }), RUN), { code: 'BROKER_ERROR' })
  stop()
  await until('it leads again', async () => await engine.link() !== null)
  t.match((await engine.link())?.configuration, { client_options: { fetch_wait_max_ms: 77 } })
  pair.write('a', 0, 5)
  await pair.untilSame('a')
  t.match(await engine.engine.failover(LINK, 'a'), {})
  await until('an order is carried out', () => engine.state.state?.ruleFor('a').access === 'open')
})
