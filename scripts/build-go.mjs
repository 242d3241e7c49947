/**
 * Builds the Go program of the tests (`test/go/`), which is franz-go as a client, into `.cache/go/`.
 * Run by hand: `node scripts/build-go.mjs`.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ROOT } from './kafka-jars.mjs'

const SOURCES = join(ROOT, 'test', 'go')
const TARGET = join(ROOT, '.cache', 'go')

/** What is to be installed for it, with why; null where the Go that is there will do. */
export function missingGo () {
  const [, major = '', minor = ''] = /^go (\d+)\.(\d+)/m.exec(readFileSync(join(SOURCES, 'go.mod'), 'utf8')) ?? []
  const install = `franz-go needs Go ${major}.${minor} or newer`
  // The one that Go would build with here: it may get itself a newer one than is installed.
  const { error, stdout } = go(['version'])
  if (error !== undefined) return `Go is missing: ${install}`
  const found = /\bgo(\d+)\.(\d+)/.exec(stdout)
  const isEnough = found !== null && (Number(found[1]) > Number(major) || (Number(found[1]) === Number(major) && Number(found[2]) >= Number(minor)))
  return isEnough ? null : `Go is too old (${found?.[0] ?? 'its version is not known'}): ${install}`
}

/**
 * Builds what is older than its sources or than Go. Says so by `log` when there is something to do.
 * @throws {Error} when it does not build, or its modules cannot be had
 */
export function buildGo (log) {
  const digest = createHash('sha256').update(go(['env', 'GOVERSION']).stdout)
  for (const name of readdirSync(SOURCES).sort()) digest.update(name).update('\0').update(readFileSync(join(SOURCES, name)))
  const wanted = digest.digest('hex')
  const stamp = join(TARGET, 'sources.sha256')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  log('compiling test/go with franz-go')
  // Made beside its place and moved there whole, as the jars are.
  const making = `${TARGET}.${process.pid}`
  rmSync(making, { recursive: true, force: true })
  mkdirSync(making, { recursive: true })
  const { status, stderr } = go(['build', '-trimpath', '-buildvcs=false', '-mod=readonly', '-o', join(making, 'franz'), '.'])
  if (status !== 0) {
    rmSync(making, { recursive: true, force: true })
    throw new Error(`test/go does not build, or the modules of test/go/go.sum cannot be had:\n${stderr}`)
  }
  writeFileSync(join(making, 'sources.sha256'), wanted)
  rmSync(TARGET, { recursive: true, force: true })
  renameSync(making, TARGET)
}

function go (args) {
  // No workspace of the developer's around this one.
  return spawnSync('go', args, { cwd: SOURCES, encoding: 'utf8', env: { ...process.env, GOWORK: 'off' } })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const missing = missingGo()
  if (missing !== null) {
    console.error(missing)
    process.exit(1)
  }
  buildGo(line => console.error(line))
}
