import { test, type Test } from 'tap'
import { ShadowError } from '../../src/errors.ts'
import { FakeLinks, link, topic } from '../admin/fake-links.ts'
import { startAdmin } from '../admin/start-admin.ts'
import { runCommand, type CommandOptions, type Outcome } from './run-command.ts'

async function scene (t: Test): Promise<{ readonly links: FakeLinks, readonly run: (line: string, options?: CommandOptions) => Promise<Outcome> }> {
  const links = new FakeLinks(link('dr', { topics: [topic('orders'), topic('bad', { state: 'FAULTED', fault: { code: 'DIVERGED', reason: 'they differ', partition: 0, offset: 5 } })] }))
  const { server } = await startAdmin(t, links)
  return { links, run: (line, options) => runCommand([...line.split(' '), '--admin', `127.0.0.1:${server.address.port}`], options) }
}

test('a topic is taken out of a link once somebody has said so', async t => {
  const { links, run } = await scene(t)
  t.match(await run('topic remove dr orders', { answers: ['n'] }), { code: 1, err: /It becomes writable[\s\S]*nothing was changed/ })
  t.same(links.calls, [])
  t.match(await run('topic remove dr orders --no-confirm'), { code: 0, out: 'Topic orders was taken out of shadow link "dr", and is an ordinary topic.\n' })
  t.same(links.calls, [['remove', 'dr', 'orders']])
})

test('a repair is followed until the topic is copied, or is stopped again', async t => {
  const { links, run } = await scene(t)
  t.match(await run('topic retry dr orders'), { code: 0, out: 'Topic orders of shadow link "dr" is copied again.\n' })
  t.match(await run('topic retry dr bad'), { code: 1, out: '', err: 'kshadow: topic bad is FAULTED: they differ\n' })
  links.failure = new ShadowError('CONFLICT', 'topic bad stays FAULTED: they differ')
  t.match(await run('topic retry dr bad'), { code: 1, err: 'kshadow: topic bad stays FAULTED: they differ\n' })
})

test('to restore a topic from scratch is to delete it, which is said and asked for', async t => {
  const { links, run } = await scene(t)
  const orders = (): unknown[][] => links.calls.filter(([verb]) => verb === 'restore')
  t.match(await run('topic restore dr orders --from scratch'), { code: 2, err: /there is no terminal to ask at: give --no-confirm/ })
  t.match(await run('topic restore dr orders --from scratch', { answers: ['no'] }), { code: 1, err: /end at offsets 0: 100[\s\S]*consumer groups committed[\s\S]*nothing was changed/ })
  t.match(await run('topic restore dr orders --from scratch --dry-run'), { code: 0, out: /end at offsets 0: 100/, err: '' })
  t.same(orders(), [])
  t.match(await run('topic restore dr orders --from scratch', { answers: ['y'] }), { code: 0, out: /is copied again/ })
  t.match(await run('topic restore dr orders --from scratch --no-confirm'), { code: 0 })
  t.same(orders(), [['restore', 'dr', 'orders', { from: 'scratch' }], ['restore', 'dr', 'orders', { from: 'scratch' }]])
  t.match(await run('topic restore dr orders --from the-start'), { code: 2, err: /common-prefix, scratch/ })
})

test('from the common prefix, what is thrown away is said beforehand, and no more is than somebody agreed to', async t => {
  const { links, run } = await scene(t)
  links.plan = { isOtherTopic: false, partitions: [{ partition: 0, fromOffset: 120, toOffset: 100, difference: 'they differ' }, { partition: 1, fromOffset: 7, toOffset: 7, difference: null }] }
  const orders = (): unknown[][] => links.calls.filter(([verb]) => verb === 'restore')
  t.match(await run('topic restore dr orders'), { code: 2, err: /give --no-confirm/ })
  const said = /20 records in 1 of 2 partitions are thrown away on every replica, for good:\n {2}partition 0: offsets 100 to 119, 20 records \(they differ\)\n/
  t.match(await run('topic restore dr orders', { answers: [''] }), { code: 1, err: said })
  t.match(await run('topic restore dr orders --dry-run'), { code: 0, out: said, err: '' })
  t.same(JSON.parse((await run('topic restore dr orders --dry-run --output json')).out), {
    link: 'dr',
    topic: 'orders',
    source_topic_recreated: false,
    partitions: [
      { partition_id: 0, from_offset: 120, to_offset: 100, discarded_records: 20, difference: 'they differ' },
      { partition_id: 1, from_offset: 7, to_offset: 7, discarded_records: 0, difference: null }
    ]
  })
  t.same(orders(), [])
  t.match(await run('topic restore dr orders', { answers: ['y'] }), { code: 0, out: /is copied again/ })
  t.same(orders(), [['restore', 'dr', 'orders', { from: 'common-prefix', keep: [100, 7] }]])
  t.match(await run('topic restore dr orders --from common-prefix --no-confirm'), { code: 0 })
  t.same(orders().at(-1), ['restore', 'dr', 'orders', { from: 'common-prefix', keep: null }])
  links.plan = { isOtherTopic: true, partitions: [{ partition: 0, fromOffset: 7, toOffset: 7, difference: null }] }
  t.match(await run('topic restore dr orders --dry-run'), { code: 0, out: /was made anew since it was copied[\s\S]*nothing is thrown away/ })
  links.failure = new ShadowError('CONFLICT', 'topic orders is compacted')
  t.match(await run('topic restore dr orders --dry-run'), { code: 1, err: 'kshadow: topic orders is compacted\n' })
})
