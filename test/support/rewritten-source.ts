/** An embedded source that loses records and writes others, as after an unclean election, and what the real replicas of a shadow hold then. */
import type { Cluster } from '../../src/client/cluster.ts'
import { replicaBounds } from '../../src/client/admin/replica-bounds.ts'
import type { EmbeddedBroker } from '../../src/embedded/embedded-broker.ts'
import { eventually, linkDocument, type BrokerCluster, type BrokerEngine } from './broker-link.ts'
import { oneBatch } from './shadow-pair.ts'

const BROKERS = [1, 2]
const WAIT_MS = 10_000
/** In the year 2100: the source's retention has nothing to delete. */
const TIMESTAMP = 4_102_444_800_000

/** A link whose topics have as many replicas as the shadow cluster gives by itself: the source is of one broker. */
export function replicatedLink (source: BrokerCluster, topics: readonly string[]): Record<string, unknown> {
  const document = linkDocument('dr', source, topics)
  return { ...document, topic_metadata_sync_options: { ...Object(document['topic_metadata_sync_options']) as object, exclude_default: true } }
}

/** Appends single records, which say what they are by `text` and their offset: the same at the same place. */
export function writeTo (source: EmbeddedBroker, topic: string, { partition = 0, count, text = 'first' }: { readonly partition?: number, readonly count: number, readonly text?: string }): void {
  const log = source.log(topic, partition)
  for (let index = 0; index < count; index++) log.append(oneBatch({ records: [{ timestamp: TIMESTAMP + log.logEndOffset, value: Buffer.from(`${text} ${log.logEndOffset}`) }] }))
}

/** The records from `at` on are gone, another leader epoch has begun, and so many others are written in it. */
export function rewrite (source: EmbeddedBroker, topic: string, { partition = 0, at, count, text = 'other' }: { readonly partition?: number, readonly at: number, readonly count: number, readonly text?: string }): void {
  source.log(topic, partition).truncateTo(at)
  source.bumpLeaderEpoch(topic)
  writeTo(source, topic, { partition, count, text })
}

/** Where the log of every real replica of a partition ends, as the brokers say. */
export async function replicaEnds (shadow: Cluster, topic: string, partition = 0): Promise<number[]> {
  return await Promise.all(BROKERS.map(async brokerId => (await replicaBounds(shadow, { topic, partition, brokerId }, { signal: AbortSignal.timeout(WAIT_MS) })).logEndOffset))
}

export async function untilEnds (shadow: Cluster, topic: string, end: number, partition = 0): Promise<void> {
  await eventually(`every replica of ${topic}-${partition} ends at ${end}`, async () => {
    const ends = await replicaEnds(shadow, topic, partition)
    if (ends.every(each => each === end)) return true
    throw new Error(`they end at ${ends.join()}`)
  })
}

export async function untilFaulted (engine: BrokerEngine, topic: string, link = 'dr'): Promise<void> {
  await eventually(`${topic} is stopped`, async () => {
    const status = await engine.topic(link, topic)
    // What its status says at once is recorded a moment later.
    return status?.state === 'FAULTED' && engine.state.state?.topicOf(link, topic)?.state === 'FAULTED'
  })
}

/** What `verify` finds different or cannot compare; it is asked again while replicas are on their way. */
export async function untilVerified (engine: BrokerEngine, topic: string, end: number, link = 'dr'): Promise<void> {
  await eventually(`every replica of ${topic} is the source's up to ${end}`, async () => {
    const reports = await engine.verify(link, topic)
    const problems = reports.flatMap(({ partition, replica, difference, incomplete }) => [difference, incomplete].flatMap(problem => problem === null ? [] : [`partition ${partition} of broker ${replica ?? -1}: ${problem}`]))
    if (problems.length > 0) throw new Error(problems.join('; '))
    return reports.filter(({ partition, toOffset }) => partition === 0 && toOffset === end).length === BROKERS.length
  })
}
