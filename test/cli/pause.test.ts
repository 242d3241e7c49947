import { test } from 'tap'
import { FakeLinks, link, topic } from '../admin/fake-links.ts'
import { startAdmin } from '../admin/start-admin.ts'
import { runCommand, type Outcome } from './run-command.ts'

const FILTERS = [{ patternType: 'LITERAL', filterType: 'INCLUDE', name: 'orders' }, { patternType: 'PREFIX', filterType: 'INCLUDE', name: 'pay' }]

test('topics, tasks and whole links are paused and resumed', async t => {
  const links = new FakeLinks(link('dr', { topics: [topic('orders', { state: 'PAUSED' }), topic('other')] }))
  const { server } = await startAdmin(t, links)
  const run = (...argv: readonly string[]): Promise<Outcome> => runCommand([...argv, '--admin', `127.0.0.1:${server.address.port}`])
  t.match(await run('pause', 'dr', '--topic', 'orders'), { code: 0, out: 'Successfully paused topic orders of shadow link "dr".\n' })
  t.match(await run('pause', 'dr', '--filter', 'orders', 'pay*'), { code: 0, out: 'Successfully paused the topics that match orders, pay* of shadow link "dr".\n' })
  t.match(await run('pause', 'dr', '--filter', 'orders', '--filter', 'pay*'), { code: 0, out: /that match orders, pay\*/ }, 'given twice, they add up')
  t.match(await run('resume', 'dr', '--all'), { code: 0, out: 'Successfully resumed all of shadow link "dr".\n' })
  t.match(await run('resume', 'dr', '--task', 'Source Topic Sync'), { code: 0, out: 'Successfully resumed task Source Topic Sync of shadow link "dr".\n' })
  t.same(links.calls, [['pause', 'dr', 'orders'], ['pause', 'dr', FILTERS], ['pause', 'dr', FILTERS], ['resume', 'dr', null], ['resume', 'dr', { task: 'Source Topic Sync' }]])
  t.same(JSON.parse((await run('pause', 'dr', '--topic', 'orders', '--output', 'json')).out), { name: 'dr', state: 'ACTIVE', paused_at: null, topics: [{ name: 'orders', state: 'PAUSED' }] })
  for (const wrong of [[], ['--all', '--topic', 'orders'], ['--all', '--task', 'x'], ['--filter', 'no/name']]) t.match(await run('pause', 'dr', ...wrong), { code: 2, out: '' }, wrong.join(' '))
})

test('a failover by filters follows the topics that they select', async t => {
  const links = new FakeLinks(link('dr', { topics: [topic('orders', { state: 'FAILED_OVER' }), topic('payments', { state: 'FAILED_OVER' }), topic('other')] }))
  const { server } = await startAdmin(t, links)
  const outcome = await runCommand(['failover', 'dr', '--filter', 'orders', 'pay*', '--no-confirm', '--admin', `127.0.0.1:${server.address.port}`])
  t.match(outcome, { code: 0, out: /orders[\s\S]*payments/ })
  t.notMatch(outcome.out, /other/)
  t.same(links.calls[0], ['failover', 'dr', FILTERS])
})
