import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { PROJECT_ROOT } from '../support/project-root.ts'

const CACHE = join(PROJECT_ROOT, '.cache')

/** One line of Apache Kafka whose jars are in the cache. */
export interface KafkaLine {
  /** Such as `4.3`. */
  readonly name: string
  /** What Java looks for classes in: our own programs, then Kafka's jars. */
  readonly classPath: string
  readonly clientsJar: string
  readonly metadataJar: string
}

/**
 * The lines that are there, newest first: a line that is added to scripts/kafka-jars.mjs is compared with from then on.
 * @throws {Error} with what to run when there are none.
 */
export function kafkaLines (): readonly KafkaLine[] {
  const jars = join(CACHE, 'kafka')
  const names = existsSync(jars) ? readdirSync(jars).filter(name => /^\d+\.\d+$/.test(name)) : []
  if (names.length === 0) throw new Error('no jars of Apache Kafka: run node scripts/kafka-jars.mjs')
  return names.sort((a, b) => b.localeCompare(a, 'en', { numeric: true })).map(name => {
    const classes = join(CACHE, 'java', name)
    if (!existsSync(classes)) throw new Error(`test/java is not compiled for Kafka ${name}: run node scripts/build-java.mjs`)
    const files = readdirSync(join(jars, name))
    const jarOf = (module: string): string => {
      const jar = files.find(file => file.startsWith(`${module}-`) && /^[\d.]+\.jar$/.test(file.slice(module.length + 1)))
      if (jar === undefined) throw new Error(`no ${module} jar of Kafka ${name}: run node scripts/kafka-jars.mjs`)
      return join(jars, name, jar)
    }
    return { name, classPath: `${classes}:${join(jars, name, '*')}`, clientsJar: jarOf('kafka-clients'), metadataJar: jarOf('kafka-metadata') }
  })
}
