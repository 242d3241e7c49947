import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { ShadowError } from '../../src/errors.ts'
import { link } from '../admin/fake-links.ts'
import { kshadow } from './kshadow.ts'

test('check shows every line, and what to do below it', async t => {
  const { run, links } = await kshadow(t)
  const file = join(t.testdir(), 'link.yaml')
  await writeFile(file, 'name: dr\nclient_options: {bootstrap_servers: ["source:9092"]}\n')
  links.lines = [
    { name: 'source', verdict: 'ok', text: 'cluster x answers', advice: null },
    { name: 'topic names', verdict: 'warning', text: 'orders\u001b[2J is taken', advice: 'exclude it' }
  ]
  t.same(await run(`check -c ${file}`), {
    code: 0,
    out: `CHECK        VERDICT  FOUND
source       ok       cluster x answers
topic names  warning  orders\\u001b[2J is taken
                      to do: exclude it

The link can be created: 1 ok, 1 to know of, 0 failed.
`,
    err: ''
  })
  links.lines = [{ name: 'source', verdict: 'failed', text: 'it is not there', advice: 'start it' }]
  t.match(await run(`check -c ${file}`), { code: 1, out: /source +FAILED +it is not there\n +to do: start it\n\nThe link cannot be created: 0 ok, 0 to know of, 1 failed\.\n$/ })
  const { code, out } = await run(`check -c ${file} --output json`)
  t.equal(code, 1)
  t.same(JSON.parse(out), [{ check: 'source', verdict: 'failed', found: 'it is not there', advice: 'start it' }])
  t.match(links.calls, [['check', { name: 'dr', append_mode: 'auto' }], ['check'], ['check']])
  t.match(await run('check'), { code: 2 })
})

test('a link that is not there is a failure, whatever its name', async t => {
  const { run, links } = await kshadow(t, link('a'))
  t.same(await run('status b'), { code: 1, out: '', err: 'kshadow: there is no link b\nkshadow: `kshadow list` shows the links there are\n' })
  for (const name of ['../x', '..', '%2e%2e', 'a?force=true', 'a/failover', '😀', 'x'.repeat(300)]) {
    const { code, out, err } = await run(`status ${name}`)
    t.same({ code, out }, { code: 1, out: '' }, name)
    t.match(err, /^kshadow: there is no /)
  }
  t.notOk(links.calls.some(([verb]) => verb !== 'status'))
  t.match(JSON.parse((await run('status b --output json')).err), { code: 'NOT_FOUND', status: 404, detail: 'there is no link b' })
})

test('delete asks, and forces only where told to', async t => {
  const { run, links } = await kshadow(t, link('a'), link('b'), link('c'))
  t.match(await run('delete a', { answers: ['no'] }), { code: 1, out: '', err: /orders {8}ACTIVE\nDelete this shadow link\? \[y\/N\] nothing was deleted/ })
  t.match(await run('delete a'), { code: 2, err: /give --no-confirm/ })
  t.same(await run('delete a', { answers: ['y'] }).then(({ code, out }) => ({ code, out })), { code: 0, out: 'Shadow Link "a" deleted successfully\n' })
  t.match(await run('delete b --no-confirm'), { code: 0 })
  t.match(await run('delete c -f --output json'), { code: 0, out: '{\n  "name": "c",\n  "deleted": true\n}\n' })
  t.same(links.calls.filter(([verb]) => verb === 'delete'), [['delete', 'a', false], ['delete', 'b', false], ['delete', 'c', true]])
  links.failure = new ShadowError('CONFLICT', 'link d has 3 live shadow topics')
  t.match(await run('delete d --no-confirm'), { code: 1, err: 'kshadow: link d has 3 live shadow topics\n' })
})
