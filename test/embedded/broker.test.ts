import { connect as connectSocket, type Socket } from 'node:net'
import { once } from 'node:events'
import { test } from 'tap'
import { CODECS } from '../../protocol/compression/codec.ts'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { decodeResponse, encodeRequest } from '../../protocol/header.ts'
import { AlterConfigs } from '../../protocol/messages/alter-configs.ts'
import { ApiVersions } from '../../protocol/messages/api-versions.ts'
import { CreatePartitions } from '../../protocol/messages/create-partitions.ts'
import { CreateTopics } from '../../protocol/messages/create-topics.ts'
import { DeleteRecords } from '../../protocol/messages/delete-records.ts'
import { DeleteTopics } from '../../protocol/messages/delete-topics.ts'
import { DescribeCluster } from '../../protocol/messages/describe-cluster.ts'
import { DescribeConfigs } from '../../protocol/messages/describe-configs.ts'
import { DescribeLogDirs } from '../../protocol/messages/describe-log-dirs.ts'
import { Fetch } from '../../protocol/messages/fetch.ts'
import { IncrementalAlterConfigs } from '../../protocol/messages/incremental-alter-configs.ts'
import { ListOffsets } from '../../protocol/messages/list-offsets.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { OffsetForLeaderEpoch } from '../../protocol/messages/offset-for-leader-epoch.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { ZERO_UUID } from '../../protocol/schema/field.ts'
import { buildBatch } from '../../protocol/records/build-batch.ts'
import { readBatches } from '../../protocol/records/record-batch.ts'
import { readRecords } from '../../protocol/records/read-records.ts'
import { batchOf, connect, only, Peer, startPeer } from './peer.ts'

