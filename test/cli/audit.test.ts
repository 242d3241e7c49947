import { userInfo } from 'node:os'
import { test } from 'tap'
import { FakeLinks, link } from '../admin/fake-links.ts'
import { startAdmin } from '../admin/start-admin.ts'
import { runCommand, type Outcome } from './run-command.ts'

test('orders carry who gave them, and are shown', async t => {
  const links = new FakeLinks(link('dr', { topics: [] }))
  const { server, url } = await startAdmin(t, links)
  const run = (line: string): Promise<Outcome> => runCommand([...line.split(' '), '--admin', `127.0.0.1:${server.address.port}`])
  await run('failover dr --all --no-confirm --no-wait')
  t.match(links.operator, { user: userInfo().username, address: '127.0.0.1', userAgent: /^kshadow\/\d/ })
  await fetch(`${url}/v1/links/dr/failover`, { method: 'POST', headers: { 'content-type': 'application/json', 'user-agent': 'x'.repeat(500), 'x-kshadow-user': '%E4%zz' }, body: '{}' })
  t.same(links.operator, { user: '%E4%zz', address: '127.0.0.1', userAgent: 'x'.repeat(200) }, 'what cannot be decoded, or is too long, does no harm')

  t.match(await run('audit'), { code: 0, out: '', err: 'nothing was ordered yet\n' })
  links.records = [
    { number: 0, at: '2026-01-02T03:04:05.000Z', action: 'create', link: 'dr', topics: null, detail: 'append mode replica', by: null, problem: null },
    { number: 1, at: '2026-01-02T03:05:05.000Z', action: 'failover', link: 'dr', topics: 3, detail: 'all', by: { user: 'alice', address: '10.0.0.1', userAgent: 'kshadow/1' }, problem: 'no' }
  ]
  t.equal((await run('audit dr')).out, [
    'TIME                      LINK  ACTION    TOPICS  WHAT                 BY              PROBLEM',
    '2026-01-02T03:04:05.000Z  dr    create    -       append mode replica  configuration',
    '2026-01-02T03:05:05.000Z  dr    failover  3       all                  alice@10.0.0.1  no',
    ''
  ].join('\n'))
  t.match(JSON.parse((await run('audit dr --output json')).out), [{ by: null }, { number: 1, by: { user: 'alice', user_agent: 'kshadow/1' } }])
  t.match(links.calls.filter(([verb]) => verb === 'audit'), [['audit', null], ['audit', 'dr'], ['audit', 'dr']])
})
