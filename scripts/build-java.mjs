/**
 * Compiles the Java programs of the tests (`test/java/`) against the jars of each Kafka line, into `.cache/java/<line>/`.
 * Run by hand: `node scripts/build-java.mjs`.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { KAFKA_VERSIONS, ROOT } from './kafka-jars.mjs'

/**
 * Compiles what is older than its sources or its jars. The jars must be there: see kafka-jars.mjs.
 * @throws {Error} when a program does not compile.
 */
export function buildJava (log) {
  const sources = readdirSync(join(ROOT, 'test', 'java'), { recursive: true })
    .filter(name => name.endsWith('.java')).sort().map(name => join(ROOT, 'test', 'java', name))
  for (const line of Object.keys(KAFKA_VERSIONS)) {
    const jars = join(ROOT, '.cache', 'kafka', line)
    const target = join(ROOT, '.cache', 'java', line)
    const stamp = join(target, 'sources.sha256')
    const digest = createHash('sha256').update(readFileSync(join(jars, 'pom.sha256')))
    for (const source of sources) digest.update(source.slice(ROOT.length)).update('\0').update(readFileSync(source))
    const wanted = digest.digest('hex')
    if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) continue
    log(`compiling test/java against Apache Kafka ${KAFKA_VERSIONS[line]}`)
    // Made beside its place and moved there whole, as the jars are.
    const making = `${target}.${process.pid}`
    rmSync(making, { recursive: true, force: true })
    mkdirSync(making, { recursive: true })
    const result = spawnSync('javac', ['--release', '17', '-proc:none', '-cp', join(jars, '*'), '-d', making, ...sources], { stdio: ['ignore', 'inherit', 'inherit'] })
    if (result.status !== 0) {
      rmSync(making, { recursive: true, force: true })
      throw new Error(`test/java does not compile against Apache Kafka ${KAFKA_VERSIONS[line]}`)
    }
    writeFileSync(join(making, 'sources.sha256'), wanted)
    rmSync(target, { recursive: true, force: true })
    renameSync(making, target)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) buildJava(line => console.error(line))
