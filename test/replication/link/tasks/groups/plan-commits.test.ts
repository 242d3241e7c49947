import { test } from 'tap'
import type { GroupPosition } from '../../../../../src/client/admin/group-offsets.ts'
import { planCommits, type CommitPlan, type PlanOptions } from '../../../../../src/replication/link/tasks/groups/plan-commits.ts'

const at = (offset: number, input: Partial<GroupPosition> = {}): GroupPosition => ({ topic: 'a', partition: 0, offset, leaderEpoch: -1, metadata: '', ...input })

/** The shadow holds offsets [10, 100] of every partition; nothing is the link's and nothing is due unless said. */
function plan (options: Partial<PlanOptions>): CommitPlan {
  return planCommits({ wanted: [], held: [], boundsOf: () => ({ logStart: 10, end: 100 }), isOwn: () => false, isDue: () => false, mostMetadata: 10, ...options })
}

test('a position that the shadow has not is committed with its metadata and without a leader epoch', async t => {
  t.match(plan({ wanted: [at(50, { leaderEpoch: 7, metadata: 'm' })] }), { commits: [at(50, { metadata: 'm' })], renewals: [], clamped: 0, ahead: 0 })
})

test('positions are kept within what the shadow holds', async t => {
  t.match(plan({ wanted: [at(500)] }), { commits: [at(100)], clamped: 1 }, 'not above its end, for now')
  t.match(plan({ wanted: [at(3)] }), { commits: [at(10)], clamped: 0 }, 'not below its start')
  t.match(plan({ wanted: [at(50)], boundsOf: () => ({ logStart: 40, end: 20 }) }), { commits: [at(20)] }, 'a source that has deleted more than was copied')
  t.match(plan({ wanted: [at(50)], boundsOf: () => null }), { commits: [], unknown: 1 }, 'nothing where that is not known')
})

test('only the link\'s own positions are moved backwards, and all forwards', async t => {
  t.match(plan({ wanted: [at(50)], held: [at(60)] }), { commits: [], ahead: 1 }, 'consumers of the shadow are further')
  t.match(plan({ wanted: [at(50)], held: [at(60)], isOwn: () => true }), { commits: [at(50)], ahead: 0 }, 'the source was rewound')
  t.match(plan({ wanted: [at(50)], held: [at(40)] }), { commits: [at(50)] })
  t.match(plan({ wanted: [at(50)], held: [at(50, { metadata: 'theirs' })] }), { commits: [], ahead: 0 }, 'what consumers say beside their position stays')
  t.match(plan({ wanted: [at(50, { metadata: 'new' })], held: [at(50)], isOwn: () => true }), { commits: [at(50, { metadata: 'new' })] })
})

test('what is there already is committed again only before it expires, as it is', async t => {
  t.match(plan({ wanted: [at(50)], held: [at(50)] }), { commits: [], renewals: [], same: [at(50)] })
  t.match(plan({ wanted: [at(50)], held: [at(50)], isDue: () => true }), { commits: [], renewals: [at(50)] })
  t.match(plan({ wanted: [at(50)], held: [at(60, { leaderEpoch: 3 })], isDue: () => true }), { commits: [], renewals: [at(60, { leaderEpoch: 3 })], ahead: 1 })
  t.match(plan({ held: [at(60)], isDue: () => true }), { commits: [], renewals: [at(60)] }, 'a position that the source has not any more')
  t.match(plan({ wanted: [at(50)], held: [at(40)], boundsOf: () => null, isDue: () => true }), { commits: [], renewals: [at(40)] }, 'of a topic that was stopped')
})

test('metadata that the shadow does not take is left out', async t => {
  t.match(plan({ wanted: [at(50, { metadata: 'x'.repeat(11) }), at(51, { partition: 1, metadata: 'x'.repeat(10) })] }), { commits: [at(50), at(51, { partition: 1, metadata: 'x'.repeat(10) })], withoutMetadata: [{ topic: 'a', partition: 0 }] })
  t.match(plan({ wanted: [at(50, { metadata: 'x'.repeat(11) })], held: [at(50)] }), { commits: [], same: [at(50)], withoutMetadata: [{ topic: 'a', partition: 0 }] })
})

test('partitions are told apart', async t => {
  const result = plan({ wanted: [at(50), at(51, { partition: 1 }), at(52, { topic: 'b' })], held: [at(50), at(99, { partition: 1 })] })
  t.same(result.commits, [at(52, { topic: 'b' })])
  t.match(result, { wanted: 3, ahead: 1, same: [at(50)] })
})
