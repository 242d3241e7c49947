/**
 * Compares shadow topics in append mode replica with their sources: what every real replica has on disk, and what it answers. The
 * source's replicas that lead are what is compared with.
 */
import { EARLIEST_TIMESTAMP, MAX_TIMESTAMP } from '../../src/client/admin/list-offsets.ts'
import type { Cluster, TopicView } from '../../src/client/cluster.ts'
import { sleep } from '../../src/net/sleep.ts'
import { messageOf } from '../../src/errors.ts'
import { offsetsAt, readCommitted, type AskedPartition } from './broker-answers.ts'
import { compareCleanedSegments, compareSegments } from './compare-segments.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { storedAborts, storedBatches } from './segment-files.ts'

const WAIT_MS = 15_000
const POLL_MS = 100
const ASKED_TIMES = 12
/** Of more than these, not every partition is asked about many times. */
const FEW_PARTITIONS = 50

export interface Sides {
  readonly source: KafkaCluster
  readonly shadow: KafkaCluster
  readonly sourceClient: Cluster
  readonly shadowClient: Cluster
}

export interface ComparisonOptions {
  /** True where replicas have cleaned apart: they are compared record by record. */
  readonly isCleaned?: boolean
  /** False where the failover has ended what was open on the source. */
  readonly isShadow?: boolean
}

export interface TopicComparison {
  readonly replicas: number
  readonly batches: number
  readonly aborts: number
  readonly differences: readonly string[]
}

/** Looks again for a while at what differs: a follower may have the last batches a moment later. */
export async function compareTopic (sides: Sides, topic: string, options: ComparisonOptions = {}): Promise<TopicComparison> {
  const { source, shadow, sourceClient, shadowClient } = sides
  const [theirs, mine] = await Promise.all([viewOf(sourceClient, topic), viewOf(shadowClient, topic)])
  if (theirs.partitions.length !== mine.partitions.length) throw new Error(`${topic} has ${theirs.partitions.length} partitions on the source and ${mine.partitions.length} on the shadow`)
  const total = { replicas: 0, batches: 0, aborts: 0 }
  const differences: string[] = []
  const realIds = shadow.brokers.map(({ id }) => id)
  for (const { partition, leaderId } of theirs.partitions) {
    const asked: AskedPartition = { topic, topicId: theirs.topicId ?? '', partition, brokerId: leaderId }
    const expected = await expectationOf(sourceClient, asked, source.partitionDir(leaderId, topic, partition), theirs.partitions.length > FEW_PARTITIONS ? 0 : ASKED_TIMES)
    const replicas = (mine.partitions[partition]?.replicas ?? []).filter(id => realIds.includes(id))
    for (const brokerId of replicas) {
      const deadlineMs = performance.now() + WAIT_MS
      for (;;) {
        const result = await differenceOf(expected, shadowClient, { ...asked, topicId: mine.topicId ?? '', brokerId }, shadow.partitionDir(brokerId, topic, partition), options)
        if (result === null || performance.now() > deadlineMs) {
          if (result !== null) differences.push(`${topic}-${partition} on broker ${brokerId}: ${result}`)
          break
        }
        await sleep(POLL_MS)
      }
      total.replicas++
    }
    total.batches += [...storedBatches(expected.folder)].length
    total.aborts += storedAborts(expected.folder).length
  }
  return { ...total, differences }
}

interface Expectation {
  readonly folder: string
  readonly read: Awaited<ReturnType<typeof readCommitted>>
  readonly times: readonly number[]
  readonly offsets: readonly string[]
}

async function expectationOf (client: Cluster, asked: AskedPartition, folder: string, askedTimes: number): Promise<Expectation> {
  const [start = ''] = await offsetsAt(client, asked, [EARLIEST_TIMESTAMP])
  const times = timesOf(folder, askedTimes)
  return { folder, read: await readCommitted(client, asked, Number(/offset (\d+)/.exec(start)?.[1] ?? 0)), times, offsets: await offsetsAt(client, asked, times) }
}

