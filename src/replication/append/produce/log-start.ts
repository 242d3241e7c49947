import { ErrorCodes, errorName } from '../../../../protocol/errors/codes.ts'
import { deleteRecords } from '../../../client/admin/delete-records.ts'
import type { Cluster } from '../../../client/cluster.ts'
import type { PartitionCopy } from './partition-copy.ts'

/**
 * Makes the shadow's logs start where the source's do, as far as they have been copied. That is what deletes old records on the
 * shadow, where retention is off.
 */
export class LogStartFollower {
  readonly #shadow: Cluster
  readonly #assertMayLead: () => void
  /** Where each shadow partition was last made to start. */
  readonly #starts = new WeakMap<PartitionCopy, number>()

  /** `assertMayLead` throws when another engine may lead by now, and may have failed the topics over. */
  constructor (shadow: Cluster, assertMayLead: () => void) {
    this.#shadow = shadow
    this.#assertMayLead = assertMayLead
  }

  /** Returns what went wrong, in words, by partition; it is tried again the next time. */
  async follow (copies: readonly PartitionCopy[], signal: AbortSignal): Promise<string[]> {
    const behind = copies.flatMap(copy => {
      const { sourceLogStartOffset: start, shadowEndOffset: end } = copy
      if (copy.activity !== 'copying' || start === null || end === null) return []
      const beforeOffset = Math.min(start, end)
      return beforeOffset > (this.#starts.get(copy) ?? 0) ? [{ copy, beforeOffset }] : []
    })
    if (behind.length === 0) return []
    const rows = await deleteRecords(this.#shadow, behind.map(({ copy, beforeOffset }) => ({ topic: copy.topic, partition: copy.partition, beforeOffset })), { signal, beforeSend: this.#assertMayLead })
    const answers = new Map(rows.map(row => [`${row.topic}/${row.partition}`, row]))
    const problems: string[] = []
    for (const { copy, beforeOffset } of behind) {
      const row = answers.get(`${copy.topic}/${copy.partition}`)
      if (row?.errorCode === ErrorCodes.NONE) this.#starts.set(copy, beforeOffset)
      else problems.push(`the log start of ${copy.topic}-${copy.partition} could not be moved to ${beforeOffset}: ${row === undefined ? 'left out of the answer' : row.error?.message ?? errorName(row.errorCode)}`)
    }
    return problems
  }
}
