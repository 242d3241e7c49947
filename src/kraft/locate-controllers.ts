/** Where the controllers of a cluster listen: brokers' clients are not told, so it is either configured or asked for. */
import { DescribeQuorum } from '../../protocol/messages/describe-quorum.ts'
import { ShadowError } from '../errors.ts'
import type { Cluster } from '../client/cluster.ts'
import type { HostPort } from '../net/host-port.ts'
import { DESCRIBE_QUORUM_BODY, quorumView, type QuorumView } from './quorum-view.ts'

/**
 * Called when the active controller is looked for the first time, and after every round in which there was none.
 * @throws {ShadowError} SETTING_NEEDED when only the configuration can tell
 */
export type LocateControllers = (options: { readonly signal: AbortSignal }) => Promise<readonly HostPort[]>

const TIMEOUT_MS = 5000

/** The addresses that were configured. */
export function knownControllers (addresses: readonly HostPort[]): LocateControllers {
  return async () => await Promise.resolve(addresses)
}

/**
 * Asks the brokers, which pass the question on to the active controller (DescribeQuorum v2, Kafka 3.9 and later). What they
 * tell are the addresses by which controllers know each other.
 */
export function discoverControllers (cluster: Cluster): LocateControllers {
  return async ({ signal }) => {
    const { voterIds, endpoints } = await ask(cluster, signal)
    const addresses = voterIds.flatMap(id => endpoints.get(id)?.slice(0, 1) ?? [])
    if (addresses.length === 0) throw settingNeeded(`the cluster names its controllers (${voterIds.join(', ')}), but not where they listen`)
    return addresses
  }
}

async function ask (cluster: Cluster, signal: AbortSignal): Promise<QuorumView> {
  try {
    const { body } = await cluster.request(DescribeQuorum, DESCRIBE_QUORUM_BODY, 'any', { signal, timeoutMs: TIMEOUT_MS, minVersion: 2 })
    return quorumView(body)
  } catch (error) {
    if (error instanceof ShadowError && error.code === 'VERSION_UNSUPPORTED') throw settingNeeded('the brokers do not tell where their controllers listen', error)
    throw error
  }
}

function settingNeeded (reason: string, cause?: unknown): ShadowError {
  return new ShadowError('SETTING_NEEDED', `the addresses of the controllers have to be configured: ${reason}`, { details: { setting: 'controllers' }, cause })
}
