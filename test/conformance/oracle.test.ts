/** Compares the codec with Kafka's own classes, which one Java process per line runs. */
import { isDeepStrictEqual } from 'node:util'
import tap, { test } from 'tap'
import { z } from 'zod'
import { codecName } from '../../protocol/compression/codec.ts'
import { ErrorCodes, errorName, isRetriableCode, meansStaleMetadata } from '../../protocol/errors/codes.ts'
import { DecodeError, DecompressionLimitError } from '../../protocol/errors/protocol-errors.ts'
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse, hasFlexibleRequestHeader, hasFlexibleResponseHeader } from '../../protocol/header.ts'
import { Heartbeat } from '../../protocol/messages/heartbeat.ts'
import { APIS } from '../../protocol/messages/registry.ts'
import { buildBatch, type BatchInput } from '../../protocol/records/build-batch.ts'
import { readRecords } from '../../protocol/records/read-records.ts'
import { readBatches, type RecordBatch } from '../../protocol/records/record-batch.ts'
import { includesVersion } from '../../protocol/schema/version-range.ts'
import { randomMessage } from '../support/random-message.ts'
import { Random } from '../support/random.ts'
import { versionsOf } from '../support/versions-of.ts'
import { batchSamples, BROKER_BATCHES, sampleJson } from './batch-samples.ts'
import { checkConversion, checkMessage, difference, gather, outcome, writeMessage } from './check-message.ts'
import { kafkaLines } from './kafka-lines.ts'
import { Oracle } from './oracle.ts'

/** Random values of each message at each version. */
const ROUNDS = 8

/** The newest line and the oldest one, which still has the versions that later lines removed. */
const lines = kafkaLines()
const oracles = [...new Set([lines[0], lines.at(-1)])].filter(line => line !== undefined).map(line => ({ name: line.name, oracle: new Oracle(line) }))

const apiRows = z.array(z.object({
  key: z.number(),
  name: z.string(),
  versions: z.array(z.object({ version: z.number(), requestHeader: z.number(), responseHeader: z.number() }))
}))
const apisByOracle = await Promise.all(oracles.map(async ({ name, oracle }) => ({ name, oracle, apis: apiRows.parse(JSON.parse(text(await oracle.ask('apis')))) })))

// Two Java processes beside other tests on a small machine may take their time.
tap.setTimeout(180_000)
tap.teardown(async () => { await Promise.all(oracles.map(({ oracle }) => oracle.stop())) })

function text ([part]: readonly Buffer[]): string {
  if (part === undefined) throw new Error('an answer without a part')
  return part.toString()
}

/** The newest oracle that knows a version of an API, and what it says of it. */
function findVersion (key: number, version: number): { readonly oracle: Oracle, readonly requestHeader: number, readonly responseHeader: number } {
  for (const { oracle, apis } of apisByOracle) {
    const row = apis.find(api => api.key === key)?.versions.find(other => other.version === version)
    if (row !== undefined) return { oracle, ...row }
  }
  throw new Error(`no oracle knows v${version} of API ${key}`)
}

test('names, keys and header versions of every API and version', async t => {
  for (const api of APIS.values()) {
    for (const { name, apis } of apisByOracle) t.equal(apis.find(({ key }) => key === api.key)?.name, api.name, `API ${api.key} in Kafka ${name}`)
    for (const version of versionsOf(api.versions)) {
      const { requestHeader, responseHeader } = findVersion(api.key, version)
      t.equal(hasFlexibleRequestHeader(api, version) ? 2 : 1, requestHeader, `${api.request.name} v${version}`)
      t.equal(hasFlexibleResponseHeader(api, version) ? 1 : 0, responseHeader, `${api.response.name} v${version}`)
    }
  }
})

