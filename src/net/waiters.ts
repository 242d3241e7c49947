import { abortedError, onAbort, throwIfAborted } from './abort.ts'

/** Those who wait for something to change, such as a fetch at the end of a log. They are called, not polled. */
export class Waiters {
  readonly #callbacks = new Set<() => void>()

  /** Calls `callback` at every change until the returned function is called. */
  add (callback: () => void): () => void {
    this.#callbacks.add(callback)
    return () => { this.#callbacks.delete(callback) }
  }

  /**
   * The next change.
   * @throws {ShadowError} ABORTED
   */
  async next (signal: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    await new Promise<void>((resolve, reject) => {
      const end = (): void => {
        remove()
        stop()
      }
      const remove = this.add(() => {
        end()
        resolve()
      })
      const stop = onAbort(signal, () => {
        end()
        reject(abortedError(signal))
      })
    })
  }

  wake (): void {
    for (const callback of [...this.#callbacks]) callback()
  }
}
