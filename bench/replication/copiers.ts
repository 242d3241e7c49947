/** The processes that copy: kafka-shadow as it is installed, and MirrorMaker 2 in dedicated mode. */
import type { ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { formatHostPort } from '../../src/net/host-port.ts'
import type { KafkaCluster } from '../../test/support/kafka-cluster.ts'
import { classPath, type KafkaVersion } from '../../test/support/kafka-jars.ts'
import { Workspace } from '../../test/support/workspace.ts'
import { JVM_PERFORMANCE } from '../brokers.ts'

export const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.js')
const TAIL_CHARACTERS = 4000

/** KAFKA_HEAP_OPTS in bin/connect-mirror-maker.sh. */
const MIRROR_HEAP: readonly string[] = ['-Xms256M', '-Xmx2G']

export interface Copier {
  readonly name: string
  /** What a topic of the source is called on the target. */
  targetTopic (topic: string): string
  start (source: KafkaCluster, target: KafkaCluster, topic: string): Promise<CopierProcess>
}

export class CopierProcess {
  readonly #workspace: Workspace
  readonly #process: ChildProcess
  readonly #name: string
  #output = ''

  /** `file` is a configuration that the command finds in its folder. */
  static async start (name: string, file: { readonly name: string, readonly content: string }, command: readonly [string, ...string[]]): Promise<CopierProcess> {
    const workspace = Workspace.create('bench-copier')
    try {
      writeFileSync(join(workspace.path, file.name), file.content)
      const [program, ...args] = command
      return new CopierProcess(name, workspace, await workspace.spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] }))
    } catch (error) {
      await workspace.remove()
      throw error
    }
  }

  private constructor (name: string, workspace: Workspace, child: ChildProcess) {
    this.#name = name
    this.#workspace = workspace
    this.#process = child
    const keep = (chunk: Buffer): void => { this.#output = (this.#output + chunk.toString('utf8')).slice(-TAIL_CHARACTERS) }
    child.stdout?.on('data', keep)
    child.stderr?.on('data', keep)
  }

  /** @throws {Error} with the end of its output when it has ended by itself */
  get pid (): number {
    const { pid, exitCode, signalCode } = this.#process
    if (pid === undefined || exitCode !== null || signalCode !== null) throw this.error('has ended by itself')
    return pid
  }

  error (what: string): Error {
    return new Error(`${this.#name} ${what}; its output ends with\n${this.#output}`)
  }

  /** The last of its output's lines with this in it, as far as they are kept; empty where there is none. */
  lastLine (part: string): string {
    return this.#output.split('\n').findLast(line => line.includes(part)) ?? ''
  }

  /** SIGKILL; returns when it is gone, and its folder with it. */
  async kill (): Promise<void> {
    await this.#workspace.remove()
  }
}

/** `kshadow run` with one link; everything else as it is when nobody configures it. */
export const KAFKA_SHADOW: Copier = {
  name: 'kafka-shadow',
  targetTopic: topic => topic,
  start: async (source, target, topic) => await CopierProcess.start('kafka-shadow', {
    name: 'run.yaml',
    content: stringify({
      shadow_cluster: { bootstrap_servers: target.bootstrapServers.map(formatHostPort) },
      sidecar: { enabled: false },
      admin: { enabled: false },
      links: [{
        name: 'bench',
        client_options: { bootstrap_servers: source.bootstrapServers.map(formatHostPort) },
        topic_metadata_sync_options: { auto_create_shadow_topic_filters: [{ pattern_type: 'LITERAL', filter_type: 'INCLUDE', name: topic }] }
      }]
    })
  }, [process.execPath, MAIN, 'run', '-c', 'run.yaml'])
}

/** What is set for speed. Without it MirrorMaker 2 is slower by far. */
export const MIRROR_TUNING: Readonly<Record<string, string>> = {
  'tasks.max': '4',
  'source.consumer.fetch.max.bytes': '52428800',
  'source.consumer.max.partition.fetch.bytes': '8388608',
  'source.consumer.fetch.min.bytes': '1',
  'source.consumer.max.poll.records': '8000',
  'source.consumer.receive.buffer.bytes': '1048576',
  'target.producer.batch.size': '262144',
  'target.producer.linger.ms': '5',
  'target.producer.buffer.memory': '134217728',
  'target.producer.max.request.size': '10485760',
  'target.producer.send.buffer.bytes': '1048576'
}

export function mirrorMaker (version: KafkaVersion): Copier {
  return {
    name: `MirrorMaker 2 (${version})`,
    targetTopic: topic => `source.${topic}`,
    start: async (source, target, topic) => await CopierProcess.start('MirrorMaker 2', {
      name: 'mm2.properties',
      content: Object.entries({
        clusters: 'source,target',
        'source.bootstrap.servers': source.bootstrap,
        'target.bootstrap.servers': target.bootstrap,
        'source->target.enabled': 'true',
        'target->source.enabled': 'false',
        'source->target.topics': topic,
        'replication.factor': '1',
        'offset-syncs.topic.replication.factor': '1',
        'checkpoints.topic.replication.factor': '1',
        'heartbeats.topic.replication.factor': '1',
        'offset.storage.replication.factor': '1',
        'status.storage.replication.factor': '1',
        'config.storage.replication.factor': '1',
        // Only the copying is compared.
        'emit.heartbeats.enabled': 'false',
        'emit.checkpoints.enabled': 'false',
        'sync.topic.acls.enabled': 'false',
        'sync.topic.configs.enabled': 'false',
        ...MIRROR_TUNING
      }).map(([key, value]) => `${key} = ${value}\n`).join('')
    }, [
      'java', ...MIRROR_HEAP, ...JVM_PERFORMANCE, '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-cp', classPath(version),
      'org.apache.kafka.connect.mirror.MirrorMaker', 'mm2.properties', '--clusters', 'target'
    ])
  }
}
