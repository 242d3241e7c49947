/**
 * A relay between clients and brokers that breaks connections as networks do, but at will. It cuts what clients send into requests, and
 * gives each a fate; the same seed gives the same fates.
 *
 *   pass         forwarded, in chunks of any size
 *   refused      both connections reset before a byte of it was forwarded
 *   cut          a part of it forwarded, then both reset
 *   unanswered   all of it forwarded, then the client's connection reset: the broker carries it out
 *   answer-cut   all of it forwarded, then a part of the answer, then both reset
 *   late         the client's connection reset at once, and the request forwarded a while after
 *   slow         held for a while, then forwarded
 *
 * It can also be made to fall silent for good at a request of some kind: for the brokers, that is the death of the client.
 */
import { once } from 'node:events'
import { createServer, type Socket, connect, type AddressInfo, type Server } from 'node:net'
import { FrameReader } from '../../protocol/frame.ts'
import { connectFailed, dialTcp, type Dial } from '../../src/net/dial.ts'
import { formatHostPort, type HostPort } from '../../src/net/host-port.ts'
import type { Random } from './random.ts'

export const FAULTS = ['refused', 'cut', 'unanswered', 'answer-cut', 'late', 'slow'] as const
export type Fault = typeof FAULTS[number]

export interface RelayOptions {
  readonly random: Random
  /** How likely a fault is, for a request of an API key. */
  readonly rate: (apiKey: number) => number
  /** How long at most a request is held that is `late` or `slow`. */
  readonly maxHoldMs: number
}

const PRODUCE_KEY = 0
const LENGTH_BYTES = 4
const MAX_CHUNK_BYTES = 20_000
/** Where a client dies: before its request is on the way, or when the broker has it and the answer is still to come. */
export interface Tripwire {
  readonly apiKey: number
  readonly when: 'before' | 'after'
  /** How many requests of the kind are let through first. */
  readonly skip: number
}

/** How long the broker's connection outlives the client's: long enough for what was forwarded last. */
const AFTERLIFE_MS = 5000

export class FaultRelay {
  /** While false everything passes. */
  isFaulty = true
  readonly #options: RelayOptions
  readonly #listeners = new Map<string, Promise<Server>>()
  readonly #sockets = new Set<Socket>()
  readonly #clients = new Set<Socket>()
  readonly #counts = new Map<Fault, number>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #tripwire: { readonly apiKey: number, readonly when: Tripwire['when'], left: number, readonly onTripped: () => void } | null = null
  #isDead = false

  constructor (options: RelayOptions) {
    this.#options = options
  }

  /** Dials a broker through the relay, whichever broker it is. */
  readonly dial: Dial = async (address, options) => {
    if (this.#isDead) throw connectFailed(address, 'the relay is dead')
    const key = formatHostPort(address)
    let listener = this.#listeners.get(key)
    if (listener === undefined) {
      listener = this.#listen(address)
      this.#listeners.set(key, listener)
    }
    const { port } = (await listener).address() as AddressInfo
    return await dialTcp({ host: '127.0.0.1', port }, options)
  }

  /** How often appends met each fault. */
  count (fault: Fault): number {
    return this.#counts.get(fault) ?? 0
  }

  /** Dies at a request of this kind; resolves when it has. */
  trip ({ apiKey, when, skip }: Tripwire): Promise<void> {
    return new Promise(resolve => { this.#tripwire = { apiKey, when, left: skip, onTripped: resolve } })
  }

  #die (): void {
    this.#isDead = true
    for (const socket of this.#clients) socket.resetAndDestroy()
  }

  async stop (): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    for (const socket of this.#sockets) socket.destroy()
    for (const listener of this.#listeners.values()) {
      const server = await listener
      server.close()
      await once(server, 'close')
    }
  }

  async #listen (broker: HostPort): Promise<Server> {
    const server = createServer(client => this.#relay(client, broker))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return server
  }

  #relay (client: Socket, broker: HostPort): void {
    if (this.#isDead) {
      client.resetAndDestroy()
      return
    }
    this.#clients.add(client)
    client.once('close', () => this.#clients.delete(client))
    const upstream = connect({ host: broker.host, port: broker.port, noDelay: true })
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true)
      socket.on('error', () => {})
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    }
    const link = new RelayedConnection(client, upstream, this.#options, {
      isFaulty: () => this.isFaulty,
      count: (fault, apiKey) => { if (apiKey === PRODUCE_KEY) this.#counts.set(fault, this.count(fault) + 1) },
      tripwireOf: apiKey => {
        const wire = this.#tripwire
        return wire === null || wire.apiKey !== apiKey || wire.left-- > 0 ? null : wire.when
      },
      trip: () => {
        this.#die()
        this.#tripwire?.onTripped()
        this.#tripwire = null
      },
      after: (ms, work) => {
        const timer = setTimeout(() => {
          this.#timers.delete(timer)
          work()
        }, ms)
        this.#timers.add(timer)
      }
    })
    link.start()
  }
}

interface RelayHost {
  isFaulty (): boolean
  count (fault: Fault, apiKey: number): void
  tripwireOf (apiKey: number): Tripwire['when'] | null
  trip (): void
  after (ms: number, work: () => void): void
}

class RelayedConnection {
  readonly #client: Socket
  readonly #upstream: Socket
  readonly #options: RelayOptions
  readonly #host: RelayHost
  /** Requests one after the other, whatever becomes of each. */
  #work: Promise<void> = Promise.resolve()
  #cutNextAnswer = false
  #isOver = false

