declare module 'fast-crc32c' {
  interface Implementation {
    /** CRC-32C of `data`, unsigned; `initial` is the result for the bytes before it. */
    readonly calculate: (data: Uint8Array, initial?: number) => number
  }
  const implementation: Implementation
  export = implementation
}
