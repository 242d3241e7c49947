/** The demo's story: two sites, a link, a refused write, a site that is lost, a failover, and the proof that nothing was. */
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Producer } from 'kafkajs'
import { z } from 'zod'
import { messageOf } from '../../src/errors.ts'
import { client, describeTopic, readOrders, writeOrders } from './clients.ts'
import { startEmbeddedCluster, startKafkaCluster, type DemoCluster } from './demo-cluster.ts'
import { KshadowProcess } from './kshadow-process.ts'
import { Narrator } from './narrator.ts'

export interface DemoOptions {
  readonly kafka: boolean
  readonly stay: boolean
}

const LINK = 'site-a'
const ORDERS = 1000
const MORE_ORDERS = 200
const TIMEOUT_MS = 60_000
const POLL_MS = 50

/** The first of shadow_leader.broker_ids, by which the engine is registered with the shadow cluster. */
const SHADOW_LEADER = 3000

const statusSchema = z.object({
  overview: z.object({ append_mode: z.string(), append_mode_reason: z.string().nullable() }),
  topics: z.array(z.object({
    name: z.string(),
    state: z.string(),
    partitions: z.array(z.object({ dst_hwm: z.number().nullable() }))
  }))
})

/** Runs the story. Returns the exit code: 0 if everything went as it should. */
export async function runDemo (options: DemoOptions): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'kshadow-demo-'))
  const demo = new Demo(options, directory)
  const interrupted = new AbortController()
  const onSignal = (): void => { interrupted.abort() }
  process.once('SIGINT', onSignal)
  process.once('SIGTERM', onSignal)
  try {
    await demo.run()
    if (options.stay) await demo.stay(interrupted.signal)
    return 0
  } catch (error) {
    console.error(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`)
    demo.explain()
    return 1
  } finally {
    await demo.stop()
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
    rmSync(directory, { recursive: true, force: true })
  }
}

class Demo {
  readonly #options: DemoOptions
  readonly #directory: string
  readonly #narrator = new Narrator()
  readonly #cleanUps: Array<() => Promise<void>> = []
  #kshadow: KshadowProcess | null = null

  constructor (options: DemoOptions, directory: string) {
    this.#options = options
    this.#directory = directory
  }

  async run (): Promise<void> {
    const tell = this.#narrator
    tell.title('kafka-shadow: a read-only shadow of a Kafka cluster, ready to take over')

    tell.step('Two sites: A, where the shop runs, and B, which is to take over when A is lost')
    const [a, b] = await Promise.all([this.#cluster('site-a', '4.1'), this.#cluster('site-b', '4.3')])
    tell.done(`site A: ${a.kind} at ${a.bootstrapServers.join(', ')}`)
    tell.done(`site B: ${b.kind} at ${b.bootstrapServers.join(', ')}`)

    tell.step(`The shop writes ${ORDERS} orders at site A, with kafkajs`)
    const atA = client(a.bootstrapServers)
    const admin = atA.admin()
    await admin.connect()
    const replicationFactor = a.bootstrapServers.length
    await admin.createTopics({ waitForLeaders: true, topics: [{ topic: 'orders', numPartitions: 3, replicationFactor }, { topic: 'payments', numPartitions: 1, replicationFactor, configEntries: [{ name: 'retention.ms', value: '86400000' }] }] })
    await admin.disconnect()
    const producerA = await this.#producer(atA.producer({ idempotent: true }))
    await writeOrders(producerA, 'orders', { first: 0, count: ORDERS })
    await writeOrders(producerA, 'payments', { first: 0, count: ORDERS })
    tell.done(`${ORDERS} orders and ${ORDERS} payments are written`)

    tell.step('kafka-shadow runs beside site B: an engine that copies, and a sidecar that clients connect to')
    const kshadow = await this.#startKshadow(b)
    tell.done(`kshadow run: the sidecar is at ${kshadow.sidecar}, the admin port at ${kshadow.admin}`)
    const linkFile = this.#write('link.yaml', linkYaml(a))
    await this.#showCommand('config', 'check', linkFile)
    await this.#until('the engine leads', async () => (await kshadow.command('list')).exitCode === 0)
    await this.#showCommand('check', '-c', linkFile)
    await this.#showCommand('create', '-c', linkFile, '--no-confirm')
    const isReplica = await this.#tellMode()
    await this.#untilCopied({ orders: ORDERS, payments: ORDERS })
    tell.done('both topics are copied')
    await this.#showCommand('status', LINK, '--print-topic')
    if (isReplica) await this.#tellBrokers(b, 'the engine leads the shadow topics, and the real brokers follow it')

    tell.step('The shadow can be read through the sidecar; it cannot be written to')
    const atB = client([kshadow.sidecar])
    const read = await readOrders(atB, { group: 'shipping', topic: 'orders', count: ORDERS, timeoutMs: TIMEOUT_MS })
    tell.done(`group "shipping" read ${read.length} orders from the shadow`)
    const producerB = await this.#producer(atB.producer({ retry: { retries: 0 } }))
    await this.#refused(producerB, 'orders')
    if (isReplica) {
      await this.#showCommand('verify', LINK)
      tell.done('every replica was compared with the source, byte by byte, while copying goes on')
    }

    tell.step('The shop goes on writing, and site A is lost')
    await writeOrders(producerA, 'orders', { first: ORDERS, count: MORE_ORDERS })
    await this.#untilCopied({ orders: ORDERS + MORE_ORDERS })
    tell.done(`${MORE_ORDERS} more orders are written, and copied`)
    await producerA.disconnect()
    await a.lose()
    tell.done('site A does not answer any more')

    tell.step('Failover: one command, and the producer that was refused may write')
    const failedOverAtMs = performance.now()
    const written = this.#writesAgain(producerB, 'orders')
    await this.#showCommand('failover', LINK, '--topic', 'orders', '--no-confirm')
    const { offset, atMs } = await written
    tell.done(`the same producer, on its old connection, wrote at offset ${offset}, ${Math.round(atMs - failedOverAtMs)} ms after the command was given`)
    const rest = await readOrders(atB, { group: 'shipping', topic: 'orders', count: MORE_ORDERS + 1, timeoutMs: TIMEOUT_MS })
    const all = new Set([...read, ...rest])
    if (all.size !== ORDERS + MORE_ORDERS + 1) throw new Error(`group "shipping" has read ${all.size} different orders of ${ORDERS + MORE_ORDERS + 1}`)
    tell.done(`group "shipping" went on where it was: ${rest.length} orders, none lost, none twice`)
    await this.#refused(producerB, 'payments')

    tell.step('Site A is back. Was the copy exact, up to the failover?')
    await a.restore()
    await this.#showCommand('verify', LINK)
    tell.done('every batch was compared, byte by byte')

    if (!this.#options.stay) {
      tell.step('The rest of the link is failed over, and the link deleted')
      await this.#showCommand('failover', LINK, '--all', '--no-confirm')
      await this.#showCommand('delete', LINK, '--no-confirm')
      if (isReplica) {
        await this.#until('the engine has left the cluster', async () => !(await describeTopic(client(b.bootstrapServers), 'orders')).brokers.includes(SHADOW_LEADER))
        await this.#tellBrokers(b, 'what is left is plain Kafka, which needs neither engine nor sidecar')
      }
    }
    tell.title('That is all: the same offsets, the same bytes, on a cluster that took over.')
  }

  /** Says which append mode the link came to. True for replica. @throws {Error} when it is not the one that these clusters allow */
  async #tellMode (): Promise<boolean> {
    const { stdout } = await this.#running().command('status', LINK, '--output', 'json')
    const { append_mode: mode, append_mode_reason: reason } = statusSchema.parse(JSON.parse(stdout)).overview
    const expected = this.#options.kafka ? 'replica' : 'produce'
    if (mode !== expected) throw new Error(`append_mode auto came to ${mode}, not ${expected}: ${reason ?? 'nobody says why'}`)
    this.#narrator.done(mode === 'replica'
      ? 'append_mode auto came to replica: site B\'s own brokers fetch the bytes from the engine, as followers'
      : `append_mode auto came to produce: ${reason ?? ''}`)
    return mode === 'replica'
  }

  /** Shows whom the shadow cluster itself knows, and who leads orders. */
  async #tellBrokers (cluster: DemoCluster, meaning: string): Promise<void> {
    const { brokers, partitions } = await describeTopic(client(cluster.bootstrapServers), 'orders')
    this.#narrator.output([
      `brokers of site B: ${brokers.join(', ')}`,
      ...partitions.map(({ leader, replicas }, partition) => `orders-${partition}: leader ${leader}, replicas ${replicas.join(', ')}`)
    ].join('\n'))
    this.#narrator.done(meaning)
  }

  /** Keeps everything running until the signal. */
  async stay (signal: AbortSignal): Promise<void> {
    const kshadow = this.#running()
    const tell = this.#narrator
    tell.title('Everything is left running. Topic payments is still a shadow. Try, in another terminal:')
    tell.say(`npx kshadow status ${LINK} --watch --admin ${kshadow.admin}`)
    tell.say(`npx kshadow failover ${LINK} --all --admin ${kshadow.admin}`)
    tell.say(`and any Kafka client against the sidecar at ${kshadow.sidecar}`)
    tell.say(`kshadow's log: ${kshadow.logFile}`)
    tell.say('Ctrl-C ends it.')
    if (!signal.aborted) await once(signal, 'abort')
  }

  /** Where to look when it failed. */
  explain (): void {
    if (this.#kshadow !== null) console.error(`The log of kshadow ends with:\n${this.#kshadow.logTail()}`)
  }

  async stop (): Promise<void> {
    for (const cleanUp of this.#cleanUps.reverse()) {
      await cleanUp().catch((error: unknown) => { console.error(error) })
    }
  }

  async #cluster (name: string, version: '4.1' | '4.3'): Promise<DemoCluster> {
    const cluster = await (this.#options.kafka ? startKafkaCluster(name, version) : startEmbeddedCluster(name, this.#directory))
    this.#cleanUps.push(() => cluster.stop())
    return cluster
  }

  async #producer (producer: Producer): Promise<Producer> {
    await producer.connect()
    this.#cleanUps.push(() => producer.disconnect())
    return producer
  }

  async #startKshadow (shadow: DemoCluster): Promise<KshadowProcess> {
    const kshadow = await KshadowProcess.start(this.#write('kshadow.yaml', runYaml(shadow)), this.#directory)
    this.#kshadow = kshadow
    this.#cleanUps.push(() => kshadow.stop())
    return kshadow
  }

  #running (): KshadowProcess {
    if (this.#kshadow === null) throw new Error('kshadow does not run')
    return this.#kshadow
  }

  #write (name: string, text: string): string {
    const path = join(this.#directory, name)
    writeFileSync(path, text)
    return path
  }

  /** Runs a command and shows what it prints. @throws {Error} when it fails */
  async #showCommand (...args: readonly string[]): Promise<void> {
    this.#narrator.command(args)
    const { exitCode, stdout, stderr } = await this.#running().command(...args)
    this.#narrator.output(`${stderr}${stdout}`)
    if (exitCode !== 0) throw new Error(`kshadow ${args.join(' ')} ended with exit code ${exitCode ?? 'none'}`)
  }

  /** Waits until the shadow has so many records of each topic: all that was written at the source. */
  async #untilCopied (wanted: Readonly<Record<string, number>>): Promise<void> {
    await this.#until('the shadow has all records', async () => {
      const { exitCode, stdout } = await this.#running().command('status', LINK, '--output', 'json')
      if (exitCode !== 0) return false
      const { topics } = statusSchema.parse(JSON.parse(stdout))
      return Object.entries(wanted).every(([name, count]) => {
        const partitions = topics.find(topic => topic.name === name)?.partitions ?? []
        return partitions.reduce((sum, { dst_hwm: end }) => sum + (end ?? 0), 0) === count
      })
    })
  }

  async #until (what: string, check: () => Promise<boolean>): Promise<void> {
    const deadlineMs = performance.now() + TIMEOUT_MS
    while (!await check()) {
      if (performance.now() > deadlineMs) throw new Error(`waited ${TIMEOUT_MS / 1000} s until ${what}`)
      await sleep(POLL_MS)
    }
  }

  /** Tries to write, and shows the refusal. @throws {Error} when the write was accepted */
  async #refused (producer: Producer, topic: string): Promise<void> {
    const refusal = await producer.send({ topic, messages: [{ value: '{"order":-1}' }] }).then(() => null, refusalText)
    if (refusal === null) throw new Error(`a write to the shadow topic ${topic} was accepted`)
    this.#narrator.done(`a write to ${topic} was refused: ${refusal}`)
  }

  /** Tries to write until it is accepted. */
  async #writesAgain (producer: Producer, topic: string): Promise<{ readonly offset: string, readonly atMs: number }> {
    const deadlineMs = performance.now() + TIMEOUT_MS
    for (;;) {
      try {
        const [row] = await producer.send({ topic, messages: [{ key: 'customer-1', value: JSON.stringify({ order: ORDERS + MORE_ORDERS }) }] })
        return { offset: row?.baseOffset ?? 'unknown', atMs: performance.now() }
      } catch (error) {
        if (performance.now() > deadlineMs) throw error
        await sleep(20)
      }
    }
  }
}

