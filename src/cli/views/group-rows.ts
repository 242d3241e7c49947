/** The consumer groups of a link: counts and what is wrong, or each of them with its members. */
import type { GroupStatus } from '../../replication/link-service.ts'
import { groupTotals } from './group-totals.ts'
import { printable } from './printable.ts'
import { formatCount, UNKNOWN } from './quantities.ts'
import { formatTable } from './table.ts'

const INDENT = '  '
/** Of a thousand groups that cannot be read, the first ones say why. */
const MOST_PROBLEMS = 10
const MOST_PARTITIONS = 10

export function groupSummary (groups: readonly GroupStatus[]): string {
  if (groups.length === 0) return 'No consumer groups are being shadowed.\n'
  const { count, members, live, ahead, partitions, oldestSyncedAt } = groupTotals(groups)
  const troubled = groups.filter(({ problem }) => problem !== null)
  const more = troubled.length - MOST_PROBLEMS
  return formatTable([
    ['GROUPS', String(count)],
    ['WITH MEMBERS', String(members)],
    ['LIVE ON SHADOW', String(live)],
    ['AHEAD ON SHADOW', String(ahead)],
    ['PARTITIONS', String(partitions)],
    ['OLDEST SYNC', oldestSyncedAt ?? UNKNOWN],
    ['PROBLEMS', String(troubled.length)]
  ]) + troubled.slice(0, MOST_PROBLEMS).map(({ name, problem }) => `${INDENT}- ${printable(`${name}: ${problem ?? ''}`)}\n`).join('') + (more > 0 ? `${INDENT}and ${more} more: -g shows them\n` : '')
}

export function groupRows (groups: readonly GroupStatus[]): string {
  if (groups.length === 0) return 'No consumer groups are being shadowed.\n'
  return groups.map(groupText).join('\n')
}

function partitionList (names: readonly string[]): string {
  const more = names.length - MOST_PARTITIONS
  return `${names.slice(0, MOST_PARTITIONS).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

function groupText (group: GroupStatus): string {
  const lines = [
    `Name: ${group.name}, Type: ${group.type ?? UNKNOWN}, State: ${group.state ?? 'not on the source'}, Protocol: ${group.protocol ?? UNKNOWN}`,
    `${INDENT}Partitions: ${group.partitions}, clamped: ${group.clampedPartitions}, ahead on the shadow: ${group.aheadPartitions}, waiting: ${group.waitingPartitions}, synced: ${group.syncedAt ?? UNKNOWN}, members: ${formatCount(group.members?.length ?? null)}`,
    ...(group.isLiveOnShadow ? [`${INDENT}Live on the shadow: its positions are left to its members there`] : []),
    ...(group.withoutMetadata.length === 0 ? [] : [`${INDENT}Without their metadata, which is longer than the shadow takes: ${partitionList(group.withoutMetadata)}`]),
    ...(group.problem === null ? [] : [`${INDENT}Problem: ${group.problem}`])
  ]
  const members = group.members ?? []
  const table = members.length === 0 ? '' : formatTable([['CLIENT-ID', 'HOST', 'MEMBER-ID'], ...members.map(({ clientId, host, memberId }) => [clientId, host, memberId])], { indent: INDENT })
  return lines.map(line => `${printable(line)}\n`).join('') + table
}
