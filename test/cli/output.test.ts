import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { link, report } from '../admin/fake-links.ts'
import { kshadow } from './kshadow.ts'
import { runShell } from './run-process.ts'

test('output that cannot be written is a failure, and is said to be lost', async t => {
  const { links, address } = await kshadow(t, link('a'))
  links.reports = async function * () { yield report() }
  for (const line of ['--help', 'config generate', `verify a --admin ${address}`, `list --admin ${address}`]) {
    t.match(await runShell(t, `kshadow ${line} > /dev/full`), { code: 1, err: /^kshadow: what was to be shown could not be written to stdout: ENOSPC: no space left on device\S*/ }, line)
  }
  const json = await runShell(t, `kshadow list --output json --admin ${address} > /dev/full`)
  t.equal(json.code, 1)
  t.match(JSON.parse(json.err), { code: 'OUTPUT', detail: /ENOSPC/ })
  const invalid = join(t.testdir(), 'run.yaml')
  await writeFile(invalid, 'shadow_cluster: {bootstrap_servers: [nonsense]}\n')
  t.match(await runShell(t, `kshadow config check ${invalid} --output json > /dev/full`), { code: 1, err: /ENOSPC/ })
})

test('a file that takes only the beginning of the output is no success', async t => {
  const file = join(t.testdir(), 'link.yaml')
  t.match(await runShell(t, `ulimit -f 1; kshadow config generate > ${file}`), { code: 1, err: /could not be written to stdout: EFBIG/ })
  t.equal((await readFile(file)).length, 512, 'the limit of the shell counts in blocks of 512 bytes')
})

test('who stops to read ends a command as SIGPIPE does, without a word', async t => {
  const { links, address } = await kshadow(t, link('a'))
  links.reports = async function * (signal) {
    // Until the reader is gone; what the server does not send before is never compared.
    while (!signal.aborted) {
      yield report()
      await new Promise(resolve => { setTimeout(resolve, 20) })
    }
  }
  const codes = '2>&1; echo "code $?" >&2'
  t.match(await runShell(t, `{ kshadow verify a --admin ${address} ${codes}; } | head -n 1`), { out: /^orders\/0: identical[^\n]*\n$/, err: 'code 141\n' })
  t.match(await runShell(t, `{ kshadow status a --watch=100ms --admin ${address} ${codes}; } | head -n 1`), { out: /\n$/, err: 'code 141\n' })
})

test('a command that had ended before nobody read it keeps its exit code', async t => {
  const invalid = join(t.testdir(), 'run.yaml')
  await writeFile(invalid, 'shadow_cluster: {bootstrap_servers: [nonsense]}\n')
  const codes = 'echo "code $?" >&2'
  t.match(await runShell(t, `{ sleep 0.3; kshadow --help; ${codes}; } | true`), { out: '', err: 'code 0\n' })
  t.match(await runShell(t, `{ sleep 0.3; kshadow config check ${invalid} --output json; ${codes}; } | true`), { out: '', err: 'code 2\n' })
})
