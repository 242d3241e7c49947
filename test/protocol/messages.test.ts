import { test } from 'tap'
import { Reader } from '../../protocol/buffer/reader.ts'
import { Writer } from '../../protocol/buffer/writer.ts'
import { DecodeError, EncodeError, VersionError } from '../../protocol/errors/protocol-errors.ts'
import { Fetch } from '../../protocol/messages/fetch.ts'
import { Heartbeat } from '../../protocol/messages/heartbeat.ts'
import { ListOffsets } from '../../protocol/messages/list-offsets.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { APIS } from '../../protocol/messages/registry.ts'
import { RECORD_TYPES } from '../../protocol/metadata/decode-record.ts'
import { api, type Message } from '../../protocol/schema/api.ts'
import { messageCodec } from '../../protocol/schema/codec.ts'
import { int16 } from '../../protocol/schema/field.ts'
import { interpretRead, interpretWrite } from '../support/interpreter.ts'
import { randomMessage } from '../support/random-message.ts'
import { Random } from '../support/random.ts'

const messages: Message[] = [...APIS.values()].flatMap(api => [api.request, api.response]).concat(RECORD_TYPES)

function versionsOf (message: Message): number[] {
  return Array.from({ length: message.versions.max - message.versions.min + 1 }, (_, index) => message.versions.min + index)
}

function write (message: Message, version: number, value: Record<string, unknown>): Buffer {
  const writer = new Writer()
  messageCodec(message, version).write(writer, value)
  return Buffer.concat(writer.finish())
}

function read (message: Message, version: number, bytes: Buffer): Record<string, unknown> {
  const reader = new Reader(bytes)
  const value = messageCodec(message, version).read(reader)
  reader.finish()
  return value
}

test('every message at every version: compiled and interpreted agree, both directions, unknown tags kept', async t => {
  for (const message of messages) {
    for (const version of versionsOf(message)) {
      const random = new Random(message.name.length * 1000 + version)
      for (let round = 0; round < 8; round++) {
        const value = randomMessage(message, version, random, { unknownTags: true })
        const bytes = write(message, version, value)
        const expected = interpretWrite(message, version, value)
        if (!bytes.equals(expected)) t.fail(`${message.name} v${version} writes other bytes`, { bytes: bytes.toString('hex'), expected: expected.toString('hex') })
        const decoded = read(message, version, bytes)
        if (!t.strictSame(decoded, value, `${message.name} v${version} round trip`)) return
        if (!t.strictSame(decoded, interpretRead(message, version, bytes), `${message.name} v${version} as interpreted`)) return
      }
    }
  }
})

test('every truncation of every message is a DecodeError', async t => {
  for (const message of messages) {
    for (const version of versionsOf(message)) {
      const random = new Random(version)
      const bytes = write(message, version, randomMessage(message, version, random, { unknownTags: true }))
      for (let length = 0; length < bytes.length; length += Math.max(1, Math.floor(bytes.length / 200))) {
        let thrown: unknown
        try {
          read(message, version, bytes.subarray(0, length))
        } catch (error) {
          thrown = error
        }
        if (!(thrown instanceof DecodeError)) {
          t.fail(`${message.name} v${version} cut at ${length} of ${bytes.length}`, { thrown })
          return
        }
      }
    }
  }
  t.pass('no cut was read as a message')
})

test('damaged messages are read as another value or are a DecodeError, never anything else', async t => {
  const random = new Random(7)
  for (const message of messages) {
    for (const version of versionsOf(message)) {
      const bytes = write(message, version, randomMessage(message, version, random, { unknownTags: true }))
      if (bytes.length === 0) continue
      for (let round = 0; round < 20; round++) {
        const damaged = Buffer.from(bytes)
        for (let hit = 0; hit <= round % 3; hit++) damaged[random.below(damaged.length)] = random.pick([0, 0x7f, 0x80, 0xff, random.below(256)])
        try {
          read(message, version, damaged)
        } catch (error) {
          if (error instanceof DecodeError) continue
          t.fail(`${message.name} v${version}`, { error, damaged: damaged.toString('hex') })
          return
        }
      }
    }
  }
  t.pass('only DecodeErrors')
})

test('arrays of numbers are read whole, however many there are and where in a buffer they lie', async t => {
  for (const version of [5, 12]) {
    for (let count = 0; count <= 6; count++) {
      const nodes = Array.from({ length: count }, (_, index) => [2147483647, -2147483648, -1, 0, 258, 16909060][index] ?? 0)
      const partition = { errorCode: -2, partitionIndex: 305419896, leaderId: -305419896, leaderEpoch: version === 5 ? -1 : 7, replicaNodes: nodes, isrNodes: nodes.slice(1), offlineReplicas: [] }
      const bytes = write(Metadata.response, version, { brokers: [], topics: [{ errorCode: 0, name: 't', partitions: [partition] }] })
      const inside = Buffer.concat([Buffer.alloc(3, 255), bytes, Buffer.alloc(8, 255)])
      const reader = new Reader(inside.subarray(1), 2, 2 + bytes.length)
      const [topic] = messageCodec(Metadata.response, version).read(reader).topics
      reader.finish()
      t.match(topic?.partitions[0], partition, `v${version}, ${count} elements`)
      t.throws(() => messageCodec(Metadata.response, version).read(new Reader(inside, 3, 2 + bytes.length)), DecodeError, 'nothing beyond the end is read')
    }
  }
})

