/**
 * Our codec beside those of kafkajs and @platformatic/kafka, on the same bytes. The two know no version of Fetch and Metadata in
 * common, so each is compared with ours at its own newest version.
 */
import { Reader } from '@platformatic/kafka'
import { FrameReader } from '../../protocol/frame.ts'
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse } from '../../protocol/header.ts'
import { Fetch } from '../../protocol/messages/fetch.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { buildBatch } from '../../protocol/records/build-batch.ts'
import { readRecords, type KafkaRecord } from '../../protocol/records/read-records.ts'
import { readBatches } from '../../protocol/records/record-batch.ts'
import { atLeast, number, type PartReport, type Target } from '../report.ts'
import type { BenchOptions } from '../run.ts'
import { speedOf } from './measure.ts'
import { kafkajs, lengthOf, member, method, platformatic, versionOf } from './peers.ts'
import { BATCHES_PER_PARTITION, BROKERS, FETCHED_PARTITIONS, fetchResponse, metadataResponse, PARTITIONS_PER_TOPIC, sampleRecords, TOPICS } from './samples.ts'

const OWN = 'kafka-shadow'
const KAFKAJS = 'kafkajs'
const PLATFORMATIC = '@platformatic/kafka'

/** What issue 3 asks for on Fetch and Metadata. */
const WANTED_RATIO = 3

const LENGTH_BYTES = 4
const CORRELATION_BYTES = 4
/** Of an answer of a flexible version: the correlation id and no tagged fields. */
const FLEXIBLE_HEADER_BYTES = CORRELATION_BYTES + 1

const SOCKET_CHUNK_BYTES = 64 * 1024
const HEADER = { correlationId: 1, clientId: 'bench' }

interface Work {
  readonly by: typeof OWN | typeof KAFKAJS | typeof PLATFORMATIC
  readonly run: () => unknown
  /** Throws unless `run` did the work. */
  readonly check: (result: unknown) => void
}

interface Case {
  readonly name: string
  readonly bytes: number
  readonly works: readonly Work[]
  readonly hasTarget?: boolean
}

export async function measureCodec ({ signal, progress }: BenchOptions): Promise<PartReport> {
  const rows: string[][] = []
  const targets: Target[] = []
  for (const { name, bytes, works, hasTarget = false } of [...await fetchCases(), ...await metadataCases(), ...await produceCases(), ...cuttingCases()]) {
    progress(name)
    const perSecond = new Map<string, number>()
    const cells = new Map<string, string>()
    for (const { by, run, check } of works) {
      signal.throwIfAborted()
      check(await run())
      const speed = await speedOf(run)
      perSecond.set(by, speed.perSecond)
      cells.set(by, `${number(speed.perSecond)}/s ±${speed.marginPercent.toFixed(0)} % (${number(speed.perSecond * bytes / 1e6)} MB/s)`)
    }
    const own = perSecond.get(OWN) ?? NaN
    const ratioTo = (peer: string): string => perSecond.has(peer) ? `${number(own / (perSecond.get(peer) ?? NaN))}×` : '—'
    rows.push([name, number(bytes / 1000), ...[OWN, KAFKAJS, PLATFORMATIC].map(by => cells.get(by) ?? '—'), ratioTo(KAFKAJS), ratioTo(PLATFORMATIC)])
    if (hasTarget) targets.push(atLeast(`${name}: speed beside kafkajs`, own / (perSecond.get(KAFKAJS) ?? NaN), WANTED_RATIO, '×'))
  }
  return {
    title: 'Codec and framing',
    conditions: [
      `kafkajs ${versionOf('kafkajs')} and @platformatic/kafka ${versionOf('@platformatic/kafka')}, by the files that their clients use; one thread, messages in memory, nothing sent; median of the samples of benchmark.js, and the 95 % interval of their mean`,
      'The same work and the same bytes on all sides: "every record read" makes an object of each record, and checks no CRC, because kafkajs and @platformatic/kafka check none',
      `"batches raw" is what the product does instead: ${OWN} finds the batches and checks every CRC (native), while the peers do what they always do`,
      `Fetch: ${FETCHED_PARTITIONS} partitions of ${BATCHES_PER_PARTITION} batches of 64 KB, not compressed. Metadata: ${BROKERS} brokers, ${TOPICS} topics of ${PARTITIONS_PER_TOPIC} partitions. Produce: one batch of 64 KB`,
      `Frames are cut from chunks of ${SOCKET_CHUNK_BYTES / 1024} KiB, as a socket gives them; @platformatic/kafka has no part for that which can be called alone`
    ],
    tables: [{ columns: ['Work', 'KB', OWN, KAFKAJS, PLATFORMATIC, 'beside kafkajs', 'beside @platformatic'], rows }],
    targets
  }
}

