import { crc32 } from 'node:zlib'
import { test } from 'tap'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { Fetch } from '../../protocol/messages/fetch.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { buildBatch, type BatchInput } from '../../protocol/records/build-batch.ts'
import { STATE_TOPIC } from '../../src/state/state-topic.ts'
import { LINK, oneBatch, ShadowPair, until } from '../support/shadow-pair.ts'

const RECORD = [{ timestamp: 1, value: Buffer.from('x') }]

/** A message of magic 1 without key and value. */
function oldMessage (offset: number): Buffer {
  const bytes = Buffer.alloc(34)
  bytes.writeBigInt64BE(BigInt(offset), 0)
  bytes.writeInt32BE(22, 8)
  bytes.writeInt8(1, 16)
  bytes.writeUInt32BE(crc32(bytes.subarray(16)), 12)
  return bytes
}

function damaged (offset: number): Buffer {
  const bytes = buildBatch({ records: RECORD, baseOffset: offset })
  bytes.writeUInt8((bytes.at(-2) ?? 0) ^ 0xff, bytes.length - 2)
  return bytes
}

test('what cannot be copied exactly stops its topic at the exact offset, and no other', async t => {
  const pair = await ShadowPair.start(t)
  const at3 = (input: Partial<BatchInput>) => (): Buffer => buildBatch({ records: RECORD, baseOffset: 3, ...input })
  const cases: ReadonlyArray<{ readonly topic: string, readonly code: string, readonly bad: () => Buffer }> = [
    { topic: 'marker', code: 'CONTROL_BATCH', bad: at3({ isControl: true, isTransactional: true, producerId: 1, producerEpoch: 0, records: [{ timestamp: 1, key: Buffer.from([0, 0, 0, 1]), value: Buffer.alloc(6) }] }) },
    { topic: 'transactional', code: 'TRANSACTIONAL_BATCH', bad: at3({ isTransactional: true, producerId: 1, producerEpoch: 0, baseSequence: 0 }) },
    { topic: 'gap', code: 'OFFSET_GAP', bad: at3({ baseOffset: 5 }) },
    { topic: 'hole', code: 'OFFSET_GAP', bad: at3({ records: [{ timestamp: 1 }, { timestamp: 1, offset: 5 }] }) },
    { topic: 'empty', code: 'OFFSET_GAP', bad: at3({ records: [], lastOffsetDelta: 2 }) },
    { topic: 'stamped', code: 'LOG_APPEND_TIME', bad: at3({ logAppendTime: 5 }) },
    { topic: 'old', code: 'OLD_MESSAGE_FORMAT', bad: () => oldMessage(3) },
    { topic: 'damaged', code: 'SOURCE_CORRUPT', bad: () => damaged(3) }
  ]
  for (const { topic, bad } of cases) {
    await pair.createTopic('source', topic, 2)
    pair.write(topic, 1, 3)
    pair.source.log(topic, 1).appendRaw(bad())
    pair.source.log(topic, 1).appendRaw(buildBatch({ records: RECORD, baseOffset: pair.source.log(topic, 1).logEndOffset }))
  }
  await pair.createTopic('source', 'late-start')
  pair.write('late-start', 0, 5)
  pair.source.log('late-start', 0).setLogStart(2)
  await pair.createTopic('source', 'good')
  pair.write('good', 0, 5)
  const engine = pair.startEngine()
  for (const { topic, code } of cases) {
    await until(`${topic} is stopped`, async () => (await engine.topic(topic))?.state === 'FAULTED')
    const status = await engine.topic(topic)
    t.match(status, { state: 'FAULTED', fault: { code, partition: 1, offset: 3 } }, topic)
    t.equal(status?.fidelity, code === 'SOURCE_CORRUPT' ? 'unknown' : 'unsupported')
    t.equal(pair.shadow.log(topic, 1).logEndOffset, 3, `${topic} ends where it was stopped`)
    t.ok(pair.isPrefix(topic, 1))
    await until('the fault is recorded for whoever leads next', () => engine.state.state?.topicOf(LINK, topic)?.state === 'FAULTED')
    t.match(engine.state.state?.topicOf(LINK, topic), { fault: { code, partition: 1, offset: 3 } })
    t.match((await engine.verify(topic)).find(({ partition }) => partition === 1), { difference: null, incomplete: /stopped at offset 3/ })
  }
  await until('late-start is stopped', async () => (await engine.topic('late-start'))?.state === 'FAULTED')
  t.match(await engine.topic('late-start'), { fault: { code: 'LOG_START_ABOVE_ZERO', partition: 0, offset: 0 } })
  t.equal(pair.shadow.log('late-start', 0).logEndOffset, 0)
  pair.write('good', 0, 5)
  await pair.untilSame('good')
  t.match(await engine.topic('good'), { state: 'ACTIVE', fault: null })
})

