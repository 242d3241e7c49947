import { test } from 'tap'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { decodeRequest } from '../../protocol/header.ts'
import { AddPartitionsToTxn } from '../../protocol/messages/add-partitions-to-txn.ts'
import { AlterConfigs } from '../../protocol/messages/alter-configs.ts'
import { AlterPartitionReassignments } from '../../protocol/messages/alter-partition-reassignments.ts'
import { CreatePartitions } from '../../protocol/messages/create-partitions.ts'
import { CreateTopics } from '../../protocol/messages/create-topics.ts'
import { DeleteRecords } from '../../protocol/messages/delete-records.ts'
import { DeleteTopics } from '../../protocol/messages/delete-topics.ts'
import { ElectLeaders } from '../../protocol/messages/elect-leaders.ts'
import { Fetch } from '../../protocol/messages/fetch.ts'
import { Heartbeat } from '../../protocol/messages/heartbeat.ts'
import { IncrementalAlterConfigs } from '../../protocol/messages/incremental-alter-configs.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { SaslHandshake } from '../../protocol/messages/sasl-handshake.ts'
import { WriteTxnMarkers } from '../../protocol/messages/write-txn-markers.ts'
import type { Api, RequestInput } from '../../protocol/schema/api.ts'
import { answerWith, emptyAnswer, start, until } from './fixture.ts'

const { POLICY_VIOLATION, OPERATION_NOT_ATTEMPTED, CLUSTER_AUTHORIZATION_FAILED, UNSUPPORTED_VERSION } = ErrorCodes
const RECORDS = Buffer.from('these are records')
const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ'
const TOPIC = 2
const BROKER = 4

function versions (api: Api, max = api.versions.max): number[] {
  return Array.from({ length: max - api.versions.min + 1 }, (_, index) => api.versions.min + index)
}

function produce (topics: Readonly<Record<string, readonly number[]>>, acks = -1): RequestInput<typeof Produce> {
  return {
    acks,
    timeoutMs: 1000,
    topicData: Object.entries(topics).map(([name, partitions]) => ({ name, partitionData: partitions.map(index => ({ index, records: RECORDS })) }))
  }
}

/** Acks everything, in another order than it was asked for, as a broker may. */
const produceAnswer = answerWith(Produce, body => ({
  responses: [...body.topicData].reverse().map(({ name, partitionData }) => ({
    name,
    partitionResponses: partitionData.map(({ index }) => ({ index, errorCode: 0, baseOffset: 7n, logAppendTimeMs: -1n, logStartOffset: 0n }))
  })),
  throttleTimeMs: 3
}))

test('a Produce to a shadow topic is refused in every version, row by row, and the broker hears nothing of it', async t => {
  const { client, broker, sidecar } = await start(t)
  const socket = await client()
  for (const version of versions(Produce, 12)) {
    const answer = await socket.request(Produce, version, produce({ ro: [0, 5], __kshadow_links: [0] }))
    t.strictSame(answer.responses.map(({ name, partitionResponses }) => [name, partitionResponses.map(row => [row.index, row.errorCode, row.baseOffset])]), [
      ['ro', [[0, POLICY_VIOLATION, -1n], [5, POLICY_VIOLATION, -1n]]],
      ['__kshadow_links', [[0, POLICY_VIOLATION, -1n]]]
    ], `v${version}`)
    const messages = answer.responses.map(({ partitionResponses }) => partitionResponses[0]?.errorMessage ?? null)
    if (version < 8) t.strictSame(messages, [null, null])
    else {
      t.match(messages[0], /topic 'ro'.*link 'dr'.*state ACTIVE/)
      t.match(messages[1], /kafka-shadow itself/)
    }
  }
  t.equal(broker.requests.length, 0)
  t.strictSame(sidecar.status().counters.refused, { Produce: 13 })
})

