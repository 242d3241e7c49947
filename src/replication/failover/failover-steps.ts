/** The steps of one topic's failover, or of the end of its promotion: each is repeated until it succeeds, and timed. */
import { retry } from '../../client/retry.ts'
import { messageOf, ShadowError } from '../../errors.ts'
import type { Logger } from '../../observability/logger.ts'
import type { ShadowTopic } from '../link/shadow-topic.ts'
import type { TopicAbsence } from './topic-absence.ts'

const RETRY = { baseMs: 20, maxMs: 2000 }

export interface FailoverStepsOptions {
  readonly now: () => number
  readonly signal: AbortSignal
  /** Asked after each attempt that fails. Default: it is never taken for gone. */
  readonly absence?: TopicAbsence
}

/** The shadow topic is certainly gone: nothing that a step does can succeed any more. The message says how. */
export class ShadowTopicGone extends Error {}

export class FailoverSteps {
  readonly #topic: ShadowTopic
  readonly #options: FailoverStepsOptions
  #gone: ShadowTopicGone | null = null
  readonly #isPromotion: boolean
  readonly #startedAtMs: number
  readonly #tookMs: Record<string, number> = {}

  constructor (topic: ShadowTopic, options: FailoverStepsOptions) {
    this.#topic = topic
    this.#options = options
    this.#isPromotion = topic.record.state === 'PROMOTING'
    this.#startedAtMs = options.now()
  }

  /**
   * Does `work` until it succeeds, or `signal` ends it; what keeps it from that is the topic's problem meanwhile.
   * @throws {ShadowError} ABORTED; {ShadowTopicGone}
   */
  async run<T> (label: string, work: () => Promise<T>, signal = this.#options.signal): Promise<T> {
    const { now } = this.#options
    const fromMs = now()
    const result = await retry(async () => {
      try {
        const value = await work()
        this.#topic.problem = null
        return value
      } catch (error) {
        await this.#lookForTopic(signal)
        if (this.#gone !== null) throw this.#gone
        this.#topic.problem = `${this.#isPromotion ? 'promoting' : 'failing over'}, ${label}: ${messageOf(error)}`
        throw asRetriable(error)
      }
    }, { signal, ...RETRY })
    this.#tookMs[`${label}Ms`] = Math.round(now() - fromMs)
    return result
  }

  async #lookForTopic (signal: AbortSignal): Promise<void> {
    const { absence } = this.#options
    if (absence === undefined || this.#gone !== null || signal.aborted) return
    // Who cannot look knows nothing.
    const reason = await absence.certain().catch(() => null)
    if (reason !== null) this.#gone = new ShadowTopicGone(reason)
  }

  /** Returns how long each step took, by its label, and all together. */
  log (logger: Logger): Readonly<Record<string, number>> {
    const { link, topic } = this.#topic.record
    const tookMs = { ...this.#tookMs, totalMs: Math.round(this.#options.now() - this.#startedAtMs) }
    logger.info({ link, topic, ...tookMs }, `topic ${topic} is ${this.#isPromotion ? 'promoted' : 'failed over'} and writable`)
    return tookMs
  }
}

/** Nothing ends a failover but its signal: somebody may mend what is in its way. */
function asRetriable (error: unknown): unknown {
  if (error instanceof ShadowError && (error.retriable || error.code === 'ABORTED')) return error
  return new ShadowError('CLUSTER_UNAVAILABLE', messageOf(error), { retriable: true, cause: error })
}
