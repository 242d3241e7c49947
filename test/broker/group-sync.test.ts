/** Consumer groups between real clusters: every client resumes on the shadow where it was, and no live group is touched. */
import { Consumer, MessagesStreamFallbackModes, MessagesStreamModes, stringDeserializers } from '@platformatic/kafka'
import { Kafka, logLevel } from 'kafkajs'
import tap, { test } from 'tap'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import type { Api, RequestInput } from '../../protocol/schema/api.ts'
import { commitGroupOffsets, fetchGroupOffsets, type GroupPosition } from '../../src/client/admin/group-offsets.ts'
import { listGroups, OFFSETS_TOPIC } from '../../src/client/admin/list-groups.ts'
import { Cluster, type ClusterAnswer, type ClusterRequestOptions, type RequestTarget } from '../../src/client/cluster.ts'
import { Coordinators } from '../../src/client/group/coordinators.ts'
import { formatHostPort } from '../../src/net/host-port.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import type { GroupStatus } from '../../src/replication/link-service.ts'
import { ShadowTopic } from '../../src/replication/link/shadow-topic.ts'
import { GroupSync } from '../../src/replication/link/tasks/groups/group-sync.ts'
import { NO_CLAIMS } from '../../src/state/group-claims.ts'
import type { StateChange } from '../../src/state/records.ts'
import { BrokerEngine, createSourceTopic, endOffsets, eventually, linkDocument, testCluster, untilLevel, type BrokerCluster } from '../support/broker-link.ts'
import { kafkajsReader, ProgramReaders, type Reader } from '../support/client-readers.ts'
import { startKcat } from '../support/client-writers.ts'
import { WITHOUT_FRANZ } from '../support/franz.ts'
import { Load } from '../support/load.ts'
import { replicaScene } from '../support/replica-scene.ts'
import { sharedClusters, uniqueName } from '../support/shared-clusters.ts'

tap.setTimeout(280_000)

const SESSION_MS = 1000
const HALF = 100
const LINK = uniqueName('groups')
const FRANZ_GROUPS = [`${LINK}-franz-classic`, `${LINK}-franz-kip848`]

const { source, shadow } = await sharedClusters(tap)
const [sourceClient, shadowClient] = [testCluster(source), testCluster(shadow)]
tap.teardown(async () => { await Promise.all([sourceClient.close(), shadowClient.close()]) })

const kafkaOf = (cluster: BrokerCluster): Kafka => new Kafka({ brokers: cluster.bootstrapServers.map(formatHostPort), logLevel: logLevel.NOTHING })
const signal = (): AbortSignal => AbortSignal.timeout(60_000)

function documentOf (name: string, from: BrokerCluster, topics: readonly string[]): Record<string, unknown> {
  return { ...linkDocument(name, from, topics), consumer_offset_sync_options: { interval: '1s', group_filters: [{ pattern_type: 'PREFIX', filter_type: 'INCLUDE', name }] } }
}

/** The offsets that a group has committed, by partition. */
async function positionsOf (cluster: Cluster, groupId: string): Promise<number[]> {
  const answer = (await fetchGroupOffsets(cluster, new Coordinators(cluster), [groupId], { signal: signal() })).get(groupId)
  if (answer === undefined || answer instanceof Error) throw answer ?? new Error('no answer')
  return [...answer].sort((a, b) => a.partition - b.partition).map(({ offset }) => offset)
}

async function commit (cluster: Cluster, groupId: string, topic: string, offsets: readonly number[]): Promise<number[]> {
  const positions = offsets.map((offset, partition): GroupPosition => ({ topic, partition, offset, leaderEpoch: -1, metadata: 'by hand' }))
  return [...(await commitGroupOffsets(cluster, new Coordinators(cluster), groupId, positions, { signal: signal(), lane: 0 })).values()]
}

async function groupOf (engine: BrokerEngine, link: string, name: string): Promise<GroupStatus | undefined> {
  return (await engine.engine.status(link)).groups.find(group => group.name === name)
}

async function write (topic: string, from: number, count: number): Promise<void> {
  const producer = kafkaOf(source).producer()
  await producer.connect()
  for (const partition of [0, 1]) await producer.send({ topic, messages: Array.from({ length: count }, (_, index) => ({ partition, value: `value ${from + index}` })) })
  await producer.disconnect()
}

