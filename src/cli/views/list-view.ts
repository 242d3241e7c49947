/** The links there are, one line each. */
import type { LinkStatus } from '../../replication/link-service.ts'
import { maxLagSeconds } from './lag.ts'
import { formatAgo, formatLag } from './quantities.ts'
import { contactWarning, isFollowing } from './source-contact.ts'
import { printable } from './printable.ts'
import { formatTable } from './table.ts'

/** `name`, `UID` and `state` as `rpk shadow list` has them. */
export function listJson (links: readonly LinkStatus[]): unknown {
  return links.map(link => ({
    name: link.name,
    UID: link.uid,
    state: link.state,
    topics: ownedTopics(link),
    faulted_topics: faultedTopics(link),
    lag_seconds: isFollowing(link) ? maxLagSeconds(link) : null,
    source_reachable: link.source.reachable,
    source_contact_age_ms: link.source.contactAgeMs === null ? null : Math.round(link.source.contactAgeMs),
    warning: contactWarning(link)
  }))
}

export function listText (links: readonly LinkStatus[]): string {
  const warnings = links.flatMap(link => {
    const warning = contactWarning(link)
    return warning === null ? [] : [`WARNING: ${link.name}: ${printable(warning)}\n`]
  })
  const rows = links.map(link => [
    link.name,
    link.uid,
    link.state,
    String(ownedTopics(link)),
    String(faultedTopics(link)),
    isFollowing(link) ? formatLag(maxLagSeconds(link)) : '-',
    isFollowing(link) ? formatAgo(link.source.contactAgeMs) : '-'
  ])
  return formatTable([['NAME', 'UID', 'STATE', 'TOPICS', 'FAULTED', 'LAG-SECONDS', 'LAST-CONTACT'], ...rows]) + (warnings.length === 0 ? '' : `\n${warnings.join('')}`)
}

function ownedTopics (link: LinkStatus): number {
  return link.topics.filter(topic => topic.owned).length
}

function faultedTopics (link: LinkStatus): number {
  return link.topics.filter(topic => topic.state === 'FAULTED').length
}
