/**
 * Message formats 0 and 1 in append mode replica. No broker writes them any more, so they are put into the source's log while it is down,
 * as upgraded clusters have them: see test/java/kafkashadow/clients/OldFormats.java.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import tap, { type Test } from 'tap'
import { alterTopicConfigs } from '../../src/client/admin/alter-topic-configs.ts'
import { deleteRecords } from '../../src/client/admin/delete-records.ts'
import { messageOf } from '../../src/errors.ts'
import { Sidecar } from '../../src/proxy/sidecar.ts'
import { formatHostPort } from '../../src/net/host-port.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import { BrokerEngine, createSourceTopic, endOffsets, eventually, linkDocument, testCluster } from '../support/broker-link.ts'
import { startKcat } from '../support/client-writers.ts'
import { runJava } from '../support/java-tool.ts'
import { KafkaCluster, type KafkaVersion } from '../support/kafka-cluster.ts'
import { takePorts } from '../support/port-block.ts'
import { compareTopic, type ComparisonOptions, type Sides } from '../support/replica-comparison.ts'
import { storedBatches } from '../support/segment-files.ts'
import { logBytes } from '../support/shadow-watch.ts'
import { sidecarConfig } from '../support/sidecar-config.ts'

tap.setTimeout(580_000)

const LINK = 'dr'
/** In the header of a batch. */
const EPOCH_AT = 12
const CLEANING = 'cleaning'
const BROKERS = [1, 2]
const QUICK = { 'log.cleaner.backoff.ms': '200', 'log.initial.task.delay.ms': '500' }
/** Cleaned once its policy is compact. */
const QUICKLY_CLEANED = { 'segment.bytes': String(1024 * 1024), 'min.cleanable.dirty.ratio': '0.01' }

interface OldLog {
  readonly rounds: number
  readonly formats: string
  readonly codecs: string
  readonly configs?: Readonly<Record<string, string>>
  /** True where producers go on in today's format. */
  readonly isWritten: boolean
}

const ALL_CODECS = 'none,gzip,snappy,lz4'
const LOGS: ReadonlyMap<string, OldLog> = new Map(Object.entries({
  'only-0': { rounds: 300, formats: '0', codecs: ALL_CODECS, isWritten: false },
  'only-1': { rounds: 200, formats: '1', codecs: ALL_CODECS, isWritten: false },
  // In a partly upgraded cluster the format went back with the leader.
  mixed: { rounds: 60, formats: '0,1,2,1', codecs: ALL_CODECS, isWritten: true },
  upgraded: { rounds: 200, formats: '1', codecs: 'none,gzip', isWritten: true },
  trimmed: { rounds: 100, formats: '1', codecs: 'gzip,lz4', isWritten: false },
  // From Kafka 4.0 on the source makes batches of magic 2 of them, without a leader epoch.
  cleaned: { rounds: 600, formats: '0,1', codecs: 'none,gzip', configs: { ...QUICKLY_CLEANED, 'cleanup.policy': 'compact' }, isWritten: false },
  compacted: { rounds: 600, formats: '0,1', codecs: 'none,gzip', configs: QUICKLY_CLEANED, isWritten: false }
}))
const NAMES = [...LOGS.keys()]
/** Their replicas clean by themselves, and are compared record by record from then on. */
const CLEANED_TOPICS = ['cleaned', 'compacted']
const PLAIN = NAMES.filter(name => !CLEANED_TOPICS.includes(name))

const signal = (): AbortSignal => AbortSignal.timeout(30_000)

interface Planted {
  readonly end: number
  readonly records: number
}

/** Stops the source, gives its brokers logs that they could only have from long ago, and starts them: they recover as after a crash. */
async function plant (source: KafkaCluster): Promise<Map<string, Planted>> {
  const planted = new Map<string, Planted>()
  for (const { id } of source.brokers) await source.broker(id).stop()
  for (const { id, logDir } of source.brokers) {
    for (const [name, { rounds, formats, codecs }] of LOGS) {
      const folder = source.partitionDir(id, name, 0)
      for (const file of readdirSync(folder)) if (file !== 'partition.metadata') rmSync(join(folder, file))
      const { stdout } = await runJava('kafkashadow.clients.OldFormats', [join(folder, '00000000000000000000.log'), String(rounds), formats, codecs], { version: '3.9' })
      const [end = NaN, records = NaN] = stdout.trim().split(' ').map(Number)
      planted.set(name, { end, records })
    }
    for (const file of readdirSync(logDir)) if (file.endsWith('-checkpoint') || file === '.kafka_cleanshutdown') rmSync(join(logDir, file))
  }
  await Promise.all(source.brokers.map(broker => broker.start()))
  return planted
}

