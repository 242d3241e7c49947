import { test } from 'tap'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { decodeRequest } from '../../protocol/header.ts'
import { Fetch } from '../../protocol/messages/fetch.ts'
import { ListOffsets } from '../../protocol/messages/list-offsets.ts'
import { OffsetForLeaderEpoch } from '../../protocol/messages/offset-for-leader-epoch.ts'
import { LOG_END, follower, offsetsOf, startReplica, versions } from './follower-fixture.ts'

const { LEADER_NOT_AVAILABLE, NOT_LEADER_OR_FOLLOWER, OFFSET_NOT_AVAILABLE, OFFSET_OUT_OF_RANGE, FENCED_LEADER_EPOCH } = ErrorCodes

test('ListOffsets, in every version: a follower answers what a leader would', async t => {
  const { client, broker, sidecar } = await startReplica(t)
  broker.answer = follower()
  const socket = await client()
  const timestamps = [-1n, -2n, 1000n, 2000n, 3000n, 4000n]
  for (const version of versions(ListOffsets, 1)) {
    for (const isolationLevel of version >= 2 ? [0, 1] : [0]) {
      const body = await socket.request(ListOffsets, version, offsetsOf(timestamps, isolationLevel))
      const rows = body.topics[0]?.partitions
      t.strictSame(rows?.map(({ errorCode, offset }) => [errorCode, offset]), (isolationLevel === 0 ? [90n, 5n, 70n, 85n, -1n, -1n] : [80n, 5n, 70n, -1n, -1n, -1n]).map(offset => [0, offset]), `v${version}, isolation level ${isolationLevel}`)
      if (version >= 4) t.strictSame(rows?.slice(0, 2).map(({ leaderEpoch }) => leaderEpoch), [4, 4])
      t.equal(body.throttleTimeMs, version >= 2 ? 9 : 0)
    }
  }
  const special = await socket.request(ListOffsets, 11, offsetsOf([-3n, -4n, -5n], 1))
  t.strictSame(special.topics[0]?.partitions.map(({ offset }) => offset), [-1n, 6n, -1n])
  const maximum = await socket.request(ListOffsets, 11, offsetsOf([-3n], 0))
  t.equal(maximum.topics[0]?.partitions[0]?.offset, 85n)
  t.strictSame(sidecar.status().counters.refused, {})
})

test('ListOffsets v0: the list begins with what consumers can read', async t => {
  const { client, broker } = await startReplica(t)
  broker.answer = follower()
  const body = await (await client()).request(ListOffsets, 0, offsetsOf([-1n, -2n, 1000n], 0, -1, 2))
  t.strictSame(body.topics[0]?.partitions.map(({ oldStyleOffsets }) => oldStyleOffsets), [[90n, 50n], [5n], [70n]])
})

test('ListOffsets asks for no more than it needs', async t => {
  const { client, broker } = await startReplica(t)
  broker.answer = follower()
  const socket = await client()
  const keys = async (timestamps: readonly bigint[]): Promise<number[]> => {
    broker.requests.length = 0
    await socket.request(ListOffsets, 7, offsetsOf(timestamps, 0))
    return broker.keys
  }
  t.strictSame(await keys([-2n]), [2])
  t.strictSame(await keys([-1n]), [2, 1])
  t.strictSame(await keys([-1n, 1000n]), [2, 2, 1])
  const asked = decodeRequest(Fetch, 11, broker.requests.at(-1)?.frame ?? Buffer.alloc(0)).body
  t.match(asked, { maxWaitMs: 0, minBytes: 0, maxBytes: 1, sessionId: 0, sessionEpoch: -1 })
  broker.answer = follower({ listError: ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION })
  t.strictSame(await keys([-1n]), [2], 'there is no end to fetch at')
})

