import { test, type Test } from 'tap'
import { buildBatch } from '../../protocol/records/build-batch.ts'
import { readBatches } from '../../protocol/records/record-batch.ts'
import { deleteTopic } from '../../src/client/admin/delete-topic.ts'
import { Cluster } from '../../src/client/cluster.ts'
import { parseLinkDocument } from '../../src/config/link-config.ts'
import { EmbeddedBroker } from '../../src/embedded/embedded-broker.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import { encodeValue, headersOf, keyOf, type StateChange } from '../../src/state/records.ts'
import { StateFollower } from '../../src/state/state-follower.ts'
import { ensureStateTopic, STATE_TOPIC } from '../../src/state/state-topic.ts'
import { until } from '../support/shadow-pair.ts'

const signal = new AbortController().signal

async function setUp (t: Test) {
  const broker = await EmbeddedBroker.start()
  const cluster = new Cluster({ bootstrapServers: [broker.address], clientId: 'test', logger: silentLogger, metadataMaxAgeMs: 100 })
  await ensureStateTopic(cluster, signal)
  const followers: StateFollower[] = []
  t.teardown(async () => {
    await Promise.all(followers.map(follower => follower.stop()))
    await cluster.close()
    await broker.stop()
  })
  const follow = (): StateFollower => {
    const follower = StateFollower.start(cluster, { logger: silentLogger })
    followers.push(follower)
    return follower
  }
  const append = (records: ReadonlyArray<{ readonly key: Buffer, readonly value: Buffer | null, readonly headers?: ReturnType<typeof headersOf> }>): number => {
    const log = broker.log(STATE_TOPIC, 0)
    for (const batch of readBatches(buildBatch({ records: records.map(record => ({ timestamp: 1, ...record })) })).batches) log.append(batch)
    return log.logEndOffset
  }
  const write = (epoch: number, ...changes: readonly StateChange[]): number =>
    append(changes.map(change => ({ key: Buffer.from(keyOf(change)), value: encodeValue(change, epoch), headers: headersOf(epoch) })))
  return { broker, cluster, follow, append, write }
}

function engine (epoch: number, instance: string): StateChange {
  return { kind: 'engine', value: { epoch, instance, adminAddress: null, since: 'now', restoredEpoch: 0 } }
}

function link (name: string, uid: string): StateChange {
  const config = parseLinkDocument({ name, client_options: { bootstrap_servers: ['localhost:1'] } }, 'test')
  return { kind: 'link', name, value: { uid, config, appendMode: 'produce', appendModeReason: null, sourceClusterId: null, createdAt: 'now', failedOverAt: null, promotingAt: null, pausedAt: null, highestProducerId: -1 } }
}

function unlink (name: string): StateChange {
  return { kind: 'link', name, value: null }
}

test('who waits for more is told when the follower is stopped', async t => {
  const { follow, write } = await setUp(t)
  const follower = follow()
  const end = write(1, link('one', 'u1'))
  await follower.reached(end, signal)
  const waiting = t.rejects(follower.reached(end + 1, signal), { code: 'ABORTED' })
  await follower.stop()
  await waiting
  await t.rejects(follower.reached(end, signal), { code: 'ABORTED' }, 'nothing that it shows is kept up to date any more')
})

test('shows nothing before the end was reached once, then all of it, then every change', async t => {
  const { follow, write } = await setUp(t)
  write(1, engine(1, 'a'), link('one', 'u1'))
  const end = write(1, link('two', 'u2'))
  const follower = follow()
  t.equal(follower.state, null)
  t.equal(follower.ageMs(), Infinity)
  const state = await follower.reached(end, signal)
  t.same([...state.links.keys()], ['one', 'two'])
  t.equal(state.revision, end)
  const seen: string[] = []
  const stop = follower.onChange(change => { seen.push(keyOf(change)) })
  await follower.reached(write(1, unlink('one'), link('three', 'u3')), signal)
  t.same(seen, ['link/one', 'link/three'])
  stop()
  await follower.reached(write(1, unlink('two')), signal)
  t.equal(seen.length, 2)
  t.ok(follower.ageMs() < 5000)
  t.equal(follower.problem, null)
})

