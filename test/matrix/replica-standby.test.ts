/**
 * Two engines, one of which leads and one of which stands by, in processes of their own and with the session that is the default: each is
 * a broker, in the ISR. One dies or hangs, and the other one leads. Readers at a sidecar see nothing of it but that new records come later.
 */
import { Kafka, logLevel } from 'kafkajs'
import tap, { test, type Test } from 'tap'
import { replicaBounds } from '../../src/client/admin/replica-bounds.ts'
import { Cluster } from '../../src/client/cluster.ts'
import { messageOf } from '../../src/errors.ts'
import { formatHostPort } from '../../src/net/host-port.ts'
import { sleep } from '../../src/net/sleep.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import { Sidecar } from '../../src/proxy/sidecar.ts'
import { StateFollower } from '../../src/state/state-follower.ts'
import { createSourceTopic, endOffsets, eventually, linkDocument, testCluster } from '../support/broker-link.ts'
import { kafkajsReader, ProgramReaders, type Reader } from '../support/client-readers.ts'
import { EngineProcess } from '../support/engine-process.ts'
import { KafkaCluster } from '../support/kafka-cluster.ts'
import { takePorts } from '../support/port-block.ts'
import { differencesOf, ShadowWatch } from '../support/shadow-watch.ts'
import { sidecarConfig } from '../support/sidecar-config.ts'

tap.setTimeout(290_000)

const LINK = 'dr'
const TOPIC = 'orders'
const PARTITIONS = 2
const BROKERS = [1, 2]
const SHADOW_LEADERS = [3000, 3001]
/** The defaults of `kshadow run` and of Kafka: no broker takes a shorter session for a group. */
const SESSION_MS = 6000
const BROKER_SESSION_MS = 9000
/** Beyond the session, for the election and for what the new one asks before it serves. On a machine that does other things, too. */
const TAKEOVER_MS = 6000
const KILLS = 2

const [source, shadow] = await Promise.all([
  KafkaCluster.start({ version: '4.1', brokers: 2, controllers: 0, name: 'standby-source' }),
  KafkaCluster.start({ version: '4.3', brokers: BROKERS.length, name: 'standby-shadow', config: { 'broker.session.timeout.ms': String(BROKER_SESSION_MS), 'broker.heartbeat.interval.ms': '2000' } })
])
tap.teardown(async () => { await Promise.all([source.stop(), shadow.stop()]) })
const ports = await takePorts(2)
tap.teardown(() => ports.release())

const [sourceClient, shadowClient] = [testCluster(source), testCluster(shadow)]
/** As `kshadow run` makes it for a sidecar without an engine. */
const sidecarClient = new Cluster({ bootstrapServers: shadow.bootstrapServers, clientId: 'sidecar', logger: silentLogger, isUnreal: nodeId => state.state?.shadowLeaders.has(nodeId) === true })
const state = StateFollower.start(sidecarClient, { logger: silentLogger })
const sidecar = await Sidecar.start({ config: sidecarConfig(1, 2), cluster: sidecarClient, connectionTimeoutMs: 5000, state, logger: silentLogger })
const bootstrap = formatHostPort(sidecar.bootstrap)
tap.teardown(async () => {
  await sidecar.stop()
  await state.stop()
  await Promise.all([sourceClient.close(), shadowClient.close(), sidecarClient.close()])
})
await createSourceTopic(sourceClient, TOPIC, PARTITIONS)
const watch = new ShadowWatch(shadow, TOPIC, BROKERS)
tap.teardown(() => watch.stop())

const engines = ports.ports.map(port => new EngineProcess({ shadow, links: [linkDocument(LINK, source, [TOPIC])], sessionTimeoutMs: SESSION_MS, shadowLeader: { host: ports.host, port } }))
tap.teardown(async () => { await Promise.all(engines.map(engine => engine.stop())) })

/** What the source was given: by partition, the values in the order of their offsets. */
const written: string[][] = Array.from({ length: PARTITIONS }, () => [])
const writing = new AbortController()
let writer: Promise<void> = Promise.resolve()
tap.teardown(async () => {
  writing.abort()
  await writer.catch(() => {})
})

