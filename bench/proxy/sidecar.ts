/** What the sidecar adds to the time of an append, beside a direct connection and a plain relay, in turn. */
import { messageOf } from '../../src/errors.ts'
import type { HostPort } from '../../src/net/host-port.ts'
import { sleep } from '../../src/net/sleep.ts'
import { benchClient, createBenchTopic, startBroker } from '../brokers.ts'
import { distribution, type Distribution } from '../distribution.ts'
import { kafkaRelease } from '../kafka-release.ts'
import { processUsage } from '../process-usage.ts'
import { atMost, number, type PartReport } from '../report.ts'
import type { BenchOptions } from '../run.ts'
import { kilobyteBatch } from '../sample-batches.ts'
import { startPipe, startSidecar, type Relay } from './relays.ts'
import { TimedProducer } from './timed-producer.ts'

const VERSION = '4.3'
const TOPIC = 'bench'

const RECORDS_PER_REQUEST = 10
const BYTES_PER_SECOND = 5e6

/** Short turns: what else the machine does meets all ways alike. */
const TURN_MS = 1000
const ROUNDS = 15
/** Not counted, until the broker and the relays are compiled. */
const WARM_UP_MS = 4000

/** In issue 3. */
const MOST_ADDED_MEDIAN_MS = 0.2
const MOST_ADDED_MEAN_MS = 0.3

const READY_TIMEOUT_MS = 60_000
const READY_POLL_MS = 200

interface Way {
  readonly name: string
  readonly producer: TimedProducer
  /** Null for the direct one. */
  readonly pid: number | null
  readonly latenciesMs: number[]
  cpuSeconds: number
}

export async function measureSidecar ({ signal, progress }: BenchOptions): Promise<PartReport> {
  const broker = await startBroker('bench-sidecar', VERSION)
  const stops: Array<() => Promise<void> | void> = [() => broker.stop()]
  try {
    const [address] = broker.bootstrapServers
    if (address === undefined) throw new Error('the broker has no address')
    const client = benchClient(broker)
    stops.push(() => client.close())
    await createBenchTopic(client, TOPIC, 1, signal)
    const relay = async (started: Promise<Relay>): Promise<Relay> => {
      const running = await started
      stops.push(() => running.stop())
      return running
    }
    const pipe = await relay(startPipe(address))
    const sidecar = await relay(startSidecar(address))
    const batch = kilobyteBatch(RECORDS_PER_REQUEST, 1)
    const intervalMs = batch.length / BYTES_PER_SECOND * 1000
    const way = async (name: string, to: HostPort, pid: number | null): Promise<Way> => {
      const producer = await ready(to, batch, intervalMs, signal)
      stops.push(() => producer.close())
      return { name, producer, pid, latenciesMs: [], cpuSeconds: 0 }
    }
    const ways = [await way('direct', address, null), await way('Node pipe()', pipe.address, pipe.pid), await way('sidecar', sidecar.address, sidecar.pid)]
    progress('a broker, a relay and the sidecar are up')
    for (const { producer } of ways) await producer.run({ intervalMs, durationMs: WARM_UP_MS, signal })
    for (let round = 0; round < ROUNDS; round++) {
      // Each comes first, second and last equally often.
      for (let turn = 0; turn < ways.length; turn++) {
        const chosen = ways[(round + turn) % ways.length]
        if (chosen === undefined) continue
        const before = chosen.pid === null ? 0 : processUsage(chosen.pid).cpuSeconds
        const latencies = await chosen.producer.run({ intervalMs, durationMs: TURN_MS, signal })
        if (chosen.pid !== null) chosen.cpuSeconds += processUsage(chosen.pid).cpuSeconds - before
        chosen.latenciesMs.push(...latencies)
      }
      if (round % 5 === 4) progress(`round ${round + 1} of ${ROUNDS}`)
    }
    return report(ways, batch.length, sidecar.pid)
  } finally {
    await Promise.allSettled(stops.reverse().map(async stop => { await stop() }))
  }
}

/** A connection over which an append was just let through. The sidecar refuses all until it has read the state of the links. */
async function ready (address: HostPort, batch: Buffer, intervalMs: number, signal: AbortSignal): Promise<TimedProducer> {
  const deadlineMs = performance.now() + READY_TIMEOUT_MS
  for (;;) {
    let producer: TimedProducer | null = null
    try {
      producer = await TimedProducer.open(address, TOPIC, batch)
      await producer.run({ intervalMs, durationMs: intervalMs, signal })
      return producer
    } catch (error) {
      producer?.close()
      if (performance.now() > deadlineMs) throw new Error(`no append was let through within ${READY_TIMEOUT_MS / 1000} s: ${messageOf(error)}`)
      await sleep(READY_POLL_MS, signal)
    }
  }
}

function report (ways: readonly Way[], requestBytes: number, sidecarPid: number): PartReport {
  const measured = ways.map(way => ({ ...way, latency: distribution(way.latenciesMs) }))
  const [direct, , sidecar] = measured
  if (direct === undefined || sidecar === undefined) throw new Error('a way is missing')
  const added = (latency: Distribution, of: (latency: Distribution) => number): string => number(of(latency) - of(direct.latency))
  return {
    title: 'Sidecar',
    conditions: [
      `One broker of Apache Kafka ${kafkaRelease(VERSION)}; acks=all; one topic that no link owns, one partition, one connection; \`kshadow run\` (engine and sidecar) and the pipe() relay are processes of their own`,
      `${BYTES_PER_SECOND / 1e6} MB/s in an open loop: a request of ${RECORDS_PER_REQUEST} records of 1 KB every ${number(requestBytes / BYTES_PER_SECOND * 1000)} ms, whether the one before was answered or not; ms from the writing of a request to its answer`,
      `In turns of ${TURN_MS / 1000} s, ${ROUNDS} rounds after ${WARM_UP_MS / 1000} s of warming up; ${number(direct.latency.count)} requests each`,
      `Peak resident memory of the sidecar process: ${number(processUsage(sidecarPid).peakBytes / 1e6)} MB`
    ],
    tables: [{
      columns: ['', 'median', 'mean', '99th', 'max', 'added to the median', 'added to the mean', 'CPU of the relay'],
      rows: measured.map(({ name, latency, pid, cpuSeconds }) => [
        name, number(latency.p50), number(latency.mean), number(latency.p99), number(latency.max),
        ...(pid === null ? ['', '', ''] : [added(latency, ({ p50 }) => p50), added(latency, ({ mean }) => mean), `${number(cpuSeconds / (BYTES_PER_SECOND * ROUNDS * TURN_MS / 1e12))} s/GB`])
      ])
    }],
    targets: [
      atMost('Sidecar: added to the median of an append at 5 MB/s', sidecar.latency.p50 - direct.latency.p50, MOST_ADDED_MEDIAN_MS, ' ms'),
      atMost('Sidecar: added to the mean of an append at 5 MB/s', sidecar.latency.mean - direct.latency.mean, MOST_ADDED_MEAN_MS, ' ms')
    ]
  }
}