  constructor (client: Socket, upstream: Socket, options: RelayOptions, host: RelayHost) {
    this.#client = client
    this.#upstream = upstream
    this.#options = options
    this.#host = host
  }

  start (): void {
    const frames = new FrameReader()
    this.#client.on('data', (chunk: Buffer) => frames.push(chunk, frame => {
      const request = Buffer.alloc(LENGTH_BYTES + frame.length)
      request.writeInt32BE(frame.length)
      frame.copy(request, LENGTH_BYTES)
      this.#work = this.#work.then(() => this.#request(request))
    }))
    // What the client sent before it went is still on its way, as in a network.
    this.#client.on('close', () => { this.#work = this.#work.then(() => this.#endUpstream()) })
    this.#upstream.on('data', (chunk: Buffer) => this.#answer(chunk))
    this.#upstream.on('close', () => this.#reset(this.#client))
  }

  async #request (request: Buffer): Promise<void> {
    const { random, rate, maxHoldMs } = this.#options
    if (this.#isOver) return
    const apiKey = request.readInt16BE(LENGTH_BYTES)
    const when = this.#host.tripwireOf(apiKey)
    if (when !== null) {
      if (when === 'after') await this.#forward(request)
      this.#host.trip()
      return
    }
    if (!this.#host.isFaulty() || random.next() >= rate(apiKey)) {
      await this.#forward(request)
      return
    }
    const fault = random.pick(FAULTS)
    this.#host.count(fault, apiKey)
    switch (fault) {
      case 'refused':
        this.#resetBoth()
        return
      case 'cut':
        await this.#forward(request.subarray(0, 1 + random.below(request.length - 1)))
        this.#resetBoth()
        return
      case 'unanswered':
        await this.#forward(request)
        this.#abandonClient()
        return
      case 'answer-cut':
        this.#cutNextAnswer = true
        await this.#forward(request)
        return
      case 'late':
        this.#abandonClient()
        await this.#pause(random.below(maxHoldMs))
        await this.#forward(request)
        return
      case 'slow':
        await this.#pause(random.below(maxHoldMs))
        await this.#forward(request)
    }
  }

  /** In chunks, so that the broker reads the request in pieces. */
  async #forward (bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const end = Math.min(bytes.length, at + 1 + this.#options.random.below(MAX_CHUNK_BYTES))
      this.#upstream.write(bytes.subarray(at, end))
      at = end
      await this.#pause(0)
    }
  }

  #answer (chunk: Buffer): void {
    if (this.#client.destroyed) return
    if (this.#cutNextAnswer) {
      this.#client.write(chunk.subarray(0, this.#options.random.below(chunk.length)), () => this.#resetBoth())
      return
    }
    const middle = this.#options.random.below(chunk.length)
    this.#client.write(chunk.subarray(0, middle))
    this.#client.write(chunk.subarray(middle))
  }

  /** The client is gone; the broker learns it later, when it has done what it was asked for. */
  #abandonClient (): void {
    this.#reset(this.#client)
  }

  #endUpstream (): void {
    this.#isOver = true
    if (this.#upstream.destroyed) return
    this.#upstream.end()
    this.#host.after(AFTERLIFE_MS, () => this.#upstream.destroy())
  }

  #resetBoth (): void {
    this.#isOver = true
    this.#reset(this.#client)
    this.#reset(this.#upstream)
  }

  #reset (socket: Socket): void {
    if (!socket.destroyed) socket.resetAndDestroy()
  }

  #pause (ms: number): Promise<void> {
    return new Promise(resolve => this.#host.after(ms, resolve))
  }
}
