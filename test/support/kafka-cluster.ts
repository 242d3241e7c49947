/**
 * Real clusters of Apache Kafka in KRaft mode, straight from the jars. Everything is on 127.0.0.1; nothing outlives the process
 * that started it.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { formatHostPort, type HostPort } from '../../src/net/host-port.ts'
import { liveBrokers } from './live-brokers.ts'
import { classPath, QUICK_START, type KafkaVersion } from './kafka-jars.ts'
import { KafkaNode } from './kafka-node.ts'
import { takePorts, type PortBlock } from './port-block.ts'
import { Workspace } from './workspace.ts'

export type { KafkaVersion, KafkaNode }

/** Brokers are 1, 2 and so on; controllers that are nothing else come after this. */
const FIRST_CONTROLLER_ID = 100

const VIEW_TIMEOUT_MS = 30_000
const POLL_MS = 50

export interface KafkaClusterOptions {
  readonly version: KafkaVersion
  /** How many brokers; their ids are 1, 2 and so on. */
  readonly brokers: number
  /**
   * How many nodes that are controllers and nothing else. With 0, broker 1 is the controller too, and the cluster is without one
   * while that is down. The default is 0 for one broker and 1 for more.
   */
  readonly controllers?: number
  /** Server properties of every node, beside and over CONFIG. */
  readonly config?: Readonly<Record<string, string>>
  /** Part of the name of the temporary folder. */
  readonly name: string
  /**
   * The name that clients are told for every broker, which only the brokers themselves can resolve. Whoever is not told another way
   * in cannot come back.
   */
  readonly advertisedHost?: string
  /**
   * One more listener for clients on every broker, SASL_PLAINTEXT with SCRAM-SHA-256 and SCRAM-SHA-512. All else stays PLAINTEXT: brokers among
   * themselves, controllers, and who manages the users.
   */
  readonly scramListener?: boolean
  /** Replaces the options that make Java start fast: -Xmx and whatever a bench needs to run fast instead. */
  readonly javaOptions?: readonly string[]
}

/** Of the listener SCRAM. The login module wants to be named for each mechanism; the users are those of the cluster's metadata. */
const SCRAM_CONFIG = {
  'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SCRAM:SASL_PLAINTEXT',
  'listener.name.scram.sasl.enabled.mechanisms': 'SCRAM-SHA-256,SCRAM-SHA-512',
  'listener.name.scram.scram-sha-256.sasl.jaas.config': 'org.apache.kafka.common.security.scram.ScramLoginModule required;',
  'listener.name.scram.scram-sha-512.sasl.jaas.config': 'org.apache.kafka.common.security.scram.ScramLoginModule required;'
}

/** Small and quick, but for what decides over the bytes of a log: there every default is Kafka's own. */
function config (brokers: number): Readonly<Record<string, string>> {
  const replicas = String(Math.min(brokers, 2))
  return {
    'auto.create.topics.enable': 'false',
    'group.initial.rebalance.delay.ms': '0',
    'offsets.topic.num.partitions': '1',
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.num.partitions': '1',
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': '1',
    'share.coordinator.state.topic.num.partitions': '1',
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': '1',
    // A killed broker may come back only when its session has ended.
    'broker.session.timeout.ms': '6000',
    'broker.heartbeat.interval.ms': '1000',
    'num.network.threads': '2',
    'num.io.threads': '2',
    'background.threads': '2',
    'log.cleaner.dedupe.buffer.size': '8388608'
  }
}

export class KafkaCluster {
  readonly version: KafkaVersion
  readonly clusterId: string
  readonly brokers: readonly KafkaNode[]
  readonly controllers: readonly KafkaNode[]
  /** Where the brokers' clients connect to, in the order of the brokers. */
  readonly bootstrapServers: readonly HostPort[]
  /** Where clients that log in connect to; empty without `scramListener`. */
  readonly scramServers: readonly HostPort[]
  /** Where the controllers listen. */
  readonly controllerServers: readonly HostPort[]
  readonly #workspace: Workspace
  readonly #ports: PortBlock

  /** Returns when every broker knows all of them. @throws {Error} with the end of a node's output when it does not start */
  static async start (options: KafkaClusterOptions): Promise<KafkaCluster> {
    const { brokers, controllers = brokers === 1 ? 0 : 1, scramListener = false } = options
    if (brokers < 1) throw new RangeError('a cluster has at least one broker')
    const workspace = Workspace.create(`${options.name}-${options.version}`)
    const ports = await takePorts(brokers * (scramListener ? 2 : 1) + Math.max(controllers, 1))
    const cluster = new KafkaCluster(options, controllers, workspace, ports)
    try {
      const nodes = [...cluster.controllers, ...cluster.brokers].filter((node, index, all) => all.indexOf(node) === index)
      await Promise.all(nodes.map(async node => {
        await cluster.#format(node)
        await node.start()
      }))
      await cluster.#everyBrokerKnowsAll()
      return cluster
    } catch (error) {
      await cluster.stop()
      throw error
    }
  }

