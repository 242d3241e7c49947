import { BlockList, isIP } from 'node:net'
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

const THIS_MACHINE = new BlockList()
THIS_MACHINE.addSubnet('127.0.0.0', 8)
THIS_MACHINE.addAddress('0.0.0.0')
THIS_MACHINE.addAddress('::1', 'ipv6')
THIS_MACHINE.addAddress('::', 'ipv6')

/** True for a host that means the machine that hears it, whoever that is. */
export function isThisMachine (host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '')
  const family = isIP(name)
  return family === 0 ? name === 'localhost' || name.endsWith('.localhost') : THIS_MACHINE.check(name, family === 6 ? 'ipv6' : 'ipv4')
}

/**
 * Why a command is not to go on to the address that `teller` calls the leader's; null where it may. A loopback address that was told by
 * another machine is that machine's, or the leader's, and whoever listens there on this one may lead the links of another cluster.
 */
export function obstacleToLeader (leader: HostPort, teller: HostPort): string | null {
  const isLocal = isThisMachine(leader.host)
  if (isLocal && !isThisMachine(teller.host)) {
    return `the engine that leads names ${formatHostPort(leader)}, which only its own machine reaches. Give the command there, or set admin.advertised in its configuration to an address that it is reached at from here`
  }
  const isSame = leader.port === teller.port && (isLocal || leader.host.toLowerCase() === teller.host.toLowerCase())
  return isSame ? 'that is the address that was asked. If that engine runs on another machine, set admin.advertised in its configuration' : null
}
