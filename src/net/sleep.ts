import { abortedError, onAbort } from './abort.ts'

/**
 * Waits.
 * @throws {ShadowError} ABORTED
 */
export function sleep (ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(abortedError(signal))
      return
    }
    const timer = setTimeout(() => {
      stop?.()
      resolve()
    }, ms)
    const stop = signal === undefined
      ? null
      : onAbort(signal, () => {
        clearTimeout(timer)
        reject(abortedError(signal))
      })
  })
}
