/** What is recorded of a shadow partition whose followers were made to throw away what the source did not have. */
export interface PartitionRollback {
  readonly partition: number
  /** ISO time of the last one. */
  readonly at: string
  /** Of the last one: the highest end of a follower's log that was known, and the end of what it had in common with the source. */
  readonly fromOffset: number
  readonly toOffset: number
  /** How many there were, and how many offsets all of them discarded. */
  readonly times: number
  readonly discarded: number
  /** The leader epochs that followers were given in turn, after the first of all, which is 0: see `ServedEpochs`. */
  readonly epochs: readonly EpochStart[]
}

export interface EpochStart {
  readonly epoch: number
  readonly startOffset: number
}

export interface RollbackDecision {
  readonly partition: number
  readonly fromOffset: number
  readonly toOffset: number
  /** What is given to followers from `toOffset` on: above all that they were given before. */
  readonly epoch: number
  readonly at: string
}

/** The rows with a roll-back that is about to begin. */
export function rollbackDecided (rows: readonly PartitionRollback[], { partition, fromOffset, toOffset, epoch, at }: RollbackDecision): readonly PartitionRollback[] {
  const before = rows.find(row => row.partition === partition) ?? null
  return [...rows.filter(row => row !== before), {
    partition,
    at,
    fromOffset,
    toOffset,
    times: (before?.times ?? 0) + 1,
    discarded: (before?.discarded ?? 0) + fromOffset - toOffset,
    epochs: [...before?.epochs ?? [], { epoch, startOffset: toOffset }]
  }]
}
