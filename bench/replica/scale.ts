/** Many partitions in append mode replica: how long their creation and their failover take, and what they cost while nothing happens. */
import { sleep } from '../../src/net/sleep.ts'
import type { KafkaCluster } from '../../test/support/kafka-cluster.ts'
import { median } from '../distribution.ts'
import { loads, type Load } from '../process-load.ts'
import { processUsage } from '../process-usage.ts'
import { atMost, number, type PartReport } from '../report.ts'
import type { BenchOptions } from '../run.ts'
import { pairCondition, SHADOW_BROKERS, withClusterPair } from './cluster-pair.ts'
import { failoverLine, measureFailover, measureNativeMove, type FailoverTimes, type FailoverWatch, type NativeMove } from './failover.ts'
import { shadowAll, type ShadowProcess } from './shadow-process.ts'
import { measureSingleFailovers, singleFailoversTable, type SingleFailovers } from './single-failovers.ts'
import { createFilled, deleteAll, manyTopics, type ManyTopics } from './topics.ts'

/** In issue 4. */
const MOST_MOVED_SECONDS = 0.5
const MOST_WRITABLE_SECONDS = 4
const MOST_SINGLE_SECONDS = 0.3

/** As often as topics are compared with their sources: once in that time. */
const IDLE_SECONDS = 30
/** What a broker still does after a change of so many partitions. */
const SETTLE_MS = 10_000

interface Case {
  readonly name: string
  readonly link: string
  readonly topics: ManyTopics
}

/** The source has one broker, and so one replica: the shadow's default is what counts. */
const BOTH_FOLLOW = { excludeDefault: true }

const MANY = manyTopics('many-', 1000, 1)
/** The broker that is killed at the end. */
const KILLED = 2

const CASES: readonly Case[] = [
  { name: '1,000 topics of 1 partition, by brokers that were just started', link: 'first', topics: manyTopics('first-', 1000, 1) },
  { name: '1,000 topics of 1 partition', link: 'many', topics: MANY },
  { name: '1 topic of 1,000 partitions', link: 'wide', topics: manyTopics('wide-', 1, 1000) }
]

const IDLE = { link: 'idle', topics: manyTopics('idle-', 300, 10) }

interface Shadowed {
  readonly name: string
  /** From the order until every topic was recorded as created, and until every follower had its records. */
  readonly createdMs: number
  readonly levelMs: number
  readonly failover: FailoverTimes
}

export async function measureReplicaScale ({ signal, progress }: BenchOptions): Promise<PartReport> {
  return await withClusterPair({ signal }, async ({ source, sourceClient, shadow, shadowClient, metadata, startEngine }) => {
    progress(`a source of one broker and a shadow of ${SHADOW_BROKERS} are up`)
    for (const { topics } of [...CASES, IDLE]) await createFilled(sourceClient, topics, signal)
    progress('the topics are in the source')
    const { engine, state } = await startEngine()
    const watch: FailoverWatch = { shadow: shadowClient, metadata, state, signal }
    const shadowed: Shadowed[] = []
    for (const one of CASES) {
      const result = await shadowAndFailOver(engine, source, one, watch)
      shadowed.push(result)
      const { failover } = result
      progress(`${one.name}: created ${number(result.createdMs / 1000)} s, level ${number(result.levelMs / 1000)} s; ${failoverLine(failover)}`)
      await sleep(SETTLE_MS, signal)
    }
    const singles = await measureSingleFailovers({ ...watch, engine, source, sourceClient, progress })
    // What is over is not part of what idles, nor of what the source shows.
    for (const { link, topics } of CASES) {
      await engine.admin.delete(link, { force: false })
      await deleteAll(sourceClient, topics, signal)
    }
    const idle = await measureIdle(engine, source, shadow, watch, progress)
    const native = await measureNativeMove(shadow, KILLED, MANY, watch)
    progress(`native: ${native.partitions} partitions that one broker takes over: the last is writable ${number(native.lastWritableMs)} ms after the metadata log`)
    return report({ shadowed, singles, idle, native })
  })
}

async function shadowAndFailOver (engine: ShadowProcess, source: KafkaCluster, { name, link, topics }: Case, watch: FailoverWatch): Promise<Shadowed> {
  const { createdMs, levelMs } = await shadowAll(engine, source, { link, topics, ...BOTH_FOLLOW }, watch)
  return { name, createdMs, levelMs, failover: await measureFailover(engine, link, topics, watch) }
}

interface Idle {
  readonly partitions: number
  readonly createdMs: number
  readonly levelMs: number
  readonly engine: Load
  readonly brokers: readonly Load[]
  readonly brokersBefore: readonly Load[]
  readonly residentMb: number
}

