/** Why a connection ended, and what its requests fail with. `details.sent` says whether the broker may have carried one out. */
import { ShadowError } from '../errors.ts'
import { formatHostPort, type HostPort } from './host-port.ts'

export type CloseCause =
  /** The owner has no more use for it. */
  | 'requested'
  /** It was not used for long enough. */
  | 'idle'
  /** All requests were answered after `drain`. */
  | 'drained'
  | 'peer-closed'
  | 'socket-error'
  | 'request-timeout'
  /** A request was aborted whose bytes the broker must not act on any more. */
  | 'request-aborted'
  | 'protocol-error'

interface Reason {
  readonly reason: string
  readonly cause?: unknown
}

/** For a request that was under way. */
export function connectionClosed (address: HostPort, closeCause: CloseCause, what: string, { reason, cause }: Reason): ShadowError {
  const broker = formatHostPort(address)
  return new ShadowError('CONNECTION_CLOSED', `the connection to ${broker} ended while ${what} was under way: ${reason}`, {
    retriable: true, details: { broker, closeCause, sent: true }, cause
  })
}

export function notSent (address: HostPort, what: string, { reason, cause }: Reason): ShadowError {
  const broker = formatHostPort(address)
  return new ShadowError('CONNECT_FAILED', `${what} was not sent to ${broker}: ${reason}`, { retriable: true, details: { broker, sent: false }, cause })
}

/** `isSent` is false for one that waited for room all the time. */
export function timedOut (address: HostPort, { what, timeoutMs }: { readonly what: string, readonly timeoutMs: number }, { isSent }: { readonly isSent: boolean }): ShadowError {
  const broker = formatHostPort(address)
  return new ShadowError('REQUEST_TIMEOUT', isSent
    ? `${broker} did not answer ${what} within ${timeoutMs} ms`
    : `${what} could not be sent to ${broker} within ${timeoutMs} ms: too much is under way`, {
    retriable: true, details: { broker, sent: isSent }
  })
}
