/** The story of a site that is lost: two sites, a link, a refused write, a failover, and the proof that nothing was lost with it. */
import { client, describeTopic, readOrders, writeOrders } from './clients.ts'
import type { DemoCluster } from './demo-cluster.ts'
import type { KshadowProcess } from './kshadow-process.ts'
import { linkYaml, TIMEOUT_MS, type Stage } from './stage.ts'

const LINK = 'site-a'
const ORDERS = 1000
const MORE_ORDERS = 200

/** The first of shadow_leader.broker_ids, by which the engine is registered with the shadow cluster. */
const SHADOW_LEADER = 3000

/** Tells it. Returns what can be tried while everything is left running. @throws {Error} where it does not go as it should */
export async function tellLostSite (stage: Stage): Promise<string[]> {
  const { tell } = stage
  tell.title('kafka-shadow: a read-only shadow of a Kafka cluster, ready to take over')

  tell.step('Two sites: A, where the shop runs, and B, which is to take over when A is lost')
  const [a, b] = await Promise.all([stage.cluster('site-a', '4.1'), stage.cluster('site-b', '4.3')])
  tell.done(`site A: ${a.kind} at ${a.bootstrapServers.join(', ')}`)
  tell.done(`site B: ${b.kind} at ${b.bootstrapServers.join(', ')}`)

  tell.step(`The shop writes ${ORDERS} orders at site A, with kafkajs`)
  const atA = client(a.bootstrapServers)
  const admin = atA.admin()
  await admin.connect()
  const replicationFactor = a.bootstrapServers.length
  await admin.createTopics({ waitForLeaders: true, topics: [{ topic: 'orders', numPartitions: 3, replicationFactor }, { topic: 'payments', numPartitions: 1, replicationFactor, configEntries: [{ name: 'retention.ms', value: '86400000' }] }] })
  await admin.disconnect()
  const producerA = await stage.producer(atA.producer({ idempotent: true }))
  await writeOrders(producerA, 'orders', { first: 0, count: ORDERS })
  await writeOrders(producerA, 'payments', { first: 0, count: ORDERS })
  tell.done(`${ORDERS} orders and ${ORDERS} payments are written`)

  tell.step('kafka-shadow runs beside site B: an engine that copies, and a sidecar that clients connect to')
  const kshadow = await stage.startKshadow('kshadow', b)
  tell.done(`kshadow run: the sidecar is at ${kshadow.sidecar}, the admin port at ${kshadow.admin}`)
  const linkFile = stage.write('link.yaml', linkYaml(LINK, a, { patternType: 'LITERAL', name: '*' }))
  await stage.show(kshadow, 'config', 'check', linkFile)
  await stage.show(kshadow, 'check', '-c', linkFile)
  await stage.show(kshadow, 'create', '-c', linkFile, '--no-confirm')
  const isReplica = await tellMode(stage, kshadow)
  await stage.untilCopied(kshadow, LINK, { orders: ORDERS, payments: ORDERS })
  tell.done('both topics are copied')
  await stage.show(kshadow, 'status', LINK, '--print-topic')
  if (isReplica) await tellBrokers(stage, b, 'the engine leads the shadow topics, and the real brokers follow it')

  tell.step('The shadow can be read through the sidecar; it cannot be written to')
  const atB = client([kshadow.sidecar])
  const read = await readOrders(atB, { group: 'shipping', topics: ['orders'], count: ORDERS, timeoutMs: TIMEOUT_MS })
  tell.done(`group "shipping" read ${read.length} orders from the shadow`)
  const producerB = await stage.producer(atB.producer({ retry: { retries: 0 } }))
  await stage.refused(producerB, 'orders')
  if (isReplica) {
    await stage.show(kshadow, 'verify', LINK)
    tell.done('every replica was compared with the source, byte by byte, while copying goes on')
  }

  tell.step('The shop goes on writing, and site A is lost')
  await writeOrders(producerA, 'orders', { first: ORDERS, count: MORE_ORDERS })
  await stage.untilCopied(kshadow, LINK, { orders: ORDERS + MORE_ORDERS })
  tell.done(`${MORE_ORDERS} more orders are written, and copied`)
  await producerA.disconnect()
  await a.lose()
  tell.done('site A does not answer any more')

  tell.step('Failover: one command, and the producer that was refused may write')
  const failedOverAtMs = performance.now()
  const written = stage.writesAgain(producerB, 'orders', ORDERS + MORE_ORDERS)
  await stage.show(kshadow, 'failover', LINK, '--topic', 'orders', '--no-confirm')
  const { offset, atMs } = await written
  tell.done(`the same producer, on its old connection, wrote at offset ${offset}, ${Math.round(atMs - failedOverAtMs)} ms after the command was given`)
  const rest = await readOrders(atB, { group: 'shipping', topics: ['orders'], count: MORE_ORDERS + 1, timeoutMs: TIMEOUT_MS })
  const all = new Set([...read, ...rest].map(({ order }) => order))
  if (all.size !== ORDERS + MORE_ORDERS + 1) throw new Error(`group "shipping" has read ${all.size} different orders of ${ORDERS + MORE_ORDERS + 1}`)
  tell.done(`group "shipping" went on where it was: ${rest.length} orders, none lost, none twice`)
  await stage.refused(producerB, 'payments')

  tell.step('Site A is back. Was the copy exact, up to the failover?')
  await a.restore()
  await stage.show(kshadow, 'verify', LINK)
  tell.done('every batch was compared, byte by byte')

  if (!stage.options.stay) {
    tell.step('The rest of the link is failed over, and the link deleted')
    await stage.show(kshadow, 'failover', LINK, '--all', '--no-confirm')
    await stage.show(kshadow, 'delete', LINK, '--no-confirm')
    if (isReplica) {
      await stage.until('the engine has left the cluster', async () => !(await describeTopic(client(b.bootstrapServers), 'orders')).brokers.includes(SHADOW_LEADER))
      await tellBrokers(stage, b, 'what is left is plain Kafka, which needs neither engine nor sidecar')
    }
  }
  tell.title('That is all: the same offsets, the same bytes, on a cluster that took over.')
  return [
    'Topic payments is still a shadow. Try, in another terminal:',
    `npx kshadow status ${LINK} --watch --admin ${kshadow.admin}`,
    `npx kshadow failover ${LINK} --all --admin ${kshadow.admin}`,
    `and any Kafka client against the sidecar at ${kshadow.sidecar}`
  ]
}