test('what a producer may append', async t => {
  const peer = await startPeer(t, { now: () => 1_700_000_000_000 })
  const timestamp = 1_700_000_000_000
  const records = [{ timestamp, key: Buffer.from('k'), value: Buffer.from('v') }, { timestamp: timestamp - 5, value: null }]
  await peer.createTopic('plain')

  await t.test('a batch gets its place and comes back byte for byte but for offset and epoch', async t => {
    const sent = buildBatch({ records, compression: CODECS.zstd })
    t.match(await peer.produce('plain', sent), { errorCode: 0, baseOffset: 0n, logAppendTimeMs: -1n, logStartOffset: 0n })
    t.match(await peer.produce('plain', sent), { errorCode: 0, baseOffset: 2n })
    const fetched = await peer.fetch('plain', 2)
    t.match(fetched, { errorCode: 0, highWatermark: 4n, lastStableOffset: 4n, logStartOffset: 0n })
    const batch = only(readBatches(fetched.records ?? Buffer.alloc(0)).batches)
    t.equal(batch.baseOffset, 2)
    t.ok(batch.checkedBytes.equals(sent.subarray(21)))
  })

  const refused: ReadonlyArray<readonly [string, Buffer, number]> = [
    ['two batches', Buffer.concat([batchOf(1), batchOf(1)]), ErrorCodes.INVALID_RECORD],
    ['no batch', Buffer.alloc(0), ErrorCodes.INVALID_RECORD],
    ['a batch that is cut off', batchOf(1).subarray(0, 70), ErrorCodes.INVALID_RECORD],
    ['a base offset of its own', batchOf(1, { baseOffset: 3 }), ErrorCodes.INVALID_RECORD],
    ['a wrong CRC', damaged(batchOf(1)), ErrorCodes.CORRUPT_MESSAGE],
    ['holes that compaction left', batchOf(1, { lastOffsetDelta: 4 }), ErrorCodes.INVALID_RECORD],
    ['a control batch', batchOf(1, { isControl: true, isTransactional: true, producerId: 1, producerEpoch: 0 }), ErrorCodes.INVALID_RECORD],
    ['a transactional batch without a transactional id', buildBatch({ records, isTransactional: true, producerId: 1, producerEpoch: 0, baseSequence: 0 }), ErrorCodes.TRANSACTIONAL_ID_AUTHORIZATION_FAILED],
    ['a producer id without a sequence', batchOf(1, { producerId: 1, producerEpoch: 0 }), ErrorCodes.INVALID_RECORD],
    ['a batch larger than max.message.bytes', buildBatch({ records: [{ timestamp, value: Buffer.alloc(1_100_000) }] }), ErrorCodes.MESSAGE_TOO_LARGE],
    ['a timestamp too far ahead', buildBatch({ records: [{ timestamp: timestamp + 3_600_001, value: null }] }), ErrorCodes.INVALID_TIMESTAMP]
  ]
  for (const [what, batch, errorCode] of refused) {
    await t.test(`not ${what}`, async t => {
      const end = peer.broker.log('plain', 0).logEndOffset
      const answer = await peer.produce('plain', batch)
      t.equal(answer.errorCode, errorCode)
      t.equal(answer.baseOffset, -1n)
      t.equal(peer.broker.log('plain', 0).logEndOffset, end)
    })
  }

  await t.test('not an old record format', async t => {
    const message = Buffer.alloc(12 + 14)
    message.writeInt32BE(14, 8)
    t.equal((await peer.produce('plain', message)).errorCode, ErrorCodes.INVALID_RECORD)
  })

  await t.test('a topic with a codec gets its batches in that codec', async t => {
    await peer.createTopic('packed', { configs: { 'compression.type': 'lz4' } })
    await peer.produce('packed', buildBatch({ records, compression: CODECS.gzip, producerId: 4, producerEpoch: 0, baseSequence: 0 }))
    const batch = only(readBatches((await peer.fetch('packed', 0)).records ?? Buffer.alloc(0)).batches)
    t.equal(batch.compression, CODECS.lz4)
    t.ok(batch.isCrcValid())
    t.equal(batch.producerId, 4)
    t.same([...readRecords(batch)].map(({ key, value, timestamp }) => [key?.toString(), value?.toString(), timestamp]), [['k', 'v', timestamp], [undefined, undefined, timestamp - 5]])
  })

  await t.test('a topic with LogAppendTime gives its own timestamps', async t => {
    await peer.createTopic('stamped', { configs: { 'message.timestamp.type': 'LogAppendTime' } })
    t.match(await peer.produce('stamped', buildBatch({ records: [{ timestamp: 5, value: null }] })), { errorCode: 0, logAppendTimeMs: BigInt(timestamp) })
    const batch = only(readBatches((await peer.fetch('stamped', 0)).records ?? Buffer.alloc(0)).batches)
    t.ok(batch.isLogAppendTime)
    t.ok(batch.isCrcValid())
    t.equal([...readRecords(batch)][0]?.timestamp, timestamp)
    t.equal((await peer.produce('stamped', buildBatch({ records: [{ timestamp: 5, value: null }], logAppendTime: 6 }))).errorCode, ErrorCodes.INVALID_TIMESTAMP)
  })

  await t.test('a batch that says LogAppendTime is rewritten where the topic has CreateTime', async t => {
    await peer.createTopic('created', { configs: { 'message.timestamp.before.max.ms': '9223372036854775807' } })
    await peer.produce('created', buildBatch({ records, logAppendTime: timestamp + 7 }))
    const batch = only(readBatches((await peer.fetch('created', 0)).records ?? Buffer.alloc(0)).batches)
    t.notOk(batch.isLogAppendTime)
    t.ok(batch.isCrcValid())
    t.equal(batch.maxTimestamp, timestamp + 7)
  })

  await t.test('a compacted topic wants keys, and says which record has none', async t => {
    await peer.createTopic('compacted', { configs: { 'cleanup.policy': 'compact' } })
    const answer = await peer.produce('compacted', buildBatch({ records }))
    t.equal(answer.errorCode, ErrorCodes.INVALID_RECORD)
    t.same(answer.recordErrors.map(({ batchIndex }) => batchIndex), [1])
  })

  await t.test('min.insync.replicas above one can be had with acks=1 only', async t => {
    await peer.createTopic('safe', { configs: { 'min.insync.replicas': '2' } })
    t.equal((await peer.produce('safe', batchOf(1))).errorCode, ErrorCodes.NOT_ENOUGH_REPLICAS)
    t.equal((await peer.produce('safe', batchOf(1), { acks: 1 })).errorCode, ErrorCodes.INVALID_TIMESTAMP, 'which is as far as the batch of today gets here')
    t.equal((await peer.produce('safe', batchOf(1), { acks: 2 })).errorCode, ErrorCodes.INVALID_REQUIRED_ACKS)
  })

  await t.test('by the id of a topic', async t => {
    const topicId = await peer.createTopic('by-id')
    const send = async (id: string): Promise<number | undefined> => {
      const { responses } = await peer.ask(Produce, { acks: -1, timeoutMs: 1000, topicData: [{ topicId: id, partitionData: [{ index: 0, records: buildBatch({ records }) }] }] }, 13)
      return responses[0]?.partitionResponses[0]?.errorCode
    }
    t.equal(await send(topicId), ErrorCodes.NONE)
    t.equal(await send('BBBBBBBBBBBBBBBBBBBBBA'), ErrorCodes.UNKNOWN_TOPIC_ID)
  })
})

