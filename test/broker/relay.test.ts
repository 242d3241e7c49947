/** Connections that break at any byte, and requests that arrive when nobody waits for them any more. */
import tap, { test } from 'tap'
import { BrokerEngine, compareReplicas, createSourceTopic, eventually, linkDocument, testCluster, untilLevel } from '../support/broker-link.ts'
import { FAULTS, FaultRelay } from '../support/fault-relay.ts'
import { everyRecordOnce, Load, tally } from '../support/load.ts'
import { Random } from '../support/random.ts'
import { sharedClusters, uniqueName } from '../support/shared-clusters.ts'

tap.setTimeout(200_000)

const PRODUCE_KEY = 0
const PRODUCE_FAULT_RATE = 0.08
const OTHER_FAULT_RATE = 0.003
/** Twice that is what an engine waits before it believes that a request was lost. */
const MAX_HOLD_MS = 500
const TIMES = 4

const { source, shadow } = await sharedClusters(tap)
const [sourceClient, shadowClient] = [testCluster(source), testCluster(shadow)]
tap.teardown(async () => { await Promise.all([sourceClient.close(), shadowClient.close()]) })

test('a way to the shadow that breaks requests and answers in every manner leaves no difference', async t => {
  const name = uniqueName('relay')
  const topics = [`${name}-a`, `${name}-b`]
  for (const topic of topics) await createSourceTopic(sourceClient, topic, 4)
  const relay = new FaultRelay({ random: new Random(3), rate: apiKey => apiKey === PRODUCE_KEY ? PRODUCE_FAULT_RATE : OTHER_FAULT_RATE, maxHoldMs: MAX_HOLD_MS })
  relay.isFaulty = false
  t.teardown(() => relay.stop())
  const engine = await BrokerEngine.start(shadow, { shadowDial: relay.dial })
  t.teardown(() => engine.stop())
  await engine.engine.create(linkDocument(name, source, topics), { dryRun: false })

  const load = await Load.start(source, topics, 100)
  t.teardown(() => load.kill())
  relay.isFaulty = true
  await eventually('every fault has happened to appends several times', () => FAULTS.every(fault => relay.count(fault) >= TIMES), 150_000)
  const acknowledged = await load.end()
  relay.isFaulty = false

  await untilLevel(sourceClient, shadowClient, topics)
  await eventually('the engine leads', () => engine.engine.leadership().leading)
  for (const topic of topics) t.match(await engine.topic(name, topic), { state: 'ACTIVE', fault: null, fidelity: 'exact' })
  t.same((await engine.verify(name)).filter(({ difference, incomplete }) => difference !== null || incomplete !== null), [])
  for (const topic of topics) t.same((await compareReplicas(source, shadow, topic)).differences, [])
  t.same(await tally(shadow, topics), everyRecordOnce(acknowledged), 'the shadow has every record once')
  t.comment(FAULTS.map(fault => `${fault} ${relay.count(fault)}`).join(', '))
  await engine.deleteLink(name)
})
