/** What there is on an engine while it leads. */
import type { Cluster } from '../client/cluster.ts'
import type { Lease } from '../client/group/election.ts'
import type { Logger } from '../observability/logger.ts'
import type { StateFollower } from '../state/state-follower.ts'
import type { StateWriter } from '../state/state-writer.ts'
import type { ShadowLeader } from './append/replica/shadow-leader.ts'
import { AuditLog } from './audit-log.ts'
import { LEAD_BY_BLOCKS, LEAD_BY_IDS, leadFactor, ProducerIdBarrier } from './failover/producer-id-barrier.ts'
import type { ShadowLink } from './link/shadow-link.ts'

export interface Link {
  readonly link: ShadowLink
  readonly abort: AbortController
  /** While the link is stopped and started anew: resolves when that has ended, well or not. Null else. */
  restarting: Promise<unknown> | null
}

export interface Reign {
  readonly links: Map<string, Link>
  readonly barrier: ProducerIdBarrier
  readonly lease: Lease
  readonly writer: StateWriter
  readonly audit: AuditLog
  readonly signal: AbortSignal
  /** Ends the reign, so that another engine leads. */
  resign (reason: string): void
  /** For links in append mode replica; null until one needs it, or a creation asks whether that is possible. */
  leader: ShadowLeader | null
}

export interface ReignParts {
  /** The shadow cluster. */
  readonly cluster: Cluster
  readonly state: StateFollower
  readonly logger: Logger
  readonly now: () => number
  readonly wallClock: () => Date
}

/** A reign without links yet. */
export function makeReign (parts: Pick<Reign, 'lease' | 'writer' | 'signal' | 'resign'>, { cluster, state, logger, now, wallClock }: ReignParts): Reign {
  const barrier: ProducerIdBarrier = new ProducerIdBarrier({
    shadow: cluster,
    logger,
    now,
    skipBlocks: async (producerId, signal) => { await reign.leader?.skipProducerIdBlocks(producerId, signal) },
    lead: () => leadOfIds(reign, cluster.lastView?.clusterId ?? null),
    liveBrokers: () => reign.leader?.liveBrokers ?? null
  })
  const audit = new AuditLog({ known: state.state?.audit.values() ?? [], write: changes => parts.writer.write(changes), wallClock, logger })
  const reign: Reign = { ...parts, links: new Map(), barrier, audit, leader: null }
  return reign
}

/** The link that owns a topic of this name, apart from `except`; null when none does. */
export function ownerOf (reign: Reign, topic: string, except: string | null): string | null {
  for (const [name, { link }] of reign.links) {
    if (name !== except && link.topics.get(topic)?.record.owned === true) return name
  }
  return null
}

/** See BarrierOptions.lead. A shadow leader that is not ready yet soon is, and does it with less. */
function leadOfIds ({ links, leader }: Reign, shadowClusterId: string | null): number | null {
  const shadowing = [...links.values()].filter(({ link }) => !link.isDone)
  if (shadowing.length === 0) return null
  const factor = leadFactor(shadowClusterId, [...links.values()].map(({ link }) => link.record.sourceClusterId))
  if (shadowing.every(({ link }) => link.record.appendMode !== 'replica')) return factor * LEAD_BY_IDS
  return leader?.isReady === true ? factor * LEAD_BY_BLOCKS : 0
}
