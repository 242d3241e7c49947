/** Drives the copy of one partition as the topic and the fetcher do. */
import { buildBatch } from '../../../../protocol/records/build-batch.ts'
import { readBatches, type RecordBatch } from '../../../../protocol/records/record-batch.ts'
import { ByteBudget, HeldBytes } from '../../../../src/replication/source/byte-budget.ts'
import { PartitionCopy, type CopyOwner } from '../../../../src/replication/append/produce/partition-copy.ts'
import type { TopicFault } from '../../../../src/state/topic-state.ts'

export const SOURCE = { logStart: 0, highWatermark: 100 }

export interface Batch {
  readonly base: number
  readonly records?: number
  readonly epoch?: number
  readonly producerId?: number
  /** Damages the bytes under the CRC. */
  readonly damaged?: boolean
}

function bytesOf ({ base, records = 1, epoch = 0, producerId = -1, damaged = false }: Batch): Buffer {
  const bytes = buildBatch({
    baseOffset: base,
    partitionLeaderEpoch: epoch,
    producerId,
    records: Array.from({ length: records }, (_, index) => ({ timestamp: 1000 + index, value: Buffer.from(`v${base + index}`) }))
  })
  if (damaged) bytes.writeUInt8((bytes.at(-1) ?? 0) ^ 0xff, bytes.length - 1)
  return bytes
}

export function batches (...inputs: readonly Batch[]): RecordBatch[] {
  return readBatches(Buffer.concat(inputs.map(bytesOf))).batches
}

export interface CopyScene {
  readonly copy: PartitionCopy
  readonly budget: ByteBudget
  readonly clock: { nowMs: number }
  /** What the owner was told, in order. */
  readonly events: string[]
  readonly faults: readonly TopicFault[]
  /** The first one. */
  readonly fault: () => TopicFault | null
  /** A fetch from there was answered with these. */
  readonly fetched: (fetchOffset: number, ...inputs: readonly Batch[]) => void
  readonly located: (end: number, epoch?: number) => void
}

/** A partition copy whose owner writes down what it is told. */
export function setUp (): CopyScene {
  const events: string[] = []
  const faults: TopicFault[] = []
  const budget = new ByteBudget(1_000_000)
  const clock = { nowMs: 0 }
  const owner: CopyOwner = {
    topic: 't',
    sourceTopicId: null,
    shadowTopicId: null,
    now: () => clock.nowMs,
    onReady: () => { events.push('ready') },
    onRoom: () => { events.push('room') },
    onLost: (_copy, attempt) => { events.push(`lost ${attempt}`) },
    // As ShadowTopic does: a fault stops every partition.
    onFault: (_copy, fault) => {
      faults.push(fault)
      copy.stop()
    },
    onProducerId: id => { events.push(`producer ${id}`) },
    onCopied: () => {}
  }
  const copy: PartitionCopy = new PartitionCopy(3, owner)
  const fetched = (fetchOffset: number, ...inputs: readonly Batch[]): void => {
    const list = batches(...inputs)
    const held = new HeldBytes(budget, list.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))
    copy.fetched({ fetchOffset, highWatermark: 100, lastStableOffset: 100, logStartOffset: 0, batches: list, held })
    held.release()
  }
  const located = (end: number, epoch = 0): void => {
    copy.lookingUp()
    copy.located(end, epoch, SOURCE)
  }
  const fault = (): TopicFault | null => faults[0] ?? null
  return { copy, budget, clock, events, faults, fault, fetched, located }
}
