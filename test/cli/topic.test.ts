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

test('to restore a topic is to delete it, which is said and asked for', async t => {
  const { links, run } = await scene(t)
  t.match(await run('topic restore dr orders --no-confirm'), { code: 2, err: /give --from-scratch/ })
  t.match(await run('topic restore dr orders --from-scratch'), { code: 2, err: /there is no terminal to ask at: give --no-confirm/ })
  t.match(await run('topic restore dr orders --from-scratch', { answers: ['no'] }), { code: 1, err: /end at offsets 0: 100[\s\S]*consumer groups committed[\s\S]*nothing was changed/ })
  t.same(links.calls.filter(([verb]) => verb === 'restore'), [])
  t.match(await run('topic restore dr orders --from-scratch', { answers: ['y'] }), { code: 0, out: /is copied again/ })
  t.same(links.calls.filter(([verb]) => verb === 'restore'), [['restore', 'dr', 'orders']])
})