async function fetchCases (): Promise<Case[]> {
  const decodeByKafkajs = method(kafkajs('protocol/requests/fetch/v11/response.js'), 'decode')
  const decodeByPlatformatic = method(await platformatic('apis/consumer/fetch-v17.js'), 'parseResponse')
  return [{ what: '1 KB records', recordsPerBatch: 62, valueBytes: 1000 }, { what: '100 B records', recordsPerBatch: 470, valueBytes: 100 }].flatMap(({ what, recordsPerBatch, valueBytes }): Case[] => {
    const frame = (version: number): Buffer => frameOf(encodeResponse(Fetch, version, HEADER, fetchResponse(recordsPerBatch, valueBytes)))
    const old = frame(11)
    const flexible = frame(17)
    const records = FETCHED_PARTITIONS * BATCHES_PER_PARTITION * recordsPerBatch
    const all = (version: number, bytes: Buffer): Work => ({ by: OWN, run: () => readAll(version, bytes), check: result => expect(lengthOf(result), records) })
    const byKafkajs: Work = {
      by: KAFKAJS,
      run: () => decodeByKafkajs(old.subarray(CORRELATION_BYTES)),
      check: result => expect(partitionsOf(result).reduce((sum, index) => sum + lengthOf(result, 'responses', 0, 'partitions', index, 'messages'), 0), records)
    }
    const byPlatformatic: Work = {
      by: PLATFORMATIC,
      run: () => decodeByPlatformatic(1, Fetch.key, 17, Reader.from(flexible.subarray(FLEXIBLE_HEADER_BYTES))),
      check: result => expect(partitionsOf(result).reduce((sum, index) => sum + lengthOf(result, 'responses', 0, 'partitions', index, 'records') * recordsPerBatch, 0), records)
    }
    const raw = (version: number, bytes: Buffer): Work => ({ by: OWN, run: () => findBatches(version, bytes), check: result => expect(result, FETCHED_PARTITIONS * BATCHES_PER_PARTITION) })
    return [
      { name: `Fetch v11 response, ${what}, every record read`, bytes: old.length, works: [all(11, old), byKafkajs], hasTarget: true },
      { name: `Fetch v17 response, ${what}, every record read`, bytes: flexible.length, works: [all(17, flexible), byPlatformatic] },
      { name: `Fetch v11 response, ${what}, batches raw`, bytes: old.length, works: [raw(11, old), byKafkajs] },
      { name: `Fetch v17 response, ${what}, batches raw`, bytes: flexible.length, works: [raw(17, flexible), byPlatformatic] }
    ]
  })
}

/** As a consumer does: an object of every record. */
function readAll (version: number, frame: Buffer): KafkaRecord[] {
  const all: KafkaRecord[] = []
  for (const { partitions } of decodeResponse(Fetch, version, frame).body.responses) {
    for (const { records } of partitions) {
      for (const batch of readBatches(records ?? Buffer.alloc(0)).batches) for (const record of readRecords(batch)) all.push(record)
    }
  }
  return all
}

