import { test } from 'tap'
import { encodeCard, placesOf } from '../../src/replication/engine-card.ts'

test('engines tell where they can be shadow leaders, and who they are', async t => {
  t.same(placesOf([encodeCard('a', 'one:9095'), encodeCard('b', null), encodeCard('c', 'two:9095')]), [{ instance: 'a', address: 'one:9095' }, { instance: 'c', address: 'two:9095' }])
})

test('what an engine of another version tells, or somebody else, is left out', async t => {
  for (const bytes of ['', '{', 'null', '[]', '{"v":2,"instance":"a","shadowLeader":"one:9095"}', '{"v":1,"instance":7,"shadowLeader":"one:9095"}', '{"v":1,"instance":"a"}']) {
    t.same(placesOf([Buffer.from(bytes), Buffer.from([0xff, 0x00])]), [], bytes)
  }
})
