import { test } from 'tap'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { ApiVersions } from '../../protocol/messages/api-versions.ts'
import { Fetch } from '../../protocol/messages/fetch.ts'
import type { RequestInput, ResponseOf } from '../../protocol/schema/api.ts'
import { answerWith, emptyAnswer, start, type Fixture } from './fixture.ts'
import { startReplica, versions } from './follower-fixture.ts'

const { CLUSTER_AUTHORIZATION_FAILED } = ErrorCodes
const LAST_OFFERED = 14
/** The first version in which a client has to say which topic by its id. */
const IDS_VERSION = 13
const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ'

function fetchAs (replicaId: number, version: number): RequestInput<typeof Fetch> {
  return {
    replicaId,
    maxWaitMs: 0,
    minBytes: 0,
    topics: [{ ...(version >= IDS_VERSION ? { topicId: TOPIC_ID } : { topic: 'free' }), partitions: [{ partition: 3, fetchOffset: 1000n, partitionMaxBytes: 1 }] }]
  }
}

/** The errors of an answer: of all of it, and of its partitions. */
function errorsOf ({ errorCode, responses }: ResponseOf<typeof Fetch>): unknown {
  return [errorCode, responses.flatMap(({ partitions }) => partitions.map(row => [row.partitionIndex, row.errorCode]))]
}

const fetched = answerWith(Fetch, ({ topics }) => ({
  responses: topics.map(({ topic, topicId, partitions }) => ({ topic, topicId, partitions: partitions.map(({ partition }) => ({ partitionIndex: partition, errorCode: 0, highWatermark: 0n, records: null })) }))
}))

for (const [name, begin] of [['without a link', start], ['with a link in append mode replica', startReplica]] as const) {
  test(`${name}, nobody fetches as a replica, in any version: the broker would count records as copied`, async t => {
    const { client, broker, sidecar }: Fixture = await begin(t)
    broker.answer = fetched
    const socket = await client()
    for (const version of versions(Fetch, 0, LAST_OFFERED)) {
      for (const replicaId of [0, 1, 2147483647]) {
        const answer = await socket.request(Fetch, version, fetchAs(replicaId, version))
        t.strictSame(errorsOf(answer), version >= 7 ? [CLUSTER_AUTHORIZATION_FAILED, []] : [0, [[3, CLUSTER_AUTHORIZATION_FAILED]]], `v${version} as ${replicaId}`)
      }
    }
    t.equal(broker.requests.length, 0)
    t.strictSame(sidecar.status().counters.refused, { Fetch: 3 * (LAST_OFFERED + 1) })
    for (const version of versions(Fetch, 0, LAST_OFFERED)) {
      for (const replicaId of [-1, -2]) t.strictSame(errorsOf(await socket.request(Fetch, version, fetchAs(replicaId, version))), [0, [[3, 0]]], `v${version} as ${replicaId}`)
    }
    t.equal(broker.requests.length, 2 * (LAST_OFFERED + 1))
  })
}

test('a version in which who fetches is not at a fixed place is not offered', async t => {
  const { client, broker } = await start(t)
  const socket = await client()
  const answer = await socket.request(Fetch, 15, { maxWaitMs: 0, minBytes: 0, replicaState: { replicaId: 1, replicaEpoch: -1n }, topics: [] })
  t.equal(answer.errorCode, ErrorCodes.UNSUPPORTED_VERSION)
  broker.answer = answerWith(ApiVersions, () => ({ errorCode: 0, apiKeys: [{ apiKey: Fetch.key, minVersion: 4, maxVersion: 18 }] }))
  const { apiKeys } = await socket.request(ApiVersions, 3, { clientSoftwareName: 'test', clientSoftwareVersion: '1' })
  t.strictSame(apiKeys.map(({ minVersion, maxVersion }) => [minVersion, maxVersion]), [[4, LAST_OFFERED]])
})

test('a Fetch that comes byte by byte is judged as one that comes at once, and streams from there', async t => {
  const { client, broker } = await start(t)
  broker.answer = emptyAnswer
  const socket = await client()
  const bytes = socket.encode(Fetch, 12, { ...fetchAs(-1, 12), rackId: 'r'.repeat(1000) })
  for (let at = 0; at < 60; at++) {
    socket.send(bytes.subarray(at, at + 1))
    await new Promise(resolve => { setImmediate(resolve) })
  }
  socket.send(bytes.subarray(60))
  await socket.next()
  t.ok(broker.requests[0]?.frame.equals(bytes.subarray(4)))
  const refused = socket.encode(Fetch, 12, fetchAs(1, 12))
  for (const byte of refused) {
    socket.send(Buffer.from([byte]))
    await new Promise(resolve => { setImmediate(resolve) })
  }
  t.equal((await socket.next()).readInt32BE(0), 2)
  t.equal(broker.requests.length, 1)
})
