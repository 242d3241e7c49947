import Benchmark from 'benchmark'
import { median } from '../distribution.ts'

export interface Speed {
  readonly perSecond: number
  /** Half the width of the 95 % confidence interval of the mean, in percent. */
  readonly marginPercent: number
}

/** How long one case is measured, at least. */
const CASE_SECONDS = 2

/** Until V8 has optimised the work, and has taken back where it guessed wrong about the lives of its objects: whole seconds of a case could be that. */
const WARM_UP_MS = 1000

/**
 * How often `work` can be done per second. Work that is asynchronous is waited for, as its caller would.
 * @throws whatever `work` throws
 */
export async function speedOf (work: () => unknown): Promise<Speed> {
  const isAsync = work() instanceof Promise
  const warmAtMs = performance.now() + WARM_UP_MS
  while (performance.now() < warmAtMs) await work()
  return await new Promise<Speed>((resolve, reject) => {
    const bench = new Benchmark({
      maxTime: CASE_SECONDS,
      defer: isAsync,
      async: true,
      fn: isAsync
        ? (deferred: Benchmark.Deferred) => { Promise.resolve(work()).then(() => deferred.resolve(), reject) }
        : work,
      onError: () => reject(bench.error),
      // Not the mean: the odd sample that met something else of the machine would decide over it.
      onComplete: () => resolve({ perSecond: 1 / median(bench.stats.sample.map(Number)), marginPercent: bench.stats.rme })
    })
    bench.run({ async: true })
  })
}
