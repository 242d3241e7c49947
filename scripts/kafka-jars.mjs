/**
 * Resolves the jars of Apache Kafka with Maven into `.cache/kafka/<line>/`, for tests, for `npm run demo -- --kafka` and for the
 * bench. Maven's own settings on this machine say where from. Run by hand: `node scripts/kafka-jars.mjs`.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

/** The newest release of each line that is tested against, and the slf4j that its jars are made for. */
export const KAFKA_VERSIONS = { 3.9: '3.9.2', 4.1: '4.1.2', 4.3: '4.3.1' }
const SLF4J_VERSION = '1.7.36'

const ARTIFACTS = ['kafka_2.13', 'kafka-tools', 'connect-mirror', 'connect-runtime']

/** What is missing on this machine, each with what to install; empty if nothing is. */
export function missingTools () {
  const missing = []
  for (const tool of ['java', 'javac']) {
    const major = /(?:version "|javac )(\d+)/.exec(output(tool, ['-version']))?.[1]
    if (major === undefined) missing.push(`${tool}: install a JDK 17 or newer (Debian: apt-get install openjdk-17-jdk-headless)`)
    else if (Number(major) < 17) missing.push(`${tool} is version ${major}: install a JDK 17 or newer, first in PATH`)
  }
  if (!/Apache Maven/.test(output('mvn', ['-version']))) missing.push('mvn: install Maven 3.6 or newer (Debian: apt-get install maven)')
  return missing
}

function output (command, args) {
  const result = spawnSync(command, args, { encoding: 'utf8' })
  return result.status === 0 ? result.stdout + result.stderr : ''
}

/**
 * Makes sure that the jars of every line are in the cache. Says so by `log` when there is something to do.
 * @throws {Error} when Maven fails.
 */
export function resolveKafkaJars (log) {
  for (const [line, version] of Object.entries(KAFKA_VERSIONS)) {
    const pom = pomOf(version)
    const target = join(ROOT, '.cache', 'kafka', line)
    const stamp = join(target, 'pom.sha256')
    const digest = createHash('sha256').update(pom).digest('hex')
    if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) continue
    log(`resolving Apache Kafka ${version} with Maven`)
    // Made beside its place and moved there whole: an interrupted run leaves nothing that looks complete.
    const making = `${target}.${process.pid}`
    rmSync(making, { recursive: true, force: true })
    mkdirSync(making, { recursive: true })
    writeFileSync(join(making, 'pom.xml'), pom)
    const result = spawnSync('mvn', ['-q', '-B', '-ntp', '-f', join(making, 'pom.xml'), 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${making}`], { stdio: ['ignore', 'inherit', 'inherit'] })
    if (result.status !== 0) throw new Error(`Maven could not resolve Apache Kafka ${version}`)
    writeFileSync(join(making, 'pom.sha256'), digest)
    rmSync(target, { recursive: true, force: true })
    renameSync(making, target)
  }
}

function pomOf (version) {
  const dependencies = ARTIFACTS.map(artifact => ['org.apache.kafka', artifact, version])
  dependencies.push(['org.slf4j', 'slf4j-simple', SLF4J_VERSION])
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>kafka-shadow</groupId>
  <artifactId>kafka-jars</artifactId>
  <version>${version}</version>
  <packaging>pom</packaging>
  <dependencies>
${dependencies.map(([group, artifact, number]) => `    <dependency>
      <groupId>${group}</groupId>
      <artifactId>${artifact}</artifactId>
      <version>${number}</version>
      <exclusions>
        <!-- One binding of slf4j only: slf4j-simple, which needs no files. -->
        <exclusion><groupId>org.slf4j</groupId><artifactId>slf4j-reload4j</artifactId></exclusion>
        <exclusion><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId></exclusion>
        <exclusion><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j2-impl</artifactId></exclusion>
      </exclusions>
    </dependency>`).join('\n')}
  </dependencies>
</project>
`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const missing = missingTools()
  for (const line of missing) console.error(line)
  if (missing.length > 0) process.exit(1)
  resolveKafkaJars(line => console.error(line))
}
