/** What becomes of positions that the shadow has lost, and whose group the source does not have any more. */
import { test } from 'tap'
import { createTopic } from '../../../../../src/client/admin/create-topic.ts'
import { commitGroupOffsets, deleteGroup, fetchGroupOffsets, type GroupPosition } from '../../../../../src/client/admin/group-offsets.ts'
import { Cluster } from '../../../../../src/client/cluster.ts'
import { Coordinators } from '../../../../../src/client/group/coordinators.ts'
import { EmbeddedBroker } from '../../../../../src/embedded/embedded-broker.ts'
import { silentLogger } from '../../../../../src/observability/logger.ts'
import { GroupSync } from '../../../../../src/replication/link/tasks/groups/group-sync.ts'
import { ShadowTopic } from '../../../../../src/replication/link/shadow-topic.ts'
import { NO_CLAIMS } from '../../../../../src/state/group-claims.ts'
import { topicRecord } from '../../../../support/topic-record.ts'

const DAY_MS = 24 * 60 * 60_000
const at = (offset: number): GroupPosition => ({ topic: 'a', partition: 0, offset, leaderEpoch: -1, metadata: '' })

test('a position is put back within what the shadow holds by now, and not while that is not known', async t => {
  const [source, shadow] = [await EmbeddedBroker.start(), await EmbeddedBroker.start()]
  const [from, to] = [source, shadow].map(({ address }) => new Cluster({ bootstrapServers: [address], clientId: 'test', logger: silentLogger }))
  if (from === undefined || to === undefined) throw new Error('no clusters')
  t.teardown(async () => {
    await Promise.all([from.close(), to.close()])
    await Promise.all([source.stop(), shadow.stop()])
  })
  const { signal } = new AbortController()
  for (const cluster of [from, to]) await createTopic(cluster, { name: 'a', partitions: 1, replicationFactor: 1, configs: {} }, { signal })
  await commitGroupOffsets(from, new Coordinators(from), 'app', [at(9)], { signal, lane: 0 })
  let end: number | null = 10
  let nowMs = 0
  const topic = new ShadowTopic(topicRecord({ topic: 'a' }), {
    now: () => nowMs,
    wallClock: () => new Date(0),
    logger: silentLogger,
    signal,
    write: async () => { await Promise.resolve() },
    begin: () => ({
      partition: 0,
      get shadowEndOffset () { return end },
      freeze: () => {},
      thaw: () => {},
      stop: () => {},
      status: () => ({ partition: 0, sourceLogStartOffset: 0, sourceLastStableOffset: 10, sourceHighWatermark: 10, shadowEndOffset: end, lagRecords: 0, lagSeconds: 0, sourceContactAgeMs: 0, activity: 'copying', problem: null })
    })
  })
  topic.copy(1)
  const sync = new GroupSync({
    name: 'dr',
    uid: 'uid',
    recorded: NO_CLAIMS,
    write: async () => { await Promise.resolve() },
    source: from,
    shadow: to,
    options: () => ({ intervalMs: 30_000, paused: false, filters: [{ patternType: 'LITERAL', filterType: 'INCLUDE', name: '*' }], onSourceDeletion: 'keep' }),
    topics: new Map([['a', topic]]),
    signal,
    isLeading: () => true,
    logger: silentLogger,
    now: () => nowMs,
    wallClock: () => new Date(nowMs),
    checkSource: () => {}
  })
  const held = async () => {
    nowMs += DAY_MS
    t.same((await sync.run()).problems, [])
    return (await fetchGroupOffsets(to, new Coordinators(to), ['app'], { signal })).get('app')
  }
  t.same(await held(), [at(9)])
  await deleteGroup(from, new Coordinators(from), 'app', { signal })
  const lose = async (): Promise<void> => { await deleteGroup(to, new Coordinators(to), 'app', { signal }) }
  await lose()
  t.same(await held(), [at(9)], 'as it was')
  // The source topic was made anew, and restored from scratch.
  await lose()
  end = null
  t.same(await held(), [], 'nobody knows what the shadow holds')
  end = 4
  t.same(await held(), [at(4)])
  // One that was stopped still has what it had.
  topic.fault({ code: 'DIVERGED', reason: 'for a test', partition: 0, offset: 4 })
  await lose()
  t.same(await held(), [at(4)])
})
