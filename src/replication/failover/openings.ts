/** What opens the topics of a link, in the background: their failovers and promotions, all at once. What many ask for goes out together. */
import { messageOf } from '../../errors.ts'
import { isAborted, throwIfAborted } from '../../net/abort.ts'
import type { Logger } from '../../observability/logger.ts'
import type { Opening } from '../append/append-mode.ts'
import { isWritable, openedState } from '../../state/topic-state.ts'
import type { ShadowTopic } from '../link/shadow-topic.ts'
import { promote } from './promotion.ts'
import type { SourceEnds } from './source-ends.ts'

export interface OpeningsOptions {
  readonly sourceEnds: SourceEnds
  /** Ends when the engine no longer leads, and when the link is deleted. */
  readonly signal: AbortSignal
  readonly logger: Logger
  /** See AppendMode. */
  readonly failOver: (topic: ShadowTopic, opening: Opening) => Promise<void>
  /** See PromotionOptions. */
  readonly beforeOpening: (topic: ShadowTopic) => Promise<string | null>
  /** Called for what is the topic sync's to follow: new partitions on the source, and a topic that is no longer being opened. */
  readonly wakeSync: () => void
  /** A topic has become writable. */
  readonly onOpened: () => void
}

interface Running {
  readonly done: Promise<void>
  readonly promotion: AbortController
}

export class Openings {
  readonly #options: OpeningsOptions
  readonly #running = new Map<ShadowTopic, Running>()

  constructor (options: OpeningsOptions) {
    this.#options = options
  }

  /** Begins to open a topic that is PROMOTING or FAILING_OVER, if that has not begun. */
  begin (topic: ShadowTopic): void {
    if (this.#running.has(topic)) return
    const { logger, signal } = this.#options
    const promotion = new AbortController()
    const done = this.#open(topic, promotion.signal)
      .catch((error: unknown) => {
        if (isAborted(signal) || promotion.signal.aborted) return
        topic.problem = `${topic.record.state === 'PROMOTING' ? 'promoting' : 'failing over'}: ${messageOf(error)}`
        logger.error({ link: topic.record.link, topic: topic.topic, err: error }, `the opening of ${topic.topic} stopped: ${messageOf(error)}`)
      })
      .finally(() => {
        topic.waitsFor = null
        this.#running.delete(topic)
        this.#options.wakeSync()
        if (isWritable(topic.record.state)) this.#options.onOpened()
      })
    this.#running.set(topic, { done, promotion })
  }

  /**
   * Ends a promotion, so that the topic can be failed over; resolves when nothing of it is under way any more. It may have come to
   * its end before: the topic's state says so.
   */
  async endPromotion (topic: ShadowTopic): Promise<void> {
    const running = this.#running.get(topic)
    running?.promotion.abort()
    await running?.done
  }

  /** Resolves when nothing of this kind is under way for a topic any more. */
  async endOf (topic: ShadowTopic): Promise<void> {
    await this.#running.get(topic)?.done
  }

  async #open (topic: ShadowTopic, promotionSignal: AbortSignal): Promise<void> {
    const { sourceEnds, signal, wakeSync, beforeOpening } = this.#options
    const open = (opening: Opening): Promise<void> => topic.exclusively(async () => {
      throwIfAborted(opening.signal)
      // A fault may have ended a promotion while it waited for its turn, or for the answers of the source.
      if (openedState(topic.record.state) === null) return
      await this.#options.failOver(topic, { ...opening, mayOpen: async ends => await opening.mayOpen(ends) && openedState(topic.record.state) !== null })
    })
    const isDecided = topic.record.state === 'PROMOTING' && topic.record.handingOver
    if (isDecided) await open({ signal, mayOpen: () => Promise.resolve(true) })
    if (topic.record.state === 'PROMOTING' && !isDecided) await promote(topic, { sourceEnds, signal: AbortSignal.any([signal, promotionSignal]), open, beforeOpening, wakeSync })
    if (topic.record.state === 'FAILING_OVER') await open({ signal, mayOpen: () => Promise.resolve(true) })
  }

  /** Resolves when all that has begun has ended. */
  async ended (): Promise<void> {
    while (this.#running.size > 0) await Promise.all([...this.#running.values()].map(({ done }) => done))
  }
}
