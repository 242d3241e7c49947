/** `kshadow run` as a process of its own that leads shadow partitions, and its admin port. */
import { stringify } from 'yaml'
import { AdminClient } from '../../src/cli/admin-client.ts'
import { formatHostPort, type HostPort } from '../../src/net/host-port.ts'
import { sleep } from '../../src/net/sleep.ts'
import type { LinkStatus } from '../../src/replication/link-service.ts'
import type { AppendMode } from '../../src/state/records.ts'
import type { StateFollower } from '../../src/state/state-follower.ts'
import type { KafkaCluster } from '../../test/support/kafka-cluster.ts'
import { takePorts, type PortBlock } from '../../test/support/port-block.ts'
import { CopierProcess, MAIN } from '../replication/copiers.ts'
import type { ManyTopics } from './topics.ts'

const READY_MS = 60_000
const POLL_MS = 200
/** The status of ten thousand partitions is megabytes. */
const POLL_MS_PER_PARTITION = 0.1
const LEVEL_MS = 300_000

export class ShadowProcess {
  #process: CopierProcess
  readonly admin: AdminClient
  readonly #ports: PortBlock

  /** Everything is as it is when nobody configures it. Returns when it leads the links. */
  static async start (shadow: KafkaCluster, signal: AbortSignal): Promise<ShadowProcess> {
    const ports = await takePorts(2)
    const started = new ShadowProcess(await spawn(shadow, ports), new AdminClient({ address: { host: ports.host, port: ports.ports[1] ?? 0 }, signal, user: null }), ports)
    try {
      await started.#whenLeading(signal)
    } catch (error) {
      await started.kill()
      throw error
    }
    return started
  }

  private constructor (child: CopierProcess, admin: AdminClient, ports: PortBlock) {
    this.#process = child
    this.admin = admin
    this.#ports = ports
  }

  get process (): CopierProcess {
    return this.#process
  }

  /** SIGKILL, and another process at the same addresses. Returns when it leads the links. */
  async restart (shadow: KafkaCluster, signal: AbortSignal): Promise<void> {
    await this.#process.kill()
    this.#process = await spawn(shadow, this.#ports)
    await this.#whenLeading(signal)
  }

  async #whenLeading (signal: AbortSignal): Promise<void> {
    const deadlineMs = performance.now() + READY_MS
    while (!await this.#leads()) {
      if (this.#process.pid > 0 && performance.now() > deadlineMs) throw this.#process.error('does not lead the links')
      await sleep(POLL_MS, signal)
    }
  }

  async #leads (): Promise<boolean> {
    try {
      // It costs nothing, however many topics there are.
      await this.admin.audit(null)
      return true
    } catch {
      return false
    }
  }

  /** Creates a link that shadows the topics that begin with `prefix`. Default: in append mode replica. */
  async link (name: string, source: KafkaCluster, prefix: string, options: { readonly excludeDefault?: boolean, readonly appendMode?: AppendMode } = {}): Promise<void> {
    await this.admin.create({
      name,
      append_mode: options.appendMode ?? 'replica',
      client_options: { bootstrap_servers: source.bootstrapServers.map((address: HostPort) => formatHostPort(address)) },
      topic_metadata_sync_options: {
        exclude_default: options.excludeDefault ?? false,
        auto_create_shadow_topic_filters: [{ pattern_type: 'PREFIX', filter_type: 'INCLUDE', name: prefix }]
      }
    }, { dryRun: false })
  }

  /** Waits until the status of a link is as it should be; returns after how many milliseconds. */
  async until (link: string, what: string, isSo: (status: LinkStatus) => boolean, options: { readonly signal: AbortSignal, readonly timeoutMs: number }): Promise<number> {
    const startMs = performance.now()
    for (;;) {
      const status = await this.admin.status(link)
      const tookMs = performance.now() - startMs
      if (isSo(status)) return tookMs
      const problem = status.topics.find(topic => topic.problem !== null)?.problem ?? status.tasks[0]?.reason ?? ''
      if (this.process.pid > 0 && tookMs > options.timeoutMs) throw this.process.error(`is not there after ${options.timeoutMs / 1000} s: ${what} (${problem})`)
      const partitions = status.topics.reduce((sum, topic) => sum + topic.partitions.length, 0)
      await sleep(Math.max(POLL_MS, POLL_MS_PER_PARTITION * partitions), options.signal)
    }
  }

  async kill (): Promise<void> {
    await this.process.kill()
    this.#ports.release()
  }
}

export interface TimesToLevel {
  /** From the order to create the link on, until every topic was recorded as created. */
  readonly createdMs: number
  /** Until the status said of every partition that the shadow has all that the source has. */
  readonly levelMs: number
}

/** Shadows topics whose partitions hold records each. */
export async function shadowAll (engine: ShadowProcess, source: KafkaCluster, { link, topics: { names, partitions }, ...options }: { readonly link: string, readonly topics: ManyTopics, readonly appendMode?: AppendMode, readonly excludeDefault?: boolean }, { state, signal }: { readonly state: StateFollower, readonly signal: AbortSignal }): Promise<TimesToLevel> {
  const startMs = performance.now()
  const uncreated = new Set(names)
  let createdMs = NaN
  const forget = state.onChange(change => {
    if (change.kind === 'topic' && change.value?.created === true && uncreated.delete(change.topic) && uncreated.size === 0) createdMs = performance.now() - startMs
  })
  await engine.link(link, source, names[0]?.replace(/\d+$/, '') ?? '', options)
  await engine.until(link, 'everything is shadowed', isLevel(names.length * partitions), { signal, timeoutMs: LEVEL_MS })
  const levelMs = performance.now() - startMs
  forget()
  return { createdMs, levelMs }
}

/** True when so many partitions of a link are shadowed, end where their sources do, and hold so many records at least. */
export function isLevel (partitions: number, records = 1): (status: LinkStatus) => boolean {
  return ({ topics }) => {
    const all = topics.flatMap(topic => topic.partitions)
    return all.length === partitions && all.every(({ lagRecords, shadowEndOffset }) => lagRecords === 0 && shadowEndOffset !== null && shadowEndOffset >= records)
  }
}

async function spawn (shadow: KafkaCluster, { host, ports }: PortBlock): Promise<CopierProcess> {
  const [leader, admin] = ports.map(port => formatHostPort({ host, port }))
  return await CopierProcess.start('kafka-shadow', {
    name: 'run.yaml',
    content: stringify({
      shadow_cluster: { bootstrap_servers: shadow.bootstrapServers.map(formatHostPort) },
      shadow_leader: { listen: leader },
      sidecar: { enabled: false },
      admin: { listen: admin }
    })
  }, [process.execPath, ...process.env['BENCH_NODE_OPTIONS']?.split(' ') ?? [], MAIN, 'run', '-c', 'run.yaml'])
}
