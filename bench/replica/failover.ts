/** A failover as those see it who wait for it: when leadership has moved, and when each partition takes a write with acks=all. */
import type { Cluster } from '../../src/client/cluster.ts'
import type { MetadataFollower } from '../../src/kraft/metadata/metadata-follower.ts'
import { sleep } from '../../src/net/sleep.ts'
import type { StateFollower } from '../../src/state/state-follower.ts'
import { kilobyteBatch } from '../sample-batches.ts'
import { number } from '../report.ts'
import type { ShadowProcess } from './shadow-process.ts'
import { produce, type ManyTopics } from './topics.ts'

export interface FailoverTimes {
  readonly partitions: number
  /** From the order on, in ms: until leadership of the last partition had moved to a real broker. */
  readonly movedMs: number
  /** Until that of half of them had. */
  readonly halfMovedMs: number
  /** Until the first and the last topic were recorded as failed over. */
  readonly firstOpenMs: number
  readonly lastOpenMs: number
  /** Until a record was acknowledged by all replicas of the first and the last partition, after its topic was open. */
  readonly firstWritableMs: number
  readonly lastWritableMs: number
}

export function failoverLine ({ movedMs, halfMovedMs, firstOpenMs, lastOpenMs, firstWritableMs, lastWritableMs }: FailoverTimes): string {
  return `moved ${number(movedMs)} ms (half of it ${number(halfMovedMs)}), open ${number(firstOpenMs)} to ${number(lastOpenMs)} ms, writable ${number(firstWritableMs)} to ${number(lastWritableMs)} ms`
}

export interface FailoverWatch {
  readonly shadow: Cluster
  readonly metadata: MetadataFollower
  readonly state: StateFollower
  readonly signal: AbortSignal
}

const PATIENCE_MS = 180_000
/** A partition that is not writable yet must not keep the others of its request waiting. */
const WRITE_TIMEOUT_MS = 50
const POLL_MS = 5
const ROWS_PER_REQUEST = 500

export async function measureFailover (engine: ShadowProcess, link: string, { names, partitions }: ManyTopics, { shadow, metadata, state, signal }: FailoverWatch, { isWhole = names.length > 1 }: { readonly isWhole?: boolean } = {}): Promise<FailoverTimes> {
  const batch = kilobyteBatch(1, 2)
  const total = names.length * partitions
  const real = new Set((await shadow.refresh({ signal })).brokers.keys())
  const unmoved = new Set(names.flatMap(name => Array.from({ length: partitions }, (_, partition) => `${name}/${partition}`)))
  const unwritten = new Map<string, { readonly name: string, readonly partition: number }>()
  const ofLink = new Set(names)
  const openMs: number[] = []
  const writableMs: number[] = []
  let [movedMs, halfMovedMs] = [NaN, NaN]
  const startMs = performance.now()
  const sinceMs = (): number => performance.now() - startMs
  const forgets = [
    metadata.onChange(({ partitions: changed }) => {
      for (const [topicId, indexes] of changed) {
        for (const index of indexes) {
          const entry = metadata.image?.partition(topicId, index)
          if (entry === null || entry === undefined || !real.has(entry.leader)) continue
          const name = metadata.image?.topics.get(topicId)?.name ?? ''
          if (!unmoved.delete(`${name}/${index}`)) continue
          if (unmoved.size === Math.floor(total / 2)) halfMovedMs = sinceMs()
          if (unmoved.size === 0) movedMs = sinceMs()
        }
      }
    }),
    state.onChange(change => {
      if (change.kind !== 'topic' || change.value?.state !== 'FAILED_OVER' || !ofLink.delete(change.topic)) return
      openMs.push(sinceMs())
      for (let partition = 0; partition < partitions; partition++) unwritten.set(`${change.topic}/${partition}`, { name: change.topic, partition })
    })
  ]
  const write = async (nodeId: number): Promise<void> => {
    while (writableMs.length < total && sinceMs() < PATIENCE_MS) {
      const image = metadata.image
      const rows: Array<{ readonly name: string, readonly partition: number }> = []
      for (const row of unwritten.values()) {
        if (image?.topicsByName.get(row.name)?.partitions.get(row.partition)?.leader !== nodeId) continue
        if (rows.push(row) === ROWS_PER_REQUEST) break
      }
      if (rows.length === 0) {
        await sleep(POLL_MS, signal)
        continue
      }
      for (const [key, errorCode] of await produce(shadow, nodeId, rows, batch, { signal, timeoutMs: WRITE_TIMEOUT_MS })) {
        const row = unwritten.get(key)
        if (row === undefined) continue
        unwritten.delete(key)
        if (errorCode === 0) writableMs.push(sinceMs())
        // Those that take no write yet are tried again after all others.
        else unwritten.set(key, row)
      }
    }
  }
  try {
    await Promise.all([engine.admin.failover(link, isWhole ? null : names[0] ?? null), ...[...real].map(write)])
  } finally {
    for (const forget of forgets) forget()
  }
  if (writableMs.length < total) throw engine.process.error(`left ${total - writableMs.length} of ${total} partitions unwritable for ${PATIENCE_MS / 1000} s`)
  return {
    partitions: total,
    movedMs,
    halfMovedMs: total === 1 ? movedMs : halfMovedMs,
    firstOpenMs: Math.min(...openMs),
    lastOpenMs: Math.max(...openMs),
    firstWritableMs: Math.min(...writableMs),
    lastWritableMs: Math.max(...writableMs)
  }
}
