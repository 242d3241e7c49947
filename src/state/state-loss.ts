/**
 * What is known of a state topic that no longer holds what was read from it: its log was cut off, by an unclean election or a lost
 * disk, or the topic was deleted and made anew. Compaction does neither.
 *
 *   seen ──▶ sidecars rely on nothing new; the engine that leads resigns ──▶ whoever is elected writes again what it had read, and
 *            only then the record of its epoch, with the epoch that is whole again (EngineRecord.restoredEpoch) ──▶ over
 *
 * An engine that is elected before it has seen the loss writes no such record, and resigns when it sees it.
 */
import type { LinkState } from './link-state.ts'
import { keyOf, type StateChange } from './records.ts'

export interface StateLoss {
  readonly reason: string
  /** The highest epoch of an engine that was ever seen. */
  readonly epoch: number
  /** All that the topic held before. */
  readonly before: LinkState
  /** True for another topic of the same name: what it holds was written after the loss. */
  readonly isMadeAnew: boolean
}

/** What has to be written for a topic that now tells `now` to tell again what was lost. What follows `before` is never older than the loss. */
export function lostChanges ({ before, isMadeAnew }: StateLoss, now: LinkState): StateChange[] {
  const held = new Set(now.changes().map(keyOf))
  const known = before.changes().filter(change => change.kind !== 'engine')
  if (isMadeAnew) return known.filter(change => !held.has(keyOf(change)))
  const keys = new Set(known.map(keyOf))
  // What the log was cut off of may have removed these.
  const removed = now.changes().filter(change => change.kind !== 'engine' && !keys.has(keyOf(change))).map((change): StateChange => ({ ...change, value: null }))
  return [...known, ...removed]
}
