import type { Cluster } from '../../../../client/cluster.ts'
import type { SecuritySyncOptions } from '../../../../config/link/security-sync-options.ts'
import type { SecurityLedger } from './security-ledger.ts'

/** What those who shadow ACLs, quotas and users work with. */
export interface SecurityHost {
  readonly source: Cluster
  readonly shadow: Cluster
  readonly ledger: SecurityLedger
  readonly options: () => SecuritySyncOptions
  readonly signal: AbortSignal
  /** True when another link has added the same thing to the shadow cluster. */
  readonly isShared: (id: string) => boolean
  /**
   * What a link of the source cluster has copied there from this shadow cluster, by id: it comes from here, and is not copied back.
   * @throws when the source has such links, and what they have copied cannot be read
   */
  readonly copiesOfOurs: () => Promise<ReadonlySet<string>>
}
