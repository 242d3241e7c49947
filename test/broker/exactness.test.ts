/** A shadow is its source, byte for byte: by `verify`, and by the segment files of every replica. */
import tap, { test } from 'tap'
import { fetchBatches } from '../../src/client/admin/fetch-batches.ts'
import type { Cluster } from '../../src/client/cluster.ts'
import { BrokerEngine, compareReplicas, createSourceTopic, endOffsets, linkDocument, testCluster, untilLevel, type BrokerCluster } from '../support/broker-link.ts'
import { runJava } from '../support/java-tool.ts'
import { KafkaCluster, type KafkaVersion } from '../support/kafka-cluster.ts'
import { sharedClusters, uniqueName } from '../support/shared-clusters.ts'

tap.setTimeout(280_000)

const PARTITIONS = 3
/** What WriteSamples writes to each partition: five codecs, each by two producers. */
const SAMPLES = 5 * 2 * 122

const shared = await sharedClusters(tap)

interface Pair {
  readonly source: BrokerCluster & { readonly version: KafkaVersion }
  readonly shadow: BrokerCluster & { readonly version: KafkaVersion }
}

const older = KafkaCluster.start({ version: '3.9', brokers: 2, name: 'exact' })
tap.teardown(async () => await (await older).stop())

const PAIRS: ReadonlyArray<readonly [title: string, pair: () => Promise<Pair>]> = [
  ['from 4.1 to 4.3', async () => shared],
  ['from 3.9 to 4.3', async () => ({ source: await older, shadow: shared.shadow })],
  ['from 4.1 to 3.9', async () => ({ source: shared.source, shadow: await older })]
]

for (const [title, pair] of PAIRS) {
  test(`every kind of record is copied exactly, ${title}`, async t => {
    const { source, shadow } = await pair()
    const [sourceClient, shadowClient] = [testCluster(source), testCluster(shadow)]
    t.teardown(async () => { await Promise.all([sourceClient.close(), shadowClient.close()]) })
    const topic = uniqueName('exact')
    // Several segments, so that the copy reads across their ends.
    await createSourceTopic(sourceClient, topic, PARTITIONS, { 'segment.bytes': '2097152' })
    await writeSamples(source, topic)

    const engine = await BrokerEngine.start(shadow)
    t.teardown(() => engine.stop())
    await engine.engine.create(linkDocument(topic, source, [topic]), { dryRun: false })
    // Again while it copies.
    await writeSamples(source, topic)
    await untilLevel(sourceClient, shadowClient, [topic])
    t.same(await endOffsets(shadowClient, topic), Array.from({ length: PARTITIONS }, () => 2 * SAMPLES))
    t.same(await codecsOf(sourceClient, topic), [0, 1, 2, 3, 4], 'all codecs')

    const reports = await engine.verify(topic)
    t.same(reports.map(({ partition, fromOffset, toOffset, difference, incomplete }) => ({ partition, fromOffset, toOffset, difference, incomplete })).sort((a, b) => a.partition - b.partition),
      Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, fromOffset: 0, toOffset: 2 * SAMPLES, difference: null, incomplete: null })))
    const replicas = await compareReplicas(source, shadow, topic)
    t.same(replicas.differences, [])
    t.equal(replicas.batches, reports.reduce((sum, { batches }) => sum + batches, 0), 'verify and the comparison of the files looked at the same batches')
    t.equal(replicas.bytes, reports.reduce((sum, { bytes }) => sum + bytes, 0))
    t.match(await engine.topic(topic, topic), { fidelity: 'exact', fault: null })
    await engine.deleteLink(topic)
  })
}

/** By the producer of the same release as the source. */
async function writeSamples (source: Pair['source'], topic: string): Promise<void> {
  const { stdout } = await runJava('kafkashadow.clients.WriteSamples', [source.bootstrap, topic, String(PARTITIONS)], { version: source.version, timeoutMs: 120_000 })
  if (stdout.trim() !== String(PARTITIONS * SAMPLES)) throw new Error(`WriteSamples wrote ${stdout}`)
}

/** The codecs of the batches of partition 0, as their attributes have them. */
async function codecsOf (cluster: Cluster, topic: string): Promise<number[]> {
  const signal = AbortSignal.timeout(30_000)
  const codecs = new Set<number>()
  const leader = await cluster.leaderOf(topic, 0, { signal })
  const topicId = cluster.lastView?.topics.get(topic)?.topicId ?? null
  const [end = 0] = await endOffsets(cluster, topic)
  for (let offset = 0; offset < end;) {
    const { batches } = await fetchBatches(cluster, { topic, topicId, partition: 0, offset, maxBytes: 4 * 1024 * 1024, leader }, { signal })
    for (const batch of batches) codecs.add(batch.compression)
    offset = (batches.at(-1)?.lastOffset ?? end) + 1
  }
  return [...codecs].sort()
}
