/**
 * Real clients at a sidecar before real brokers: each is refused while its topic is a shadow, reads it all the same, and goes on by
 * itself after the failover. The brokers advertise a name that no client can resolve: one that was told of it could not go on.
 */
import { Consumer, MessagesStreamModes, stringDeserializers } from '@platformatic/kafka'
import { Kafka, logLevel, type EachMessagePayload } from 'kafkajs'
import tap, { test, type Test } from 'tap'
import { messageOf } from '../../src/errors.ts'
import { listGroups } from '../../src/client/admin/list-groups.ts'
import { dialTcp, type Dial } from '../../src/net/dial.ts'
import { formatHostPort } from '../../src/net/host-port.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import { Sidecar } from '../../src/proxy/sidecar.ts'
import { BrokerEngine, createSourceTopic, endOffsets, eventually, linkDocument, testCluster, untilLevel } from '../support/broker-link.ts'
import { javaWriter, kafkajsWriter, kcatWriter, platformaticWriter, startKcat, type Writer } from '../support/client-writers.ts'
import { ProgramReaders } from '../support/client-readers.ts'
import { franzWriter, WITHOUT_FRANZ, type FranzWriter } from '../support/franz.ts'
import { runJava } from '../support/java-tool.ts'
import { KafkaCluster } from '../support/kafka-cluster.ts'
import { sharedClusters, uniqueName } from '../support/shared-clusters.ts'
import { sidecarConfig } from '../support/sidecar-config.ts'

tap.setTimeout(280_000)

/** What the issue promises: writable again within so long after the failover. */
const RECOVERY_MS = 5000
const RECORDS = 20
/** An answer of the sidecar's, on a machine with more to do. */
const AT_ONCE_MS = 2000
const LINK = uniqueName('clients')
const topicOf = (client: string): string => `${LINK}-${client}`

/** Everything but the sidecar's clients goes past the brokers' names. */
const dialBroker: Dial = (address, options) => dialTcp({ host: '127.0.0.1', port: address.port }, options)

const { source } = await sharedClusters(tap)
const shadow = await KafkaCluster.start({ version: '4.3', brokers: 2, name: 'clients', advertisedHost: 'broker.invalid' })
tap.teardown(() => shadow.stop())
const [sourceClient, shadowClient] = [testCluster(source), testCluster(shadow, dialBroker)]
tap.teardown(async () => { await Promise.all([sourceClient.close(), shadowClient.close()]) })
const engine = await BrokerEngine.start(shadow, { shadowDial: dialBroker })
tap.teardown(() => engine.stop())
const sidecar = await Sidecar.start({
  config: sidecarConfig(0, 3),
  cluster: engine.cluster,
  connectionTimeoutMs: 5000,
  state: engine.state,
  logger: silentLogger,
  dial: dialBroker
})
tap.teardown(() => sidecar.stop())
const bootstrap = formatHostPort(sidecar.bootstrap)

const writers: Writer[] = []
tap.teardown(async () => { await Promise.all(writers.map(writer => writer.stop())) })

const writerOf = (name: string): { readonly name: string, readonly bootstrap: string, readonly topic: string } => ({ name, bootstrap, topic: topicOf(name) })

const kafka = new Kafka({ clientId: 'kafkajs', brokers: [bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 2, initialRetryTime: 50 } })

const NAMES = ['java', 'java-plain', 'kcat', 'kafkajs', 'kafkajs-idempotent', 'platformatic', 'franz', 'franz-plain', 'acks0', 'transaction', 'admin', 'later']

test('the topics of the source are shadowed', async t => {
  const producer = new Kafka({ brokers: source.bootstrapServers.map(formatHostPort), logLevel: logLevel.NOTHING }).producer()
  await producer.connect()
  for (const name of NAMES) {
    await createSourceTopic(sourceClient, topicOf(name), 2)
    await producer.send({ topic: topicOf(name), messages: Array.from({ length: RECORDS }, (_, number) => ({ key: `k${number}`, value: `source ${number}`, partition: number % 2 })) })
  }
  await producer.disconnect()
  await engine.engine.create(linkDocument(LINK, source, [`${LINK}-*`]), { dryRun: false })
  await eventually('all topics are shadowed', async () => (await engine.engine.status(LINK)).topics.filter(({ state, partitions }) => state === 'ACTIVE' && partitions.length === 2).length === NAMES.length)
  await untilLevel(sourceClient, shadowClient, NAMES.map(topicOf))
  for (const name of NAMES) t.match(await engine.topic(LINK, topicOf(name)), { state: 'ACTIVE', fault: null })
})

/** The ends that the shadows have by what they copied. */
const COPIED = [RECORDS / 2, RECORDS / 2]

