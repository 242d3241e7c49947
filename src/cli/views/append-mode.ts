import type { LinkStatus } from '../../replication/link-service.ts'

/** The append mode of a link, and why it is not the better one. */
export function formatAppendMode ({ appendMode, appendModeReason }: LinkStatus): string {
  return appendModeReason === null ? appendMode : `${appendMode}, not replica: ${appendModeReason}`
}
