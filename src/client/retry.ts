import { isRetriable } from '../errors.ts'
import { abortedError, throwIfAborted } from '../net/abort.ts'
import { backoffMs } from '../net/backoff.ts'
import { sleep } from '../net/sleep.ts'

export interface RetryOptions {
  readonly signal: AbortSignal
  /** How long to go on, from the first attempt. An attempt that is under way then is not cut short. Default: for ever. */
  readonly deadlineMs?: number
  readonly baseMs: number
  readonly maxMs: number
  readonly now?: () => number
  readonly random?: () => number
}

/**
 * Tries again, with backoff, as long as the errors are retriable. Whether it is safe to carry `attempt` out twice is for the
 * caller to know.
 * @throws the error of the last attempt, or ABORTED
 */
export async function retry<T> (attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const now = options.now ?? (() => performance.now())
  const endMs = now() + (options.deadlineMs ?? Infinity)
  for (let failures = 0; ; failures++) {
    throwIfAborted(options.signal)
    try {
      return await attempt()
    } catch (error) {
      if (options.signal.aborted) throw abortedError(options.signal)
      if (!isRetriable(error)) throw error
      const pauseMs = backoffMs(failures, options, options.random)
      if (now() + pauseMs >= endMs) throw error
      await sleep(pauseMs, options.signal)
    }
  }
}
