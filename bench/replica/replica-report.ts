/** What was measured of append mode replica beside a native leader and MirrorMaker 2, as tables. */
import { kafkaRelease } from '../kafka-release.ts'
import { atLeast, atMost, number, type PartReport, type Table } from '../report.ts'
import { MIRROR_TUNING } from '../replication/copiers.ts'
import { LAG_BYTES_PER_SECOND, type LagReport } from '../replication/lag.ts'
import { PARTITIONS, type Filled } from '../replication/source-topic.ts'
import { pairCondition, SHADOW_VERSION } from './cluster-pair.ts'
import { cpu, POLL_MS, speed, type Copied } from './copying.ts'

/** The native leader. */
export const LEADER = 1
/** Who follows either leader where there is one follower; where there are two, both of FOLLOWERS do. */
export const FOLLOWER = 2
export const FOLLOWERS: readonly number[] = [FOLLOWER, 3]

export const WARM_UP_BYTES = 0.5e9
/** For what brokers still do after gigabytes were written. */
export const LAG_SETTLE_MS = 6000

/** In issue 4. */
const LEAST_OF_NATIVE = 0.9
const MOST_CPU_PER_GB = 1.5
const MOST_RESIDENT_MB = 300
/** In issue 3. */
const LEAST_OF_MIRROR = 2.5
const MOST_LAG_OF_MIRROR = 0.5

export interface Mirrored {
  readonly copied: Copied
  readonly lag: LagReport
  readonly peakMb: number
}

export interface MeasuredReplica {
  readonly filled: Filled
  readonly nativeOne: Copied
  readonly nativeTwo: Copied
  readonly one: Copied
  readonly oneLag: LagReport
  readonly two: Copied
  /** Of the engine. */
  readonly peakMb: number
  readonly mirror: Mirrored
}

export function replicaReport (measured: MeasuredReplica): PartReport {
  const { filled, nativeOne, one, oneLag, two, peakMb, mirror } = measured
  return {
    title: 'Append mode replica',
    conditions: [
      `${pairCondition(1 + FOLLOWERS.length)}, every CRC checked; MirrorMaker 2 of ${kafkaRelease(SHADOW_VERSION)}`,
      `${number(filled.bytes / 1e9)} GB: records of 1 KB that cannot be compressed, in batches of 64 KB, ${PARTITIONS} topics of one partition`,
      `Native: the same data lies on broker ${LEADER} of the shadow cluster, and broker ${FOLLOWER} is added as a replica by a reassignment, or ${FOLLOWERS.join(' and ')} at once. Shadow leader: the source's topics, followed by broker ${FOLLOWER} alone, or by both; broker ${LEADER} has been stopped by then. Replica fetches as Kafka has them by default. The shadow leader fetches from the source what it serves: one hop more than native, on the same two cores`,
      `One after the other: native with one follower and with two, the shadow leader with one and with two, MirrorMaker 2. Each begins when the disk has nothing left to write (sync). Before: ${number(WARM_UP_BYTES / 1e9)} GB of other data through each of the two leaders, to the same followers. Engine and MirrorMaker 2 are fresh processes; the second run of the shadow leader is of the same process`,
      `From the first records on the followers to the last on the slowest, as brokers say that are asked every ${POLL_MS} ms; CPU is that of the same time (/proc), for each GB of the source, however many followers get it. Memory is the peak of all runs, the lag's measurement included`,
      `Lag: ${LAG_SETTLE_MS / 1000} s after the copying and the disk's end of it, ${LAG_BYTES_PER_SECOND / 1e6} MB/s for 10 s in batches of 50 KB; from the source's acknowledgement until a consumer has the batch, from the follower or from MirrorMaker 2's target. "Added": less what the same consumer sees at the source`,
      `MirrorMaker 2: ${Object.entries(MIRROR_TUNING).map(([key, value]) => `${key}=${value}`).join(', ')}; no heartbeats, checkpoints, or sync of configs and ACLs; one replica`
    ],
    tables: [runs(measured), sameWork(measured)],
    targets: [
      atLeast('Replica: speed beside a native leader, one follower', speed(one) / speed(nativeOne), LEAST_OF_NATIVE, '×'),
      atLeast('Replica: speed beside MirrorMaker 2, one follower', speed(one) / speed(mirror.copied), LEAST_OF_MIRROR, '×'),
      atMost('Replica: CPU of the engine with two followers', cpu(two, 'leader'), MOST_CPU_PER_GB, ' s/GB'),
      atMost('Replica: peak resident memory', peakMb, MOST_RESIDENT_MB, ' MB'),
      atMost('Replica: added lag beside MirrorMaker 2, 99th percentile', added(oneLag, 'p99') / added(mirror.lag, 'p99'), MOST_LAG_OF_MIRROR, '×')
    ]
  }
}