/** As the engine does: the batches stay where they lie, and each is checked. */
function findBatches (version: number, frame: Buffer): number {
  let count = 0
  for (const { partitions } of decodeResponse(Fetch, version, frame).body.responses) {
    for (const { records } of partitions) {
      for (const batch of readBatches(records ?? Buffer.alloc(0)).batches) {
        if (!batch.isCrcValid()) throw new Error('a sample has a wrong CRC')
        count++
      }
    }
  }
  return count
}

async function metadataCases (): Promise<Case[]> {
  const decodeByKafkajs = method(kafkajs('protocol/requests/metadata/v6/response.js'), 'decode')
  const decodeByPlatformatic = method(await platformatic('apis/metadata/metadata-v12.js'), 'parseResponse')
  const response = metadataResponse()
  const old = frameOf(encodeResponse(Metadata, 6, HEADER, response))
  const flexible = frameOf(encodeResponse(Metadata, 12, HEADER, response))
  const decode = (version: number, frame: Buffer): Work => ({
    by: OWN, run: () => decodeResponse(Metadata, version, frame).body, check: result => expect(lengthOf(result, 'topics', TOPICS - 1, 'partitions'), PARTITIONS_PER_TOPIC)
  })
  return [
    {
      name: 'Metadata v6 response, decoded',
      bytes: old.length,
      works: [decode(6, old), {
        by: KAFKAJS,
        run: () => decodeByKafkajs(old.subarray(CORRELATION_BYTES)),
        check: result => expect(lengthOf(result, 'topicMetadata', TOPICS - 1, 'partitionMetadata'), PARTITIONS_PER_TOPIC)
      }],
      hasTarget: true
    },
    {
      name: 'Metadata v12 response, decoded',
      bytes: flexible.length,
      works: [decode(12, flexible), {
        by: PLATFORMATIC,
        run: () => decodeByPlatformatic(1, Metadata.key, 12, Reader.from(flexible.subarray(FLEXIBLE_HEADER_BYTES))),
        check: result => expect(lengthOf(result, 'topics', TOPICS - 1, 'partitions'), PARTITIONS_PER_TOPIC)
      }]
    },
    {
      name: 'Metadata v12 response, encoded (the sidecar; clients have nothing for it)',
      bytes: flexible.length,
      works: [{ by: OWN, run: () => encodeResponse(Metadata, 12, HEADER, response), check: result => expect(bytesOf(result), flexible.length + LENGTH_BYTES) }]
    }
  ]
}

async function produceCases (): Promise<Case[]> {
  const version = 7
  const records = sampleRecords(62, 1000)
  const batch = buildBatch({ records })
  const request = (bytes: Buffer): Buffer[] => encodeRequest(Produce, version, HEADER, {
    acks: -1, timeoutMs: 30_000, topicData: [{ name: 'orders', partitionData: [{ index: 0, records: bytes }] }]
  })
  const frame = frameOf(request(batch))

  const requestOfKafkajs = kafkajs('protocol/requests/produce/v7/request.js')
  const frameOfKafkajs = kafkajs('protocol/request.js')
  const messages = records.map(({ key, value, timestamp }) => ({ key, value, timestamp, headers: { trace: '0123456789abcdef' } }))
  const encodeByKafkajs = (): unknown => method({ frameOfKafkajs }, 'frameOfKafkajs')({
    ...HEADER,
    request: method({ requestOfKafkajs }, 'requestOfKafkajs')({ acks: -1, timeout: 30_000, topicData: [{ topic: 'orders', partitions: [{ partition: 0, messages }] }] })
  })

  const requestOfPlatformatic = method(await platformatic('apis/producer/produce-v7.js'), 'createRequest')
  const headers = new Map([[Buffer.from('trace'), Buffer.from('0123456789abcdef')]])
  const ofPlatformatic = records.map(({ key, value, timestamp }) => ({ topic: 'orders', partition: 0, key, value, timestamp: BigInt(timestamp), headers }))

  return [
    {
      name: 'Produce v7 request, made of records',
      bytes: frame.length,
      works: [
        { by: OWN, run: () => request(buildBatch({ records })), check: result => expect(bytesOf(result), frame.length + LENGTH_BYTES) },
        { by: KAFKAJS, run: encodeByKafkajs, check: result => expect(bytesOf([member(result, 'buffer')]), frame.length + LENGTH_BYTES) },
        // Without the header of the request, which its connection writes.
        { by: PLATFORMATIC, run: () => member(requestOfPlatformatic(-1, 30_000, ofPlatformatic), 'buffer'), check: result => expectAbout(bytesOf([result]), frame.length) }
      ]
    },
    {
      name: 'Produce v7 request, of a batch as it is (the engine)',
      bytes: frame.length,
      works: [{ by: OWN, run: () => request(batch), check: result => expect(bytesOf(result), frame.length + LENGTH_BYTES) }]
    },
    {
      name: 'Produce v7 request, decoded (a broker; clients have nothing for it)',
      bytes: frame.length,
      works: [{ by: OWN, run: () => decodeRequest(Produce, version, frame).body, check: result => expect(lengthOf(result, 'topicData'), 1) }]
    }
  ]
}

