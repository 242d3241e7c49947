/** What an AbortSignal does to those who wait. */
import { ShadowError } from '../errors.ts'

export function abortedError (signal: AbortSignal): ShadowError {
  return new ShadowError('ABORTED', 'the operation was aborted', { cause: signal.reason })
}

/** @throws {ShadowError} ABORTED */
export function throwIfAborted (signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortedError(signal)
}

/**
 * What `promise` settles with, unless the signal aborts first. What the promise stands for goes on in any case, and a
 * rejection that comes too late is nobody's.
 * @throws {ShadowError} ABORTED
 */
export function orAborted<T> (promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => { reject(abortedError(signal)) }
    promise.then(resolve, reject).finally(() => { signal.removeEventListener('abort', onAbort) })
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
}
