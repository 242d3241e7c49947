/**
 * `npm test`: makes sure that everything is there, then runs the tests, compiled. Ends with `N passed, N failed`, counted from the results;
 * where there is no Go, with `, N skipped` behind it: those that need franz-go. They are named, and everything else runs.
 *
 *   npm test                            everything
 *   npm test -- test/net test/cli       these folders and files only
 *   npm test -- --fast                  everything but test/broker and test/conformance: needs no Java
 *   npm test -- --lint                  eslint first, as one more test
 *   npm run test:matrix                 test/matrix: slow proofs, and proofs between more releases of Kafka, which are not part of the rest
 *   npm test -- --deadline-minutes 18   all is over by then: what has not ended has failed
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { installPackages } from './install-packages.mjs'
import { buildGo, missingGo } from './build-go.mjs'
import { buildJava } from './build-java.mjs'
import { ensureKcat } from './kcat.mjs'
import { missingTools, resolveKafkaJars, ROOT } from './kafka-jars.mjs'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { fast: { type: 'boolean' }, lint: { type: 'boolean' }, 'deadline-minutes': { type: 'string' } }
})

const startedAt = performance.now()
const deadlineMs = Number(options['deadline-minutes'] ?? Infinity) * 60_000
if (Number.isNaN(deadlineMs)) throw new Error('--deadline-minutes: expected a number')

const FAST_TIMEOUT_MS = 120_000
const BROKER_TIMEOUT_MS = 300_000
const MATRIX_TIMEOUT_MS = 600_000

const say = line => console.log(line)
const total = { passed: 0, failed: 0, skipped: 0 }
/** Why the tests with franz-go are skipped; null when they are not. */
let withoutGo = null

process.exitCode = 1
try {
  await main()
} catch (error) {
  say(String(error instanceof Error ? error.stack : error))
  total.failed++
}
if (total.failed === 0 && total.passed > 0) process.exitCode = 0
say(`\n${counts(total)}`)

async function main () {
  installPackages(say)
  const files = selectFiles()
  if (files.length === 0) throw new Error(`no tests in ${positionals.join(' ')}`)

  const needsJava = files.some(file => ['test/broker', 'test/conformance', 'test/matrix'].some(folder => file.startsWith(`${folder}/`)))
  if (needsJava) {
    const missing = missingTools()
    if (missing.length > 0) throw new Error(`the tests need Java and Maven:\n  ${missing.join('\n  ')}\nor leave those out: npm test -- --fast`)
    resolveKafkaJars(say)
    buildJava(say)
    if (files.some(file => /\bkcat\b/.test(readFileSync(join(ROOT, file), 'utf8')))) ensureKcat(say)
    if (files.some(file => /\bfranz/.test(readFileSync(join(ROOT, file), 'utf8')))) {
      withoutGo = missingGo()
      if (withoutGo === null) buildGo(say)
      else say(`SKIPPED all that needs franz-go. ${withoutGo}`)
    }
  }
  if (options.lint) check('lint', ['node_modules/eslint/bin/eslint.js', '.'])
  // What is wrong in one file is no reason to run none: the compiler writes them all the same.
  check('types', ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'])

  const isBroker = file => file.startsWith('test/broker/')
  const isMatrix = file => file.startsWith('test/matrix/')
  const shares = file => /shared-clusters\.ts'/.test(readFileSync(join(ROOT, file), 'utf8'))
  const alone = files.filter(file => isBroker(file) && !shares(file))
  const sharing = files.filter(file => isBroker(file) && shares(file))
  await run(files.filter(file => !isBroker(file) && !isMatrix(file)), { jobs: Math.min(availableParallelism(), 4), timeoutMs: FAST_TIMEOUT_MS })
  await run(alone, { jobs: 1, timeoutMs: BROKER_TIMEOUT_MS })
  await run(files.filter(isMatrix), { jobs: 1, timeoutMs: MATRIX_TIMEOUT_MS })
  if (sharing.length > 0) await withSharedClusters(env => run(sharing, { jobs: 1, timeoutMs: BROKER_TIMEOUT_MS, env }))
}

/** The test files that were asked for, as paths from the root. */
function selectFiles () {
  const all = readdirSync(join(ROOT, 'test'), { recursive: true })
    .map(name => join('test', name)).filter(name => name.endsWith('.test.ts')).sort()
  const wanted = positionals.map(path => relative(ROOT, resolve(path)))
  for (const path of wanted) {
    if (!all.some(file => isWithin(file, path))) throw new Error(`${path}: no tests there`)
  }
  const chosen = wanted.length === 0 ? all.filter(file => !isWithin(file, 'test/matrix')) : all.filter(file => wanted.some(path => isWithin(file, path)))
  return options.fast ? chosen.filter(file => !/^test\/(broker|conformance)\//.test(file)) : chosen
}

function isWithin (file, path) {
  return path === '' || file === path || file.startsWith(`${path}/`)
}

/** Runs a tool over the whole tree, as one test. */
function check (name, args) {
  const start = performance.now()
  const { status } = spawnSync(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] })
  total[status === 0 ? 'passed' : 'failed']++
  say(`${status === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds(performance.now() - start)})`)
}

async function run (files, { jobs, timeoutMs, env = {} }) {
  // Only now: on a fresh clone there was no parser before.
  const { runFile } = await import('./test-file.mjs')
  const waiting = [...files]
  const work = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const leftMs = startedAt + deadlineMs - performance.now()
      if (leftMs <= 0) {
        total.failed++
        say(`FAILED ${file}: not started, ${options['deadline-minutes']} minutes are over`)
        continue
      }
      const compiled = join(ROOT, 'dist', file.replace(/\.ts$/, '.js'))
      const result = existsSync(compiled)
        ? await runFile(compiled, { root: ROOT, timeoutMs: Math.min(timeoutMs, leftMs), env: withoutGo === null ? env : { ...env, KSHADOW_TEST_WITHOUT_GO: withoutGo }, maySkip: withoutGo })
        : { passed: 0, failed: 1, skipped: [], ms: 0, report: 'not compiled' }
      total.passed += result.passed
      total.failed += result.failed
      total.skipped += result.skipped.length
      say(`${result.failed === 0 ? 'ok    ' : 'FAILED'} ${file}: ${counts({ ...result, skipped: result.skipped.length })} (${seconds(result.ms)})`)
      for (const name of result.skipped) say(`SKIPPED ${file}: ${name}. ${withoutGo}`)
      if (result.failed > 0) say(result.report)
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
}

async function withSharedClusters (use) {
  const { KafkaCluster } = await import('../dist/test/support/kafka-cluster.js')
  const { SHARED_CLUSTERS, SHARED_CLUSTERS_VARIABLE, describeClusters } = await import('../dist/test/support/shared-clusters.js')
  const start = performance.now()
  const started = await Promise.allSettled([SHARED_CLUSTERS.source, SHARED_CLUSTERS.shadow].map(cluster => KafkaCluster.start(cluster)))
  try {
    for (const cluster of started) if (cluster.status === 'rejected') throw cluster.reason
    const [source, shadow] = started.map(cluster => cluster.value)
    say(`       clusters of Apache Kafka ${source.version} and ${shadow.version} are up (${seconds(performance.now() - start)})`)
    await use({ [SHARED_CLUSTERS_VARIABLE]: describeClusters({ source, shadow }) })
  } finally {
    for (const cluster of started) await cluster.value?.stop()
  }
}

function counts ({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`
}

function seconds (ms) {
  return `${(ms / 1000).toFixed(1)} s`
}
