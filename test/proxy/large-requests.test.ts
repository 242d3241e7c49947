import { Writable } from 'node:stream'
import { test } from 'tap'
import { Writer } from '../../protocol/buffer/writer.ts'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { AddPartitionsToTxn } from '../../protocol/messages/add-partitions-to-txn.ts'
import { AlterConfigs } from '../../protocol/messages/alter-configs.ts'
import { AlterPartitionReassignments } from '../../protocol/messages/alter-partition-reassignments.ts'
import { CreatePartitions } from '../../protocol/messages/create-partitions.ts'
import { CreateTopics } from '../../protocol/messages/create-topics.ts'
import { DeleteGroups } from '../../protocol/messages/delete-groups.ts'
import { DeleteRecords } from '../../protocol/messages/delete-records.ts'
import { DeleteTopics } from '../../protocol/messages/delete-topics.ts'
import { ElectLeaders } from '../../protocol/messages/elect-leaders.ts'
import { IncrementalAlterConfigs } from '../../protocol/messages/incremental-alter-configs.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { OffsetCommit } from '../../protocol/messages/offset-commit.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { WriteTxnMarkers } from '../../protocol/messages/write-txn-markers.ts'
import { createLogger } from '../../src/observability/logger.ts'
import { HeldFrame } from '../../src/proxy/held-frame.ts'
import { ProduceScan } from '../../src/proxy/produce-scan.ts'
import { ReadRules } from '../../src/proxy/read-rules.ts'
import { judgeListOffsets } from '../../src/proxy/followers/list-offsets.ts'
import { judgeAutoCreation } from '../../src/proxy/refusals/auto-creation.ts'
import { WriteRules } from '../../src/proxy/write-rules.ts'
import { answerWith, FakeLinkState, start, until } from './fixture.ts'

/** Where the work grows with the square of the rows, so many take minutes; one pass over them takes less than a second. */
const ROWS_FOR_MINUTES = 500_000
const LIMIT_MS = 30_000

const MB = 1024 * 1024

function replicaState (): FakeLinkState {
  const links = new FakeLinkState()
  links.topic('ro', 'ACTIVE')
  links.link('ro', 'replica')
  return links
}

/** Of guarded and other topics in turn. */
function names (count: number): string[] {
  return Array.from({ length: count }, (_, index) => index % 2 === 0 ? 'ro' : 'free')
}

test('the rows of a question about topics are told apart in one pass', async t => {
  const rules = new WriteRules(replicaState(), { staleAfterMs: 1000 })
  const topics = names(ROWS_FOR_MINUTES).map(name => ({ topicId: 'AAAAAAAAAAAAAAAAAAAAAA', name, unknownTags: [] }))
  const startedMs = performance.now()
  const verdict = judgeAutoCreation({ topics, allowAutoTopicCreation: true, includeClusterAuthorizedOperations: false, includeTopicAuthorizedOperations: false, unknownTags: [] }, { rules, reads: new ReadRules(rules), version: 1 })
  t.ok(performance.now() - startedMs < LIMIT_MS)
  if (verdict?.kind !== 'split') throw new Error('not split')
  t.strictSame(verdict.requests.map(({ body, version }) => [body.topics?.length, version]), [[ROWS_FOR_MINUTES / 2, 4], [ROWS_FOR_MINUTES / 2, 1]])
})

test('the topics that are read from followers are told from the others in one pass', async t => {
  const rules = new WriteRules(replicaState(), { staleAfterMs: 1000 })
  const topics = names(ROWS_FOR_MINUTES).map(name => ({ name, partitions: [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -2n, maxNumOffsets: 1, unknownTags: [] }], unknownTags: [] }))
  const startedMs = performance.now()
  const verdict = judgeListOffsets({ replicaId: -1, isolationLevel: 0, topics, timeoutMs: 0, unknownTags: [] }, { rules, reads: new ReadRules(rules), version: 7 })
  t.ok(performance.now() - startedMs < LIMIT_MS)
  t.equal(verdict?.kind === 'ask' ? verdict.questions.length : null, 2)
})