/** What a Java consumer reads, in digests by topic: offsets, timestamps, keys and values. */
async function digests ({ bootstrap, version }: { readonly bootstrap: string, readonly version: KafkaVersion }, topics: readonly string[]): Promise<string[]> {
  return (await runJava('kafkashadow.clients.Digest', [bootstrap, 'read_uncommitted', ...topics], { version, timeoutMs: 120_000 })).stdout.trim().split('\n').sort()
}

async function kcatReads (bootstrap: string, topic: string): Promise<string> {
  const program = await startKcat(['-b', bootstrap, '-q', '-C', '-t', topic, '-o', 'beginning', '-e', '-f', '%o %T %k %s\\n'])
  try {
    if (await program.end() !== 0) throw new Error(program.output)
    return program.stdout
  } finally {
    await program.kill()
  }
}

async function kafkajsReads (bootstrap: string, topic: string, count: number): Promise<string[]> {
  const consumer = new Kafka({ clientId: 'old', brokers: bootstrap.split(','), logLevel: logLevel.NOTHING }).consumer({ groupId: `kafkajs-${topic}`, maxWaitTimeInMs: 100 })
  const read: string[] = []
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message }) => { read.push(`${message.offset} ${message.key?.toString() ?? null} ${message.value?.toString() ?? null}`) } })
  try {
    await eventually(`kafkajs has read ${count} records`, () => read.length >= count, 20_000)
    return read
  } finally {
    await consumer.disconnect()
  }
}

