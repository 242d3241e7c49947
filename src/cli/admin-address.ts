import { isHost } from '../config/fields.ts'
import { RUN_DEFAULTS } from '../config/run-config.ts'
import { formatHostPort, parseHostPort, type HostPort } from '../net/host-port.ts'
import { UsageError } from './usage-error.ts'

const DEFAULT_PORT = 9644

/**
 * Reads `host:port`, `host` or `http://host:port`.
 * @throws {UsageError}
 */
export function parseAdminAddress (text: string | undefined): HostPort {
  if (text === undefined) return parseAdminAddress(RUN_DEFAULTS.adminListen)
  if (text.includes('@')) throw new UsageError('--admin must not hold a user or password: the admin port has no authentication')
  if (/^https:/i.test(text)) throw new UsageError('--admin: the admin port speaks http, not https')
  const rest = text.replace(/^http:\/\//i, '').replace(/\/$/, '')
  const address = parseHostPort(rest) ?? parseHostPort(`${rest}:${DEFAULT_PORT}`)
  if (address === null || !isHost(address.host)) throw new UsageError(`--admin: ${JSON.stringify(text)}: expected host:port or http://host:port, such as ${RUN_DEFAULTS.adminListen}`)
  return address
}

/** The address of a leader, as another engine names it; null where it is none. */
export function parseLeaderAddress (text: string): HostPort | null {
  const address = parseHostPort(text)
  return address !== null && isHost(address.host) ? address : null
}

export function isSameAddress (a: HostPort, b: HostPort): boolean {
  return formatHostPort(a) === formatHostPort(b)
}
