/**
 * Append mode replica as clients live through it: an engine that leads the shadow topics, is killed, comes back and hands them over; a sidecar
 * that outlives it, in this process; and real clients at both doors, the sidecar's and the brokers' own.
 */
import { Kafka, logLevel } from 'kafkajs'
import tap, { test, type Test } from 'tap'
import { Cluster } from '../../src/client/cluster.ts'
import { listGroups } from '../../src/client/admin/list-groups.ts'
import { messageOf } from '../../src/errors.ts'
import { formatHostPort } from '../../src/net/host-port.ts'
import { sleep } from '../../src/net/sleep.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import { Sidecar } from '../../src/proxy/sidecar.ts'
import { StateFollower } from '../../src/state/state-follower.ts'
import { BrokerEngine, createSourceTopic, endOffsets, eventually, linkDocument, testCluster } from '../support/broker-link.ts'
import { kafkajsReader, kcatReader, platformaticReader, ProgramReaders, type Reader } from '../support/client-readers.ts'
import { javaWriter, kafkajsWriter, kcatWriter, platformaticWriter, startKcat, type Writer } from '../support/client-writers.ts'
import { franzWriter, WITHOUT_FRANZ } from '../support/franz.ts'
import { EngineProcess } from '../support/engine-process.ts'
import { runJava } from '../support/java-tool.ts'
import { KafkaCluster } from '../support/kafka-cluster.ts'
import { takePorts } from '../support/port-block.ts'
import { sidecarConfig } from '../support/sidecar-config.ts'

tap.setTimeout(290_000)

const LINK = 'dr'
/** Written to on the source for as long as that lives. */
const ORDERS = 'orders'
/** With transactions that ended well, that did not, and one that is open. */
const PAYMENTS = 'payments'
const ORDINARY = 'ordinary'
const PARTITIONS = 2
const SHADOW_LEADER = 3000
const SESSION_MS = 1000
const BROKER_SESSION_MS = 3000
const OUTAGES = 2
const RECOVERY_MS = 5000

const [source, shadow] = await Promise.all([
  KafkaCluster.start({ version: '4.1', brokers: 2, controllers: 0, name: 'rc-source' }),
  KafkaCluster.start({ version: '4.3', brokers: 2, name: 'rc-shadow', config: { 'group.min.session.timeout.ms': String(SESSION_MS), 'broker.session.timeout.ms': String(BROKER_SESSION_MS), 'broker.heartbeat.interval.ms': '500' } })
])
tap.teardown(async () => { await Promise.all([source.stop(), shadow.stop()]) })
const ports = await takePorts(1)
tap.teardown(() => ports.release())
const shadowLeader = { host: ports.host, port: ports.ports[0] ?? 0 }

const [sourceClient, shadowClient] = [testCluster(source), testCluster(shadow)]
/** As `kshadow run` makes it for a sidecar without an engine. */
const sidecarClient = new Cluster({ bootstrapServers: shadow.bootstrapServers, clientId: 'sidecar', logger: silentLogger, isUnreal: nodeId => state.state?.shadowLeaders.has(nodeId) === true })
const state = StateFollower.start(sidecarClient, { logger: silentLogger })
const sidecar = await Sidecar.start({
  config: sidecarConfig(1, 2),
  cluster: sidecarClient,
  connectionTimeoutMs: 5000,
  state,
  logger: silentLogger
})
const bootstrap = formatHostPort(sidecar.bootstrap)
/** What clients see, as the test itself asks for it. */
const throughSidecar = testCluster({ bootstrapServers: [sidecar.bootstrap], bootstrap, partitionDir: () => '' })
tap.teardown(async () => {
  await throughSidecar.close()
  await sidecar.stop()
  await state.stop()
  await Promise.all([sourceClient.close(), shadowClient.close(), sidecarClient.close()])
})

const quiet = { logLevel: logLevel.NOTHING, retry: { retries: 2, initialRetryTime: 50 } }
const kafka = new Kafka({ ...quiet, clientId: 'kafkajs', brokers: [bootstrap], retry: { retries: 8, initialRetryTime: 50, maxRetryTime: 500 } })
const bypassing = new Kafka({ ...quiet, clientId: 'bypassing', brokers: shadow.bootstrapServers.map(formatHostPort) })
const sourceKafka = new Kafka({ ...quiet, clientId: 'source', brokers: source.bootstrapServers.map(formatHostPort) })

