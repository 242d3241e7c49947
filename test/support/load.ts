/** Producers under whose load things are broken, and the proof that nothing of theirs was lost or doubled. */
import type { KafkaVersion } from './kafka-jars.ts'
import { JavaProgram, runJava } from './java-tool.ts'
import type { BrokerCluster } from './broker-link.ts'

const END_TIMEOUT_MS = 120_000

export class Load {
  readonly #program: JavaProgram

  /** Starts four kinds of Java producers, each with so many records per second. */
  static async start (source: BrokerCluster & { readonly version: KafkaVersion }, topics: readonly string[], recordsPerSecond: number): Promise<Load> {
    return new Load(await JavaProgram.start('kafkashadow.clients.Load', [source.bootstrap, topics.join(), String(recordsPerSecond)], { version: source.version }))
  }

  private constructor (program: JavaProgram) {
    this.#program = program
  }

  /** Ends the load. Returns how many records were acknowledged to each producer. @throws {Error} when one was not written */
  async end (): Promise<Map<string, number>> {
    this.#program.end('\n')
    const { exitCode, stdout } = await this.#program.finished(END_TIMEOUT_MS)
    if (exitCode !== 0) throw this.#program.error(`ended with exit code ${exitCode}`)
    await this.#program.kill()
    return new Map(lines(stdout).map(([name = '', count]) => [name, Number(count)]))
  }

  async kill (): Promise<void> {
    await this.#program.kill()
  }
}

export interface Tally {
  /** How many different records of a producer there are. */
  readonly records: number
  readonly repeated: number
  readonly highest: number
}

/** Reads topics by the Java consumer, and counts the records of each producer. */
export async function tally (cluster: BrokerCluster, topics: readonly string[]): Promise<Map<string, Tally>> {
  const { stdout } = await runJava('kafkashadow.clients.Tally', [cluster.bootstrap, topics.join()], { timeoutMs: END_TIMEOUT_MS })
  return new Map(lines(stdout).map(([name = '', records, repeated, highest]) => [name, { records: Number(records), repeated: Number(repeated), highest: Number(highest) }]))
}

/** What a tally must be when every acknowledged record is there, once. */
export function everyRecordOnce (acknowledged: ReadonlyMap<string, number>): Map<string, Tally> {
  return new Map([...acknowledged].sort(([a], [b]) => a < b ? -1 : 1).map(([name, count]) => [name, { records: count, repeated: 0, highest: count - 1 }]))
}

function lines (text: string): string[][] {
  return text.trim().split('\n').map(line => line.split(' '))
}