async function kcat (name: string, { bootstrap }: BrokerCluster, topic: string): Promise<Reader> {
  const program = await startKcat(['-b', bootstrap, '-u', '-f', 'record %p %o %s\\n', '-X', 'auto.offset.reset=earliest', '-X', 'auto.commit.interval.ms=100', '-G', name, topic])
  return {
    name,
    records: () => [...program.stdout.matchAll(/^record (\d+) (\d+) (.*)\n/gm)].map(([, partition, offset, value = '']) => ({ partition: Number(partition), offset: Number(offset), value })),
    problems: () => program.isRunning ? '' : program.output.slice(-1000),
    stop: () => program.kill()
  }
}

async function platformatic (name: string, { bootstrap }: BrokerCluster, topic: string): Promise<Reader> {
  const consumer = new Consumer({ clientId: name, bootstrapBrokers: bootstrap.split(','), groupId: name, deserializers: stringDeserializers })
  const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.COMMITTED, fallbackMode: MessagesStreamFallbackModes.EARLIEST, autocommit: 100, maxWaitTime: 100 })
  const records: Array<{ partition: number, offset: number, value: string }> = []
  const problems: string[] = []
  stream.on('error', (error: Error) => { problems.push(error.message) })
  stream.on('data', ({ partition, offset, value }) => { records.push({ partition, offset: Number(offset), value }) })
  return { name, records: () => records, problems: () => problems.join('; '), stop: async () => { await stream.close(); await new Promise<void>(resolve => { consumer.close(true, () => resolve()) }) } }
}

/** Readers of every kind of client, each in the group of its name, of which `stop` is called by the test. */
async function allReaders (cluster: BrokerCluster, topic: string): Promise<{ readonly readers: readonly Reader[], readonly stop: () => Promise<void> }> {
  const java = await ProgramReaders.java(cluster.bootstrap, topic, [`${LINK}-classic:classic:read_uncommitted`, `${LINK}-kip848:consumer:read_uncommitted`])
  // Where there is no franz-go, the test that is for it alone says so.
  const franz = WITHOUT_FRANZ === false ? await ProgramReaders.franz(cluster.bootstrap, topic, FRANZ_GROUPS.map((name, index) => `${name}:${index === 0 ? 'classic' : 'consumer'}:read_uncommitted`)) : null
  const others = await Promise.all([
    kcat(`${LINK}-kcat`, cluster, topic),
    kafkajsReader({ name: `${LINK}-kafkajs`, topic }, kafkaOf(cluster)),
    platformatic(`${LINK}-platformatic`, cluster, topic)
  ])
  return {
    readers: [java.reader(`${LINK}-classic`), java.reader(`${LINK}-kip848`), ...franz === null ? [] : FRANZ_GROUPS.map(name => franz.reader(name)), ...others],
    stop: async () => { await Promise.all([java.end(), franz?.end(), ...others.map(reader => reader.stop())]) }
  }
}

/** What each client has read on the shadow, and of which type its group was on either side. */
const resumed = new Map<string, { readonly offsets: readonly number[][], readonly types: readonly string[] }>()
/** The offsets of every partition that the groups had not read on the source. */
const REST = Array.from({ length: HALF }, (_, index) => HALF + index)

async function typesOf (cluster: Cluster): Promise<Map<string, string>> {
  return new Map([...(await listGroups(cluster, { signal: signal() })).groups].map(([name, { type }]) => [name, type]))
}

function offsetsOf (reader: Reader, partition: number): number[] {
  return reader.records().filter(record => record.partition === partition).map(({ offset }) => offset)
}