test('a mixed Produce is split, and its answers are put together in the order of the request', async t => {
  const { client, broker } = await start(t)
  broker.answer = produceAnswer
  const socket = await client()
  for (const version of versions(Produce, 12)) {
    const answer = await socket.request(Produce, version, produce({ open: [1], ro: [0], free: [2, 3] }))
    t.strictSame(answer.responses.map(({ name, partitionResponses }) => [name, partitionResponses.map(row => [row.index, row.errorCode, row.baseOffset])]), [
      ['open', [[1, 0, 7n]]],
      ['ro', [[0, POLICY_VIOLATION, -1n]]],
      ['free', [[2, 0, 7n], [3, 0, 7n]]]
    ], `v${version}`)
    t.equal(answer.throttleTimeMs, version >= 1 ? 3 : 0)
    const forwarded = broker.requests.at(-1)
    if (forwarded === undefined) throw new Error('nothing was forwarded')
    const { header, body } = decodeRequest(Produce, version, forwarded.frame)
    t.equal(header.clientId, 'raw')
    t.strictSame(body.topicData.map(({ name, partitionData }) => [name, partitionData.map(row => [row.index, row.records?.toString()])]), [
      ['open', [[1, RECORDS.toString()]]],
      ['free', [[2, RECORDS.toString()], [3, RECORDS.toString()]]]
    ])
  }
})

test('a Produce to open topics goes to the broker byte by byte, and so does its answer', async t => {
  const { client, broker } = await start(t)
  broker.answer = produceAnswer
  const socket = await client()
  for (const version of versions(Produce, 12)) {
    const request = socket.encode(Produce, version, produce({ open: [1, 2], free: [0] }), version % 2 === 0 ? null : 'raw')
    socket.send(request)
    const answer = await socket.next()
    const seen = broker.requests.at(-1)
    if (seen === undefined) throw new Error('nothing was forwarded')
    t.ok(seen.frame.equals(request.subarray(4)))
    t.ok(answer.equals(Buffer.concat(produceAnswer(seen)).subarray(4)))
  }
})

test('with acks=0 the rest is forwarded, and the connection ends after the answers that are owed', async t => {
  for (const version of versions(Produce, 12)) {
    const { client, broker, sidecar } = await start(t)
    let release: () => void = () => {}
    broker.answer = request => {
      if (request.apiKey !== Heartbeat.key) return null
      release = () => { request.socket.write(emptyAnswer(request)) }
      return null
    }
    const socket = await client()
    const heartbeat = socket.encode(Heartbeat, 0, { groupId: 'g', generationId: 1, memberId: 'm' })
    const harmless = socket.encode(Produce, version, produce({ open: [0] }, 0), null)
    const mixed = socket.encode(Produce, version, produce({ free: [1], ro: [0] }, 0), null)
    socket.send(heartbeat, harmless, mixed, socket.encode(Heartbeat, 0, { groupId: 'g', generationId: 1, memberId: 'never read' }))
    await until(() => broker.requests.length === 3)
    t.equal(socket.frames.length, 0)
    release()
    t.equal(await socket.closed, true, `v${version}: closed in order`)
    t.equal(socket.frames.length, 1)
    t.strictSame(broker.keys, [Heartbeat.key, Produce.key, Produce.key])
    const forwarded = broker.requests[2]
    if (forwarded === undefined) throw new Error('nothing was forwarded')
    t.strictSame(decodeRequest(Produce, version, forwarded.frame).body.topicData.map(({ name }) => name), ['free'])
    await until(() => sidecar.status().connections === 0)
    const { counters } = sidecar.status()
    t.equal(counters.disconnects.acks0_refused, 1)
    t.equal(counters.refusedAcks0, 1)
  }
})

test('an acks=0 Produce that is refused as a whole closes without a word to the broker', async t => {
  const { client, broker } = await start(t)
  const socket = await client()
  socket.send(socket.encode(Produce, 9, produce({ ro: [0] }, 0)))
  t.equal(await socket.closed, true)
  t.equal(broker.bytes, 0)
})

test('a transaction that takes in a shadow topic is refused as a whole', async t => {
  const { client, broker } = await start(t)
  const socket = await client()
  for (const version of versions(AddPartitionsToTxn, 3)) {
    const answer = await socket.request(AddPartitionsToTxn, version, {
      v3AndBelowTransactionalId: 't',
      v3AndBelowProducerId: 1n,
      v3AndBelowProducerEpoch: 0,
      v3AndBelowTopics: [{ name: 'open', partitions: [0, 1] }, { name: 'ro', partitions: [2] }]
    })
    t.strictSame(answer.resultsByTopicV3AndBelow.map(({ name, resultsByPartition }) => [name, resultsByPartition.map(row => [row.partitionIndex, row.partitionErrorCode])]), [
      ['open', [[0, OPERATION_NOT_ATTEMPTED], [1, OPERATION_NOT_ATTEMPTED]]],
      ['ro', [[2, POLICY_VIOLATION]]]
    ])
  }
  t.equal(broker.requests.length, 0)
})