test('records of an engine that was replaced are not applied, removals included, and are told', async t => {
  const { follow, write } = await setUp(t)
  const follower = follow()
  await follower.reached(write(1, engine(1, 'a'), link('one', 'u1'), link('two', 'u2')), signal)
  const fenced: string[] = []
  follower.onFenced(key => { fenced.push(key) })
  const state = await follower.reached(write(2, engine(2, 'b')), signal)
  await follower.reached(write(1, link('one', 'late'), unlink('two'), link('three', 'late')), signal)
  t.equal(state.links.get('one')?.uid, 'u1')
  t.ok(state.links.has('two'))
  t.notOk(state.links.has('three'))
  t.same(fenced, ['link/one', 'link/two', 'link/three'])
  t.same([...state.fenced], fenced)
  t.same([...(await follow().reached(0, signal)).fenced], fenced, 'who reads it all later knows them too')
  await follower.reached(write(2, link('one', 'u1'), unlink('three')), signal)
  t.same([...state.fenced], ['link/two'])
})

test('of two engines that take the same epoch, the first has it', async t => {
  const { follow, write } = await setUp(t)
  const end = write(3, engine(3, 'a'), link('one', 'u1'), engine(3, 'b'))
  const state = await follow().reached(end, signal)
  t.equal(state.engine?.instance, 'a')
})

test('a record of a newer version makes the state unknown, not guessed', async t => {
  const { follow, append, write } = await setUp(t)
  const known = follow()
  const end = write(1, engine(1, 'a'), link('one', 'u1'))
  await known.reached(end, signal)
  append([{ key: Buffer.from('link/two'), value: Buffer.from(JSON.stringify({ v: 2, epoch: 1, value: { anything: true } })) }])
  const fresh = follow()
  await until('both say why', () => [known, fresh].every(({ problem }) => /newer kafka-shadow/.test(problem ?? '')))
  t.equal(fresh.state, null)
  t.equal(fresh.ageMs(), Infinity)
  const age = known.ageMs()
  await until('what was known before grows old', () => known.ageMs() > age)
  t.same([...(known.state?.links.keys() ?? [])], ['one'])
})

test('records of another kind, and records that are no JSON, are not guessed either', async t => {
  for (const [key, value] of [['lynk/x', '{}'], ['link/x', 'nonsense'], ['topic/x/y', '{"v":1,"epoch":1,"value":{}}']] as const) {
    const { follow, append } = await setUp(t)
    append([{ key: Buffer.from(key), value: Buffer.from(value) }])
    const follower = follow()
    await until(`${key} is refused`, () => follower.problem !== null)
    t.equal(follower.state, null)
  }
})

test('starts over when the topic was made anew', async t => {
  const { cluster, follow, write } = await setUp(t)
  const follower = follow()
  await follower.reached(write(1, engine(1, 'a'), link('one', 'u1')), signal)
  await deleteTopic(cluster, STATE_TOPIC, { signal })
  await ensureStateTopic(cluster, signal)
  write(1, engine(1, 'b'), link('two', 'u2'))
  await until('the new topic is read', () => follower.state?.links.has('two') === true)
  t.notOk(follower.state?.links.has('one'))
})

test('starts over when the log lost records that had been read', async t => {
  const { broker, follow, write } = await setUp(t)
  const follower = follow()
  write(1, engine(1, 'a'), link('one', 'u1'))
  await follower.reached(write(1, link('two', 'u2')), signal)
  broker.log(STATE_TOPIC, 0).truncateTo(2)
  await until('what is left is shown', () => follower.state?.links.has('two') === false)
  t.ok(follower.state?.links.has('one'))
})

test('a topic whose first records were deleted tells nothing', async t => {
  const { broker, follow, write } = await setUp(t)
  write(1, engine(1, 'a'), link('one', 'u1'))
  write(1, link('two', 'u2'))
  broker.log(STATE_TOPIC, 0).setLogStart(2)
  const follower = follow()
  await until('it says so', () => /first records/.test(follower.problem ?? ''))
  t.equal(follower.state, null)
})

test('a wait ends with its signal', async t => {
  const { follow } = await setUp(t)
  const abort = new AbortController()
  const waiting = follow().reached(1000, abort.signal)
  setTimeout(() => abort.abort(), 20)
  await t.rejects(waiting, { code: 'ABORTED' })
})
