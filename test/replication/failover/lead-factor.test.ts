import { test } from 'tap'
import { leadFactor } from '../../../src/replication/failover/producer-id-barrier.ts'

test('clusters that shadow each other keep their ids at different distances', async t => {
  t.notOk(Math.abs(leadFactor('a', ['b']) - leadFactor('b', ['a'])) < 2)
  const mesh = ['x', 'z', 'y']
  t.same(new Set(mesh.map(own => leadFactor(own, mesh.filter(id => id !== own)))).size, 3)
})

test('how many links there are from one source means nothing, nor does one that is not known', async t => {
  t.equal(leadFactor('b', ['a', 'a', null]), leadFactor('b', ['a']))
  t.equal(leadFactor(null, ['a']), 1)
  t.equal(leadFactor('b', []), 1)
})
