/**
 * kcat, which the tests need for what librdkafka does. Debian has it; where that is not allowed to be installed, somebody else must.
 * Run by hand: `node scripts/kcat.mjs`.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const HINT = 'kcat is missing: install it (Debian: apt-get install kcat; macOS: brew install kcat)'

function hasKcat () {
  return spawnSync('kcat', ['-V'], { stdio: 'ignore' }).status === 0
}

/**
 * Installs kcat where that can be done without asking anybody: as root, with apt. Says so by `log`.
 * @throws {Error} with what to install by hand
 */
export function ensureKcat (log) {
  if (hasKcat()) return
  if (process.getuid?.() !== 0 || spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status !== 0) throw new Error(HINT)
  log('installing kcat with apt-get')
  const apt = (...args) => spawnSync('apt-get', args, { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } }).status === 0
  const install = () => apt('install', '-y', '-q', '--no-install-recommends', 'kcat')
  if (!install() && !(apt('update', '-q') && install())) throw new Error(HINT)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) ensureKcat(line => console.error(line))
