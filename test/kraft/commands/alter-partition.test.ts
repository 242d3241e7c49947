import { test } from 'tap'
import { AlterPartition } from '../../../protocol/messages/alter-partition.ts'
import type { RequestOf } from '../../../protocol/schema/api.ts'
import { alterPartition } from '../../../src/kraft/commands/alter-partition.ts'
import { setUpQuorum } from '../scripted-quorum.ts'

const signal = new AbortController().signal
const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAw'
const broker = { brokerId: 7, brokerEpoch: 70n }

function alteration (partition: number) {
  return { topicId: TOPIC_ID, partition, leaderEpoch: 1, partitionEpoch: 2, isr: [{ brokerId: 7, brokerEpoch: 70n }, { brokerId: 8, brokerEpoch: -1n }] }
}

function row (partitionIndex: number, errorCode: number) {
  return { partitionIndex, errorCode, leaderId: 7, leaderEpoch: 1, isr: [7, 8], partitionEpoch: 3 }
}

test('every partition has an outcome of its own, in the order in which they were given', async t => {
  const { controllers, first } = await setUpQuorum(t, 1)
  first.peer.on(AlterPartition, () => ({ throttleTimeMs: 0, errorCode: 0, topics: [{ topicId: TOPIC_ID, partitions: [row(3, 95), row(2, 108), row(0, 0)] }] }))
  t.match(await alterPartition(controllers, broker, [0, 1, 2, 3].map(alteration), { signal }), [
    { kind: 'altered', leaderId: 7, leaderEpoch: 1, isr: [7, 8], partitionEpoch: 3, leaderRecoveryState: 0 },
    { kind: 'unknown' },
    { kind: 'new-leader-elected' },
    { kind: 'refused', error: { wireCode: 95 } }
  ])
})

test('a refusal of the whole is one of every partition', async t => {
  const { controllers, first } = await setUpQuorum(t, 1)
  first.peer.on(AlterPartition, () => ({ throttleTimeMs: 0, errorCode: 77, topics: [] }))
  t.match(await alterPartition(controllers, broker, [0, 1].map(alteration), { signal }), [{ kind: 'refused', error: { wireCode: 77 } }, { kind: 'refused' }])
})

for (const max of [2, 3] as const) {
  test(`version ${max} carries the members as it knows them`, async t => {
    const asked: Array<RequestOf<typeof AlterPartition>> = []
    const { controllers, first } = await setUpQuorum(t, 1, { peers: { versions: { AlterPartition: [0, max] } } })
    first.peer.on(AlterPartition, ({ body }) => {
      asked.push(body)
      return { throttleTimeMs: 0, errorCode: 0, topics: [] }
    })
    await alterPartition(controllers, broker, [alteration(0)], { signal })
    const sent = asked[0]?.topics[0]?.partitions[0]
    t.same(sent?.newIsr, max === 2 ? [7, 8] : [])
    t.same(sent?.newIsrWithEpochs.map(({ brokerEpoch }) => brokerEpoch), max === 2 ? [] : [70n, -1n])
  })
}

test('what was sent and never answered is unknown', async t => {
  const { controllers, first } = await setUpQuorum(t, 1)
  first.peer.on(AlterPartition, ({ connection }) => {
    connection.socket.destroy()
    return null
  })
  t.match(await alterPartition(controllers, broker, [alteration(0)], { signal, deadlineMs: 0 }), [{ kind: 'unknown', error: { code: 'CONNECTION_CLOSED' } }])
})
