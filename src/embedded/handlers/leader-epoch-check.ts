import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { PartitionLog } from '../log/partition-log.ts'

/** What a client knows of the leader must not be older, and cannot be newer, than what is true. -1: it knows nothing. */
export function checkLeaderEpoch (log: PartitionLog, currentLeaderEpoch: number): number {
  if (currentLeaderEpoch === -1 || currentLeaderEpoch === log.leaderEpoch) return ErrorCodes.NONE
  return currentLeaderEpoch < log.leaderEpoch ? ErrorCodes.FENCED_LEADER_EPOCH : ErrorCodes.UNKNOWN_LEADER_EPOCH
}
