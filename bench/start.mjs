/**
 * `npm run bench`: sets up what is missing, then measures. What comes after `--` goes to run.ts:
 *
 *   npm run bench                            everything
 *   npm run bench -- codec crc               these parts only: codec, crc, replication, sidecar, replica, replica-scale, link-scale
 *   npm run bench -- replication --gb 0.25   copies less than 2 GB
 *   npm run bench -- link-scale --topics 200 shadows fewer than 2,000 topics
 */
import { spawn, spawnSync } from 'node:child_process'
import { installPackages } from '../scripts/install-packages.mjs'
import { missingTools, resolveKafkaJars, ROOT } from '../scripts/kafka-jars.mjs'

const NEEDS_NO_KAFKA = ['codec', 'crc']

const say = line => console.error(line)

function setUp () {
  installPackages(say)
  const parts = process.argv.slice(2).filter(argument => /^[a-z]/.test(argument))
  if (parts.length === 0 || parts.some(part => !NEEDS_NO_KAFKA.includes(part))) {
    const missing = missingTools()
    if (missing.length > 0) {
      say(`all parts but codec and crc need Java and Maven:\n  ${missing.join('\n  ')}\nwithout them: npm run bench -- codec crc`)
      return false
    }
    resolveKafkaJars(say)
  }
  say('building')
  const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'], { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] })
  return status === 0
}

if (!setUp()) process.exitCode = 1
else {
  const child = spawn(process.execPath, ['dist/bench/run.js', ...process.argv.slice(2)], { cwd: ROOT, stdio: 'inherit' })
  // The terminal tells the whole group of an interrupt; who sends a signal to us alone means the one that measures as well.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  child.once('exit', code => { process.exitCode = code ?? 1 })
}
