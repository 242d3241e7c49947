/** Controllers that do as they are told: which one leads, what their log holds, and how far it is committed. */
import type { Test } from 'tap'
import { DescribeQuorum } from '../../protocol/messages/describe-quorum.ts'
import { Fetch } from '../../protocol/messages/fetch.ts'
import type { RecordType } from '../../protocol/metadata/record-type.ts'
import { encodeMetadataRecord } from '../../protocol/metadata/encode-record.ts'
import { buildBatch } from '../../protocol/records/build-batch.ts'
import { readBatches } from '../../protocol/records/record-batch.ts'
import type { Fields, InputOf } from '../../protocol/schema/field.ts'
import { Controllers, type ControllersOptions } from '../../src/kraft/controllers.ts'
import { knownControllers } from '../../src/kraft/locate-controllers.ts'
import { METADATA_TOPIC, METADATA_TOPIC_ID } from '../../src/kraft/metadata-topic.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import { ScriptedPeer, type ScriptedPeerOptions } from '../support/scripted-peer.ts'

const NOT_LEADER_OR_FOLLOWER = 6
const FENCED_LEADER_EPOCH = 74
const FETCH_WAIT_MS = 20

export interface Leadership {
  readonly id: number
  readonly epoch: number
}

export class ScriptedController {
  readonly peer: ScriptedPeer
  readonly id: number
  /** What it thinks: null when it does not lead. */
  epoch: number | null = null
  /** Waited for before each answer to DescribeQuorum. */
  describeDelay: () => Promise<void> = () => Promise.resolve()
  log: Buffer = Buffer.alloc(0)
  highWatermark = 0
  /** Offered to whoever asks from offset 0 on. */
  snapshot: { readonly endOffset: bigint, readonly epoch: number, readonly bytes: Buffer } | null = null
  /** The next Fetch is answered by this. */
  divergingEpoch: { readonly epoch: number, readonly endOffset: bigint } | null = null
  readonly fetches: Array<{ readonly offset: number, readonly lastFetchedEpoch: number, readonly currentLeaderEpoch: number }> = []

  private constructor (id: number, peer: ScriptedPeer) {
    this.id = id
    this.peer = peer
    peer.on(DescribeQuorum, async () => {
      await this.describeDelay()
      return this.#quorum()
    })
    peer.on(Fetch, async ({ body }) => await this.#fetch(body.topics[0]?.partitions[0]))
  }

  static async start (id: number, options: ScriptedPeerOptions = {}): Promise<ScriptedController> {
    return new ScriptedController(id, await ScriptedPeer.start(options))
  }

  /** Appends a batch and commits everything, unless told otherwise. */
  append (values: readonly Buffer[], options: { readonly commit?: boolean, readonly control?: boolean } = {}): void {
    const baseOffset = this.endOffset
    this.log = Buffer.concat([this.log, buildBatch({ baseOffset, partitionLeaderEpoch: this.epoch ?? 0, isControl: options.control === true, records: values.map(value => ({ timestamp: 1, value })) })])
    if (options.commit !== false) this.highWatermark = this.endOffset
  }

  get endOffset (): number {
    return (readBatches(this.log).batches.at(-1)?.lastOffset ?? -1) + 1
  }

  #quorum () {
    const partition = this.epoch === null
      ? { partitionIndex: 0, errorCode: NOT_LEADER_OR_FOLLOWER, leaderId: 1, leaderEpoch: 99, highWatermark: -1n, currentVoters: [], observers: [] }
      : { partitionIndex: 0, errorCode: 0, leaderId: this.id, leaderEpoch: this.epoch, highWatermark: BigInt(this.highWatermark), currentVoters: [], observers: [] }
    return { errorCode: 0, topics: [{ topicName: METADATA_TOPIC, partitions: [partition] }] }
  }

  async #fetch (asked: { readonly fetchOffset: bigint, readonly lastFetchedEpoch: number, readonly currentLeaderEpoch: number } | undefined) {
    const offset = Number(asked?.fetchOffset)
    this.fetches.push({ offset, lastFetchedEpoch: asked?.lastFetchedEpoch ?? -1, currentLeaderEpoch: asked?.currentLeaderEpoch ?? -1 })
    const errorCode = this.epoch === null ? NOT_LEADER_OR_FOLLOWER : asked?.currentLeaderEpoch === this.epoch ? 0 : FENCED_LEADER_EPOCH
    const { divergingEpoch } = this
    this.divergingEpoch = null
    const snapshotId = offset === 0 && this.snapshot !== null ? { endOffset: this.snapshot.endOffset, epoch: this.snapshot.epoch } : undefined
    const batches = readBatches(this.log).batches.filter(({ lastOffset }) => lastOffset >= offset)
    if (errorCode === 0 && batches.length === 0 && divergingEpoch === null && snapshotId === undefined) await new Promise(resolve => setTimeout(resolve, FETCH_WAIT_MS))
    return {
      responses: [{
        topicId: METADATA_TOPIC_ID,
        partitions: [{
          partitionIndex: 0,
          errorCode,
          highWatermark: BigInt(this.highWatermark),
          ...(divergingEpoch === null ? {} : { divergingEpoch }),
          ...(snapshotId === undefined ? {} : { snapshotId }),
          records: errorCode !== 0 || divergingEpoch !== null || snapshotId !== undefined ? Buffer.alloc(0) : Buffer.concat(batches.map(batch => batch.bytes))
        }]
      }]
    }
  }
}

/** The value of a record in the newest version that is declared. */
export function value<F extends Fields> (type: RecordType<string, F>, record: InputOf<F>): Buffer {
  return encodeMetadataRecord(type, type.versions.max, record)
}

/** Controllers 1, 2 and so on, the first of which leads epoch 1. */
export async function setUpQuorum (t: Pick<Test, 'teardown'>, count: number, options: Partial<ControllersOptions> & { readonly peers?: ScriptedPeerOptions } = {}): Promise<{ readonly controllers: Controllers, readonly quorum: readonly ScriptedController[], readonly first: ScriptedController }> {
  const quorum = await Promise.all(Array.from({ length: count }, (_, index) => ScriptedController.start(index + 1, options.peers)))
  const [first] = quorum
  if (first === undefined) throw new RangeError('a quorum has at least one controller')
  first.epoch = 1
  const controllers = new Controllers({ locate: knownControllers(quorum.map(({ peer }) => peer.address)), clientId: 'test', logger: silentLogger, random: () => 0, ...options })
  t.teardown(async () => {
    await controllers.close()
    await Promise.all(quorum.map(({ peer }) => peer.stop()))
  })
  return { controllers, quorum, first }
}