test('an answer with more rows of one name than a call has arguments is put together', async t => {
  const { client, broker } = await start(t, { config: { maxFrameBytes: 8 * 1024 * 1024 } })
  broker.answer = answerWith(Metadata, body => ({ brokers: [], topics: (body.topics ?? []).map(({ name }) => ({ name: name ?? '', errorCode: ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION, partitions: [] })) }))
  const socket = await client()
  const rows = Array.from({ length: 200_000 }, () => ({ name: 'ro' }))
  const answer = await socket.request(Metadata, 1, { topics: [...rows, { name: 'free' }] })
  t.equal(answer.topics.length, rows.length + 1)
})

test('markers of one producer in several rows are answered once, however many rows there are', async t => {
  const { client, broker } = await start(t)
  broker.answer = answerWith(WriteTxnMarkers, ({ markers: [first] }) => ({
    // As a broker does: all of a producer in one row.
    markers: first === undefined ? [] : [{ producerId: first.producerId, topics: Array.from({ length: 100 }, (_, index) => ({ name: `t${index}`, partitions: [{ partitionIndex: 0, errorCode: 0 }] })) }]
  }))
  const socket = await client()
  const marker = (name: string): { producerId: bigint, producerEpoch: number, transactionResult: boolean, coordinatorEpoch: number, topics: Array<{ name: string, partitionIndexes: number[] }> } =>
    ({ producerId: 1n, producerEpoch: 0, transactionResult: false, coordinatorEpoch: 0, topics: [{ name, partitionIndexes: [0] }] })
  const { markers } = await socket.request(WriteTxnMarkers, 1, { markers: [marker('ro'), ...Array.from({ length: 50 }, () => marker('t0'))] })
  t.equal(markers.reduce((sum, { topics }) => sum + topics.length, 0), 1 + 100)
})

/** A request whose body is these bytes. */
function frameOf (apiKey: number, version: number, isFlexible: boolean, body: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(14 + (isFlexible ? 1 : 0))
  head.writeInt32BE(head.length - 4 + body.reduce((sum, { length }) => sum + length, 0), 0)
  head.writeInt16BE(apiKey, 4)
  head.writeInt16BE(version, 6)
  head.writeInt32BE(1, 8)
  head.writeInt16BE(-1, 12)
  return Buffer.concat([head, ...body])
}

function uvarint (value: number): Buffer {
  const writer = new Writer()
  writer.uvarint(value)
  return Buffer.concat(writer.finish())
}

/** Tagged fields without content. */
function emptyTags (count: number): Buffer {
  const writer = new Writer()
  for (let tag = 0; tag < count; tag++) {
    writer.uvarint(tag)
    writer.uvarint(0)
  }
  return Buffer.concat(writer.finish())
}

