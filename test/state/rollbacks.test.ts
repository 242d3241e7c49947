import { test } from 'tap'
import { rollbackDecided } from '../../src/state/rollbacks.ts'

const AT = '2026-01-01T00:00:00.000Z'

test('one row for each partition: the last roll-back, what all discarded, and every epoch that was given', async t => {
  const first = rollbackDecided([], { partition: 3, fromOffset: 120, toOffset: 100, epoch: 2, at: 'before' })
  t.same(first, [{ partition: 3, at: 'before', fromOffset: 120, toOffset: 100, times: 1, discarded: 20, epochs: [{ epoch: 2, startOffset: 100 }] }])
  const other = rollbackDecided(first, { partition: 0, fromOffset: 7, toOffset: 5, epoch: 4, at: AT })
  const again = rollbackDecided(other, { partition: 3, fromOffset: 150, toOffset: 90, epoch: 6, at: AT })
  t.same(again, [
    { partition: 0, at: AT, fromOffset: 7, toOffset: 5, times: 1, discarded: 2, epochs: [{ epoch: 4, startOffset: 5 }] },
    { partition: 3, at: AT, fromOffset: 150, toOffset: 90, times: 2, discarded: 80, epochs: [{ epoch: 2, startOffset: 100 }, { epoch: 6, startOffset: 90 }] }
  ])
})