test('every producer is told in its own words that the topic is read-only', async t => {
  writers.push(
    await javaWriter(writerOf('java'), []),
    await javaWriter(writerOf('java-plain'), ['enable.idempotence=false', 'acks=1', 'compression.type=gzip']),
    await kcatWriter(writerOf('kcat')),
    await kafkajsWriter(writerOf('kafkajs'), kafka, { idempotent: false }),
    await kafkajsWriter(writerOf('kafkajs-idempotent'), kafka, { idempotent: true }),
    platformaticWriter(writerOf('platformatic'))
  )
  for (const writer of writers) {
    await eventually(`${writer.name} is refused: ${writer.refusal}`, () => writer.refusal.test(writer.refusals())).catch((error: unknown) => t.fail(`${messageOf(error)}: ${writer.refusals().slice(0, 2000)}`))
    t.equal(writer.acknowledged(), 0, `${writer.name} was never told that a record is written`)
    t.same(await endOffsets(shadowClient, writer.topic), COPIED, `nothing of ${writer.name} is in the shadow`)
  }
})

const franzWriters: FranzWriter[] = []

test('franz-go is told so at once, and sends nothing again', { skip: WITHOUT_FRANZ }, async t => {
  franzWriters.push(await franzWriter(writerOf('franz'), 'idempotent'), await franzWriter(writerOf('franz-plain'), 'plain'))
  writers.push(...franzWriters)
  for (const writer of franzWriters) {
    await eventually(`${writer.name} is refused ten times`, () => writer.waits().length >= 10).catch((error: unknown) => t.fail(`${messageOf(error)}: ${writer.refusals().slice(0, 2000)}`))
    t.match(writer.refusals(), writer.refusal)
    t.notMatch(writer.refusals(), /^failed (?!POLICY_VIOLATION )/m)
    // Its limit for a record is none at all: what it takes for retriable it would send for ever.
    t.same(writer.waits().filter(ms => ms > AT_ONCE_MS), [], writer.name)
    t.equal(writer.acknowledged(), 0, `${writer.name} was never told that a record is written`)
    t.same(await endOffsets(shadowClient, writer.topic), COPIED)
  }
})

test('a producer that wants no answer, and one with transactions, write nothing', async t => {
  const silent = await javaWriter(writerOf('acks0'), ['acks=0', 'enable.idempotence=false'])
  writers.push(silent)
  await eventually('records without an answer were refused', () => sidecar.status().counters.refusedAcks0 > 2)
  t.same(await endOffsets(shadowClient, silent.topic), COPIED)

  const transactional = await javaWriter(writerOf('transaction'), [`transactional.id=${LINK}`])
  await eventually('the transaction was refused', () => /^failed /m.test(transactional.refusals()))
  t.equal(transactional.acknowledged(), 0)
  t.match(transactional.refusals(), /policy|PolicyViolation/i)
  t.same(await endOffsets(shadowClient, transactional.topic), COPIED)
  await transactional.stop()
})

test('every client reads shadow topics, alone and in a group', async t => {
  const java = await runJava('org.apache.kafka.tools.consumer.ConsoleConsumer', ['--bootstrap-server', bootstrap, '--topic', topicOf('java'), '--group', `${LINK}-java`, '--from-beginning', '--max-messages', String(RECORDS)])
  t.equal(java.stdout.match(/^source \d+$/gm)?.length, RECORDS, 'the Java console consumer')

  const kcat = await startKcat(['-b', bootstrap, '-q', '-c', String(RECORDS), '-X', 'auto.offset.reset=earliest', '-G', `${LINK}-kcat`, topicOf('kcat')])
  t.teardown(() => kcat.kill())
  t.equal(await kcat.end(), 0)
  t.equal(kcat.output.match(/^source \d+$/gm)?.length, RECORDS, 'kcat')

  t.equal((await kafkajsReads(t, topicOf('kafkajs'), RECORDS)).length, RECORDS, 'kafkajs')

  const consumer = new Consumer({ clientId: 'platformatic', bootstrapBrokers: [bootstrap], groupId: `${LINK}-platformatic`, deserializers: stringDeserializers })
  t.teardown(() => consumer.close(true))
  const stream = await consumer.consume({ topics: [topicOf('platformatic')], mode: MessagesStreamModes.EARLIEST, autocommit: true, maxWaitTime: 100 })
  const seen: string[] = []
  for await (const message of stream) {
    seen.push(message.value)
    if (seen.length === RECORDS) break
  }
  t.equal(new Set(seen).size, RECORDS, '@platformatic/kafka')
})

/** How many connections each of franz-go's producers has, before the failover. */
let franzConnections: readonly number[] = []