function int32 (value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

test('a request that is too large to be judged is turned away at its first bytes', async t => {
  const lines: string[] = []
  const destination = new Writable({
    write (line: Buffer, _, done) {
      lines.push(line.toString())
      done()
    }
  })
  const { client, broker, sidecar } = await start(t, { config: { maxFrameBytes: 100 * MB }, logger: createLogger({ level: 'warn', pretty: false, destination }) })
  const apis = [Metadata, CreateTopics, DeleteTopics, DeleteRecords, CreatePartitions, AlterConfigs, IncrementalAlterConfigs, AddPartitionsToTxn, WriteTxnMarkers, AlterPartitionReassignments, ElectLeaders, DeleteGroups]
  for (const { key, name, versions: { min } } of apis) {
    const socket = await client()
    socket.send(frameOf(key, min, false, [Buffer.alloc(9 * MB)]).subarray(0, 12))
    t.equal(await socket.closed, true, name)
  }
  t.equal(sidecar.status().counters.disconnects.client_malformed, apis.length)
  t.equal(broker.bytes, 0)
  t.match(lines.join(''), /"level":40.*a request \w+ of 9437194 bytes cannot be judged \(at most 8388608\)/)
})

test('a request of more rows than are read here is turned away, however small they are', async t => {
  const { client, broker, sidecar } = await start(t, { config: { maxFrameBytes: 100 * MB } })
  const rows = 1_000_000
  const requests = [
    // Names of no letters: in memory each of them would take many times its bytes.
    ['Metadata', frameOf(Metadata.key, 1, false, [int32(rows), Buffer.alloc(2 * rows)])],
    ['DeleteTopics', frameOf(DeleteTopics.key, 1, false, [int32(rows), Buffer.alloc(2 * rows), int32(1)])],
    // Partitions that are nothing but a number.
    ['ElectLeaders', frameOf(ElectLeaders.key, 1, false, [Buffer.from([1]), int32(1), Buffer.from('0002726f', 'hex'), int32(rows), Buffer.alloc(4 * rows), int32(1)])],
    // Fields that nobody knows.
    ['CreatePartitions', frameOf(CreatePartitions.key, 2, true, [Buffer.from('01', 'hex'), int32(1), Buffer.from([0]), uvarint(rows), emptyTags(rows)])]
  ] as const
  for (const [what, request] of requests) {
    const socket = await client()
    socket.send(request)
    t.equal(await socket.closed, true, what)
    t.equal(socket.frames.length, 0, what)
  }
  t.equal(sidecar.status().counters.disconnects.client_malformed, requests.length)
  t.equal(broker.bytes, 0)
})

test('a Produce of more rows than are read here is turned away before they come', async t => {
  const { client, broker, sidecar } = await start(t, { config: { maxFrameBytes: 100 * MB } })
  const rows = 10_000_000
  const head = Buffer.concat([Buffer.from('ffff', 'hex'), Buffer.from('ffff', 'hex'), int32(1)])
  const many = [
    // One topic of many partitions, and many topics.
    [head, int32(1), Buffer.from('0002726f', 'hex'), int32(rows)],
    [head, int32(rows)]
  ]
  for (const start of many) {
    const socket = await client()
    const request = frameOf(Produce.key, 8, false, [...start, Buffer.alloc(8 * rows)])
    socket.send(request.subarray(0, 200))
    t.equal(await socket.closed, true)
    t.equal(socket.frames.length, 0)
  }
  t.equal(sidecar.status().counters.disconnects.client_malformed, many.length)
  t.equal(broker.bytes, 0)
})

test('ten thousand partitions are no more than anybody may ask for or write to', async t => {
  const { client, broker } = await start(t, { config: { maxFrameBytes: 100 * MB } })
  const count = 10_000
  const socket = await client()
  const name = (index: number): string => `${'n'.repeat(240)}-${index}`
  const indexes = Array.from({ length: count }, (_, index) => index)
  broker.answer = answerWith(Metadata, ({ topics }) => ({ brokers: [], topics: (topics ?? []).map(topic => ({ name: topic.name ?? '', errorCode: 0, partitions: [] })) }))
  t.equal((await socket.request(Metadata, 9, { topics: indexes.map(index => ({ name: name(index) })) })).topics.length, count)
  broker.answer = answerWith(OffsetCommit, ({ topics }) => ({ topics: topics.map(topic => ({ name: topic.name, partitions: [{ partitionIndex: 0, errorCode: 0 }] })) }))
  t.equal((await socket.request(OffsetCommit, 8, { groupId: 'g', topics: indexes.map(index => ({ name: name(index), partitions: [{ partitionIndex: 0, committedOffset: 1n, committedMetadata: 'm'.repeat(100) }] })) })).topics.length, count)
  broker.answer = answerWith(Produce, ({ topicData }) => ({ responses: topicData.map(topic => ({ name: topic.name, partitionResponses: [{ index: 0, errorCode: 0, baseOffset: 0n }] })) }))
  const { responses } = await socket.request(Produce, 9, { acks: 1, timeoutMs: 1, topicData: ['ro', ...indexes.map(name)].map(each => ({ name: each, partitionData: [{ index: 0, records: Buffer.alloc(200) }] })) })
  t.strictSame(responses.map(row => row.partitionResponses[0]?.errorCode), [ErrorCodes.POLICY_VIOLATION, ...indexes.map(() => 0)])
})

/** Counts what is looked at: a scan that starts again at every piece looks at everything so often. */
class CountedFrame {
  looked = 0
  bytes = 0
  readonly #whole: Buffer

  constructor (whole: Buffer) {
    this.#whole = whole
  }

  get totalBytes (): number {
    return this.#whole.length
  }

  from (position: number, bytes: number): Buffer {
    const part = this.#whole.subarray(position, Math.min(position + bytes, this.bytes))
    this.looked += part.length
    return part
  }
}

test('what it costs to read the start of a request grows with its bytes, not with its pieces', async t => {
  // A header that is long, and topics of all sizes.
  const clientId = Buffer.alloc(32_000, 'c')
  const head = Buffer.concat([Buffer.from('0000000800000001', 'hex'), Buffer.from([clientId.length >> 8, clientId.length & 255]), clientId, Buffer.from('ffffffff00000001', 'hex')])
  const topics = Array.from({ length: 200 }, (_, index) => Buffer.concat([Buffer.from([3, 232]), Buffer.alloc(1000, 'a'), int32(1), int32(index), int32(-1)]))
  const body = Buffer.concat([head, int32(topics.length), ...topics])
  const whole = Buffer.concat([int32(body.length), body])
  const frame = new CountedFrame(whole)
  const scan = new ProduceScan(8)
  while (frame.bytes < whole.length) {
    frame.bytes++
    scan.advance(frame)
  }
  t.equal(scan.topics.length, topics.length)
  t.ok(frame.looked < 20 * whole.length, `${frame.looked} bytes were looked at for ${whole.length}`)
})

test('a name that never ends is no name, long before the frame ends', async t => {
  const whole = Buffer.concat([int32(50 * MB), Buffer.from('0000000900000001ffff00', 'hex'), Buffer.from('00ffff00000001', 'hex'), uvarint(2), uvarint(40 * MB), Buffer.alloc(50 * MB)])
  const frame = new CountedFrame(whole.subarray(0, 50 * MB + 4))
  const scan = new ProduceScan(9)
  t.throws(() => {
    for (; frame.bytes < MB; frame.bytes += 16_384) scan.advance(frame)
  }, { name: 'DecodeError' })
})

test('the pieces of a held frame are passed once, not once for each of its parts', async t => {
  // Were all pieces passed for every part, that would be more than ten thousand million steps.
  const pieces = 200_000
  const held = new HeldFrame(pieces * 4096)
  const piece = Buffer.alloc(4096)
  for (let index = 0; index < pieces; index++) held.append(piece)
  const startedMs = performance.now()
  for (let position = 0; position < pieces * 4096; position += 4096) if (held.from(position + 5, 8).length < 8) throw new Error('too little')
  t.ok(performance.now() - startedMs < LIMIT_MS)
})

test('of a Produce whose topics are known, the rest is not judged once more with every piece', async t => {
  const { client, links, broker } = await start(t, { config: { maxFrameBytes: 100 * MB } })
  let looks = 0
  links.all.ruleFor = topic => {
    looks++
    return topic === 'ro' ? { access: 'read-only', link: 'dr', state: 'ACTIVE' } : { access: 'open' }
  }
  const socket = await client()
  const names = [...Array.from({ length: 100 }, (_, index) => `t${index}`), 'ro']
  const request = socket.encode(Produce, 8, { acks: -1, timeoutMs: 1, topicData: names.map((name, index) => ({ name, partitionData: [{ index: 0, records: Buffer.alloc(index === 100 ? 20 * MB : 10) }] })) })
  for (let at = 0; at < request.length; at += 65_536) {
    socket.send(request.subarray(at, at + 65_536))
    if (at % MB === 0) await new Promise(resolve => { setImmediate(resolve) })
  }
  await until(() => broker.requests.length === 1)
  t.ok(looks <= 4 * names.length, `${looks} looks for ${names.length} topics`)
})