test('what goes wrong with a topic later stops it, and no other', async t => {
  const pair = await ShadowPair.start(t)
  const names = ['recreated', 'truncated', 'rewritten', 'overtaken', 'foreign-idle', 'foreign-busy', 'deleted', 'trimmed', 'good']
  for (const name of names) {
    await pair.createTopic('source', name)
    pair.write(name, 0, 10)
  }
  const engine = pair.startEngine()
  for (const name of names) await pair.untilSame(name)

  await pair.deleteTopic('source', 'recreated')
  await pair.createTopic('source', 'recreated')
  pair.write('recreated', 0, 20)

  pair.source.log('truncated', 0).truncateTo(6)

  pair.source.bumpLeaderEpoch('rewritten')
  pair.source.log('rewritten', 0).truncateTo(6)
  pair.write('rewritten', 0, 10)

  const overtaken = pair.source.log('overtaken', 0)
  overtaken.holdHighWatermark(10)
  pair.write('overtaken', 0, 10)
  overtaken.setLogStart(15)
  overtaken.holdHighWatermark(null)

  pair.shadow.log('foreign-idle', 0).append(oneBatch({ records: RECORD }))
  pair.shadow.log('foreign-busy', 0).append(oneBatch({ records: [...RECORD, ...RECORD] }))
  pair.write('foreign-busy', 0, 1)

  await pair.deleteTopic('shadow', 'deleted')
  pair.source.log('trimmed', 0).setLogStart(4)

  const expected: Readonly<Record<string, { readonly code: string, readonly offset: number | null, readonly end: number }>> = {
    recreated: { code: 'SOURCE_TOPIC_RECREATED', offset: null, end: 10 },
    truncated: { code: 'SOURCE_LOST_RECORDS', offset: 6, end: 10 },
    rewritten: { code: 'SOURCE_LOST_RECORDS', offset: 6, end: 10 },
    overtaken: { code: 'SOURCE_OVERTOOK', offset: 10, end: 10 },
    'foreign-idle': { code: 'FOREIGN_WRITE', offset: 10, end: 11 },
    'foreign-busy': { code: 'FOREIGN_WRITE', offset: 10, end: 13 }
  }
  for (const [name, { code, offset, end }] of Object.entries(expected)) {
    await until(`${name} is stopped`, async () => (await engine.topic(name))?.state === 'FAULTED')
    t.match(await engine.topic(name), { fault: { code, offset }, fidelity: 'unknown' }, name)
    t.equal(pair.shadow.log(name, 0).logEndOffset, end, `${name}: nothing was written after it`)
  }
  await until('the deleted shadow is noticed', async () => (await engine.topic('deleted'))?.fault?.code === 'SHADOW_TOPIC_GONE')
  await until('the log start is followed', () => pair.shadow.log('trimmed', 0).logStartOffset === 4)
  t.match(await engine.topic('trimmed'), { state: 'ACTIVE' })
  t.match(await engine.verify('trimmed'), [{ difference: null, incomplete: null, toOffset: 10 }])
  pair.write('good', 0, 5)
  await pair.untilSame('good')
})

test('a batch that was only damaged on the way is asked for again', async t => {
  const pair = await ShadowPair.start(t)
  // Once a record, once the attributes, so that a harmless batch looks like a transaction marker.
  const places: Readonly<Record<string, number>> = { a: 65, b: 22 }
  const left = new Map<string, number>()
  for (const [name, at] of Object.entries(places)) {
    await pair.createTopic('source', name)
    pair.write(name, 0, 10)
    left.set(await pair.topicId('source', name) ?? name, at)
  }
  pair.source.onRequest(Fetch, () => ({
    transform: response => ({
      ...response,
      responses: response.responses.map(topic => ({
        ...topic,
        partitions: topic.partitions.map(row => {
          const at = left.get(topic.topicId ?? '')
          if (at === undefined || row.records == null || row.records.length === 0) return row
          left.delete(topic.topicId ?? '')
          const records = Buffer.from(row.records)
          records.writeUInt8((records[at] ?? 0) ^ 0xf0, at)
          return { ...row, records }
        })
      }))
    })
  }))
  pair.startEngine()
  await pair.untilSame('a')
  await pair.untilSame('b')
  t.equal(left.size, 0)
})

test('a shadow topic that brokers do not show for a moment is not taken for deleted', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'busy')
  pair.write('busy', 0, 10)
  const engine = pair.startEngine()
  await pair.untilSame('busy')
  let isHidden = true
  pair.shadow.onRequest(Metadata, () => ({ transform: response => ({ ...response, topics: response.topics.filter(({ name }) => !isHidden || name !== 'busy') }) }))
  await until('it is missed', async () => (await engine.topic('busy'))?.problem === 'the shadow cluster does not show the topic')
  isHidden = false
  await until('it is there again', async () => (await engine.topic('busy'))?.problem === null)
  t.match(await engine.topic('busy'), { state: 'ACTIVE', fault: null })
})

test('a fault is told and recorded also where the state topic does not take it at once', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'unknown')
  await pair.createTopic('source', 'refused')
  for (const name of ['unknown', 'refused']) pair.write(name, 0, 3)
  const engine = pair.startEngine()
  for (const name of ['unknown', 'refused']) await pair.untilSame(name)
  const stateTopicId = await pair.topicId('shadow', STATE_TOPIC)
  for (const [name, errorCode, times] of [['unknown', ErrorCodes.UNKNOWN_SERVER_ERROR, 1], ['refused', ErrorCodes.TOPIC_AUTHORIZATION_FAILED, 3]] as const) {
    let failed = 0
    const heal = pair.shadow.onRequest(Produce, ({ body }) => {
      const isState = body.topicData.some(topic => topic.name === STATE_TOPIC || topic.topicId === stateTopicId)
      if (!isState || failed >= times) return 'pass'
      failed++
      return { answer: { throttleTimeMs: 0, responses: body.topicData.map(topic => ({ name: topic.name, topicId: topic.topicId, partitionResponses: [{ index: 0, errorCode, baseOffset: -1n }] })) } }
    })
    pair.source.log(name, 0).appendRaw(buildBatch({ records: RECORD, baseOffset: 3, logAppendTime: 5 }))
    await until(`${name} is FAULTED in the state topic`, () => engine.state.state?.topicOf(LINK, name)?.state === 'FAULTED')
    heal()
    t.equal(failed, times)
    for (const found of [await engine.topic(name), engine.state.state?.topicOf(LINK, name)]) t.match(found, { state: 'FAULTED', fault: { code: 'LOG_APPEND_TIME', partition: 0, offset: 3 } })
  }
})
