import { test } from 'tap'
import type { GroupPosition } from '../../../../../src/client/admin/group-offsets.ts'
import { silentLogger } from '../../../../../src/observability/logger.ts'
import type { GroupCommit } from '../../../../../src/replication/link/tasks/groups/commit-groups.ts'
import { GroupLedger } from '../../../../../src/replication/link/tasks/groups/group-ledger.ts'
import { LedgerJournal } from '../../../../../src/replication/link/tasks/groups/ledger-journal.ts'
import { shardOf } from '../../../../../src/replication/link/tasks/groups/position-digest.ts'
import { LinkState } from '../../../../../src/state/link-state.ts'
import { encodeValue, keyOf, type StateChange } from '../../../../../src/state/records.ts'

const LINK = 'dr'
const HOUR_MS = 3_600_000

const at = (offset: number, input: Partial<GroupPosition> = {}): GroupPosition => ({ topic: 'a', partition: 0, offset, leaderEpoch: -1, metadata: '', ...input })
const commitOf = (groupId: string, ...commits: readonly GroupPosition[]): GroupCommit => ({ groupId, commits, renewals: [] })

/** A state topic, and what engines make of it: each begins with what it holds. The wall clock begins at 1,000,000,000. */
class Topic {
  readonly state = new LinkState()
  readonly batches: string[][] = []
  wallMs = 1_000_000_000
  refusal: Error | null = null

  readonly write = (changes: readonly StateChange[]): Promise<void> => {
    if (this.refusal !== null) return Promise.reject(this.refusal)
    this.batches.push(changes.map(keyOf))
    for (const change of changes) this.state.apply(this.state.revision, keyOf(change), encodeValue(change, 1), 1)
    return Promise.resolve()
  }

  /** `startMs` is what the monotonic clock of the engine shows at the present wall time. */
  engine (startMs: number, { uid = 'uid', aheadMs = 0 } = {}): { readonly ledger: GroupLedger, readonly journal: LedgerJournal, readonly now: () => number, readonly commit: (...groups: readonly GroupCommit[]) => Promise<void> } {
    const ledger = new GroupLedger()
    const beganMs = this.wallMs
    const now = (): number => startMs + this.wallMs - beganMs
    const journal = new LedgerJournal({ link: LINK, uid, ledger, recorded: this.state.claimsOf(LINK), write: this.write, logger: silentLogger, now, wallClock: () => new Date(this.wallMs + aheadMs) })
    const commit = async (...groups: readonly GroupCommit[]): Promise<void> => {
      await journal.round(groups, () => {
        for (const { groupId, commits } of groups) {
          ledger.sending(groupId, commits)
          for (const position of commits) ledger.committed(groupId, position, now())
        }
        return Promise.resolve()
      })
    }
    return { ledger, journal, now, commit }
  }
}

test('the next engine knows what was committed, and when', async t => {
  const topic = new Topic()
  const first = topic.engine(5000)
  await first.commit(commitOf('g', at(3, { metadata: 'm' }), at(4, { partition: 1 })), commitOf('__proto__', at(5)))
  topic.wallMs += HOUR_MS
  await first.commit(commitOf('g', at(6, { metadata: 'm' })))
  topic.wallMs += HOUR_MS
  const { ledger, now } = topic.engine(77)
  t.same(new Set(ledger.groupIds), new Set(['g', '__proto__']))
  t.same([at(3, { metadata: 'm' }), at(6, { metadata: 'm' }), at(6), at(6, { metadata: 'm', leaderEpoch: 1 }), at(4, { partition: 1 }), at(4)].map(position => ledger.isOwn('g', position)), [false, true, false, false, true, false])
  t.equal(ledger.isOwn('h', at(6, { metadata: 'm' })), false)
  t.equal(ledger.renewedAtMs('__proto__', at(5)), now() - 2 * HOUR_MS)
  t.equal(ledger.renewedAtMs('g', at(6)), now() - HOUR_MS)
  t.equal(ledger.renewedAtMs('g', at(4, { partition: 1 })), now() - 2 * HOUR_MS)
})

test('a clock that is far behind does not make a position seem fresh', async t => {
  const topic = new Topic()
  await topic.engine(0).commit(commitOf('g', at(3)))
  t.equal(topic.engine(0, { aheadMs: -HOUR_MS }).ledger.renewedAtMs('g', at(3)), -Infinity)
  t.equal(topic.engine(0, { aheadMs: -1000 }).ledger.renewedAtMs('g', at(3)), 0)
})

test('nothing is written when nothing has changed, and two records for one group', async t => {
  const topic = new Topic()
  const { ledger, journal, commit } = topic.engine(0)
  await commit(commitOf('g', at(3)))
  const key = `groups/${LINK}/${shardOf('g')}`
  t.same(topic.batches, [[key], [`groups-settled/${LINK}`]])
  ledger.adopt('g', at(3))
  await journal.flush()
  await commit(commitOf('g'))
  t.equal(topic.batches.length, 2)
  ledger.adopt('g', at(4))
  await journal.flush()
  t.same(topic.batches.slice(2), [[key]], 'what is on the shadow already has no round')
  const next = topic.engine(0)
  t.ok(next.ledger.isCertain('g', at(4)))
  next.ledger.adopt('g', at(4))
  await next.journal.flush()
  t.equal(topic.batches.length, 3)
})