test('DeleteRecords, in every version, alone and mixed', async t => {
  const { client, broker } = await start(t)
  broker.answer = answerWith(DeleteRecords, body => ({
    throttleTimeMs: 0,
    topics: [...body.topics].reverse().map(({ name, partitions }) => ({ name, partitions: partitions.map(({ partitionIndex, offset }) => ({ partitionIndex, lowWatermark: offset, errorCode: 0 })) }))
  }))
  const socket = await client()
  const partitions = [{ partitionIndex: 0, offset: 5n }, { partitionIndex: 1, offset: 6n }]
  for (const version of versions(DeleteRecords)) {
    const answer = await socket.request(DeleteRecords, version, { timeoutMs: 1, topics: [{ name: 'free', partitions }, { name: 'ro', partitions }, { name: 'open', partitions }] })
    t.strictSame(answer.topics.map(({ name, partitions: rows }) => [name, rows.map(row => [row.partitionIndex, row.lowWatermark, row.errorCode])]), [
      ['free', [[0, 5n, 0], [1, 6n, 0]]],
      ['ro', [[0, -1n, POLICY_VIOLATION], [1, -1n, POLICY_VIOLATION]]],
      ['open', [[0, 5n, 0], [1, 6n, 0]]]
    ])
    const refused = await socket.request(DeleteRecords, version, { timeoutMs: 1, topics: [{ name: 'ro', partitions }] })
    t.equal(refused.topics.length, 1)
  }
  t.equal(broker.requests.length, versions(DeleteRecords).length)
})

test('DeleteTopics, in every version, alone and mixed', async t => {
  const { client, broker } = await start(t)
  broker.answer = answerWith(DeleteTopics, body => ({ responses: [...body.topicNames].reverse().map(name => ({ name, errorCode: 0 })) }))
  const socket = await client()
  for (const version of versions(DeleteTopics, 5)) {
    const { responses } = await socket.request(DeleteTopics, version, { timeoutMs: 1, topicNames: ['ro', 'free', 'open'] })
    t.strictSame(responses.map(({ name, errorCode }) => [name, errorCode]), [['ro', POLICY_VIOLATION], ['free', 0], ['open', 0]])
    t.equal(responses[0]?.errorMessage?.includes('read-only shadow topic') ?? false, version >= 5)
    const refused = await socket.request(DeleteTopics, version, { timeoutMs: 1, topicNames: ['ro', '__kshadow_links'] })
    t.strictSame(refused.responses.map(row => row.errorCode), [POLICY_VIOLATION, POLICY_VIOLATION])
  }
  t.equal(broker.requests.length, 6)
})

test('CreateTopics, in every version: what a link owns or claims is refused', async t => {
  const { client, broker, links } = await start(t)
  links.link('orders')
  broker.answer = answerWith(CreateTopics, body => ({ topics: [...body.topics].reverse().map(({ name }) => ({ name, errorCode: 0, errorMessage: null })) }))
  const socket = await client()
  const topic = (name: string): RequestInput<typeof CreateTopics>['topics'][number] => ({ name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] })
  for (const version of versions(CreateTopics)) {
    const { topics } = await socket.request(CreateTopics, version, { topics: ['a', 'orders-new', 'ro', 'open'].map(topic) })
    t.strictSame(topics.map(({ name, errorCode }) => [name, errorCode]), [['a', 0], ['orders-new', POLICY_VIOLATION], ['ro', POLICY_VIOLATION], ['open', 0]])
    if (version >= 1) t.match(topics[1]?.errorMessage, /for shadow link 'dr' to create/)
  }
  t.equal(broker.requests.length, versions(CreateTopics).length)
})

