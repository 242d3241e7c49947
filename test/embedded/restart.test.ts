import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { AddOffsetsToTxn } from '../../protocol/messages/add-offsets-to-txn.ts'
import { AddPartitionsToTxn } from '../../protocol/messages/add-partitions-to-txn.ts'
import { DeleteTopics } from '../../protocol/messages/delete-topics.ts'
import { DescribeConfigs } from '../../protocol/messages/describe-configs.ts'
import { DescribeProducers } from '../../protocol/messages/describe-producers.ts'
import { DescribeTransactions } from '../../protocol/messages/describe-transactions.ts'
import { EndTxn } from '../../protocol/messages/end-txn.ts'
import { InitProducerId } from '../../protocol/messages/init-producer-id.ts'
import { ListTransactions } from '../../protocol/messages/list-transactions.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { OffsetCommit } from '../../protocol/messages/offset-commit.ts'
import { OffsetFetch } from '../../protocol/messages/offset-fetch.ts'
import { TxnOffsetCommit } from '../../protocol/messages/txn-offset-commit.ts'
import { ZERO_UUID } from '../../protocol/schema/field.ts'
import { readBatches } from '../../protocol/records/record-batch.ts'
import { EmbeddedBroker } from '../../src/embedded/embedded-broker.ts'
import { batchOf, only, startPeer, temporaryFolder, type Peer } from './peer.ts'

/** Stops a broker and starts the next on the same folder. */
async function restart (t: Test, peer: Peer, dataDir: string): Promise<Peer> {
  await peer.broker.stop()
  return await startPeer(t, { dataDir })
}

async function committed (peer: Peer, groupId: string, requireStable = false): Promise<{ readonly committedOffset: bigint, readonly errorCode: number } | undefined> {
  const { groups } = await peer.ask(OffsetFetch, { groups: [{ groupId, topics: [{ name: 'topic', partitionIndexes: [0] }] }], requireStable }, 8)
  return groups[0]?.topics[0]?.partitions[0]
}

async function newProducer (peer: Peer, transactionalId: string | null = null): Promise<{ readonly producerId: bigint, readonly producerEpoch: number }> {
  const answer = await peer.ask(InitProducerId, { transactionalId, transactionTimeoutMs: 60_000 })
  if (answer.errorCode !== 0) throw new Error(`InitProducerId: ${answer.errorCode}`)
  return { producerId: answer.producerId, producerEpoch: answer.producerEpoch }
}

test('everything is there after a restart', async t => {
  const dataDir = temporaryFolder(t)
  const first = await startPeer(t, { dataDir })
  const topicId = await first.createTopic('topic', { partitions: 2, configs: { 'retention.ms': '-1' } })
  await first.produce('topic', batchOf(4, { producerId: 9, producerEpoch: 0, baseSequence: 0 }))
  first.broker.log('topic', 0).advanceLogStart(2)
  await first.ask(OffsetCommit, { groupId: 'group', topics: [{ name: 'topic', partitions: [{ partitionIndex: 0, committedOffset: 3n, committedLeaderEpoch: 0, committedMetadata: 'm' }] }] }, 9)
  const { producerId } = await newProducer(first)

  const second = await restart(t, first, dataDir)
  t.equal(second.broker.clusterId, first.broker.clusterId)
  t.match((await second.ask(Metadata, { topics: null })).topics, [{ name: 'topic', topicId, partitions: [{ leaderEpoch: 1 }, { leaderEpoch: 1 }] }])
  const { results } = await second.ask(DescribeConfigs, { resources: [{ resourceType: 2, resourceName: 'topic', configurationKeys: ['retention.ms'] }] })
  t.match(results[0]?.configs, [{ value: '-1', configSource: 1 }])
  t.match(await second.fetch('topic', 2), { errorCode: 0, logStartOffset: 2n, highWatermark: 4n })
  t.equal((await second.fetch('topic', 1)).errorCode, ErrorCodes.OFFSET_OUT_OF_RANGE)
  t.match(await second.produce('topic', batchOf(4, { producerId: 9, producerEpoch: 0, baseSequence: 0 })), { errorCode: 0, baseOffset: 0n }, 'a duplicate of what was written before')
  t.match(await committed(second, 'group'), { committedOffset: 3n })
  t.ok((await newProducer(second)).producerId > producerId, 'no producer id is handed out twice')
  t.match(await second.produce('topic', batchOf(1)), { baseOffset: 4n })
  t.equal(only(readBatches((await second.fetch('topic', 4)).records ?? Buffer.alloc(0)).batches).partitionLeaderEpoch, 1)
})

