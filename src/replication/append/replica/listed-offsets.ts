/** What followers are told of the log as a whole: where it starts and ends (ListOffsets), and where its epochs do (OffsetForLeaderEpoch). */
import { ErrorCodes } from '../../../../protocol/errors/codes.ts'
import type { OffsetLook } from './follower-fetch.ts'
import type { ServedEpochs } from './served-epochs.ts'

const LATEST = -1
const EARLIEST = -2
const EARLIEST_LOCAL = -4
const LATEST_TIERED = -5

export interface ListedLog {
  readonly logStart: number
  /** Null while it is not known. */
  readonly latest: number | null
  readonly epochs: ServedEpochs
}

export function listedOffset ({ logStart, latest, epochs }: ListedLog, timestamp: number): OffsetLook {
  if (timestamp === LATEST_TIERED) return { errorCode: 0, offset: -1, leaderEpoch: -1 }
  if (latest === null) return { errorCode: ErrorCodes.OFFSET_NOT_AVAILABLE }
  if (timestamp === LATEST) return { errorCode: 0, offset: latest, leaderEpoch: epochs.latest }
  if (timestamp === EARLIEST || timestamp === EARLIEST_LOCAL) return { errorCode: 0, offset: Math.min(logStart, latest), leaderEpoch: epochs.epochAt(logStart) }
  // A follower asks for nothing else.
  return { errorCode: ErrorCodes.UNSUPPORTED_VERSION }
}

export function listedEndOfEpoch ({ latest, epochs }: ListedLog, requestedEpoch: number): OffsetLook {
  if (latest === null) return { errorCode: ErrorCodes.OFFSET_NOT_AVAILABLE }
  const { epoch, endOffset } = epochs.endOf(requestedEpoch)
  return { errorCode: 0, offset: Math.min(endOffset, latest), leaderEpoch: epoch }
}