const engine = new EngineProcess({ shadow, links: [linkDocument(LINK, source, [ORDERS, PAYMENTS])], sessionTimeoutMs: SESSION_MS, shadowLeader })
tap.teardown(async () => { await engine.stop() })

/** What the source was given for ORDERS: by partition, the values in the order of their offsets. */
const written: string[][] = Array.from({ length: PARTITIONS }, () => [])
const sourceDies = new AbortController()

async function writeToSource (): Promise<void> {
  const producer = sourceKafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  for (let number = 0; !sourceDies.signal.aborted; number++) {
    const partition = number % PARTITIONS
    const values = Array.from({ length: 1 + number % 7 }, (_, index) => `order ${number}.${index}`)
    // Before it is acknowledged: readers may have it before that.
    written[partition]?.push(...values)
    await producer.send({ topic: ORDERS, messages: values.map(value => ({ partition, value })) })
    await sleep(50)
  }
  await producer.disconnect()
}

const committed: string[] = []
const PAYMENT_ROUNDS = 6

async function writeTransactions (): Promise<void> {
  for (let round = 0; round < PAYMENT_ROUNDS; round++) {
    // The last one stays open.
    const producer = sourceKafka.producer({ transactionalId: round === PAYMENT_ROUNDS - 1 ? 'open' : LINK, maxInFlightRequests: 1, idempotent: true, transactionTimeout: 600_000 })
    await producer.connect()
    const transaction = await producer.transaction()
    const values = Array.from({ length: 5 }, (_, index) => `payment ${round}.${index}`)
    await transaction.send({ topic: PAYMENTS, messages: values.map(value => ({ value })) })
    if (round === PAYMENT_ROUNDS - 1) {
      tap.teardown(() => producer.disconnect().catch(() => {}))
      return
    }
    if (round % 2 === 0) {
      await transaction.commit()
      committed.push(...values)
    } else {
      await transaction.abort()
    }
    await producer.disconnect()
  }
}

/** The end of the source's part in ORDERS, after the failover. */
let ends: readonly number[] = []

/** Every record of the source so far, each once, in order, at its offset; after the failover, what clients wrote comes behind it. */
function differenceOf (reader: Reader): string | null {
  if (reader.problems() !== '') return reader.problems()
  const next = Array.from({ length: PARTITIONS }, () => 0)
  for (const { partition, offset, value } of reader.records()) {
    const expected = next[partition] ?? -1
    if (offset !== expected) return `offset ${offset} of partition ${partition} came where ${expected} was due`
    const limit = ends[partition] ?? Infinity
    if (offset < limit && value !== written[partition]?.[offset]) return `offset ${offset} of partition ${partition} holds ${value.slice(0, 40)}, not ${written[partition]?.[offset]?.slice(0, 40) ?? 'that'}`
    next[partition] = offset + 1
  }
  return null
}

const readers: Reader[] = []
let javaReaders: ProgramReaders | null = null
const JAVA_GROUPS = ['g-classic', 'g-consumer']
const FRANZ_READERS = ['classic', 'consumer', 'none'].map(protocol => ({ name: `g-franz-${protocol}`, protocol }))
const writers: Writer[] = []
tap.teardown(async () => { await Promise.all([...readers, ...writers].map(client => client.stop())) })

/** Waits until every reader has all that was written before; none of them may have seen anything else. */
async function allRead (t: Test, who: readonly Reader[] = readers): Promise<void> {
  const counts = written.map(({ length }) => length)
  const total = counts.reduce((sum, count) => sum + count, 0)
  for (const reader of who) {
    await eventually(`${reader.name} has read ${total} records`, () => reader.problems() !== '' || reader.records().length >= total, 40_000)
      .catch((error: unknown) => t.fail(`${messageOf(error)}; it has ${reader.records().length}`))
    t.equal(differenceOf(reader), null, `${reader.name}: every record once`)
  }
}

