import { Writable } from 'node:stream'
import { test } from 'tap'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { decodeResponse, encodeResponse } from '../../protocol/header.ts'
import { ApiVersions } from '../../protocol/messages/api-versions.ts'
import { DescribeCluster } from '../../protocol/messages/describe-cluster.ts'
import { FindCoordinator } from '../../protocol/messages/find-coordinator.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { APIS } from '../../protocol/messages/registry.ts'
import type { Api } from '../../protocol/schema/api.ts'
import { createLogger } from '../../src/observability/logger.ts'
import { offerOf } from '../../src/proxy/offers.ts'
import type { RawClient } from '../support/raw-client.ts'
import { answerWith, POISON, start, until } from './fixture.ts'

const HIDDEN = 1001

function versions (api: Api, max = api.versions.max): number[] {
  return Array.from({ length: max - api.versions.min + 1 }, (_, index) => api.versions.min + index)
}

function hasPoison ({ received }: RawClient): boolean {
  return Buffer.concat(received).includes(POISON.host)
}

const metadataAnswer = answerWith(Metadata, () => ({
  brokers: [1, 2, HIDDEN].map(nodeId => ({ nodeId, ...POISON, rack: 'r1' })),
  controllerId: HIDDEN,
  clusterId: 'c',
  topics: [{
    errorCode: 0,
    name: 't',
    partitions: [1, HIDDEN, -1].map((leaderId, partitionIndex) => ({ errorCode: 0, partitionIndex, leaderId, leaderEpoch: 4, replicaNodes: [1, HIDDEN], isrNodes: [1] }))
  }]
}))

test('Metadata names ports of the sidecar, and hides a broker without one', async t => {
  const lines: string[] = []
  const destination = new Writable({ write (line: Buffer, _, done) { lines.push(line.toString()); done() } })
  const { client, broker, portOf, sidecar } = await start(t, { nodeIds: '1-2', logger: createLogger({ level: 'error', pretty: false, destination }) })
  broker.answer = metadataAnswer
  const socket = await client()
  for (const version of versions(Metadata)) {
    const body = await socket.request(Metadata, version, { topics: version === 0 ? [] : null })
    t.strictSame(body.brokers.map(({ nodeId, host, port }) => [nodeId, host, port]), [[1, '127.0.0.1', portOf(1)], [2, '127.0.0.1', portOf(2)]], `v${version}`)
    t.equal(body.controllerId, -1)
    t.strictSame(body.topics[0]?.partitions.map(row => [row.leaderId, row.errorCode]), [[1, 0], [-1, ErrorCodes.LEADER_NOT_AVAILABLE], [-1, 0]])
    if (version >= 1) t.equal(body.brokers[0]?.rack, 'r1')
    if (version >= 2) t.equal(body.clusterId, 'c')
  }
  t.notOk(hasPoison(socket))
  t.strictSame(sidecar.status().hiddenNodeIds, [HIDDEN])
  t.strictSame(sidecar.status().reasons, ['node_ids_out_of_range'])
  t.equal(lines.length, 1, 'said once, and loudly')
  t.match(lines[0], /broker 1001 of the shadow cluster is outside the configured node_ids/)
})

test('FindCoordinator names ports of the sidecar', async t => {
  const { client, broker, portOf } = await start(t)
  const socket = await client()
  for (const version of versions(FindCoordinator)) {
    for (const nodeId of [1, HIDDEN]) {
      broker.answer = answerWith(FindCoordinator, body => version < 4
        ? { nodeId, ...POISON, errorMessage: null }
        : { coordinators: body.coordinatorKeys.map((key, index) => ({ key, nodeId: index === 0 ? nodeId : -1, ...POISON, errorCode: index === 0 ? 0 : 15, errorMessage: null })) })
      const body = await socket.request(FindCoordinator, version, version < 4 ? { key: 'g' } : { coordinatorKeys: ['g', 'h'] })
      const rows = version < 4 ? [body] : body.coordinators
      const expected = nodeId === 1 ? [1, '127.0.0.1', portOf(1), 0] : [-1, '', -1, ErrorCodes.COORDINATOR_NOT_AVAILABLE]
      t.strictSame(rows.map(row => [row.nodeId, row.host, row.port, row.errorCode])[0], expected, `v${version}`)
      if (version >= 4) t.strictSame([body.coordinators[1]?.key, body.coordinators[1]?.host, body.coordinators[1]?.errorCode], ['h', '', 15])
    }
  }
  t.notOk(hasPoison(socket))
})

