/** The two kinds of clusters that the demo runs on. */
import { join } from 'node:path'
import { EmbeddedBroker } from '../../src/embedded/embedded-broker.ts'
import { formatHostPort } from '../../src/net/host-port.ts'

export interface DemoCluster {
  /** What it is, in words. */
  readonly kind: string
  readonly bootstrapServers: readonly string[]
  /** host:port where an engine can be the leader of this cluster's shadow topics; null where the cluster has no controller that would let it. */
  readonly leaderAddress: string | null
  /** The site is gone: nothing answers any more. */
  lose (): Promise<void>
  /** The site is back, with what it had. */
  restore (): Promise<void>
  stop (): Promise<void>
}

/** One node in this process, with its data in `directory`. */
export async function startEmbeddedCluster (name: string, directory: string): Promise<DemoCluster> {
  const dataDir = join(directory, name)
  let broker = await EmbeddedBroker.start({ dataDir })
  const { address } = broker
  return {
    kind: 'embedded broker',
    bootstrapServers: [formatHostPort(address)],
    leaderAddress: null,
    lose: () => broker.stop(),
    restore: async () => { broker = await EmbeddedBroker.start({ dataDir, port: address.port }) },
    stop: () => broker.stop()
  }
}

/** Apache Kafka from the jars: a controller and two brokers. */
export async function startKafkaCluster (name: string, version: '4.1' | '4.3'): Promise<DemoCluster> {
  // Loaded here only: it belongs to the tests, and the demo without Java does not need it.
  const [{ KafkaCluster }, { takePorts }] = await Promise.all([import('../../test/support/kafka-cluster.ts'), import('../../test/support/port-block.ts')])
  const ports = await takePorts(1)
  const cluster = await KafkaCluster.start({ name, version, brokers: 2 }).catch((error: unknown) => {
    ports.release()
    throw error
  })
  return {
    kind: `Apache Kafka ${version}, a controller and two brokers`,
    bootstrapServers: cluster.bootstrapServers.map(formatHostPort),
    leaderAddress: formatHostPort({ host: ports.host, port: ports.ports[0] ?? 0 }),
    lose: async () => { await Promise.all(cluster.brokers.map(broker => broker.kill())) },
    restore: async () => { await Promise.all(cluster.brokers.map(broker => broker.start())) },
    stop: async () => {
      await cluster.stop()
      ports.release()
    }
  }
}