  private constructor (options: KafkaClusterOptions, controllers: number, workspace: Workspace, ports: PortBlock) {
    this.version = options.version
    this.clusterId = newClusterId()
    this.#workspace = workspace
    this.#ports = ports
    const addresses = ports.ports.map(port => ({ host: ports.host, port }))
    this.bootstrapServers = addresses.slice(0, options.brokers)
    const logins = options.scramListener === true ? options.brokers : 0
    this.scramServers = addresses.slice(options.brokers, options.brokers + logins)
    this.controllerServers = addresses.slice(options.brokers + logins)
    const controllerIds = controllers === 0 ? [1] : this.controllerServers.map((_, index) => FIRST_CONTROLLER_ID + index)
    const voters = this.controllerServers.map((address, index) => `${controllerIds[index]}@${formatHostPort(address)}`).join(',')
    const node = (id: number, roles: readonly string[], listeners: readonly string[]): KafkaNode => this.#node(id, options, {
      'process.roles': roles.join(','),
      listeners: listeners.join(','),
      'controller.quorum.voters': voters,
      ...(roles.includes('broker') ? { 'advertised.listeners': advertised(listeners, options.advertisedHost) } : {})
    })
    const controllerListener = (index: number): string => `CONTROLLER://${format(this.controllerServers[index])}`
    this.brokers = this.bootstrapServers.map((address, index) => {
      const combined = controllers === 0 && index === 0
      return node(index + 1, combined ? ['broker', 'controller'] : ['broker'], [`PLAINTEXT://${formatHostPort(address)}`, ...this.scramServers.slice(index, index + 1).map(server => `SCRAM://${formatHostPort(server)}`), ...(combined ? [controllerListener(0)] : [])])
    })
    this.controllers = controllers === 0
      ? this.brokers.slice(0, 1)
      : controllerIds.map((id, index) => node(id, ['controller'], [controllerListener(index)]))
  }

  /** The bootstrap servers as clients are told them: `host:port,host:port`. */
  get bootstrap (): string {
    return this.bootstrapServers.map(formatHostPort).join(',')
  }

  broker (id: number): KafkaNode {
    const node = this.brokers.find(broker => broker.id === id)
    if (node === undefined) throw new RangeError(`no broker ${id}`)
    return node
  }

  /** The folder of a broker that holds its partitions' folders. */
  logDir (id: number): string {
    return this.broker(id).logDir
  }

  /** The folder with the segments of a broker's replica. */
  partitionDir (id: number, topic: string, partition: number): string {
    return join(this.logDir(id), `${topic}-${partition}`)
  }

  /** Kills all nodes, paused ones too, and removes their data. */
  async stop (): Promise<void> {
    await this.#workspace.remove()
    this.#ports.release()
  }

  #node (id: number, options: KafkaClusterOptions, properties: Readonly<Record<string, string>>): KafkaNode {
    const { path } = this.#workspace
    const logDir = join(path, `data-${id}`)
    const configFile = join(path, `${id}.properties`)
    const all = {
      'node.id': String(id),
      'log.dirs': logDir,
      'controller.listener.names': 'CONTROLLER',
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
      'inter.broker.listener.name': 'PLAINTEXT',
      ...config(options.brokers),
      ...(options.scramListener === true ? SCRAM_CONFIG : {}),
      ...properties,
      ...options.config
    }
    const { advertisedHost } = options
    const hostsFile = join(path, 'hosts')
    if (advertisedHost !== undefined) writeFileSync(hostsFile, `127.0.0.1 localhost ${hostname()} ${advertisedHost}\n`)
    writeFileSync(configFile, Object.entries(all).map(([key, value]) => `${key}=${value}\n`).join(''))
    return new KafkaNode({
      id,
      workspace: this.#workspace,
      javaOptions: [
        ...(options.javaOptions ?? ['-Xmx512m', ...QUICK_START]),
        ...(advertisedHost === undefined ? [] : [`-Djdk.net.hosts.file=${hostsFile}`]),
        '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
        '-Dorg.slf4j.simpleLogger.showDateTime=true',
        '-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info',
        '-cp', classPath(options.version)
      ],
      configFile,
      logDir,
      outputFile: join(path, `${id}.log`)
    })
  }

  /** Gives a node's folder its cluster id and the metadata version of its release. */
  async #format (node: KafkaNode): Promise<void> {
    const { path } = this.#workspace
    const outputFile = join(path, `${node.id}.format.log`)
    const output = createWriteStream(outputFile)
    await once(output, 'open')
    const child = await this.#workspace.spawn('java', [
      '-Xmx128m', ...QUICK_START, '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-cp', classPath(this.version),
      'kafka.tools.StorageTool', 'format', '--cluster-id', this.clusterId, '--config', join(path, `${node.id}.properties`)
    ], { stdio: ['ignore', output, output] })
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    output.destroy()
    if (child.exitCode !== 0) throw new Error(`the folder of node ${node.id} could not be formatted:\n${await readFile(outputFile, 'utf8')}`)
  }

  /** A broker has started when it is unfenced itself; it may learn of the others a moment later. */
  async #everyBrokerKnowsAll (): Promise<void> {
    const deadline = performance.now() + VIEW_TIMEOUT_MS
    for (const address of this.bootstrapServers) {
      while ((await liveBrokers(address)).length < this.brokers.length) {
        if (performance.now() > deadline) throw new Error(`the broker at ${formatHostPort(address)} does not know all others`)
        await sleep(POLL_MS)
      }
    }
  }
}

/** One that does not begin with a dash, which would make an option of it. */
function newClusterId (): string {
  const id = randomBytes(16).toString('base64url')
  return id.startsWith('-') ? newClusterId() : id
}

function advertised (listeners: readonly string[], host: string | undefined): string {
  return listeners.filter(listener => !listener.startsWith('CONTROLLER:')).map(listener => host === undefined ? listener : listener.replace(/\/\/.*:/, `//${host}:`)).join(',')
}

function format (address: HostPort | undefined): string {
  if (address === undefined) throw new RangeError('no such listener')
  return formatHostPort(address)
}
