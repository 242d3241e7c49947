/** The tail lane of the fetcher and the sessions of a broker (KIP-227). */
import { test } from 'tap'
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { Fetch } from '../../../protocol/messages/fetch.ts'
import { Metadata } from '../../../protocol/messages/metadata.ts'
import { Cluster } from '../../../src/client/cluster.ts'
import { parseLinkDocument } from '../../../src/config/link-config.ts'
import { FrameMemory } from '../../../src/net/frame-memory.ts'
import { silentLogger } from '../../../src/observability/logger.ts'
import { ByteBudget } from '../../../src/replication/source/byte-budget.ts'
import type { FetchedPartition, FetchTarget } from '../../../src/replication/source/fetch-target.ts'
import { Fetcher } from '../../../src/replication/source/fetcher.ts'
import { ScriptedPeer } from '../../support/scripted-peer.ts'

const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ'

class LevelTarget implements FetchTarget {
  readonly topic = 'a'
  readonly sourceTopicId = TOPIC_ID
  nextOffset = 5
  readonly lastFetchedEpoch = 2
  isBehind = false
  readonly isSlow = false
  fetching = false
  readonly partition: number
  readonly answers: FetchedPartition[] = []
  readonly problems: string[] = []
  /** How often it was asked whether it wants anything. */
  looks = 0

  constructor (partition: number) {
    this.partition = partition
  }

  wantsFetch (): boolean {
    this.looks++
    return !this.fetching
  }

  fetched (answer: FetchedPartition): void {
    this.answers.push(answer)
  }

  unreadable (): void {}
  stopAhead (): void {}
  lostBySource (): void {}

  noteProblem (problem: string): void {
    this.problems.push(problem)
  }
}

test('level partitions are asked for in a session: what is left out of an answer is as it was, and a lost session is begun anew', async t => {
  const peer = await ScriptedPeer.start()
  const abort = new AbortController()
  const cluster = new Cluster({ bootstrapServers: [peer.address], clientId: 'test', logger: silentLogger })
  t.teardown(async () => {
    abort.abort()
    await cluster.close()
    await peer.stop()
  })
  peer.on(Metadata, () => ({
    brokers: [{ nodeId: 1, ...peer.address }],
    controllerId: 1,
    topics: [{ name: 'a', topicId: TOPIC_ID, errorCode: 0, partitions: [0, 1].map(partitionIndex => ({ errorCode: 0, partitionIndex, leaderId: 1, leaderEpoch: 2, replicaNodes: [1], isrNodes: [1] })) }]
  }))
  const asked: Array<{ readonly sessionId: number, readonly sessionEpoch: number, readonly partitions: number }> = []
  const row = (partitionIndex: number, highWatermark: bigint) => ({ partitionIndex, errorCode: 0, highWatermark, lastStableOffset: highWatermark, logStartOffset: 1n, records: null })
  const fourth = new Promise<void>(resolve => {
    peer.on(Fetch, ({ body: { sessionId, sessionEpoch, topics } }) => {
      asked.push({ sessionId, sessionEpoch, partitions: topics.reduce((sum, { partitions }) => sum + partitions.length, 0) })
      if (asked.length === 4) resolve()
      if (asked.length === 3) return { errorCode: ErrorCodes.FETCH_SESSION_ID_NOT_FOUND, sessionId: 0, responses: [] }
      const rows = asked.length === 2 ? [row(1, 6n)] : asked.length > 4 ? [] : [row(0, 5n), row(1, 5n)]
      return { errorCode: 0, sessionId: asked.length < 3 ? 77 : 78, responses: rows.length === 0 ? [] : [{ topicId: TOPIC_ID, partitions: rows }] }
    })
  })
  await cluster.refresh({ signal: abort.signal })
  const targets = [new LevelTarget(0), new LevelTarget(1)]
  const { clientOptions } = parseLinkDocument({ name: 'x', client_options: { bootstrap_servers: ['h:1'] } }, 'link')
  // Time passes, so that all are looked at after every answer.
  let nowMs = 0
  const fetcher = new Fetcher({ source: cluster, client: clientOptions, budget: new ByteBudget(1e8), memory: new FrameMemory(0), signal: abort.signal, obstacle: () => null, onTopicIdUnknown: () => {}, now: () => (nowMs += 3000) })
  for (const target of targets) fetcher.wake(target)
  await fourth
  t.same(asked.slice(0, 4), [
    { sessionId: 0, sessionEpoch: 0, partitions: 2 },
    { sessionId: 77, sessionEpoch: 1, partitions: 0 },
    { sessionId: 77, sessionEpoch: 2, partitions: 0 },
    { sessionId: 77, sessionEpoch: 0, partitions: 2 }
  ])
  t.match(targets.map(({ answers }) => answers.slice(0, 2)), [
    [{ highWatermark: 5, logStartOffset: 1, batches: [] }, { highWatermark: 5, logStartOffset: 1, batches: [] }],
    [{ highWatermark: 5 }, { highWatermark: 6 }]
  ])
  t.same(targets.flatMap(({ problems }) => problems), [])
})

