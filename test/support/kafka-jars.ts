import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { PROJECT_ROOT } from './project-root.ts'

/** A line of Apache Kafka; scripts/kafka-jars.mjs says which release of it is used. */
export type KafkaVersion = '3.9' | '4.1' | '4.3'

/**
 * What Java looks for classes in: the programs of test/java if they are compiled, and Kafka's jars.
 * @throws {Error} with what to run when the jars are not there
 */
export function classPath (version: KafkaVersion): string {
  const jars = join(PROJECT_ROOT, '.cache', 'kafka', version)
  if (!existsSync(jars)) throw new Error(`no jars of Apache Kafka ${version}: run node scripts/kafka-jars.mjs`)
  return [join(PROJECT_ROOT, '.cache', 'java', version), join(jars, '*')].join(':')
}

/** Starts fast rather than runs fast: most of what tests start is done within seconds. */
export const QUICK_START: readonly string[] = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xshare:auto']
