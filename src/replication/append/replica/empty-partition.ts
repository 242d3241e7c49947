import { ShadowError } from '../../../errors.ts'
import type { PartitionEntry } from '../../../kraft/metadata/metadata-image.ts'
import { ByteBudget } from '../../source/byte-budget.ts'
import type { ShadowMetadata } from './leadership.ts'
import { ShadowPartition } from './shadow-partition.ts'
import { TailMemory } from './tail-memory.ts'

/** A partition that was placed on the shadow leader and has no source: its log is empty, and stays so. */
export class EmptyPartition {
  readonly served: ShadowPartition

  constructor (topic: string, entry: PartitionEntry, brokerId: number) {
    this.served = new ShadowPartition({
      topic,
      partition: entry.partition,
      topicId: entry.topicId,
      sourceTopicId: null,
      metadata: metadataOf(entry, brokerId),
      maxServedBytes: 1,
      memory: new TailMemory(new ByteBudget(1)),
      now: () => Date.now(),
      fetch: () => {},
      sourceBounds: () => Promise.reject(new ShadowError('INVARIANT', `${topic} has no source`)),
      onFollower: () => {},
      onFault: () => {},
      onFollowerAhead: () => {},
      onProducerId: () => {},
      mayServe: () => false
    })
    this.served.serve({ logStartOffset: 0, highWatermark: 0 })
  }

  setEntry (entry: PartitionEntry, brokerId: number): void {
    this.served.setMetadata(metadataOf(entry, brokerId))
  }
}

function metadataOf ({ leaderEpoch, partitionEpoch, leader, replicas }: PartitionEntry, brokerId: number): ShadowMetadata {
  return { leaderEpoch, partitionEpoch, isLeader: leader === brokerId, followers: replicas.filter(id => id !== brokerId) }
}