test('idempotence', async t => {
  const peer = await startPeer(t)
  await peer.createTopic('topic')
  const send = async (baseSequence: number, producerEpoch = 0): Promise<readonly [number, bigint]> => {
    const { errorCode, baseOffset } = await peer.produce('topic', batchOf(2, { producerId: 5, producerEpoch, baseSequence }))
    return [errorCode, baseOffset]
  }
  t.same(await send(0), [0, 0n])
  t.same(await send(2), [0, 2n])
  t.same(await send(0), [0, 0n], 'a duplicate is acknowledged with the offset that it has')
  t.same(await send(6), [ErrorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER, -1n])
  t.same(await send(5, 1), [ErrorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER, -1n])
  t.same(await send(0, 1), [0, 4n])
  t.same(await send(2, 0), [ErrorCodes.INVALID_PRODUCER_EPOCH, -1n])
  t.equal(peer.broker.log('topic', 0).logEndOffset, 6)
})

test('acks=0 gets no answer, and an error closes the connection', async t => {
  const peer = await startPeer(t)
  await peer.createTopic('topic')
  const socket = connectSocket(peer.broker.address.port, peer.broker.address.host)
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  const send = (name: string): void => {
    for (const chunk of encodeRequest(Produce, 9, { correlationId: 1, clientId: null }, { acks: 0, timeoutMs: 0, topicData: [{ name, partitionData: [{ index: 0, records: batchOf(1) }] }] })) socket.write(chunk)
  }
  send('topic')
  for (const chunk of encodeRequest(ApiVersions, 0, { correlationId: 2, clientId: null }, {})) socket.write(chunk)
  const answer = await nextChunk(socket)
  t.equal(answer.readInt32BE(4), 2, 'the first answer is that to the second request')
  t.equal(peer.broker.log('topic', 0).logEndOffset, 1)
  send('missing')
  await once(socket, 'close')
})