test('headers: the same bytes as Java, unknown tags kept', async t => {
  const [newest] = oracles
  if (newest === undefined) throw new Error('no oracle')
  const random = new Random(3)
  for (const version of [1, 2]) {
    for (const clientId of [null, '', 'kafka-shadow', 'grüße', 'x'.repeat(300)]) {
      const apiVersion = version === 1 ? 3 : 4
      const unknownTags = version === 1 ? [] : [{ tag: 7, data: random.bytes(300) }]
      const body = { groupId: 'g', generationId: 1, memberId: 'm' }
      const correlationId = random.edgeInteger(32)
      const json = `{"requestApiKey":12,"requestApiVersion":${apiVersion},"correlationId":${correlationId},"clientId":${JSON.stringify(clientId)}}`
      for (const tags of [unknownTags, []]) {
        const frame = Buffer.concat(encodeRequest(Heartbeat, apiVersion, { correlationId, clientId, unknownTags: tags }, body))
        t.equal(frame.readInt32BE(0), frame.length - 4)
        const header = frame.subarray(4, frame.length - writeMessage(Heartbeat.request, apiVersion, body).length)
        const [written, , rewritten] = await newest.oracle.ask('message', 'RequestHeader', String(version), json, header)
        t.same(rewritten, header, `request header v${version} after Java read it`)
        if (tags.length === 0) t.same(written, header, `request header v${version}`)
        t.same(decodeRequest(Heartbeat, apiVersion, frame.subarray(4)).header, { apiKey: 12, apiVersion, correlationId, clientId, unknownTags: tags })

        const answer = Buffer.concat(encodeResponse(Heartbeat, apiVersion, { correlationId, unknownTags: tags }, { errorCode: 0 }))
        t.equal(answer.readInt32BE(0), answer.length - 4)
        const answerHeader = answer.subarray(4, answer.length - writeMessage(Heartbeat.response, apiVersion, { errorCode: 0 }).length)
        const [answerWritten, , answerRewritten] = await newest.oracle.ask('message', 'ResponseHeader', String(version - 1), `{"correlationId":${correlationId}}`, answerHeader)
        t.same(answerRewritten, answerHeader, `response header v${version - 1} after Java read it`)
        if (tags.length === 0) t.same(answerWritten, answerHeader, `response header v${version - 1}`)
        t.same(decodeResponse(Heartbeat, apiVersion, answer.subarray(4)).header, { correlationId, unknownTags: tags })
      }
    }
  }
})

test('every message at every version: the same bytes as Java, both directions, unknown tags kept', async t => {
  const problems: string[] = []
  for (const api of APIS.values()) {
    for (const message of [api.request, api.response]) {
      problems.push(...await gather(versionsOf(api.versions).flatMap(version => {
        const { oracle } = findVersion(api.key, version)
        const random = new Random(api.key * 1000 + version * 2 + (message === api.request ? 0 : 1))
        return Array.from({ length: ROUNDS }, (_, round) => checkMessage(oracle, message, version, randomMessage(message, version, random, { unknownTags: round % 2 === 1, sparse: round % 4 > 1 })))
      })))
    }
  }
  t.same(problems.slice(0, 20), [], `${problems.length} differences`)
})

test('what a version cannot carry is refused where Java refuses it, and dropped where Java drops it', async t => {
  const problems: string[] = []
  const counts = { refused: 0, carried: 0 }
  for (const api of APIS.values()) {
    for (const message of [api.request, api.response]) {
      for (const { oracle, apis } of apisByOracle) {
        const versions = (apis.find(({ key }) => key === api.key)?.versions ?? []).map(({ version }) => version).filter(version => includesVersion(api.versions, version))
        const random = new Random(api.key)
        const pairs = versions.flatMap(from => versions.map(to => ({ from, to })))
        problems.push(...await gather(pairs.map(({ from, to }) => checkConversion(oracle, message, from, to, randomMessage(message, from, random, { sparse: true }), counts))))
      }
    }
  }
  t.same(problems.slice(0, 20), [], `${problems.length} differences`)
  t.ok(counts.refused > 100 && counts.carried > 100, `${counts.refused} refused, ${counts.carried} carried`)
})

