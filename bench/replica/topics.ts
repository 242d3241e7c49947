/** Topics in numbers. */
import { CreateTopics } from '../../protocol/messages/create-topics.ts'
import { DeleteTopics } from '../../protocol/messages/delete-topics.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { ZERO_UUID } from '../../protocol/schema/field.ts'
import type { Cluster } from '../../src/client/cluster.ts'
import { retry } from '../../src/client/retry.ts'
import { BrokerError } from '../../src/errors.ts'
import { kilobyteBatch } from '../sample-batches.ts'

const TOPICS_PER_REQUEST = 200
const PARTITIONS_PER_REQUEST = 200
const TIMEOUT_MS = 30_000
/** A broker makes about a hundred partitions a second. */
const READY_MS = 300_000
/** From here on topics to delete are named in rows. */
const FIRST_VERSION_OF_ROWS = 6
/** Up to here topics have names. */
const NAMES_VERSION = 12

export interface ManyTopics {
  readonly names: readonly string[]
  readonly partitions: number
}

export function manyTopics (prefix: string, topics: number, partitions: number): ManyTopics {
  return { names: Array.from({ length: topics }, (_, index) => `${prefix}${String(index).padStart(4, '0')}`), partitions }
}

/** Creates topics of one replica, and writes one record of 1 KB to each partition. */
export async function createFilled (cluster: Cluster, { names, partitions }: ManyTopics, signal: AbortSignal): Promise<void> {
  for (let start = 0; start < names.length; start += TOPICS_PER_REQUEST) {
    const { body } = await cluster.request(CreateTopics, {
      topics: names.slice(start, start + TOPICS_PER_REQUEST).map(name => ({ name, numPartitions: partitions, replicationFactor: 1, assignments: [], configs: [] })),
      timeoutMs: TIMEOUT_MS,
      validateOnly: false
    }, 'controller', { signal, purpose: 'admin', timeoutMs: TIMEOUT_MS })
    for (const { name, errorCode } of body.topics) if (errorCode !== 0) throw new BrokerError(errorCode, `CreateTopics ${name}`)
  }
  await fill(cluster, { names, partitions }, kilobyteBatch(1, 1), signal)
}

/** Deletes topics of a cluster that takes their names in rows (Kafka 2.8 or later). */
export async function deleteAll (cluster: Cluster, { names }: ManyTopics, signal: AbortSignal): Promise<void> {
  for (let start = 0; start < names.length; start += TOPICS_PER_REQUEST) {
    const { body } = await cluster.request(DeleteTopics, {
      topics: names.slice(start, start + TOPICS_PER_REQUEST).map(name => ({ name, topicId: ZERO_UUID })),
      timeoutMs: TIMEOUT_MS
    }, 'controller', { signal, purpose: 'admin', timeoutMs: TIMEOUT_MS, minVersion: FIRST_VERSION_OF_ROWS })
    for (const { name, errorCode } of body.responses) if (errorCode !== 0) throw new BrokerError(errorCode, `DeleteTopics ${name ?? ''}`)
  }
}

/** Appends a batch to each partition, as soon as it has its leader. */
export async function fill (cluster: Cluster, { names, partitions }: ManyTopics, batch: Buffer, signal: AbortSignal): Promise<void> {
  let rows = names.flatMap(name => Array.from({ length: partitions }, (_, partition) => ({ name, partition })))
  await retry(async () => {
    const [nodeId = -1] = (await cluster.refresh({ signal })).brokers.keys()
    const left: typeof rows = []
    let failure = 0
    for (let start = 0; start < rows.length; start += PARTITIONS_PER_REQUEST) {
      const taken = rows.slice(start, start + PARTITIONS_PER_REQUEST)
      const acked = await produce(cluster, nodeId, taken, batch, { signal, timeoutMs: TIMEOUT_MS })
      for (const row of taken) {
        const errorCode = acked.get(`${row.name}/${row.partition}`) ?? -1
        if (errorCode === 0) continue
        left.push(row)
        failure = errorCode
      }
    }
    rows = left
    if (left.length > 0) throw new BrokerError(failure, `Produce to ${left.length} partitions`)
  }, { signal, deadlineMs: READY_MS, baseMs: 100, maxMs: 500 })
}

/** Appends a batch to each of some partitions of one broker, with acks=all; returns the error codes, by `topic/partition`. */
export async function produce (cluster: Cluster, nodeId: number, rows: ReadonlyArray<{ readonly name: string, readonly partition: number }>, batch: Buffer, { signal, timeoutMs, lane = 0 }: { readonly signal: AbortSignal, readonly timeoutMs: number, readonly lane?: number }): Promise<Map<string, number>> {
  const topics = new Map<string, number[]>()
  for (const { name, partition } of rows) {
    const known = topics.get(name)
    if (known === undefined) topics.set(name, [partition])
    else known.push(partition)
  }
  const { body } = await cluster.request(Produce, {
    acks: -1,
    timeoutMs,
    topicData: [...topics].map(([name, partitions]) => ({ name, partitionData: partitions.map(index => ({ index, records: batch })) }))
  }, nodeId, { signal, purpose: 'produce', lane, timeoutMs: TIMEOUT_MS, maxVersion: NAMES_VERSION })
  return new Map(body.responses.flatMap(({ name, partitionResponses }) => partitionResponses.map(({ index, errorCode }) => [`${name}/${index}`, errorCode] as const)))
}
