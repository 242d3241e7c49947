/** A link of thousands of topics, in both append modes: from its creation to the failover of all of it, and what it costs meanwhile. */
import { readFileSync } from 'node:fs'
import { sleep } from '../../src/net/sleep.ts'
import type { AppendMode } from '../../src/state/records.ts'
import { loads, type Load } from '../process-load.ts'
import { processUsage } from '../process-usage.ts'
import { atMost, number, type PartReport, type Table } from '../report.ts'
import type { BenchOptions } from '../run.ts'
import { kilobyteBatch } from '../sample-batches.ts'
import { pairCondition, withClusterPair, type ClusterPair } from './cluster-pair.ts'
import { failoverLine, measureFailover, type FailoverTimes } from './failover.ts'
import { isLevel, shadowAll, type ShadowProcess, type TimesToLevel } from './shadow-process.ts'
import { createFilled, fill, manyTopics, produce } from './topics.ts'

const PARTITIONS_PER_TOPIC = 5
/** Each shadows as many topics as another; of `produce`, which nobody is to use for so many, fewer. */
const PRODUCE_SHARE = 0.25
const WARM_TOPICS = 50

const LEVEL_MS = 300_000
const IDLE_SECONDS = 30
/** Records that come one by one, each to another partition. */
const TRICKLE_SECONDS = 15
const TRICKLE_PAUSE_MS = 10
/** What a broker still does after a change of so many partitions. */
const SETTLE_MS = 5000

/** In issue 5, and what "within minutes" and "bounded" are to mean. */
const MOST_LEVEL_SECONDS = 180
const MOST_FAILOVER_SECONDS = 60
const MOST_RESIDENT_MB = 600
const MOST_IDLE_KB_PER_1000_PARTITIONS = 10

interface Stage {
  readonly seconds: number
  readonly cpuSeconds: number
  readonly shadowCpuSeconds: number
}

interface Measured {
  readonly mode: AppendMode
  readonly topics: number
  readonly level: TimesToLevel
  readonly creation: Stage
  readonly idle: Load
  readonly idleBrokers: readonly Load[]
  readonly trickle: Load
  readonly trickled: number
  readonly residentMb: number
  /** From the kill of the engine on. */
  readonly leadsMs: number
  readonly levelAgainMs: number
  readonly failover: FailoverTimes
  readonly failingOver: Stage
  readonly peakMb: number
}

export async function measureLinkScale ({ topics, signal, progress }: BenchOptions): Promise<PartReport> {
  const measured: Measured[] = []
  for (const [mode, share] of [['replica', 1], ['produce', PRODUCE_SHARE]] as const) {
    measured.push(await withClusterPair({ signal }, pair => measure(pair, mode, Math.max(1, Math.round(topics * share)), { signal, progress: line => progress(`${mode}: ${line}`) })))
  }
  return report(measured)
}

