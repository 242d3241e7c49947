/** Why batches that lie in memory cannot be given to a follower. */
import type { TopicFault } from '../../../state/topic-state.ts'
import type { FollowerFetch } from './follower-fetch.ts'
import type { ChunkSlice } from './tail-chunk.ts'

/** Null when they can. */
export function servingFault (slice: ChunkSlice, { fetchOffset, logStartOffset }: FollowerFetch, { partition, maxServedBytes }: { readonly partition: number, readonly maxServedBytes: number }): TopicFault | null {
  const where = { partition, offset: fetchOffset }
  // Only an empty log may start anew in the middle of a batch.
  if (slice.magic === 2 && slice.baseOffset < fetchOffset && fetchOffset !== logStartOffset) {
    return { code: 'DIVERGED', reason: `the source has a batch that begins at ${slice.baseOffset} where a follower's log ends at ${fetchOffset}: their batches differ`, ...where }
  }
  if (slice.bytes.length > maxServedBytes) {
    return { code: 'APPEND_REFUSED', reason: `the batch at offset ${fetchOffset} has ${slice.bytes.length} bytes, and a segment of the shadow topic holds ${maxServedBytes}`, ...where }
  }
  return null
}
