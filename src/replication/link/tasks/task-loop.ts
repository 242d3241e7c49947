/**
 * Runs one task of a link again and again, and says for the status what it is doing.
 *
 *   NOT_RUNNING ──▶ ACTIVE ◀──▶ FAULTED            something could not be done; the rest was
 *                    │  ▲
 *                    ▼  │
 *        PAUSED ◀──▶ (run) ◀──▶ LINK_UNAVAILABLE   a cluster does not answer: nothing could be done
 *
 * A run follows the one before at the task's interval, sooner after a failure, and at once when somebody wakes the task; two runs
 * begin a second apart at least.
 */
import { isRetriable, messageOf } from '../../../errors.ts'
import { isAborted } from '../../../net/abort.ts'
import { sleep } from '../../../net/sleep.ts'
import type { Logger } from '../../../observability/logger.ts'
import type { TaskState, TaskStatus } from '../../link-service.ts'

const LEAST_PAUSE_MS = 1000
/** How soon a run that failed is repeated, at the latest. */
const RETRY_MS = 5000
/** How many problems of one run are logged. */
const MOST_LOGGED = 10

export interface TaskOptions {
  readonly intervalMs: number
  readonly paused: boolean
  /** Why it is paused, where that is not the link's configuration. */
  readonly pausedReason?: string
}

export interface TaskOutcome {
  /** What was done, in words, for the status. */
  readonly reason: string
  /** What could not be done, one by one; the rest was. */
  readonly problems: readonly string[]
  /** True where one more run is needed at once. */
  readonly again?: boolean
  /** True where there is nothing left to do, ever: a look at the options follows now and then all the same. */
  readonly ended?: boolean
}

export interface TaskWork {
  /** Redpanda's name of the task. */
  readonly name: string
  /** Asked before every run, so that a change counts from the next one on. */
  options (): TaskOptions
  /**
   * One run. What fails for a single thing is a problem of the outcome; what fails for all of it is thrown.
   * @throws {KafkaError} retriable where a cluster does not answer
   */
  run (): Promise<TaskOutcome>
  /** What is done instead of a run while the task is paused. */
  whilePaused? (): Promise<TaskOutcome>
}

export interface TaskLoopOptions {
  readonly link: string
  readonly signal: AbortSignal
  readonly logger: Logger
  readonly wallClock: () => Date
}

export class TaskLoop {
  readonly #work: TaskWork
  readonly #options: TaskLoopOptions
  #state: TaskState = 'NOT_RUNNING'
  #reason: string
  #since: Date
  /** The problem that was logged last: one that lasts is logged once. */
  #logged: string | null = null
  /** Set by a wake-up that came while nobody waited: the next pause ends at once. */
  #isWoken = false
  #wake: () => void = () => {}

  constructor (work: TaskWork, options: TaskLoopOptions) {
    this.#work = work
    this.#options = options
    this.#reason = `${work.name} has not run yet`
    this.#since = options.wallClock()
  }

  get status (): TaskStatus {
    return { name: this.#work.name, state: this.#state, reason: this.#reason, since: this.#since.toISOString() }
  }

  /** Has the task run, or look at its options, soon. */
  wake (): void {
    this.#isWoken = true
    this.#wake()
  }

  /** Ends by the signal only. */
  async run (): Promise<void> {
    const { signal } = this.#options
    while (!isAborted(signal)) {
      this.#isWoken = false
      const { intervalMs, paused, pausedReason } = this.#work.options()
      await this.#pause(paused ? await this.#runPaused(intervalMs, pausedReason) : await this.#runOnce(intervalMs))
    }
  }

  /** Returns how long to wait, in milliseconds. */
  async #runOnce (intervalMs: number): Promise<number> {
    const { signal, logger, link } = this.#options
    const { name } = this.#work
    try {
      const { reason, problems, again = false, ended = false } = await this.#work.run()
      const [first] = problems
      const level = first === this.#logged ? 'debug' : 'warn'
      this.#logged = first ?? null
      if (first === undefined) {
        this.#set(ended ? 'NOT_RUNNING' : 'ACTIVE', reason)
        return again ? 0 : intervalMs
      }
      logger[level]({ link, task: name, problems: problems.slice(0, MOST_LOGGED) }, `${name}: ${problems.length === 1 ? first : `${problems.length} problems, the first of which is: ${first}`}`)
      this.#set('FAULTED', `${problems.length === 1 ? 'one thing' : `${problems.length} things`} could not be done: ${first}; ${reason}`)
    } catch (error) {
      if (isAborted(signal)) return 0
      const level = messageOf(error) === this.#logged ? 'debug' : 'warn'
      this.#logged = messageOf(error)
      logger[level]({ link, task: name, err: error }, `${name} failed: ${messageOf(error)}`)
      this.#set(isRetriable(error) ? 'LINK_UNAVAILABLE' : 'FAULTED', messageOf(error))
    }
    return Math.min(RETRY_MS, intervalMs)
  }

  async #runPaused (intervalMs: number, pausedReason = 'paused by the link\'s configuration'): Promise<number> {
    const { signal, logger, link } = this.#options
    let outcome: TaskOutcome | undefined
    try {
      outcome = await this.#work.whilePaused?.()
    } catch (error) {
      if (!isAborted(signal)) logger.warn({ link, task: this.#work.name, err: error }, `${this.#work.name}, which is paused: ${messageOf(error)}`)
    }
    this.#set('PAUSED', outcome?.reason ?? pausedReason)
    return outcome?.again === true ? 0 : intervalMs
  }

  /** The time of a state changes with the state, not with every run. */
  #set (state: TaskState, reason: string): void {
    if (state !== this.#state) this.#since = this.#options.wallClock()
    this.#state = state
    this.#reason = reason
  }

  async #pause (ms: number): Promise<void> {
    const { signal } = this.#options
    await sleep(Math.min(ms, LEAST_PAUSE_MS), signal).catch(() => {})
    if (this.#isWoken || ms <= LEAST_PAUSE_MS || isAborted(signal)) return
    const timer = new AbortController()
    this.#wake = () => timer.abort()
    const end = AbortSignal.any([signal, timer.signal])
    await sleep(ms - LEAST_PAUSE_MS, end).catch(() => {})
    this.#wake = () => {}
  }
}
