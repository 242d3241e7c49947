/** One connection that appends at a steady pace and notes how long each answer takes. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { FrameReader } from '../../protocol/frame.ts'
import { decodeResponse, encodeRequest } from '../../protocol/header.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { BrokerError } from '../../src/errors.ts'
import type { HostPort } from '../../src/net/host-port.ts'
import { sleep } from '../../src/net/sleep.ts'
import { pace, type Pace } from '../pace.ts'

/** The newest that names topics. */
const PRODUCE_VERSION = 12
const CONNECT_TIMEOUT_MS = 5000
const ANSWER_TIMEOUT_MS = 10_000
const POLL_MS = 1

export class TimedProducer {
  readonly #socket: Socket
  readonly #topic: string
  readonly #batch: Buffer
  /** When each request was written that has no answer yet, by its correlation id. */
  readonly #writtenMs = new Map<number, number>()
  #latenciesMs: number[] = []
  #correlationId = 0
  #failure: Error | null = null

  /** @throws {Error} when there is nobody at the address */
  static async open (address: HostPort, topic: string, batch: Buffer): Promise<TimedProducer> {
    const socket = connect({ ...address, noDelay: true })
    try {
      await once(socket, 'connect', { signal: AbortSignal.timeout(CONNECT_TIMEOUT_MS) })
    } catch (error) {
      socket.destroy()
      throw error
    }
    return new TimedProducer(socket, topic, batch)
  }

  private constructor (socket: Socket, topic: string, batch: Buffer) {
    this.#socket = socket
    this.#topic = topic
    this.#batch = batch
    const reader = new FrameReader()
    socket.on('data', (chunk: Buffer) => {
      const atMs = performance.now()
      try {
        reader.push(chunk, frame => this.#answered(frame, atMs))
      } catch (error) {
        this.#fail(error instanceof Error ? error : new Error(String(error)))
      }
    })
    socket.on('error', error => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the connection was closed')))
  }

  /**
   * Sends one request per interval, and returns the time from the writing of each to its answer, in ms.
   * @throws {BrokerError} when a request is refused
   */
  async run (options: Pace): Promise<number[]> {
    this.#latenciesMs = []
    await pace(options, () => this.#send())
    const deadlineMs = performance.now() + ANSWER_TIMEOUT_MS
    while (this.#writtenMs.size > 0 && this.#failure === null) {
      if (performance.now() > deadlineMs) throw new Error(`${this.#writtenMs.size} requests have no answer after ${ANSWER_TIMEOUT_MS / 1000} s`)
      await sleep(POLL_MS, options.signal)
    }
    if (this.#failure !== null) throw this.#failure
    return this.#latenciesMs
  }

  close (): void {
    this.#socket.destroy()
  }

  #send (): void {
    const correlationId = ++this.#correlationId
    const frame = encodeRequest(Produce, PRODUCE_VERSION, { correlationId, clientId: 'bench' }, {
      acks: -1, timeoutMs: ANSWER_TIMEOUT_MS, topicData: [{ name: this.#topic, partitionData: [{ index: 0, records: this.#batch }] }]
    })
    this.#socket.cork()
    this.#writtenMs.set(correlationId, performance.now())
    for (const chunk of frame) this.#socket.write(chunk)
    this.#socket.uncork()
  }

  #answered (frame: Buffer, atMs: number): void {
    const { header, body } = decodeResponse(Produce, PRODUCE_VERSION, frame)
    const writtenMs = this.#writtenMs.get(header.correlationId)
    this.#writtenMs.delete(header.correlationId)
    const answer = body.responses[0]?.partitionResponses[0]
    if (writtenMs === undefined || answer === undefined) throw new Error('an answer to nothing that was asked')
    if (answer.errorCode !== 0) throw new BrokerError(answer.errorCode, `Produce ${this.#topic}`, answer.errorMessage)
    this.#latenciesMs.push(atMs - writtenMs)
  }

  #fail (error: Error): void {
    this.#failure ??= error
  }
}
