const TEXTS = ['', 'a', 'orders', 'grüße', '漢字', '🙂', 'x'.repeat(130), 'with space', 'quo"te\\', '\u0001', '�']

/** Deterministic pseudo-random values (mulberry32): the same seed gives the same values, so that a failure can be repeated. */
export class Random {
  #state: number

  constructor (seed: number) {
    this.#state = seed >>> 0
  }

  /** A number in [0, 1). */
  next (): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  /** An integer in [0, limit). */
  below (limit: number): number {
    return Math.floor(this.next() * limit)
  }

  pick<T> (values: readonly T[]): T {
    const value = values[this.below(values.length)]
    if (value === undefined) throw new Error('nothing to pick from')
    return value
  }

  bytes (count: number): Buffer {
    return Buffer.from(Uint8Array.from({ length: count }, () => this.below(256)))
  }

  text (): string {
    return this.pick(TEXTS)
  }

  /** A signed integer of so many bits; the ends of the range and small numbers are likely. */
  edgeInteger (bits: 8 | 16 | 32): number {
    const half = 2 ** (bits - 1)
    return this.pick([0, -1, 1, half - 1, -half, this.below(half), 0 - this.below(half)])
  }

  edgeBigint (): bigint {
    return this.pick([0n, -1n, 1n, 2n ** 63n - 1n, -(2n ** 63n), BigInt(this.below(2 ** 50)), -BigInt(this.below(2 ** 50))])
  }
}
