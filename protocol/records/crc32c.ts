import fastCrc32c from 'fast-crc32c'

/** CRC-32C (Castagnoli) of `data`, unsigned. */
export const crc32c: (data: Uint8Array) => number = data => fastCrc32c.calculate(data)

/**
 * Which implementation was loaded. fast-crc32c falls back to JavaScript without a word where its native part could not be
 * built, at a fifteenth of the speed: whoever starts says so in the log.
 */
export const crc32cImplementation: 'native' | 'javascript' =
  Function.prototype.toString.call(fastCrc32c.calculate).includes('[native code]') ? 'native' : 'javascript'
