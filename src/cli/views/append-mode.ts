import type { LinkStatus } from '../../replication/link-service.ts'
import { UNKNOWN } from './quantities.ts'

/** The append mode of a link, and why it is not the better one. */
export function formatAppendMode ({ appendMode, appendModeReason }: LinkStatus): string {
  return appendModeReason === null ? appendMode : `${appendMode}, not replica: ${appendModeReason}`
}

/** Who leads the shadow partitions at once when this engine is away. */
export function formatStandbys ({ standbys }: LinkStatus): string {
  if (standbys === null) return UNKNOWN
  if (standbys.length === 0) return 'none: no other engine has a broker id of its own'
  return standbys.map(({ brokerId, partitions, inSyncPartitions }) => `broker ${brokerId}, in sync with ${inSyncPartitions} of ${partitions} partitions`).join('; ')
}
