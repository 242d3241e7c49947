/** What a link asks of its clusters must not grow with the number of its topics: they are asked for together. */
import { test } from 'tap'
import { createTopics } from '../../src/client/admin/create-topic.ts'
import type { EmbeddedBroker } from '../../src/embedded/embedded-broker.ts'
import { LINK, ShadowPair, until } from '../support/shadow-pair.ts'

const TOPICS = 400
/** Of requests of one kind: what hundreds of topics may take, and a request for each of them does not fit in. */
const FEW = 60

/** How many requests of each kind a broker has got. */
function counting (broker: EmbeddedBroker): Map<string, number> {
  const counts = new Map<string, number>()
  broker.onRequest(({ api: { name }, clientId }) => {
    // Moving the shadow's producer ids past those of the source takes requests by the number of ids, and not of topics.
    if (clientId !== 'test' && name !== 'InitProducerId') counts.set(name, (counts.get(name) ?? 0) + 1)
    return 'pass'
  })
  return counts
}

test('hundreds of topics are created, looked at and failed over with few requests', async t => {
  const pair = await ShadowPair.start(t, { topicSync: { interval: '1h' } })
  const { signal } = new AbortController()
  const names = Array.from({ length: TOPICS }, (_, index) => `many-${index}`)
  await createTopics(pair.sourceCluster, names.map(name => ({ name, partitions: 2, replicationFactor: 1, configs: {} })), { signal })
  for (const name of names) pair.write(name, 0, 1)
  const onSource = counting(pair.source)
  const onShadow = counting(pair.shadow)
  const engine = pair.startEngine()
  const isLevel = async (): Promise<boolean> => {
    const topics = (await engine.link())?.topics ?? []
    return topics.length === TOPICS && topics.every(({ state, partitions }) => state === 'ACTIVE' && partitions.length === 2 && partitions.every(({ lagRecords }) => lagRecords === 0))
  }
  await until('all are level', isLevel)
  const few = (counts: ReadonlyMap<string, number>): Array<[string, number]> => [...counts].filter(([, count]) => count > FEW)
  t.same(few(onSource), [], 'of the source')
  t.same(few(onShadow), [], 'of the shadow')
  onSource.clear()
  onShadow.clear()
  await engine.engine.failover(LINK, null)
  await until('all are failed over', async () => (await engine.link())?.topics.every(({ state }) => state === 'FAILED_OVER') === true)
  t.same(few(onSource), [], 'of the source, by the failover')
  t.same(few(onShadow), [], 'of the shadow, by the failover')
})