async function differenceOf (expected: Expectation, client: Cluster, asked: AskedPartition, folder: string, { isCleaned = false, isShadow = true }: ComparisonOptions): Promise<string | null> {
  const { logStartOffset, lastStableOffset, highWatermark } = expected.read
  try {
    const read = await readCommitted(client, asked, logStartOffset)
    if (read.logStartOffset !== logStartOffset) return `its log starts at ${read.logStartOffset}, and the source's at ${logStartOffset}`
    if (isShadow) {
      if (read.highWatermark !== highWatermark) return `its high watermark is ${read.highWatermark}, and the source's ${highWatermark}`
      if (read.lastStableOffset !== lastStableOffset) return `its last stable offset is ${read.lastStableOffset}, and the source's ${lastStableOffset}`
    }
    const limits = { logStartOffset, endOffset: isShadow ? Infinity : lastStableOffset, leftOf: leftIn(expected.folder) }
    if (abortsDiffer(read.aborted, expected.read.aborted, limits)) return `aborted transactions are ${read.aborted.join()}, and on the source ${expected.read.aborted.join()}`
    if (isCleaned) {
      const { difference } = compareCleanedSegments(expected.folder, folder)
      return difference
    }
    const comparison = compareSegments(expected.folder, folder, logStartOffset)
    // What the failover has written to end what was open comes after the copy.
    const isMore = !isShadow && comparison.endOffset === highWatermark && comparison.difference?.startsWith(`${expected.folder} ends before`) === true
    if (comparison.difference !== null && !isMore) return comparison.difference
    const [aborts, theirs] = [folder, expected.folder].map(path => storedAborts(path).filter(entry => isWithin(entry, logStartOffset)))
    if (abortsDiffer(aborts ?? [], theirs ?? [], limits)) return `its transaction index has ${aborts?.join('; ') ?? ''}, and the source's ${theirs?.join('; ') ?? ''}`
    const offsets = await offsetsAt(client, asked, expected.times)
    // A broker may still name a record that was deleted.
    const isDeleted = (answer = ''): boolean => answer.startsWith(`${MAX_TIMESTAMP}:`) && Number(/offset (\d+)/.exec(answer)?.[1]) < logStartOffset
    const isAfterCopy = (answer: string): boolean => !isShadow && Number(/offset (\d+)/.exec(answer)?.[1]) >= highWatermark
    // A broker looks no further than the first segment with a batch of that time: where compaction has left it without records, what it
    // answers depends on where the segment ends, which each replica decides for itself (UnifiedLog.fetchOffsetByTimestamp).
    const emptied = [...storedBatches(expected.folder)].filter(({ recordCount }) => recordCount === 0)
    const isOpen = (...answers: readonly [string, string]): boolean => {
      const time = Number(answers[0].split(':')[0])
      const found = answers.map(answer => Number(/offset (-?\d+)/.exec(answer)?.[1]))
      return time > 0 && found.includes(-1) && emptied.some(({ maxTimestamp, baseOffset }) => maxTimestamp >= time && baseOffset < Math.max(...found))
    }
    const wrong = offsets.find((answer, index) => answer !== expected.offsets[index] && !isDeleted(expected.offsets[index]) && !isAfterCopy(answer) && !isOpen(answer, expected.offsets[index] ?? ''))
    return wrong === undefined ? null : `to a time it answers "${wrong}", and the source "${expected.offsets[offsets.indexOf(wrong)] ?? ''}"`
  } catch (error) {
    return messageOf(error)
  }
}

/** Times of batches, the moments around them, and times before and after them all. */
function timesOf (folder: string, count: number): number[] {
  const all = [...new Set([...storedBatches(folder)].map(({ maxTimestamp }) => maxTimestamp))].filter(time => time >= 0)
  const some = count === 0 ? [] : all.filter((_, index) => index % Math.ceil(all.length / count) === 0)
  return [EARLIEST_TIMESTAMP, MAX_TIMESTAMP, 0, ...some.flatMap(time => [time - 1, time, time + 1]), Number.MAX_SAFE_INTEGER]
}

interface AbortLimits {
  readonly logStartOffset: number
  /** From there on, the failover has ended what was open. */
  readonly endOffset: number
  readonly leftOf: (entry: string) => string | null
}

/**
 * Compares aborted transactions, each told as `... PRODUCER from OFFSET ...`. One that began before the log starts, or with records that
 * were cleaned away, begins with the first record that a replica has: it may not have copied those before, as every replica that comes later.
 */
function abortsDiffer (mine: readonly string[], theirs: readonly string[], { logStartOffset, endOffset, leftOf }: AbortLimits): boolean {
  const beginning = (entry: string): number => Number(/from (\d+)/.exec(entry)?.[1])
  const producer = (entry: string): string => entry.slice(0, entry.indexOf(' from '))
  const cut = new Set(theirs.filter(entry => beginning(entry) < logStartOffset).map(producer))
  const later = new Map(theirs.map(entry => [entry, leftOf(entry)]))
  const missing = theirs.filter(entry => {
    const left = later.get(entry) ?? null
    return beginning(entry) >= logStartOffset && !mine.includes(entry) && left !== null && !mine.includes(left)
  })
  const left = [...later.values()]
  const added = mine.filter(entry => !theirs.includes(entry) && !left.includes(entry) && beginning(entry) < endOffset)
  return missing.length > 0 || added.some(entry => !cut.has(producer(entry))) || added.length > cut.size
}

/** A transaction as who copies a log after it was cleaned comes to know it; null where none of its records are left. */
function leftIn (folder: string): (entry: string) => string | null {
  const batches = [...storedBatches(folder)].filter(({ producerId }) => producerId >= 0)
  return entry => {
    const [, producerId = '', from = ''] = /(\d+) from (\d+)/.exec(entry) ?? []
    const first = batches.find(batch => batch.producerId === Number(producerId) && batch.baseOffset >= Number(from))
    return first === undefined || first.isControl ? null : entry.replace(/from \d+/, `from ${first.baseOffset}`)
  }
}

function isWithin (entry: string, logStartOffset: number): boolean {
  return Number(/to (\d+)$/.exec(entry)?.[1]) >= logStartOffset
}

async function viewOf (cluster: Cluster, topic: string): Promise<TopicView> {
  const view = (await cluster.refresh({ signal: AbortSignal.timeout(WAIT_MS) })).topics.get(topic)
  if (view === undefined) throw new Error(`there is no topic ${topic}`)
  return view
}
