import type { Test } from 'tap'
import type { Cluster } from '../../src/client/cluster.ts'
import { EmbeddedBroker } from '../../src/embedded/embedded-broker.ts'
import { formatHostPort } from '../../src/net/host-port.ts'
import { BrokerEngine, createSourceTopic, testCluster, type BrokerCluster, type BrokerEngineOptions } from './broker-link.ts'
import { KafkaCluster } from './kafka-cluster.ts'
import type { KafkaVersion } from './kafka-jars.ts'
import { takePorts } from './port-block.ts'

const SESSION_MS = 2000

export interface ReplicaScene {
  readonly source: EmbeddedBroker
  readonly sourceCluster: BrokerCluster
  readonly shadow: KafkaCluster
  /** Of the shadow cluster. */
  readonly client: Cluster
  /** With a port for a shadow leader; it has no link yet. */
  readonly engine: BrokerEngine
  /** An engine that leads at the same address: another one must have ended. */
  readonly another: (options?: BrokerEngineOptions) => Promise<BrokerEngine>
  /** An engine at the first or the second address, which stands by while another one leads. */
  readonly standBy: (place: 0 | 1, options?: BrokerEngineOptions) => BrokerEngine
}

/** An embedded source with a topic, two real brokers for its shadow, and an engine that can lead there. All of it ends with the test. */
export async function replicaScene (t: Test, { version, name, topic, partitions, config = {}, first = {} }: {
  readonly version: KafkaVersion
  readonly name: string
  readonly topic: string
  readonly partitions: number
  /** Of the shadow cluster. */
  readonly config?: Readonly<Record<string, string>>
  /** Of the first engine. */
  readonly first?: BrokerEngineOptions
}): Promise<ReplicaScene> {
  const shadow = await KafkaCluster.start({ version, brokers: 2, name, config: { 'group.min.session.timeout.ms': '1000', ...config } })
  t.teardown(() => shadow.stop())
  const source = await EmbeddedBroker.start()
  t.teardown(() => source.stop())
  const ports = await takePorts(2)
  t.teardown(() => ports.release())
  const sourceCluster = { bootstrapServers: [source.address], bootstrap: formatHostPort(source.address), partitionDir: () => '' }
  const [sourceClient, client] = [testCluster(sourceCluster), testCluster(shadow)]
  t.teardown(async () => { await Promise.all([sourceClient.close(), client.close()]) })
  await createSourceTopic(sourceClient, topic, partitions)
  const another = async (options: BrokerEngineOptions = {}): Promise<BrokerEngine> => {
    const engine = await BrokerEngine.start(shadow, { sessionTimeoutMs: SESSION_MS, shadowLeader: { host: ports.host, port: ports.ports[0] ?? 0 }, ...options })
    t.teardown(() => engine.stop())
    return engine
  }
  const standBy = (place: 0 | 1, options: BrokerEngineOptions = {}): BrokerEngine => {
    const engine = BrokerEngine.standBy(shadow, { sessionTimeoutMs: SESSION_MS, shadowLeader: { host: ports.host, port: ports.ports[place] ?? 0 }, ...options })
    t.teardown(() => engine.stop())
    return engine
  }
  return { source, sourceCluster, shadow, client, engine: await another(first), another, standBy }
}
