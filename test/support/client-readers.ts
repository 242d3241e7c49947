/** Consumers of real clients that read a topic on and on, and what each of them got, offset by offset. */
import { Consumer, MessagesStreamModes, stringDeserializers } from '@platformatic/kafka'
import type { Kafka } from 'kafkajs'
import { startKcat } from './client-writers.ts'
import { startFranz } from './franz.ts'
import { JavaProgram } from './java-tool.ts'

const CLOSE_MS = 20_000

export interface Reader {
  readonly name: string
  /** What was got, in the order in which it came. */
  records (): ReadonlyArray<{ readonly partition: number, readonly offset: number, readonly value: string }>
  /** Errors, in the client's words; the empty text while all is well. */
  problems (): string
  stop (): Promise<void>
}

interface ReaderOptions {
  readonly name: string
  readonly bootstrap: string
  readonly topic: string
}

/** A program that reads, and says `NAME record …`, `NAME assigned …`, `NAME failed …` and `NAME committed …`. */
interface ReadingProgram {
  readonly stdout: string
  readonly isRunning: boolean
  error (what: string): Error
  kill (): Promise<void>
}

/** Consumers in one process, each in the group of its name. */
export class ProgramReaders {
  readonly #program: ReadingProgram
  readonly #end: () => Promise<unknown>
  #isToEnd = false

  private constructor (program: ReadingProgram, end: () => Promise<unknown>) {
    this.#program = program
    this.#end = end
  }

  /** Java's. Each of `groups` is `NAME:PROTOCOL:ISOLATION`. */
  static async java (bootstrap: string, topic: string, groups: readonly string[]): Promise<ProgramReaders> {
    const program = await JavaProgram.start('kafkashadow.clients.KeepReading', [bootstrap, topic, ...groups])
    return new ProgramReaders(program, () => {
      program.end()
      return program.finished(CLOSE_MS)
    })
  }

  /** franz-go's, of which one with the protocol `none` is in no group. */
  static async franz (bootstrap: string, topic: string, groups: readonly string[]): Promise<ProgramReaders> {
    const program = await startFranz(['read', bootstrap, topic, ...groups])
    return new ProgramReaders(program, () => program.end())
  }

  reader (name: string): Reader {
    return {
      name,
      records: () => this.#said(name, 'record').map(([partition, offset, ...value]) => ({ partition: Number(partition), offset: Number(offset), value: value.join(' ') })),
      problems: () => !this.#program.isRunning && !this.#isToEnd
        ? this.#program.error('ended before it was told to').message
        : this.#said(name, 'failed').map(words => words.join(' ')).join('; '),
      stop: () => this.#program.kill()
    }
  }

  /** How often the group gave it partitions. */
  assignments (name: string): number {
    return this.#said(name, 'assigned').length
  }

  /** Ends all of them in good order. Returns what each has committed, by partition. */
  async end (): Promise<(name: string) => Map<number, number>> {
    this.#isToEnd = true
    await this.#end()
    return name => new Map(this.#said(name, 'committed').map(([partition, offset]) => [Number(partition), Number(offset)]))
  }

  kill (): Promise<void> {
    return this.#program.kill()
  }

  #said (name: string, what: string): string[][] {
    const head = `${name} ${what} `
    return this.#program.stdout.split('\n').slice(0, -1).filter(line => line.startsWith(head)).map(line => line.slice(head.length).split(' '))
  }
}

export async function kcatReader ({ name, bootstrap, topic }: ReaderOptions): Promise<Reader> {
  const program = await startKcat(['-b', bootstrap, '-u', '-f', 'record %p %o %s\\n', '-X', 'auto.offset.reset=earliest', '-G', name, topic])
  return {
    name,
    records: () => [...program.stdout.matchAll(/^record (\d+) (\d+) (.*)\n/gm)].map(([, partition, offset, value = '']) => ({ partition: Number(partition), offset: Number(offset), value })),
    problems: () => program.isRunning ? '' : `kcat has ended: ${program.output.slice(-1000)}`,
    stop: () => program.kill()
  }
}

export async function kafkajsReader ({ name, topic }: Omit<ReaderOptions, 'bootstrap'>, kafka: Kafka): Promise<Reader> {
  const consumer = kafka.consumer({ groupId: name, maxWaitTimeInMs: 100 })
  const records: Array<{ partition: number, offset: number, value: string }> = []
  const problems: string[] = []
  consumer.on(consumer.events.CRASH, ({ payload }) => { if (!payload.restart) problems.push(payload.error.message) })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({ eachMessage: async ({ partition, message }) => { records.push({ partition, offset: Number(message.offset), value: message.value?.toString() ?? '' }) } })
  return { name, records: () => records, problems: () => problems.join('; '), stop: () => consumer.disconnect() }
}

export async function platformaticReader ({ name, bootstrap, topic }: ReaderOptions): Promise<Reader> {
  const consumer = new Consumer({ clientId: name, bootstrapBrokers: [bootstrap], groupId: name, deserializers: stringDeserializers })
  const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST, autocommit: 100, maxWaitTime: 100 })
  const records: Array<{ partition: number, offset: number, value: string }> = []
  const problems: string[] = []
  stream.on('error', (error: Error) => { problems.push(error.message) })
  stream.on('data', ({ partition, offset, value }) => { records.push({ partition, offset: Number(offset), value }) })
  return {
    name,
    records: () => records,
    problems: () => problems.join('; '),
    stop: async () => {
      await stream.close()
      await new Promise<void>(resolve => { consumer.close(true, () => resolve()) })
    }
  }
}
