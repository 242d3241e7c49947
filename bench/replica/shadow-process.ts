/** `kshadow run` as a process of its own that leads shadow partitions, and its admin port. */
import { stringify } from 'yaml'
import { AdminClient } from '../../src/cli/admin-client.ts'
import { formatHostPort, type HostPort } from '../../src/net/host-port.ts'
import { sleep } from '../../src/net/sleep.ts'
import type { LinkStatus } from '../../src/replication/link-service.ts'
import type { KafkaCluster } from '../../test/support/kafka-cluster.ts'
import { takePorts, type PortBlock } from '../../test/support/port-block.ts'
import { CopierProcess, MAIN } from '../replication/copiers.ts'

const READY_MS = 60_000
const POLL_MS = 200

export class ShadowProcess {
  readonly process: CopierProcess
  readonly admin: AdminClient
  readonly #ports: PortBlock

  /** Everything is as it is when nobody configures it. Returns when it leads the links. */
  static async start (shadow: KafkaCluster, signal: AbortSignal): Promise<ShadowProcess> {
    const ports = await takePorts(2)
    const [leader, admin] = ports.ports.map(port => formatHostPort({ host: ports.host, port }))
    const child = await CopierProcess.start('kafka-shadow', {
      name: 'run.yaml',
      content: stringify({
        shadow_cluster: { bootstrap_servers: shadow.bootstrapServers.map(formatHostPort) },
        shadow_leader: { listen: leader },
        sidecar: { enabled: false },
        admin: { listen: admin }
      })
    }, [process.execPath, ...process.env['BENCH_NODE_OPTIONS']?.split(' ') ?? [], MAIN, 'run', '-c', 'run.yaml'])
    const started = new ShadowProcess(child, new AdminClient({ address: { host: ports.host, port: ports.ports[1] ?? 0 }, signal, user: null }), ports)
    try {
      const deadlineMs = performance.now() + READY_MS
      while (!await started.#leads()) {
        if (child.pid > 0 && performance.now() > deadlineMs) throw child.error('does not lead the links')
        await sleep(POLL_MS, signal)
      }
    } catch (error) {
      await started.kill()
      throw error
    }
    return started
  }

  private constructor (child: CopierProcess, admin: AdminClient, ports: PortBlock) {
    this.process = child
    this.admin = admin
    this.#ports = ports
  }

  async #leads (): Promise<boolean> {
    try {
      await this.admin.list()
      return true
    } catch {
      return false
    }
  }

  /** Creates a link that shadows the topics that begin with `prefix`, in append mode replica. */
  async link (name: string, source: KafkaCluster, prefix: string, options: { readonly excludeDefault?: boolean } = {}): Promise<void> {
    await this.admin.create({
      name,
      append_mode: 'replica',
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
      await sleep(POLL_MS, options.signal)
    }
  }

  async kill (): Promise<void> {
    await this.process.kill()
    this.#ports.release()
  }
}

/** True when so many partitions of a link are shadowed, and end where their sources do. */
export function isLevel (partitions: number): (status: LinkStatus) => boolean {
  return ({ topics }) => {
    const all = topics.flatMap(topic => topic.partitions)
    return all.length === partitions && all.every(({ lagRecords, shadowEndOffset }) => lagRecords === 0 && shadowEndOffset !== null && shadowEndOffset > 0)
  }
}
