/** What a restoration from the common prefix throws away, as text and as JSON. */
import type { RestorePlan } from '../../replication/link-service.ts'
import { printable } from './printable.ts'

export function restorePlanText ({ topic, isOtherTopic, partitions }: RestorePlan): string {
  const thrown = partitions.filter(({ fromOffset, toOffset }) => toOffset < fromOffset)
  const records = thrown.reduce((sum, { fromOffset, toOffset }) => sum + fromOffset - toOffset, 0)
  const lines = [
    ...(isOtherTopic ? [`The source topic ${topic} was made anew since it was copied: all of it was compared, and it is shadowed from now on.`] : []),
    thrown.length === 0
      ? `All that the shadow topic ${topic} has, the source has, too: nothing is thrown away.`
      : `Of the shadow topic ${topic}, ${records} records in ${thrown.length} of ${partitions.length} partitions are thrown away on every replica, for good:`,
    ...thrown.map(({ partition, fromOffset, toOffset, difference }) => `  partition ${partition}: offsets ${toOffset} to ${fromOffset - 1}, ${fromOffset - toOffset} records${difference === null ? '' : ` (${difference})`}`)
  ]
  return lines.map(line => `${printable(line)}\n`).join('')
}

export function restorePlanJson ({ topic, isOtherTopic, partitions }: RestorePlan): Record<string, unknown> {
  return {
    topic,
    source_topic_recreated: isOtherTopic,
    partitions: partitions.map(({ partition, fromOffset, toOffset, difference }) => ({ partition_id: partition, from_offset: fromOffset, to_offset: toOffset, discarded_records: fromOffset - toOffset, difference }))
  }
}
