import { messageOf, type ShadowError } from '../errors.ts'
import { orAborted } from '../net/abort.ts'
import { backoffMs } from '../net/backoff.ts'
import type { CloseCause } from '../net/connection-end.ts'
import { Connection } from '../net/connection.ts'
import { connectFailed, type Dial } from '../net/dial.ts'
import type { FrameMemory } from '../net/frame-memory.ts'
import { formatHostPort, type HostPort } from '../net/host-port.ts'
import type { Logger } from '../observability/logger.ts'

export interface BrokerOptions {
  readonly clientId: string
  readonly connectionTimeoutMs: number
  readonly maxFrameBytes: number | undefined
  /** For the connections of purpose 'fetch'. */
  readonly fetchMemory: FrameMemory | undefined
  readonly dial: Dial | undefined
  readonly now: () => number
  readonly random: () => number
  readonly logger: Logger
}

interface Slot {
  connection: Connection | null
  opening: Promise<Connection> | null
}

const BACKOFF = { baseMs: 50, maxMs: 2000 }

/** A connection that lived this long was a good one: the next failure is a first one again. */
const HEALTHY_MS = 5000

/** How a broker's own doing ends a connection. */
const BROKERS_FAULT: ReadonlySet<CloseCause> = new Set<CloseCause>(['peer-closed', 'socket-error', 'protocol-error'])

/**
 * The connections to one address, one for each purpose and lane, opened when first used. After a failed dial, or a connection
 * that the other side ended soon, further dials fail fast until a pause is over: who asks is told at once instead of waiting.
 */
export class Broker {
  readonly address: HostPort
  readonly #options: BrokerOptions
  readonly #slots = new Map<string, Slot>()
  readonly #abort = new AbortController()
  #failures = 0
  #retryAtMs = -Infinity
  /** When a connection could last be opened, if none failed since. */
  #healthySinceMs: number | null = null
  #lastProblem = ''

  constructor (address: HostPort, options: BrokerOptions) {
    this.address = address
    this.#options = options
  }

  /** True when at least one connection is open. */
  get isConnected (): boolean {
    for (const { connection } of this.#slots.values()) if (connection?.state === 'ready') return true
    return false
  }

  /** True when a dial would fail at once. */
  get isBackingOff (): boolean {
    return this.#options.now() < this.#retryAtMs
  }

  /**
   * The connection for a purpose and lane, opened if need be; those who ask meanwhile wait for the same one.
   * @throws {ShadowError} CONNECT_FAILED, ABORTED
   */
  connection (purpose: string, lane: number, signal: AbortSignal): Promise<Connection> {
    const key = `${purpose}/${lane}`
    let slot = this.#slots.get(key)
    if (slot === undefined) this.#slots.set(key, slot = { connection: null, opening: null })
    if (slot.connection?.state === 'ready') return Promise.resolve(slot.connection)
    if (slot.opening === null) {
      const pauseMs = this.#retryAtMs - this.#options.now()
      if (this.#abort.signal.aborted) return Promise.reject(this.#gone())
      if (pauseMs > 0) return Promise.reject(connectFailed(this.address, `the last attempt failed, and the next is in ${Math.ceil(pauseMs)} ms (${this.#lastProblem})`))
    }
    // The dial is not bound to the one who asked first: others may wait for it, and it ends by its own timeout.
    slot.opening ??= this.#open(slot, key, purpose === 'fetch' ? this.#options.fetchMemory : undefined)
    return orAborted(slot.opening, signal)
  }

  #open (slot: Slot, key: string, frameMemory: FrameMemory | undefined): Promise<Connection> {
    const { clientId, connectionTimeoutMs, dial, maxFrameBytes } = this.#options
    const opening = Connection.open(this.address, {
      clientId,
      connectionTimeoutMs,
      signal: this.#abort.signal,
      ...(dial === undefined ? {} : { dial }),
      ...(maxFrameBytes === undefined ? {} : { maxFrameBytes }),
      ...(frameMemory === undefined ? {} : { frameMemory })
    }).catch((error: unknown): never => {
      // The signal is this broker's own: nobody who waits has aborted anything.
      throw this.#abort.signal.aborted ? this.#gone() : error
    })
    opening.then(connection => { this.#opened(slot, key, connection) }, (error: unknown) => {
      slot.opening = null
      if (!this.#abort.signal.aborted) this.#failed(messageOf(error))
    })
    return opening
  }

  #gone (): ShadowError {
    return connectFailed(this.address, 'it is not used any more: the client is closed, or the broker has moved')
  }

  #opened (slot: Slot, key: string, connection: Connection): void {
    const { logger, now } = this.#options
    const broker = formatHostPort(this.address)
    const openedMs = now()
    slot.opening = null
    slot.connection = connection
    this.#healthySinceMs ??= openedMs
    this.#retryAtMs = -Infinity
    logger.debug({ broker, connection: key }, 'connected')
    connection.closed.then(cause => {
      if (slot.connection === connection) slot.connection = null
      const isFault = BROKERS_FAULT.has(cause)
      if (isFault && now() - openedMs < HEALTHY_MS) this.#failed(`the last connection ended with ${cause}`)
      if (cause === 'protocol-error') logger.warn({ broker, connection: key, cause }, 'the connection was reset: what came over it was not what was asked for')
      else logger.debug({ broker, connection: key, cause }, 'the connection ended')
    }, () => {})
    // Closed while it was being opened.
    if (this.#abort.signal.aborted) connection.close()
  }

  #failed (problem: string): void {
    const { now, random } = this.#options
    this.#lastProblem = problem
    // The connections of one broker fail together: that is one failure.
    if (this.isBackingOff) return
    if (this.#healthySinceMs !== null && now() - this.#healthySinceMs >= HEALTHY_MS) this.#failures = 0
    this.#healthySinceMs = null
    this.#retryAtMs = now() + backoffMs(this.#failures++, BACKOFF, random)
  }

  /** Closes what was not used for long. */
  closeIdle (idleMs: number): void {
    for (const [key, { connection, opening }] of this.#slots) {
      if (connection !== null && connection.idleMs >= idleMs) connection.close('idle')
      if (opening === null && (connection === null || connection.state === 'closed')) this.#slots.delete(key)
    }
  }

  /** Opens nothing more, and resolves when the requests that are under way have ended. */
  async drain (): Promise<void> {
    this.#abort.abort()
    await Promise.all([...this.#slots.values()].map(async ({ connection }) => { await connection?.drain() }))
  }

  /** Ends all connections now. */
  async close (): Promise<void> {
    this.#abort.abort()
    await Promise.all([...this.#slots.values()].map(async ({ connection, opening }) => {
      const open = connection ?? await opening?.catch(() => null) ?? null
      open?.close()
      await open?.closed
    }))
    this.#slots.clear()
  }
}
