/** Runs one compiled test file in a process of its own, and counts what it reports. */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { Parser } from 'tap-parser'

const KILL_AFTER_MS = 5000
const MAX_OUTPUT_CHARACTERS = 4 * 1024 * 1024

const running = new Set()

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    for (const child of running) killGroup(child, 'SIGKILL')
    process.exit(128 + constants.signals[signal])
  })
}

/**
 * `passed` and `failed` count the tests of the file, not their assertions. One that is skipped has failed, unless it says `maySkip` for a
 * reason: then it is named in `skipped`. So has, at least once, a file that crashes, hangs or has no test. `report` is its output without the
 * lines that say ok.
 */
export async function runFile (file, { root, timeoutMs, env, maySkip = null }) {
  const start = performance.now()
  const child = spawn(process.execPath, ['--enable-source-maps', file], {
    cwd: root,
    env: { ...process.env, ...env, TAP: '1', TAP_TIMEOUT: String(timeoutMs / 1000) },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own: what it started is ended with it.
    detached: true
  })
  running.add(child)
  let output = ''
  const keep = text => { if (output.length < MAX_OUTPUT_CHARACTERS) output += text }
  const parser = new Parser({ passes: true })
  const complete = new Promise(resolve => parser.once('complete', resolve))
  child.stdout.setEncoding('utf8').on('data', text => {
    keep(text)
    parser.write(text)
  })
  child.stderr.setEncoding('utf8').on('data', keep)

  let isLate = false
  // A little later than tap's own limit, which says which test it was.
  const timer = setTimeout(() => {
    isLate = true
    killGroup(child, 'SIGKILL')
  }, timeoutMs + KILL_AFTER_MS)
  const ended = await new Promise(resolve => {
    child.once('error', error => resolve({ problem: error.message }))
    child.once('exit', (code, signal) => {
      // Whatever still holds its output open must not keep us.
      killGroup(child, 'SIGKILL')
      child.once('close', () => resolve({ code, signal }))
    })
  })
  clearTimeout(timer)
  running.delete(child)
  parser.end()
  const results = await complete

  const isExpected = ({ ok, skip }) => ok && maySkip !== null && skip === maySkip
  const skipped = results.skips.filter(isExpected).map(({ name }) => name)
  const problem = ended.problem ?? problemOf(results, ended, { lateMs: isLate ? timeoutMs : null, skipped: skipped.length })
  const notRun = [...results.skips, ...results.todos].filter(test => test.ok && !isExpected(test)).length
  const failed = Math.max(results.fail + notRun, problem === null ? 0 : 1)
  return { passed: results.passes.length, failed, skipped, ms: performance.now() - start, report: reportOf(output, problem) }
}

/** What is wrong with a whole file; null if nothing is. */
function problemOf (results, { code, signal }, { lateMs, skipped }) {
  if (lateMs !== null) return `ended by force after ${lateMs} ms`
  if (signal !== null) return `ended by ${signal}`
  if (results.bailout !== false) return `bailed out: ${results.bailout}`
  const notRun = results.skip + results.todo - skipped
  if (notRun > 0) return `${notRun} tests that are skipped or to do`
  if (results.count === 0) return 'ran no test'
  if (code !== 0) return `exit code ${code}`
  return results.ok ? null : 'its report is not complete'
}

function reportOf (output, problem) {
  const lines = output.split('\n').filter(line => !/^\s*(ok \d+|1\.\.\d+|# time=|TAP version|# Subtest: |# \{ total: |$)/.test(line))
  if (problem !== null) lines.push(problem)
  return lines.map(line => `       ${line}`).join('\n')
}

function killGroup (child, signal) {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch (error) {
    // There is nobody left.
    if (error.code !== 'ESRCH') throw error
  }
}