async function measure (pair: ClusterPair, mode: AppendMode, count: number, { signal, progress }: Pick<BenchOptions, 'signal' | 'progress'>): Promise<Measured> {
  const { source, sourceClient, shadow, shadowClient, metadata, startEngine } = pair
  const warm = { link: 'warm', topics: manyTopics('warm-', WARM_TOPICS, 1), appendMode: mode }
  const many = { link: 'many', topics: manyTopics('many-', count, PARTITIONS_PER_TOPIC), appendMode: mode }
  const partitions = count * PARTITIONS_PER_TOPIC
  for (const { topics } of [warm, many]) await createFilled(sourceClient, topics, signal)
  progress(`${number(count)} topics of ${PARTITIONS_PER_TOPIC} partitions are in the source`)
  const { engine, state } = await startEngine()
  const watch = { shadow: shadowClient, metadata, state, signal }
  await shadowAll(engine, source, warm, watch)
  await measureFailover(engine, warm.link, warm.topics, watch)
  const [creation, level] = await staged(pair, engine, () => shadowAll(engine, source, many, watch))
  progress(`created ${number(level.createdMs / 1000)} s, level ${number(level.levelMs / 1000)} s; ${stageLine(creation)}; peak ${number(peakMb(engine))} MB`)
  await sleep(SETTLE_MS, signal)
  const [idle, ...idleBrokers] = await loads([engine.process.pid, ...shadowPids(pair)], IDLE_SECONDS, signal)
  if (idle === undefined) throw new Error('no process was measured')
  const residentMb = residentBytes(engine.process.pid) / 1e6
  progress(`idle: ${number(idle.kilobytesPerSecond)} kB/s, ${number(idle.cpuPercent)} % CPU, ${number(residentMb)} MB; brokers and controller ${idleBrokers.map(({ cpuPercent }) => number(cpuPercent)).join(', ')} %`)
  const { load: trickle, records: trickled } = await trickling(pair, engine, many.topics.names, signal)
  progress(`${number(trickled / TRICKLE_SECONDS)} records/s: ${number(trickle.kilobytesPerSecond)} kB/s, ${number(trickle.cpuPercent)} % CPU`)
  const firstPeakMb = peakMb(engine)
  const killedMs = performance.now()
  await Promise.all([engine.restart(shadow, signal), fill(sourceClient, many.topics, kilobyteBatch(1, 3), signal)])
  const leadsMs = performance.now() - killedMs
  await engine.until(many.link, 'everything is shadowed again', isLevel(partitions, 2), { signal, timeoutMs: LEVEL_MS })
  const levelAgainMs = performance.now() - killedMs
  progress(`another engine: leads after ${number(leadsMs / 1000)} s, has copied a new record of every partition after ${number(levelAgainMs / 1000)} s`)
  await sleep(SETTLE_MS, signal)
  const [failingOver, failover] = await staged(pair, engine, () => measureFailover(engine, many.link, many.topics, watch, { isWhole: true }))
  progress(`${failoverLine(failover)}; ${stageLine(failingOver)}; peak ${number(peakMb(engine))} MB; ${engine.process.lastLine('"longest"')}`)
  return { mode, topics: count, level, creation, idle, idleBrokers, trickle, trickled, residentMb, leadsMs, levelAgainMs, failover, failingOver, peakMb: Math.max(firstPeakMb, peakMb(engine)) }
}

/** What the engine does while single records come to the first partitions of topics, one after the other. */
async function trickling ({ sourceClient }: ClusterPair, engine: ShadowProcess, names: readonly string[], signal: AbortSignal): Promise<{ readonly load: Load, readonly records: number }> {
  const batch = kilobyteBatch(1, 4)
  const [nodeId = -1] = (await sourceClient.view({ signal })).brokers.keys()
  let records = 0
  const over = new AbortController()
  const write = async (): Promise<void> => {
    for (let index = 0; !over.signal.aborted; index = (index + 1) % names.length) {
      await produce(sourceClient, nodeId, [{ name: names[index] ?? '', partition: 0 }], batch, { signal, timeoutMs: LEVEL_MS })
      records++
      await sleep(TRICKLE_PAUSE_MS, signal)
    }
  }
  const measure = async (): Promise<Load | undefined> => {
    try {
      return (await loads([engine.process.pid], TRICKLE_SECONDS, signal))[0]
    } finally {
      over.abort()
    }
  }
  const [load] = await Promise.all([measure(), write()])
  if (load === undefined) throw new Error('no process was measured')
  return { load, records }
}

/** What `work` returns, and what it cost. */
async function staged<T> (pair: ClusterPair, engine: ShadowProcess, work: () => Promise<T>): Promise<[Stage, T]> {
  const startMs = performance.now()
  const own = processUsage(engine.process.pid).cpuSeconds
  const shadow = shadowCpuSeconds(pair)
  const result = await work()
  return [{ seconds: (performance.now() - startMs) / 1000, cpuSeconds: processUsage(engine.process.pid).cpuSeconds - own, shadowCpuSeconds: shadowCpuSeconds(pair) - shadow }, result]
}

function stageLine ({ cpuSeconds, shadowCpuSeconds }: Stage): string {
  return `CPU: engine ${number(cpuSeconds)} s, shadow cluster ${number(shadowCpuSeconds)} s`
}

function shadowPids ({ shadow }: ClusterPair): number[] {
  return [...shadow.brokers, ...shadow.controllers].flatMap(({ pid }) => pid === null ? [] : [pid])
}

function shadowCpuSeconds (pair: ClusterPair): number {
  return shadowPids(pair).reduce((sum, pid) => sum + processUsage(pid).cpuSeconds, 0)
}

