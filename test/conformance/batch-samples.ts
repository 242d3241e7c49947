import type { BatchInput, RecordInput } from '../../protocol/records/build-batch.ts'
import { CODECS, type CodecName } from '../../protocol/compression/codec.ts'
import type { Random } from '../support/random.ts'

/** A batch as both sides are asked to make it. */
export interface BatchSample {
  readonly name: string
  readonly codec: CodecName
  /** Of the codec; without it, its default. */
  readonly level?: number
  readonly input: BatchInput
}

const NOW = 1_767_225_600_000
const TYPICAL = 2000

/** Batches of all kinds, each with every codec. */
export function batchSamples (random: Random): BatchSample[] {
  const kinds: Array<[string, BatchInput]> = [
    ['one record', { records: [{ timestamp: NOW, key: text('k'), value: text('v') }] }],
    ['one record of nulls', { records: [{ timestamp: 0, key: null, value: null }] }],
    ['one record of nothing', { records: [{ timestamp: NOW, key: Buffer.alloc(0), value: Buffer.alloc(0), headers: [{ key: '', value: Buffer.alloc(0) }] }] }],
    ['all kinds of records', { baseOffset: 7, partitionLeaderEpoch: 3, records: Array.from({ length: 60 }, () => randomRecord(random)) }],
    ['thousands of small records', { baseOffset: 2 ** 40, records: Array.from({ length: 5000 }, (_, index) => ({ timestamp: NOW + index, key: text(`key-${index % 100}`), value: text(`value ${index}`) })) }],
    ['a large record', { records: [{ timestamp: NOW, value: Buffer.concat([random.bytes(200_000), Buffer.alloc(700_000, 'abcdefgh')]) }] }],
    ['records of the size of a page', { records: Array.from({ length: 40 }, () => ({ timestamp: NOW, value: random.bytes(4096 + random.below(3)) })) }],
    ['an idempotent producer', { producerId: 4_000_000_001, producerEpoch: 12, baseSequence: 2 ** 31 - 1, records: typical(3) }],
    ['a transaction', { producerId: 1, producerEpoch: 32767, baseSequence: 0, isTransactional: true, records: typical(4) }],
    ['LogAppendTime', { logAppendTime: NOW + 5, baseOffset: 100, records: typical(20) }],
    ['timestamps in any order', { records: [NOW, 0, NOW - 2 ** 33, NOW + 2 ** 31, 1].map(timestamp => ({ timestamp })) }],
    ['no timestamps', { records: [{ timestamp: -1, value: text('a') }, { timestamp: -1, value: text('b') }] }],
    ['holes of compaction', { baseOffset: 1000, lastOffsetDelta: 999, records: [{ timestamp: NOW, offset: 1003, value: text('a') }, { timestamp: NOW, offset: 1800, value: text('b') }] }]
  ]
  const codecs = Object.keys(CODECS).filter((name): name is CodecName => name in CODECS)
  const samples = codecs.flatMap(codec => kinds.map(([name, input]) => ({ name: `${name}, ${codec}`, codec, input: { ...input, compression: CODECS[codec] } })))
  const levels: Array<[CodecName, number]> = [['gzip', 1], ['gzip', 9], ['lz4', 1], ['lz4', 17], ['zstd', -5], ['zstd', 19]]
  return [...samples, ...levels.map(([codec, level]) => ({ name: `${codec} level ${level}`, codec, level, input: { compression: CODECS[codec], records: typical(TYPICAL) } }))]
}

function text (value: string): Buffer {
  return Buffer.from(value)
}

function typical (count: number): RecordInput[] {
  return Array.from({ length: count }, (_, index) => ({ timestamp: NOW + index * 3, key: text(`user-${index}`), value: text(JSON.stringify({ user: index, action: 'click', at: NOW + index })) }))
}

function randomRecord (random: Random): RecordInput {
  return {
    timestamp: NOW + random.below(1000) - 500,
    key: random.below(3) === 0 ? null : random.bytes(random.pick([0, 1, 20, 200])),
    value: random.below(4) === 0 ? null : random.bytes(random.pick([0, 1, 63, 64, 127, 128, 1000, 9000])),
    headers: Array.from({ length: random.pick([0, 0, 1, 2, 70]) }, () => ({ key: random.text(), value: random.below(3) === 0 ? null : random.bytes(random.below(30)) }))
  }
}

/** Batches that only brokers make, as Java is asked to make them. */
export const BROKER_BATCHES: ReadonlyArray<{ readonly name: string, readonly json: string }> = [
  { name: 'a commit marker', json: JSON.stringify({ marker: 'COMMIT', coordinatorEpoch: 5, baseOffset: 77, timestamp: NOW, partitionLeaderEpoch: 9, producerId: 12, producerEpoch: 3 }) },
  { name: 'an abort marker', json: JSON.stringify({ marker: 'ABORT', coordinatorEpoch: 0, baseOffset: 0, timestamp: -1, partitionLeaderEpoch: -1, producerId: 2 ** 40, producerEpoch: 0 }) },
  { name: 'a batch that compaction emptied', json: JSON.stringify({ emptied: true, baseOffset: 500, lastOffset: 700, timestamp: NOW, producerId: 8, producerEpoch: 1, baseSequence: 40 }) },
  ...(['none', 'zstd'] as const).map(codec => ({
    name: `tombstones that compaction will delete, ${codec}`,
    json: JSON.stringify({ deleteHorizonMs: NOW + 86_400_000, codec, baseOffset: 3, records: [{ timestamp: NOW, key: base64(text('k')), value: null }, { timestamp: NOW + 9, key: base64(text('l')), value: null }] })
  }))
]

/** What the Java side is asked to build. */
export function sampleJson ({ codec, level, input }: BatchSample): string {
  const { records, compression, lastOffsetDelta, ...rest } = input
  return JSON.stringify({
    ...rest,
    codec,
    ...level === undefined ? {} : { level },
    ...lastOffsetDelta === undefined ? {} : { lastOffset: (input.baseOffset ?? 0) + lastOffsetDelta },
    records: records.map(({ key, value, headers = [], ...record }) => ({
      ...record,
      key: base64(key),
      value: base64(value),
      headers: headers.map(header => ({ key: header.key, value: base64(header.value) }))
    }))
  })
}

function base64 (bytes: Buffer | null | undefined): string | null {
  return bytes?.toString('base64') ?? null
}