/** Says which append mode the link came to. True for replica. @throws {Error} when it is not the one that these clusters allow */
async function tellMode (stage: Stage, kshadow: KshadowProcess): Promise<boolean> {
  const status = await stage.status(kshadow, LINK)
  if (status === null) throw new Error('the engine does not lead any more')
  const { append_mode: mode, append_mode_reason: reason } = status.overview
  const expected = stage.options.kafka ? 'replica' : 'produce'
  if (mode !== expected) throw new Error(`append_mode auto came to ${mode}, not ${expected}: ${reason ?? 'nobody says why'}`)
  stage.tell.done(mode === 'replica'
    ? 'append_mode auto came to replica: site B\'s own brokers fetch the bytes from the engine, as followers'
    : `append_mode auto came to produce: ${reason ?? ''}`)
  return mode === 'replica'
}

/** Shows whom the shadow cluster itself knows, and who leads orders. */
async function tellBrokers ({ tell }: Stage, cluster: DemoCluster, meaning: string): Promise<void> {
  const { brokers, partitions } = await describeTopic(client(cluster.bootstrapServers), 'orders')
  tell.output([
    `brokers of site B: ${brokers.join(', ')}`,
    ...partitions.map(({ leader, replicas }, partition) => `orders-${partition}: leader ${leader}, replicas ${replicas.join(', ')}`)
  ].join('\n'))
  tell.done(meaning)
}