test('franz-go reads shadow topics, alone and in groups of either kind', { skip: WITHOUT_FRANZ }, async t => {
  const names = ['none', 'classic', 'consumer'].map(protocol => ({ protocol, name: `${LINK}-franz-${protocol}` }))
  const franz = await ProgramReaders.franz(bootstrap, topicOf('franz'), names.map(({ name, protocol }) => `${name}:${protocol}:read_committed`))
  t.teardown(() => franz.kill())
  const readers = names.map(({ name }) => franz.reader(name))
  await eventually('all have read all', () => readers.every(reader => reader.records().length >= RECORDS)).catch((error: unknown) => t.fail(`${messageOf(error)}: ${readers.map(reader => `${reader.name} ${reader.records().length} ${reader.problems()}`).join('; ')}`))
  const { groups } = await listGroups(shadowClient, { signal: AbortSignal.timeout(20_000) })
  for (const { name, protocol } of names) t.equal(groups.get(name)?.type, protocol === 'none' ? undefined : protocol, name)
  const committed = await franz.end()
  for (const reader of readers) {
    t.equal(reader.problems(), '', reader.name)
    for (const partition of [0, 1]) t.same(reader.records().filter(record => record.partition === partition).map(({ offset }) => offset), Array.from({ length: RECORDS / 2 }, (_, offset) => offset), reader.name)
    t.same([...committed(reader.name)].sort(), reader.name.endsWith('none') ? [] : [[0, RECORDS / 2], [1, RECORDS / 2]])
  }
  franzConnections = franzWriters.map(writer => writer.connections())
})

async function kafkajsReads (t: Test, topic: string, count: number): Promise<EachMessagePayload[]> {
  const consumer = kafka.consumer({ groupId: `${LINK}-kafkajs`, maxWaitTimeInMs: 200 })
  t.teardown(() => consumer.disconnect())
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const seen: EachMessagePayload[] = []
  await consumer.run({ eachMessage: async payload => { seen.push(payload) } })
  await eventually(`kafkajs reads ${count} records`, () => seen.length >= count)
  await consumer.stop()
  await consumer.disconnect()
  return seen
}

test('an administrator cannot change a shadow topic', async t => {
  const topic = topicOf('admin')
  const { stdout } = await runJava('kafkashadow.clients.AdminAttempts', [bootstrap, topic])
  const outcomes = new Map(stdout.trim().split('\n').map(line => [line.split(' ', 1)[0] ?? '', line]))
  t.equal(outcomes.get('describe'), 'describe ok')
  for (const attempt of ['alter', 'grow', 'delete']) {
    t.match(outcomes.get(attempt), new RegExp(`^${attempt} PolicyViolationException .*'${topic}' is a read-only shadow topic \\(link '${LINK}', state ACTIVE\\)`))
  }
  // Its answer has no room for a message.
  t.match(outcomes.get('delete-records'), /^delete-records PolicyViolationException /)
  t.same(await endOffsets(shadowClient, topic), COPIED)
  t.match(await engine.topic(LINK, topic), { state: 'ACTIVE', fault: null })
})

test(`every producer goes on by itself within ${RECOVERY_MS / 1000} s after the failover of its topic`, async t => {
  const failedOver = writers.map(({ topic }) => topic)
  const before = new Map(writers.map(writer => [writer.name, writer.acknowledged()]))
  await Promise.all(failedOver.map(topic => engine.engine.failover(LINK, topic)))
  await eventually('all topics of the producers are failed over', async () => {
    const { topics } = await engine.engine.status(LINK)
    return failedOver.every(topic => topics.find(({ name }) => name === topic)?.state === 'FAILED_OVER')
  })
  const openedAtMs = performance.now()
  const recoveries = await Promise.all(writers.map(async writer => {
    await eventually(`${writer.name} writes again`, async () => (await endOffsets(shadowClient, writer.topic)).join() !== COPIED.join() && writer.acknowledged() > (before.get(writer.name) ?? 0))
    return { name: writer.name, ms: performance.now() - openedAtMs }
  }))
  t.comment(recoveries.map(({ name, ms }) => `${name} ${Math.round(ms)} ms`).join(', '))
  t.same(recoveries.filter(({ ms }) => ms > RECOVERY_MS), [])
  for (const topic of failedOver) t.match(await engine.topic(LINK, topic), { fault: null })
})

test('franz-go has written on the connections that it had', { skip: WITHOUT_FRANZ }, async t => {
  t.equal(franzConnections.length, 2)
  t.same(franzWriters.map(writer => writer.connections()), franzConnections)
  for (const writer of franzWriters) t.ok(writer.acknowledged() > 0 && writer.isRunning(), writer.name)
})

test('what was not failed over is still read-only, and what was is read to its end', async t => {
  for (const name of ['admin', 'later', 'transaction']) {
    t.same(await endOffsets(shadowClient, topicOf(name)), COPIED)
    t.match(await engine.topic(LINK, topicOf(name)), { state: 'ACTIVE', fault: null })
  }
  const producer = kafka.producer({ retry: { retries: 0 } })
  t.teardown(() => producer.disconnect())
  await producer.connect()
  await t.rejects(producer.send({ topic: topicOf('later'), messages: [{ value: 'no' }] }), /polic/)
  // The group goes on where it was, with what was written after the failover.
  const [next] = await kafkajsReads(t, topicOf('kafkajs'), 1)
  t.match(next?.message, { value: Buffer.from('by kafkajs'), offset: String(RECORDS / 2) })
})
