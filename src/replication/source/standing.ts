/**
 * The partitions of a session that nothing is new of: they are part of every request without being named in it, and cost nothing,
 * however many there are, until the source tells something of one, or somebody wakes it. All are looked at anew now and then: what
 * they want may have changed without a word, and each is to know that the source was there.
 */
import { ZERO_UUID } from '../../../protocol/schema/field.ts'
import type { FetchTarget } from './fetch-target.ts'
import type { SourceSession } from './source-session.ts'

/** Within this time all are looked at: well below the time within which a contact with the source counts as now. */
const LOOK_MS = 2000

export interface StandingTarget {
  readonly target: FetchTarget
  /** What it was asked for. */
  readonly offset: number
}

export class Standing {
  readonly #targets = new Map<string, StandingTarget>()
  /** By topic id, as an answer may name them. */
  readonly #names = new Map<string, string>()
  readonly #woken = new Set<FetchTarget>()
  readonly #session: SourceSession
  readonly #now: () => number
  #lookedAtMs: number

  constructor (session: SourceSession, now: () => number) {
    this.#session = session
    this.#now = now
    this.#lookedAtMs = now()
  }

  get size (): number {
    return this.#targets.size
  }

  /** True when all are to be looked at. */
  get isDue (): boolean {
    return this.#now() - this.#lookedAtMs >= LOOK_MS
  }

  add (entry: StandingTarget): void {
    const { topic, partition, sourceTopicId } = entry.target
    this.#targets.set(keyOf(topic, partition), entry)
    if (sourceTopicId !== null) this.#names.set(sourceTopicId, topic)
    this.#session.keep(topic, sourceTopicId ?? ZERO_UUID, partition)
  }

  /** It may want something else by now: it is looked at with the next request. */
  wake (target: FetchTarget): void {
    if (this.#targets.get(keyOf(target.topic, target.partition))?.target === target) this.#woken.add(target)
  }

  /** Takes out the one of a partition; null where there is none. An answer names the topic, or its id. */
  take (topic: string, topicId: string, partition: number): StandingTarget | null {
    const name = topic === '' ? this.#names.get(topicId) : topic
    const key = name === undefined ? '' : keyOf(name, partition)
    const found = this.#targets.get(key)
    if (found === undefined) return null
    this.#targets.delete(key)
    const { target } = found
    this.#woken.delete(target)
    this.#session.unkeep(target.topic, target.sourceTopicId ?? ZERO_UUID, target.partition)
    return found
  }

  /** Takes out those that were woken. */
  takeWoken (): FetchTarget[] {
    const woken = [...this.#woken]
    for (const { topic, partition } of woken) this.take(topic, '', partition)
    return woken
  }

  takeAll (): FetchTarget[] {
    const all = [...this.#targets.values()].map(({ target }) => target)
    this.#targets.clear()
    this.#names.clear()
    this.#woken.clear()
    this.#lookedAtMs = this.#now()
    return all
  }
}

function keyOf (topic: string, partition: number): string {
  return `${topic}/${partition}`
}
