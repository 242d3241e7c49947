/** The proof that shadows in append mode replica are their sources, for all that a source can hold: between clusters of any two releases. */
import type { Test } from 'tap'
import { alterTopicConfigs } from '../../src/client/admin/alter-topic-configs.ts'
import { deleteRecords } from '../../src/client/admin/delete-records.ts'
import { EARLIEST_TIMESTAMP, listOffsets } from '../../src/client/admin/list-offsets.ts'
import type { Cluster } from '../../src/client/cluster.ts'
import { BrokerEngine, createSourceTopic, endOffsets, eventually, linkDocument, testCluster } from './broker-link.ts'
import { runJava } from './java-tool.ts'
import { KafkaCluster, type KafkaVersion } from './kafka-cluster.ts'
import { takePorts } from './port-block.ts'
import { compareTopic, type Sides } from './replica-comparison.ts'
import { storedBatches } from './segment-files.ts'

const SEGMENT_BYTES = String(1024 * 1024)
/** So many partitions has the topic that is wide. */
const MANY = 500
const QUICK = {
  'group.min.session.timeout.ms': '1000',
  'log.cleaner.backoff.ms': '200',
  'log.retention.check.interval.ms': '500',
  'log.initial.task.delay.ms': '500'
}
const COMPACTED = { 'cleanup.policy': 'compact', 'segment.bytes': SEGMENT_BYTES, 'min.cleanable.dirty.ratio': '0.01' }

/** One partition each, but for `samples` and `many`. */
const TOPICS: ReadonlyMap<string, Readonly<Record<string, string>>> = new Map(Object.entries({
  samples: {},
  stamped: { 'message.timestamp.type': 'LogAppendTime' },
  transactions: {},
  compacted: COMPACTED,
  cleaned: COMPACTED,
  'trimmed-at': {},
  'trimmed-inside': {},
  'trimmed-later': {},
  emptied: {},
  expiring: { 'segment.bytes': SEGMENT_BYTES },
  many: {}
}))

export interface Releases {
  readonly source: KafkaVersion
  readonly shadow: KafkaVersion
}

