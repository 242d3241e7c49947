/**
 * Which topics the source has deleted, where the link is to delete their shadows (`on_source_deletion: delete`). Gone means: missing in
 * several complete views in a row, over a while, by the word of every broker, with its id.
 */
import { absentTopics } from '../../../../client/admin/absent-topics.ts'
import type { Cluster, ClusterView } from '../../../../client/cluster.ts'
import type { ShadowTopic } from '../../shadow-topic.ts'

const VIEWS_OF_A_DELETION = 3
/** A source that is being rebuilt, or a broker that has just come up, may show nothing for a moment. */
const ABSENT_FOR_MS = 10_000

interface Absence {
  readonly sinceMs: number
  readonly views: number
}

export interface SourceDeletionsOptions {
  readonly source: Cluster
  readonly signal: AbortSignal
  /** Milliseconds. */
  readonly now: () => number
  readonly absentForMs?: number
}

export class SourceDeletions {
  readonly #options: SourceDeletionsOptions
  readonly #absences = new Map<string, Absence>()

  constructor (options: SourceDeletionsOptions) {
    this.#options = options
  }

  /** Of shadow topics that `view` lacks, by name: null for one that was deleted, else why that is not certain. @throws {ShadowError} ABORTED */
  async find (missing: readonly ShadowTopic[], view: ClusterView): Promise<ReadonlyMap<string, string | null>> {
    const { source, signal, now, absentForMs = ABSENT_FOR_MS } = this.#options
    const known = missing.flatMap(({ topic, record: { sourceTopicId } }) => sourceTopicId === null ? [] : [{ topic, topicId: sourceTopicId }])
    const reasons = await absentTopics(source, view, known, { signal })
    const found = new Map<string, string | null>()
    const absences = new Map<string, Absence>()
    for (const { topic } of missing) {
      const reason = reasons.get(topic) ?? (reasons.has(topic) ? null : 'the source has no topic ids')
      if (reason !== null) {
        found.set(topic, reason)
        continue
      }
      const before = this.#absences.get(topic)
      const absence = { sinceMs: before?.sinceMs ?? now(), views: (before?.views ?? 0) + 1 }
      absences.set(topic, absence)
      found.set(topic, absence.views >= VIEWS_OF_A_DELETION && now() - absence.sinceMs >= absentForMs ? null : `${absence.views} views without it so far`)
    }
    // What was seen in between begins anew.
    this.#absences.clear()
    for (const [topic, absence] of absences) this.#absences.set(topic, absence)
    return found
  }
}
