/** Append mode replica while engines, brokers, controllers and the network fail: nothing is lost, nothing differs, and nobody else can write. */
import tap, { test, type Test } from 'tap'
import { alterPartitionReassignments } from '../../src/client/admin/alter-partition-reassignments.ts'
import { alterTopicConfigs } from '../../src/client/admin/alter-topic-configs.ts'
import { describeTopicConfigs } from '../../src/client/admin/describe-topic-configs.ts'
import { ElectLeaders } from '../../protocol/messages/elect-leaders.ts'
import { BrokerError } from '../../src/errors.ts'
import type { HostPort } from '../../src/net/host-port.ts'
import { sleep } from '../../src/net/sleep.ts'
import { BrokerEngine, createSourceTopic, endOffsets, eventually, linkDocument, testCluster } from '../support/broker-link.ts'
import { CutRelay } from '../support/cut-relay.ts'
import { EngineProcess } from '../support/engine-process.ts'
import { runJava } from '../support/java-tool.ts'
import { KafkaCluster } from '../support/kafka-cluster.ts'
import { everyRecordOnce, Load, tally } from '../support/load.ts'
import { takePorts } from '../support/port-block.ts'
import { differencesOf, ShadowWatch, untilCopied } from '../support/shadow-watch.ts'

tap.setTimeout(400_000)

const LINK = 'dr'
const TOPIC = 'orders'
const OTHER = 'settings'
const PARTITIONS = 3
const BROKERS = [1, 2]
const SHADOW_LEADER = 3000
const ENGINE_SESSION_MS = 1000
const BROKER_SESSION_MS = 9000
const KILLS = 5

const [source, shadow] = await Promise.all([
  KafkaCluster.start({ version: '4.1', brokers: 2, name: 'safety-source' }),
  KafkaCluster.start({ version: '4.3', brokers: BROKERS.length, controllers: 3, name: 'safety-shadow', config: { 'group.min.session.timeout.ms': '1000', 'broker.session.timeout.ms': String(BROKER_SESSION_MS), 'broker.heartbeat.interval.ms': '500' } })
])
tap.teardown(async () => { await Promise.all([source.stop(), shadow.stop()]) })
const block = await takePorts(4)
tap.teardown(() => block.release())
const [sourceClient, shadowClient] = [testCluster(source), testCluster(shadow)]
tap.teardown(async () => { await Promise.all([sourceClient.close(), shadowClient.close()]) })
for (const topic of [TOPIC, OTHER]) await createSourceTopic(sourceClient, topic, PARTITIONS)
const load = await Load.start(source, [TOPIC], 50)
tap.teardown(() => load.kill())
const copied = { source, sourceBroker: 1, shadow, topic: TOPIC, partitions: PARTITIONS }
const links = [{ ...linkDocument(LINK, source, [TOPIC, OTHER]), append_mode: 'replica' }]
const watch = new ShadowWatch(shadow, TOPIC, BROKERS)
tap.teardown(() => watch.stop())

const addressAt = (index: number): HostPort => ({ host: block.host, port: block.ports[index] ?? 0 })
const signal = (): AbortSignal => AbortSignal.timeout(60_000)

/** Tools are told of the shadow leader as of any broker, also of one that moved, and ask again. */
async function asOperator (what: string, work: () => Promise<unknown>): Promise<void> {
  await eventually(what, async () => {
    await shadowClient.refresh({ signal: signal() })
    await work()
    return true
  })
}

function newEngine (t: Pick<Test, 'teardown'>, address: HostPort): EngineProcess {
  const engine = new EngineProcess({ shadow, links, sessionTimeoutMs: ENGINE_SESSION_MS, shadowLeader: address })
  t.teardown(async () => { await engine.stop() })
  return engine
}

/** A broker that is stopped next must not be the only one that has what engines need. */
async function allInSync (): Promise<void> {
  const shadows = [TOPIC, OTHER]
  await eventually('every other topic has all of its replicas in sync', async () => [...(await shadowClient.refresh({ signal: signal() })).topics.values()].every(({ name, partitions }) => shadows.includes(name) || partitions.every(({ isr, replicas }) => isr.length === replicas.length)))
}

function nobodyWrote (t: Test): void {
  t.same([...new Set(watch.violations)], [], 'nobody else led, and nobody wrote')
}

async function wellLed (): Promise<void> {
  await eventually('the shadow leader leads', () => watch.latest?.leaderId === SHADOW_LEADER)
}