test('every client resumes on the shadow where it was on the source, skips nothing and repeats nothing', async t => {
  const topic = LINK
  await createSourceTopic(sourceClient, topic, 2)
  await write(topic, 0, HALF)
  const before = await allReaders(source, topic)
  const names = before.readers.map(({ name }) => name)
  await eventually('all have read the first half', () => before.readers.every(reader => reader.records().length === 2 * HALF)).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${before.readers.map(reader => `${reader.name} ${reader.records().length} ${reader.problems()}`).join('; ')}`)
  })
  await eventually('all have committed', async () => (await Promise.all(names.map(name => positionsOf(sourceClient, name)))).every(positions => positions.join() === `${HALF},${HALF}`))
  // What protects a live group is the coordinator itself (Apache Kafka 4.1 here, 4.3 below).
  for (const name of [`${LINK}-classic`, `${LINK}-kip848`]) t.same(await commit(sourceClient, name, topic, [0]), [ErrorCodes.UNKNOWN_MEMBER_ID], name)

  const engine = await BrokerEngine.start(shadow, { sessionTimeoutMs: SESSION_MS })
  t.teardown(() => engine.stop())
  await engine.engine.create(documentOf(LINK, source, [topic]), { dryRun: false })
  await eventually('the members are known', async () => (await groupOf(engine, LINK, `${LINK}-kip848`))?.members?.length === 1)
  t.match(await groupOf(engine, LINK, `${LINK}-kip848`), { type: 'consumer', state: 'Stable', protocol: 'uniform', members: [{ clientId: /consumer-/, host: /127\.0\.0\.1/ }] })
  t.match(await groupOf(engine, LINK, `${LINK}-classic`), { type: 'classic', state: 'Stable', protocol: 'range', protocolType: 'consumer', members: [{ clientId: /consumer-/ }] })
  const sourceTypes = await typesOf(sourceClient)
  await before.stop()
  await write(topic, HALF, HALF)
  await untilLevel(sourceClient, shadowClient, [topic])
  await eventually('all positions are on the shadow', async () => (await Promise.all(names.map(name => positionsOf(shadowClient, name)))).every(positions => positions.join() === `${HALF},${HALF}`))
  t.same((await engine.engine.status(LINK)).groups.map(({ problem }) => problem), names.map(() => null))

  await engine.engine.failover(LINK, topic)
  await eventually('the topic is failed over', async () => (await engine.topic(LINK, topic))?.state === 'FAILED_OVER')
  const after = await allReaders(shadow, topic)
  await eventually('all have read the second half', () => after.readers.every(reader => reader.records().length >= 2 * HALF)).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${after.readers.map(reader => `${reader.name} ${reader.records().length} ${reader.problems()}`).join('; ')}`)
  })
  const shadowTypes = await typesOf(shadowClient)
  for (const reader of after.readers) t.equal(reader.problems(), '', reader.name)
  await after.stop()
  for (const reader of after.readers) {
    resumed.set(reader.name, { offsets: [0, 1].map(partition => offsetsOf(reader, partition)), types: [sourceTypes, shadowTypes].map(types => types.get(reader.name) ?? '') })
    t.same(resumed.get(reader.name)?.offsets, [REST, REST], reader.name)
  }
  await engine.deleteLink(LINK)
})

test('franz-go is one of them, in a classic group and in one of KIP-848', { skip: WITHOUT_FRANZ }, async t => {
  t.same(FRANZ_GROUPS.map(name => resumed.get(name)), ['classic', 'consumer'].map(type => ({ offsets: [REST, REST], types: [type, type] })))
})

test('while it reads on, a consumer repeats only what it read since the last sync', async t => {
  const topic = uniqueName('reading')
  await createSourceTopic(sourceClient, topic, 2)
  const load = await Load.start(source, [topic], 200)
  t.teardown(() => load.kill())
  const java = await ProgramReaders.java(source.bootstrap, topic, [`${topic}-app:consumer:read_uncommitted`])
  t.teardown(() => java.kill())
  const engine = await BrokerEngine.start(shadow, { sessionTimeoutMs: SESSION_MS })
  t.teardown(() => engine.stop())
  await engine.engine.create(documentOf(topic, source, [topic]), { dryRun: false })
  await eventually('the group is synced', async () => (await positionsOf(shadowClient, `${topic}-app`)).some(offset => offset > 100))
  // What the consumer had read, as far as the shadow had it.
  const ends = await endOffsets(shadowClient, topic)
  const known = (await positionsOf(sourceClient, `${topic}-app`)).map((offset, partition) => Math.min(offset, ends[partition] ?? 0))
  const from = new Date().toISOString()
  // An engine that had to begin anew meanwhile does not know at once what the shadow holds: positions wait then, as the status says.
  await eventually('it is synced once more', async () => {
    const status = await groupOf(engine, topic, `${topic}-app`)
    return (status?.syncedAt ?? '') > from && status?.waitingPartitions === 0
  })
  await engine.engine.failover(topic, topic)
  await eventually('the topic is failed over', async () => (await engine.topic(topic, topic))?.state === 'FAILED_OVER')
  const resumed = await positionsOf(shadowClient, `${topic}-app`)
  const committed = (await java.end())(`${topic}-app`)
  await load.end()
  for (const partition of [0, 1]) {
    const at = resumed[partition] ?? -1
    t.ok(at <= (committed.get(partition) ?? -1), `partition ${partition}: ${at} skips nothing of ${committed.get(partition)}`)
    t.ok(at >= (known[partition] ?? Infinity), `partition ${partition}: ${at} is not older than ${known[partition]}, which was there before the last sync`)
  }
  await new Promise(resolve => setTimeout(resolve, 2500))
  t.same(await positionsOf(shadowClient, `${topic}-app`), resumed, 'nothing is committed after the failover')
  await engine.deleteLink(topic)
})