async function leaderIs (expected: number): Promise<void> {
  await eventually(`the leader of ${ORDERS} is ${expected}`, async () => {
    const partitions = (await shadowClient.refresh({ signal: AbortSignal.timeout(20_000) })).topics.get(ORDERS)?.partitions ?? []
    return partitions.length === PARTITIONS && partitions.every(({ leaderId }) => leaderId === expected)
  })
}

/** The ends of a shadow topic, as clients of the sidecar see them. */
const shadowEnds = async (topic: string): Promise<number[]> => await endOffsets(throughSidecar, topic)

let sourceWriter: Promise<void> = Promise.resolve()
tap.teardown(async () => {
  sourceDies.abort()
  await sourceWriter.catch(() => {})
})

test('topics are shadowed by an engine in a process of its own', async () => {
  await createSourceTopic(sourceClient, ORDERS, PARTITIONS)
  await createSourceTopic(sourceClient, PAYMENTS, 1)
  await createSourceTopic(shadowClient, ORDINARY, 1)
  await writeTransactions()
  sourceWriter = writeToSource()
  await engine.start()
  await leaderIs(SHADOW_LEADER)
  await eventually('the shadow grows', async () => (await shadowEnds(ORDERS)).every(end => end > 20))
})

test('consumers of every client read live what the source is written', async t => {
  const java = javaReaders = await ProgramReaders.java(bootstrap, ORDERS, JAVA_GROUPS.map((group, index) => `${group}:${index === 0 ? 'classic' : 'consumer'}:read_committed`))
  readers.push(...JAVA_GROUPS.map(group => java.reader(group)))
  readers.push(await kcatReader({ name: 'g-kcat', bootstrap, topic: ORDERS }))
  readers.push(await kafkajsReader({ name: 'g-kafkajs', topic: ORDERS }, kafka))
  readers.push(await platformaticReader({ name: 'g-platformatic', bootstrap, topic: ORDERS }))
  if (WITHOUT_FRANZ === false) {
    const franz = await ProgramReaders.franz(bootstrap, ORDERS, FRANZ_READERS.map(({ name, protocol }) => `${name}:${protocol}:read_committed`))
    readers.push(...FRANZ_READERS.map(({ name }) => franz.reader(name)))
  }
  await allRead(t)
})

test('franz-go is one of them, alone and in groups of either kind', { skip: WITHOUT_FRANZ }, async t => {
  const { groups } = await listGroups(throughSidecar, { signal: AbortSignal.timeout(20_000) })
  for (const { name, protocol } of FRANZ_READERS) {
    t.equal(groups.get(name)?.type, protocol === 'none' ? undefined : protocol, name)
    t.ok(readers.find(reader => reader.name === name)?.records().length ?? 0, name)
  }
})

test('transactions: what is committed and no more is read, up to the one that is open', async t => {
  const all = PAYMENT_ROUNDS * 5
  const [{ stdout }, kcat] = await Promise.all([
    runJava('kafkashadow.clients.ReadAll', [bootstrap, `assign:${PAYMENTS}:${all}`, 'offsets:read_committed:payments:0', 'offsets:read_uncommitted:payments:0']),
    kcatReads(t, ['-C', '-t', PAYMENTS, '-o', 'beginning', '-e', '-X', 'isolation.level=read_committed'])
  ])
  t.same(kcat, committed)
  t.equal(stdout.match(/^assign\S+ payment /gm)?.length, all)
  // Of every transaction that ended there is a marker.
  const stable = (PAYMENT_ROUNDS - 1) * 6
  t.match(stdout, `offsets:read_committed:payments:0 end 0 ${stable}\n`)
  t.match(stdout, 'offsets:read_committed:payments:0 time 0 0\n')
  t.match(stdout, `offsets:read_uncommitted:payments:0 end 0 ${stable + 5}\n`)
})

async function kcatReads (t: Test, args: readonly string[]): Promise<string[]> {
  const program = await startKcat(['-b', bootstrap, '-q', ...args])
  t.teardown(() => program.kill())
  t.equal(await program.end(), 0, program.output)
  return program.output.trim().split('\n')
}

