import { spawn, type ChildProcess } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import type { KafkaLine } from './kafka-lines.ts'

interface Waiting {
  readonly resolve: (answer: Buffer[]) => void
  readonly reject: (error: Error) => void
}

/** What is written ahead of the answers. More gains nothing, and would wait in memory. */
const MAX_IN_FLIGHT = 64

/** A Java process that answers questions by Kafka's own classes, in order: see test/java/kafkashadow/oracle/Oracle.java. */
export class Oracle {
  readonly #process: ChildProcess
  readonly #input: Writable
  readonly #waiting: Waiting[] = []
  readonly #exited: Promise<void>
  #received: Buffer[] = []
  #receivedBytes = 0
  #neededBytes = 0
  #room: Array<() => void> = []
  #failure: Error | null = null

  constructor (line: KafkaLine) {
    // The first tier of the compiler only: thousands of classes are used a few times each.
    this.#process = spawn('java', ['-Xmx512m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp', line.classPath, 'kafkashadow.oracle.Oracle'], { stdio: ['pipe', 'pipe', 'inherit'] })
    const { stdin, stdout } = this.#process
    if (stdin === null || stdout === null) throw new Error('the oracle has no pipes')
    this.#input = stdin
    this.#input.on('error', error => this.#fail(error))
    this.#listen(stdout)
    this.#exited = new Promise(resolve => {
      this.#process.once('error', error => {
        this.#fail(error)
        resolve()
      })
      this.#process.once('exit', (code, signal) => {
        this.#fail(new Error(`the oracle of Kafka ${line.name} ended (${code ?? signal})`))
        resolve()
      })
    })
  }

  /** Asks, and waits for the answer's parts. Rejects with Java's stack when Kafka's code threw. */
  async ask (question: string, ...parts: Array<string | Buffer>): Promise<Buffer[]> {
    while (this.#waiting.length >= MAX_IN_FLIGHT) await new Promise<void>(resolve => this.#room.push(resolve))
    if (this.#failure !== null) throw this.#failure
    const answer = new Promise<Buffer[]>((resolve, reject) => this.#waiting.push({ resolve, reject }))
    this.#input.write(frame([question, ...parts].map(part => Buffer.from(part))))
    return await answer
  }

  /** Ends the process, and waits for its end. */
  async stop (): Promise<void> {
    this.#input.end()
    await this.#exited
  }

  #listen (stdout: Readable): void {
    stdout.on('data', (chunk: Buffer) => {
      this.#received.push(chunk)
      this.#receivedBytes += chunk.length
      if (this.#receivedBytes < this.#neededBytes) return
      const bytes = Buffer.concat(this.#received)
      const rest = this.#answerAll(bytes)
      this.#received = [rest]
      this.#receivedBytes = rest.length
    })
  }

  /** Answers all that are complete. Returns the bytes after them. */
  #answerAll (bytes: Buffer): Buffer {
    let at = 0
    for (;;) {
      const parts: Buffer[] = []
      let next = at + 4
      let count = bytes.length < next ? -1 : bytes.readInt32BE(at)
      for (; count > 0 && bytes.length >= next + 4; count--) {
        const length = bytes.readInt32BE(next)
        next += 4 + length
        if (bytes.length < next) break
        parts.push(bytes.subarray(next - length, next))
      }
      if (count !== 0) {
        this.#neededBytes = next - at
        return bytes.subarray(at)
      }
      at = next
      this.#answer(parts)
    }
  }

  #answer ([status, ...parts]: Buffer[]): void {
    const waiting = this.#waiting.shift()
    this.#room.shift()?.()
    if (waiting === undefined || status === undefined) this.#fail(new Error('the oracle answered what nobody asked'))
    else if (status.toString() === 'ok') waiting.resolve(parts)
    else waiting.reject(new Error(parts.map(String).join()))
  }

  #fail (error: Error): void {
    this.#failure ??= error
    for (const { reject } of this.#waiting.splice(0)) reject(error)
    for (const resume of this.#room.splice(0)) resume()
  }
}

function frame (parts: readonly Buffer[]): Buffer {
  return Buffer.concat([int32(parts.length), ...parts.flatMap(part => [int32(part.length), part])])
}

function int32 (value: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeInt32BE(value)
  return buffer
}