test('error codes, their names, and what they mean to a client', async t => {
  const [newest] = oracles
  if (newest === undefined) throw new Error('no oracle')
  const rows = z.array(z.object({ name: z.string(), code: z.number(), isRetriable: z.boolean(), meansStaleMetadata: z.boolean() }))
    .parse(JSON.parse(text(await newest.oracle.ask('errors'))))
  t.same(Object.entries(ErrorCodes).sort(([, a], [, b]) => a - b), rows.map(({ name, code }) => [name, code]).sort(([, a], [, b]) => Number(a) - Number(b)))
  for (const { name, code, isRetriable, meansStaleMetadata: isStale } of rows) {
    t.equal(errorName(code), name)
    t.equal(isRetriableCode(code), isRetriable, `${name} retriable`)
    t.equal(meansStaleMetadata(code), isStale, `${name} means stale metadata`)
  }
})

/** A batch in the words of Batches.java, which answers all numbers as text. */
function describe (batch: RecordBatch): Record<string, unknown> {
  return {
    magic: String(batch.magic),
    baseOffset: String(batch.baseOffset),
    lastOffset: String(batch.lastOffset),
    crc: String(batch.crc),
    codec: codecName(batch.compression),
    isLogAppendTime: batch.isLogAppendTime,
    isTransactional: batch.isTransactional,
    isControl: batch.isControl,
    maxTimestamp: String(batch.maxTimestamp),
    partitionLeaderEpoch: String(batch.partitionLeaderEpoch),
    producerId: String(batch.producerId),
    producerEpoch: String(batch.producerEpoch),
    baseSequence: String(batch.baseSequence),
    recordCount: String(batch.recordCount),
    sizeBytes: String(batch.sizeBytes),
    records: [...readRecords(batch)].map(record => ({
      offset: String(record.offset),
      timestamp: String(record.timestamp),
      key: record.key?.toString('base64') ?? null,
      value: record.value?.toString('base64') ?? null,
      headers: record.headers.map(({ key, value }) => ({ key, value: value?.toString('base64') ?? null }))
    }))
  }
}

/** The records that were asked for, in the same words. */
function expectedRecords ({ records, baseOffset = 0, logAppendTime }: BatchInput): unknown[] {
  return records.map(({ timestamp, key, value, headers = [], offset }, index) => ({
    offset: String(offset ?? baseOffset + index),
    timestamp: String(logAppendTime ?? timestamp),
    key: key?.toString('base64') ?? null,
    value: value?.toString('base64') ?? null,
    headers: headers.map(header => ({ key: header.key, value: header.value?.toString('base64') ?? null }))
  }))
}

function only (bytes: Buffer): RecordBatch {
  const { batches: [batch, ...others], trailingBytes } = readBatches(bytes)
  if (batch === undefined || others.length > 0 || trailingBytes !== 0) throw new Error('not one whole batch')
  return batch
}

test('batches that Java builds are read here as Java reads them', async t => {
  for (const { name, oracle } of oracles) {
    await Promise.all(batchSamples(new Random(1)).map(async sample => {
      const [bytes] = await oracle.ask('build', sampleJson(sample))
      if (bytes === undefined) throw new Error('no batch')
      const batch = only(bytes)
      const what = `Kafka ${name}: ${sample.name}`
      t.ok(batch.isCrcValid(), `${what}: CRC`)
      const here = describe(batch)
      const [there] = z.tuple([z.record(z.string(), z.unknown())]).parse(JSON.parse(text(await oracle.ask('read', bytes))))
      if (!isDeepStrictEqual(here, there)) t.same(here, there, what)
      if (!isDeepStrictEqual(here['records'], expectedRecords(sample.input))) t.fail(`${what}: ${difference(here['records'], expectedRecords(sample.input))}`)
      if (sample.codec === 'none') t.ok(buildBatch(sample.input).equals(bytes), `${what}: the same bytes`)
    }))
  }
})

test('batches that are built here are valid in Java and read the same', async t => {
  for (const { name, oracle } of oracles) {
    await Promise.all(batchSamples(new Random(2)).map(async sample => {
      const bytes = buildBatch(sample.input)
      const [there] = z.tuple([z.record(z.string(), z.unknown())]).parse(JSON.parse(text(await oracle.ask('read', bytes))))
      const what = `Kafka ${name}: ${sample.name}`
      if (!isDeepStrictEqual(there['records'], expectedRecords(sample.input))) t.fail(`${what}: ${difference(there['records'], expectedRecords(sample.input))}`)
      t.ok(isDeepStrictEqual(there, describe(only(bytes))), what)
    }))
  }
})

