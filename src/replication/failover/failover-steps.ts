/** The steps of one topic's failover, or of the end of its promotion: each is repeated until it succeeds, and timed. */
import { retry } from '../../client/retry.ts'
import { messageOf, ShadowError } from '../../errors.ts'
import type { Logger } from '../../observability/logger.ts'
import type { ShadowTopic } from '../link/shadow-topic.ts'

const RETRY = { baseMs: 20, maxMs: 2000 }

export class FailoverSteps {
  readonly #topic: ShadowTopic
  readonly #options: { readonly now: () => number, readonly signal: AbortSignal }
  readonly #isPromotion: boolean
  readonly #startedAtMs: number
  readonly #tookMs: Record<string, number> = {}

  constructor (topic: ShadowTopic, options: { readonly now: () => number, readonly signal: AbortSignal }) {
    this.#topic = topic
    this.#options = options
    this.#isPromotion = topic.record.state === 'PROMOTING'
    this.#startedAtMs = options.now()
  }

  /**
   * Does `work` until it succeeds, or `signal` ends it; what keeps it from that is the topic's problem meanwhile.
   * @throws {ShadowError} ABORTED
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
        this.#topic.problem = `${this.#isPromotion ? 'promoting' : 'failing over'}, ${label}: ${messageOf(error)}`
        throw asRetriable(error)
      }
    }, { signal, ...RETRY })
    this.#tookMs[`${label}Ms`] = Math.round(now() - fromMs)
    return result
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