test('DescribeCluster names ports of the sidecar, and no controllers', async t => {
  const { client, broker, portOf } = await start(t)
  const socket = await client()
  for (const version of versions(DescribeCluster)) {
    for (const endpointType of version === 0 ? [1] : [1, 2]) {
      broker.answer = answerWith(DescribeCluster, body => ({
        throttleTimeMs: 0, errorCode: 0, endpointType: body.endpointType, clusterId: 'c', controllerId: 1, brokers: [1, HIDDEN].map(brokerId => ({ brokerId, ...POISON }))
      }))
      const body = await socket.request(DescribeCluster, version, { includeClusterAuthorizedOperations: false, endpointType })
      if (endpointType === 1) t.strictSame(body.brokers.map(row => [row.brokerId, row.host, row.port]), [[1, '127.0.0.1', portOf(1)]])
      else t.strictSame([body.brokers, body.controllerId, body.errorCode], [[], -1, ErrorCodes.MISMATCHED_ENDPOINT_TYPE])
    }
  }
  t.notOk(hasPoison(socket))
})

test('the new leaders in answers to Produce: endpoint and hint are rewritten together or left out together', async t => {
  const { client, broker, portOf } = await start(t)
  const answer = answerWith(Produce, () => ({
    responses: [{ name: 'open', partitionResponses: [1, HIDDEN].map((leaderId, index) => ({ index, errorCode: 6, baseOffset: -1n, currentLeader: { leaderId, leaderEpoch: 9 } })) }],
    nodeEndpoints: [1, HIDDEN].map(nodeId => ({ nodeId, ...POISON, rack: null }))
  }))
  broker.answer = answer
  const socket = await client()
  for (const version of [10, 11, 12]) {
    const body = await socket.request(Produce, version, { acks: -1, timeoutMs: 1, topicData: [{ name: 'open', partitionData: [{ index: 0, records: null }, { index: 1, records: null }] }] })
    t.strictSame(body.nodeEndpoints.map(row => [row.nodeId, row.host, row.port]), [[1, '127.0.0.1', portOf(1)]])
    t.strictSame(body.responses[0]?.partitionResponses.map(row => row.currentLeader.leaderId), [1, -1])
    // The same through the merge of a split request.
    const merged = await socket.request(Produce, version, { acks: -1, timeoutMs: 1, topicData: ['ro', 'open'].map(name => ({ name, partitionData: [{ index: 0, records: null }] })) })
    t.strictSame(merged.nodeEndpoints.map(row => [row.nodeId, row.host, row.port]), [[1, '127.0.0.1', portOf(1)]])
    t.strictSame(merged.responses.map(row => row.name), ['ro', 'open'])
    t.strictSame(merged.responses[1]?.partitionResponses.map(row => row.currentLeader.leaderId), [1, -1])
  }
  t.notOk(hasPoison(socket))
})

test('ApiVersions: maxima are lowered, minima and features stay, and what is not offered is left out', async t => {
  const { client, broker } = await start(t)
  const features = [{ name: 'transaction.version', minVersion: 0, maxVersion: 2 }]
  const rows = [[0, 3, 99], [1, 4, 99], [3, 0, 5], [18, 0, 4], [20, 6, 6], [24, 0, 5], [55, 0, 2], [58, 0, 0], [78, 1, 2], [10_000, 0, 1]] as const
  broker.answer = answerWith(ApiVersions, () => ({
    errorCode: 0,
    apiKeys: rows.map(([apiKey, minVersion, maxVersion]) => ({ apiKey, minVersion, maxVersion })),
    supportedFeatures: features,
    finalizedFeaturesEpoch: 7n,
    finalizedFeatures: [{ name: 'transaction.version', maxVersionLevel: 2, minVersionLevel: 2 }]
  }))
  const socket = await client()
  for (const version of versions(ApiVersions)) {
    const body = await socket.request(ApiVersions, version, { clientSoftwareName: 'x', clientSoftwareVersion: '1' })
    t.strictSame(body.apiKeys.map(row => [row.apiKey, row.minVersion, row.maxVersion]), [[0, 3, 12], [1, 4, 14], [3, 0, 5], [18, 0, 4], [24, 0, 3], [55, 0, 1]])
    if (version < 3) continue
    t.match(body.supportedFeatures, features)
    t.equal(body.finalizedFeaturesEpoch, 7n)
  }
})

