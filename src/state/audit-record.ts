/** Who ordered what, and when: the newest of these are kept in the state topic, under keys that are used again in turn. */
import { z } from 'zod'

/** How many are kept, of all links together. */
export const AUDIT_SLOTS = 1000

/** Who gave an order, as far as they told: nobody has checked it. */
export interface Operator {
  /** The user of their operating system. */
  readonly user: string | null
  readonly address: string | null
  readonly userAgent: string | null
}

export const AUDIT_ACTIONS = ['create', 'update', 'pause', 'resume', 'failover', 'promote', 'topic remove', 'topic retry', 'topic restore', 'delete'] as const

export type AuditAction = typeof AUDIT_ACTIONS[number]

export interface AuditRecord {
  /** Rises by one with every record. */
  readonly number: number
  readonly at: string
  readonly action: AuditAction
  readonly link: string
  /** How many topics it was for; null where it was for none in particular. */
  readonly topics: number | null
  /** What of the link, in words. Never a value of its configuration. */
  readonly detail: string
  /** Null for what the engine was configured to do. */
  readonly by: Operator | null
  /** Why it was refused, or failed; null while nothing is known against it. */
  readonly problem: string | null
}

export const auditSchema: z.ZodType<AuditRecord> = z.object({
  number: z.number().int().min(0),
  at: z.string(),
  action: z.enum(AUDIT_ACTIONS),
  link: z.string(),
  topics: z.number().int().min(0).nullable(),
  detail: z.string(),
  by: z.object({ user: z.string().nullable(), address: z.string().nullable(), userAgent: z.string().nullable() }).nullable(),
  problem: z.string().nullable()
})