/** Runs the whole proof as subtests of `t`. */
export async function proveExactness (t: Test, releases: Releases): Promise<void> {
  const sides = await startSides(t, releases)
  const { source, sourceClient, shadowClient } = sides
  const names = [...TOPICS.keys()]
  // Some records are from long ago.
  for (const [name, configs] of TOPICS) await createSourceTopic(sourceClient, name, partitionsOf(name), { 'retention.ms': '-1', ...configs })
  await fill(source)
  for (const name of ['compacted', 'cleaned']) t.match(await untilCleaned(sides, name), { between: true, inside: true, empty: true }, `the source has holes and empty batches in ${name}`)
  await trim(sides, 'trimmed-at', ({ baseOffset }) => baseOffset)
  await trim(sides, 'trimmed-inside', ({ baseOffset }) => baseOffset + 1)
  await deleteRecords(sourceClient, [{ topic: 'emptied', partition: 0, beforeOffset: -1 }], { signal: soon() })

  const ports = await takePorts(1)
  t.teardown(() => ports.release())
  const start = async (): Promise<BrokerEngine> => {
    const engine = await BrokerEngine.start(sides.shadow, { sessionTimeoutMs: 2000, shadowLeader: { host: ports.host, port: ports.ports[0] ?? 0 } })
    t.teardown(() => engine.stop())
    return engine
  }
  const first = await start()
  const plain = names.filter(name => name !== 'cleaned')
  t.equal((await first.engine.create(linkDocument('plain', source, plain), { dryRun: false })).appendMode, 'replica')
  await first.engine.create({
    ...linkDocument('cleaning', source, ['cleaned']),
    topic_metadata_sync_options: { interval: '1s', auto_create_shadow_topic_filters: [{ pattern_type: 'LITERAL', filter_type: 'INCLUDE', name: 'cleaned' }], synced_shadow_topic_properties: ['segment.bytes', 'min.cleanable.dirty.ratio'] }
  }, { dryRun: false })
  await untilLevel(sides, first, names)

  await t.test('all is identical on every replica, and so are the answers of the followers', async t => {
    for (const name of names) {
      const { replicas, batches, aborts, differences } = await compareTopic(sides, name, { isCleaned: name === 'cleaned' })
      t.same(differences, [], name)
      t.equal(replicas, 2 * partitionsOf(name), `${name} has two replicas`)
      if (name !== 'emptied') t.ok(batches > 0, name)
      if (name === 'transactions') t.ok(aborts > 0, 'transactions were aborted')
    }
  })

  await t.test('what the source trims meanwhile is followed', async t => {
    await trim(sides, 'trimmed-later', ({ baseOffset }) => baseOffset + 1)
    await trim(sides, 'trimmed-inside', ({ baseOffset }) => baseOffset + 1)
    await alterTopicConfigs(sourceClient, 'expiring', new Map([['retention.bytes', String(2 * 1024 * 1024)]]), { signal: soon() })
    await eventually('the source deletes segments', async () => await startOf(sourceClient, 'expiring') > 0)
    for (const name of ['trimmed-later', 'trimmed-inside', 'expiring']) t.same((await compareTopic(sides, name)).differences, [], name)
  })

  let engine = first
  await t.test('an engine goes on where replicas have cleaned the end of the copy meanwhile', async t => {
    await first.stop()
    const before = (await endOffsets(sourceClient, 'cleaned'))[0] ?? 0
    await runJava('kafkashadow.clients.Rewrites', [source.bootstrap, 'compacted,cleaned', '2'], { version: source.version, timeoutMs: 120_000 })
    for (const name of ['compacted', 'cleaned']) await untilCleaned(sides, name, before + 100)
    const { leaderId } = await sourceClient.leaderOf('cleaned', 0, { signal: soon() })
    const last = [...storedBatches(source.partitionDir(leaderId, 'cleaned', 0))].find(({ lastOffset }) => lastOffset >= before - 1)
    t.ok(last !== undefined && last.recordCount < last.lastOffset - last.baseOffset + 1, 'the source has cleaned the last batch of the copy')
    engine = await start()
    await untilLevel(sides, engine, ['cleaned', 'compacted'])
    t.same((await compareTopic(sides, 'cleaned', { isCleaned: true })).differences, [])
    t.same((await compareTopic(sides, 'compacted', { isCleaned: true })).differences, [])
  })

  await t.test('after the failover, all is what the source has', async t => {
    await Promise.all(['plain', 'cleaning'].map(link => engine.engine.failover(link, null)))
    await eventually('all is failed over', async () => {
      for (const link of ['plain', 'cleaning']) {
        const { topics } = await engine.engine.status(link)
        if (!topics.every(({ state }) => state === 'FAILED_OVER')) return false
      }
      return true
    })
    for (const name of names) {
      const { differences } = await compareTopic(sides, name, { isShadow: false, isCleaned: name === 'cleaned' || name === 'compacted' })
      t.same(differences, [], name)
    }
    const [stable = 0, end = 0] = await Promise.all([1, 0].map(async isolationLevel => await endOf(sourceClient, 'transactions', isolationLevel)))
    t.ok(stable < end, 'a transaction is open on the source')
    t.equal(await endOf(shadowClient, 'transactions', 1), await endOf(shadowClient, 'transactions', 0), 'none is open on the shadow')
    const read = names.filter(name => name !== 'cleaned' && name !== 'compacted').map(name => name === 'transactions' ? `${name}@${stable}` : name)
    for (const isolation of ['read_committed', 'read_uncommitted']) {
      const [theirs, mine] = await Promise.all([source, sides.shadow].map(async ({ bootstrap, version }) => (await runJava('kafkashadow.clients.Digest', [bootstrap, isolation, ...read], { version, timeoutMs: 120_000 })).stdout))
      t.same(withoutEnd(mine ?? '', 'transactions'), withoutEnd(theirs ?? '', 'transactions'), isolation)
    }
  })
  await engine.stop()
}

async function startSides (t: Test, releases: Releases): Promise<Sides> {
  const starting = [
    KafkaCluster.start({ version: releases.source, brokers: 2, name: 'exact-source', config: QUICK }),
    KafkaCluster.start({ version: releases.shadow, brokers: 2, name: 'exact-shadow', config: QUICK })
  ]
  t.teardown(async () => {
    for (const start of await Promise.allSettled(starting)) if (start.status === 'fulfilled') await start.value.stop()
  })
  const [source, shadow] = await Promise.all(starting)
  if (source === undefined || shadow === undefined) throw new Error('no clusters')
  const sides = { source, shadow, sourceClient: testCluster(source), shadowClient: testCluster(shadow) }
  t.teardown(async () => { await Promise.all([sides.sourceClient.close(), sides.shadowClient.close()]) })
  return sides
}

/** By clients of the source's own release. */
async function fill ({ bootstrap, version }: KafkaCluster): Promise<void> {
  const run = async (program: string, ...args: readonly string[]): Promise<void> => { await runJava(program, args, { version, timeoutMs: 120_000 }) }
  await Promise.all([
    run('kafkashadow.clients.WriteSamples', bootstrap, 'samples', '3').then(() => run('kafkashadow.clients.WriteSamples', bootstrap, 'stamped', '1')),
    run('kafkashadow.clients.Transactions', bootstrap, 'compacted,trimmed-at,trimmed-inside,trimmed-later,emptied,transactions', 'transactions')
      .then(() => run('kafkashadow.clients.Rewrites', bootstrap, 'compacted,cleaned,expiring', '1')),
    run('org.apache.kafka.tools.ProducerPerformance', '--topic', 'many', '--num-records', '5000', '--record-size', '100', '--throughput', '-1',
      '--producer-props', `bootstrap.servers=${bootstrap}`, 'partitioner.class=org.apache.kafka.clients.producer.RoundRobinPartitioner')
  ])
}