test('fetch', async t => {
  const peer = await startPeer(t)
  await peer.createTopic('topic')

  await t.test('waits at the end of the log until something is appended', async t => {
    const waiting = peer.fetch('topic', 0, { maxWaitMs: 60_000 })
    // Its own connection: this one is held up by the fetch.
    const other = new Peer(peer.broker, await connect(t, peer.broker))
    await other.produce('topic', batchOf(3))
    t.equal(only(readBatches((await waiting).records ?? Buffer.alloc(0)).batches).recordCount, 3)
  })

  await t.test('answers with nothing when the time is over', async t => {
    t.match(await peer.fetch('topic', 3, { maxWaitMs: 20 }), { errorCode: 0, highWatermark: 3n, records: Buffer.alloc(0) })
  })

  await t.test('waits for as many bytes as are asked for', async t => {
    const size = batchOf(1).length
    const waiting = peer.fetch('topic', 3, { maxWaitMs: 60_000, minBytes: 2 * size })
    const other = new Peer(peer.broker, await connect(t, peer.broker))
    await other.produce('topic', batchOf(1))
    await other.produce('topic', batchOf(1))
    t.equal(readBatches((await waiting).records ?? Buffer.alloc(0)).batches.length, 2)
  })

  await t.test('an offset outside the log is an error at once', async t => {
    t.equal((await peer.fetch('topic', 6, { maxWaitMs: 60_000 })).errorCode, ErrorCodes.OFFSET_OUT_OF_RANGE)
    peer.broker.log('topic', 0).setLogStart(2)
    t.equal((await peer.fetch('topic', 1, { maxWaitMs: 60_000 })).errorCode, ErrorCodes.OFFSET_OUT_OF_RANGE)
  })

  await t.test('nothing beyond the high watermark is given out', async t => {
    peer.broker.log('topic', 0).holdHighWatermark(3)
    t.match(await peer.fetch('topic', 2), { highWatermark: 3n })
    t.match(await peer.fetch('topic', 3), { errorCode: 0, records: Buffer.alloc(0) })
    t.match(await listOffset(peer, -1), { offset: 3n })
    t.match(await listOffset(peer, -1, -2), { offset: 5n })
    peer.broker.log('topic', 0).holdHighWatermark(null)
  })

  await t.test('a leader epoch that is not the present one is refused', async t => {
    peer.broker.bumpLeaderEpoch('topic')
    t.match(await peer.fetch('topic', 5, { currentLeaderEpoch: 0 }), { errorCode: ErrorCodes.FENCED_LEADER_EPOCH, currentLeader: { leaderId: 1, leaderEpoch: 1 } })
    t.equal((await peer.fetch('topic', 5, { currentLeaderEpoch: 2 })).errorCode, ErrorCodes.UNKNOWN_LEADER_EPOCH)
    t.equal((await peer.fetch('topic', 5, { currentLeaderEpoch: 1 })).errorCode, 0)
  })

  await t.test('a log that was truncated and written anew tells where the histories part', async t => {
    await peer.produce('topic', batchOf(5))
    peer.broker.log('topic', 0).truncateTo(5)
    t.match(await peer.fetch('topic', 10, { lastFetchedEpoch: 1 }), { errorCode: 0, divergingEpoch: { epoch: 1, endOffset: 5n } })
    peer.broker.bumpLeaderEpoch('topic')
    await peer.produce('topic', batchOf(1))
    t.match(await peer.fetch('topic', 6, { lastFetchedEpoch: 1 }), { errorCode: 0, divergingEpoch: { epoch: 0, endOffset: 5n } })
    t.match(await peer.fetch('topic', 6, { lastFetchedEpoch: 2 }), { errorCode: 0, divergingEpoch: { epoch: -1 } })
    const { topics } = await peer.ask(OffsetForLeaderEpoch, { topics: [{ topic: 'topic', partitions: [{ partition: 0, leaderEpoch: 0 }, { partition: 0, leaderEpoch: 9 }] }] })
    t.match(topics[0]?.partitions, [{ leaderEpoch: 0, endOffset: 5n }, { leaderEpoch: -1, endOffset: -1n }])
  })

  await t.test('sessions are not kept', async t => {
    const body = { maxWaitMs: 0, minBytes: 0, topics: [] }
    t.match(await peer.ask(Fetch, { ...body, sessionId: 0, sessionEpoch: 0 }), { errorCode: 0, sessionId: 0 })
    t.match(await peer.ask(Fetch, { ...body, sessionId: 7, sessionEpoch: 1 }), { errorCode: ErrorCodes.FETCH_SESSION_ID_NOT_FOUND })
  })

  await t.test('a topic that is deleted ends the wait', async t => {
    await peer.createTopic('short-lived')
    const waiting = peer.fetch('short-lived', 0, { maxWaitMs: 60_000 })
    const other = new Peer(peer.broker, await connect(t, peer.broker))
    await other.ask(DeleteTopics, { topics: [{ name: 'short-lived', topicId: ZERO_UUID }], timeoutMs: 0 })
    t.equal((await waiting).errorCode, ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION)
  })
})

test('offsets by time', async t => {
  const peer = await startPeer(t)
  await peer.createTopic('topic', { configs: { 'message.timestamp.before.max.ms': '9223372036854775807' } })
  t.match(await listOffset(peer, -3), { offset: -1n, timestamp: -1n })
  await peer.produce('topic', buildBatch({ records: [100, 300, 200].map(timestamp => ({ timestamp, value: null })) }))
  await peer.produce('topic', buildBatch({ records: [250].map(timestamp => ({ timestamp, value: null })) }))
  t.match(await listOffset(peer, -2), { offset: 0n, timestamp: -1n, leaderEpoch: 0 })
  t.match(await listOffset(peer, -1), { offset: 4n, timestamp: -1n })
  t.match(await listOffset(peer, -3), { offset: 1n, timestamp: 300n })
  t.match(await listOffset(peer, 0), { offset: 0n, timestamp: 100n })
  t.match(await listOffset(peer, 150), { offset: 1n, timestamp: 300n })
  t.match(await listOffset(peer, 301), { offset: -1n, timestamp: -1n, leaderEpoch: -1 })
  peer.broker.log('topic', 0).advanceLogStart(2)
  t.match(await listOffset(peer, 250), { offset: 3n, timestamp: 250n })
})

