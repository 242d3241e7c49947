/**
 * What a link may take for its own among the positions of consumer groups on the shadow, as the state topic holds it. It is written
 * in rounds, so that nothing is claimed that a coordinator has not acknowledged:
 *
 *   shards with `pending` rows of round N ──▶ commits ──▶ (what was refused is taken out of its shard) ──▶ settled: N
 *
 * A pending row counts once its round is settled. Until then nothing is claimed of that position, neither the value before nor the
 * one after: a consumer may have come to either by itself.
 */
import { z } from 'zod'

/** `PARTITION:DIGEST`, separated by blanks. */
export type ClaimRows = string

/** A group, when its positions were last committed on the shadow at the earliest (milliseconds since 1970; 0: not known), and by topic its settled and pending rows. */
export type GroupClaims = readonly [groupId: string, renewedAt: number, topics: ReadonlyArray<readonly [topic: string, settled: ClaimRows, pending: ClaimRows]>]

/** The groups whose names have one hash. */
export interface GroupShardRecord {
  /** Of the link: what one of the same name claimed before says nothing. */
  readonly uid: string
  /** Milliseconds since 1970. */
  readonly writtenAt: number
  /** That of the pending rows. */
  readonly round: number
  readonly groups: readonly GroupClaims[]
}

export interface SettledRoundRecord {
  readonly uid: string
  /** This round and all before it have ended. */
  readonly round: number
}

/** All that is recorded for a link. */
export interface RecordedClaims {
  readonly shards: ReadonlyMap<number, GroupShardRecord>
  readonly settled: SettledRoundRecord | null
}

export const NO_CLAIMS: RecordedClaims = { shards: new Map<never, never>(), settled: null }

export const groupShardSchema: z.ZodType<GroupShardRecord> = z.object({
  uid: z.string(),
  writtenAt: z.number().int().min(0),
  round: z.number().int().min(0),
  // Not by name: a group may be called __proto__.
  groups: z.array(z.tuple([z.string(), z.number().int().min(0), z.array(z.tuple([z.string(), z.string(), z.string()]))]))
})

export const settledRoundSchema: z.ZodType<SettledRoundRecord> = z.object({ uid: z.string(), round: z.number().int().min(0) })
