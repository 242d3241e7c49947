import type { LinkStatus } from '../../replication/link-service.ts'
import { isWritable } from '../../state/topic-state.ts'

/**
 * Seconds of data at risk in the worst partition of a link. Null as soon as one partition is not known, for that one may be
 * the worst, and where there is no partition at all.
 */
export function maxLagSeconds (link: LinkStatus): number | null {
  let max: number | null = null
  for (const topic of link.topics) {
    if (!topic.owned || isWritable(topic.state)) continue
    if (topic.partitions.length === 0) return null
    for (const { lagSeconds } of topic.partitions) {
      if (lagSeconds === null) return null
      max = Math.max(max ?? 0, lagSeconds)
    }
  }
  return max
}