test('topics', async t => {
  const peer = await startPeer(t)
  const create = async (topic: Parameters<typeof row>[0], validateOnly = false): Promise<{ readonly errorCode: number, readonly errorMessage: string | null } | undefined> =>
    (await peer.ask(CreateTopics, { topics: [row(topic)], validateOnly })).topics[0]
  const row = (topic: { readonly name: string, readonly numPartitions?: number, readonly replicationFactor?: number, readonly assignments?: ReadonlyArray<{ readonly partitionIndex: number, readonly brokerIds: readonly number[] }>, readonly configs?: ReadonlyArray<{ readonly name: string, readonly value: string | null }> }) =>
    ({ numPartitions: -1, replicationFactor: -1, assignments: [], configs: [], ...topic })

  await t.test('are created, described and found by id', async t => {
    const topicId = await peer.createTopic('first', { partitions: 3, configs: { 'retention.ms': '1000' } })
    const byName = await peer.ask(Metadata, { topics: [{ name: 'first' }] })
    t.match(byName, { clusterId: peer.broker.clusterId, controllerId: 1, brokers: [{ nodeId: 1, ...peer.broker.address }] })
    t.match(byName.topics, [{ errorCode: 0, name: 'first', topicId, partitions: [{ partitionIndex: 0, leaderId: 1, leaderEpoch: 0, replicaNodes: [1], isrNodes: [1] }, {}, {}] }])
    t.match((await peer.ask(Metadata, { topics: [{ name: null, topicId }] })).topics, [{ errorCode: 0, name: 'first' }])
    t.match((await peer.ask(Metadata, { topics: [{ name: 'none' }, { name: 'bad name' }] })).topics, [{ errorCode: ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION }, { errorCode: ErrorCodes.INVALID_TOPIC_EXCEPTION }])
    t.equal((await peer.ask(Metadata, { topics: [] })).topics.length, 0)
    t.equal((await peer.ask(Metadata, { topics: [] }, 0)).topics.length, 1)
  })

  await t.test('are refused with a reason', async t => {
    t.match(await create({ name: 'first' }), { errorCode: ErrorCodes.TOPIC_ALREADY_EXISTS })
    t.match(await create({ name: 'a/b' }), { errorCode: ErrorCodes.INVALID_TOPIC_EXCEPTION })
    t.match(await create({ name: 'x', replicationFactor: 3 }), { errorCode: ErrorCodes.INVALID_REPLICATION_FACTOR })
    t.match(await create({ name: 'x', numPartitions: 0 }), { errorCode: ErrorCodes.INVALID_PARTITIONS })
    t.match(await create({ name: 'x', configs: [{ name: 'retention', value: '1' }] }), { errorCode: ErrorCodes.INVALID_CONFIG, errorMessage: 'Unknown topic config name: retention' })
    t.match(await create({ name: 'x', configs: [{ name: 'retention.ms', value: 'soon' }] }), { errorCode: ErrorCodes.INVALID_CONFIG, errorMessage: /retention\.ms.*LONG/ })
    t.match(await create({ name: 'x', assignments: [{ partitionIndex: 0, brokerIds: [9] }] }), { errorCode: ErrorCodes.INVALID_REPLICA_ASSIGNMENT })
    t.match(await create({ name: 'x', assignments: [{ partitionIndex: 1, brokerIds: [1] }] }), { errorCode: ErrorCodes.INVALID_REPLICA_ASSIGNMENT })
    t.match(await create({ name: 'x' }, true), { errorCode: 0 })
    t.equal((await peer.ask(Metadata, { topics: [{ name: 'x' }] })).topics[0]?.errorCode, ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION)
  })

  await t.test('grow and do not shrink', async t => {
    const grow = async (count: number): Promise<number | undefined> => (await peer.ask(CreatePartitions, { topics: [{ name: 'first', count, assignments: null }], timeoutMs: 0, validateOnly: false })).results[0]?.errorCode
    t.equal(await grow(2), ErrorCodes.INVALID_PARTITIONS)
    t.equal(await grow(2_000_000_000), ErrorCodes.INVALID_PARTITIONS)
    t.equal(await grow(5), 0)
    t.equal(peer.broker.log('first', 4).logEndOffset, 0)
  })

  await t.test('get another id when they are created anew', async t => {
    const topicId = await peer.createTopic('again')
    t.match((await peer.ask(DeleteTopics, { topics: [{ name: null, topicId }], timeoutMs: 0 })).responses, [{ errorCode: 0, name: 'again' }])
    t.match((await peer.ask(DeleteTopics, { topics: [{ name: null, topicId }], timeoutMs: 0 })).responses, [{ errorCode: ErrorCodes.UNKNOWN_TOPIC_ID }])
    t.match((await peer.ask(DeleteTopics, { topicNames: ['again'], timeoutMs: 0 }, 5)).responses, [{ errorCode: ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION }])
    t.not(await peer.createTopic('again'), topicId)
  })

  await t.test('lose records up to an offset', async t => {
    await peer.createTopic('trimmed')
    await peer.produce('trimmed', batchOf(5))
    const trim = async (offset: bigint): Promise<unknown> => (await peer.ask(DeleteRecords, { topics: [{ name: 'trimmed', partitions: [{ partitionIndex: 0, offset }] }], timeoutMs: 0 })).topics[0]?.partitions[0]
    t.match(await trim(3n), { errorCode: 0, lowWatermark: 3n })
    t.match(await trim(1n), { errorCode: 0, lowWatermark: 3n })
    t.match(await trim(6n), { errorCode: ErrorCodes.OFFSET_OUT_OF_RANGE })
    t.match(await trim(-1n), { errorCode: 0, lowWatermark: 5n })
  })

  await t.test('are made by asking for them only where that is on', async t => {
    const eager = await startPeer(t, { autoCreateTopics: true, defaultPartitions: 2 })
    t.match((await eager.ask(Metadata, { topics: [{ name: 'wanted' }], allowAutoTopicCreation: false })).topics, [{ errorCode: ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION }])
    t.match((await eager.ask(Metadata, { topics: [{ name: 'wanted' }] })).topics, [{ errorCode: 0, partitions: [{}, {}] }])
  })

  await t.test('lose what is older than their retention', async t => {
    await peer.createTopic('forgetful', { configs: { 'retention.ms': '1', 'message.timestamp.before.max.ms': '9223372036854775807' } })
    await peer.produce('forgetful', buildBatch({ records: [{ timestamp: 1000, value: null }] }))
    peer.broker.cleanUp()
    t.equal(peer.broker.log('forgetful', 0).logStartOffset, 1)
  })
})

