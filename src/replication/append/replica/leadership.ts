/** Whether this engine leads a shadow partition, and who may ask it as a follower: what the shadow cluster's metadata log says. */
import { ErrorCodes } from '../../../../protocol/errors/codes.ts'

/** What the shadow cluster's metadata log says of the partition. */
export interface ShadowMetadata {
  readonly leaderEpoch: number
  readonly partitionEpoch: number
  /** True when this engine's broker id leads it. */
  readonly isLeader: boolean
  /** All replicas that are real brokers. */
  readonly followers: readonly number[]
}

export class Leadership {
  #metadata: ShadowMetadata

  constructor (metadata: ShadowMetadata) {
    this.#metadata = metadata
  }

  get metadata (): ShadowMetadata {
    return this.#metadata
  }

  /** False for older metadata than what is known, which is ignored. */
  learn (metadata: ShadowMetadata): boolean {
    if (metadata.partitionEpoch < this.#metadata.partitionEpoch) return false
    this.#metadata = metadata
    return true
  }

  /** The error code for a follower that must not ask us; NONE for one that may. */
  refusal (brokerId: number, currentLeaderEpoch: number): number {
    const { isLeader, leaderEpoch, followers } = this.#metadata
    // As in Partition.checkCurrentLeaderEpoch. Ours comes from the metadata log: what is below it is old.
    if (currentLeaderEpoch > leaderEpoch) return ErrorCodes.UNKNOWN_LEADER_EPOCH
    if (currentLeaderEpoch >= 0 && currentLeaderEpoch < leaderEpoch) return ErrorCodes.FENCED_LEADER_EPOCH
    return !isLeader || brokerId < 0 || !followers.includes(brokerId) ? ErrorCodes.NOT_LEADER_OR_FOLLOWER : ErrorCodes.NONE
  }
}
