import { test } from 'tap'
import { ServedEpochs } from '../../../../src/replication/append/replica/served-epochs.ts'

test('one epoch for everything, until there is another', async t => {
  const epochs = new ServedEpochs()
  t.equal(epochs.latest, 0)
  t.equal(epochs.epochAt(2 ** 50), 0)
  t.equal(epochs.divergence(0, 2 ** 50), null)
  t.equal(epochs.divergence(-1, 5), null, 'an empty log')
  t.equal(epochs.divergence(3, 5), null, 'none of ours')
  t.same(epochs.endOf(7), { epoch: 0, endOffset: Infinity })
})

test('who holds more of an epoch than it has is told where it ends', async t => {
  const epochs = new ServedEpochs([{ epoch: 5, startOffset: 100 }, { epoch: 8, startOffset: 130 }])
  t.same([0, 99, 100, 129, 130].map(offset => epochs.epochAt(offset)), [0, 0, 5, 5, 8])
  t.same(epochs.divergence(0, 101), { epoch: 0, endOffset: 100 })
  t.equal(epochs.divergence(0, 100), null)
  t.same(epochs.divergence(5, 150), { epoch: 5, endOffset: 130 })
  t.equal(epochs.divergence(8, 150), null)
  t.ok(epochs.isKnown(5))
  t.notOk(epochs.isKnown(6))
})

test('an epoch that was thrown away as a whole: the one before ends where the next begins', async t => {
  const epochs = new ServedEpochs([{ epoch: 5, startOffset: 100 }, { epoch: 8, startOffset: 90 }])
  t.same([89, 90, 100].map(offset => epochs.epochAt(offset)), [0, 8, 8])
  t.same(epochs.divergence(5, 95), { epoch: 0, endOffset: 90 }, 'wherever it ends: none of it is left')
  t.same(epochs.divergence(0, 100), { epoch: 0, endOffset: 90 })
  t.ok(epochs.isKnown(5))
  t.same(new ServedEpochs([{ epoch: 5, startOffset: 100 }, { epoch: 8, startOffset: 100 }]).epochAt(100), 8)
})
