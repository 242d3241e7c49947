import { test } from 'tap'
import { FindCoordinator } from '../../../../../protocol/messages/find-coordinator.ts'
import { DeleteGroups } from '../../../../../protocol/messages/delete-groups.ts'
import { OffsetCommit } from '../../../../../protocol/messages/offset-commit.ts'
import { OffsetDelete } from '../../../../../protocol/messages/offset-delete.ts'
import { OffsetFetch } from '../../../../../protocol/messages/offset-fetch.ts'
import { createTopic } from '../../../../../src/client/admin/create-topic.ts'
import { commitGroupOffsets, fetchGroupOffsets, type GroupPosition } from '../../../../../src/client/admin/group-offsets.ts'
import { Cluster } from '../../../../../src/client/cluster.ts'
import { Coordinators } from '../../../../../src/client/group/coordinators.ts'
import { HeldLease } from '../../../../../src/client/group/lease.ts'
import { EmbeddedBroker } from '../../../../../src/embedded/embedded-broker.ts'
import { silentLogger } from '../../../../../src/observability/logger.ts'
import { GroupCommitter } from '../../../../../src/replication/link/tasks/groups/commit-groups.ts'
import { GroupLedger } from '../../../../../src/replication/link/tasks/groups/group-ledger.ts'
import { GroupRemovals } from '../../../../../src/replication/link/tasks/groups/group-removals.ts'
import { ShadowTopic } from '../../../../../src/replication/link/shadow-topic.ts'
import { topicRecord } from '../../../../support/topic-record.ts'

const POSITION: GroupPosition = { topic: 'a', partition: 0, offset: 3, leaderEpoch: -1, metadata: '' }

test('an engine that was stopped for longer than its lease commits and removes no position, before its signal says so, too', async t => {
  const [source, shadow] = [await EmbeddedBroker.start(), await EmbeddedBroker.start()]
  const clusters: Cluster[] = []
  const connect = (broker: EmbeddedBroker): Cluster => {
    const cluster = new Cluster({ bootstrapServers: [broker.address], clientId: 'test', logger: silentLogger })
    clusters.push(cluster)
    return cluster
  }
  t.teardown(async () => {
    await Promise.all(clusters.map(cluster => cluster.close()))
    await Promise.all([source.stop(), shadow.stop()])
  })
  const { signal } = new AbortController()
  const before = connect(shadow)
  await createTopic(before, { name: 'a', partitions: 1, replicationFactor: 1, configs: {} }, { signal })
  await commitGroupOffsets(before, new Coordinators(before), 'app', [POSITION], { signal, lane: 0 })
  const changes: string[] = []
  for (const api of [OffsetCommit, OffsetDelete, DeleteGroups]) {
    shadow.onRequest(api, () => {
      changes.push(api.name)
      return 'pass'
    })
  }
  let nowMs = 0
  // The process stands still while it waits for one of these answers.
  for (const api of [FindCoordinator, OffsetFetch]) {
    shadow.onRequest(api, () => {
      nowMs += 61_000
      return 'pass'
    })
  }
  const topic = new ShadowTopic(topicRecord({ topic: 'a' }), {
    now: () => nowMs, wallClock: () => new Date(0), logger: silentLogger, signal, write: async () => { await Promise.resolve() }, begin: () => { throw new Error('nothing is copied here') }
  })

  /** As an engine that was elected just now, with clients that know nothing yet. */
  const elected = () => {
    const lease = new HeldLease({ durationMs: 60_000, sentAtMs: nowMs, now: () => nowMs })
    t.teardown(() => { lease.end('the test has ended') })
    const [from, to] = [connect(source), connect(shadow)]
    const ledger = new GroupLedger()
    ledger.committed('app', POSITION, 0)
    const common = { shadow: to, ledger, signal: lease.signal, isLeading: () => lease.isHeld() }
    const committer = new GroupCommitter({ ...common, coordinators: new Coordinators(to), now: () => nowMs, onRefusedMetadata: () => {} })
    const removals = new GroupRemovals({ ...common, link: 'dr', source: from, sourceCoordinators: new Coordinators(from), shadowCoordinators: new Coordinators(to), logger: silentLogger })
    return { committer, removals, lease }
  }
  const committing = elected()
  t.notOk(committing.lease.signal.aborted)
  await t.rejects(committing.committer.commit([{ groupId: 'app', commits: [{ ...POSITION, offset: 5 }], renewals: [] }], () => topic), { code: 'ABORTED' })

  const removingPositions = elected()
  for (let answer = 0; answer < 2; answer++) await removingPositions.removals.positionsMissing('app', [POSITION], () => topic)
  t.notOk(removingPositions.lease.signal.aborted)
  await t.rejects(removingPositions.removals.positionsMissing('app', [POSITION], () => topic), { code: /CLUSTER_UNAVAILABLE|ABORTED/ })

  const removingGroups = elected()
  const listed = { groupId: 'app', nodeId: shadow.nodeId, protocolType: '', type: 'classic', state: 'Empty' }
  for (let answer = 0; answer < 2; answer++) await removingGroups.removals.groupMissing('app', listed, () => topic)
  t.notOk(removingGroups.lease.signal.aborted)
  await t.rejects(removingGroups.removals.groupMissing('app', listed, () => topic), { code: /CLUSTER_UNAVAILABLE|ABORTED/ })

  t.same(changes, [])
  t.same((await fetchGroupOffsets(before, new Coordinators(before), ['app'], { signal })).get('app'), [POSITION])
})
