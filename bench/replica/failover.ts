/** A failover as those see it who wait for it: when leadership has moved, and when each partition takes a write with acks=all. */
import type { Cluster } from '../../src/client/cluster.ts'
import type { MetadataFollower } from '../../src/kraft/metadata/metadata-follower.ts'
import { sleep } from '../../src/net/sleep.ts'
import type { StateFollower } from '../../src/state/state-follower.ts'
import type { KafkaCluster } from '../../test/support/kafka-cluster.ts'
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

interface Row {
  readonly name: string
  readonly partition: number
}

interface Writing {
  /** Those that are to be written to, by name and number; they are taken out when they have been. */
  readonly unwritten: Map<string, Row>
  readonly writableMs: number[]
  readonly total: number
  readonly sinceMs: () => number
}

const PATIENCE_MS = 180_000
/** Long: a record that is sent again is appended again, and with its replicas keeps the brokers from getting ready. */
const WRITE_TIMEOUT_MS = 10_000
const POLL_MS = 5
/** Few: a broker that waits for the followers of a request looks at all of its partitions whenever one of them has moved. */
const ROWS_PER_REQUEST = 20
/** To each broker, each on a connection of its own. */
const WRITERS = 8

export async function measureFailover (engine: ShadowProcess, link: string, { names, partitions }: ManyTopics, { shadow, metadata, state, signal }: FailoverWatch, { isWhole = names.length > 1 }: { readonly isWhole?: boolean } = {}): Promise<FailoverTimes> {
  const total = names.length * partitions
  const real = new Set((await shadow.refresh({ signal })).brokers.keys())
  const unmoved = new Set(names.flatMap(name => Array.from({ length: partitions }, (_, partition) => `${name}/${partition}`)))
  const unwritten = new Map<string, Row>()
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
  try {
    const writing = { unwritten, writableMs, total, sinceMs }
    await Promise.all([engine.admin.failover(link, isWhole ? null : names[0] ?? null), ...[...real].map(nodeId => writeTo(nodeId, writing, { shadow, metadata, signal }))])
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

/** Writes a record to each partition that a broker leads, until there is one in all partitions, wherever they are led. */
async function writeTo (nodeId: number, writing: Writing, watch: Pick<FailoverWatch, 'shadow' | 'metadata' | 'signal'>): Promise<void> {
  await Promise.all(Array.from({ length: WRITERS }, (_, lane) => writeOn(nodeId, lane, writing, watch)))
}

async function writeOn (nodeId: number, lane: number, { unwritten, writableMs, total, sinceMs }: Writing, { shadow, metadata, signal }: Pick<FailoverWatch, 'shadow' | 'metadata' | 'signal'>): Promise<void> {
  const batch = kilobyteBatch(1, 2)
  while (writableMs.length < total && sinceMs() < PATIENCE_MS) {
    const image = metadata.image
    const rows = new Map<string, Row>()
    for (const [key, row] of unwritten) {
      if (image?.topicsByName.get(row.name)?.partitions.get(row.partition)?.leader !== nodeId) continue
      unwritten.delete(key)
      if (rows.set(key, row).size === ROWS_PER_REQUEST) break
    }
    if (rows.size === 0) {
      await sleep(POLL_MS, signal)
      continue
    }
    for (const [key, errorCode] of await produce(shadow, nodeId, [...rows.values()], batch, { signal, timeoutMs: WRITE_TIMEOUT_MS, lane })) {
      const row = rows.get(key)
      if (errorCode === 0) writableMs.push(sinceMs())
      // Those that take no write yet are tried again after all others.
      else if (row !== undefined) unwritten.set(key, row)
    }
  }
}

export interface NativeMove {
  readonly partitions: number
  /** From the record of the metadata log that makes another broker their leader, in ms: until the last of them takes a write with acks=all. */
  readonly lastWritableMs: number
}

/**
 * What a plain Kafka cluster takes for the same: one of its brokers is killed, and the partitions of these topics that it led get
 * another leader. Each broker then has about as many to take over as in a failover, where two of them share twice as many.
 */
export async function measureNativeMove (cluster: KafkaCluster, killed: number, { names }: ManyTopics, { shadow, metadata, signal }: Pick<FailoverWatch, 'shadow' | 'metadata' | 'signal'>): Promise<NativeMove> {
  const led = new Map<string, Row>()
  for (const name of names) {
    for (const [partition, { leader }] of metadata.image?.topicsByName.get(name)?.partitions ?? []) if (leader === killed) led.set(`${name}/${partition}`, { name, partition })
  }
  let startMs = NaN
  const survivor = cluster.brokers.find(({ id }) => id !== killed)?.id ?? -1
  const moved = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => { reject(new Error(`broker ${killed} was killed, and leads still`)) }, PATIENCE_MS)
    const forget = metadata.onChange(() => {
      const image = metadata.image
      if (![...led.values()].some(({ name, partition }) => image?.topicsByName.get(name)?.partitions.get(partition)?.leader === survivor)) return
      startMs = performance.now()
      clearTimeout(timer)
      forget()
      resolve()
    })
  })
  await Promise.all([moved, cluster.broker(killed).kill()])
  const writableMs: number[] = []
  const total = led.size
  await writeTo(survivor, { unwritten: led, writableMs, total, sinceMs: () => performance.now() - startMs }, { shadow, metadata, signal })
  if (writableMs.length < total) throw new Error(`${total - writableMs.length} of ${total} partitions were unwritable for ${PATIENCE_MS / 1000} s`)
  return { partitions: total, lastWritableMs: Math.max(...writableMs) }
}
