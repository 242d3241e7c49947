/** What was measured of append mode replica beside a native leader and MirrorMaker 2, as tables. */
import { median } from '../distribution.ts'
import { kafkaRelease } from '../kafka-release.ts'
import { atLeast, atMost, number, spread, type PartReport, type Table } from '../report.ts'
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

/** All that is compared, once. */
export interface Round {
  readonly nativeOne: Copied
  readonly nativeTwo: Copied
  readonly one: Copied
  readonly oneLag: LagReport
  readonly two: Copied
  /** Of the engine. */
  readonly peakMb: number
  readonly mirror: Mirrored
}

export function replicaReport (filled: Filled, rounds: readonly Round[]): PartReport {
  const middle = (of: (round: Round) => number): number => median(rounds.map(of))
  return {
    title: 'Append mode replica',
    conditions: [
      `${pairCondition(1 + FOLLOWERS.length)}, every CRC checked; MirrorMaker 2 of ${kafkaRelease(SHADOW_VERSION)}`,
      `${number(filled.bytes / 1e9)} GB: records of 1 KB that cannot be compressed, in batches of 64 KB, ${PARTITIONS} topics of one partition`,
      `Native: the same data lies on broker ${LEADER} of the shadow cluster, and broker ${FOLLOWER} is added as a replica by a reassignment, or ${FOLLOWERS.join(' and ')} at once. Shadow leader: the source's topics, followed by broker ${FOLLOWER} alone, or by both; broker ${LEADER} is paused meanwhile. Replica fetches as Kafka has them by default. The shadow leader fetches from the source what it serves: one hop more than native, on the same two cores`,
      `${rounds.length} rounds, one after the other, each of: native with one follower and with two, the shadow leader with one and with two, MirrorMaker 2. Each begins when the disk has nothing left to write (sync), and free memory is page cache, as on a machine that has been up for a while. Before: ${number(WARM_UP_BYTES / 1e9)} GB of other data through each of the two leaders, to the same followers. Engine and MirrorMaker 2 are fresh processes in each round; the second run of the shadow leader is of the same process`,
      'Values are the medians of the rounds, with the lowest and the highest; what is compared is compared round by round',
      `From the first records on the followers to the last on the slowest, as brokers say that are asked every ${POLL_MS} ms; CPU is that of the same time (/proc), for each GB of the source, however many followers get it. Memory is the peak of all runs, the lag's measurement included`,
      `Lag: ${LAG_SETTLE_MS / 1000} s after the copying and the disk's end of it, ${LAG_BYTES_PER_SECOND / 1e6} MB/s for 10 s in batches of 50 KB; from the source's acknowledgement until a consumer has the batch, from the follower or from MirrorMaker 2's target. "Added": less what the same consumer sees at the source`,
      `MirrorMaker 2: ${Object.entries(MIRROR_TUNING).map(([key, value]) => `${key}=${value}`).join(', ')}; no heartbeats, checkpoints, or sync of configs and ACLs; one replica`
    ],
    tables: [runs(rounds), sameWork(rounds)],
    targets: [
      atLeast('Replica: speed beside a native leader, one follower', middle(besideNativeOne), LEAST_OF_NATIVE, '×'),
      atLeast('Replica: speed beside MirrorMaker 2, one follower', middle(({ one, mirror }) => speed(one) / speed(mirror.copied)), LEAST_OF_MIRROR, '×'),
      atMost('Replica: CPU of the engine with two followers', middle(({ two }) => cpu(two, 'leader')), MOST_CPU_PER_GB, ' s/GB'),
      atMost('Replica: peak resident memory', Math.max(...rounds.map(({ peakMb }) => peakMb)), MOST_RESIDENT_MB, ' MB'),
      atMost('Replica: added lag beside MirrorMaker 2, 99th percentile', middle(({ oneLag, mirror }) => added(oneLag, 'p99') / added(mirror.lag, 'p99')), MOST_LAG_OF_MIRROR, '×')
    ]
  }
}

