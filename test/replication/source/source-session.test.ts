import { test } from 'tap'
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { SourceSession, type FetchedRow, type WantedTopic } from '../../../src/replication/source/source-session.ts'

const ID = 'AAAAAAAAAAAAAAAAAAAAAQ'

function wanted (offsets: Readonly<Record<number, number>>): WantedTopic[] {
  return [{ topic: 'a', topicId: ID, partitions: Object.entries(offsets).map(([partition, offset]) => ({ partition: Number(partition), fetchOffset: BigInt(offset), partitionMaxBytes: 1000 })) }]
}

function row (partitionIndex: number, errorCode = 0): FetchedRow {
  return {
    partitionIndex,
    errorCode,
    highWatermark: 10n,
    lastStableOffset: 9n,
    logStartOffset: 0n,
    divergingEpoch: { epoch: -1, endOffset: -1n, unknownTags: [] },
    currentLeader: { leaderId: -1, leaderEpoch: -1, unknownTags: [] },
    snapshotId: { endOffset: -1n, epoch: -1, unknownTags: [] },
    abortedTransactions: null,
    preferredReadReplica: -1,
    records: Buffer.from('records'),
    unknownTags: []
  }
}

test('once a broker keeps a session, it is told what has changed and what is not wanted any more', async t => {
  const session = new SourceSession()
  t.match(session.ask(wanted({ 0: 5, 1: 6, 2: 7 })), { sessionId: 0, sessionEpoch: 0, topics: wanted({ 0: 5, 1: 6, 2: 7 }), forgottenTopicsData: [] })
  session.answered({ sessionId: 77 })
  t.equal(session.isKept, true)
  t.same(session.ask(wanted({ 0: 5, 1: 8 })), { sessionId: 77, sessionEpoch: 1, topics: wanted({ 1: 8 }), forgottenTopicsData: [{ topic: 'a', topicId: ID, partitions: [2] }] })
  session.answered({ sessionId: 77 })
  t.same(session.ask(wanted({ 0: 5, 1: 8 })), { sessionId: 77, sessionEpoch: 2, topics: [], forgottenTopicsData: [] })
  session.answered({ sessionId: 77 })
  t.match(session.ask(wanted({ 0: 5, 1: 8, 2: 7 })), { sessionEpoch: 3, topics: wanted({ 2: 7 }) })
})

test('what an answer leaves out is as it was, but for records and errors', async t => {
  const session = new SourceSession()
  session.ask(wanted({ 0: 5, 1: 5 }))
  session.answered({ sessionId: 77 })
  session.note('a', ID, row(0))
  session.note('a', ID, row(1, ErrorCodes.NOT_LEADER_OR_FOLLOWER))
  t.match(session.lastOf('a', ID, 0), { highWatermark: 10n, records: null })
  t.equal(session.lastOf('a', ID, 1), null)
  t.equal(session.lastOf('b', ID, 0), null)
})

test('a session that is lost, or that the broker does not keep, is told everything again', async t => {
  const session = new SourceSession()
  session.ask(wanted({ 0: 5 }))
  session.answered({ sessionId: 77 })
  session.note('a', ID, row(0))
  session.lost()
  t.equal(session.isKept, false)
  t.equal(session.lastOf('a', ID, 0), null)
  t.match(session.ask(wanted({ 0: 5 })), { sessionId: 77, sessionEpoch: 0, topics: wanted({ 0: 5 }), forgottenTopicsData: [] })
  session.answered({ sessionId: 0 })
  t.match(session.ask(wanted({ 0: 5 })), { sessionId: 0, sessionEpoch: 0, topics: wanted({ 0: 5 }) })
})
