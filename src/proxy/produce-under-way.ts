/** A Produce that was let through at its beginning, and whose end may come much later: by then, one of its topics may be a shadow. */
import type { WriteRules } from './write-rules.ts'

export class ProduceUnderWay {
  readonly #topics: readonly string[]
  readonly #rules: WriteRules
  #judgedBy: readonly unknown[]

  constructor (topics: readonly string[], rules: WriteRules) {
    this.#topics = topics
    this.#rules = rules
    this.#judgedBy = judgedBy(rules)
  }

  /** Whether all topics may still be written to. Looks again only where something is known that was not before. */
  isAllowed (): boolean {
    const present = judgedBy(this.#rules)
    if (present.every((value, index) => value === this.#judgedBy[index])) return true
    this.#judgedBy = present
    return this.#topics.every(topic => this.#rules.refusalOf(topic) === null)
  }
}

/** All that an answer of the rules depends on. */
function judgedBy ({ state, knowledge }: WriteRules): readonly unknown[] {
  return [state, state?.revision, knowledge]
}
