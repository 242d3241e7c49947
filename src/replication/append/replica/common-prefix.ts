/**
 * Finds out how far the log of a follower is the source's, to the batch: where a source has lost records and written others, what
 * comes behind that is to be thrown away, and nothing before it.
 *
 *   source's leader epochs   │ 3            │ 5     │ 8 ...
 *                            └──────────────┴───────┴──────▶ its end
 *                                      ◀── 1.  the highest start of an epoch with the same batch before it on both sides
 *                                           2. ──▶  from there on batch by batch, up to the first that differs
 *
 * A log that was cut off goes on with a new epoch, so the difference lies behind an epoch's start. It is looked for upwards, over
 * every batch: a producer that sends again what was lost may have it land, to the bit, where it was, and an equal batch near the
 * end would say nothing of those before it. Offsets and epochs only say where to look; what counts are the bytes.
 *
 * None of this holds between a log and that of another topic, such as one that was made anew under its name: then every batch is
 * compared, from the start (`isOtherTopic`).
 */
import type { RecordBatch } from '../../../../protocol/records/record-batch.ts'
import { ShadowError } from '../../../errors.ts'
import { hasSameBytes, tellApart } from '../same-batch.ts'

/** What one read of a log shows. */
export interface LogPiece {
  readonly logStartOffset: number
  readonly highWatermark: number
  /** In order; the first holds the offset that was asked for, or is the next one. */
  readonly batches: readonly RecordBatch[]
}

export interface ComparedLogs {
  /** Where the follower's log ends: 1 or more. */
  readonly endOffset: number
  /** True where the source's topic is not the one that the follower's log was copied from. Default: false. */
  readonly isOtherTopic?: boolean
  readonly follower: { read (offset: number): Promise<LogPiece> }
  readonly source: {
    /** The current one. */
    readonly leaderEpoch: number
    readonly logStartOffset: number
    read (offset: number): Promise<LogPiece>
    /** See `EpochEnd`. */
    endOfEpoch (leaderEpoch: number): Promise<{ readonly leaderEpoch: number, readonly endOffset: number }>
  }
}

export type CommonPrefix =
  | {
    readonly kind: 'found'
    /** The offset after the last common batch: the follower's end where nothing differs. */
    readonly end: number
    /** The source's leader epoch of that batch; -1 when not known. */
    readonly leaderEpoch: number
    /** What comes next on both sides, in words. */
    readonly difference: string | null
  }
  /** It cannot be told, and asking again would change nothing. */
  | { readonly kind: 'unknown', readonly reason: string }

/** @throws {ShadowError} CLUSTER_UNAVAILABLE (retriable) while a side does not show what must be compared */
export async function findCommonPrefix (logs: ComparedLogs): Promise<CommonPrefix> {
  const { endOffset, follower, source, isOtherTopic = false } = logs
  const top = await source.endOfEpoch(source.leaderEpoch)
  if (top.endOffset < 0) return unknown('the source does not tell its leader epochs')
  const floor = Math.max(source.logStartOffset, (await follower.read(endOffset - 1)).logStartOffset)
  let from = floor
  let last: RecordBatch | null = null
  for (let epoch = isOtherTopic ? 0 : top.leaderEpoch; epoch > 0;) {
    const below = await source.endOfEpoch(epoch - 1)
    const start = below.endOffset
    if (below.leaderEpoch < 0 || start <= floor) break
    last = start < endOffset ? await sameBatchBefore(logs, start) : null
    if (last !== null) {
      from = start
      break
    }
    epoch = below.leaderEpoch
  }
  return await compareUpwards(logs, from, last, top.endOffset)
}

/** The source's batch that ends right before `offset`, if the follower has the same there. */
async function sameBatchBefore ({ follower, source }: ComparedLogs, offset: number): Promise<RecordBatch | null> {
  const [mine, theirs] = await Promise.all([follower.read(offset - 1), source.read(offset - 1)])
  const [a, b] = [mine.batches[0], theirs.batches[0]]
  if (a === undefined) throw notShown('the broker', offset - 1)
  if (b === undefined) throw notShown('the source', offset - 1)
  // Behind a hole lies another one.
  return b.lastOffset < offset && hasSameBytes(a, b) ? b : null
}

async function compareUpwards ({ endOffset, follower, source }: ComparedLogs, from: number, lastBefore: RecordBatch | null, sourceEnd: number): Promise<CommonPrefix> {
  let end = from
  let last = lastBefore
  // What older formats are followed by cannot be told apart from what it replaces: they have no leader epochs.
  const found = (difference: string | null): CommonPrefix => last === null || (difference !== null && last.magic !== 2)
    ? unknown(`they have no batch with a leader epoch in common from offset ${from} on, where both can be compared: ${difference ?? 'nothing is left'}`)
    : { kind: 'found', end, leaderEpoch: last.magic === 2 && last.lastOffset === end - 1 ? last.partitionLeaderEpoch : -1, difference }
  while (end < endOffset) {
    const [mine, theirs] = await Promise.all([follower.read(end), source.read(end)])
    if (mine.batches.length === 0) throw notShown('the broker', end)
    if (theirs.batches.length === 0) {
      // It may have more than its consumers see.
      if (end < sourceEnd) throw notShown('the source', end)
      return found(`the source's log ends at ${sourceEnd}`)
    }
    for (const [index, a] of mine.batches.entries()) {
      const b = theirs.batches[index]
      if (b === undefined || end >= endOffset) break
      if (!hasSameBytes(a, b)) {
        // What is whole and differs was written; what is not was damaged, and says nothing.
        if (!a.isCrcValid() || !b.isCrcValid()) return unknown(`the batch at offset ${end} is damaged on ${a.isCrcValid() ? 'the source' : 'the broker'}`)
        return found(tellApart(a, b))
      }
      last = b
      end = b.lastOffset + 1
    }
  }
  return found(null)
}

function unknown (reason: string): CommonPrefix {
  return { kind: 'unknown', reason }
}

function notShown (who: string, offset: number): ShadowError {
  return new ShadowError('CLUSTER_UNAVAILABLE', `${who} does not show offset ${offset} yet`, { retriable: true })
}