test('a folder belongs to one cluster', async t => {
  const dataDir = temporaryFolder(t)
  const first = await EmbeddedBroker.start({ dataDir, clusterId: 'one' })
  await first.stop()
  await t.rejects(EmbeddedBroker.start({ dataDir, clusterId: 'two' }), { code: 'CONFLICT' })
  const again = await EmbeddedBroker.start({ dataDir })
  t.equal(again.clusterId, 'one')
  await again.stop()
})

test('a folder that holds something else is refused, not overwritten', async t => {
  for (const file of ['topics.json', 'transactions.json', 'committed-offsets.jsonl', 'next-producer-id']) {
    const dataDir = temporaryFolder(t)
    const content = '{"surprise":1}\n'
    writeFileSync(join(dataDir, file), content)
    await t.rejects(EmbeddedBroker.start({ dataDir }), file)
    t.equal(readFileSync(join(dataDir, file), 'utf8'), content)
  }
})

test('what was cut off by the end of the process is no harm', async t => {
  const dataDir = temporaryFolder(t)
  const first = await startPeer(t, { dataDir })
  await first.createTopic('topic')
  await first.createTopic('gone')
  await first.ask(OffsetCommit, { groupId: 'group', topics: [{ name: 'topic', partitions: [{ partitionIndex: 0, committedOffset: 3n, committedMetadata: null }] }] }, 9)
  await first.ask(DeleteTopics, { topics: [{ name: 'gone', topicId: ZERO_UUID }], timeoutMs: 0 })
  await first.broker.stop()
  // A deletion that did not get as far as the files, and a commit that was never acknowledged.
  const stray = join(dataDir, 'logs', 'gone-0')
  mkdirSync(stray)
  writeFileSync(join(stray, '00000000000000000000.log'), batchOf(5))
  appendFileSync(join(dataDir, 'committed-offsets.jsonl'), '{"group":"group","topic":"top')

  const second = await startPeer(t, { dataDir })
  t.notOk(existsSync(stray))
  t.match(await committed(second, 'group'), { committedOffset: 3n })
  await second.createTopic('gone')
  t.equal(second.broker.log('gone', 0).logEndOffset, 0)
})

