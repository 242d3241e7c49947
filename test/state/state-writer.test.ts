import { test, type Test } from 'tap'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import type { ResponseInput } from '../../protocol/schema/api.ts'
import { readRecords } from '../../protocol/records/read-records.ts'
import { alterTopicConfigs } from '../../src/client/admin/alter-topic-configs.ts'
import { Cluster } from '../../src/client/cluster.ts'
import { EmbeddedBroker } from '../../src/embedded/embedded-broker.ts'
import type { HookOutcome } from '../../src/embedded/request-hooks.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import type { StateChange } from '../../src/state/records.ts'
import { ensureStateTopic, STATE_TOPIC } from '../../src/state/state-topic.ts'
import { StateWriter } from '../../src/state/state-writer.ts'

async function setUp (t: Test, outcomes: ReadonlyArray<HookOutcome<typeof Produce>> = []) {
  const broker = await EmbeddedBroker.start()
  const cluster = new Cluster({ bootstrapServers: [broker.address], clientId: 'test', logger: silentLogger })
  t.teardown(async () => {
    await cluster.close()
    await broker.stop()
  })
  const abort = new AbortController()
  await ensureStateTopic(cluster, abort.signal)
  let appends = 0
  const resignations: string[] = []
  broker.onRequest(Produce, () => outcomes[appends++] ?? 'pass')
  const keys = (): Array<string | undefined> => [...broker.log(STATE_TOPIC, 0).batches(() => true)]
    .flatMap(batch => [...readRecords(batch)].map(({ key, value }) => `${key?.toString() ?? ''}${value === null ? ' removed' : ''}`))
  return { broker, cluster, abort, keys, resignations, writer: new StateWriter(cluster, { epoch: 1, signal: abort.signal, resign: reason => { resignations.push(reason); abort.abort() } }) }
}

function removal (name: string): StateChange {
  return { kind: 'link', name, value: null }
}

function answered (errorCode: number): ResponseInput<typeof Produce> {
  return { throttleTimeMs: 0, responses: [{ name: STATE_TOPIC, partitionResponses: [{ index: 0, errorCode, baseOffset: -1n }] }] }
}

function refused (errorCode: number): HookOutcome<typeof Produce> {
  return {
    transform: ({ responses }) => ({
      responses: responses.map(topic => ({ ...topic, partitionResponses: [{ index: 0, errorCode, baseOffset: -1n }] }))
    })
  }
}

test('appends changes in order and says where they end', async t => {
  const { writer, keys } = await setUp(t)
  t.same(await Promise.all([writer.write([removal('a')]), writer.write([removal('b'), removal('c')]), writer.write([removal('d')])]), [1, 3, 4])
  t.same(keys(), ['link/a removed', 'link/b removed', 'link/c removed', 'link/d removed'])
})

test('where the cluster takes small batches only, what waits goes out in several, in order, and what cannot is refused', async t => {
  const { cluster, broker, writer, keys } = await setUp(t)
  await alterTopicConfigs(cluster, STATE_TOPIC, new Map([['max.message.bytes', '250']]), { signal: AbortSignal.timeout(10_000) })
  const names = Array.from({ length: 9 }, (_, index) => `${index}`.repeat(20))
  t.same(await Promise.all(names.map(name => writer.write([removal(name)]))), names.map((_, index) => index + 1))
  t.same(keys(), names.map(name => `link/${name} removed`))
  t.ok([...broker.log(STATE_TOPIC, 0).batches(() => true)].length > 1)
  await t.rejects(writer.write([removal('x'.repeat(300))]), { message: /MESSAGE_TOO_LARGE/ })
  t.equal(await writer.write([removal('a')]), 10, 'and holds up nobody')
})

test('a node that is down is not needed, wherever it stands in the metadata', async t => {
  const { broker, cluster, writer, keys } = await setUp(t)
  broker.onRequest(Metadata, () => ({ transform: answer => ({ ...answer, brokers: [{ nodeId: 3000, host: '127.0.0.1', port: 1 }, ...answer.brokers] }) }))
  t.equal((await cluster.refresh({ signal: AbortSignal.timeout(10_000) })).brokers.size, 2)
  t.equal(await writer.write([removal('a')]), 1)
  t.same(keys(), ['link/a removed'])
})

