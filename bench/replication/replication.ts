/**
 * kafka-shadow beside MirrorMaker 2: each is a process of its own and copies the same topic from the same broker to the same
 * broker, one after the other, and then keeps up with a steady load.
 */
import type { Cluster } from '../../src/client/cluster.ts'
import { sleep } from '../../src/net/sleep.ts'
import type { KafkaCluster } from '../../test/support/kafka-cluster.ts'
import { kafkaRelease } from '../kafka-release.ts'
import { benchClient, brokerPid, createBenchTopic, startBroker } from '../brokers.ts'
import { processUsage, type ProcessUsage } from '../process-usage.ts'
import { atLeast, atMost, number, type PartReport } from '../report.ts'
import type { BenchOptions } from '../run.ts'
import { KAFKA_SHADOW, MIRROR_TUNING, mirrorMaker, type Copier, type CopierProcess } from './copiers.ts'
import { LAG_BYTES_PER_SECOND, measureLag, type LagReport } from './lag.ts'
import { endOffsets, fill, PARTITIONS, replicasOf, type Filled } from './source-topic.ts'

const SOURCE_VERSION = '4.1'
const TARGET_VERSION = '4.3'
const TOPIC = 'bench'

/**
 * The first gigabyte costs a broker's JVM over four times the CPU of the third (4.3, 2.6 and 0.9 s, without what the kernel does):
 * neither copier shall pay for that.
 */
const WARM_UP_TOPIC = 'warm-up'
const WARM_UP_BYTES = 3e9

/** In issue 3. */
const WANTED_SPEED_RATIO = 2.5
const WANTED_CPU_RATIO = 6
const MOST_RESIDENT_MB = 300

const START_TIMEOUT_MS = 90_000
/** What no copier may be slower than. */
const LEAST_BYTES_PER_SECOND = 15e6
const POLL_MS = 25

interface Copying {
  readonly copier: Copier
  /** From the start of the process until the first records are on the target. */
  readonly startSeconds: number
  /** From then on until all are. */
  readonly seconds: number
  /** What was copied in those. */
  readonly bytes: number
  readonly cpuSeconds: number
  readonly targetCpuSeconds: number
  /** Of the process so far: starting, and copying all. */
  readonly total: ProcessUsage
  readonly lag: LagReport
}

interface Clusters {
  readonly source: KafkaCluster
  readonly target: KafkaCluster
  readonly sourceClient: Cluster
  readonly targetClient: Cluster
}

export async function measureReplication ({ bytes, signal, progress }: BenchOptions): Promise<PartReport> {
  const started = await Promise.allSettled([startBroker('bench-source', SOURCE_VERSION), startBroker('bench-target', TARGET_VERSION)])
  const stops = started.map(cluster => cluster.status === 'fulfilled' ? async () => { await cluster.value.stop() } : null)
  try {
    const [source, target] = started.map(cluster => {
      if (cluster.status === 'rejected') throw cluster.reason
      return cluster.value
    })
    if (source === undefined || target === undefined) throw new Error('a cluster is missing')
    const clusters: Clusters = { source, target, sourceClient: benchClient(source), targetClient: benchClient(target) }
    stops.push(async () => { await clusters.sourceClient.close() }, async () => { await clusters.targetClient.close() })
    progress('two brokers are up')

    await createBenchTopic(clusters.sourceClient, TOPIC, PARTITIONS, signal)
    const filled = await fill(clusters.sourceClient, replicasOf(TOPIC), bytes, signal)
    progress(`${number(filled.bytes / 1e9)} GB are in the source`)
    await createBenchTopic(clusters.targetClient, WARM_UP_TOPIC, PARTITIONS, signal)
    await fill(clusters.targetClient, replicasOf(WARM_UP_TOPIC), WARM_UP_BYTES, signal)
    progress('the target is warm')

    const copied: Copying[] = []
    let expected = filled
    for (const copier of [KAFKA_SHADOW, mirrorMaker(TARGET_VERSION)]) {
      const copying = await copy(copier, clusters, expected, { signal, progress })
      copied.push(copying)
      // The load that the lag was measured with is there for the next one.
      const records = sum(await endOffsets(clusters.sourceClient, replicasOf(TOPIC), signal))
      expected = { records, bytes: filled.bytes * records / filled.records }
    }
    const [own, mirror] = copied
    if (own === undefined || mirror === undefined) throw new Error('a copier is missing')
    return report(own, mirror, filled)
  } finally {
    await Promise.allSettled(stops.map(async stop => { await stop?.() }))
  }
}