function peakMb (engine: ShadowProcess): number {
  return processUsage(engine.process.pid).peakBytes / 1e6
}

function residentBytes (pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
}

function report (measured: readonly Measured[]): PartReport {
  const seconds = (ms: number): string => Number.isNaN(ms) ? 'real brokers lead from the start' : `${number(ms / 1000)} s`
  const rows = (label: string, of: (one: Measured) => string): readonly string[] => [label, ...measured.map(of)]
  const table: Table = {
    columns: ['', ...measured.map(({ mode, topics }) => `\`${mode}\`, ${number(topics)} topics, ${number(topics * PARTITIONS_PER_TOPIC)} partitions`)],
    rows: [
      rows('Link created, until every topic is ACTIVE', ({ level }) => seconds(level.createdMs)),
      rows('… until every partition is level', ({ level }) => seconds(level.levelMs)),
      rows('CPU for that: engine; shadow brokers and controller', ({ creation }) => `${number(creation.cpuSeconds)} s; ${number(creation.shadowCpuSeconds)} s`),
      rows('Idle: engine', ({ idle }) => `${number(idle.kilobytesPerSecond)} kB/s, ${number(idle.cpuPercent)} % of a core`),
      rows('Idle: each shadow broker, and the controller', ({ idleBrokers }) => idleBrokers.map(({ cpuPercent }) => `${number(cpuPercent)} %`).join(', ')),
      rows('Single records, each to another partition: engine', ({ trickle, trickled }) => `${number(trickle.cpuPercent)} % of a core for ${number(trickled / TRICKLE_SECONDS)} records/s`),
      rows('Engine killed, until another leads', ({ leadsMs }) => seconds(leadsMs)),
      rows('… until it has copied a new record of every partition', ({ levelAgainMs }) => seconds(levelAgainMs)),
      rows('Failover of all, until half of the leaders are real brokers', ({ failover }) => seconds(failover.halfMovedMs)),
      rows('… until all are', ({ failover }) => seconds(failover.movedMs)),
      rows('… until the first and the last topic are FAILED_OVER', ({ failover }) => `${seconds(failover.firstOpenMs)}; ${seconds(failover.lastOpenMs)}`),
      rows('… until the last partition takes a write with acks=all', ({ failover }) => seconds(failover.lastWritableMs)),
      rows('CPU for that: engine; shadow brokers and controller', ({ failingOver }) => `${number(failingOver.cpuSeconds)} s; ${number(failingOver.shadowCpuSeconds)} s`),
      rows('Resident memory of the engine: idle; peak of all', ({ residentMb, peakMb }) => `${number(residentMb)} MB; ${number(peakMb)} MB`)
    ]
  }
  return {
    title: 'A link of thousands of topics',
    conditions: [
      pairCondition(),
      `Every topic has ${PARTITIONS_PER_TOPIC} partitions, and every partition holds one record and has one replica, on either side. The brokers are warm: ${WARM_TOPICS} other topics were failed over before`,
      '"Level": the status has lag 0 for every partition, with all of its replicas. "Killed": SIGKILL, another process at the same addresses at once; the source is written to meanwhile, one record for every partition',
      'Failover: "leaders are real brokers" as the metadata log says; a record for every partition is sent once its topic is recorded as failed over, and tried again until all replicas have it',
      `Idle: no record is written; over ${IDLE_SECONDS} s. kB/s is all that the engine reads and writes (/proc/PID/io)`
    ],
    tables: [table],
    targets: measured.flatMap(({ mode, topics, level, idle, failover, peakMb }) => [
      atMost(`${mode}, ${number(topics)} topics: until all is level`, level.levelMs / 1000, MOST_LEVEL_SECONDS, ' s'),
      atMost(`${mode}, ${number(topics)} topics: failover, until the last partition is writable`, failover.lastWritableMs / 1000, MOST_FAILOVER_SECONDS, ' s'),
      atMost(`${mode}, ${number(topics)} topics: peak memory of the engine`, peakMb, MOST_RESIDENT_MB, ' MB'),
      atMost(`${mode}: idle, for 1,000 partitions`, idle.kilobytesPerSecond / (topics * PARTITIONS_PER_TOPIC) * 1000, MOST_IDLE_KB_PER_1000_PARTITIONS, ' kB/s')
    ])
  }
}