test('an engine that is killed is missed only after its session, and goes on where it was', async t => {
  const engine = newEngine(t, addressAt(0))
  await engine.start()
  await eventually('the shadow is made', async () => (await shadowClient.refresh({ signal: signal() })).topics.get(TOPIC)?.partitions[0]?.replicas.includes(1) === true)
  await untilCopied(copied, BROKERS)
  for (let kill = 0; kill < KILLS; kill++) {
    const isLong = kill % 2 === 1
    const from = watch.now
    const killedMs = performance.now()
    await engine.kill()
    if (isLong) {
      await eventually('the partition is without a leader', () => watch.latest?.leaderId === -1, 3 * BROKER_SESSION_MS)
      await sleep(500)
    }
    await engine.start()
    await untilCopied(copied, BROKERS)
    const awayMs = performance.now() - killedMs
    await wellLed()
    const seen = watch.since(from)
    const epochs = seen.map(({ leaderEpoch }) => leaderEpoch - (seen[0]?.leaderEpoch ?? 0))
    if (isLong) t.same(seen.map(({ leaderId }) => leaderId), [SHADOW_LEADER, -1, SHADOW_LEADER], `kill ${kill}: led by nobody, and by the shadow leader again (epochs ${epochs.join()})`)
    else if (awayMs < BROKER_SESSION_MS - 1000) t.same(epochs, [0], `kill ${kill}: no leadership changed within ${Math.round(awayMs)} ms`)
  }
  const before = watch.latest?.leaderEpoch ?? -1
  await engine.kill()
  const elsewhere = newEngine(t, addressAt(1))
  await elsewhere.start()
  await untilCopied(copied, BROKERS)
  t.ok((watch.latest?.leaderEpoch ?? -1) > before, 'followers were told of the new address by a change of leader epochs')
  nobodyWrote(t)
  await elsewhere.stop()
})

test('an engine that was stopped while another one took over does nothing when it wakes', async t => {
  const first = newEngine(t, addressAt(2))
  await first.start()
  await wellLed()
  await untilCopied(copied, BROKERS)
  first.pause()
  const second = newEngine(t, addressAt(3))
  await second.start()
  await untilCopied(copied, BROKERS)
  await wellLed()
  const from = watch.now
  first.resume()
  await sleep(BROKER_SESSION_MS + 1000)
  await untilCopied(copied, BROKERS)
  t.same([...new Set(watch.since(from).map(({ leaderId }) => leaderId))], [SHADOW_LEADER], 'nobody else led')
  await eventually('the one that woke stands by, as another broker', async () => (await shadowClient.refresh({ signal: signal() })).topics.get(TOPIC)?.partitions.every(({ isr }) => isr.length === 2 && isr.includes(SHADOW_LEADER)) === true)
  t.ok(first.isRunning && second.isRunning)
  const brokers = (await shadowClient.refresh({ signal: signal() })).brokers
  t.equal(brokers.get(SHADOW_LEADER)?.port, addressAt(3).port, 'the address is still the one that took over')
  nobodyWrote(t)
  await first.stop()
  await second.stop()
})

test('followers that are killed or restarted catch up, and controllers may fail', async t => {
  const engine = newEngine(t, addressAt(0))
  await engine.start()
  await wellLed()
  await untilCopied(copied, BROKERS)

  // The engine's place among engines may be that broker's to give: then it leads nothing until another one has it.
  await shadow.broker(1).kill()
  await untilCopied(copied, [2])
  await shadow.broker(1).start()
  await untilCopied(copied, BROKERS)
  await allInSync()
  const startedMs = performance.now()
  await shadow.broker(2).stop()
  const tookMs = performance.now() - startedMs
  t.ok(tookMs < 5000, `a controlled shutdown took ${Math.round(tookMs)} ms`)
  await untilCopied(copied, [1])
  await shadow.broker(2).start()
  await untilCopied(copied, BROKERS)
  t.comment(`controlled shutdown: ${Math.round(tookMs)} ms`)
  await wellLed()
  nobodyWrote(t)
  const from = watch.now

  const active = async (): Promise<number> => {
    const { stdout } = await runJava('org.apache.kafka.tools.MetadataQuorumCommand', ['--bootstrap-server', shadow.bootstrap, 'describe', '--status'])
    return Number(/LeaderId:\s+(\d+)/.exec(stdout)?.[1] ?? -1)
  }
  const first = shadow.controllers.find(({ id }) => id === 100)
  const killed = shadow.controllers[(await active()) - 100] ?? first
  await killed?.kill()
  await untilCopied(copied, BROKERS)
  await sleep(BROKER_SESSION_MS)
  await untilCopied(copied, BROKERS)
  t.same(watch.since(from).length, 1, 'no leadership changed when the controller was killed')
  await killed?.start()
  const paused = shadow.controllers[(await active()) - 100] ?? first
  await paused?.pause()
  await sleep(BROKER_SESSION_MS)
  await untilCopied(copied, BROKERS)
  paused?.resume()
  t.same(watch.since(from).length, 1, 'no leadership changed when the controller stood still')
  await untilCopied(copied, BROKERS)
  nobodyWrote(t)
  await engine.stop()
})

