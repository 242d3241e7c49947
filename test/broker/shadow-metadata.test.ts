/** In append mode replica the metadata log tells what the shadow cluster has: its brokers are not asked for all of it again and again. */
import tap, { test } from 'tap'
import { decodeRequest } from '../../protocol/header.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { createPartitions } from '../../src/client/admin/create-partitions.ts'
import { createTopic } from '../../src/client/admin/create-topic.ts'
import { deleteTopic } from '../../src/client/admin/delete-topic.ts'
import { createSourceTopic, eventually, linkDocument, testCluster, type BrokerEngine } from '../support/broker-link.ts'
import { CutRelay } from '../support/cut-relay.ts'
import { replicaScene } from '../support/replica-scene.ts'
import { oneBatch } from '../support/shadow-pair.ts'

tap.setTimeout(200_000)

const SYNCS = 8
const signal = (): AbortSignal => AbortSignal.timeout(60_000)

/** The topics that a request asks for: null for all of them; undefined where it asks something else. */
function topicsAskedFor (frame: Buffer): readonly string[] | null | undefined {
  if (frame.readInt16BE(0) !== Metadata.key) return undefined
  return decodeRequest(Metadata, frame.readInt16BE(2), frame).body.topics?.map(({ name }) => name ?? '') ?? null
}

async function untilAt (engine: BrokerEngine, topic: string, ends: readonly number[]): Promise<void> {
  await eventually(`${topic} is copied up to ${ends.join()}`, async () => {
    const status = await engine.topic('dr', topic)
    if (status?.partitions.map(({ shadowEndOffset }) => shadowEndOffset).join() === ends.join()) return true
    throw new Error(JSON.stringify(status))
  }, 30_000)
}

test('the shadow cluster is asked for all of its topics only while nobody else knows them, and what becomes of them is noticed all the same', async t => {
  const { source, sourceCluster, shadow, client, engine: first, another } = await replicaScene(t, { version: '4.3', name: 'shadow-metadata', topic: 'app-kept', partitions: 1 })
  const sourceClient = testCluster(sourceCluster)
  t.teardown(() => sourceClient.close())
  const asked: Array<readonly string[] | null> = []
  const toShadow = new CutRelay({
    onRequest: frame => {
      const topics = topicsAskedFor(frame)
      if (topics !== undefined) asked.push(topics)
    }
  })
  const wholeCount = (): number => asked.filter(topics => topics === null).length
  const relay = new CutRelay()
  for (const one of [toShadow, relay]) t.teardown(() => one.stop())
  await first.stop()
  const engine = await another({ shadowDial: toShadow.dial, dial: relay.dial })
  for (const topic of ['app-deleted', 'app-anew', 'app-wider']) await createSourceTopic(sourceClient, topic, 1)
  const append = (topic: string, partition = 0): void => {
    source.log(topic, partition).append(oneBatch({ records: [{ timestamp: 1, value: Buffer.from('x') }] }))
  }
  const topics = ['app-kept', 'app-deleted', 'app-anew', 'app-wider']
  for (const topic of topics) append(topic)
  const { client_options: options } = linkDocument('dr', sourceCluster, [])
  const document = {
    name: 'dr',
    client_options: options,
    topic_metadata_sync_options: { interval: '200ms', auto_create_shadow_topic_filters: [{ pattern_type: 'PREFIX', filter_type: 'INCLUDE', name: 'app-' }] },
    consumer_offset_sync_options: { interval: '200ms', group_filters: [{ pattern_type: 'LITERAL', filter_type: 'INCLUDE', name: '*' }] },
    security_sync_options: { interval: '200ms', sync_acls: false }
  }
  t.match(await engine.engine.create(document, { dryRun: false }), { appendMode: 'replica' })
  for (const topic of topics) await untilAt(engine, topic, [1])

  /** How often the shadow cluster was asked for everything while the source was so many times; what else it was asked for. */
  const during = async (syncs: number): Promise<{ readonly whole: number, readonly parts: readonly string[] }> => {
    let views = 0
    const end = source.onRequest(Metadata, ({ body }) => {
      if (body.topics === null) views++
      return 'pass'
    })
    const from = asked.length
    await eventually(`${syncs} views of the source`, () => views >= syncs)
    end()
    const since = asked.slice(from)
    return { whole: since.filter(names => names === null).length, parts: [...new Set(since.flatMap(names => names === null ? [] : [names.join()]))].sort() }
  }
  t.same(await during(SYNCS), { whole: 0, parts: ['', '__consumer_offsets'] }, 'what is asked for is the brokers, and who has groups')

  const before = wholeCount()
  await createPartitions(sourceClient, { topic: 'app-kept', count: 3 }, { signal: signal() })
  await createSourceTopic(sourceClient, 'app-new', 2)
  append('app-kept', 2)
  append('app-new', 1)
  await untilAt(engine, 'app-kept', [1, 0, 1])
  await untilAt(engine, 'app-new', [0, 1])
  t.equal(wholeCount(), before, 'new partitions and topics need no more')

  relay.cut(...shadow.controllerServers)
  await eventually('it is asked while the metadata log cannot be read', () => wholeCount() > before + 1)
  t.match((await engine.topic('dr', 'app-kept')), { state: 'ACTIVE', fault: null })
  relay.heal()
  await eventually('the metadata log is read again', async () => (await during(SYNCS)).whole === 0)
  append('app-kept')
  await untilAt(engine, 'app-kept', [2, 0, 1])

  await deleteTopic(client, 'app-deleted', { signal: signal() })
  await deleteTopic(client, 'app-anew', { signal: signal() })
  await eventually('the name is free', async () => !(await client.refresh({ signal: signal() })).topics.has('app-anew'))
  await createTopic(client, { name: 'app-anew', partitions: 1, replicationFactor: 1, configs: {} }, { signal: signal() })
  await createPartitions(client, { topic: 'app-wider', count: 2 }, { signal: signal() })
  const faultOf = async (topic: string): Promise<string | undefined> => (await engine.topic('dr', topic))?.fault?.code
  await eventually('what was made anew is told', async () => (await faultOf('app-anew')) === 'SHADOW_TOPIC_GONE')
  await eventually('what was deleted is told', async () => (await faultOf('app-deleted')) === 'SHADOW_TOPIC_GONE')
  await eventually('partitions that somebody made are told', async () => (await faultOf('app-wider')) !== undefined)
  t.match((await engine.topic('dr', 'app-anew'))?.fault, { reason: /deleted and made anew: its id is/ })
  t.match((await engine.topic('dr', 'app-deleted'))?.fault, { reason: 'the shadow topic was deleted' })
  t.match((await engine.topic('dr', 'app-wider'))?.fault, { code: 'FOREIGN_WRITE', reason: /has 2 partitions, and its source 1/ })
  t.match(await engine.topic('dr', 'app-kept'), { state: 'ACTIVE', fault: null, problem: null })
})