test('the tools of an administrator see a cluster of real brokers', async t => {
  const at = ['--bootstrap-server', bootstrap]
  const [topics, list, groups, offsets, tour] = await Promise.all([
    runJava('org.apache.kafka.tools.TopicCommand', [...at, '--describe', '--topic', ORDERS]),
    runJava('org.apache.kafka.tools.consumer.group.ConsumerGroupCommand', [...at, '--list']),
    runJava('org.apache.kafka.tools.consumer.group.ConsumerGroupCommand', [...at, '--describe', '--group', 'g-classic']),
    runJava('org.apache.kafka.tools.GetOffsetShell', [...at, '--topic', PAYMENTS]),
    runJava('kafkashadow.clients.AdminTour', [bootstrap, 'toured-at-sidecar-', '3'])
  ])
  t.equal(topics.stdout.match(/Leader: [12]\tReplicas: [12],[12]\tIsr: [12]/g)?.length, PARTITIONS, topics.stdout)
  t.match(topics.stdout, 'ReplicationFactor: 2')
  for (const group of JAVA_GROUPS) t.match(list.stdout, group)
  t.equal(groups.stdout.match(new RegExp(`g-classic\\s+${ORDERS}\\s+[01]\\s+\\d+\\s+\\d+\\s+\\d+\\s`, 'g'))?.length, PARTITIONS, groups.stdout + groups.stderr)
  t.match(offsets.stdout, `${PAYMENTS}:0:${PAYMENT_ROUNDS * 6 - 1}`)
  t.match(tour.stdout, 'nodes ok [1, 2]')
  t.match(tour.stdout, 'reassignments ok 0')
  t.same(failedAttempts(tour.stdout), [])
  for (const { stdout } of [topics, list, offsets, tour]) t.notMatch(stdout, new RegExp(`\\b${SHADOW_LEADER}\\b`))
})

function failedAttempts (stdout: string): string[] {
  return stdout.trim().split('\n').map(line => line.split(' ')).filter(([, outcome]) => outcome !== 'ok').map(([name = '']) => name)
}

test('producers of every client are refused at the sidecar, and write to topics of nobody', async t => {
  const before = written.map(({ length }) => length)
  const refused = (name: string): { readonly name: string, readonly bootstrap: string, readonly topic: string } => ({ name, bootstrap, topic: ORDERS })
  const silent = await javaWriter(refused('acks0'), ['acks=0', 'enable.idempotence=false'])
  writers.push(
    await javaWriter(refused('java'), []),
    await javaWriter({ ...refused('transactional'), topic: PAYMENTS }, [`transactional.id=${LINK}`]),
    await kcatWriter(refused('kcat')),
    await kafkajsWriter(refused('kafkajs'), new Kafka({ ...quiet, brokers: [bootstrap] }), { idempotent: true }),
    platformaticWriter(refused('platformatic')),
    ...WITHOUT_FRANZ === false ? [await franzWriter(refused('franz'), 'idempotent')] : []
  )
  for (const writer of writers) {
    const pattern = writer.name === 'transactional' ? /^failed .*/m : writer.refusal
    await eventually(`${writer.name} is refused`, () => pattern.test(writer.refusals())).catch((error: unknown) => t.fail(`${messageOf(error)}: ${writer.refusals().slice(0, 1000)}`))
    t.equal(writer.acknowledged(), 0, `${writer.name} was never told that a record is written`)
  }
  t.comment(writers.find(({ name }) => name === 'transactional')?.refusals().split('\n')[0])
  await eventually('records without an answer were refused', () => sidecar.status().counters.refusedAcks0 > 2)
  await silent.stop()
  const producer = kafka.producer()
  t.teardown(() => producer.disconnect())
  await producer.connect()
  await producer.send({ topic: ORDINARY, messages: [{ value: 'through the sidecar' }] })
  await allRead(t)
  t.ok(written.every(({ length }, partition) => length > (before[partition] ?? 0)))
})

