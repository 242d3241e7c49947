/** Consumers of real clients that read a topic on and on, and what each of them got, offset by offset. */
import { Consumer, MessagesStreamModes, stringDeserializers } from '@platformatic/kafka'
import type { Kafka } from 'kafkajs'
import { startKcat } from './client-writers.ts'
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

/** Java consumers, each in the group of its name, in one process. */
export class JavaReaders {
  readonly #program: JavaProgram
  #isToEnd = false

  private constructor (program: JavaProgram) {
    this.#program = program
  }

  /** Each of `groups` is `NAME:PROTOCOL:ISOLATION`. */
  static async start (bootstrap: string, topic: string, groups: readonly string[]): Promise<JavaReaders> {
    return new JavaReaders(await JavaProgram.start('kafkashadow.clients.KeepReading', [bootstrap, topic, ...groups]))
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
    this.#program.end()
    await this.#program.finished(CLOSE_MS)
    return name => new Map(this.#said(name, 'committed').map(([partition, offset]) => [Number(partition), Number(offset)]))
  }

  kill (): Promise<void> {
    return this.#program.kill()
  }

  #said (name: string, what: string): string[][] {
    const head = `${name} ${what} `
    return this.#program.stdout.split('\n').filter(line => line.startsWith(head)).map(line => line.slice(head.length).split(' '))
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