test('CreatePartitions, in every version, alone and mixed', async t => {
  const { client, broker } = await start(t)
  broker.answer = answerWith(CreatePartitions, body => ({ throttleTimeMs: 0, results: body.topics.map(({ name }) => ({ name, errorCode: 0 })) }))
  const socket = await client()
  const row = (name: string): RequestInput<typeof CreatePartitions>['topics'][number] => ({ name, count: 9, assignments: null })
  for (const version of versions(CreatePartitions)) {
    const { results } = await socket.request(CreatePartitions, version, { timeoutMs: 1, validateOnly: true, topics: [row('free'), row('ro')] })
    t.strictSame(results.map(({ name, errorCode }) => [name, errorCode]), [['free', 0], ['ro', POLICY_VIOLATION]])
    t.match(results[1]?.errorMessage, /topic 'ro'/)
    t.equal((await socket.request(CreatePartitions, version, { timeoutMs: 1, validateOnly: false, topics: [row('ro')] })).results.length, 1)
  }
  t.equal(broker.requests.length, versions(CreatePartitions).length)
})

test('AlterConfigs and IncrementalAlterConfigs: topics only, in every version', async t => {
  const { client, broker } = await start(t)
  const socket = await client()
  for (const api of [AlterConfigs, IncrementalAlterConfigs]) {
    const rows = [[TOPIC, 'ro'], [BROKER, 'ro'], [TOPIC, 'free']] as const
    const answered = (resources: ReadonlyArray<{ resourceType: number, resourceName: string }>): { throttleTimeMs: number, responses: Array<{ errorCode: number, errorMessage: null, resourceType: number, resourceName: string }> } =>
      ({ throttleTimeMs: 0, responses: [...resources].reverse().map(({ resourceType, resourceName }) => ({ errorCode: 0, errorMessage: null, resourceType, resourceName })) })
    broker.answer = api === AlterConfigs ? answerWith(AlterConfigs, body => answered(body.resources)) : answerWith(IncrementalAlterConfigs, body => answered(body.resources))
    for (const version of versions(api)) {
      const { responses } = await socket.request(api, version, { validateOnly: false, resources: rows.map(([resourceType, resourceName]) => ({ resourceType, resourceName, configs: [] })) })
      t.strictSame(responses.map(row => [row.resourceType, row.resourceName, row.errorCode]), [[TOPIC, 'ro', POLICY_VIOLATION], [BROKER, 'ro', 0], [TOPIC, 'free', 0]])
      t.match(responses[0]?.errorMessage, /read-only shadow topic/)
      t.equal((await socket.request(api, version, { validateOnly: true, resources: [{ resourceType: TOPIC, resourceName: 'ro', configs: [] }] })).responses.length, 1)
    }
  }
  t.equal(broker.requests.length, versions(AlterConfigs).length + versions(IncrementalAlterConfigs).length)
})

test('WriteTxnMarkers is refused with the code that admin clients do not try again', async t => {
  const { client, broker } = await start(t)
  broker.answer = answerWith(WriteTxnMarkers, body => ({
    markers: body.markers.map(({ producerId, topics }) => ({ producerId, topics: topics.map(({ name, partitionIndexes }) => ({ name, partitions: partitionIndexes.map(partitionIndex => ({ partitionIndex, errorCode: 0 })) })) }))
  }))
  const socket = await client()
  const marker = (producerId: bigint, names: readonly string[]): RequestInput<typeof WriteTxnMarkers>['markers'][number] =>
    ({ producerId, producerEpoch: 0, transactionResult: false, coordinatorEpoch: 0, topics: names.map(name => ({ name, partitionIndexes: [0, 1] })) })
  for (const version of versions(WriteTxnMarkers)) {
    const { markers } = await socket.request(WriteTxnMarkers, version, { markers: [marker(1n, ['ro']), marker(2n, ['free', 'ro'])] })
    t.strictSame(markers.map(({ producerId, topics }) => [producerId, topics.map(({ name, partitions }) => [name, partitions.map(row => row.errorCode)])]), [
      [1n, [['ro', [CLUSTER_AUTHORIZATION_FAILED, CLUSTER_AUTHORIZATION_FAILED]]]],
      [2n, [['free', [0, 0]], ['ro', [CLUSTER_AUTHORIZATION_FAILED, CLUSTER_AUTHORIZATION_FAILED]]]]
    ])
    const alone = await socket.request(WriteTxnMarkers, version, { markers: [marker(1n, ['ro'])] })
    t.equal(alone.markers[0]?.topics.length, 1)
  }
  t.equal(broker.requests.length, versions(WriteTxnMarkers).length)
})

