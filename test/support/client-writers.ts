/** Producers of real clients that go on and on, whatever becomes of their records. */
import { Producer, stringSerializers } from '@platformatic/kafka'
import type { Kafka } from 'kafkajs'
import { messageOf } from '../../src/errors.ts'
import { sleep } from '../../src/net/sleep.ts'
import { JavaProgram } from './java-tool.ts'
import { Program } from './program.ts'

const PAUSE_MS = 50
/** kcat reads its input in pieces of some kilobytes. */
const LINE = 'x'.repeat(1000)

export interface Writer {
  readonly name: string
  readonly topic: string
  /** What the client itself calls the refusal of a shadow topic. */
  readonly refusal: RegExp
  /** How many records it was told are written. */
  acknowledged (): number
  /** What it said of records that were not written. */
  refusals (): string
  stop (): Promise<void>
}

interface WriterOptions {
  readonly name: string
  readonly bootstrap: string
  readonly topic: string
}

export async function javaWriter ({ name, bootstrap, topic }: WriterOptions, settings: readonly string[]): Promise<Writer> {
  const program = await JavaProgram.start('kafkashadow.clients.KeepProducing', [bootstrap, topic, ...settings])
  return {
    name,
    topic,
    refusal: /failed PolicyViolationException .*is a read-only shadow topic \(link '[\w-]+', state ACTIVE\): it opens for writes after failover/,
    acknowledged: () => program.stdout.match(/^ok /gm)?.length ?? 0,
    refusals: () => program.stdout.split('\n').filter(line => line.startsWith('failed')).join('\n') + program.stderr,
    stop: () => program.kill()
  }
}

export async function kcatWriter ({ name, bootstrap, topic }: WriterOptions): Promise<Writer> {
  const program = await startKcat(['-P', '-b', bootstrap, '-t', topic, '-vvv', '-X', 'message.timeout.ms=10000'])
  const timer = setInterval(() => program.write(`${LINE}\n`), PAUSE_MS)
  return {
    name,
    topic,
    refusal: /Delivery failed for message: Broker: Policy violation/,
    acknowledged: () => program.output.match(/Message delivered to partition/g)?.length ?? 0,
    refusals: () => program.output,
    stop: async () => {
      clearInterval(timer)
      await program.kill()
    }
  }
}

/** @throws {Error} with what to install */
export async function startKcat (args: readonly string[]): Promise<Program> {
  try {
    return await Program.start('kcat', args)
  } catch (error) {
    throw new Error('kcat cannot be started: run node scripts/kcat.mjs, which installs it or says how', { cause: error })
  }
}

export async function kafkajsWriter ({ name, topic }: Omit<WriterOptions, 'bootstrap'>, kafka: Kafka, { idempotent }: { readonly idempotent: boolean }): Promise<Writer> {
  const producer = kafka.producer({ idempotent })
  await producer.connect()
  return nodeWriter({ name, topic, refusal: /POLICY_VIOLATION .*polic/, send: () => producer.send({ topic, messages: [{ value: 'by kafkajs' }] }), close: () => producer.disconnect() })
}

export function platformaticWriter ({ name, bootstrap, topic }: WriterOptions): Writer {
  const producer = new Producer({ clientId: name, bootstrapBrokers: [bootstrap], serializers: stringSerializers, retries: 1 })
  return nodeWriter({
    name,
    topic,
    refusal: /POLICY_VIOLATION|policy/i,
    send: () => producer.send({ messages: [{ topic, value: 'by platformatic' }] }),
    close: () => new Promise<void>(resolve => { producer.close(true, () => resolve()) })
  })
}

interface NodeWriterOptions extends Pick<Writer, 'name' | 'topic' | 'refusal'> {
  readonly send: () => Promise<unknown>
  readonly close: () => Promise<void>
}

/** A loop around one producer object of a Node client. */
function nodeWriter ({ name, topic, refusal, send, close }: NodeWriterOptions): Writer {
  let acknowledged = 0
  let refusals = ''
  const end = new AbortController()
  const loop = (async () => {
    while (!end.signal.aborted) {
      try {
        await send()
        acknowledged++
      } catch (error) {
        refusals += `${describe(error)}\n`
      }
      await sleep(PAUSE_MS)
    }
  })()
  return {
    name,
    topic,
    refusal,
    acknowledged: () => acknowledged,
    refusals: () => refusals,
    stop: async () => {
      end.abort()
      await loop
      await close()
    }
  }
}

function describe (error: unknown): string {
  const type = typeof error === 'object' && error !== null && 'type' in error ? String(error.type) : ''
  const cause = error instanceof Error && error.cause !== undefined ? describe(error.cause) : ''
  const inner = error instanceof AggregateError ? error.errors.map(describe).join('; ') : ''
  return `${type} ${messageOf(error)} ${cause} ${inner}`
}