test('transactions', async t => {
  const begin = async (peer: Peer, transactionalId: string): Promise<{ readonly producerId: bigint, readonly producerEpoch: number }> => {
    const producer = await newProducer(peer, transactionalId)
    const { resultsByTopicV3AndBelow } = await peer.ask(AddPartitionsToTxn, {
      v3AndBelowTransactionalId: transactionalId,
      v3AndBelowProducerId: producer.producerId,
      v3AndBelowProducerEpoch: producer.producerEpoch,
      v3AndBelowTopics: [{ name: 'topic', partitions: [0] }]
    })
    t.equal(resultsByTopicV3AndBelow[0]?.resultsByPartition[0]?.partitionErrorCode, 0)
    t.match(await peer.produce('topic', batchOf(1, { producerId: Number(producer.producerId), producerEpoch: producer.producerEpoch, baseSequence: 0, isTransactional: true }), { transactionalId }), { errorCode: 0 })
    return producer
  }
  const commitOffset = async (peer: Peer, transactionalId: string, producer: { readonly producerId: bigint, readonly producerEpoch: number }): Promise<void> => {
    t.match(await peer.ask(AddOffsetsToTxn, { transactionalId, ...producer, groupId: 'group' }), { errorCode: 0 })
    const { topics } = await peer.ask(TxnOffsetCommit, { transactionalId, ...producer, groupId: 'group', topics: [{ name: 'topic', partitions: [{ partitionIndex: 0, committedOffset: 8n, committedMetadata: null }] }] })
    t.equal(topics[0]?.partitions[0]?.errorCode, 0)
  }

  await t.test('hold back the stable end and the offsets until they end', async t => {
    const peer = await startPeer(t)
    await peer.createTopic('topic')
    const producer = await begin(peer, 'tx')
    await commitOffset(peer, 'tx', producer)
    t.match(await committed(peer, 'group', true), { errorCode: ErrorCodes.UNSTABLE_OFFSET_COMMIT })
    t.match(await committed(peer, 'group'), { errorCode: 0, committedOffset: -1n })
    t.match(await peer.fetch('topic', 0, { isolationLevel: 1 }), { lastStableOffset: 0n, highWatermark: 1n, records: Buffer.alloc(0) })
    t.match((await peer.ask(ListTransactions, { stateFilters: ['Ongoing', 'Dreaming'], producerIdFilters: [] })), { unknownStateFilters: ['Dreaming'], transactionStates: [{ transactionalId: 'tx' }] })
    t.match((await peer.ask(DescribeTransactions, { transactionalIds: ['tx', 'none'] })).transactionStates, [{ transactionState: 'Ongoing', topics: [{ topic: 'topic', partitions: [0] }] }, { errorCode: ErrorCodes.TRANSACTIONAL_ID_NOT_FOUND }])
    t.match((await peer.ask(DescribeProducers, { topics: [{ name: 'topic', partitionIndexes: [0] }] })).topics[0]?.partitions[0]?.activeProducers, [{ producerId: producer.producerId, currentTxnStartOffset: 0n, lastSequence: 0 }])
    const end = { transactionalId: 'tx', ...producer, committed: true }
    t.match(await peer.ask(EndTxn, end), { errorCode: 0 })
    t.match(await peer.ask(EndTxn, end), { errorCode: 0 }, 'the same once more: its answer may have been lost')
    t.match(await peer.ask(EndTxn, { ...end, committed: false }), { errorCode: ErrorCodes.INVALID_TXN_STATE })
    t.match(await committed(peer, 'group', true), { committedOffset: 8n })
    const fetched = await peer.fetch('topic', 0, { isolationLevel: 1 })
    t.match(fetched, { lastStableOffset: 2n, abortedTransactions: [] })
    t.match(readBatches(fetched.records ?? Buffer.alloc(0)).batches.map(({ isControl }) => isControl), [false, true])
  })

  await t.test('are announced to readers when they were aborted', async t => {
    const peer = await startPeer(t)
    await peer.createTopic('topic')
    const producer = await begin(peer, 'tx')
    await peer.ask(EndTxn, { transactionalId: 'tx', ...producer, committed: false })
    t.match(await peer.fetch('topic', 0, { isolationLevel: 1 }), { lastStableOffset: 2n, abortedTransactions: [{ producerId: producer.producerId, firstOffset: 0n }] })
    t.equal((await peer.fetch('topic', 0)).abortedTransactions, null)
  })

  await t.test('take only batches of partitions that were added, from the producer that holds the name', async t => {
    const peer = await startPeer(t)
    await peer.createTopic('topic')
    const producer = await newProducer(peer, 'tx')
    const send = async (epoch: number, transactionalId = 'tx'): Promise<number> =>
      (await peer.produce('topic', batchOf(1, { producerId: Number(producer.producerId), producerEpoch: epoch, baseSequence: 0, isTransactional: true }), { transactionalId })).errorCode
    t.equal(await send(0), ErrorCodes.INVALID_TXN_STATE)
    t.equal(await send(0, 'other'), ErrorCodes.INVALID_PRODUCER_ID_MAPPING)
    t.equal((await newProducer(peer, 'tx')).producerEpoch, 1)
    t.equal(await send(0), ErrorCodes.INVALID_PRODUCER_EPOCH)
  })

  await t.test('that were open at a restart are aborted, and their producer is fenced', async t => {
    const dataDir = temporaryFolder(t)
    const first = await startPeer(t, { dataDir })
    await first.createTopic('topic')
    const producer = await begin(first, 'tx')
    await commitOffset(first, 'tx', producer)
    const second = await restart(t, first, dataDir)
    t.match(await second.fetch('topic', 0, { isolationLevel: 1 }), { lastStableOffset: 2n, abortedTransactions: [{ firstOffset: 0n }] })
    t.match(await committed(second, 'group', true), { errorCode: 0, committedOffset: -1n })
    t.match(await second.ask(EndTxn, { transactionalId: 'tx', ...producer, committed: true }), { errorCode: ErrorCodes.PRODUCER_FENCED })
  })

  await t.test('that were being committed at a restart are committed', async t => {
    const dataDir = temporaryFolder(t)
    const first = await startPeer(t, { dataDir })
    await first.createTopic('topic')
    const producer = await begin(first, 'tx')
    await first.broker.stop()
    // As it is between the decision and its markers.
    const file = join(dataDir, 'transactions.json')
    writeFileSync(file, JSON.stringify([{
      transactionalId: 'tx',
      producerId: Number(producer.producerId),
      producerEpoch: producer.producerEpoch,
      state: 'PrepareCommit',
      timeoutMs: 1000,
      startedAtMs: 0,
      partitions: [{ topic: 'topic', partition: 0 }],
      groupIds: ['group'],
      offsets: [{ groupId: 'group', topic: 'topic', partition: 0, offset: 8, leaderEpoch: -1, metadata: '' }]
    }]))
    const second = await startPeer(t, { dataDir })
    t.match(await second.fetch('topic', 0, { isolationLevel: 1 }), { lastStableOffset: 2n, abortedTransactions: [] })
    t.match(await committed(second, 'group', true), { committedOffset: 8n })
    t.match(await second.ask(EndTxn, { transactionalId: 'tx', ...producer, committed: true }), { errorCode: 0 })
  })
})