async function measureIdle (engine: ShadowProcess, source: KafkaCluster, shadow: KafkaCluster, watch: FailoverWatch, progress: (line: string) => void): Promise<Idle> {
  const pids = [engine.process.pid, ...shadow.brokers.map(({ pid }) => pid ?? 0)]
  const [, ...brokersBefore] = await loads(pids, IDLE_SECONDS, watch.signal)
  const { createdMs, levelMs } = await shadowAll(engine, source, { ...IDLE, ...BOTH_FOLLOW }, watch)
  await sleep(SETTLE_MS, watch.signal)
  const [own, ...brokers] = await loads(pids, IDLE_SECONDS, watch.signal)
  if (own === undefined) throw new Error('no process was measured')
  const partitions = IDLE.topics.names.length * IDLE.topics.partitions
  progress(`${partitions} partitions: created ${number(createdMs / 1000)} s, level ${number(levelMs / 1000)} s; idle: engine ${number(own.kilobytesPerSecond)} kB/s, ${number(own.cpuPercent)} % CPU; brokers ${brokers.map(({ cpuPercent }) => number(cpuPercent)).join(', ')} %`)
  return { partitions, createdMs, levelMs, engine: own, brokers, brokersBefore, residentMb: processUsage(engine.process.pid).peakBytes / 1e6 }
}

interface Measured {
  readonly shadowed: readonly Shadowed[]
  readonly singles: SingleFailovers
  readonly idle: Idle
  readonly native: NativeMove
}

function report ({ shadowed, singles, idle, native }: Measured): PartReport {
  const seconds = (ms: number): string => `${number(ms / 1000)} s`
  const of = (link: string): FailoverTimes => {
    const index = CASES.findIndex(one => one.link === link)
    const found = shadowed[index]
    if (found === undefined) throw new Error(`${link} was not measured`)
    return found.failover
  }
  const [many, wide] = [of('many'), of('wide')]
  return {
    title: 'Append mode replica: many partitions',
    conditions: [
      pairCondition(),
      'Every partition holds one record, and is followed by both shadow brokers. The cases follow each other in the order of the table: the brokers have run the code of a failover as often as a JVM wants before it compiles it when the second one begins',
      '"Moved": the last partition is led by a real broker in the metadata log. "Open": the topic is recorded as failed over, which is when a sidecar lets writes through. "Writable": a record sent from then on is acknowledged with acks=all by the partition\'s brokers, tried again until it is; all from the order to fail over on',
      `Idle: ${number(idle.partitions)} partitions, which are all that the source has by then, both brokers following, no record written; over ${IDLE_SECONDS} s. kB/s is all that the engine reads and writes (/proc/PID/io), what it asks source and controller included, and one comparison of all topics and their configs with the source, which comes every 30 s`
    ],
    tables: [
      {
        columns: ['Failover', 'created', 'level', 'moved', 'first open', 'last open', 'first writable', 'last writable'],
        rows: shadowed.map(({ name, createdMs, levelMs, failover }) => [name, ...[createdMs, levelMs, failover.movedMs, failover.firstOpenMs, failover.lastOpenMs, failover.firstWritableMs, failover.lastWritableMs].map(seconds)])
      },
      singleFailoversTable(singles),
      {
        columns: ['Without kafka-shadow, at the end', 'last writable'],
        rows: [[`Broker ${KILLED} killed: ${number(native.partitions)} of the 1,000 topics of 1 partition get another leader, from the metadata log's record on`, seconds(native.lastWritableMs)]]
      },
      {
        columns: ['Idle', 'kB/s', 'CPU'],
        rows: [
          [`Engine, ${number(idle.partitions)} partitions`, number(idle.engine.kilobytesPerSecond), `${number(idle.engine.cpuPercent)} %`],
          ...idle.brokers.map((load, index) => [`Shadow broker ${index + 1}; before those partitions`, `${number(load.kilobytesPerSecond)}; ${number(idle.brokersBefore[index]?.kilobytesPerSecond ?? NaN)}`, `${number(load.cpuPercent)} %; ${number(idle.brokersBefore[index]?.cpuPercent ?? NaN)} %`]),
          ['Engine\'s peak resident memory', `${number(idle.residentMb)} MB`, '']
        ]
      }
    ],
    targets: [
      ...[{ name: 'of a cluster at rest', times: singles.quiet }, { name: 'of a cluster at work', times: singles.busy }].map(({ name, times }) =>
        atMost(`Replica: failover of one partition ${name}, until it is writable`, median(times.map(({ lastWritableMs }) => lastWritableMs / 1000)), MOST_SINGLE_SECONDS, ' s')),
      ...[{ name: '1 topic of 1,000 partitions', times: wide }, { name: '1,000 topics of 1 partition', times: many }].flatMap(({ name, times }) => [
        atMost(`Replica: failover of ${name}, until leadership has moved`, times.movedMs / 1000, MOST_MOVED_SECONDS, ' s'),
        atMost(`Replica: failover of ${name}, until the last is writable`, times.lastWritableMs / 1000, MOST_WRITABLE_SECONDS, ' s')
      ])
    ]
  }
}
