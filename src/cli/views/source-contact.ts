/** Whether what a status says is of now: numbers that nobody renews look exactly like numbers that do not change. */
import type { LinkStatus, TopicStatus } from '../../replication/link-service.ts'
import { isWritable } from '../../state/topic-state.ts'
import { formatAgo, formatMs } from './quantities.ts'

/** From when on the last contact with the source is old. */
export const OLD_CONTACT_MS = 10_000

/** What must be known before the numbers of a link are read; null where they are of now. */
export function contactWarning (link: LinkStatus): string | null {
  if (!isFollowing(link)) return null
  const { reachable, contactAgeMs, problem } = link.source
  const because = problem === null ? '' : `: ${problem}`
  if (contactAgeMs === null) return `the source has not answered yet, nothing is known of it${because}`
  if (contactAgeMs > OLD_CONTACT_MS) return `last contact with the source ${formatAgo(contactAgeMs)}, what is shown of it is from then${because}`
  return reachable === false ? `the source does not answer (last contact ${formatAgo(contactAgeMs)})${because}` : null
}

/** As contactWarning, for the partitions of one topic: the brokers of a source fail one by one. */
export function partitionWarnings (topic: TopicStatus): string[] {
  if (isWritable(topic.state)) return []
  return topic.partitions.flatMap(({ partition, sourceContactAgeMs: ageMs, problem }) => {
    const notes = [
      ...(ageMs !== null && ageMs > OLD_CONTACT_MS ? [`last contact with the source ${formatMs(ageMs)} ago, what is shown of it is from then`] : []),
      ...(problem === null ? [] : [problem])
    ]
    return notes.length === 0 ? [] : [`Partition ${partition}: ${notes.join('; ')}`]
  })
}

/** False when nothing of the link is copied any more. */
export function isFollowing (link: LinkStatus): boolean {
  return link.state !== 'FAILED_OVER' || link.topics.some(topic => topic.owned && !isWritable(topic.state))
}
