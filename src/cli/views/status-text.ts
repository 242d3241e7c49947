/** A link's status as text, laid out as `rpk shadow status` does (facts/redpanda-contract.md §9.3). */
import type { LinkStatus, PartitionStatus, TopicStatus } from '../../replication/link-service.ts'
import type { PartitionRollback } from '../../state/rollbacks.ts'
import { isWritable } from '../../state/topic-state.ts'
import { formatAppendMode, formatStandbys } from './append-mode.ts'
import { groupRows, groupSummary } from './group-rows.ts'
import { maxLagSeconds } from './lag.ts'
import { printable } from './printable.ts'
import { formatAgo, formatBytes, formatCount, formatLag, UNKNOWN } from './quantities.ts'
import { schemaRegistryRows } from './schema-registry-view.ts'
import { contactWarning, isFollowing, partitionWarnings } from './source-contact.ts'
import type { Sections } from './status-json.ts'
import { formatSection, formatTable } from './table.ts'

const INDENT = '  '

export function statusText (link: LinkStatus, { overview, tasks, topics, groups, schemas }: Sections): string {
  const warning = contactWarning(link)
  const sections = [
    ...(overview ? [formatSection('overview', overviewRows(link))] : []),
    ...(tasks ? [formatSection('tasks', taskRows(link))] : []),
    ...(topics ? [formatSection('topics', topicRows(link))] : []),
    ...(groups === 'none' ? [] : [formatSection('consumer groups', groups === 'all' ? groupRows(link.groups) : groupSummary(link.groups))]),
    ...(schemas && link.schemaRegistry !== null ? [formatSection('schema registry', schemaRegistryRows(link.schemaRegistry))] : [])
  ]
  return `${warning === null ? '' : `WARNING: ${printable(warning)}\n\n`}${sections.join('\n')}`
}

function overviewRows (link: LinkStatus): string {
  const { reachable, contactAgeMs } = link.source
  const source = reachable === null ? 'unknown' : reachable ? 'reachable' : 'not reachable'
  return formatTable([
    ['NAME', link.name],
    ['UID', link.uid],
    ['STATE', link.pausedAt === null ? link.state : `${link.state}, paused since ${link.pausedAt}`],
    ['APPEND MODE', formatAppendMode(link)],
    ...(link.appendMode === 'replica' && isFollowing(link) ? [['STANDBY', formatStandbys(link)]] : []),
    ...(isFollowing(link) ? [['SOURCE', `${source}, last contact ${contactAgeMs === null ? 'never' : formatAgo(contactAgeMs)}`], ['LAG', formatLag(maxLagSeconds(link))]] : []),
    ['COPIED', formatBytes(link.copiedBytes)],
    ['BUFFERED', formatBytes(link.bufferedBytes)]
  ])
}

function taskRows (link: LinkStatus): string {
  if (link.tasks.length === 0) return 'No tasks to display right now.\n'
  return formatTable([['NAME', 'STATE', 'SINCE', 'REASON'], ...link.tasks.map(task => [task.name, task.state, task.since, task.reason])])
}

function topicRows (link: LinkStatus): string {
  const properties = link.syncedShadowTopicProperties.map(property => `${INDENT}- ${printable(property)}\n`).join('')
  const topics = link.topics.length === 0 ? 'No topics are being shadowed.\n' : link.topics.map(topicText).join('\n')
  return properties === '' ? topics : `${topics}\nSynced Shadow Topic Properties:\n${properties}`
}

function topicText (topic: TopicStatus): string {
  const lines = [
    `Name: ${topic.name}, ID: ${topic.topicId ?? UNKNOWN}, State: ${topic.state}`,
    ...(topic.owned ? [] : [`${INDENT}Not a shadow topic: it is writable`]),
    ...(topic.state === 'PAUSED' ? [`${INDENT}Paused since ${topic.since}`] : []),
    ...faultLines(topic),
    ...(topic.problem === null ? [] : [`${INDENT}Problem: ${topic.problem}`]),
    ...startLines(topic),
    ...topic.rollbacks.map(row => `${INDENT}${rollbackLine(row)}`),
    ...configLines(topic),
    ...Object.entries(topic.refusedConfigs).map(([name, reason]) => `${INDENT}Refused config ${name}: ${reason}`),
    ...partitionWarnings(topic).map(line => `${INDENT}${line}`)
  ]
  return lines.map(line => `${printable(line)}\n`).join('') + partitionTable(topic)
}

/** Which rule stopped a topic, where exactly, and why. */
function faultLines ({ fault }: TopicStatus): string[] {
  if (fault === null) return []
  const where = [
    ...(fault.partition === null ? [] : [`partition ${fault.partition}`]),
    ...(fault.offset === null ? [] : [`offset ${fault.offset}`])
  ]
  return [`${INDENT}Fault: ${fault.code}${where.length === 0 ? '' : ` at ${where.join(', ')}`}: ${fault.reason}`]
}

/** What the topic has of its source's configs, or will have once it is failed over. */
function configLines ({ owned, syncedConfigs }: TopicStatus): string[] {
  const entries = Object.entries(syncedConfigs)
  return !owned || entries.length === 0 ? [] : [`${INDENT}Synced configs: ${entries.map(([name, value]) => `${name}=${value}`).join(', ')}`]
}

const MOST_STARTS = 8

/** Where the copy began, where that is not the beginning. */
function startLines ({ startOffsets }: TopicStatus): string[] {
  if (startOffsets === null) return []
  const shown = startOffsets.slice(0, MOST_STARTS).map((offset, partition) => `partition ${partition} at ${offset}`)
  return [`${INDENT}Began: ${shown.join(', ')}${startOffsets.length > MOST_STARTS ? `, and ${startOffsets.length - MOST_STARTS} more` : ''}`]
}

/** What the shadow has thrown away. */
function rollbackLine ({ partition, at, fromOffset, toOffset, times, discarded }: PartitionRollback): string {
  const total = times === 1 ? '' : `; ${times} times so far, ${discarded} records in all`
  return `Rolled back: partition ${partition} from offset ${fromOffset} to ${toOffset} at ${at}, ${fromOffset - toOffset} records that the source did not have${total}`
}

function partitionTable (topic: TopicStatus): string {
  if (topic.partitions.length === 0) return ''
  const copied = !isWritable(topic.state)
  const header = ['PARTITION', 'SRC-LSO', 'SRC-HWM', 'DST-HWM', 'LAG', ...(copied ? ['LAG-SECONDS', 'LAST-CONTACT', 'ACTIVITY'] : [])]
  return formatTable([header, ...topic.partitions.map(partition => partitionRow(partition, copied))], { indent: INDENT })
}

function partitionRow (partition: PartitionStatus, copied: boolean): string[] {
  return [
    String(partition.partition),
    formatCount(partition.sourceLastStableOffset),
    formatCount(partition.sourceHighWatermark),
    formatCount(partition.shadowEndOffset),
    formatCount(partition.lagRecords),
    ...(copied ? [formatLag(partition.lagSeconds), formatAgo(partition.sourceContactAgeMs), partition.activity] : [])
  ]
}
