import { test } from 'tap'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { Fetch } from '../../protocol/messages/fetch.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { buildBatch } from '../../protocol/records/build-batch.ts'
import { BatchReader } from '../../src/client/admin/batch-reader.ts'
import { Cluster } from '../../src/client/cluster.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import { ScriptedPeer } from '../support/scripted-peer.ts'

const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ'
const COUNT = 300
/** Of partitions: what they do. */
const [SHORT, REFUSED, LEFT_OUT, DAMAGED, NOTHING] = [7, 8, 9, 10, 11]

test('many partitions are read with few requests, and each has its own answer', async t => {
  const peer = await ScriptedPeer.start()
  const { signal } = new AbortController()
  const cluster = new Cluster({ bootstrapServers: [peer.address], clientId: 'test', logger: silentLogger })
  t.teardown(async () => {
    await cluster.close()
    await peer.stop()
  })
  peer.on(Metadata, () => ({ brokers: [{ nodeId: 1, ...peer.address }], controllerId: 1, topics: [] }))
  const asked: Array<readonly number[]> = []
  peer.on(Fetch, ({ body: { topics } }) => {
    const wanted = topics.flatMap(({ partitions }) => partitions)
    asked.push(wanted.map(({ partition }) => partition))
    const partitions = wanted.filter(({ partition }) => partition !== LEFT_OUT).map(({ partition, fetchOffset }) => {
      const isEmpty = (partition === SHORT && wanted.length > 1) || partition === NOTHING
      const batch = buildBatch({ baseOffset: Number(fetchOffset), records: [{ timestamp: partition, value: null }] })
      return {
        partitionIndex: partition,
        errorCode: partition === REFUSED ? ErrorCodes.OFFSET_OUT_OF_RANGE : 0,
        highWatermark: partition === NOTHING ? 5n : 6n,
        records: partition === DAMAGED ? Buffer.alloc(100) : isEmpty || partition === REFUSED ? null : batch
      }
    })
    return { errorCode: 0, responses: [{ topicId: TOPIC_ID, partitions }] }
  })
  await cluster.refresh({ signal })
  const reader = new BatchReader(cluster, { signal })
  const read = (partition: number, offset = 5): ReturnType<BatchReader['read']> => reader.read({ topic: 'a', topicId: TOPIC_ID, partition, offset, maxBytes: 64 * 1024, leader: { leaderId: 1, leaderEpoch: 3 } })
  const answers = await Promise.allSettled([...Array.from({ length: COUNT }, (_, partition) => read(partition)), read(0, 4)])
  const values = answers.map(answer => answer.status === 'fulfilled' ? answer.value : null)
  t.same(values.map((value, index) => value === null ? index : null).filter(index => index !== null), [LEFT_OUT, DAMAGED])
  t.match(answers[LEFT_OUT], { reason: { code: 'BROKER_ERROR' } })
  t.match(values[REFUSED], { errorCode: ErrorCodes.OFFSET_OUT_OF_RANGE, batches: [] })
  t.match(values[NOTHING], { errorCode: 0, highWatermark: 5, batches: [] })
  t.match(values[SHORT], { batches: [{ baseOffset: 5 }] }, 'what did not fit in came by itself')
  t.match(values.at(-1), { batches: [{ baseOffset: 4 }] }, 'a partition is asked for twice, at two offsets')
  const others = values.flatMap((value, partition) => partition < COUNT && partition > NOTHING ? [value?.batches[0]?.baseOffset] : [])
  t.ok(others.length > 0 && others.every(offset => offset === 5))
  t.ok(asked.length <= 6, `${asked.length} requests`)
  t.same(asked.filter(partitions => partitions.length === 1 && partitions[0] === SHORT).length, 1)
  t.ok(asked.every(partitions => new Set(partitions).size === partitions.length))
})
