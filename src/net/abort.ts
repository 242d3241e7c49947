/** What an AbortSignal does to those who wait. */
import { ShadowError } from '../errors.ts'

export function abortedError (signal: AbortSignal): ShadowError {
  return new ShadowError('ABORTED', 'the operation was aborted', { cause: signal.reason })
}

/** Asks anew: to the compiler a property is the same after an `await` as before. */
export function isAborted (signal: AbortSignal): boolean {
  return signal.aborted
}

/** @throws {ShadowError} ABORTED */
export function throwIfAborted (signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortedError(signal)
}

interface Listeners {
  readonly callbacks: Set<() => void>
  readonly stop: () => void
}

const listeners = new WeakMap<AbortSignal, Listeners>()

/**
 * Calls back when the signal aborts; returns how to stop that. However many wait for a signal, it has one listener: its own list
 * is searched for every change, and warns of a leak from the eleventh on. A signal that nobody waits for has none, so that a
 * derived one can be collected.
 */
export function onAbort (signal: AbortSignal, callback: () => void): () => void {
  let entry = listeners.get(signal)
  if (entry === undefined) {
    const callbacks = new Set<() => void>()
    const listener = (): void => {
      listeners.delete(signal)
      for (const call of callbacks) call()
    }
    signal.addEventListener('abort', listener, { once: true })
    listeners.set(signal, entry = { callbacks, stop: () => { signal.removeEventListener('abort', listener) } })
  }
  const { callbacks, stop } = entry
  // Each registration is one of its own, whatever function it calls.
  const call = (): void => { callback() }
  callbacks.add(call)
  return () => {
    if (!callbacks.delete(call) || callbacks.size > 0 || listeners.get(signal)?.callbacks !== callbacks) return
    listeners.delete(signal)
    stop()
  }
}

/** Resolves when the signal aborts. */
export function aborted (signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => { onAbort(signal, resolve) })
}

/**
 * Aborts with `signal`, or after so many milliseconds. `AbortSignal.any` keeps no timeout alive that nobody else holds: once memory
 * is collected, Node 20 never aborts it, and who waits waits for ever.
 */
export function abortedWithin (signal: AbortSignal, ms: number): AbortSignal {
  const controller = new AbortController()
  if (signal.aborted) {
    controller.abort(signal.reason)
    return controller.signal
  }
  const end = (reason: unknown): void => {
    clearTimeout(timer)
    stop()
    controller.abort(reason)
  }
  const timer = setTimeout(() => { end(new DOMException(`${ms} ms are over`, 'TimeoutError')) }, ms)
  timer.unref()
  const stop = onAbort(signal, () => { end(signal.reason) })
  return controller.signal
}

/**
 * What `promise` settles with, unless the signal aborts first. What the promise stands for goes on in any case, and a
 * rejection that comes too late is nobody's.
 * @throws {ShadowError} ABORTED
 */
export function orAborted<T> (promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise<T>((resolve, reject) => {
    // Listens in any case: a rejection of `promise` must find somebody who cares.
    const stop = signal.aborted ? () => {} : onAbort(signal, () => { reject(abortedError(signal)) })
    if (signal.aborted) reject(abortedError(signal))
    promise.then(resolve, reject).finally(stop)
  })
}
