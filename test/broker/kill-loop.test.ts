/** Engines that die, and engines that come back from the dead, leave no trace in the shadow. */
import tap, { test, type Test } from 'tap'
import type { Cluster } from '../../src/client/cluster.ts'
import { sleep } from '../../src/net/sleep.ts'
import { BrokerEngine, compareReplicas, createSourceTopic, endOffsets, eventually, linkDocument, testCluster, untilLevel } from '../support/broker-link.ts'
import { EngineProcess } from '../support/engine-process.ts'
import { everyRecordOnce, Load, tally } from '../support/load.ts'
import { Random } from '../support/random.ts'
import { sharedClusters, uniqueName } from '../support/shared-clusters.ts'

tap.setTimeout(290_000)

const KILLS = 20
const FREEZES = 4
const SESSION_MS = 1000

const { source, shadow } = await sharedClusters(tap)
const [sourceClient, shadowClient] = [testCluster(source), testCluster(shadow)]
tap.teardown(async () => { await Promise.all([sourceClient.close(), shadowClient.close()]) })

interface Scene {
  readonly topics: readonly string[]
  readonly load: Load
  /** A process that runs nothing yet. */
  newEngine (): EngineProcess
}

/** Topics under load, and a link for them. */
async function begin (t: Test, name: string): Promise<Scene> {
  const topics = [`${name}-a`, `${name}-b`]
  for (const topic of topics) await createSourceTopic(sourceClient, topic, 3)
  const load = await Load.start(source, topics, 100)
  t.teardown(() => load.kill())
  const links = [linkDocument(name, source, topics)]
  return {
    topics,
    load,
    newEngine: () => {
      const engine = new EngineProcess({ shadow, links, sessionTimeoutMs: SESSION_MS })
      t.teardown(async () => { await engine.stop() })
      return engine
    }
  }
}

/** Ends the load; then source and shadow must be the same, however one looks. */
async function proveNothingDiffers (t: Test, name: string, { topics, load }: Scene): Promise<void> {
  const acknowledged = await load.end()
  const engine = await BrokerEngine.start(shadow, { sessionTimeoutMs: SESSION_MS })
  t.teardown(() => engine.stop())
  await untilLevel(sourceClient, shadowClient, topics)
  for (const topic of topics) t.match(await engine.topic(name, topic), { state: 'ACTIVE', fault: null, fidelity: 'exact' })
  t.same((await engine.verify(name)).filter(({ difference, incomplete }) => difference !== null || incomplete !== null), [])
  for (const topic of topics) {
    const { differences, batches } = await compareReplicas(source, shadow, topic)
    t.same(differences, [])
    t.ok(batches > 100, `${batches} batches of ${topic} are the same in the files of every replica`)
  }
  t.same(await tally(shadow, topics), everyRecordOnce(acknowledged), 'the shadow has every record once')
  await engine.deleteLink(name)
  await engine.stop()
}

/** Waits until the shadow has more than it had. */
async function untilMore (cluster: Cluster, topics: readonly string[], than: number): Promise<number> {
  let now = than
  await eventually('the shadow grows', async () => {
    now = await recordsOf(cluster, topics)
    return now > than
  })
  return now
}

async function recordsOf (cluster: Cluster, topics: readonly string[]): Promise<number> {
  const ends = await Promise.all(topics.map(topic => endOffsets(cluster, topic)))
  return ends.flat().reduce((sum, end) => sum + end, 0)
}

test(`an engine that is killed ${KILLS} times under load leaves no difference`, async t => {
  const name = uniqueName('killed')
  const scene = await begin(t, name)
  const random = new Random(1)
  const engine = scene.newEngine()
  for (let kill = 0, records = 0; kill < KILLS; kill++) {
    await engine.start()
    records = await untilMore(shadowClient, scene.topics, records)
    await sleep(random.below(400))
    await engine.kill()
    records = await recordsOf(shadowClient, scene.topics)
  }
  await engine.stop()
  await proveNothingDiffers(t, name, scene)
})

test('an engine that was frozen while another one took over does nothing when it wakes', async t => {
  const name = uniqueName('frozen')
  const scene = await begin(t, name)
  const random = new Random(2)
  let [leader, other] = [scene.newEngine(), scene.newEngine()]
  await leader.start()
  let records = await untilMore(shadowClient, scene.topics, 0)
  await other.start()
  for (let freeze = 0; freeze < FREEZES; freeze++) {
    await sleep(random.below(400))
    leader.pause()
    // What it had sent is in the brokers' hands; what comes after that is the other's.
    await sleep(200)
    records = await untilMore(shadowClient, scene.topics, await recordsOf(shadowClient, scene.topics))
    leader.resume()
    records = await untilMore(shadowClient, scene.topics, records)
    t.ok(leader.isRunning && other.isRunning, 'both engines go on')
    ;[leader, other] = [other, leader]
  }
  await leader.stop()
  await other.stop()
  await proveNothingDiffers(t, name, scene)
})