test('configuration', async t => {
  const peer = await startPeer(t)
  await peer.createTopic('topic', { configs: { 'retention.ms': '1000' } })
  const describe = async (keys: readonly string[] | null): Promise<Map<string, { readonly value: string | null, readonly configSource: number }>> => {
    const { results } = await peer.ask(DescribeConfigs, { resources: [{ resourceType: 2, resourceName: 'topic', configurationKeys: keys }], includeSynonyms: true })
    return new Map(only(results).configs.map(config => [config.name, config]))
  }
  const change = async (configs: ReadonlyArray<readonly [string, number, string | null]>, validateOnly = false): Promise<{ readonly errorCode: number } | undefined> =>
    (await peer.ask(IncrementalAlterConfigs, { resources: [{ resourceType: 2, resourceName: 'topic', configs: configs.map(([name, configOperation, value]) => ({ name, configOperation, value })) }], validateOnly })).responses[0]

  await t.test('shows what is set, what is not, and where it comes from', async t => {
    const all = await describe(null)
    t.match(all.get('retention.ms'), { value: '1000', configSource: 1, synonyms: [{ name: 'retention.ms', value: '1000', source: 1 }, { name: 'log.retention.ms', source: 5 }] })
    t.match(all.get('max.message.bytes'), { value: '1048588', configSource: 5 })
    t.same([...(await describe(['retention.ms'])).keys()], ['retention.ms'])
  })

  await t.test('changes step by step', async t => {
    t.match(await change([['cleanup.policy', 2, 'compact'], ['retention.ms', 1, null], ['segment.bytes', 0, '1000']]), { errorCode: 0 })
    t.equal((await describe(null)).get('cleanup.policy')?.value, 'delete,compact')
    t.match(await change([['cleanup.policy', 3, 'delete']]), { errorCode: 0 })
    t.equal((await describe(null)).get('cleanup.policy')?.value, 'compact')
    t.match((await describe(null)).get('retention.ms'), { configSource: 5 })
  })

  await t.test('changes nothing when one part is wrong, or on trial', async t => {
    t.match(await change([['segment.bytes', 0, '2000'], ['nonsense', 0, '1']]), { errorCode: ErrorCodes.INVALID_CONFIG, errorMessage: 'Unknown topic config name: nonsense' })
    t.match(await change([['segment.bytes', 2, '2000']]), { errorCode: ErrorCodes.INVALID_CONFIG })
    t.match(await change([['segment.bytes', 0, '2000']], true), { errorCode: 0 })
    t.equal((await describe(null)).get('segment.bytes')?.value, '1000')
  })

  await t.test('is replaced as a whole by the older call', async t => {
    const { responses } = await peer.ask(AlterConfigs, { resources: [{ resourceType: 2, resourceName: 'topic', configs: [{ name: 'retention.bytes', value: '5' }] }], validateOnly: false })
    t.match(responses, [{ errorCode: 0 }])
    t.match((await describe(null)).get('segment.bytes'), { configSource: 5 })
    t.match((await describe(null)).get('retention.bytes'), { value: '5', configSource: 1 })
  })

  await t.test('of the broker can be read and not changed', async t => {
    const { results } = await peer.ask(DescribeConfigs, { resources: [{ resourceType: 4, resourceName: '1', configurationKeys: null }, { resourceType: 4, resourceName: '2', configurationKeys: null }] })
    t.ok(results[0]?.configs.some(({ name, value, readOnly }) => name === 'message.max.bytes' && value === '1048588' && readOnly))
    t.equal(results[1]?.errorCode, ErrorCodes.INVALID_REQUEST)
    const { responses } = await peer.ask(IncrementalAlterConfigs, { resources: [{ resourceType: 4, resourceName: '1', configs: [] }], validateOnly: false })
    t.equal(responses[0]?.errorCode, ErrorCodes.INVALID_REQUEST)
  })
})

