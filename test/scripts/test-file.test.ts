/** What counts the results must not be the place where failures get lost. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'tap'
import { z } from 'zod'
import { PROJECT_ROOT } from '../support/project-root.ts'

const resultSchema = z.object({ passed: z.number(), failed: z.number(), skipped: z.array(z.string()), report: z.string() })

/** The one reason to skip a test that is given to runFile. */
const MAY_SKIP = 'Go is missing: franz-go needs it'

const FILES: ReadonlyArray<{ what: string, code: string, passed: number, failed: number, skipped?: readonly string[], report?: RegExp }> = [
  { what: 'tests that pass', code: "test('a', async t => { t.ok(1); t.ok(2) }); test('b', async t => t.ok(1))", passed: 2, failed: 0 },
  { what: 'a test that fails', code: "test('a', async t => { t.ok(1); t.equal(1, 2, 'one is two') }); test('b', async t => t.ok(1))", passed: 1, failed: 1, report: /not ok 2 - one is two/ },
  { what: 'a test that throws', code: "test('a', async () => { throw new Error('thrown') })", passed: 0, failed: 1, report: /thrown/ },
  { what: 'a test that never ends while nothing is left to do', code: "test('a', async t => t.ok(1)); test('b', async () => { await new Promise(() => {}) })", passed: 1, failed: 1, report: /test unfinished/ },
  { what: 'a test that hangs', code: "test('a', async t => t.ok(1)); test('b', async () => { await new Promise(resolve => setTimeout(resolve, 1e6)) })", passed: 1, failed: 1, report: /timeout/ },
  { what: 'a file that hangs after its tests', code: "setInterval(() => {}, 1000); test('a', async t => t.ok(1))", passed: 1, failed: 1, report: /ended by/ },
  { what: 'a file without tests', code: '', passed: 0, failed: 1, report: /ran no test/ },
  { what: 'a file that does not load', code: "import './missing.mjs'", passed: 0, failed: 1, report: /ERR_MODULE_NOT_FOUND/ },
  { what: 'a crash after a test that passed', code: "test('a', async t => t.ok(1)); test('b', async () => { process.kill(process.pid, 'SIGKILL'); await new Promise(() => {}) })", passed: 1, failed: 1, report: /ended by SIGKILL/ },
  { what: 'an exit before all tests have run', code: "test('a', async t => t.ok(1)); test('b', async () => process.exit(0)); test('c', async t => t.ok(1))", passed: 1, failed: 1 },
  { what: 'an exit code without a failed test', code: "test('a', async t => t.ok(1)); process.on('exit', () => { process.exitCode = 3 })", passed: 1, failed: 1, report: /exit code 3/ },
  { what: 'a test that is skipped', code: "test('a', { skip: true }, async t => t.ok(1)); test('b', async t => t.ok(1))", passed: 1, failed: 1, report: /skipped/ },
  { what: 'a test that is skipped for another reason than is known', code: "test('a', { skip: 'because' }, async t => t.ok(1)); test('b', async t => t.ok(1))", passed: 1, failed: 1, report: /skipped/ },
  { what: 'a test that is skipped for the known reason', code: `test('a', { skip: '${MAY_SKIP}' }, async t => t.ok(1)); test('b', async t => t.ok(1))`, passed: 1, failed: 0, skipped: ['a'] },
  { what: 'two tests that are skipped, of which one may be', code: `test('a', { skip: '${MAY_SKIP}' }, async t => t.ok(1)); test('b', { skip: true }, async t => t.ok(1))`, passed: 0, failed: 1, skipped: ['a'], report: /1 tests that are skipped/ },
  { what: 'a test that is to do', code: "test('a', { todo: true }, async t => t.ok(1)); test('b', async t => t.ok(1))", passed: 1, failed: 1, report: /to do/ }
]

test('every way to fail is counted', async t => {
  const folder = t.testdir(Object.fromEntries(FILES.map(({ code }, index) => [`${index}.mjs`, `import { test } from 'tap'\n${code}\n`])))
  const files = FILES.map((_, index) => join(folder, `${index}.mjs`))
  const script = `
    import { runFile } from ${JSON.stringify(join(PROJECT_ROOT, 'scripts', 'test-file.mjs'))}
    const results = await Promise.all(${JSON.stringify(files)}.map(file => runFile(file, { root: ${JSON.stringify(PROJECT_ROOT)}, timeoutMs: 5000, env: {}, maySkip: ${JSON.stringify(MAY_SKIP)} })))
    console.log(JSON.stringify(results))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], { maxBuffer: 1e8 })
  const results = z.array(resultSchema).parse(JSON.parse(stdout))
  for (const [index, { what, passed, failed, skipped = [], report }] of FILES.entries()) {
    const result = results[index]
    t.match(result, { passed, failed, skipped }, what)
    t.equal(result?.skipped.length, skipped.length, what)
    if (report !== undefined) t.match(result?.report, report, what)
    else if (failed === 0) t.equal(result?.report, '', what)
  }
})
