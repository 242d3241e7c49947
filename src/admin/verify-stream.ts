/**
 * The answer to a verification, as lines of JSON: one per partition as it is done, and at the end either a summary or a
 * problem. Lines that only say that it goes on keep a connection from looking dead while a large partition is compared.
 */
import { z } from 'zod'
import type { VerifyTopicReport } from '../replication/link-service.ts'
import { verifyReportSchema } from './link-status-schema.ts'
import { problemSchema, type Problem } from './problem.ts'

export interface VerifySummary {
  readonly partitions: number
  readonly batches: number
  readonly bytes: number
  /** Partitions with a difference. */
  readonly different: number
  /** Partitions of which something could not be compared. */
  readonly incomplete: number
}

export type VerifyLine =
  | { readonly kind: 'partition', readonly report: VerifyTopicReport }
  | { readonly kind: 'waiting' }
  | { readonly kind: 'summary', readonly summary: VerifySummary }
  | { readonly kind: 'problem', readonly problem: Problem }

export const verifyLineSchema: z.ZodType<VerifyLine> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('partition'), report: verifyReportSchema }),
  z.object({ kind: z.literal('waiting') }),
  z.object({
    kind: z.literal('summary'),
    summary: z.object({ partitions: z.number(), batches: z.number(), bytes: z.number(), different: z.number(), incomplete: z.number() })
  }),
  z.object({ kind: z.literal('problem'), problem: problemSchema })
])

export interface VerifyStreamOptions {
  /** How long nothing may be said, in milliseconds. */
  readonly quietMs: number
  readonly problemOf: (error: unknown) => Problem
}

/** Ends with a summary or a problem, whatever the reports do. */
export async function * verifyLines (reports: AsyncIterable<VerifyTopicReport>, { quietMs, problemOf }: VerifyStreamOptions): AsyncGenerator<VerifyLine, void, undefined> {
  const summary = { partitions: 0, batches: 0, bytes: 0, different: 0, incomplete: 0 }
  const iterator = reports[Symbol.asyncIterator]()
  let ended = false
  try {
    for (let next = iterator.next(); ;) {
      const result = await within(next, quietMs)
      if (result === null) {
        yield { kind: 'waiting' }
        continue
      }
      if (result.done === true) break
      const report = result.value
      summary.partitions++
      summary.batches += report.batches
      summary.bytes += report.bytes
      if (report.difference !== null) summary.different++
      if (report.incomplete !== null) summary.incomplete++
      yield { kind: 'partition', report }
      next = iterator.next()
    }
    ended = true
    yield { kind: 'summary', summary }
  } catch (error) {
    ended = true
    yield { kind: 'problem', problem: problemOf(error) }
  } finally {
    // The reader went away in between: whoever makes the reports must know.
    if (!ended) await iterator.return?.()
  }
}

/** What `promise` gives, or null if that takes longer. */
async function within<T> (promise: Promise<T>, ms: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined
  try {
    return await Promise.race([promise, new Promise<null>(resolve => { timer = setTimeout(() => resolve(null), ms) })])
  } finally {
    clearTimeout(timer)
  }
}