test('ListOffsets of both kinds of topics is split, and answered in the order of the request', async t => {
  const { client, broker } = await startReplica(t)
  broker.answer = follower()
  const socket = await client()
  for (const version of versions(ListOffsets, 1)) {
    const latest = [{ partitionIndex: 0, timestamp: -1n }]
    const body = await socket.request(ListOffsets, version, { replicaId: -1, topics: ['free', 'ro', 'other'].map(name => ({ name, partitions: latest })) })
    t.strictSame(body.topics.map(({ name, partitions }) => [name, partitions[0]?.errorCode, partitions[0]?.offset]), [['free', 0, 1n], ['ro', 0, 90n], ['other', NOT_LEADER_OR_FOLLOWER, -1n]])
  }
})

test('ListOffsets: errors of a follower are told, and an end that went back is not available', async t => {
  const { client, broker } = await startReplica(t)
  const socket = await client()
  const codes = async (version: number, epoch = -1): Promise<unknown> => (await socket.request(ListOffsets, version, offsetsOf([-1n, 1000n, -2n], 0, epoch))).topics[0]?.partitions.map(({ errorCode }) => errorCode)
  broker.answer = follower()
  t.strictSame(await codes(6, 4), [0, 0, 0])
  t.strictSame(await codes(6, 3), [FENCED_LEADER_EPOCH, FENCED_LEADER_EPOCH, FENCED_LEADER_EPOCH])
  broker.answer = follower({ fetchError: OFFSET_OUT_OF_RANGE })
  t.strictSame(await codes(5), [OFFSET_NOT_AVAILABLE, OFFSET_NOT_AVAILABLE, 0])
  t.strictSame(await codes(4), [LEADER_NOT_AVAILABLE, LEADER_NOT_AVAILABLE, 0])
  broker.answer = follower({ fetchError: ErrorCodes.TOPIC_AUTHORIZATION_FAILED })
  t.strictSame(await codes(5), [ErrorCodes.TOPIC_AUTHORIZATION_FAILED, ErrorCodes.TOPIC_AUTHORIZATION_FAILED, 0])
})

test('OffsetForLeaderEpoch, in every version: all there is belongs to epoch 0, up to the end of the log', async t => {
  const { client, broker } = await startReplica(t)
  broker.answer = follower()
  const socket = await client()
  for (const version of versions(OffsetForLeaderEpoch)) {
    const body = await socket.request(OffsetForLeaderEpoch, version, {
      replicaId: -1,
      topics: [
        { topic: 'free', partitions: [{ partition: 3, leaderEpoch: 2 }] },
        { topic: 'ro', partitions: [0, 7, -1].map((leaderEpoch, partition) => ({ partition, leaderEpoch, currentLeaderEpoch: -1 })) }
      ]
    })
    const epoch = (leaderEpoch: number): number => version >= 1 ? leaderEpoch : -1
    t.strictSame(body.topics.map(({ topic, partitions }) => [topic, partitions.map(row => [row.errorCode, row.partition, row.leaderEpoch, row.endOffset])]), [
      ['free', [[0, 3, epoch(2), 9n]]],
      ['ro', [[0, 0, epoch(0), LOG_END], [0, 1, epoch(0), LOG_END], [0, 2, -1, -1n]]]
    ], `v${version}`)
    t.equal(body.throttleTimeMs, version >= 2 ? 2 : 0)
  }
})

test('OffsetForLeaderEpoch: what the broker says by itself counts, and what is not known stays its answer', async t => {
  const { client, broker } = await startReplica(t)
  broker.answer = follower()
  const socket = await client()
  const ask = async (currentLeaderEpoch: number): Promise<unknown> => {
    const body = await socket.request(OffsetForLeaderEpoch, 4, { replicaId: -1, topics: [{ topic: 'ro', partitions: [{ partition: 0, leaderEpoch: 1, currentLeaderEpoch }] }] })
    return body.topics[0]?.partitions.map(({ errorCode, endOffset }) => [errorCode, endOffset])
  }
  t.strictSame(await ask(3), [[FENCED_LEADER_EPOCH, -1n]])
  t.strictSame(await ask(4), [[0, LOG_END]])
  broker.answer = follower({ listError: NOT_LEADER_OR_FOLLOWER })
  t.strictSame(await ask(4), [[NOT_LEADER_OR_FOLLOWER, -1n]])
})