test('a round that did not end claims nothing of its positions, and no later one settles it', async t => {
  const topic = new Topic()
  const first = topic.engine(0)
  await first.commit(commitOf('g', at(3), at(4, { partition: 1 })))
  await t.rejects(first.journal.round([commitOf('g', at(5))], () => Promise.reject(new Error('dead'))), { message: 'dead' })
  const second = topic.engine(0)
  t.same([at(3), at(5), at(4, { partition: 1 })].map(position => second.ledger.isOwn('g', position)), [false, false, true])
  await second.commit(commitOf('h', at(1)))
  t.same(topic.engine(0).ledger.isOwn('g', at(5)), false)
  // Nor one of the same engine.
  await t.rejects(second.journal.round([commitOf('g', at(8))], () => Promise.reject(new Error('dead'))))
  await second.commit(commitOf('h', at(2)))
  t.same([8, 2].map((offset, index) => topic.engine(0).ledger.isOwn(index === 0 ? 'g' : 'h', at(offset))), [false, true])
})

test('what was not taken, or may not have been, is not claimed', async t => {
  const topic = new Topic()
  const first = topic.engine(0)
  await first.commit(commitOf('g', at(1), at(1, { partition: 1 }), at(1, { partition: 2 }), at(1, { partition: 3 })))
  const wanted = [at(5), at(5, { partition: 1 }), at(5, { partition: 2 }), at(5, { partition: 3, metadata: 'long' })]
  await first.journal.round([commitOf('g', ...wanted)], () => {
    first.ledger.sending('g', wanted)
    const [taken = at(0), refused = at(0), , tooLong = at(0)] = wanted
    first.ledger.committed('g', taken, 0)
    first.ledger.refused('g', refused)
    first.ledger.refused('g', tooLong)
    first.ledger.committed('g', at(5, { partition: 3 }), 0)
    return Promise.resolve()
  })
  const { ledger } = topic.engine(0)
  t.same([0, 1, 2, 3].map(partition => [1, 5].map(offset => ledger.isOwn('g', at(offset, { partition })))), [[false, true], [true, false], [false, false], [false, true]])
})

test('commits wait for their record, and are not made without it', async t => {
  const topic = new Topic()
  const { journal, ledger, commit } = topic.engine(0)
  topic.refusal = new Error('not written')
  let made = 0
  await t.rejects(journal.round([commitOf('g', at(1))], () => Promise.resolve(made++)), { message: 'not written' })
  t.equal(made, 0)
  topic.refusal = null
  t.ok(ledger.changedShards.has(shardOf('g')))
  await commit(commitOf('g', at(1)))
  t.ok(topic.engine(0).ledger.isOwn('g', at(1)))
})

test('what a link of the same name claimed before says nothing, and is removed', async t => {
  const topic = new Topic()
  await topic.engine(0, { uid: 'before' }).commit(commitOf('g', at(1)))
  const { ledger, journal } = topic.engine(0)
  t.same(ledger.groupIds, [])
  await journal.flush()
  t.equal(topic.state.claimsOf(LINK).shards.size, 0)
})

test('an empty shard is removed, and everything in the end', async t => {
  const topic = new Topic()
  const { ledger, journal, commit } = topic.engine(0)
  await commit(commitOf('g', at(1)), commitOf('h', at(1, { topic: 'b' })))
  ledger.keepTopics(name => name === 'b')
  await journal.flush()
  t.same([...topic.state.claimsOf(LINK).shards.keys()], [shardOf('h')])
  await topic.write(journal.end())
  t.same(topic.state.claimsOf(LINK), { shards: new Map(), settled: null })
  ledger.adopt('h', at(2))
  await journal.flush()
  t.equal(topic.state.claimsOf(LINK).shards.size, 0, 'nothing is recorded after the end')
})

test('a thousand groups of fifty positions are 257 records of some kilobytes, and no record is larger than a batch may be', async t => {
  const topic = new Topic()
  const sizes: number[] = []
  const { commit } = topic.engine(0)
  const groups = Array.from({ length: 1000 }, (_, index) => commitOf(`group-${index}`, ...Array.from({ length: 50 }, (_row, partition) => at(index, { partition }))))
  await commit(...groups)
  t.ok(topic.batches.length <= 257, `${topic.batches.length} records`)
  for (const [shard, value] of topic.state.claimsOf(LINK).shards) sizes.push(encodeValue({ kind: 'groups', link: LINK, shard, value }, 1)?.length ?? 0)
  t.comment(`${sizes.length} shards, ${sizes.reduce((sum, size) => sum + size, 0)} bytes in all, the largest ${Math.max(...sizes)}`)
  t.ok(Math.max(...sizes) < 16 * 1024)
  const huge = Array.from({ length: 40_000 }, (_, partition) => at(1, { partition }))
  await commit(commitOf('huge', ...huge))
  t.equal(topic.engine(0).ledger.isOwn('huge', at(1)), false, 'too large to be recorded, so nobody claims it')
})
