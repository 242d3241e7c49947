import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { KafkaVersion } from '../test/support/kafka-jars.ts'
import { PROJECT_ROOT } from '../test/support/project-root.ts'

/** The release of a line whose jars are there, such as 4.3.1 of 4.3. @throws {Error} when there are none */
export function kafkaRelease (version: KafkaVersion): string {
  for (const name of readdirSync(join(PROJECT_ROOT, '.cache', 'kafka', version))) {
    const match = /^kafka-clients-(.*)\.jar$/.exec(name)
    if (match?.[1] !== undefined) return match[1]
  }
  throw new Error(`no jars of Apache Kafka ${version}`)
}
