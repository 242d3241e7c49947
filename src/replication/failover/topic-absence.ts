/** When a shadow topic that is to be opened is certainly gone: by several looks, over a while. One that is there begins it anew. */

const LOOKS = 3
/** A broker that was busy with something else may be behind for as long as its session lasts (9 s by default). */
const ABSENT_FOR_MS = 10_000

export class TopicAbsence {
  readonly #look: () => Promise<string | null>
  readonly #now: () => number
  #sinceMs: number | null = null
  #looks = 0

  /** `look`: why the topic seems to be gone, in words; null when it is there, or nobody knows. `now`: milliseconds. */
  constructor (look: () => Promise<string | null>, now: () => number) {
    this.#look = look
    this.#now = now
  }

  /** Looks once more. Resolves with why it is gone, in words; null when that is not so, or not certain. @throws what `look` throws, which says nothing */
  async certain (): Promise<string | null> {
    const reason = await this.#look()
    if (reason === null) {
      this.#sinceMs = null
      this.#looks = 0
      return null
    }
    this.#sinceMs ??= this.#now()
    return ++this.#looks >= LOOKS && this.#now() - this.#sinceMs >= ABSENT_FOR_MS ? reason : null
  }
}

/** In words, that a topic was deleted: `shownId` is the id of another one that has its name now, null for none. */
export function deletionOf (shadowTopicId: string | null, shownId: string | null): string {
  return shownId === null ? 'the shadow topic was deleted' : `the shadow topic was deleted and made anew by somebody: its id is ${shownId}, and was ${shadowTopicId ?? 'unknown'}`
}
