import Benchmark from 'benchmark'

export interface Speed {
  readonly perSecond: number
  /** Half the width of the 95 % confidence interval, in percent. */
  readonly marginPercent: number
}

/** How long one case is measured, at least. */
const CASE_SECONDS = 2

/**
 * How often `work` can be done per second. Work that is asynchronous is waited for, as its caller would.
 * @throws whatever `work` throws
 */
export async function speedOf (work: () => unknown): Promise<Speed> {
  const isAsync = work() instanceof Promise
  return await new Promise<Speed>((resolve, reject) => {
    const bench = new Benchmark({
      maxTime: CASE_SECONDS,
      defer: isAsync,
      async: true,
      fn: isAsync
        ? (deferred: Benchmark.Deferred) => { Promise.resolve(work()).then(() => deferred.resolve(), reject) }
        : work,
      onError: () => reject(bench.error),
      onComplete: () => resolve({ perSecond: bench.hz, marginPercent: bench.stats.rme })
    })
    bench.run({ async: true })
  })
}
