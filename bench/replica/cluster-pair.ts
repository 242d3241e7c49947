/** A source and a shadow on real brokers, and what is known of the shadow: the scene of what is measured with many topics. */
import type { Cluster } from '../../src/client/cluster.ts'
import { Controllers } from '../../src/kraft/controllers.ts'
import { knownControllers } from '../../src/kraft/locate-controllers.ts'
import { MetadataFollower } from '../../src/kraft/metadata/metadata-follower.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import { StateFollower } from '../../src/state/state-follower.ts'
import type { KafkaCluster } from '../../test/support/kafka-cluster.ts'
import { benchClient, startBrokers } from '../brokers.ts'
import { kafkaRelease } from '../kafka-release.ts'
import { ShadowProcess } from './shadow-process.ts'

export const SOURCE_VERSION = '4.1'
export const SHADOW_VERSION = '4.3'
/** Unless somebody needs another number. */
export const SHADOW_BROKERS = 2

export interface ClusterPair {
  /** One broker, which is the controller, too. */
  readonly source: KafkaCluster
  readonly sourceClient: Cluster
  /** `shadowBrokers`, and a controller. */
  readonly shadow: KafkaCluster
  readonly shadowClient: Cluster
  /** Of the shadow. */
  readonly metadata: MetadataFollower
  /** `kshadow run` beside the shadow, and the state that it writes from then on. */
  readonly startEngine: () => Promise<{ readonly engine: ShadowProcess, readonly state: StateFollower }>
}

/** What a table must say of the scene. */
export function pairCondition (shadowBrokers = SHADOW_BROKERS): string {
  return `Apache Kafka ${kafkaRelease(SOURCE_VERSION)} (source, one broker) and ${kafkaRelease(SHADOW_VERSION)} (shadow, ${shadowBrokers} brokers and a controller), heap and JVM options of Kafka's own scripts, all on the disk of this one machine; \`kshadow run\`, default settings, a process of its own`
}

/** Does `work` with such a pair, and ends all of it afterwards. */
export async function withClusterPair<T> ({ signal, shadowBrokers = SHADOW_BROKERS }: { readonly signal: AbortSignal, readonly shadowBrokers?: number }, work: (pair: ClusterPair) => Promise<T>): Promise<T> {
  const started = await Promise.allSettled([startBrokers('bench-source', SOURCE_VERSION, 1), startBrokers('bench-shadow', SHADOW_VERSION, shadowBrokers)])
  const stops: Array<() => Promise<unknown>> = started.flatMap(cluster => cluster.status === 'fulfilled' ? [async () => { await cluster.value.stop() }] : [])
  try {
    const [source, shadow] = started.map(cluster => {
      if (cluster.status === 'rejected') throw cluster.reason
      return cluster.value
    })
    if (source === undefined || shadow === undefined) throw new Error('a cluster is missing')
    const [sourceClient, shadowClient] = [benchClient(source), benchClient(shadow)]
    const controllers = new Controllers({ locate: knownControllers(shadow.controllerServers), clientId: 'bench', logger: silentLogger, now: () => performance.now() })
    const metadata = MetadataFollower.start(controllers, { logger: silentLogger })
    stops.unshift(async () => { await sourceClient.close() }, async () => { await shadowClient.close() }, async () => {
      await metadata.stop()
      await controllers.close()
    })
    const startEngine: ClusterPair['startEngine'] = async () => {
      const engine = await ShadowProcess.start(shadow, signal)
      stops.unshift(async () => { await engine.kill() })
      const state = StateFollower.start(shadowClient, { logger: silentLogger })
      stops.unshift(async () => { await state.stop() })
      return { engine, state }
    }
    return await work({ source, sourceClient, shadow, shadowClient, metadata, startEngine })
  } finally {
    for (const stop of stops) await stop().catch(() => {})
  }
}