async function writeToSource (): Promise<void> {
  const producer = new Kafka({ clientId: 'writer', brokers: source.bootstrapServers.map(formatHostPort), logLevel: logLevel.NOTHING }).producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  for (let number = 0; !writing.signal.aborted; number++) {
    const partition = number % PARTITIONS
    const values = Array.from({ length: 1 + number % 7 }, (_, index) => `order ${number}.${index}`)
    // Before it is acknowledged: readers may have it before that.
    written[partition]?.push(...values)
    await producer.send({ topic: TOPIC, messages: values.map(value => ({ partition, value })) })
    await sleep(20)
  }
  await producer.disconnect()
}

const readers: Reader[] = []
tap.teardown(async () => { await Promise.all(readers.map(reader => reader.stop())) })
let javaReaders: ProgramReaders | null = null

/** Every record of the source so far, each once, in order, at its offset. */
function differenceOf (reader: Reader): string | null {
  if (reader.problems() !== '') return reader.problems()
  const next = Array.from({ length: PARTITIONS }, () => 0)
  for (const { partition, offset, value } of reader.records()) {
    const expected = next[partition] ?? -1
    if (offset !== expected) return `offset ${offset} of partition ${partition} came where ${expected} was due`
    if (value !== written[partition]?.[offset]) return `offset ${offset} of partition ${partition} holds ${value}, not ${written[partition]?.[offset] ?? 'that'}`
    next[partition] = offset + 1
  }
  return null
}

/** Waits until every reader has all that was written before; none of them may have seen anything else. */
async function allRead (t: Test): Promise<void> {
  const total = written.reduce((sum, { length }) => sum + length, 0)
  for (const reader of readers) {
    await eventually(`${reader.name} has read ${total} records`, () => reader.problems() !== '' || reader.records().length >= total, 40_000)
      .catch((error: unknown) => t.fail(`${messageOf(error)}; it has ${reader.records().length}`))
    t.equal(differenceOf(reader), null, `${reader.name}: every record once`)
  }
}

/** The lowest end among the replicas of each partition. */
async function shadowEnds (): Promise<number[]> {
  return await Promise.all(Array.from({ length: PARTITIONS }, async (_, partition) => Math.min(...await Promise.all(BROKERS.map(async brokerId =>
    (await replicaBounds(shadowClient, { topic: TOPIC, partition, brokerId }, { signal: AbortSignal.timeout(10_000) })).logEndOffset)))))
}

/** True when every partition is led by one of the engines, with these in the ISR. */
async function isrIs (...ids: readonly number[]): Promise<boolean> {
  const partitions = (await shadowClient.refresh({ signal: AbortSignal.timeout(10_000) })).topics.get(TOPIC)?.partitions ?? []
  return partitions.length === PARTITIONS && partitions.every(({ isr, leaderId }) => SHADOW_LEADERS.includes(leaderId) && isr.length === ids.length && ids.every(id => isr.includes(id)))
}

async function bothStand (): Promise<void> {
  await eventually('both engines are in the ISR', () => isrIs(...SHADOW_LEADERS))
}

interface Takeover {
  /** Milliseconds from the loss of the engine until the next one has recorded that it leads. */
  readonly leadsMs: number
  /** And until every replica has a record that was written after the loss. */
  readonly copiesMs: number
}

/** Does away with the engine that leads, and waits until another one copies. */
async function takeover (lose: () => unknown): Promise<Takeover> {
  const before = state.state?.engine?.instance
  await lose()
  const lostMs = performance.now()
  const ends = await endOffsets(sourceClient, TOPIC)
  await eventually('another engine leads', () => state.state?.engine?.instance !== before)
  const leadsMs = performance.now() - lostMs
  await eventually('what is written from now on is copied', async () => (await shadowEnds()).every((end, partition) => end > (ends[partition] ?? Infinity)))
  return { leadsMs: Math.round(leadsMs), copiesMs: Math.round(performance.now() - lostMs) }
}

function isQuick (t: Test, what: string, { leadsMs, copiesMs }: Takeover, sessionMs: number): void {
  t.comment(`${what}: the next engine leads after ${leadsMs} ms and copies after ${copiesMs} ms`)
  t.ok(copiesMs < sessionMs + TAKEOVER_MS, `${what}: ${copiesMs} ms for a session of ${sessionMs} ms`)
}

function nobodyElseLed (t: Test): void {
  t.same([...new Set(watch.violations)], [], 'no real broker led, and nobody wrote')
}

const [first, second] = engines
if (first === undefined || second === undefined) throw new Error('two engines')
/** Who leads, and who stands by. */
let pair: readonly [EngineProcess, EngineProcess] = [first, second]