async function proveOldFormats (t: Test, releases: { readonly source: KafkaVersion, readonly shadow: KafkaVersion }): Promise<void> {
  const [source, shadow] = await Promise.all([
    KafkaCluster.start({ version: releases.source, brokers: 2, name: 'old-source', config: QUICK }),
    KafkaCluster.start({ version: releases.shadow, brokers: 2, name: 'old-shadow', config: QUICK })
  ])
  t.teardown(async () => { await Promise.all([source.stop(), shadow.stop()]) })
  const sides: Sides = { source, shadow, sourceClient: testCluster(source), shadowClient: testCluster(shadow) }
  const { sourceClient, shadowClient } = sides
  t.teardown(async () => { await Promise.all([sourceClient.close(), shadowClient.close()]) })
  for (const [name, { configs = {} }] of LOGS) await createSourceTopic(sourceClient, name, 1, { 'retention.ms': '-1', ...configs })
  const planted = await plant(source)
  await eventually('the source has what was planted', async () => {
    for (const name of NAMES) if ((await endOffsets(sourceClient, name))[0] !== planted.get(name)?.end) return false
    return true
  })
  for (const line of await digests(source, PLAIN)) {
    const [partition = '', end, records] = line.split(' ')
    const expected = planted.get(partition.replace(/-0$/, ''))
    t.same([Number(end), Number(records)], [expected?.end, expected?.records], `a stock consumer reads ${partition} from the source`)
  }

  const producer = new Kafka({ clientId: 'today', brokers: source.bootstrapServers.map(formatHostPort), logLevel: logLevel.NOTHING }).producer({ idempotent: true, maxInFlightRequests: 1 })
  t.teardown(() => producer.disconnect())
  await producer.connect()
  const write = async (count: number, topics = NAMES.filter(name => LOGS.get(name)?.isWritten)): Promise<void> => {
    for (const topic of topics) {
      for (let number = 0; number < count; number++) await producer.send({ topic, messages: Array.from({ length: 3 }, (_, index) => ({ key: `key-${(number + index) % 40}`, value: `today ${number}.${index} ${'y'.repeat(200)}` })) })
    }
  }
  await write(30)
  const cleaned = async (cluster: KafkaCluster, ids: readonly number[], topic: string, limitBytes: number): Promise<void> => {
    for (const id of ids) {
      await eventually(`broker ${id} cleans ${topic}`, () => {
        const bytes = logBytes(cluster.partitionDir(id, topic, 0))
        if (bytes > limitBytes) throw new Error(`${bytes} bytes`)
        return true
      })
    }
  }
  // It begins a segment; then all of the one before is cleaned.
  const { leaderId: cleaner } = await sourceClient.leaderOf('cleaned', 0, { signal: signal() })
  const uncleaned = logBytes(source.partitionDir(cleaner, 'cleaned', 0))
  await write(10, ['cleaned'])
  await cleaned(source, [1, 2], 'cleaned', uncleaned / 2)
  const cleanedKinds = kindsOf(source.partitionDir(cleaner, 'cleaned', 0))
  t.comment(`cleaned: ${cleanedKinds}`)
  // In the middle of a compressed entry.
  const { leaderId } = await sourceClient.leaderOf('trimmed', 0, { signal: signal() })
  const [row] = await deleteRecords(sourceClient, [{ topic: 'trimmed', partition: 0, beforeOffset: insideOfEntry(source.partitionDir(leaderId, 'trimmed', 0)) }], { signal: signal() })
  t.equal(row?.errorCode, 0)

  const ports = await takePorts(1)
  t.teardown(() => ports.release())
  const start = async (): Promise<BrokerEngine> => {
    const engine = await BrokerEngine.start(shadow, { shadowLeader: { host: ports.host, port: ports.ports[0] ?? 0 } })
    t.teardown(() => engine.stop())
    return engine
  }
  let engine = await start()
  await engine.engine.create({ ...linkDocument(LINK, source, PLAIN), append_mode: 'replica' }, { dryRun: false })
  await engine.engine.create({
    ...linkDocument(CLEANING, source, CLEANED_TOPICS),
    append_mode: 'replica',
    topic_metadata_sync_options: { interval: '1s', auto_create_shadow_topic_filters: CLEANED_TOPICS.map(name => ({ pattern_type: 'LITERAL', filter_type: 'INCLUDE', name })), synced_shadow_topic_properties: ['segment.bytes', 'min.cleanable.dirty.ratio'] }
  }, { dryRun: false })

  const level = async (): Promise<void> => {
    let seen = ''
    await eventually('all is copied', async () => {
      const topics = (await Promise.all([LINK, CLEANING].map(async link => (await engine.engine.status(link)).topics))).flat()
      const missing: string[] = []
      for (const name of NAMES) {
        const topic = topics.find(topic => topic.name === name)
        const [end] = await endOffsets(sourceClient, name)
        if (topic?.fault != null) throw new Error(`${name}: ${topic.fault.code} ${topic.fault.reason}`)
        if (topic?.partitions[0]?.shadowEndOffset !== end) missing.push(`${name}: ${topic?.partitions[0]?.problem ?? topic?.problem ?? ''} ${topic?.partitions[0]?.shadowEndOffset ?? 'nothing'} of ${end ?? -1}`)
      }
      seen = missing.join('; ')
      if (seen !== '') throw new Error(seen)
      return true
    }, 60_000).catch((error: unknown) => { t.fail(messageOf(error)) })
  }
  const same = async (when: string, options: ComparisonOptions = {}): Promise<void> => {
    for (const name of NAMES) t.same((await compareTopic(sides, name, { ...options, isCleaned: name === 'cleaned' || (name === 'compacted' && options.isCleaned === true) })).differences, [], `${name} ${when}`)
  }
  const verified = async (when: string, replicas: number): Promise<void> => {
    const reports = await engine.verify(LINK)
    t.equal(reports.length, PLAIN.length * replicas, `${replicas} replicas were compared ${when}`)
    t.same(reports.filter(({ difference, incomplete }) => difference !== null || incomplete !== null), [], `verify finds no difference ${when}`)
  }
  const epochs = (): string => BROKERS.map(id => PLAIN.map(name => `${name} ${readFileSync(join(shadow.partitionDir(id, name, 0), 'leader-epoch-checkpoint'), 'utf8').trim().split('\n').slice(2).join(',')}`).join('; ')).join(' | ')

  await level()
  await same('is the source to the bit')
  await verified('while shadowing', BROKERS.length)
  t.comment(`epochs: ${epochs()}`)
  for (const name of PLAIN) {
    const kinds = kindsOf(shadow.partitionDir(1, name, 0))
    t.match(kinds, /magic [01]/, `${name} has ${kinds}`)
  }
  if (cleanedKinds.includes('without epoch')) t.equal(kindsOf(shadow.partitionDir(1, 'cleaned', 0)), 'magic 2', 'what has no leader epoch is served with one')

  await t.test('consumers read through the sidecar what they read at the source', async t => {
    const sidecar = await Sidecar.start({ config: sidecarConfig(1, 2), cluster: engine.cluster, connectionTimeoutMs: 5000, state: engine.state, logger: silentLogger })
    t.teardown(() => sidecar.stop())
    const bootstrap = formatHostPort(sidecar.bootstrap)
    for (const version of ['3.9', '4.3'] as const) t.same(await digests({ bootstrap, version }, PLAIN), await digests({ bootstrap: source.bootstrap, version }, PLAIN), `Java ${version}`)
    for (const name of PLAIN) t.equal(await kcatReads(bootstrap, name), await kcatReads(source.bootstrap, name), `kcat, ${name}`)
    const count = (planted.get('upgraded')?.records ?? 0) + 90
    t.same(await kafkajsReads(bootstrap, 'upgraded', count), await kafkajsReads(source.bootstrap, 'upgraded', count), 'kafkajs')
  })

  await t.test('followers that restart, and an engine that does, go on where they were', async t => {
    await shadow.broker(1).stop()
    await write(5)
    await shadow.broker(2).kill()
    await Promise.all([1, 2].map(id => shadow.broker(id).start()))
    await level()
    await write(5)
    await level()
    await same('after restarts of the followers')
    t.comment(`epochs: ${epochs()}`)
  })

  await t.test('replicas clean old formats by themselves, and an engine goes on where the source has cleaned the end of the copy', async t => {
    await alterTopicConfigs(sourceClient, 'compacted', new Map([['cleanup.policy', 'compact']]), { signal: signal() })
    const { leaderId } = await sourceClient.leaderOf('compacted', 0, { signal: signal() })
    const whole = logBytes(source.partitionDir(leaderId, 'compacted', 0))
    await cleaned(shadow, BROKERS, 'compacted', whole - 1)
    await engine.stop()
    // With the end of the copy.
    await write(10, ['compacted'])
    await cleaned(source, [leaderId], 'compacted', whole / 2)
    engine = await start()
    await level()
    await same('after a restart of the engine', { isCleaned: true })
    await verified('after restarts', BROKERS.length)
    t.comment(`compacted: ${logBytes(source.partitionDir(leaderId, 'compacted', 0))} of ${whole} bytes on the source, ${BROKERS.map(id => logBytes(shadow.partitionDir(id, 'compacted', 0))).join()} on the shadow`)
  })

  await t.test('a failover is clean', async t => {
    for (const link of [LINK, CLEANING]) await engine.engine.failover(link, null)
    await eventually('all is failed over', async () => {
      for (const link of [LINK, CLEANING]) if (!(await engine.engine.status(link)).topics.every(({ state }) => state === 'FAILED_OVER')) return false
      return true
    })
    for (const name of NAMES) t.same(await endOffsets(shadowClient, name), await endOffsets(sourceClient, name), name)
    await same('after the failover', { isShadow: false, isCleaned: true })
    await verified('after the failover', 1)
    t.same(await digests(shadow, PLAIN), await digests(source, PLAIN), 'a consumer reads what it read at the source')
    // Each of them leads, and follows, once.
    for (const id of BROKERS) {
      await shadow.broker(id).kill()
      await shadow.broker(id).start()
      await eventually('all replicas are in sync', async () => (await shadowClient.refresh({ signal: signal() })).topics.get('only-1')?.partitions.every(({ isr }) => isr.length === BROKERS.length) === true)
    }
    await same('after both brokers were killed', { isShadow: false, isCleaned: true })
    t.same(await digests(shadow, PLAIN), await digests(source, PLAIN), 'a consumer still does')
  })
  await engine.stop()
}

/** Which message formats a log has, and whether batches of magic 2 lack a leader epoch. */
function kindsOf (folder: string): string {
  return [...new Set([...storedBatches(folder)].map(({ magic, bytes }) => `magic ${magic}${magic === 2 && bytes.readInt32BE(EPOCH_AT) < 0 ? ' without epoch' : ''}`))].sort().join(', ')
}

/** An offset that the compressed entry around the middle of a log holds, and does not end with. */
function insideOfEntry (folder: string): number {
  const ends = [...storedBatches(folder)].map(({ lastOffset }) => lastOffset)
  const index = ends.findIndex((end, at) => at > ends.length / 2 && end - (ends[at - 1] ?? end) > 2)
  return (ends[index] ?? 0) - 1
}

await tap.test('from Apache Kafka 3.9 to 4.3', async t => await proveOldFormats(t, { source: '3.9', shadow: '4.3' }))
await tap.test('from Apache Kafka 4.3 to 4.1', async t => await proveOldFormats(t, { source: '4.3', shadow: '4.1' }))
await tap.test('from Apache Kafka 4.1 to 3.9', async t => await proveOldFormats(t, { source: '4.1', shadow: '3.9' }))