test('batches that only brokers make are read here as Java reads them', async t => {
  for (const { name, oracle } of oracles) {
    for (const sample of BROKER_BATCHES) {
      const [bytes] = await oracle.ask('build', sample.json)
      if (bytes === undefined) throw new Error('no batch')
      t.ok(only(bytes).isCrcValid(), `Kafka ${name}: ${sample.name}: CRC`)
      t.same([describe(only(bytes))], JSON.parse(text(await oracle.ask('read', bytes))), `Kafka ${name}: ${sample.name}`)
    }
  }
})

test('entries of the older formats, made by the oldest line, are found whole and their CRC checked', async t => {
  const oldest = oracles.at(-1)
  if (oldest === undefined) throw new Error('no oracle')
  for (const magic of [0, 1]) {
    for (const codec of ['none', 'gzip', 'snappy', 'lz4']) {
      const records = Array.from({ length: 3 }, (_, index) => ({ timestamp: magic === 0 ? -1 : 5, key: 'aw==', value: Buffer.alloc(100 + index).toString('base64') }))
      const [bytes] = await oldest.oracle.ask('build', JSON.stringify({ magic, codec, baseOffset: 10, records }))
      if (bytes === undefined) throw new Error('no batch')
      const { batches, trailingBytes } = readBatches(bytes)
      const there = z.array(z.object({ baseOffset: z.string(), lastOffset: z.string(), sizeBytes: z.string(), crc: z.string() })).parse(JSON.parse(text(await oldest.oracle.ask('read', bytes))))
      t.equal(trailingBytes, 0)
      t.ok(batches.every(batch => batch.magic === magic && batch.isCrcValid()), `magic ${magic}, ${codec}: CRC`)
      t.same(batches.map(batch => [String(batch.lastOffset), String(batch.sizeBytes), String(batch.crc)]), there.map(({ lastOffset, sizeBytes, crc }) => [lastOffset, sizeBytes, crc]), `magic ${magic}, ${codec}`)
    }
  }
})

test('a Java batch that is cut or has a flipped bit is noticed, and throws nothing but DecodeError', async t => {
  const [newest] = oracles
  if (newest === undefined) throw new Error('no oracle')
  const random = new Random(5)
  for (const sample of batchSamples(random).filter(({ name }) => /^(all kinds|one record,)/.test(name))) {
    const [bytes] = await newest.oracle.ask('build', sampleJson(sample))
    if (bytes === undefined) throw new Error('no batch')
    for (let length = 0; length < bytes.length; length += Math.max(1, Math.floor(bytes.length / 300))) {
      const { batches, trailingBytes } = readBatches(bytes.subarray(0, length))
      if (batches.length > 0 || trailingBytes !== length) t.fail(`${sample.name} cut at ${length}`)
    }
    for (let round = 0; round < 600; round++) {
      const at = random.below(round % 2 === 0 ? bytes.length : 61)
      const damaged = Buffer.from(bytes)
      damaged.writeUInt8(damaged.readUInt8(at) ^ (1 << random.below(8)), at)
      const found = outcome(() => {
        const { batches: [batch] } = readBatches(damaged)
        if (batch === undefined) return 'cut'
        const read = outcome(() => [...readRecords(batch)])
        if (read instanceof Error && !(read instanceof DecodeError) && !(read instanceof DecompressionLimitError)) return read
        return batch.isCrcValid() ? 'valid' : 'noticed'
      })
      // The offset and the leader epoch are the broker's to change: no CRC covers them.
      const isUnchecked = at < 8 || (at >= 12 && at < 16)
      const isFine = found === 'noticed' || found === 'cut' || found instanceof DecodeError || (found === 'valid' && isUnchecked)
      if (!isFine) t.fail(`${sample.name}: a bit of byte ${at} flipped: ${String(found)}`)
    }
    t.pass(sample.name)
  }
})
