import { test } from 'tap'
import type { GroupPosition } from '../../../../../src/client/admin/group-offsets.ts'
import { GroupLedger } from '../../../../../src/replication/link/tasks/groups/group-ledger.ts'

const at = (offset: number, topic = 'a'): GroupPosition => ({ topic, partition: 0, offset, leaderEpoch: -1, metadata: '' })

test('a commit without an answer may be there, until one is answered', async t => {
  const ledger = new GroupLedger()
  t.equal(ledger.isOwn('g', at(1)), false)
  ledger.sending('g', [at(1)])
  ledger.committed('g', at(1), 500)
  t.equal(ledger.renewedAtMs('g', at(1)), 500)
  ledger.sending('g', [at(2)])
  t.ok(ledger.isOwn('g', at(1)) && ledger.isOwn('g', at(2)), 'either may be there')
  ledger.sending('g', [at(3)])
  ledger.committed('g', at(3), 600)
  t.same([1, 2, 3].map(offset => ledger.isOwn('g', at(offset))), [false, false, true])
  t.equal(ledger.isOwn('g', { ...at(3), leaderEpoch: 0 }), false, 'a consumer has committed the same offset')
})

test('a commit that was refused is nobody\'s', async t => {
  const ledger = new GroupLedger()
  ledger.committed('g', at(1), 0)
  ledger.sending('g', [at(2)])
  ledger.refused('g', at(2))
  t.same([1, 2].map(offset => ledger.isOwn('g', at(offset))), [true, false])
  t.same(ledger.lastOf('g'), [at(1)])
})

test('where another\'s value was seen, the link\'s are gone', async t => {
  const ledger = new GroupLedger()
  ledger.committed('g', at(1), 0)
  ledger.seen('g', at(1))
  t.ok(ledger.isCertain('g', at(1)))
  ledger.seen('g', at(5))
  t.equal(ledger.isOwn('g', at(1)), false, 'a consumer that goes back to it has done so by itself')
  ledger.seen('nobody', at(5))
  t.equal(ledger.has('nobody'), false)
})

test('so many answers are missing that the oldest values are not claimed any more', async t => {
  const ledger = new GroupLedger()
  for (let offset = 0; offset < 20; offset++) ledger.sending('g', [at(offset)])
  t.equal(ledger.isOwn('g', at(0)), false)
  t.equal(ledger.isOwn('g', at(19)), true)
})

test('topics that are open are forgotten', async t => {
  const ledger = new GroupLedger()
  ledger.committed('g', at(1, 'a'), 0)
  ledger.committed('g', at(1, 'b'), 0)
  ledger.committed('h', at(1, 'b'), 0)
  ledger.keepTopics(topic => topic === 'a')
  t.same(ledger.groupIds, ['g'])
  t.same(ledger.lastOf('g'), [at(1, 'a')])
})

test('how often in a row a position was missing', async t => {
  const ledger = new GroupLedger()
  t.same([ledger.missing('g', at(1)), ledger.missing('g', at(1))], [1, 2])
  ledger.found('g', at(1))
  t.equal(ledger.missing('g', at(1)), 1)
})