function besideNativeOne ({ one, nativeOne }: Round): number {
  return speed(one) / speed(nativeOne)
}

type CopiedName = 'nativeOne' | 'one' | 'nativeTwo' | 'two' | 'mirror'

const COLUMNS: ReadonlyArray<readonly [CopiedName, string]> = [
  ['nativeOne', 'Native, 1 follower'], ['one', 'Shadow leader, 1 follower'], ['nativeTwo', 'Native, 2 followers'], ['two', 'Shadow leader, 2 followers'], ['mirror', 'MirrorMaker 2']
]

function runs (rounds: readonly Round[]): Table {
  const row = (name: string, unit: string, of: (round: Round, column: CopiedName) => number): string[] => [name, ...COLUMNS.map(([column]) => spread(rounds.map(round => of(round, column)), unit))]
  const copied = (name: string, unit: string, of: (copied: Copied) => number): string[] => row(name, unit, (round, column) => of(column === 'mirror' ? round.mirror.copied : round[column]))
  const lag = (name: string, of: (lag: LagReport) => number): string[] => row(name, 'ms', ({ oneLag, mirror }, column) => column === 'one' ? of(oneLag) : column === 'mirror' ? of(mirror.lag) : NaN)
  return {
    columns: ['', ...COLUMNS.map(([, name]) => name)],
    rows: [
      copied('Copying, each replica', 'MB/s', speed),
      row('Beside native with as many followers', '×', (round, column) => column === 'one' ? besideNativeOne(round) : column === 'two' ? speed(round.two) / speed(round.nativeTwo) : NaN),
      copied('CPU of the leader: broker, engine, or MirrorMaker 2', 's/GB', run => cpu(run, 'leader')),
      copied('CPU of the source broker', 's/GB', run => cpu(run, 'source')),
      copied('CPU of the brokers that get it, together', 's/GB', followers),
      row('Peak resident memory', 'MB', ({ peakMb, mirror }, column) => column === 'one' || column === 'two' ? peakMb : column === 'mirror' ? mirror.peakMb : NaN),
      lag('Added lag at 5 MB/s, median', report => added(report, 'p50')),
      lag('Added lag at 5 MB/s, 99th percentile', report => added(report, 'p99')),
      lag('A consumer at the source, 99th percentile', ({ atSource }) => atSource.p99)
    ]
  }
}

/** A native leader has its data already. What gets it there from elsewhere, as the engine does, is one more native hop: the parts of that sum. */
function sameWork (rounds: readonly Round[]): Table {
  const hop = ({ nativeOne }: Round): number => cpu(nativeOne, `broker ${FOLLOWER}`)
  const serve = ({ nativeTwo }: Round): number => cpu(nativeTwo, 'leader')
  const engine = ({ two }: Round): number => cpu(two, 'leader')
  const row = (name: string, native: (round: Round) => number, shadow: (round: Round) => number): string[] => [name, ...[native, shadow].map(of => spread(rounds.map(of), 's/GB'))]
  return {
    columns: ['From a source to two followers: CPU of those in between', 'Native, two hops', 'Shadow leader'],
    rows: [
      row('Fetches from the source (native: a follower, which writes it to its log as well)', hop, () => NaN),
      row('Serves two followers (shadow leader: and fetches from the source)', serve, engine),
      row('Together', round => hop(round) + serve(round), engine),
      row('Not part of it: the source, which serves one (native: the leader with one follower)', ({ nativeOne }) => cpu(nativeOne, 'leader'), ({ two }) => cpu(two, 'source')),
      row('Not part of it: the two followers', ({ nativeTwo }) => followers(nativeTwo), ({ two }) => followers(two))
    ]
  }
}

function followers (copied: Copied): number {
  return [...copied.cpuSeconds.keys()].filter(name => name.startsWith('broker ')).reduce((total, name) => total + cpu(copied, name), 0)
}

/** Beyond what the same consumer sees at the source. */
function added ({ atSource, atTarget }: LagReport, of: 'p50' | 'p99'): number {
  return atTarget[of] - atSource[of]
}
