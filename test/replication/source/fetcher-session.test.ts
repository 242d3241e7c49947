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
  readonly nextOffset = 5
  readonly lastFetchedEpoch = 2
  readonly isBehind = false
  readonly isSlow = false
  fetching = false
  readonly partition: number
  readonly answers: FetchedPartition[] = []
  readonly problems: string[] = []

  constructor (partition: number) {
    this.partition = partition
  }

  wantsFetch (): boolean {
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
  const fetcher = new Fetcher({ source: cluster, client: clientOptions, budget: new ByteBudget(1e8), memory: new FrameMemory(0), signal: abort.signal, obstacle: () => null, onTopicIdUnknown: () => {} })
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