test('the cluster describes itself', async t => {
  const peer = await startPeer(t, { clusterId: 'mine', nodeId: 7, advertised: { host: 'kafka.example', port: 9 } })
  t.match(await peer.ask(DescribeCluster, { includeClusterAuthorizedOperations: false }), { clusterId: 'mine', controllerId: 7, brokers: [{ brokerId: 7, host: 'kafka.example', port: 9 }] })
  await peer.createTopic('topic')
  t.match((await peer.ask(DescribeLogDirs, { topics: null })).results, [{ errorCode: 0, topics: [{ name: 'topic', partitions: [{ partitionIndex: 0, partitionSize: 0n }] }] }])
})

test('hooks', async t => {
  const peer = await startPeer(t)
  await peer.createTopic('topic')
  const log = peer.broker.log('topic', 0)
  const attempt = async (): Promise<unknown> => {
    const other = new Peer(peer.broker, await connect(t, peer.broker))
    return await other.produce('topic', batchOf(1)).catch((error: unknown) => error)
  }

  await t.test('see every request', async t => {
    const seen: string[] = []
    const stop = peer.broker.onRequest(({ api, clientId }) => {
      seen.push(`${api.name} of ${clientId}`)
      return 'pass'
    })
    await peer.ask(Metadata, { topics: null })
    stop()
    await peer.ask(Metadata, { topics: null })
    t.same(seen, ['Metadata of test'])
  })

  await t.test('disconnect before a request is handled, or after', async t => {
    const end = log.logEndOffset
    let stop = peer.broker.onRequest(Produce, () => 'disconnect')
    t.match(await attempt(), { code: 'CONNECTION_CLOSED' })
    t.equal(log.logEndOffset, end)
    stop()
    stop = peer.broker.onRequest(Produce, () => ({ disconnectAfterHandling: true }))
    t.match(await attempt(), { code: 'CONNECTION_CLOSED' })
    t.equal(log.logEndOffset, end + 1)
    stop()
  })

  await t.test('drop requests, or their answers', async t => {
    const end = log.logEndOffset
    const send = async (): Promise<unknown> => {
      const connection = await connect(t, peer.broker)
      return await connection.request(Produce, { acks: -1, timeoutMs: 1000, topicData: [{ name: 'topic', partitionData: [{ index: 0, records: batchOf(1) }] }] }, { timeoutMs: 50, maxVersion: 12 }).catch((error: unknown) => error)
    }
    let stop = peer.broker.onRequest(Produce, () => 'drop')
    t.match(await send(), { code: 'REQUEST_TIMEOUT' })
    t.equal(log.logEndOffset, end)
    stop()
    stop = peer.broker.onRequest(Produce, () => ({ dropAfterHandling: true }))
    t.match(await send(), { code: 'REQUEST_TIMEOUT' })
    t.equal(log.logEndOffset, end + 1)
    stop()
  })

  await t.test('answer in the broker\'s place, or change what it says', async t => {
    const end = log.logEndOffset
    let stop = peer.broker.onRequest(Produce, ({ body }) => ({
      answer: { responses: body.topicData.map(({ name }) => ({ name, partitionResponses: [{ index: 0, errorCode: 0, baseOffset: 777n }] })) }
    }))
    t.match(await attempt(), { baseOffset: 777n })
    t.equal(log.logEndOffset, end)
    stop()
    stop = peer.broker.onRequest(Metadata, () => ({ transform: response => ({ ...response, clusterId: 'another' }) }))
    t.match(await peer.ask(Metadata, { topics: [] }), { clusterId: 'another' })
    stop()
  })

  await t.test('delay, and what was asked for is done after the client has gone', async t => {
    const end = log.logEndOffset
    let release = (): void => {}
    const held = new Promise<void>(resolve => { release = resolve })
    const stop = peer.broker.onRequest(Produce, async () => {
      await held
      return { delayMs: 1 }
    })
    const connection = await connect(t, peer.broker)
    const request = connection.request(Produce, { acks: -1, timeoutMs: 1000, topicData: [{ name: 'topic', partitionData: [{ index: 0, records: batchOf(1) }] }] }, { timeoutMs: 30, maxVersion: 12 })
    await t.rejects(request, { code: 'REQUEST_TIMEOUT' })
    t.equal(log.logEndOffset, end)
    const appended = new Promise<void>(resolve => { log.changes.add(resolve) })
    release()
    await appended
    t.equal(log.logEndOffset, end + 1)
    stop()
  })
})