test('ApiVersions: a broker that is too old answers in version 0, and a client that is too new gets that from here', async t => {
  const { client, broker } = await start(t)
  broker.answer = ({ correlationId }) => encodeResponse(ApiVersions, 0, { correlationId }, { errorCode: ErrorCodes.UNSUPPORTED_VERSION, apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 2 }] })
  const socket = await client()
  socket.send(socket.encode(ApiVersions, 4, { clientSoftwareName: 'x', clientSoftwareVersion: '1' }))
  const fromBroker = decodeResponse(ApiVersions, 0, await socket.next())
  t.strictSame(fromBroker.body.apiKeys.map(row => row.maxVersion), [2])
  const request = socket.encode(ApiVersions, 4, { clientSoftwareName: 'x', clientSoftwareVersion: '1' })
  request.writeInt16BE(5, 6)
  socket.send(request)
  const fromHere = decodeResponse(ApiVersions, 0, await socket.next())
  t.equal(fromHere.body.errorCode, ErrorCodes.UNSUPPORTED_VERSION)
  t.strictSame(fromHere.body.apiKeys.map(row => [row.apiKey, row.minVersion, row.maxVersion]), [[18, 0, 4]])
  t.equal(broker.requests.length, 1)
})

test('every API that is declared has been decided about', async t => {
  // Only brokers and controllers speak these, and whoever makes a cluster forget a broker is no client of topics.
  const notOffered = new Set(['AllocateProducerIds', 'AlterPartition', 'BrokerHeartbeat', 'BrokerRegistration', 'FetchSnapshot', 'UnregisterBroker'])
  for (const { key, name } of APIS.values()) {
    if (notOffered.has(name)) t.equal(offerOf(key), null, `${name} is not offered`)
    else t.equal(offerOf(key)?.name, name, `${name} is offered, harmless or judged (src/proxy/offers.ts)`)
  }
})

test('what carries addresses is only offered in versions that are rewritten', async t => {
  // Every declared answer with a host in it, and the first version that has it.
  const withHosts: string[] = []
  for (const api of APIS.values()) {
    const source = JSON.stringify(api.response.fields, (_, value: unknown) => typeof value === 'bigint' ? String(value) : value)
    if (source.includes('"entity":"host"')) withHosts.push(api.name)
  }
  // The hosts of ACLs are those that clients come from.
  t.strictSame(withHosts.sort(), ['DeleteAcls', 'DescribeAcls', 'DescribeCluster', 'DescribeQuorum', 'Fetch', 'FetchSnapshot', 'FindCoordinator', 'Metadata', 'Produce'])
  t.ok((offerOf(1)?.maxVersion ?? 99) < 16, 'Fetch has endpoints from 16 on')
  t.equal(offerOf(55)?.maxVersion, 1, 'DescribeQuorum has those of the controllers from 2 on')
  t.equal(offerOf(59), null, 'FetchSnapshot is for brokers')
})

test('each port leads to its node, and the bootstrap port to any', async t => {
  const { client, sidecar, broker } = await start(t, { nodeIds: '1,100', brokerIds: [100, 2147483647] })
  broker.answer = metadataAnswer
  t.strictSame(sidecar.status().ports.map(({ nodeId }) => nodeId), [1, 100])
  t.strictSame((await (await client(100)).request(Metadata, 1, { topics: null })).brokers.map(row => row.nodeId), [1])
  t.strictSame((await (await client()).request(Metadata, 1, { topics: null })).brokers.map(row => row.nodeId), [1])
  const unknown = await client(1)
  await unknown.closed
  t.equal(sidecar.status().counters.disconnects.upstream_unknown, 1)
  await until(() => sidecar.status().hiddenNodeIds.length > 0)
  t.ok(sidecar.status().hiddenNodeIds.includes(2147483647))
})