test('an engine copies while another one stands by', async t => {
  writer = writeToSource()
  await first.start()
  await eventually('it copies', async () => (await shadowEnds()).every(end => end > 20))
  await second.start()
  const java = javaReaders = await ProgramReaders.java(bootstrap, TOPIC, ['g-classic:classic:read_committed'])
  readers.push(java.reader('g-classic'), await kafkajsReader({ name: 'g-kafkajs', topic: TOPIC }, new Kafka({ clientId: 'reader', brokers: [bootstrap], logLevel: logLevel.NOTHING })))
  await allRead(t)
  await bothStand()
})

test(`the engine that leads is killed ${KILLS} times`, async t => {
  for (let kill = 0; kill < KILLS; kill++) {
    const [leading, waiting] = pair
    const [before, from] = [watch.latest, watch.now]
    isQuick(t, `kill ${kill}`, await takeover(() => leading.kill()), SESSION_MS)
    t.not(watch.latest?.leaderId, before?.leaderId, 'the other broker leads')
    t.ok(watch.since(from).every(({ leaderId }) => SHADOW_LEADERS.includes(leaderId)), 'and there was a leader all the time')
    await allRead(t)
    await leading.start()
    pair = [waiting, leading]
    await bothStand()
  }
  nobodyElseLed(t)
})

test('the engine that leads hangs, and wakes when another one leads', async t => {
  const [leading, waiting] = pair
  isQuick(t, 'SIGSTOP', await takeover(() => { leading.pause() }), SESSION_MS)
  await allRead(t)
  const instance = state.state?.engine?.instance
  const from = watch.now
  leading.resume()
  await sleep(BROKER_SESSION_MS + 1000)
  t.equal(state.state?.engine?.instance, instance, 'the one that woke up stands by')
  t.equal(watch.since(from).length, 1, 'no leadership changed')
  await bothStand()
  t.ok(leading.isRunning && waiting.isRunning)
  await allRead(t)
  nobodyElseLed(t)
  pair = [waiting, leading]
})

for (const isMissed of [false, true]) {
  test(`the engine that leads is killed while the other one is not in the ISR, ${isMissed ? 'and comes after the cluster has missed both' : 'and goes on at once'}`, async t => {
    const [leading, waiting] = pair
    waiting.pause()
    await eventually('it is out of the ISR', async () => !await isrIs(...SHADOW_LEADERS))
    await allRead(t)
    const taken = await takeover(async () => {
      await leading.kill()
      if (isMissed) await eventually('nobody leads', () => watch.latest?.leaderId === -1)
      waiting.resume()
    })
    t.comment(`the next engine leads after ${taken.leadsMs} ms and copies after ${taken.copiesMs} ms`)
    await allRead(t)
    await leading.start()
    pair = [waiting, leading]
    await bothStand()
    nobodyElseLed(t)
  })
}

test('both are killed, and the one that did not lead comes back alone, after the cluster has missed both', async t => {
  const [leading, waiting] = pair
  await waiting.kill()
  await eventually('it is out of the ISR', async () => !await isrIs(...SHADOW_LEADERS))
  const taken = await takeover(async () => {
    await leading.kill()
    await eventually('nobody leads', () => watch.latest?.leaderId === -1)
    await waiting.start()
  })
  t.comment(`it leads ${taken.leadsMs} ms after it was started, and copies after ${taken.copiesMs} ms`)
  await allRead(t)
  await leading.start()
  pair = [waiting, leading]
  await bothStand()
  nobodyElseLed(t)
})

test('the engine that leads is stopped in good order, and the other one takes over without delay', async t => {
  const [leading] = pair
  isQuick(t, 'SIGTERM', await takeover(() => leading.stop()), 0)
  await allRead(t)
  nobodyElseLed(t)
})

test('at the end all is what the source has', async t => {
  writing.abort()
  await writer
  await allRead(t)
  t.equal(javaReaders?.assignments('g-classic'), 1, 'the group was one session all along')
  t.same(await endOffsets(sourceClient, TOPIC), written.map(({ length }) => length))
  t.same(await differencesOf({ source, sourceBroker: 1, shadow, topic: TOPIC, partitions: PARTITIONS }, BROKERS), [], 'the files of every replica are the source\'s')
  await watch.stop()
  nobodyElseLed(t)
  t.ok(watch.refusals > 100, `${watch.refusals} writes were refused`)
})
