import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { DecodeError } from '../../../protocol/errors/protocol-errors.ts'
import type { ListOffsets } from '../../../protocol/messages/list-offsets.ts'
import { readRecords } from '../../../protocol/records/read-records.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import type { BrokerState } from '../broker-state.ts'
import type { PartitionLog } from '../log/partition-log.ts'
import type { RequestContext } from '../server/dispatcher.ts'
import { checkLeaderEpoch } from './leader-epoch-check.ts'

type PartitionRow = ResponseInput<typeof ListOffsets>['topics'][number]['partitions'][number]

const LATEST = -1
const EARLIEST = -2
const MAX_TIMESTAMP = -3
const EARLIEST_LOCAL = -4
/** From this version on an answer tells the epoch. */
const MIN_EPOCH_VERSION = 4

const CONSUMER = -1
const READ_COMMITTED = 1

interface Position {
  readonly offset: number
  readonly timestamp: number
}

const NOTHING: Position = { offset: -1, timestamp: -1 }

export function listOffsets (state: BrokerState, body: RequestOf<typeof ListOffsets>, { apiVersion }: RequestContext): ResponseInput<typeof ListOffsets> {
  const endOf = (log: PartitionLog): number => {
    // Whoever is no consumer is told where the log ends, committed or not.
    if (body.replicaId !== CONSUMER) return log.logEndOffset
    return body.isolationLevel === READ_COMMITTED ? log.lastStableOffset : log.highWatermark
  }
  return {
    topics: body.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, currentLeaderEpoch, timestamp }): PartitionRow => {
        const log = state.topics.partition(name, partitionIndex)
        if (log === null) return { partitionIndex, errorCode: ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION }
        const errorCode = checkLeaderEpoch(log, currentLeaderEpoch)
        if (errorCode !== ErrorCodes.NONE) return { partitionIndex, errorCode }
        const { leaderEpoch, ...row } = locate(log, partitionIndex, Number(timestamp), endOf(log))
        return apiVersion >= MIN_EPOCH_VERSION ? { ...row, leaderEpoch } : row
      })
    }))
  }
}

function locate (log: PartitionLog, partitionIndex: number, timestamp: number, endOffset: number): PartitionRow {
  try {
    const position = positionOf(log, timestamp, endOffset)
    return {
      partitionIndex,
      errorCode: ErrorCodes.NONE,
      offset: BigInt(position.offset),
      timestamp: BigInt(position.timestamp),
      leaderEpoch: position.offset === -1 ? -1 : log.epochOf(position.offset)
    }
  } catch (error) {
    // Records that a test wrote as no producer could.
    if (error instanceof DecodeError) return { partitionIndex, errorCode: ErrorCodes.CORRUPT_MESSAGE }
    throw error
  }
}

function positionOf (log: PartitionLog, timestamp: number, endOffset: number): Position {
  if (timestamp === LATEST) return { offset: endOffset, timestamp: -1 }
  if (timestamp === EARLIEST || timestamp === EARLIEST_LOCAL) return { offset: log.logStartOffset, timestamp: -1 }
  if (timestamp === MAX_TIMESTAMP) {
    const max = log.maxTimestamp
    return max === -1 ? NOTHING : firstAtOrAfter(log, max, endOffset)
  }
  // The other negative numbers ask for offsets in tiered storage, which there is none of.
  return timestamp < 0 ? NOTHING : firstAtOrAfter(log, timestamp, endOffset)
}

function firstAtOrAfter (log: PartitionLog, timestamp: number, endOffset: number): Position {
  for (const batch of log.batches(({ maxTimestamp }) => maxTimestamp >= timestamp)) {
    for (const record of readRecords(batch)) {
      if (record.timestamp < timestamp || record.offset < log.logStartOffset) continue
      return record.offset < endOffset ? { offset: record.offset, timestamp: record.timestamp } : NOTHING
    }
  }
  return NOTHING
}