function cuttingCases (): Case[] {
  return [{ what: '2,000 frames of 200 B', count: 2000, bytes: 200 }, { what: '20 frames of 1 MiB', count: 20, bytes: 1024 * 1024 }].map(({ what, count, bytes }): Case => {
    const frame = Buffer.alloc(LENGTH_BYTES + bytes)
    frame.writeInt32BE(bytes)
    const stream = Buffer.concat(Array.from({ length: count }, () => frame))
    const chunks = Array.from({ length: Math.ceil(stream.length / SOCKET_CHUNK_BYTES) }, (_, index) => stream.subarray(index * SOCKET_CHUNK_BYTES, (index + 1) * SOCKET_CHUNK_BYTES))
    const cut = (): number => {
      const reader = new FrameReader()
      let frames = 0
      for (const chunk of chunks) reader.push(chunk, () => { frames++ })
      return frames
    }
    const cutByKafkajs = (): number => {
      let frames = 0
      const connection = connectionOfKafkajs(() => { frames++ })
      for (const chunk of chunks) method(connection, 'processData')(chunk)
      return frames
    }
    const check = (result: unknown): void => expect(result, count)
    return { name: `Frames cut, ${what}`, bytes: stream.length, works: [{ by: OWN, run: cut, check }, { by: KAFKAJS, run: cutByKafkajs, check }] }
  })
}

/** What a connection of kafkajs needs to cut frames, and nothing else of it. */
function connectionOfKafkajs (onFrame: () => void): unknown {
  const prototype = member(kafkajs('network/connection.js'), 'prototype')
  if (typeof prototype !== 'object') throw new Error('kafkajs has changed')
  return Object.setPrototypeOf({ chunks: [], bytesBuffered: 0, bytesNeeded: LENGTH_BYTES, authHandlers: null, requestQueue: { fulfillRequest: onFrame } }, prototype)
}

function partitionsOf (result: unknown): number[] {
  return Array.from({ length: lengthOf(result, 'responses', 0, 'partitions') }, (_, index) => index)
}

/** One frame without its length. */
function frameOf (chunks: readonly Buffer[]): Buffer {
  return Buffer.concat(chunks).subarray(LENGTH_BYTES)
}

function bytesOf (chunks: unknown): number {
  if (!Array.isArray(chunks)) throw new Error('no buffers')
  return chunks.reduce<number>((sum, chunk: unknown) => {
    if (!Buffer.isBuffer(chunk)) throw new Error('no buffer')
    return sum + chunk.length
  }, 0)
}

function expect (actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new Error(`expected ${String(expected)} and got ${String(actual)}: the two sides would not do the same work`)
}

function expectAbout (actual: number, expected: number): void {
  if (Math.abs(actual - expected) > expected / 100) expect(actual, expected)
}
