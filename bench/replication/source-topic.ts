/** Writes to partitions, and asks how far they are. */
import { ListOffsets } from '../../protocol/messages/list-offsets.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { DEBUGGING_REPLICA_ID, LATEST_TIMESTAMP } from '../../src/client/admin/list-offsets.ts'
import type { Cluster } from '../../src/client/cluster.ts'
import { retry } from '../../src/client/retry.ts'
import { BrokerError } from '../../src/errors.ts'
import { BROKER_ID } from '../brokers.ts'
import { kilobyteBatch } from '../sample-batches.ts'

export const PARTITIONS = 4

/** With their header, just under 64 KiB. */
const RECORDS_PER_BATCH = 63
const DIFFERENT_BATCHES = 16
const REQUESTS_IN_FLIGHT = 4

/** Up to here topics have names. */
const NAMES_VERSION = 12
const PRODUCE_TIMEOUT_MS = 30_000

/** A replica of a partition, and the broker that holds it: it need not be the leader. */
export interface BenchReplica {
  readonly topic: string
  readonly partition: number
  readonly nodeId: number
}

export interface Filled {
  readonly records: number
  readonly bytes: number
}

/** The partitions of a topic that lies on the one broker there is. */
export function replicasOf (topic: string): BenchReplica[] {
  return Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition, nodeId: BROKER_ID }))
}

/** Appends batches of 64 KB to all of some partitions of one broker in turn, until there are so many bytes or a few more. */
export async function fill (cluster: Cluster, replicas: readonly BenchReplica[], bytes: number, signal: AbortSignal): Promise<Filled> {
  await untilLed(cluster, replicas, signal)
  const batches = Array.from({ length: DIFFERENT_BATCHES }, (_, index) => kilobyteBatch(RECORDS_PER_BATCH, index + 1))
  const batchBytes = batches[0]?.length ?? NaN
  const rounds = Math.ceil(bytes / batchBytes / replicas.length)
  let next = 0
  const work = async (): Promise<void> => {
    while (next < rounds) {
      const round = next++
      await append(cluster, replicas.map((replica, index) => ({ replica, batch: batches[(round + index) % DIFFERENT_BATCHES] ?? Buffer.alloc(0) })), signal)
    }
  }
  await Promise.all(Array.from({ length: REQUESTS_IN_FLIGHT }, work))
  return { records: rounds * replicas.length * RECORDS_PER_BATCH, bytes: rounds * replicas.length * batchBytes }
}

/** A broker is shown as the leader of a new partition before it knows that it is. */
async function untilLed (cluster: Cluster, replicas: readonly BenchReplica[], signal: AbortSignal): Promise<void> {
  await retry(async () => {
    for (const [{ topic, partition }, { errorCode }] of await listEnds(cluster, replicas, signal)) if (errorCode !== 0) throw new BrokerError(errorCode, `ListOffsets ${topic}-${partition}`)
  }, { signal, deadlineMs: 30_000, baseMs: 50, maxMs: 500 })
}

/**
 * Appends one batch to each of some partitions of one broker; returns the offsets they got, in the same order.
 * @throws {BrokerError}
 */
export async function append (cluster: Cluster, rows: ReadonlyArray<{ readonly replica: BenchReplica, readonly batch: Buffer }>, signal: AbortSignal): Promise<number[]> {
  const topics = byTopic(rows, ({ replica }) => replica)
  const { body } = await cluster.request(Produce, {
    acks: -1,
    timeoutMs: PRODUCE_TIMEOUT_MS,
    topicData: [...topics].map(([name, ofTopic]) => ({ name, partitionData: ofTopic.map(({ replica, batch }) => ({ index: replica.partition, records: batch })) }))
  }, rows[0]?.replica.nodeId ?? -1, { signal, purpose: 'produce', maxVersion: NAMES_VERSION })
  return rows.map(({ replica: { topic, partition } }) => {
    const answer = body.responses.find(({ name }) => name === topic)?.partitionResponses.find(({ index }) => index === partition)
    if (answer === undefined || answer.errorCode !== 0) throw new BrokerError(answer?.errorCode ?? -1, `Produce ${topic}-${partition}`)
    return Number(answer.baseOffset)
  })
}

/** Where each replica's log ends, by its own broker; 0 for those that are not there. @throws {ShadowError} when a broker cannot be asked */
export async function endOffsets (cluster: Cluster, replicas: readonly BenchReplica[], signal: AbortSignal): Promise<number[]> {
  return (await listEnds(cluster, replicas, signal)).map(([, { errorCode, offset }]) => errorCode === 0 ? Math.max(0, Number(offset)) : 0)
}

type EndRow = readonly [BenchReplica, { readonly errorCode: number, readonly offset: bigint }]

/** A broker answers this replica id without checking that it is the leader. */
async function listEnds (cluster: Cluster, replicas: readonly BenchReplica[], signal: AbortSignal): Promise<EndRow[]> {
  const nodes = [...new Set(replicas.map(({ nodeId }) => nodeId))]
  // Brokers of a cluster are known from its metadata.
  if (nodes.some(nodeId => cluster.lastView?.brokers.has(nodeId) !== true)) await cluster.refresh({ signal })
  const answers = new Map(await Promise.all(nodes.map(async nodeId => {
    const topics = byTopic(replicas.filter(replica => replica.nodeId === nodeId), replica => replica)
    const { body } = await cluster.request(ListOffsets, {
      replicaId: DEBUGGING_REPLICA_ID,
      topics: [...topics].map(([name, ofTopic]) => ({ name, partitions: ofTopic.map(({ partition }) => ({ partitionIndex: partition, currentLeaderEpoch: -1, timestamp: BigInt(LATEST_TIMESTAMP) })) }))
    }, nodeId, { signal, minVersion: 1 })
    return [nodeId, body.topics] as const
  })))
  return replicas.map(replica => {
    const row = answers.get(replica.nodeId)?.find(({ name }) => name === replica.topic)?.partitions.find(({ partitionIndex }) => partitionIndex === replica.partition)
    return [replica, row ?? { errorCode: -1, offset: -1n }]
  })
}

/** Rows as requests have them. */
export function byTopic<T> (rows: readonly T[], replicaOf: (row: T) => BenchReplica): Map<string, T[]> {
  const topics = new Map<string, T[]>()
  for (const row of rows) {
    const { topic } = replicaOf(row)
    const known = topics.get(topic)
    if (known === undefined) topics.set(topic, [row])
    else known.push(row)
  }
  return topics
}
