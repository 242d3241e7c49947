/** Makes node_modules what package-lock.json says, and leaves it alone when it is that already. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './kafka-jars.mjs'

/** @throws {Error} when npm fails */
export function installPackages (log) {
  if (isInstalled()) return
  log('installing packages with npm')
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'], shell: process.platform === 'win32' })
  if (status !== 0) throw new Error('npm ci failed')
}

/** npm keeps a lockfile of what it installed. Optional packages are for one platform each: not all of them are there. */
function isInstalled () {
  const installed = join(ROOT, 'node_modules', '.package-lock.json')
  if (!existsSync(installed)) return false
  const there = JSON.parse(readFileSync(installed, 'utf8')).packages
  const wanted = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages
  return Object.entries(wanted).every(([path, { version, optional }]) => path === '' || optional === true || there[path]?.version === version)
}
