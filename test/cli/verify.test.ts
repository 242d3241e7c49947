import { createServer } from 'node:http'
import { test } from 'tap'
import { ShadowError } from '../../src/errors.ts'
import { link, report } from '../admin/fake-links.ts'
import { kshadow } from './kshadow.ts'
import { listening } from './listening.ts'
import { runCommand } from './run-command.ts'

test('verify prints what was compared and is content only with all of it', async t => {
  const { run, links } = await kshadow(t, link('a'))
  links.reports = async function * () { yield report() }
  t.same(await run('verify a'), {
    code: 0,
    out: 'orders/0: identical (compared: offsets 0 to 100, 3 batches, 3.0 KiB)\n\n1 partitions, 3 batches, 3.0 KiB compared: identical.\n',
    err: ''
  })
  links.reports = async function * () {
    yield report({ difference: 'offset 7: CRC 1 and 2' })
    yield report({ partition: 1, incomplete: 'the partition has no leader' })
  }
  t.same(await run('verify a --topic orders'), {
    code: 1,
    out: [
      'orders/0: DIFFERENT: offset 7: CRC 1 and 2 (compared: offsets 0 to 100, 3 batches, 3.0 KiB)',
      'orders/1: NOT COMPARED: the partition has no leader (compared: offsets 0 to 100, 3 batches, 3.0 KiB)',
      '',
      '2 partitions, 6 batches, 6.0 KiB compared: 1 with a difference, 1 not compared to the end.',
      ''
    ].join('\n'),
    err: ''
  })
  const { code, out } = await run('verify a --output json')
  t.equal(code, 1)
  t.match(JSON.parse(out), {
    link: 'a',
    partitions: [{ topic: 'orders', partition_id: 0, from_offset: 0, to_offset: 100, batches: 3, bytes: 3072, difference: 'offset 7: CRC 1 and 2', incomplete: null }, { partition_id: 1 }],
    summary: { partitions: 2, batches: 6, bytes: 6144, different: 1, incomplete: 1 }
  })
})

test('nothing compared is nothing proved', async t => {
  const { run } = await kshadow(t, link('a', { topics: [] }))
  t.match(await run('verify a'), { code: 1, out: /Nothing was compared/ })
})

test('a verification that breaks off is a failure', async t => {
  const { run, links } = await kshadow(t, link('a'))
  links.reports = async function * () {
    yield report()
    throw new ShadowError('CLUSTER_UNAVAILABLE', 'the source went away')
  }
  t.match(await run('verify a'), { code: 1, out: /^orders\/0: identical/, err: 'kshadow: the source went away\n' })
  t.notMatch((await run('verify a')).out, /compared: identical\.\n$/)

  const port = await listening(t, createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    response.write(`${JSON.stringify({ kind: 'partition', report: report() })}\n`)
    setImmediate(() => response.end())
  }))
  t.match(await runCommand(['verify', 'a', '--admin', `127.0.0.1:${port}`]), { code: 1, err: /closed the connection before the verification had ended/ })
})

test('verify shows its progress on a terminal, and takes it away', async t => {
  const { run, links } = await kshadow(t, link('a'))
  links.reports = async function * () { yield report() }
  const { err } = await run('verify a', { isTty: true })
  t.match(err, /1 partitions compared/)
  t.ok(err.endsWith('\r\u001b[2K'))
})
