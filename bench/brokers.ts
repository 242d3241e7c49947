/** Real brokers to measure on, as fast as Apache Kafka's own scripts start them. */
import { createTopic } from '../src/client/admin/create-topic.ts'
import { Cluster } from '../src/client/cluster.ts'
import { retry } from '../src/client/retry.ts'
import { silentLogger } from '../src/observability/logger.ts'
import { KafkaCluster, type KafkaVersion } from '../test/support/kafka-cluster.ts'

/** KAFKA_JVM_PERFORMANCE_OPTS in bin/kafka-run-class.sh. */
export const JVM_PERFORMANCE: readonly string[] = [
  '-server', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20', '-XX:InitiatingHeapOccupancyPercent=35', '-XX:+ExplicitGCInvokesConcurrent', '-XX:MaxInlineLevel=15'
]

/** KAFKA_HEAP_OPTS in bin/kafka-server-start.sh. */
const BROKER_HEAP: readonly string[] = ['-Xmx1G', '-Xms1G']

const READY_MS = 30_000

/** A cluster of one broker; it has the id 1. */
export async function startBroker (name: string, version: KafkaVersion): Promise<KafkaCluster> {
  return await startBrokers(name, version, 1)
}

/** A cluster of brokers with the ids 1, 2 and so on; more than one have a controller beside them. */
export async function startBrokers (name: string, version: KafkaVersion, brokers: number): Promise<KafkaCluster> {
  return await KafkaCluster.start({
    version,
    brokers,
    name,
    javaOptions: [...BROKER_HEAP, ...JVM_PERFORMANCE],
    // Kafka's defaults, which the tests' clusters lower.
    config: { 'num.network.threads': '3', 'num.io.threads': '8' }
  })
}

export const BROKER_ID = 1

/** @throws {Error} when the broker has ended */
export function brokerPid (cluster: KafkaCluster, brokerId = BROKER_ID): number {
  const { pid } = cluster.broker(brokerId)
  if (pid === null) throw new Error(`broker ${brokerId} of Kafka ${cluster.version} has ended`)
  return pid
}

/** A client of the bench's own. */
export function benchClient ({ bootstrapServers }: KafkaCluster): Cluster {
  return new Cluster({ bootstrapServers, clientId: 'bench', logger: silentLogger })
}

/** Returns when every partition has its leader. */
export async function createBenchTopic (cluster: Cluster, name: string, partitions: number, signal: AbortSignal): Promise<void> {
  await createTopic(cluster, { name, partitions, replicationFactor: 1, configs: {} }, { signal })
  await retry(async () => {
    await cluster.refresh({ signal })
    for (let partition = 0; partition < partitions; partition++) await cluster.leaderOf(name, partition, { signal })
  }, { signal, deadlineMs: READY_MS, baseMs: 20, maxMs: 200 })
}