test('a group that is live on the shadow keeps its positions, whatever protocol it speaks', async t => {
  const topic = uniqueName('live')
  const groups = [`${topic}-classic`, `${topic}-kip848`]
  await createSourceTopic(sourceClient, topic, 2)
  await write(topic, 0, HALF)
  for (const name of groups) t.same(await commit(sourceClient, name, topic, [5, 6]), [0, 0])
  const engine = await BrokerEngine.start(shadow, { sessionTimeoutMs: SESSION_MS })
  t.teardown(() => engine.stop())
  await engine.engine.create(documentOf(topic, source, [topic]), { dryRun: false })
  await untilLevel(sourceClient, shadowClient, [topic])
  for (const name of groups) await eventually('the positions are on the shadow', async () => (await positionsOf(shadowClient, name)).join() === '5,6')
  const java = await ProgramReaders.java(shadow.bootstrap, topic, [`${topic}-classic:classic:read_uncommitted`, `${topic}-kip848:consumer:read_uncommitted`])
  t.teardown(() => java.kill())
  for (const name of groups) {
    await eventually(`${name} is live`, async () => (await groupOf(engine, topic, name))?.isLiveOnShadow === true && (await positionsOf(shadowClient, name)).join() === `${HALF},${HALF}`)
    t.same(await commit(shadowClient, name, topic, [0]), [ErrorCodes.UNKNOWN_MEMBER_ID], name)
    t.same(await commit(sourceClient, name, topic, [7, 3]), [0, 0])
  }
  await new Promise(resolve => setTimeout(resolve, 2500))
  for (const name of groups) t.same(await positionsOf(shadowClient, name), [HALF, HALF])
  await java.end()
  for (const name of groups) {
    await eventually(`${name} is ahead`, async () => {
      const status = await groupOf(engine, topic, name)
      return status?.isLiveOnShadow === false && status.aheadPartitions === 2
    })
    t.same(await positionsOf(shadowClient, name), [HALF, HALF], 'its own positions are not moved backwards')
  }
  t.match((await engine.engine.status(topic)).tasks.find(({ name }) => name === 'Consumer Group Shadowing'), { state: 'ACTIVE' })
  await engine.deleteLink(topic)
})

