/** What becomes of a promotion whose topic is stopped by a fault. */
import { test, type Test } from 'tap'
import { createTopic } from '../../../src/client/admin/create-topic.ts'
import { Cluster } from '../../../src/client/cluster.ts'
import { EmbeddedBroker } from '../../../src/embedded/embedded-broker.ts'
import { silentLogger } from '../../../src/observability/logger.ts'
import type { Opening } from '../../../src/replication/append/append-mode.ts'
import { Openings } from '../../../src/replication/failover/openings.ts'
import { SourceEnds } from '../../../src/replication/failover/source-ends.ts'
import { ShadowTopic } from '../../../src/replication/link/shadow-topic.ts'
import type { TopicFault } from '../../../src/state/topic-state.ts'
import { until } from '../../support/shadow-pair.ts'
import { topicRecord } from '../../support/topic-record.ts'

const FAULT: TopicFault = { code: 'DIVERGED', reason: 'for a test', partition: 0, offset: 0 }

interface Scene {
  readonly topic: ShadowTopic
  readonly openings: Openings
  /** How often the append mode was to open the topic. */
  readonly opened: () => number
}

/** A topic that is PROMOTING, and level with its source, which is empty. */
async function setUp (t: Test, { beforeOpening = async () => await Promise.resolve(null), failOver }: { readonly beforeOpening?: (topic: ShadowTopic) => Promise<string | null>, readonly failOver: (topic: ShadowTopic, opening: Opening) => Promise<void> }): Promise<Scene> {
  const source = await EmbeddedBroker.start()
  const cluster = new Cluster({ bootstrapServers: [source.address], clientId: 'test', logger: silentLogger })
  const abort = new AbortController()
  const { signal } = abort
  await createTopic(cluster, { name: 'a', partitions: 1, replicationFactor: 1, configs: {} }, { signal })
  const topic = new ShadowTopic(topicRecord({ topic: 'a', state: 'PROMOTING' }), {
    now: () => performance.now(),
    wallClock: () => new Date(0),
    logger: silentLogger,
    signal,
    write: async () => { await Promise.resolve() },
    begin: () => ({
      partition: 0,
      shadowEndOffset: 0,
      freeze: () => {},
      thaw: () => {},
      stop: () => {},
      status: () => ({ partition: 0, sourceLogStartOffset: 0, sourceLastStableOffset: 0, sourceHighWatermark: 0, shadowEndOffset: 0, lagRecords: 0, lagSeconds: 0, sourceContactAgeMs: 0, activity: 'copying', problem: null })
    })
  })
  topic.copy(1)
  let opened = 0
  const openings = new Openings({
    sourceEnds: new SourceEnds({ source: cluster, signal, now: () => performance.now(), checkSource: () => {} }),
    signal,
    logger: silentLogger,
    failOver: async (failed, opening) => {
      opened++
      await failOver(failed, opening)
    },
    beforeOpening,
    wakeSync: () => {},
    onOpened: () => {}
  })
  t.teardown(async () => {
    abort.abort()
    await openings.ended()
    await cluster.close()
    await source.stop()
  })
  return { topic, openings, opened: () => opened }
}

test('one that was stopped while its promotion waited for its turn is not opened, and is shadowed again once it is restarted', async t => {
  const { topic, openings, opened } = await setUp(t, { failOver: async () => { await Promise.reject(new Error('nothing has it opened')) } })
  let release = (): void => {}
  const turn = topic.exclusively(() => new Promise<void>(resolve => { release = resolve }))
  openings.begin(topic)
  await until('it is level, and frozen', () => !topic.isShadowed)
  topic.fault(FAULT)
  release()
  await turn
  await openings.ended()
  t.equal(opened(), 0)
  t.match(topic.status(1), { state: 'FAULTED', fault: FAULT, problem: null })
  await topic.exclusively(() => topic.restart())
  t.ok(topic.isShadowed && topic.isCopying)
})

test('one that was stopped while the source was asked for the last time may not be opened', async t => {
  let answer: boolean | null = null
  const { topic, openings, opened } = await setUp(t, {
    beforeOpening: async stopped => {
      stopped.fault(FAULT)
      return await Promise.resolve(null)
    },
    failOver: async (_, opening) => { answer = await opening.mayOpen([0]) }
  })
  openings.begin(topic)
  await openings.ended()
  t.equal(opened(), 1)
  t.equal(answer, false)
  t.match(topic.status(1), { state: 'FAULTED', fault: FAULT, problem: null })
})