function runs ({ nativeOne, nativeTwo, one, oneLag, two, peakMb, mirror }: MeasuredReplica): Table {
  const all = [nativeOne, one, nativeTwo, two, mirror.copied]
  const row = (name: string, of: (copied: Copied) => number, unit: string): string[] => [name, ...all.map(copied => {
    const value = of(copied)
    return Number.isNaN(value) ? '' : `${number(value)} ${unit}`
  })]
  const lagRow = (name: string, of: (lag: LagReport) => number): string[] => [name, '', `${number(of(oneLag))} ms`, '', '', `${number(of(mirror.lag))} ms`]
  return {
    columns: ['', 'Native, 1 follower', 'Shadow leader, 1 follower', 'Native, 2 followers', 'Shadow leader, 2 followers', 'MirrorMaker 2'],
    rows: [
      row('Copying, each replica', speed, 'MB/s'),
      ['Beside native with as many followers', '', `${number(speed(one) / speed(nativeOne))} ×`, '', `${number(speed(two) / speed(nativeTwo))} ×`, ''],
      row('CPU of the leader: broker, engine, or MirrorMaker 2', copied => cpu(copied, 'leader'), 's/GB'),
      row('CPU of the source broker', copied => cpu(copied, 'source'), 's/GB'),
      ...FOLLOWERS.map(id => row(`CPU of shadow broker ${id}`, copied => cpu(copied, `broker ${id}`), 's/GB')),
      ['Peak resident memory', '', `${number(peakMb)} MB`, '', `${number(peakMb)} MB`, `${number(mirror.peakMb)} MB`],
      lagRow('Added lag at 5 MB/s, median', lag => added(lag, 'p50')),
      lagRow('Added lag at 5 MB/s, 99th percentile', lag => added(lag, 'p99')),
      lagRow('A consumer at the source, 99th percentile', ({ atSource }) => atSource.p99)
    ]
  }
}

/** A native leader has its data already. What gets it there from elsewhere, as the engine does, is one more native hop: the parts of that sum. */
function sameWork ({ nativeOne, nativeTwo, two }: MeasuredReplica): Table {
  const hop = cpu(nativeOne, `broker ${FOLLOWER}`)
  const serve = cpu(nativeTwo, 'leader')
  const engine = cpu(two, 'leader')
  const perGb = (value: number): string => `${number(value)} s/GB`
  return {
    columns: ['From a source to two followers: CPU of those in between', 'Native, two hops', 'Shadow leader'],
    rows: [
      ['Fetches from the source (native: a follower, which writes it to its log as well)', perGb(hop), 'in the next row'],
      ['Serves two followers', perGb(serve), perGb(engine)],
      ['Together', perGb(hop + serve), perGb(engine)],
      ['Not part of it: the source, which serves one (native: the leader with one follower)', perGb(cpu(nativeOne, 'leader')), perGb(cpu(two, 'source'))],
      ['Not part of it: the two followers', perGb(followers(nativeTwo)), perGb(followers(two))]
    ]
  }
}

function followers (copied: Copied): number {
  return FOLLOWERS.reduce((total, id) => total + cpu(copied, `broker ${id}`), 0)
}

/** Beyond what the same consumer sees at the source. */
function added ({ atSource, atTarget }: LagReport, of: 'p50' | 'p99'): number {
  return atTarget[of] - atSource[of]
}
