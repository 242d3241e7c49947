/**
 * Checks of followers that may fail, so many of a broker at a time: one that is gone, or answers nobody, keeps nobody from the others. What
 * fails gives its place to the next, and comes again after a pause; what cannot succeed at the moment is not tried.
 *
 *   push() ──▶ waiting ──▶ running ──▶ done
 *                 ▲           │ failed
 *                 └── later ◀─┘
 */
import { backoffMs } from '../../../net/backoff.ts'
import { onAbort } from '../../../net/abort.ts'

/** What is due within this time comes together. */
const SWEEP_MS = 50

export interface CheckQueueOptions<T> {
  /** How many are under way of one broker at a time. */
  readonly mostOfBroker: number
  /** The pause after a failure, which grows, and is the longest for what is not possible. */
  readonly baseMs: number
  readonly maxMs: number
  readonly signal: AbortSignal
  /** False for one that nobody needs any more: it is forgotten. */
  readonly isDue: (check: T) => boolean
  /** False for one that cannot succeed at the moment. */
  readonly isPossible: (check: T) => boolean
  /** Rejects when it has to come again. */
  readonly run: (check: T) => Promise<void>
}

interface Queued<T> {
  readonly check: T
  readonly failures: number
}

interface OfBroker<T> {
  readonly waiting: Array<Queued<T>>
  running: number
}

export class CheckQueue<T extends { readonly brokerId: number }> {
  readonly #options: CheckQueueOptions<T>
  readonly #brokers = new Map<number, OfBroker<T>>()
  #later: Array<Queued<T> & { readonly atMs: number }> = []
  #timer: NodeJS.Timeout | null = null

  constructor (options: CheckQueueOptions<T>) {
    this.#options = options
    onAbort(options.signal, () => {
      this.#brokers.clear()
      this.#later = []
      if (this.#timer !== null) clearTimeout(this.#timer)
    })
  }

  push (check: T): void {
    this.#push({ check, failures: 0 })
  }

  #push (queued: Queued<T>): void {
    const { brokerId } = queued.check
    let broker = this.#brokers.get(brokerId)
    if (broker === undefined) this.#brokers.set(brokerId, broker = { waiting: [], running: 0 })
    broker.waiting.push(queued)
    if (broker.running >= this.#options.mostOfBroker) return
    broker.running++
    this.#work(broker).finally(() => { broker.running-- }).catch(() => {})
  }

  async #work ({ waiting }: OfBroker<T>): Promise<void> {
    const { signal, isDue, isPossible, run, baseMs, maxMs } = this.#options
    for (let next = waiting.shift(); next !== undefined && !signal.aborted; next = waiting.shift()) {
      const { check, failures } = next
      if (!isDue(check)) continue
      if (!isPossible(check)) {
        this.#putOff({ check, failures: 0 }, maxMs)
        continue
      }
      try {
        await run(check)
      } catch {
        this.#putOff({ check, failures: failures + 1 }, backoffMs(failures, { baseMs, maxMs }))
      }
    }
  }

  #putOff (queued: Queued<T>, pauseMs: number): void {
    if (this.#options.signal.aborted) return
    this.#later.push({ ...queued, atMs: performance.now() + pauseMs })
    this.#timer ??= setTimeout(() => { this.#sweep() }, Math.min(SWEEP_MS, pauseMs))
  }

  #sweep (): void {
    const now = performance.now()
    const due = this.#later.filter(({ atMs }) => atMs <= now)
    this.#later = this.#later.filter(({ atMs }) => atMs > now)
    this.#timer = this.#later.length === 0 ? null : setTimeout(() => { this.#sweep() }, SWEEP_MS)
    for (const queued of due) this.#push(queued)
  }
}