test('clients that go round the sidecar write nothing to a shadow, and have everything else', async t => {
  const direct = (name: string, topic: string): { readonly name: string, readonly bootstrap: string, readonly topic: string } => ({ name, bootstrap: shadow.bootstrap, topic })
  const intruders = [
    await javaWriter(direct('java', ORDERS), ['delivery.timeout.ms=6000', 'request.timeout.ms=3000']),
    await kcatWriter(direct('kcat', ORDERS)),
    await kafkajsWriter(direct('kafkajs', ORDERS), bypassing, { idempotent: false })
  ]
  t.teardown(async () => { await Promise.all(intruders.map(writer => writer.stop())) })
  const at = ['--bootstrap-server', shadow.bootstrap]
  const [tour, versions, ordinary] = await Promise.all([
    runJava('kafkashadow.clients.AdminTour', [shadow.bootstrap, 'toured-', '20'], { timeoutMs: 90_000 }),
    runJava('org.apache.kafka.tools.BrokerApiVersionsCommand', at),
    javaWriter(direct('ordinary', ORDINARY), [])
  ])
  t.teardown(() => ordinary.stop())
  // Who names the broker in a request is told by the real one that it is not meant.
  t.same(failedAttempts(tour.stdout), [`configs-${SHADOW_LEADER}`])
  t.match(tour.stdout, `nodes ok [1, 2, ${SHADOW_LEADER}]`, 'they are told of the shadow leader')
  t.match(tour.stdout, new RegExp(`^create ok .*\\b${SHADOW_LEADER}\\b`, 'm'), 'it was the controller for some of them')
  t.match(versions.stdout, new RegExp(`\\(id: ${SHADOW_LEADER} .*-> \\(`))
  await eventually('ordinary topics are written to', () => ordinary.acknowledged() > 20)
  t.equal(ordinary.refusals(), '')
  const read = await runJava('kafkashadow.clients.ReadAll', [shadow.bootstrap, `classic:g-bypassing:${ORDINARY}:20`])
  t.equal(read.stdout.match(/^classic/gm)?.length, 20)
  const patterns: Readonly<Record<string, RegExp>> = { java: /^failed (TimeoutException|NotLeader\w+)/m, kcat: /Delivery failed for message: (Local: Message timed out|Broker: Not leader)/, kafkajs: /leader/i }
  for (const writer of intruders) {
    await eventually(`${writer.name} gives up`, () => patterns[writer.name]?.test(writer.refusals()) === true, 30_000).catch((error: unknown) => t.fail(`${messageOf(error)}: ${writer.refusals().slice(0, 1000)}`))
    t.equal(writer.acknowledged(), 0)
  }
  await allRead(t)
})

test(`the engine is killed ${OUTAGES} times: readers go on without a leader, new ones can start, and nobody sees a gap or a repetition`, async t => {
  for (let outage = 0; outage < OUTAGES; outage++) {
    await engine.kill()
    await leaderIs(-1)
    const [newcomer, kcat] = [await kafkajsReader({ name: `g-late-${outage}`, topic: ORDERS }, kafka), await kcatReader({ name: `g-late-kcat-${outage}`, bootstrap, topic: ORDERS })]
    readers.push(newcomer, kcat)
    const copied = await shadowEnds(ORDERS)
    const total = copied.reduce((sum, end) => sum + end, 0)
    await Promise.all(readers.map(async reader => {
      await eventually(`${reader.name} has read the ${total} records that are there`, () => reader.records().length >= total, 30_000)
      t.equal(reader.records().length, total, `${reader.name} has what is there`)
      t.equal(differenceOf(reader), null, reader.name)
    }))
    await engine.start()
    await leaderIs(SHADOW_LEADER)
    await allRead(t)
  }
  for (const group of JAVA_GROUPS) t.equal(javaReaders?.assignments(group), 1, `${group} was one session all along`)
})

test('a broker is lost and comes back: its readers go on at the other follower', async t => {
  // @platformatic/kafka asks a broker that is gone four times, and ends its stream then, whatever the metadata say by that time.
  const others = readers.filter(({ name }) => name !== 'g-platformatic')
  // A group that loses its coordinator reads again what it has not committed, with or without us.
  const groups = (await shadowClient.refresh({ signal: AbortSignal.timeout(10_000) })).topics.get('__consumer_offsets')?.partitions[0]?.leaderId
  const lost = shadow.broker(groups === 1 ? 2 : 1)
  await lost.kill()
  await sleep(BROKER_SESSION_MS)
  await allRead(t, others)
  await lost.start()
  await allRead(t, others)
  for (const reader of readers.splice(0)) {
    if (others.includes(reader)) readers.push(reader)
    else await reader.stop()
  }
  readers.push(await platformaticReader({ name: 'g-late-platformatic', bootstrap, topic: ORDERS }))
})