test('a batch whose answer was lost is in the topic once', async t => {
  const { writer, keys } = await setUp(t, [{ disconnectAfterHandling: true }, 'pass', 'disconnect', refused(ErrorCodes.NOT_ENOUGH_REPLICAS_AFTER_APPEND)])
  t.equal(await writer.write([removal('a'), removal('b')]), 2)
  t.equal(await writer.write([removal('c')]), 3)
  t.equal(await writer.write([removal('d')]), 4)
  t.same(keys(), ['link/a removed', 'link/b removed', 'link/c removed', 'link/d removed'])
})

test('a write that failed for good after an attempt that was carried out does not swallow the next one', async t => {
  const { writer, keys } = await setUp(t, ['pass', { disconnectAfterHandling: true }, refused(ErrorCodes.TOPIC_AUTHORIZATION_FAILED)])
  await writer.write([removal('a')])
  await t.rejects(writer.write([removal('b')]), { message: /TOPIC_AUTHORIZATION_FAILED/ })
  t.equal(await writer.write([removal('c')]), 3)
  t.same(keys(), ['link/a removed', 'link/b removed', 'link/c removed'])
})

test('a broker that does not know whether it has carried a write out is given the same batch again', async t => {
  const { writer, keys, resignations } = await setUp(t, ['pass', refused(ErrorCodes.UNKNOWN_SERVER_ERROR), { answer: answered(ErrorCodes.UNKNOWN_SERVER_ERROR) }, { answer: answered(ErrorCodes.UNKNOWN_SERVER_ERROR) }])
  t.same(await Promise.all(['a', 'b', 'c'].map(name => writer.write([removal(name)]))), [1, 2, 3])
  t.equal(await writer.write([removal('d')]), 4)
  t.same(keys(), ['link/a removed', 'link/b removed', 'link/c removed', 'link/d removed'])
  t.same(resignations, [])
})

test('a state topic that has lost what it had confirmed ends the leadership, and nothing is written after the gap', async t => {
  const { broker, writer, keys, resignations } = await setUp(t)
  for (const name of ['a', 'b', 'c']) await writer.write([removal(name)])
  broker.log(STATE_TOPIC, 0).truncateTo(2)
  await t.rejects(writer.write([removal('d')]), { code: 'ABORTED' })
  await t.rejects(writer.write([removal('e')]), { code: 'ABORTED' })
  t.same(keys(), ['link/a removed', 'link/b removed'])
  t.match(resignations, [/__kshadow_links.*OUT_OF_ORDER_SEQUENCE_NUMBER/])
})

test('the end of leadership ends a write that is tried again, and all after it', async t => {
  const { writer, abort, keys } = await setUp(t, Array.from({ length: 100 }, () => 'disconnect' as const))
  const first = writer.write([removal('a')])
  const second = writer.write([removal('b')])
  setTimeout(() => abort.abort(), 50)
  await t.rejects(first, { code: 'ABORTED' })
  await t.rejects(second, { code: 'ABORTED' })
  t.same(keys(), [])
})

/** `max.message.bytes`, as Kafka has it where nobody sets it. */
const KAFKA_MOST_BATCH_BYTES = 1_048_588

test('what waits goes out as one batch, as long as Kafka takes it', async t => {
  const { broker, writer } = await setUp(t)
  const sizes: number[] = []
  broker.onRequest(Produce, ({ body }) => {
    sizes.push(body.topicData[0]?.partitionData[0]?.records?.length ?? 0)
    return 'pass'
  })
  // As large as the states of topics are: those of 1,000 fit.
  const names = Array.from({ length: 1000 }, (_, index) => `link-${index}${'x'.repeat(600)}`)
  t.same(await Promise.all(names.map(name => writer.write([removal(name)]))), names.map((_, index) => index + 1))
  t.equal(sizes.length, 1)
  // Of those, one batch takes three.
  await Promise.all(Array.from({ length: 4 }, (_, index) => writer.write([removal(`${index}${'x'.repeat(320_000)}`)])))
  t.equal(sizes.length, 3)
  // What a record has beside its key and value is most of these.
  await Promise.all(Array.from({ length: 30_000 }, (_, index) => writer.write([removal(String(index))])))
  t.ok(sizes.length > 3)
  t.ok(sizes.every(size => size > 0 && size < KAFKA_MOST_BATCH_BYTES), sizes.join(', '))
})

test('nothing is no change', async t => {
  const { writer } = await setUp(t)
  await t.rejects(writer.write([]), { code: 'INVARIANT' })
})
