/**
 * How long to wait before trying again, in milliseconds: exponential with full jitter, so that those who failed together do
 * not come back together.
 * @param attempt counts from 0
 */
export function backoffMs (attempt: number, options: { readonly baseMs: number, readonly maxMs: number }, random: () => number = Math.random): number {
  // 2 ** 1024 is Infinity, and the minimum is then the maximum: no attempt is too high.
  return random() * Math.min(options.maxMs, options.baseMs * 2 ** attempt)
}
