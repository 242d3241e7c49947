/** What copying took: from the first records on the replicas to the last on the slowest, and the CPU of those who had to do with it. */
import type { Cluster } from '../../src/client/cluster.ts'
import { sleep } from '../../src/net/sleep.ts'
import { processUsage } from '../process-usage.ts'
import { number } from '../report.ts'
import type { CopierProcess } from '../replication/copiers.ts'
import { endOffsets, PARTITIONS, type BenchReplica, type Filled } from '../replication/source-topic.ts'

export const POLL_MS = 25

const START_TIMEOUT_MS = 90_000
/** What nobody may be slower than. */
const LEAST_BYTES_PER_SECOND = 15e6

/** A process whose CPU is counted. */
export interface Watched {
  readonly name: string
  /** @throws {Error} when it has ended */
  readonly pid: () => number
}

export interface Copied {
  readonly bytes: number
  readonly seconds: number
  /** While copying, in seconds of CPU, by process. */
  readonly cpuSeconds: ReadonlyMap<string, number>
}

export interface Copying {
  /** The cluster that is copied to. */
  readonly cluster: Cluster
  /** What each copy is to hold in the end. */
  readonly filled: Filled
  /** One or more copies of all partitions. */
  readonly replicas: readonly BenchReplica[]
  readonly watched: readonly Watched[]
  /** Who copies, where that is a process of the bench's own. */
  readonly child: CopierProcess | null
  readonly signal: AbortSignal
}

/** Waits until all replicas have everything. @throws {Error} when that takes too long, or there is more than there should be */
export async function copying ({ cluster, filled: { records, bytes }, replicas, watched, child, signal }: Copying): Promise<Copied> {
  const copies = replicas.length / PARTITIONS
  const done = async (): Promise<number> => await recordsIn(cluster, replicas, signal) / copies
  const usage = (): Map<string, number> => new Map(watched.map(({ name, pid }) => [name, processUsage(pid()).cpuSeconds]))
  const first = await until(done, count => count > 0, { timeoutMs: START_TIMEOUT_MS, child, signal })
  const before = usage()
  const last = await until(done, count => count >= records, { timeoutMs: START_TIMEOUT_MS + bytes / LEAST_BYTES_PER_SECOND * 1000, child, signal })
  const after = usage()
  if (last.count !== records) throw new Error(`${last.count} records have been made of ${records}`)
  return {
    bytes: bytes * (records - first.count) / records,
    seconds: (last.atMs - first.atMs) / 1000,
    cpuSeconds: new Map([...after].map(([name, seconds]) => [name, seconds - (before.get(name) ?? NaN)]))
  }
}

/** How many records all of these replicas hold together. */
export async function recordsIn (cluster: Cluster, replicas: readonly BenchReplica[], signal: AbortSignal): Promise<number> {
  return (await endOffsets(cluster, replicas, signal)).reduce((total, end) => total + end, 0)
}

/** Asks until the number of records, or of whatever else, is as it should be. @throws {Error} when the child has ended, or the time is over */
export async function until (countNow: () => Promise<number>, isThere: (count: number) => boolean, { timeoutMs = START_TIMEOUT_MS, child, signal }: {
  readonly timeoutMs?: number
  readonly child: CopierProcess | null
  readonly signal: AbortSignal
}): Promise<{ readonly count: number, readonly atMs: number }> {
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    const count = await countNow()
    const atMs = performance.now()
    if (isThere(count)) return { count, atMs }
    const what = `took more than ${number(timeoutMs / 1000)} s, and ${count} are there`
    // The pid throws when the process has ended.
    if ((child === null || child.pid > 0) && atMs > deadlineMs) throw child?.error(what) ?? new Error(`copying ${what}`)
    await sleep(POLL_MS, signal)
  }
}

/** In MB/s, each replica. */
export function speed ({ bytes, seconds }: Copied): number {
  return bytes / 1e6 / seconds
}

/** In seconds of CPU for each GB that was copied, however many replicas of it were made; not a number for a process that was not watched. */
export function cpu ({ cpuSeconds, bytes }: Copied, name: string): number {
  return (cpuSeconds.get(name) ?? NaN) / (bytes / 1e9)
}

export function copiedLine (copied: Copied): string {
  return `${number(speed(copied))} MB/s in ${number(copied.seconds)} s; CPU s/GB: ${[...copied.cpuSeconds.keys()].map(key => `${key} ${number(cpu(copied, key))}`).join(', ')}`
}