test('networks that are cut are named, and all goes on when they are whole again', async t => {
  const relay = new CutRelay()
  t.teardown(() => relay.stop())
  const advertised = await relay.listen(addressAt(1))
  const engine = await BrokerEngine.start(shadow, { sessionTimeoutMs: ENGINE_SESSION_MS, shadowLeader: addressAt(1), advertised, dial: relay.dial })
  t.teardown(() => engine.stop())
  await wellLed()
  await untilCopied(copied, BROKERS)
  const problems = async (): Promise<string> => (await engine.topic(LINK, TOPIC))?.partitions.map(({ problem }) => problem ?? '').join('\n') ?? ''

  relay.cut(...shadow.controllerServers)
  await eventually('the status names the controllers', async () => (await problems()).includes('controller'), 20_000).catch((error: unknown) => { t.fail(String(error)) })
  t.comment(await problems())
  await sleep(BROKER_SESSION_MS)
  relay.heal()
  await wellLed()
  await untilCopied(copied, BROKERS)

  relay.cut(...source.bootstrapServers)
  await eventually('the status says that the source is not reached', async () => (await engine.engine.status(LINK)).source.reachable !== true, 60_000).catch((error: unknown) => { t.fail(String(error)) })
  t.comment(JSON.stringify((await engine.engine.status(LINK)).source))
  relay.heal()
  await untilCopied(copied, BROKERS)

  relay.cutFollower(1)
  await untilCopied(copied, [2])
  await sleep(1000)
  t.comment(JSON.stringify((await engine.topic(LINK, TOPIC))?.partitions[0]))
  relay.heal()
  await untilCopied(copied, BROKERS)
  nobodyWrote(t)

  // What operators can do to it behind our back.
  const others = new ShadowWatch(shadow, OTHER, BROKERS)
  t.teardown(() => others.stop())
  await eventually('it is led', () => others.latest?.leaderId === SHADOW_LEADER)
  for (const [name, value, wanted] of [['unclean.leader.election.enable', 'true', 'false'], ['min.insync.replicas', '2', '1'], ['retention.ms', '1000', '-1']] as const) {
    const atMs = performance.now()
    await asOperator(`${name} is ${value}`, () => alterTopicConfigs(shadowClient, OTHER, new Map([[name, value]]), { signal: signal() }))
    await eventually(`${name} is ${wanted} again`, async () => {
      const configs = (await describeTopicConfigs(shadowClient, [OTHER], { signal: signal() })).get(OTHER)
      return configs !== undefined && !(configs instanceof BrokerError) && configs.get(name)?.value === wanted
    })
    t.comment(`${name} was set back within ${Math.round(performance.now() - atMs)} ms`)
  }
  await asOperator('the moves are cancelled', async () => {
    const cancelled = await alterPartitionReassignments(shadowClient, Array.from({ length: PARTITIONS }, (_, partition) => ({ topic: OTHER, partition, replicas: null })), { signal: signal() })
    t.same(cancelled.map(({ errorCode }) => errorCode), Array.from({ length: PARTITIONS }, () => 0))
  })
  await eventually('the cancelled move is under way again', async () => (await shadowClient.refresh({ signal: signal() })).topics.get(OTHER)?.partitions.every(({ replicas }) => BROKERS.every(id => replicas.includes(id))) === true)
  await asOperator('a move to one broker', () => alterPartitionReassignments(shadowClient, [{ topic: OTHER, partition: 0, replicas: [2] }], { signal: signal() }))
  for (const electionType of [0, 1]) {
    const { body } = await shadowClient.request(ElectLeaders, { electionType, topicPartitions: [{ topic: OTHER, partitions: [0, 1, 2] }], timeoutMs: 10_000 }, 'any', { signal: signal() })
    t.comment(`election ${electionType}: ${JSON.stringify(body.replicaElectionResults)}`)
  }
  await sleep(1000)
  t.match(await engine.topic(LINK, OTHER), { state: 'ACTIVE', fault: null })
  t.same([...new Set(others.violations)], [])
  await others.stop()

  await watch.stop()
  t.ok(watch.refusals > 100, `${watch.refusals} writes were refused`)
  nobodyWrote(t)
  const acknowledged = await load.end()
  await untilCopied(copied, BROKERS)
  t.same(await differencesOf(copied, BROKERS), [], 'the files of every replica are the same')
  const ends = await endOffsets(sourceClient, TOPIC)
  // On a busy machine its lease, which is short here, may have run out for a moment.
  await eventually('the failover is ordered', async () => {
    await engine.engine.failover(LINK, null)
    return true
  })
  await eventually('the topics are failed over', async () => (await engine.topic(LINK, TOPIC))?.state === 'FAILED_OVER' && (await engine.topic(LINK, OTHER))?.state === 'FAILED_OVER')
  t.same(await endOffsets(shadowClient, TOPIC), ends)
  t.same(await tally(shadow, [TOPIC]), everyRecordOnce(acknowledged), 'the shadow has every record once')
  await engine.stop()
})
