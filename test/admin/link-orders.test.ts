import { test } from 'tap'
import { FakeLinks, link } from './fake-links.ts'
import { startAdmin } from './start-admin.ts'

const FILTER = { pattern_type: 'PREFIX', filter_type: 'INCLUDE', name: 'pay' }

test('an order says what it is for, in one way, and a misspelled one means nothing', async t => {
  const links = new FakeLinks(link('dr'))
  const { url } = await startAdmin(t, links)
  const send = async (method: string, path: string, body?: unknown, type = 'application/json'): Promise<number> => {
    const response = await fetch(`${url}/v1${path}`, { method, ...(body === undefined ? {} : { headers: { 'content-type': type }, body: JSON.stringify(body) }) })
    await response.text()
    return response.status
  }
  t.equal(await send('POST', '/links/dr/pause', { task: 'Source Topic Sync' }), 200)
  t.equal(await send('POST', '/links/dr/resume', { filters: [FILTER] }), 200)
  t.equal(await send('POST', '/links/dr/failover', { filters: [FILTER] }), 202)
  t.equal(await send('DELETE', '/links/dr/topics/orders'), 200)
  t.equal(await send('POST', '/links/dr/topics/orders/retry', {}), 200)
  for (const body of [{ from: 'scratch' }, { from: 'common-prefix' }, { from: 'common-prefix', keep: [5, 0] }]) t.equal(await send('POST', '/links/dr/topics/orders/restore', body), 200)
  t.same(links.calls, [
    ['pause', 'dr', { task: 'Source Topic Sync' }],
    ['resume', 'dr', [{ patternType: 'PREFIX', filterType: 'INCLUDE', name: 'pay' }]],
    ['failover', 'dr', [{ patternType: 'PREFIX', filterType: 'INCLUDE', name: 'pay' }]],
    ['remove', 'dr', 'orders'], ['retry', 'dr', 'orders'], ['restore', 'dr', 'orders', { from: 'scratch' }],
    ['restore', 'dr', 'orders', { from: 'common-prefix', keep: null }], ['restore', 'dr', 'orders', { from: 'common-prefix', keep: [5, 0] }]
  ])
  links.calls.length = 0
  for (const [path, body] of [
    ['/links/dr/pause', { topic: 'a', task: 'b' }], ['/links/dr/failover', { topic: 'a', filters: [FILTER] }], ['/links/dr/failover', { filters: [] }], ['/links/dr/failover', { task: 'x' }],
    ['/links/dr/promote', { topics: ['a'] }], ['/links/dr/topics/orders/restore', {}], ['/links/dr/topics/orders/restore', { from: 'prefix' }],
    ['/links/dr/topics/orders/restore', { from: 'scratch', keep: [5] }], ['/links/dr/topics/orders/restore', { from: 'common-prefix', keep: [-1] }]
  ] as const) t.equal(await send('POST', path, body), 400, JSON.stringify(body))
  t.equal(await send('PUT', '/links/dr', { name: 'dr' }, 'text/plain'), 415)
  t.equal(await send('PUT', '/links/dr', { name: 'dr' }), 400)
  t.same(links.calls.map(([verb]) => verb), ['update'])
})
