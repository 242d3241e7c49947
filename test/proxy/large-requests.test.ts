import { test } from 'tap'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { WriteTxnMarkers } from '../../protocol/messages/write-txn-markers.ts'
import { ReadRules } from '../../src/proxy/read-rules.ts'
import { judgeListOffsets } from '../../src/proxy/followers/list-offsets.ts'
import { judgeAutoCreation } from '../../src/proxy/refusals/auto-creation.ts'
import { WriteRules } from '../../src/proxy/write-rules.ts'
import { answerWith, FakeLinkState, start } from './fixture.ts'

/** Where the work grows with the square of the rows, so many take minutes; one pass over them takes less than a second. */
const ROWS_FOR_MINUTES = 500_000
const LIMIT_MS = 30_000

function replicaState (): FakeLinkState {
  const links = new FakeLinkState()
  links.topic('ro', 'ACTIVE')
  links.link('ro', 'replica')
  return links
}

/** Of guarded and other topics in turn. */
function names (count: number): string[] {
  return Array.from({ length: count }, (_, index) => index % 2 === 0 ? 'ro' : 'free')
}

test('the rows of a question about topics are told apart in one pass', async t => {
  const rules = new WriteRules(replicaState(), { staleAfterMs: 1000 })
  const topics = names(ROWS_FOR_MINUTES).map(name => ({ topicId: 'AAAAAAAAAAAAAAAAAAAAAA', name, unknownTags: [] }))
  const startedMs = performance.now()
  const verdict = judgeAutoCreation({ topics, allowAutoTopicCreation: true, includeClusterAuthorizedOperations: false, includeTopicAuthorizedOperations: false, unknownTags: [] }, { rules, reads: new ReadRules(rules), version: 1 })
  t.ok(performance.now() - startedMs < LIMIT_MS)
  if (verdict?.kind !== 'split') throw new Error('not split')
  t.strictSame(verdict.requests.map(({ body, version }) => [body.topics?.length, version]), [[ROWS_FOR_MINUTES / 2, 4], [ROWS_FOR_MINUTES / 2, 1]])
})

test('the topics that are read from followers are told from the others in one pass', async t => {
  const rules = new WriteRules(replicaState(), { staleAfterMs: 1000 })
  const topics = names(ROWS_FOR_MINUTES).map(name => ({ name, partitions: [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -2n, maxNumOffsets: 1, unknownTags: [] }], unknownTags: [] }))
  const startedMs = performance.now()
  const verdict = judgeListOffsets({ replicaId: -1, isolationLevel: 0, topics, timeoutMs: 0, unknownTags: [] }, { rules, reads: new ReadRules(rules), version: 7 })
  t.ok(performance.now() - startedMs < LIMIT_MS)
  t.equal(verdict?.kind === 'ask' ? verdict.questions.length : null, 2)
})

test('an answer with more rows of one name than a call has arguments is put together', async t => {
  const { client, broker } = await start(t, { config: { maxFrameBytes: 8 * 1024 * 1024 } })
  broker.answer = answerWith(Metadata, body => ({ brokers: [], topics: (body.topics ?? []).map(({ name }) => ({ name: name ?? '', errorCode: ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION, partitions: [] })) }))
  const socket = await client()
  const rows = Array.from({ length: 200_000 }, () => ({ name: 'ro' }))
  const answer = await socket.request(Metadata, 1, { topics: [...rows, { name: 'free' }] })
  t.equal(answer.topics.length, rows.length + 1)
})

test('markers of one producer in several rows are answered once, however many rows there are', async t => {
  const { client, broker } = await start(t)
  broker.answer = answerWith(WriteTxnMarkers, ({ markers: [first] }) => ({
    // As a broker does: all of a producer in one row.
    markers: first === undefined ? [] : [{ producerId: first.producerId, topics: Array.from({ length: 100 }, (_, index) => ({ name: `t${index}`, partitions: [{ partitionIndex: 0, errorCode: 0 }] })) }]
  }))
  const socket = await client()
  const marker = (name: string): { producerId: bigint, producerEpoch: number, transactionResult: boolean, coordinatorEpoch: number, topics: Array<{ name: string, partitionIndexes: number[] }> } =>
    ({ producerId: 1n, producerEpoch: 0, transactionResult: false, coordinatorEpoch: 0, topics: [{ name, partitionIndexes: [0] }] })
  const { markers } = await socket.request(WriteTxnMarkers, 1, { markers: [marker('ro'), ...Array.from({ length: 50 }, () => marker('t0'))] })
  t.equal(markers.reduce((sum, { topics }) => sum + topics.length, 0), 1 + 100)
})