test('AlterPartitionReassignments, in every version', async t => {
  const { client, broker } = await start(t)
  broker.answer = answerWith(AlterPartitionReassignments, body => ({
    throttleTimeMs: 0, errorCode: 0, errorMessage: null, responses: body.topics.map(({ name }) => ({ name, partitions: [{ partitionIndex: 0, errorCode: 0, errorMessage: null }] }))
  }))
  const socket = await client()
  for (const version of versions(AlterPartitionReassignments)) {
    const { responses } = await socket.request(AlterPartitionReassignments, version, { topics: ['ro', 'free'].map(name => ({ name, partitions: [{ partitionIndex: 0, replicas: [1] }] })) })
    t.strictSame(responses.map(({ name, partitions }) => [name, partitions[0]?.errorCode]), [['ro', POLICY_VIOLATION], ['free', 0]])
    t.match(responses[0]?.partitions[0]?.errorMessage, /topic 'ro'/)
  }
})

test('ElectLeaders: unclean elections are refused, preferred ones pass', async t => {
  const { client, broker } = await start(t)
  broker.answer = answerWith(ElectLeaders, body => ({
    throttleTimeMs: 0, replicaElectionResults: (body.topicPartitions ?? []).map(({ topic }) => ({ topic, partitionResult: [{ partitionId: 0, errorCode: 0, errorMessage: null }] }))
  }))
  const socket = await client()
  const rows = ['free', 'ro'].map(topic => ({ topic, partitions: [0] }))
  for (const version of versions(ElectLeaders)) {
    const preferred = await socket.request(ElectLeaders, version, { topicPartitions: rows })
    t.strictSame(preferred.replicaElectionResults.map(row => row.partitionResult[0]?.errorCode), [0, 0])
    if (version === 0) continue
    const unclean = await socket.request(ElectLeaders, version, { electionType: 1, topicPartitions: rows })
    t.strictSame(unclean.replicaElectionResults.map(row => row.partitionResult[0]?.errorCode), [0, POLICY_VIOLATION])
    t.equal((await socket.request(ElectLeaders, version, { electionType: 1, topicPartitions: null })).errorCode, POLICY_VIOLATION)
  }
})

test('a question about topics does not create those that a link claims', async t => {
  const { client, broker, links, sidecar } = await start(t)
  links.link('orders')
  const created: string[] = []
  broker.answer = answerWith(Metadata, (body, version) => {
    if (body.allowAutoTopicCreation || version < 4) created.push(...(body.topics ?? []).flatMap(({ name }) => name ?? []))
    return {
      brokers: [{ nodeId: 1, host: 'h', port: 1 }],
      topics: (body.topics ?? []).map(({ name }) => ({ name: name ?? '', errorCode: name === 'free' ? 0 : 3, partitions: [] }))
    }
  })
  const socket = await client()
  for (const version of versions(Metadata)) {
    created.length = 0
    const mixed = await socket.request(Metadata, version, { topics: [{ name: 'orders-1' }, { name: 'free' }, { name: 'ro' }] })
    t.strictSame(mixed.topics.map(({ name, errorCode }) => [name, errorCode]), [['orders-1', 3], ['free', 0], ['ro', 3]], `v${version}`)
    t.strictSame(created, ['free'])
    t.equal(mixed.brokers[0]?.host, '127.0.0.1')
    const claimed = await socket.request(Metadata, version, { topics: [{ name: 'orders-1' }] })
    t.strictSame(claimed.topics.map(({ name }) => name), ['orders-1'])
    t.strictSame(created, ['free'])
  }
  t.notOk('Metadata' in sidecar.status().counters.refused)
})