test('a newer client than the broker is told what the broker speaks', async t => {
  const peer = await startPeer(t)
  const socket = connectSocket(peer.broker.address.port, peer.broker.address.host)
  t.teardown(() => socket.destroy())
  const request = Buffer.alloc(4 + 10)
  request.writeInt32BE(10, 0)
  request.writeInt16BE(ApiVersions.key, 4)
  request.writeInt16BE(99, 6)
  request.writeInt32BE(5, 8)
  request.writeInt16BE(-1, 12)
  socket.write(request)
  const { header, body } = decodeResponse(ApiVersions, 0, (await nextChunk(socket)).subarray(4))
  t.equal(header.correlationId, 5)
  t.equal(body.errorCode, ErrorCodes.UNSUPPORTED_VERSION)
  t.ok(body.apiKeys.some(({ apiKey, maxVersion }) => apiKey === ApiVersions.key && maxVersion === 4))
})

function nextChunk (socket: Socket): Promise<Buffer> {
  return new Promise(resolve => socket.once('data', resolve))
}

function damaged (batch: Buffer): Buffer {
  const copy = Buffer.from(batch)
  copy.writeUInt8(copy.readUInt8(copy.length - 1) ^ 1, copy.length - 1)
  return copy
}

async function listOffset (peer: Peer, timestamp: number, replicaId = -1): Promise<unknown> {
  const { topics } = await peer.ask(ListOffsets, { replicaId, topics: [{ name: 'topic', partitions: [{ partitionIndex: 0, timestamp: BigInt(timestamp) }] }] })
  return topics[0]?.partitions[0]
}
