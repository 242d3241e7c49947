/** How long a batch takes from the source to the shadow: both are followed by consumers, in this process and by one clock. */
import { Fetch } from '../../protocol/messages/fetch.ts'
import { readBatches } from '../../protocol/records/record-batch.ts'
import type { Cluster } from '../../src/client/cluster.ts'
import { BrokerError } from '../../src/errors.ts'
import { isAborted } from '../../src/net/abort.ts'
import { distribution, type Distribution } from '../distribution.ts'
import { pace } from '../pace.ts'
import { kilobyteBatch } from '../sample-batches.ts'
import { append, byTopic, endOffsets, type BenchReplica } from './source-topic.ts'

export const LAG_BYTES_PER_SECOND = 5e6

/** One batch each 10 ms. */
const RECORDS_PER_BATCH = 50
const DURATION_MS = 10_000

/** The beginning, which is not counted: the first requests after a pause. */
const SETTLE_MS = 1000

/** How long what was written last may take. */
const PATIENCE_MS = 30_000
const POLL_MS = 20

const FETCH_BYTES = 8 * 1024 * 1024
const FETCH_WAIT_MS = 500
const NAMES_VERSION = 12

export interface LagReport {
  /** From the acknowledgement of the source to a consumer of the source. */
  readonly atSource: Distribution
  /** From the acknowledgement of the source to a consumer of the target. */
  readonly atTarget: Distribution
}

export interface Side {
  readonly cluster: Cluster
  /** The same partitions on both sides, in the same order; those of one side may lie on different brokers. */
  readonly replicas: readonly BenchReplica[]
}

interface Written {
  readonly partition: number
  readonly endOffset: number
  readonly ackedMs: number
}

/** Writes to the source at a steady pace and looks when it can be read on either side. @throws {Error} when it cannot be, for long */
export async function measureLag (source: Side, target: Side, signal: AbortSignal): Promise<LagReport> {
  const batches = source.replicas.map((_, index) => kilobyteBatch(RECORDS_PER_BATCH, index + 1))
  const intervalMs = (batches[0]?.length ?? NaN) / LAG_BYTES_PER_SECOND * 1000
  const abort = new AbortController()
  const ended = AbortSignal.any([signal, abort.signal])
  const sides = [source, target]
  const sightings = await Promise.all(sides.map(async side => new Sightings(side, await endOffsets(side.cluster, side.replicas, signal))))
  const following = sightings.flatMap(sighting => sighting.follow(ended))
  // Whoever fails is told of at the end of the pace: until then nobody waits for it.
  for (const follower of following) follower.catch(() => {})
  try {
    const written: Written[] = []
    const appends: Array<Promise<void>> = []
    let next = 0
    await pace({ intervalMs, durationMs: DURATION_MS, signal }, () => {
      const partition = next++ % source.replicas.length
      const replica = source.replicas[partition]
      if (replica === undefined) throw new Error('a partition is missing')
      const work = append(source.cluster, [{ replica, batch: batches[partition] ?? Buffer.alloc(0) }], signal).then(([baseOffset = NaN]) => {
        written.push({ partition, endOffset: baseOffset + RECORDS_PER_BATCH, ackedMs: performance.now() })
      })
      work.catch(() => {})
      appends.push(work)
    })
    await Promise.all(appends)
    const deadlineMs = performance.now() + PATIENCE_MS
    while (!sightings.every(sighting => sighting.hasAll(written))) {
      if (performance.now() > deadlineMs) throw new Error(`what was written to ${source.replicas[0]?.topic ?? 'the source'} has not been seen everywhere after ${PATIENCE_MS / 1000} s`)
      await Promise.race([Promise.all(following), new Promise(resolve => setTimeout(resolve, POLL_MS))])
    }
    const settledMs = Math.min(...written.map(({ ackedMs }) => ackedMs)) + SETTLE_MS
    const counted = written.filter(({ ackedMs }) => ackedMs >= settledMs)
    const [atSource, atTarget] = sightings.map(sighting => distribution(counted.map(batch => sighting.seenMs(batch) - batch.ackedMs)))
    if (atSource === undefined || atTarget === undefined) throw new Error('a side is missing')
    return { atSource, atTarget }
  } finally {
    abort.abort()
    await Promise.allSettled(following)
  }
}

/** When a consumer saw how much of each partition. */
class Sightings {
  readonly #side: Side
  readonly #positions: number[]
  readonly #seen: Array<Array<{ readonly endOffset: number, readonly atMs: number }>>

  constructor (side: Side, positions: readonly number[]) {
    this.#side = side
    this.#positions = [...positions]
    this.#seen = positions.map(() => [])
  }

  hasAll (written: readonly Written[]): boolean {
    return written.every(({ partition, endOffset }) => (this.#positions[partition] ?? 0) >= endOffset)
  }

  seenMs ({ partition, endOffset }: Written): number {
    return this.#seen[partition]?.find(sighting => sighting.endOffset >= endOffset)?.atMs ?? NaN
  }

  /** One consumer for each broker. */
  follow (signal: AbortSignal): Array<Promise<void>> {
    const nodes = new Set(this.#side.replicas.map(({ nodeId }) => nodeId))
    return [...nodes].map(async nodeId => { await this.#follow(nodeId, signal) })
  }

  async #follow (nodeId: number, signal: AbortSignal): Promise<void> {
    const { cluster, replicas } = this.#side
    const rows = replicas.map((replica, index) => ({ replica, index })).filter(({ replica }) => replica.nodeId === nodeId)
    const topics = byTopic(rows, ({ replica }) => replica)
    try {
      while (!signal.aborted) {
        const { body } = await cluster.request(Fetch, {
          maxWaitMs: FETCH_WAIT_MS,
          minBytes: 1,
          maxBytes: FETCH_BYTES,
          topics: [...topics].map(([topic, ofTopic]) => ({
            topic,
            partitions: ofTopic.map(({ replica: { partition }, index }) => ({ partition, fetchOffset: BigInt(this.#positions[index] ?? 0), partitionMaxBytes: FETCH_BYTES }))
          }))
        }, nodeId, { signal, purpose: 'fetch', maxVersion: NAMES_VERSION })
        const atMs = performance.now()
        for (const { topic, partitions } of body.responses) {
          for (const { partitionIndex, errorCode, records } of partitions) {
            if (errorCode !== 0) throw new BrokerError(errorCode, `Fetch ${topic}-${partitionIndex}`)
            const last = readBatches(records ?? Buffer.alloc(0)).batches.at(-1)
            const index = rows.find(({ replica }) => replica.topic === topic && replica.partition === partitionIndex)?.index
            if (last === undefined || index === undefined) continue
            this.#positions[index] = last.lastOffset + 1
            this.#seen[index]?.push({ endOffset: last.lastOffset + 1, atMs })
          }
        }
      }
    } catch (error) {
      if (!isAborted(signal)) throw error
    }
  }
}
