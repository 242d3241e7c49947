/** Writes to a topic, and asks how far topics are. */
import { Produce } from '../../protocol/messages/produce.ts'
import { LATEST_TIMESTAMP, listOffsets } from '../../src/client/admin/list-offsets.ts'
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

export interface Filled {
  readonly records: number
  readonly bytes: number
}

/** Appends batches of 64 KB to all partitions in turn, until there are so many bytes or a few more. */
export async function fill (cluster: Cluster, topic: string, bytes: number, signal: AbortSignal): Promise<Filled> {
  await untilLed(cluster, topic, signal)
  const batches = Array.from({ length: DIFFERENT_BATCHES }, (_, index) => kilobyteBatch(RECORDS_PER_BATCH, index + 1))
  const batchBytes = batches[0]?.length ?? NaN
  const rounds = Math.ceil(bytes / batchBytes / PARTITIONS)
  let next = 0
  const work = async (): Promise<void> => {
    while (next < rounds) {
      const round = next++
      await append(cluster, topic, Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, batch: batches[(round + partition) % DIFFERENT_BATCHES] ?? Buffer.alloc(0) })), signal)
    }
  }
  await Promise.all(Array.from({ length: REQUESTS_IN_FLIGHT }, work))
  return { records: rounds * PARTITIONS * RECORDS_PER_BATCH, bytes: rounds * PARTITIONS * batchBytes }
}

/** A broker is shown as the leader of a new partition before it knows that it is. */
async function untilLed (cluster: Cluster, topic: string, signal: AbortSignal): Promise<void> {
  await retry(async () => {
    const rows = await listOffsets(cluster, Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition, timestamp: LATEST_TIMESTAMP })), { signal })
    for (const { partition, errorCode } of rows) if (errorCode !== 0) throw new BrokerError(errorCode, `ListOffsets ${topic}-${partition}`)
  }, { signal, deadlineMs: 30_000, baseMs: 50, maxMs: 500 })
}

/**
 * Appends one batch to each of some partitions; returns the offsets they got, in the same order.
 * @throws {BrokerError}
 */
export async function append (cluster: Cluster, topic: string, batches: ReadonlyArray<{ readonly partition: number, readonly batch: Buffer }>, signal: AbortSignal): Promise<number[]> {
  const { body } = await cluster.request(Produce, {
    acks: -1,
    timeoutMs: PRODUCE_TIMEOUT_MS,
    topicData: [{ name: topic, partitionData: batches.map(({ partition, batch }) => ({ index: partition, records: batch })) }]
  }, BROKER_ID, { signal, purpose: 'produce', maxVersion: NAMES_VERSION })
  return batches.map(({ partition }) => {
    const answer = body.responses[0]?.partitionResponses.find(({ index }) => index === partition)
    if (answer === undefined || answer.errorCode !== 0) throw new BrokerError(answer?.errorCode ?? -1, `Produce ${topic}-${partition}`)
    return Number(answer.baseOffset)
  })
}

/** Where each partition of a topic ends; 0 for those that are not there. @throws {ShadowError} when the broker cannot be asked */
export async function endOffsets (cluster: Cluster, topic: string, signal: AbortSignal): Promise<number[]> {
  const rows = await listOffsets(cluster, Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition, timestamp: LATEST_TIMESTAMP })), { signal })
  return rows.map(({ offset }) => Math.max(0, offset))
}