interface Cleaned {
  readonly between: boolean
  readonly inside: boolean
  readonly empty: boolean
}

/** Waits until the cleaner of the source's leader has been there and is at rest; `upTo`: as far as that at least. */
async function untilCleaned (sides: Sides, topic: string, upTo = 0): Promise<Cleaned> {
  const { source, sourceClient } = sides
  let found: Cleaned = { between: false, inside: false, empty: false }
  let before = ''
  let restSinceMs = performance.now()
  await eventually(`${topic} is cleaned`, async () => {
    const { leaderId } = await sourceClient.leaderOf(topic, 0, { signal: soon() })
    const batches = [...storedBatches(source.partitionDir(leaderId, topic, 0))]
    const spans = batches.map(({ baseOffset, lastOffset, recordCount }) => `${baseOffset}-${lastOffset}-${recordCount}`).join()
    if (spans !== before) restSinceMs = performance.now()
    before = spans
    found = {
      between: batches.some(({ baseOffset }, index) => baseOffset > (batches[index - 1]?.lastOffset ?? baseOffset) + 1),
      inside: batches.some(({ baseOffset, lastOffset, recordCount }) => recordCount > 0 && recordCount < lastOffset - baseOffset + 1),
      empty: batches.some(({ recordCount }) => recordCount === 0)
    }
    const isFar = upTo === 0 || batches.some(({ baseOffset, lastOffset, recordCount }) => baseOffset >= upTo && recordCount < lastOffset - baseOffset + 1)
    return isFar && found.between && found.inside && found.empty && performance.now() - restSinceMs > 2000
  })
  return found
}

/** Deletes records of the source up to a place in a batch that has several, in the middle of its log. */
async function trim ({ source, sourceClient }: Sides, topic: string, place: (batch: { readonly baseOffset: number }) => number): Promise<void> {
  const { leaderId } = await sourceClient.leaderOf(topic, 0, { signal: soon() })
  const from = await startOf(sourceClient, topic)
  const several = [...storedBatches(source.partitionDir(leaderId, topic, 0))].filter(({ baseOffset, recordCount }) => baseOffset > from && recordCount > 2)
  const batch = several[several.length >>> 1]
  if (batch === undefined) throw new Error(`${topic} has no such batch`)
  const [row] = await deleteRecords(sourceClient, [{ topic, partition: 0, beforeOffset: place(batch) }], { signal: soon() })
  if (row?.errorCode !== 0) throw new Error(`records of ${topic} cannot be deleted: error ${row?.errorCode ?? 'none'}`)
}

async function startOf (cluster: Cluster, topic: string): Promise<number> {
  return (await listOffsets(cluster, [{ topic, partition: 0, timestamp: EARLIEST_TIMESTAMP }], { signal: soon() }))[0]?.offset ?? -1
}

async function endOf (cluster: Cluster, topic: string, isolationLevel: number): Promise<number> {
  return (await listOffsets(cluster, [{ topic, partition: 0, timestamp: -1 }], { signal: soon(), isolationLevel }))[0]?.offset ?? -1
}

function partitionsOf (topic: string): number {
  return topic === 'many' ? MANY : topic === 'samples' ? 3 : 1
}

/** Waits until every follower of these topics stands where the source ends. */
async function untilLevel ({ sourceClient }: Sides, { engine }: BrokerEngine, topics: readonly string[]): Promise<void> {
  let seen = ''
  await eventually('all is copied', async () => {
    const all = new Map((await Promise.all(['plain', 'cleaning'].map(async link => (await engine.status(link)).topics))).flat().map(topic => [topic.name, topic]))
    const missing: string[] = []
    for (const name of topics) {
      const topic = all.get(name)
      const ends = await endOffsets(sourceClient, name)
      const mine = topic?.partitions.map(({ shadowEndOffset }) => shadowEndOffset)
      if (topic?.fault != null) throw new Error(`${name}: ${topic.fault.reason}`)
      if (mine?.join() !== ends.join()) missing.push(`${name}: ${topic?.problem ?? topic?.partitions.find(({ problem }) => problem !== null)?.problem ?? ''} ${mine?.slice(0, 5).join() ?? 'not there'} of ${ends.slice(0, 5).join()}`)
    }
    seen = missing.join('; ')
    if (missing.length > 0) throw new Error(seen)
    return true
  })
}

/** The lines of a digest, without where a topic's reading ended: beyond that, the two sides are not the same. */
function withoutEnd (text: string, topic: string): string[] {
  return text.trim().split('\n').map(line => line.startsWith(`${topic}-`) ? line.replace(/ \d+/, '') : line)
}

function soon (): AbortSignal {
  return AbortSignal.timeout(30_000)
}
