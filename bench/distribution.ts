/** Durations that were measured, in ms. */
export interface Distribution {
  readonly count: number
  readonly mean: number
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** @throws {RangeError} when nothing was measured */
export function distribution (values: readonly number[]): Distribution {
  if (values.length === 0) throw new RangeError('nothing was measured')
  const sorted = Float64Array.from(values).sort()
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN
  return { count: sorted.length, mean: sorted.reduce((sum, value) => sum + value, 0) / sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) }
}

/** The one in the middle, the higher one where there are two. @throws {RangeError} when nothing was measured */
export function median (values: readonly number[]): number {
  return distribution(values).p50
}