test('an engine that takes over follows a group that was rewound meanwhile, and commits nothing that is there already', async t => {
  const topic = uniqueName('takeover')
  const groups = [`${topic}-rewound`, `${topic}-used`, `${topic}-still`]
  await createSourceTopic(sourceClient, topic, 2)
  await write(topic, 0, HALF)
  for (const name of groups) t.same(await commit(sourceClient, name, topic, [50, 60]), [0, 0])
  const first = await BrokerEngine.start(shadow, { sessionTimeoutMs: SESSION_MS })
  t.teardown(() => first.stop())
  await first.engine.create(documentOf(topic, source, [topic]), { dryRun: false })
  const checked = await first.engine.check({ ...documentOf(uniqueName('checked'), source, [topic]), consumer_offset_sync_options: { group_filters: [{ pattern_type: 'PREFIX', filter_type: 'INCLUDE', name: topic }], on_source_deletion: 'delete' } })
  t.match(checked.filter(({ name }) => /group|offsets/.test(name)).map(({ name, verdict }) => [name, verdict]), [['groups', 'ok'], ['readable groups', 'ok'], ['offsets topic', 'ok'], ['group commits', 'ok'], ['offsets.retention.minutes', 'ok']])
  await untilLevel(sourceClient, shadowClient, [topic])
  for (const name of groups) await eventually('the positions are on the shadow', async () => (await positionsOf(shadowClient, name)).join() === '50,60')
  const from = new Date().toISOString()
  await eventually('they are synced once more', async () => ((await groupOf(first, topic, groups[2] ?? ''))?.syncedAt ?? '') > from)
  await first.stop()
  t.same(await commit(sourceClient, groups[0] ?? '', topic, [5, 6]), [0, 0])
  t.same(await commit(sourceClient, groups[1] ?? '', topic, [5, 6]), [0, 0])
  t.same(await commit(shadowClient, groups[1] ?? '', topic, [70, 60]), [0, 0])
  const before = await endOffsets(shadowClient, OFFSETS_TOPIC)
  const second = await BrokerEngine.start(shadow, { sessionTimeoutMs: SESSION_MS })
  t.teardown(() => second.stop())
  await eventually('the rewound group is followed', async () => (await positionsOf(shadowClient, groups[0] ?? '')).join() === '5,6')
  await eventually('the used one is ahead', async () => (await groupOf(second, topic, groups[1] ?? ''))?.aheadPartitions === 1)
  t.same(await positionsOf(shadowClient, groups[1] ?? ''), [70, 6], 'what a consumer committed is not moved backwards, what the link committed is')
  t.same(await positionsOf(shadowClient, groups[2] ?? ''), [50, 60])
  const after = await endOffsets(shadowClient, OFFSETS_TOPIC)
  const records = after.reduce((sum, end, partition) => sum + end - (before[partition] ?? 0), 0)
  // Three positions, and what the election of the engine takes; with everything committed once more it would be seven or more.
  t.ok(records <= 5, `${records} records of ${OFFSETS_TOPIC}`)
  await second.deleteLink(topic)
})

test('in append mode replica, too', async t => {
  const topic = 'orders'
  const { source: embedded, sourceCluster, client, engine } = await replicaScene(t, { version: '4.3', name: 'group-shadow', topic, partitions: 1 })
  const embeddedClient = testCluster(sourceCluster)
  t.teardown(() => embeddedClient.close())
  const producer = kafkaOf(sourceCluster).producer()
  await producer.connect()
  await producer.send({ topic, messages: Array.from({ length: HALF }, (_, index) => ({ value: `value ${index}` })) })
  await producer.disconnect()
  t.same(await commit(embeddedClient, 'dr-app', topic, [40]), [0])
  t.same(await commit(embeddedClient, 'dr-ahead', topic, [4000]), [0])
  await engine.engine.create(documentOf('dr', sourceCluster, [topic]), { dryRun: false })
  await eventually('the position is on the shadow', async () => (await positionsOf(client, 'dr-app')).join() === '40')
  await eventually('what is not there is not skipped', async () => (await positionsOf(client, 'dr-ahead')).join() === String(HALF))
  // A commit can be read a moment before the run that made it is over.
  await eventually('the status says so', async () => (await groupOf(engine, 'dr', 'dr-ahead'))?.clampedPartitions === 1)
  t.same(await commit(embeddedClient, 'dr-app', topic, [60]), [0])
  await engine.engine.promote('dr', topic)
  await eventually('the topic is promoted', async () => (await engine.topic('dr', topic))?.state === 'PROMOTED')
  t.same(await positionsOf(client, 'dr-app'), [60])
  t.equal(embedded.log(topic, 0).logEndOffset, HALF)
})

class CountingCluster extends Cluster {
  readonly counts = new Map<string, number>()

  override async request<A extends Api> (api: A, body: RequestInput<A> | ((version: number) => RequestInput<A>), target: RequestTarget, options: ClusterRequestOptions): Promise<ClusterAnswer<A>> {
    this.counts.set(api.name, (this.counts.get(api.name) ?? 0) + 1)
    return await super.request(api, body, target, options)
  }
}