test('a version above the one that is offered gets an answer that says so', async t => {
  const { client, broker } = await start(t)
  const socket = await client()
  const refused = await socket.request(Produce, 13, { acks: -1, timeoutMs: 1, topicData: [{ topicId: TOPIC_ID, partitionData: [{ index: 4, records: RECORDS }] }] })
  t.strictSame(refused.responses.map(row => [row.topicId, row.partitionResponses.map(({ index, errorCode }) => [index, errorCode])]), [[TOPIC_ID, [[4, UNSUPPORTED_VERSION]]]])
  for (const version of [15, 16, 17, 18]) {
    t.equal((await socket.request(Fetch, version, { maxWaitMs: 0, minBytes: 0, topics: [] })).errorCode, UNSUPPORTED_VERSION)
  }
  const deleted = await socket.request(DeleteTopics, 6, { timeoutMs: 1, topics: [{ name: 'ro', topicId: TOPIC_ID }, { name: null, topicId: TOPIC_ID }] })
  t.strictSame(deleted.responses.map(({ name, errorCode }) => [name, errorCode]), [['ro', UNSUPPORTED_VERSION], [null, UNSUPPORTED_VERSION]])
  for (const version of [4, 5]) t.equal((await socket.request(AddPartitionsToTxn, version, {})).errorCode, UNSUPPORTED_VERSION)
  t.equal((await socket.request(SaslHandshake, 0, { mechanism: 'PLAIN' })).errorCode, UNSUPPORTED_VERSION)
  t.equal(broker.requests.length, 0)
  socket.send(socket.encode(Produce, 13, { acks: 0, timeoutMs: 1, topicData: [{ topicId: TOPIC_ID, partitionData: [] }] }))
  t.equal(await socket.closed, true)
  t.equal(broker.bytes, 0)
})

test('what is not known to be open stays closed while the link state is unknown or stale', async t => {
  const { client, links, broker, sidecar } = await start(t, { isStateKnown: false })
  broker.answer = produceAnswer
  const socket = await client()
  const codes = async (): Promise<number[]> => (await socket.request(Produce, 9, produce({ open: [0], ro: [0], free: [0] }))).responses.map(row => row.partitionResponses[0]?.errorCode ?? NaN)
  t.strictSame(await codes(), [POLICY_VIOLATION, POLICY_VIOLATION, POLICY_VIOLATION])
  t.strictSame(sidecar.status().reasons, ['link_state_unknown'])
  t.equal(sidecar.status().revision, null)
  links.state = links.all
  links.age = 5
  t.strictSame(await codes(), [0, POLICY_VIOLATION, 0])
  t.equal(sidecar.status().state, 'ready')
  links.age = 60_000
  t.strictSame(await codes(), [0, POLICY_VIOLATION, POLICY_VIOLATION])
  t.strictSame(sidecar.status().reasons, ['link_state_stale'])
  const stale = await socket.request(Produce, 9, produce({ free: [0] }))
  t.match(stale.responses[0]?.partitionResponses[0]?.errorMessage, /topic 'free' is read-only: .* stale \(last known 60 s ago\)/)
  // The follower reads everything anew: what was known before still says what was failed over.
  links.state = null
  t.strictSame(await codes(), [0, POLICY_VIOLATION, POLICY_VIOLATION])
})

test('a topic opens on a live connection when it is failed over', async t => {
  const { client, links, broker } = await start(t)
  broker.answer = produceAnswer
  const socket = await client()
  const code = async (): Promise<number | undefined> => (await socket.request(Produce, 11, produce({ ro: [0] }))).responses[0]?.partitionResponses[0]?.errorCode
  t.equal(await code(), POLICY_VIOLATION)
  for (const state of ['FAILING_OVER', 'FAULTED', 'PAUSED', 'PROMOTING'] as const) {
    links.topic('ro', state)
    t.equal(await code(), POLICY_VIOLATION, state)
  }
  links.topic('ro', 'FAILED_OVER')
  t.equal(await code(), 0)
})

test('a topic name of any length gets an answer', async t => {
  const { client, links } = await start(t)
  links.state = null
  const socket = await client()
  const name = 'x'.repeat(32_700)
  const { topics } = await socket.request(CreateTopics, 1, { topics: [{ name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }] })
  t.strictSame(topics.map(row => [row.name, row.errorCode]), [[name, POLICY_VIOLATION]])
  t.match(topics[0]?.errorMessage, /^topic 'x{249}…' is read-only/)
})
