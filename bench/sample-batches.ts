import { buildBatch } from '../protocol/records/build-batch.ts'
import { Random } from '../test/support/random.ts'

/** With the key, and what a record needs beside it, 1 KB. */
const VALUE_BYTES = 1000
const KEY_BYTES = 12

/** A batch of records of 1 KB that cannot be compressed, at offset 0. */
export function kilobyteBatch (recordCount: number, seed: number): Buffer {
  const random = new Random(seed)
  const timestamp = Date.now()
  return buildBatch({ records: Array.from({ length: recordCount }, () => ({ timestamp, key: random.bytes(KEY_BYTES), value: random.bytes(VALUE_BYTES) })) })
}
