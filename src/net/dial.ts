/** Opens sockets. Whoever needs another way (TLS, a relay in a test) passes another `Dial`. */
import { connect, type Socket } from 'node:net'
import { messageOf, ShadowError } from '../errors.ts'
import { abortedError, onAbort } from './abort.ts'
import { formatHostPort, type HostPort } from './host-port.ts'

/** Where what comes over a socket is put, for those who know better than to have it in chunks. */
export interface ReadTarget {
  /** Asked before every read. */
  readonly space: () => Buffer
  /** So many bytes are there now. */
  readonly filled: (bytes: number) => void
}

export interface DialOptions {
  readonly timeoutMs: number
  readonly signal?: AbortSignal
  /** A dial that takes no notice of it gives a socket with `data` events. */
  readonly readTarget?: ReadTarget
}

/**
 * Opens a socket. Nothing has been sent over it when the promise resolves.
 * @throws {ShadowError} CONNECT_FAILED, ABORTED
 */
export type Dial = (address: HostPort, options: DialOptions) => Promise<Socket>

/** Notices a peer that went without a word, such as one behind a router that forgot the connection. */
const KEEP_ALIVE_DELAY_MS = 30_000

export const dialTcp: Dial = (address, { timeoutMs, signal, readTarget }) => new Promise<Socket>((resolve, reject) => {
  if (signal?.aborted === true) {
    reject(abortedError(signal))
    return
  }
  const socket = connect({
    host: address.host,
    port: address.port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
    ...(readTarget === undefined ? {} : { onread: { buffer: readTarget.space, callback: onRead(readTarget) } })
  })
  const settle = (error: ShadowError | null): void => {
    clearTimeout(timer)
    stop?.()
    socket.removeListener('connect', onConnect)
    if (error === null) {
      resolve(socket)
      return
    }
    socket.destroy()
    reject(error)
  }
  const onConnect = (): void => { settle(null) }
  const timer = setTimeout(() => { settle(connectFailed(address, `no connection within ${timeoutMs} ms`)) }, timeoutMs)
  const stop = signal === undefined ? null : onAbort(signal, () => { settle(abortedError(signal)) })
  socket.once('connect', onConnect)
  // Stays for good: an error between two owners of the socket must not end the process.
  socket.on('error', error => { settle(connectFailed(address, reasonOf(error), error)) })
})

/** The socket goes on reading whatever is returned but false. */
function onRead ({ filled }: ReadTarget): (bytes: number) => boolean {
  return bytes => {
    filled(bytes)
    return true
  }
}

/** Nothing was sent: the same can safely be tried again. */
export function connectFailed (address: HostPort, reason: string, cause?: unknown): ShadowError {
  const broker = formatHostPort(address)
  return new ShadowError('CONNECT_FAILED', `cannot connect to ${broker}: ${reason}`, { retriable: true, details: { broker }, cause })
}

/** A name that stands for several addresses fails with one error for each, and with no message of its own. */
function reasonOf (error: Error): string {
  if (!(error instanceof AggregateError)) return messageOf(error)
  return error.errors.map(messageOf).join('; ')
}