test('a thousand groups of fifty partitions are synced in a few requests, and one commit for each that moved', async t => {
  const topic = uniqueName('many')
  const PARTITIONS = 50
  const groups = Array.from({ length: 1000 }, (_, index) => `${topic}-${index}`)
  await createSourceTopic(sourceClient, topic, PARTITIONS)
  await createSourceTopic(shadowClient, topic, PARTITIONS)
  const coordinators = new Coordinators(sourceClient)
  const move = async (names: readonly string[], offset: number): Promise<void> => {
    const waiting = [...names]
    await Promise.all(Array.from({ length: 8 }, async (_, lane) => {
      for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
        await commitGroupOffsets(sourceClient, coordinators, name, Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition, offset, leaderEpoch: -1, metadata: '' })), { signal: signal(), lane })
      }
    }))
  }
  await move(groups, 10)
  const [from, to] = [source, shadow].map(({ bootstrapServers }) => new CountingCluster({ bootstrapServers, clientId: 'counting', logger: silentLogger }))
  if (from === undefined || to === undefined) throw new Error('no clusters')
  t.teardown(async () => { await Promise.all([from.close(), to.close()]) })
  const shadowTopic = new ShadowTopic({
    link: LINK, topic, state: 'ACTIVE', since: '', owned: true, sourceTopicId: null, created: true, shadowTopicId: null, partitions: PARTITIONS, replicationFactor: null, startOffsets: null, configs: {}, fault: null, handingOver: false, endOffsets: null, pausedWithLink: false, refusedConfigs: {}, rollbacks: []
  }, {
    now: () => performance.now(),
    wallClock: () => new Date(),
    logger: silentLogger,
    signal: new AbortController().signal,
    write: async () => {},
    begin: (_topic, partition) => ({
      partition,
      shadowEndOffset: 100,
      freeze: () => {},
      thaw: () => {},
      stop: () => {},
      status: () => ({ partition, sourceLogStartOffset: 0, sourceLastStableOffset: 100, sourceHighWatermark: 100, shadowEndOffset: 100, lagRecords: 0, lagSeconds: 0, sourceContactAgeMs: 0, activity: 'copying', problem: null })
    })
  })
  shadowTopic.copy(PARTITIONS)
  const recorded: StateChange[] = []
  const sync = new GroupSync({
    name: LINK,
    uid: 'uid',
    recorded: NO_CLAIMS,
    write: async changes => { recorded.push(...changes) },
    source: from,
    shadow: to,
    options: () => ({ intervalMs: 30_000, paused: false, filters: [{ patternType: 'PREFIX', filterType: 'INCLUDE', name: topic }], onSourceDeletion: 'keep' }),
    topics: new Map([[topic, shadowTopic]]),
    signal: new AbortController().signal,
    isLeading: () => true,
    logger: silentLogger,
    now: () => performance.now(),
    wallClock: () => new Date(),
    checkSource: () => {}
  })
  const run = async (what: string): Promise<{ readonly asked: number, readonly commits: number }> => {
    for (const cluster of [from, to]) cluster.counts.clear()
    const startMs = performance.now()
    t.same((await sync.run()).problems, [], what)
    const counts = [from, to].map(({ counts: own }) => [...own].map(([name, count]) => `${count} ${name}`).join(', '))
    t.comment(`${what}: ${Math.round(performance.now() - startMs)} ms; source: ${counts[0] ?? ''}; shadow: ${counts[1] ?? ''}`)
    const commits = to.counts.get('OffsetCommit') ?? 0
    return { asked: [from, to].flatMap(({ counts: own }) => [...own.values()]).reduce((sum, count) => sum + count, 0) - commits, commits }
  }
  const first = await run('the first sync')
  t.equal(first.commits, groups.length)
  // A shard is written once, and once more for each round that it shares with another.
  t.ok(recorded.length <= 256 + 2 * 4, `${recorded.length} records`)
  recorded.length = 0
  t.ok(first.asked <= 60, `${first.asked} requests besides`)
  t.same(await positionsOf(shadowClient, groups[999] ?? ''), Array.from({ length: PARTITIONS }, () => 10))
  const idle = await run('a sync in which nothing has moved')
  t.equal(idle.commits, 0)
  t.ok(idle.asked <= 50, `${idle.asked} requests`)
  t.equal(recorded.length, 0)
  await move(groups.slice(0, 100), 20)
  const busy = await run('a sync in which a hundred groups have moved')
  t.equal(busy.commits, 100)
  t.ok(busy.asked <= 50, `${busy.asked} requests besides`)
  t.ok(recorded.length <= 100 + 2 * 4, `${recorded.length} records`)
  t.equal(sync.groups.length, groups.length)
  t.equal([...(await listGroups(shadowClient, { signal: signal() })).groups.keys()].filter(name => name.startsWith(topic)).length, groups.length)
})
