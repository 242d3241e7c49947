/** `consumer_offset_sync_options`: which consumer groups are shadowed, and how often (facts/redpanda-contract.md §4). */
import { z } from 'zod'
import { formatDuration } from '../duration.ts'
import { durationOrDefault, flag } from '../fields.ts'
import { filtersDocument, groupFilter, type NameFilter } from './name-filter.ts'

export interface GroupSyncOptions {
  readonly intervalMs: number
  readonly paused: boolean
  readonly filters: readonly NameFilter[]
  /** What becomes of a group, or of a position, that the source does not have any more. Not a key of `rpk shadow`. */
  readonly onSourceDeletion: 'keep' | 'delete'
}

export const GROUP_SYNC_INTERVAL_MS = 30_000

export const groupSync = z.strictObject({
  interval: durationOrDefault(GROUP_SYNC_INTERVAL_MS),
  paused: flag(false),
  group_filters: z.array(groupFilter, { error: 'expected a list of filters' }).default([]),
  on_source_deletion: z.enum(['keep', 'delete'], { error: 'expected keep or delete' }).default('keep')
}, { error: 'expected a map' }).transform((options): GroupSyncOptions => ({
  intervalMs: options.interval,
  paused: options.paused,
  filters: options.group_filters,
  onSourceDeletion: options.on_source_deletion
}))

export function groupSyncDocument (groups: GroupSyncOptions): Record<string, unknown> {
  return {
    interval: formatDuration(groups.intervalMs),
    paused: groups.paused,
    group_filters: filtersDocument(groups.filters),
    on_source_deletion: groups.onSourceDeletion
  }
}