test('partitions with nothing new cost nothing: of thousands, those are looked at that were told of or woken, and all of them every two seconds', async t => {
  const COUNT = 3000
  const peer = await ScriptedPeer.start()
  const abort = new AbortController()
  const cluster = new Cluster({ bootstrapServers: [peer.address], clientId: 'test', logger: silentLogger })
  t.teardown(async () => {
    abort.abort()
    await cluster.close()
    await peer.stop()
  })
  const indexes = Array.from({ length: COUNT }, (_, index) => index)
  peer.on(Metadata, () => ({
    brokers: [{ nodeId: 1, ...peer.address }],
    controllerId: 1,
    topics: [{ name: 'a', topicId: TOPIC_ID, errorCode: 0, partitions: indexes.map(partitionIndex => ({ errorCode: 0, partitionIndex, leaderId: 1, leaderEpoch: 2, replicaNodes: [1], isrNodes: [1] })) }]
  }))
  const targets = indexes.map(index => new LevelTarget(index))
  const [third, seventh] = [targets[3], targets[7]]
  if (third === undefined || seventh === undefined) throw new Error('no targets')
  const row = (partitionIndex: number, highWatermark: bigint) => ({ partitionIndex, errorCode: 0, highWatermark, lastStableOffset: highWatermark, logStartOffset: 1n, records: null })
  let nowMs = 0
  const counts = (): { readonly answers: number, readonly looks: number } => ({
    answers: targets.reduce((sum, { answers }) => sum + answers.length, 0),
    looks: targets.reduce((sum, { looks }) => sum + looks, 0)
  })
  const steps: Array<{ readonly named: number[], readonly forgotten: readonly number[], readonly answers: number, readonly looks: number }> = []
  let before = { answers: 0, looks: 0 }
  // What is done to the partitions before each answer of the session, and the rows of the answer.
  const script: ReadonlyArray<() => ReadonlyArray<ReturnType<typeof row>>> = [
    () => indexes.map(index => row(index, 5n)),
    () => [],
    () => [row(7, 6n)],
    () => {
      third.nextOffset = 9
      fetcher.wake(third)
      return []
    },
    () => [],
    () => {
      seventh.isBehind = true
      return [row(7, 7n)]
    },
    () => {
      nowMs += 2500
      return []
    },
    () => [],
    () => []
  ]
  const end = new Promise<void>(resolve => {
    peer.on(Fetch, ({ body: { sessionId, sessionEpoch, topics, forgottenTopicsData, maxWaitMs } }) => {
      // The other lane: it has no session, and goes on asking.
      if (maxWaitMs === 0) return { errorCode: 0, sessionId: 0, responses: [{ topicId: TOPIC_ID, partitions: [row(7, 7n)] }] }
      const now = counts()
      steps.push({
        named: topics.flatMap(({ partitions }) => partitions.map(({ partition }) => partition)),
        forgotten: forgottenTopicsData.flatMap(({ partitions }) => partitions),
        answers: now.answers - before.answers,
        looks: now.looks - before.looks
      })
      before = now
      t.same([sessionId, sessionEpoch], steps.length === 1 ? [0, 0] : [77, steps.length - 1])
      const rows = script[steps.length - 1]?.() ?? []
      if (steps.length === script.length) resolve()
      return { errorCode: 0, sessionId: 77, responses: rows.length === 0 ? [] : [{ topicId: TOPIC_ID, partitions: [...rows] }] }
    })
  })
  await cluster.refresh({ signal: abort.signal })
  const { clientOptions } = parseLinkDocument({ name: 'x', client_options: { bootstrap_servers: ['h:1'] } }, 'link')
  const fetcher = new Fetcher({ source: cluster, client: clientOptions, budget: new ByteBudget(1e8), memory: new FrameMemory(0), signal: abort.signal, obstacle: () => null, onTopicIdUnknown: () => {}, now: () => nowMs })
  for (const target of targets) fetcher.wake(target)
  await end
  const few = 20
  const [first, idle, stillIdle, afterRow, moved, , afterBehind, whole, idleAgain] = steps
  t.same(first?.named.length, COUNT)
  t.match(idle, { named: [], forgotten: [], answers: COUNT })
  t.match(stillIdle, { named: [], forgotten: [], answers: 0, looks: 0 }, 'an empty answer is nobody\'s business')
  t.match(afterRow, { named: [], forgotten: [], answers: 1 }, 'one partition was told of')
  t.ok((afterRow?.looks ?? COUNT) < few)
  t.match(moved, { named: [3], forgotten: [], answers: 0 }, 'one was woken, and wants something else')
  t.ok((moved?.looks ?? COUNT) < few)
  t.same(afterBehind?.forgotten, [7], 'one that has left is not told of any more')
  t.ok((afterBehind?.answers ?? COUNT) < few)
  t.match(whole, { named: [], forgotten: [] }, 'all are looked at')
  t.ok((whole?.looks ?? 0) >= COUNT - 1)
  t.ok((idleAgain?.answers ?? 0) >= COUNT - 1, 'all know that the source was there')
  t.same(targets.flatMap(({ problems }) => problems), [])
})
