/**
 * The story of a reciprocal pair: each site writes topics of its own and shadows the other's. Either can be lost, and its topics
 * are then written at the one that is left, while that one's own go on as before.
 */
import type { Producer } from 'kafkajs'
import { client, readOrders, writeOrders } from './clients.ts'
import type { DemoCluster } from './demo-cluster.ts'
import type { KshadowProcess } from './kshadow-process.ts'
import { linkYaml, TIMEOUT_MS, type Stage } from './stage.ts'

const ORDERS = 500
const MORE_ORDERS = 100

/** One of the two sites; its clients know nothing but its sidecar. */
interface Site {
  readonly name: 'A' | 'B'
  /** The topic that is written here: its prefix says where it belongs. */
  readonly topic: string
  readonly cluster: DemoCluster
  readonly kshadow: KshadowProcess
  readonly producer: Producer
}

/** Tells it. Returns what can be tried while everything is left running. @throws {Error} where it does not go as it should */
export async function tellPair (stage: Stage): Promise<string[]> {
  const { tell } = stage
  tell.title('kafka-shadow: two sites that shadow each other')

  tell.step('Two sites, both at work: A writes a_orders, B writes b_orders. Beside each runs kafka-shadow')
  const [a, b] = await Promise.all([openSite(stage, 'A', '4.1'), openSite(stage, 'B', '4.3')])
  for (const { name, topic, cluster, kshadow, producer } of [a, b]) {
    await writeOrders(producer, topic, { first: 0, count: ORDERS })
    tell.done(`site ${name}: ${cluster.kind} at ${cluster.bootstrapServers.join(', ')}, sidecar at ${kshadow.sidecar}: ${ORDERS} records in ${topic}`)
  }

  tell.step('A link in each direction, each for the prefix of the other site: no topic is copied back')
  await link(stage, a, b)
  await link(stage, b, a)
  await stage.untilCopied(b.kshadow, 'from-a', { a_orders: ORDERS })
  await stage.untilCopied(a.kshadow, 'from-b', { b_orders: ORDERS })
  tell.done('each site holds both topics')
  for (const { kshadow } of [a, b]) await stage.show(kshadow, 'list')

  tell.step('A consumer at either site reads everything, from its own cluster: what is written there, and the shadow of the rest')
  for (const site of [a, b]) await readBoth(stage, site, 2 * ORDERS)
  await stage.refused(a.producer, b.topic)
  await stage.refused(b.producer, a.topic)

  tell.step('Site A is lost. Its topics are failed over at site B; B\'s own are written as before')
  await a.cluster.lose()
  const lostAtMs = performance.now()
  const written = stage.writesAgain(b.producer, a.topic, ORDERS)
  await stage.show(b.kshadow, 'failover', 'from-a', '--all', '--no-confirm')
  const { offset, atMs } = await written
  tell.done(`${a.topic} is written at site B, from offset ${offset} on, ${Math.round(atMs - lostAtMs)} ms after site A was lost`)
  await writeOrders(b.producer, b.topic, { first: ORDERS, count: MORE_ORDERS })
  await readBoth(stage, b, MORE_ORDERS + 1)

  tell.step('Site A is back: the other direction has gone on by itself')
  await a.cluster.restore()
  await stage.untilCopied(a.kshadow, 'from-b', { b_orders: ORDERS + MORE_ORDERS })
  tell.done(`what B wrote meanwhile is at A: ${ORDERS + MORE_ORDERS} records in ${b.topic}`)
  await stage.show(a.kshadow, 'verify', 'from-b')
  if ((await stage.status(a.kshadow, 'from-b'))?.topics.some(({ name }) => name !== b.topic) !== false) throw new Error('site A shadows a topic that is not site B\'s')
  tell.done(`${a.topic} belongs to site B now. A's old copy of it is left as it is, and was not touched by any link`)
  tell.title('That is all: two sites at work, each ready to take over for the other.')
  return [
    'Try, in another terminal:',
    `npx kshadow status from-a --watch --admin ${b.kshadow.admin}`,
    `npx kshadow status from-b --watch --admin ${a.kshadow.admin}`
  ]
}

async function openSite (stage: Stage, name: 'A' | 'B', version: '4.1' | '4.3'): Promise<Site> {
  const letter = name.toLowerCase()
  const topic = `${letter}_orders`
  const cluster = await stage.cluster(`site-${letter}`, version)
  const admin = client(cluster.bootstrapServers).admin()
  await admin.connect()
  await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 2, replicationFactor: cluster.bootstrapServers.length }] })
  await admin.disconnect()
  const kshadow = await stage.startKshadow(`kshadow-${letter}`, cluster)
  const producer = await stage.producer(client([kshadow.sidecar]).producer({ retry: { retries: 0 } }))
  return { name, topic, cluster, kshadow, producer }
}

/** Has `to` shadow the topics of `from`. */
async function link (stage: Stage, from: Site, to: Site): Promise<void> {
  const letter = from.name.toLowerCase()
  const file = stage.write(`from-${letter}.yaml`, linkYaml(`from-${letter}`, from.cluster, { patternType: 'PREFIX', name: `${letter}_` }))
  await stage.show(to.kshadow, 'create', '-c', file, '--no-confirm')
}

/** The group `dashboard` of this site reads on, in both topics. */
async function readBoth ({ tell }: Stage, { name, kshadow }: Site, count: number): Promise<void> {
  const read = await readOrders(client([kshadow.sidecar]), { group: 'dashboard', topics: ['a_orders', 'b_orders'], count, timeoutMs: TIMEOUT_MS })
  const distinct = new Set(read.map(({ topic, order }) => `${topic} ${order}`))
  if (distinct.size !== count) throw new Error(`group "dashboard" of site ${name} read ${distinct.size} different records of ${count}`)
  const of = (topic: string): number => read.filter(record => record.topic === topic).length
  tell.done(`group "dashboard" at site ${name} read ${of('a_orders')} records of a_orders and ${of('b_orders')} of b_orders`)
}
