/** What every story of the demo needs: clusters, `kshadow` beside them, somebody who tells what happens, and an end to all of it. */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Producer } from 'kafkajs'
import { z } from 'zod'
import { messageOf } from '../../src/errors.ts'
import { startEmbeddedCluster, startKafkaCluster, type DemoCluster } from './demo-cluster.ts'
import { KshadowProcess } from './kshadow-process.ts'
import { Narrator } from './narrator.ts'

export interface DemoOptions {
  readonly kafka: boolean
  readonly stay: boolean
}

export const TIMEOUT_MS = 60_000
const POLL_MS = 50

const statusSchema = z.object({
  overview: z.object({ append_mode: z.string(), append_mode_reason: z.string().nullable() }),
  topics: z.array(z.object({
    name: z.string(),
    state: z.string(),
    partitions: z.array(z.object({ dst_hwm: z.number().nullable() }))
  }))
})

export class Stage {
  readonly options: DemoOptions
  readonly tell = new Narrator()
  readonly #directory: string
  readonly #cleanUps: Array<() => Promise<void>> = []
  readonly #running: KshadowProcess[] = []

  constructor (options: DemoOptions, directory: string) {
    this.options = options
    this.#directory = directory
  }

  async cluster (name: string, version: '4.1' | '4.3'): Promise<DemoCluster> {
    const cluster = await (this.options.kafka ? startKafkaCluster(name, version) : startEmbeddedCluster(name, this.#directory))
    this.#cleanUps.push(() => cluster.stop())
    return cluster
  }

  async producer (producer: Producer): Promise<Producer> {
    await producer.connect()
    this.#cleanUps.push(() => producer.disconnect())
    return producer
  }

  /** Runs kafka-shadow beside this cluster, and waits until its engine leads. */
  async startKshadow (name: string, shadow: DemoCluster): Promise<KshadowProcess> {
    const kshadow = await KshadowProcess.start(this.write(`${name}.yaml`, runYaml(shadow)), join(this.#directory, `${name}.log`))
    this.#running.push(kshadow)
    this.#cleanUps.push(() => kshadow.stop())
    await this.until('the engine leads', async () => (await kshadow.command('list')).exitCode === 0)
    return kshadow
  }

  write (name: string, text: string): string {
    const path = join(this.#directory, name)
    writeFileSync(path, text)
    return path
  }

  /** Runs a command and shows what it prints. @throws {Error} when it fails */
  async show (kshadow: KshadowProcess, ...args: readonly string[]): Promise<void> {
    this.tell.command(args)
    const { exitCode, stdout, stderr } = await kshadow.command(...args)
    this.tell.output(`${stderr}${stdout}`)
    if (exitCode !== 0) throw new Error(`kshadow ${args.join(' ')} ended with exit code ${exitCode ?? 'none'}`)
  }

  /** Null while no engine leads: its cluster may have been away. */
  async status (kshadow: KshadowProcess, link: string): Promise<z.infer<typeof statusSchema> | null> {
    const { exitCode, stdout } = await kshadow.command('status', link, '--output', 'json')
    return exitCode === 0 ? statusSchema.parse(JSON.parse(stdout)) : null
  }

  /** Waits until the shadow has so many records of each topic: all that was written at the source. */
  async untilCopied (kshadow: KshadowProcess, link: string, wanted: Readonly<Record<string, number>>): Promise<void> {
    await this.until('the shadow has all records', async () => {
      const status = await this.status(kshadow, link)
      return status !== null && Object.entries(wanted).every(([name, count]) => {
        const partitions = status.topics.find(topic => topic.name === name)?.partitions ?? []
        return partitions.reduce((sum, { dst_hwm: end }) => sum + (end ?? 0), 0) === count
      })
    })
  }

  async until (what: string, check: () => Promise<boolean>): Promise<void> {
    const deadlineMs = performance.now() + TIMEOUT_MS
    while (!await check()) {
      if (performance.now() > deadlineMs) throw new Error(`waited ${TIMEOUT_MS / 1000} s until ${what}`)
      await sleep(POLL_MS)
    }
  }

  /** Tries to write, and shows the refusal. @throws {Error} when the write was accepted */
  async refused (producer: Producer, topic: string): Promise<void> {
    const refusal = await producer.send({ topic, messages: [{ value: '{"order":-1}' }] }).then(() => null, refusalText)
    if (refusal === null) throw new Error(`a write to the shadow topic ${topic} was accepted`)
    this.tell.done(`a write to ${topic} was refused: ${refusal}`)
  }

  /** Tries to write order `order` until it is accepted. */
  async writesAgain (producer: Producer, topic: string, order: number): Promise<{ readonly offset: string, readonly atMs: number }> {
    const deadlineMs = performance.now() + TIMEOUT_MS
    for (;;) {
      try {
        const [row] = await producer.send({ topic, messages: [{ key: 'customer-1', value: JSON.stringify({ order }) }] })
        return { offset: row?.baseOffset ?? 'unknown', atMs: performance.now() }
      } catch (error) {
        if (performance.now() > deadlineMs) throw error
        await sleep(20)
      }
    }
  }

  /** Keeps everything running until the signal. */
  async stay (lines: readonly string[], signal: AbortSignal): Promise<void> {
    for (const line of lines) this.tell.say(line)
    for (const { logFile } of this.#running) this.tell.say(`kshadow's log: ${logFile}`)
    this.tell.say('Ctrl-C ends it.')
    if (!signal.aborted) await once(signal, 'abort')
  }

  /** Where to look when it failed. */
  explain (): void {
    for (const kshadow of this.#running) console.error(`The log ${kshadow.logFile} ends with:\n${kshadow.logTail()}`)
  }

  async stop (): Promise<void> {
    for (const cleanUp of this.#cleanUps.reverse()) {
      await cleanUp().catch((error: unknown) => { console.error(error) })
    }
  }
}

/** kafkajs has its own words for each error code; the Java client and librdkafka show the sidecar's, with topic, link and state. */
function refusalText (error: unknown): string {
  return error instanceof Error && 'type' in error && typeof error.type === 'string' ? `${error.type} (kafkajs: "${error.message}")` : messageOf(error)
}

function runYaml (shadow: DemoCluster): string {
  return `shadow_cluster:
  bootstrap_servers: [${serversOf(shadow)}]
engine:
  session_timeout: 6s
${shadow.leaderAddress === null ? '' : `shadow_leader:\n  listen: "${shadow.leaderAddress}"\n`}sidecar:
  bootstrap_port: 0
  node_ids: "1-3"
admin:
  listen: 127.0.0.1:0
`
}

/** The YAML of a link that shadows the topics of `source` whose names are these, or begin so. */
export function linkYaml (name: string, source: DemoCluster, filter: { readonly patternType: 'LITERAL' | 'PREFIX', readonly name: string }): string {
  return `name: ${name}
append_mode: auto
client_options:
  bootstrap_servers: [${serversOf(source)}]
topic_metadata_sync_options:
  interval: 2s
  auto_create_shadow_topic_filters:
    - pattern_type: ${filter.patternType}
      filter_type: INCLUDE
      name: "${filter.name}"
`
}

function serversOf ({ bootstrapServers }: DemoCluster): string {
  return bootstrapServers.map(server => `"${server}"`).join(', ')
}