/** kafkajs has its own words for each error code; the Java client and librdkafka show the sidecar's, with topic, link and state. */
function refusalText (error: unknown): string {
  return error instanceof Error && 'type' in error && typeof error.type === 'string' ? `${error.type} (kafkajs: "${error.message}")` : messageOf(error)
}

function runYaml (shadow: DemoCluster): string {
  return `shadow_cluster:
  bootstrap_servers: [${shadow.bootstrapServers.map(server => `"${server}"`).join(', ')}]
engine:
  session_timeout: 6s
${shadow.leaderAddress === null ? '' : `shadow_leader:\n  listen: "${shadow.leaderAddress}"\n`}sidecar:
  bootstrap_port: 0
  node_ids: "1-3"
admin:
  listen: 127.0.0.1:0
`
}

function linkYaml (source: DemoCluster): string {
  return `name: ${LINK}
append_mode: auto
client_options:
  bootstrap_servers: [${source.bootstrapServers.map(server => `"${server}"`).join(', ')}]
topic_metadata_sync_options:
  interval: 2s
  auto_create_shadow_topic_filters:
    - pattern_type: LITERAL
      filter_type: INCLUDE
      name: "*"
security_sync_options:
  sync_acls: false      # the clusters of this demo have no authorizer
  sync_quotas: false
`
}