test(`failover: writers write within ${RECOVERY_MS / 1000} s, readers go on, and a group resumes where it has committed`, async t => {
  const java = javaReaders
  if (java === null) throw new Error('no readers')
  const others = readers.filter(({ name }) => !JAVA_GROUPS.includes(name))
  const before = new Map(JAVA_GROUPS.map(group => [group, [...java.reader(group).records()]]))
  sourceDies.abort()
  await sourceWriter
  // Another engine takes over where the one that was killed had been.
  await engine.kill()
  const heir = await BrokerEngine.start(shadow, { sessionTimeoutMs: SESSION_MS, shadowLeader })
  t.teardown(() => heir.stop())
  await allRead(t)
  const committedOf = await java.end()
  for (const group of JAVA_GROUPS) before.set(group, [...java.reader(group).records()])
  const askedAtMs = performance.now()
  await heir.engine.failover(LINK, null)
  await eventually('all is failed over', async () => (await heir.engine.status(LINK)).topics.every(({ state }) => state === 'FAILED_OVER'))
  t.comment(`failed over ${Math.round(performance.now() - askedAtMs)} ms after it was asked for`)
  const openedAtMs = performance.now()
  ends = written.map(({ length }) => length)
  const recoveries = await Promise.all(writers.map(async writer => {
    await eventually(`${writer.name} writes again`, () => writer.acknowledged() > 0, 20_000).catch((error: unknown) => t.fail(`${messageOf(error)}: ${writer.refusals().slice(-1000)}`))
    return { name: writer.name, ms: performance.now() - openedAtMs }
  }))
  t.comment(recoveries.map(({ name, ms }) => `${name} ${Math.round(ms)} ms`).join(', '))
  t.same(recoveries.filter(({ ms }) => ms > RECOVERY_MS), [])
  await Promise.all(writers.map(writer => writer.stop()))

  const resumed = await ProgramReaders.java(bootstrap, ORDERS, JAVA_GROUPS.map((group, index) => `${group}:${index === 0 ? 'classic' : 'consumer'}:read_committed`))
  t.teardown(() => resumed.kill())
  const last = await endOffsets(shadowClient, ORDERS)
  const total = last.reduce((sum, end) => sum + end, 0)
  const whole = JAVA_GROUPS.map((name): Reader => ({
    name,
    records: () => [...before.get(name) ?? [], ...resumed.reader(name).records()],
    problems: () => resumed.reader(name).problems(),
    stop: async () => { await Promise.resolve() }
  }))
  for (const reader of [...others, ...whole]) {
    await eventually(`${reader.name} has read all ${total} records`, () => reader.problems() !== '' || reader.records().length >= total, 30_000).catch((error: unknown) => t.fail(messageOf(error)))
    t.equal(differenceOf(reader), null, `${reader.name}: every record once, over the failover`)
  }
  for (const group of JAVA_GROUPS) {
    t.same([...committedOf(group)].sort(), ends.map((end, partition) => [partition, end]), `${group} had committed all of the source`)
    for (const [partition, end] of ends.entries()) t.equal(resumed.reader(group).records().find(record => record.partition === partition)?.offset ?? end, end, `${group} resumed at what it had committed`)
  }
})

test('transactional ids that were used on the source work after the failover, and the open transaction is gone', async t => {
  const producer = kafka.producer({ transactionalId: 'open', maxInFlightRequests: 1, idempotent: true })
  t.teardown(() => producer.disconnect())
  await producer.connect()
  const transaction = await producer.transaction()
  await transaction.send({ topic: PAYMENTS, messages: [{ value: 'payment after' }] })
  await transaction.commit()
  // A coordinator writes its markers after it has answered.
  let read: string[] = []
  await eventually('the transaction can be read', async () => {
    read = await kcatReads(t, ['-C', '-t', PAYMENTS, '-o', 'beginning', '-e', '-X', 'isolation.level=read_committed'])
    return read.includes('payment after')
  })
  t.same(read.filter(value => value.startsWith('payment')), [...committed, 'payment after'])
  t.ok(read.some(value => value.startsWith('value ')), 'the Java producer with the id that was refused has written, too')
})
