/**
 * The failover of a topic of one partition, several times: when nothing else is written to the cluster, and when there is something. Where
 * nothing is, a follower's fetch that is under way waits for data, up to replica.fetch.wait.max.ms (500 ms), before the next one asks for
 * what a broker has just begun to lead; acks=all waits with it.
 */
import { createTopics } from '../../src/client/admin/create-topic.ts'
import type { Cluster } from '../../src/client/cluster.ts'
import { sleep } from '../../src/net/sleep.ts'
import type { KafkaCluster } from '../../test/support/kafka-cluster.ts'
import { number, spread, type Table } from '../report.ts'
import { kilobyteBatch } from '../sample-batches.ts'
import { measureFailover, type FailoverTimes, type FailoverWatch } from './failover.ts'
import { shadowAll, type ShadowProcess } from './shadow-process.ts'
import { createFilled, deleteAll, manyTopics, produce } from './topics.ts'

const TIMES = 5
const TRAFFIC = { names: ['traffic'], partitions: 2 }
const TRAFFIC_INTERVAL_MS = 20
const TIMEOUT_MS = 10_000

export interface SingleFailovers {
  readonly quiet: readonly FailoverTimes[]
  readonly busy: readonly FailoverTimes[]
}

interface Scene extends FailoverWatch {
  readonly engine: ShadowProcess
  readonly source: KafkaCluster
  readonly sourceClient: Cluster
  readonly progress: (line: string) => void
}

export async function measureSingleFailovers (scene: Scene): Promise<SingleFailovers> {
  const quiet = await failOverOneByOne(scene, 'quiet')
  const abort = new AbortController()
  const signal = AbortSignal.any([scene.signal, abort.signal])
  await createTraffic(scene)
  const writing = [0, 1].map(async partition => { await writeSteadily(scene, partition, signal) })
  for (const each of writing) each.catch(() => {})
  try {
    return { quiet, busy: await failOverOneByOne(scene, 'busy') }
  } finally {
    abort.abort()
    await Promise.allSettled(writing)
  }
}

async function failOverOneByOne (scene: Scene, name: string): Promise<FailoverTimes[]> {
  const { engine, source, sourceClient, signal, progress } = scene
  const times: FailoverTimes[] = []
  for (let round = 0; round < TIMES; round++) {
    const link = `${name}-${round}`
    const topics = manyTopics(`${link}-`, 1, 1)
    await createFilled(sourceClient, topics, signal)
    await shadowAll(engine, source, { link, topics, excludeDefault: true }, scene)
    times.push(await measureFailover(engine, link, topics, scene))
    await engine.admin.delete(link, { force: false })
    await deleteAll(sourceClient, topics, signal)
  }
  progress(`1 topic of 1 partition, ${name}: writable ${times.map(({ lastWritableMs }) => number(lastWritableMs)).join(', ')} ms`)
  return times
}

/** A partition at each broker, which the other one follows. */
async function createTraffic ({ shadow, signal }: Scene): Promise<void> {
  const [name = ''] = TRAFFIC.names
  for (const refusal of await createTopics(shadow, [{ name, partitions: TRAFFIC.partitions, replicationFactor: -1, assignments: [[1, 2], [2, 1]], configs: {} }], { signal })) if (refusal !== null) throw refusal
}

/** What is refused is not counted: a broker may not know yet that it leads. */
async function writeSteadily ({ shadow }: Scene, partition: number, signal: AbortSignal): Promise<void> {
  const [name = ''] = TRAFFIC.names
  const batch = kilobyteBatch(1, 3)
  while (!signal.aborted) {
    await produce(shadow, partition + 1, [{ name, partition }], batch, { signal, timeoutMs: TIMEOUT_MS, lane: partition + 100 })
    await sleep(TRAFFIC_INTERVAL_MS, signal)
  }
}

export function singleFailoversTable ({ quiet, busy }: SingleFailovers): Table {
  const row = (name: string, times: readonly FailoverTimes[]): string[] =>
    [name, ...[({ movedMs }: FailoverTimes) => movedMs, ({ lastOpenMs }: FailoverTimes) => lastOpenMs, ({ lastWritableMs }: FailoverTimes) => lastWritableMs].map(of => spread(times.map(of), 'ms'))]
  return {
    columns: [`Failover of 1 topic of 1 partition, ${TIMES} times: median (lowest to highest)`, 'moved', 'open', 'writable'],
    rows: [
      row('nothing else is written to the cluster', quiet),
      row(`${1000 / TRAFFIC_INTERVAL_MS} records/s are written to another topic at each broker`, busy)
    ]
  }
}