async function copy (copier: Copier, clusters: Clusters, { records, bytes }: Filled, { signal, progress }: Pick<BenchOptions, 'signal' | 'progress'>): Promise<Copying> {
  const { source, target, sourceClient, targetClient } = clusters
  const topic = copier.targetTopic(TOPIC)
  const progressOf = async (): Promise<number> => sum(await endOffsets(targetClient, replicasOf(topic), signal))
  const startMs = performance.now()
  const child = await copier.start(source, target, TOPIC)
  try {
    const first = await until(child, progressOf, atLeastRecords => atLeastRecords > 0, START_TIMEOUT_MS, signal)
    const before = { own: processUsage(child.pid), target: processUsage(brokerPid(target)) }
    progress(`${copier.name} copies after ${number((first.atMs - startMs) / 1000)} s`)
    const last = await until(child, progressOf, count => count >= records, START_TIMEOUT_MS + bytes / LEAST_BYTES_PER_SECOND * 1000, signal)
    const after = { own: processUsage(child.pid), target: processUsage(brokerPid(target)) }
    if (last.records !== records) throw child.error(`has made ${last.records} records of ${records}`)
    const seconds = (last.atMs - first.atMs) / 1000
    const copiedBytes = bytes * (records - first.records) / records
    progress(`${copier.name} has copied everything after ${number(seconds)} s: ${number(copiedBytes / 1e6 / seconds)} MB/s`)
    const lag = await measureLag({ cluster: sourceClient, replicas: replicasOf(TOPIC) }, { cluster: targetClient, replicas: replicasOf(topic) }, signal)
    return {
      copier,
      startSeconds: (first.atMs - startMs) / 1000,
      seconds,
      bytes: copiedBytes,
      cpuSeconds: after.own.cpuSeconds - before.own.cpuSeconds,
      targetCpuSeconds: after.target.cpuSeconds - before.target.cpuSeconds,
      total: { cpuSeconds: after.own.cpuSeconds, peakBytes: processUsage(child.pid).peakBytes },
      lag
    }
  } finally {
    await child.kill()
  }
}

/** Waits until so many records are there; says how many, and when that was seen. */
async function until (child: CopierProcess, progressOf: () => Promise<number>, isThere: (records: number) => boolean, timeoutMs: number, signal: AbortSignal): Promise<{ readonly records: number, readonly atMs: number }> {
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    const records = await progressOf()
    const atMs = performance.now()
    if (isThere(records)) return { records, atMs }
    // Throws when the process has ended.
    if (child.pid > 0 && atMs > deadlineMs) throw child.error(`took more than ${number(timeoutMs / 1000)} s, and ${records} records are there`)
    await sleep(POLL_MS, signal)
  }
}

function report (own: Copying, mirror: Copying, filled: Filled): PartReport {
  const row = (name: string, of: (copying: Copying) => number, unit: string, inverse = false): string[] => {
    const ratio = inverse ? of(mirror) / of(own) : of(own) / of(mirror)
    return [name, ...[own, mirror].map(copying => `${number(of(copying))} ${unit}`), `${number(ratio)}×`]
  }
  const speed = ({ bytes, seconds }: Copying): number => bytes / 1e6 / seconds
  const cpu = ({ cpuSeconds, bytes }: Copying): number => cpuSeconds / (bytes / 1e9)
  const peakMb = ({ total }: Copying): number => total.peakBytes / 1e6
  const lagRow = (name: string, of: (lag: LagReport) => number): string[] => row(name, ({ lag }) => of(lag), 'ms', true)
  return {
    title: 'Replication',
    conditions: [
      `Apache Kafka ${kafkaRelease(SOURCE_VERSION)} (source) and ${kafkaRelease(TARGET_VERSION)} (target), one broker each, heap and JVM options of Kafka's own scripts; MirrorMaker 2 of ${kafkaRelease(TARGET_VERSION)} in dedicated mode`,
      `${number(filled.bytes / 1e9)} GB: records of 1 KB that cannot be compressed, in batches of 64 KB, ${PARTITIONS} partitions; the target was warmed up with ${number(WARM_UP_BYTES / 1e9)} GB of other data before`,
      'One after the other, kafka-shadow first, so that the second has the warmer brokers; each is a process of its own with nothing else to do. kafka-shadow: `kshadow run`, default settings, every CRC checked',
      `MirrorMaker 2: ${Object.entries(MIRROR_TUNING).map(([key, value]) => `${key}=${value}`).join(', ')}; no heartbeats, checkpoints, or sync of configs and ACLs`,
      `Copying is from the first records on the target to the last, as a client sees them that asks every ${POLL_MS} ms; CPU is that of the same time (/proc), but "CPU with start-up" is the process's whole until then; memory is the peak of all, the lag's measurement included`,
      `Lag: ${LAG_BYTES_PER_SECOND / 1e6} MB/s for 10 s in batches of 50 KB; from the source's acknowledgement until a consumer has the batch. The same consumer at the source shows what of that is its own`
    ],
    tables: [{
      columns: ['', own.copier.name, mirror.copier.name, 'better by'],
      rows: [
        row('Copying', speed, 'MB/s'),
        row('CPU of the copying process, while copying', cpu, 's/GB', true),
        row('CPU with start-up', ({ total }) => total.cpuSeconds / (filled.bytes / 1e9), 's/GB', true),
        row('CPU of the target broker, while copying', ({ targetCpuSeconds, bytes }) => targetCpuSeconds / (bytes / 1e9), 's/GB', true),
        row('Peak resident memory', peakMb, 'MB', true),
        row('Start-up: process start to first records', ({ startSeconds }) => startSeconds, 's', true),
        lagRow('Lag at 5 MB/s, median', ({ atTarget }) => atTarget.p50),
        lagRow('Lag at 5 MB/s, 99th percentile', ({ atTarget }) => atTarget.p99),
        ['A consumer at the source instead, median and 99th', ...[own, mirror].map(({ lag }) => `${number(lag.atSource.p50)} / ${number(lag.atSource.p99)} ms`), '']
      ]
    }],
    targets: [
      atLeast('Replication: speed beside MirrorMaker 2', speed(own) / speed(mirror), WANTED_SPEED_RATIO, '×'),
      atLeast('Replication: MirrorMaker 2\'s CPU per GB beside ours', cpu(mirror) / cpu(own), WANTED_CPU_RATIO, '×'),
      atMost('Replication: peak resident memory', peakMb(own), MOST_RESIDENT_MB, ' MB')
    ]
  }
}

function sum (values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
