/**
 * Which topics clients may write to, create or change, asked anew for every request.
 *
 * Not to know is to refuse: while the link state is unknown, stale or lost, only topics that were failed over when it was last
 * known are open, because nothing leads back from there. A topic that no link owned then may belong to one by now.
 */
import type { LinkState, TopicRule } from '../state/link-state.ts'
import type { LinkStateView } from '../state/state-follower.ts'
import { STATE_TOPIC } from '../state/state-topic.ts'
import { isWritable } from '../state/topic-state.ts'

export interface WriteRulesOptions {
  /** Link state older than this is stale. */
  readonly staleAfterMs: number
}

export class WriteRules {
  readonly #view: LinkStateView
  readonly #staleAfterMs: number
  #lastKnown: LinkState | null = null

  constructor (view: LinkStateView, { staleAfterMs }: WriteRulesOptions) {
    this.#view = view
    this.#staleAfterMs = staleAfterMs
  }

  /** The state that requests are judged by; null before it was ever known. */
  get state (): LinkState | null {
    // What was known before a loss, and while a follower starts over, still says which topics were failed over.
    if (this.#view.loss !== null) this.#lastKnown ??= this.#view.loss.before
    else this.#lastKnown = this.#view.state ?? this.#lastKnown
    return this.#lastKnown
  }

  /** How far the state can be relied on. */
  get knowledge (): 'current' | 'stale' | 'unknown' {
    if (this.state === null) return 'unknown'
    return this.#view.state !== null && this.#view.loss === null && this.#view.ageMs() <= this.#staleAfterMs ? 'current' : 'stale'
  }

  /** Why a client may not change a topic or its data, in words for whoever runs the client; null when it may. */
  refusalOf (topic: string): string | null {
    if (topic === STATE_TOPIC) return `topic '${topic}' holds the state of kafka-shadow itself: clients cannot change it`
    const { state } = this
    if (state === null) return `topic '${shown(topic)}' is read-only: the state of the shadow links is not known yet`
    if (this.knowledge === 'current') return shadowRefusal(topic, state.ruleFor(topic))
    const owner = state.ownerOf(topic)
    if (owner !== null && isWritable(owner.state)) return null
    return `topic '${shown(topic)}' is read-only: the state of the shadow links is ${this.#view.loss === null ? `stale${this.#ageText()}` : 'lost in part'}`
  }

  /** Why a client may not create a topic of this name; null when it may. */
  creationRefusalOf (topic: string): string | null {
    const refusal = this.refusalOf(topic)
    if (refusal !== null) return refusal
    const link = this.state?.claimantOf(topic) ?? null
    return link === null ? null : `topic '${shown(topic)}' is for shadow link '${link}' to create: its filters select the name`
  }

  #ageText (): string {
    const ageMs = this.#view.ageMs()
    return Number.isFinite(ageMs) ? ` (last known ${Math.round(ageMs / 1000)} s ago)` : ''
  }
}

function shadowRefusal (topic: string, rule: TopicRule): string | null {
  if (rule.access === 'open') return null
  return `topic '${shown(topic)}' is a read-only shadow topic (link '${rule.link}', state ${rule.state}): it opens for writes after failover`
}

/** The longest name that a topic can have. A client may send any; what it gets back must fit into an answer. */
const MAX_NAME_LENGTH = 249

function shown (topic: string): string {
  return topic.length > MAX_NAME_LENGTH ? `${topic.slice(0, MAX_NAME_LENGTH)}…` : topic
}
