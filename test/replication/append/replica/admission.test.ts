import { test } from 'tap'
import { catchUp, Shadow } from './fixture.ts'

test('a follower that has lost the end of its log is looked at again before it is served', async t => {
  const told: number[] = []
  const shadow = await Shadow.start(t, { options: { onFollower: (_, fetchOffset) => { told.push(fetchOffset) } } })
  shadow.log.append({ records: 10 })
  shadow.log.append({ records: 10 })
  shadow.serve()
  const follower = await shadow.follower(1)
  await catchUp(follower, 20)
  await follower.fetch()
  t.same(told, [], 'an empty log agrees with every other one')
  follower.replica().end = 10
  await follower.fetch()
  await follower.fetch()
  t.same(told, [10])
  t.equal(follower.replica().end, 10, 'it is not served meanwhile')
  t.ok(shadow.shadow().isAwaitingAdmission(1, 10))
  shadow.shadow().admitFollower(1, { offset: 10, leaderEpoch: -1 })
  t.notOk(shadow.shadow().isAwaitingAdmission(1, 10))
  await catchUp(follower, 20)
})

test('a follower at which the source has begun to delete waits for nobody', async t => {
  const told: number[] = []
  const shadow = await Shadow.start(t, { options: { onFollower: (_, fetchOffset) => { told.push(fetchOffset) } } })
  shadow.log.append({ records: 10 })
  shadow.log.append({ records: 10 })
  shadow.serve()
  const follower = await shadow.follower(1)
  follower.replica().end = 10
  await follower.fetch()
  t.same(told, [10])
  shadow.shadow().sourceContact({ logStartOffset: 10, highWatermark: 20 })
  await catchUp(follower, 20)
  t.notOk(shadow.shadow().isAwaitingAdmission(1, 10))
})
