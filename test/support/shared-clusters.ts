/**
 * The two clusters that tests in test/broker/ share: starting them takes longer than most tests. `npm test` starts them once and
 * says where they are by environment variables; a file that is run alone starts its own.
 *
 * Every test uses names of its own (see uniqueName), and kills no broker: for that it starts a KafkaCluster.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Test } from 'tap'
import { z } from 'zod'
import { formatHostPort, type HostPort } from '../../src/net/host-port.ts'
import { KafkaCluster, type KafkaClusterOptions, type KafkaVersion } from './kafka-cluster.ts'

export interface SharedCluster {
  readonly version: KafkaVersion
  readonly bootstrapServers: readonly HostPort[]
  /** `host:port,host:port` */
  readonly bootstrap: string
  /** The folder with the segments of a broker's replica. */
  partitionDir (brokerId: number, topic: string, partition: number): string
}

export interface SharedClusters {
  readonly source: SharedCluster
  readonly shadow: SharedCluster
}

/** An older source and a newer shadow, two brokers each. */
export const SHARED_CLUSTERS = {
  source: { version: '4.1', brokers: 2, name: 'source' },
  // Engines that are killed are replaced within a second or two.
  shadow: { version: '4.3', brokers: 2, name: 'shadow', config: { 'group.min.session.timeout.ms': '1000' } }
} as const satisfies Record<keyof SharedClusters, KafkaClusterOptions>

/** What tells a test's process where the clusters are. */
export const SHARED_CLUSTERS_VARIABLE = 'KSHADOW_TEST_CLUSTERS'

const descriptionSchema = z.strictObject({
  version: z.enum(['3.9', '4.1', '4.3']),
  bootstrapServers: z.array(z.strictObject({ host: z.string(), port: z.number() })),
  logDirs: z.record(z.string(), z.string())
})

const clustersSchema = z.strictObject({ source: descriptionSchema, shadow: descriptionSchema })

type Description = z.infer<typeof descriptionSchema>

/** The value of the variable for clusters that run. */
export function describeClusters (clusters: Readonly<Record<keyof SharedClusters, KafkaCluster>>): string {
  const describe = (cluster: KafkaCluster): Description => ({
    version: cluster.version,
    bootstrapServers: cluster.bootstrapServers.map(({ host, port }) => ({ host, port })),
    logDirs: Object.fromEntries(cluster.brokers.map(broker => [String(broker.id), broker.logDir]))
  })
  return JSON.stringify({ source: describe(clusters.source), shadow: describe(clusters.shadow) })
}

/** The clusters to test with; those that had to be started for `t` end with it. Pass the root test to share them within a file. */
export async function sharedClusters (t: Pick<Test, 'teardown'>): Promise<SharedClusters> {
  const text = process.env[SHARED_CLUSTERS_VARIABLE]
  if (text !== undefined) {
    const { source, shadow } = clustersSchema.parse(JSON.parse(text))
    return { source: described(source), shadow: described(shadow) }
  }
  const starting = [SHARED_CLUSTERS.source, SHARED_CLUSTERS.shadow].map(options => KafkaCluster.start(options))
  t.teardown(async () => {
    for (const start of await Promise.allSettled(starting)) if (start.status === 'fulfilled') await start.value.stop()
  })
  const [source, shadow] = await Promise.all(starting)
  if (source === undefined || shadow === undefined) throw new Error('no clusters')
  return { source, shadow }
}

/** A name that no other test uses. */
export function uniqueName (prefix: string): string {
  return `${prefix}-${randomBytes(4).toString('hex')}`
}

function described ({ version, bootstrapServers, logDirs }: Description): SharedCluster {
  return {
    version,
    bootstrapServers,
    bootstrap: bootstrapServers.map(formatHostPort).join(','),
    partitionDir: (brokerId, topic, partition) => {
      const logDir = logDirs[String(brokerId)]
      if (logDir === undefined) throw new RangeError(`no broker ${brokerId}`)
      return join(logDir, `${topic}-${partition}`)
    }
  }
}