test('a hostile element count is refused before anything is allocated', async t => {
  const bytes = Buffer.alloc(64)
  bytes.writeInt32BE(0x7fffffff, 0)
  t.throws(() => read(Metadata.request, 1, bytes), { code: 'DECODE_FAILED', message: /array of 2147483647 elements/ })
})

test('fields with defaults may be left out, and are written as their default', async t => {
  t.same(read(ListOffsets.request, 11, write(ListOffsets.request, 11, { replicaId: -1, topics: [{ name: 't', partitions: [{ partitionIndex: 1, timestamp: -1n }] }] })), {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name: 't', partitions: [{ partitionIndex: 1, currentLeaderEpoch: -1, timestamp: -1n, maxNumOffsets: 1, unknownTags: [] }], unknownTags: [] }],
    timeoutMs: 0,
    unknownTags: []
  })
})

test('a value that the version cannot carry is refused, unless it may be ignored', async t => {
  t.throws(() => write(Fetch.request, 11, {
    maxWaitMs: 1, minBytes: 1, topics: [{ topic: 't', partitions: [{ partition: 0, fetchOffset: 0n, lastFetchedEpoch: 3, partitionMaxBytes: 1 }] }]
  }), { code: 'ENCODE_FAILED', message: 'FetchRequest v11 cannot carry lastFetchedEpoch' })
  t.doesNotThrow(() => write(Fetch.request, 10, { maxWaitMs: 1, minBytes: 1, topics: [], rackId: 'r1' }))
})

test('unknown tags are written among the known ones, in the order of their tags, and never twice', async t => {
  const { request } = api({
    key: 0,
    name: 'Tagged',
    versions: '0',
    flexible: '0+',
    request: { second: int16('0+', { tag: 2, default: 0 }), fourth: int16('0+', { tag: 4, default: 0 }) },
    response: {}
  })
  const unknownTags = [0, 1, 3, 5].map(tag => ({ tag, data: Buffer.from([tag]) }))
  const value = { second: 0x0202, fourth: 0x0404, unknownTags }
  const bytes = write(request, 0, value)
  t.equal(bytes.toString('hex'), '06' + '000100' + '010101' + '02020202' + '030103' + '04020404' + '050105')
  t.same(read(request, 0, bytes), value)
  t.equal(write(request, 0, { ...value, second: 0 }).toString('hex'), '05' + '000100' + '010101' + '030103' + '04020404' + '050105')
  t.throws(() => write(request, 0, { ...value, unknownTags: [{ tag: 4, data: Buffer.alloc(1) }] }), { code: 'ENCODE_FAILED', message: /tag 4 is given both/ })
  t.throws(() => read(request, 0, Buffer.from('02' + '04020404' + '02020202', 'hex')), { message: /tag 2 follows tag 4/ })
  t.throws(() => read(request, 0, Buffer.from('01' + '0203020202', 'hex')), { message: /another size than it says/ })
  t.throws(() => read(request, 0, Buffer.from('01' + '02010202', 'hex')), DecodeError)
})

test('unknown tags that are out of order or given twice are refused when they are written', async t => {
  for (const [first, second] of [[5, 3], [5, 5]] as const) {
    const unknownTags = [first, second].map(tag => ({ tag, data: Buffer.alloc(0) }))
    t.throws(() => write(Heartbeat.request, 4, { groupId: 'g', generationId: 1, memberId: 'm', unknownTags }), { code: 'ENCODE_FAILED', message: `unknown tag ${second} follows tag ${first}` })
  }
})

test('null where it must not be, wrong kinds and numbers out of range are EncodeErrors', async t => {
  const heartbeat = { groupId: 'g', generationId: 1, memberId: 'm' }
  t.throws(() => write(Heartbeat.request, 0, { ...heartbeat, groupId: null }), EncodeError)
  t.throws(() => write(Heartbeat.request, 0, { ...heartbeat, generationId: 2 ** 31 }), { message: '2147483648 is not a value of type int32' })
  t.throws(() => write(Heartbeat.request, 0, { ...heartbeat, generationId: 1.5 }), EncodeError)
  t.throws(() => write(Metadata.request, 0, { topics: null }), { message: /topics is null or missing/ })
})

test('null, text that is not UTF-8 and left-over bytes are DecodeErrors where they must not be', async t => {
  t.throws(() => read(Heartbeat.request, 0, Buffer.from('ffff', 'hex')), { message: /string is null/ })
  t.throws(() => read(Heartbeat.request, 0, Buffer.from('0002c328', 'hex')), { message: /not UTF-8/ })
  t.throws(() => read(Heartbeat.response, 0, Buffer.from('000000', 'hex')), { message: /1 bytes are left over/ })
})

test('a version that is not declared is a VersionError', async t => {
  t.throws(() => messageCodec(Heartbeat.request, 99), VersionError)
})
