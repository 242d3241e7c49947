/**
 * Which topics are read from followers, and which brokers are no real ones: in append mode replica, shadow topics are led by a broker
 * that only replicas talk to, or by nobody (DESIGN.md §4).
 *
 * Not to know is to change nothing: while the link state is unknown, answers say what the broker says. What was known last goes on to
 * count when it is stale, because to read harms nothing: where a real broker leads by now, its own answers say so, and are shown.
 */
import { SHADOWING_CONFIG_NAMES } from '../state/shadowing-names.ts'
import { isWritable } from '../state/topic-state.ts'
import type { WriteRules } from './write-rules.ts'

/** What clients are shown of the configs of a shadow topic. */
export interface ShownConfigs {
  /** The source's values, by name, as a failover sets them. */
  readonly carried: ReadonlyMap<string, string>
  /** The configs that have another value for as long as the topic is a shadow. */
  readonly safe: ReadonlySet<string>
}

export class ReadRules {
  readonly #rules: WriteRules
  /** By topic and partition: the follower that clients are shown as the leader, and the others, those that were there longest first. */
  readonly #shown = new Map<string, Map<number, readonly number[]>>()

  constructor (rules: WriteRules) {
    this.#rules = rules
  }

  isShadowLeader (nodeId: number): boolean {
    return this.#rules.state?.shadowLeaders.has(nodeId) ?? false
  }

  /** False when there can be no topic that is read from followers: no request needs to be looked into for one. */
  get isAnyReadFromFollowers (): boolean {
    for (const link of this.#rules.state?.links.values() ?? []) if (link.appendMode === 'replica') return true
    return false
  }

  isReadFromFollowers (topic: string): boolean {
    const isRead = this.#rules.state?.isReadFromFollowers(topic) === true
    if (!isRead) this.#shown.delete(topic)
    return isRead
  }

  /** False when there can be no shadow topic. */
  get isAnyLinked (): boolean {
    return (this.#rules.state?.links.size ?? 0) > 0
  }

  /** Null for a topic that is no shadow now. A value that the shadow cluster refuses is not shown: it would not be set. */
  shownConfigsOf (topic: string): ShownConfigs | null {
    const { state } = this.#rules
    const record = state?.ownerOf(topic) ?? null
    if (record === null || !record.created || isWritable(record.state)) return null
    const link = state?.links.get(record.link)
    if (link === undefined) return null
    return {
      carried: new Map(Object.entries(record.configs).filter(([name]) => !(name in record.refusedConfigs))),
      safe: new Set(SHADOWING_CONFIG_NAMES[link.appendMode])
    }
  }

  /**
   * The follower to show as the leader of a partition: the one shown before as long as it is among `followers`, else the one that has been
   * among them longest. Another may have less of the log, most of all one that has just come: a client that had read further would be
   * told that its offset is out of range.
   */
  followerFor (topic: string, partition: number, followers: readonly number[]): number | null {
    let shown = this.#shown.get(topic)
    if (shown === undefined) this.#shown.set(topic, shown = new Map<number, readonly number[]>())
    const known = shown.get(partition) ?? []
    const present = [...known.filter(nodeId => followers.includes(nodeId)), ...followers.filter(nodeId => !known.includes(nodeId))]
    const [first = null] = present
    // While nobody can be reached, it is not known either who was away.
    if (first !== null) shown.set(partition, present)
    return first
  }
}
