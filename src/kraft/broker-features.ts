/** Which features a broker says it supports, and in which levels (KIP-584). */
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { ApiVersions } from '../../protocol/messages/api-versions.ts'
import type { BrokerRegistration } from '../../protocol/messages/broker-registration.ts'
import type { RequestInput } from '../../protocol/schema/api.ts'
import { BrokerError } from '../errors.ts'
import { CLIENT_SOFTWARE_NAME, CLIENT_SOFTWARE_VERSION } from '../net/client-identity.ts'
import type { Controllers } from './controllers.ts'

/** Looked at for every broker, whatever the controller tells. */
const ALWAYS = ['metadata.version', 'kraft.version']

/** Wider than any: what a level means is between the brokers, and a registered broker that does not support one stops the cluster's upgrade. */
const MAX_LEVEL = 1000

/** Before that, a range must not begin with 0 (KAFKA-17492). */
const ZERO_LEVEL_VERSION = 4

/**
 * The names of the features that the cluster knows, with their finalized levels: 0 where there is none.
 * @throws {ShadowError} as Controllers.request
 */
export async function clusterFeatures (controllers: Controllers, options: { readonly signal: AbortSignal, readonly deadlineMs?: number }): Promise<ReadonlyMap<string, number>> {
  const { body } = await controllers.request(ApiVersions, { clientSoftwareName: CLIENT_SOFTWARE_NAME, clientSoftwareVersion: CLIENT_SOFTWARE_VERSION }, { ...options, purpose: 'heartbeat', idempotent: true })
  if (body.errorCode !== ErrorCodes.NONE) throw new BrokerError(body.errorCode, 'ApiVersions')
  const levels = new Map<string, number>(ALWAYS.map(name => [name, 0]))
  for (const { name } of body.supportedFeatures) levels.set(name, 0)
  for (const { name, maxVersionLevel } of body.finalizedFeatures) levels.set(name, maxVersionLevel)
  return levels
}

/** The rows for a registration in a version. */
export function featureRanges (levels: ReadonlyMap<string, number>, version: number): RequestInput<typeof BrokerRegistration>['features'] {
  return [...levels]
    .filter(([name, level]) => version >= ZERO_LEVEL_VERSION || level > 0 || name === 'metadata.version')
    .map(([name]) => ({ name, minSupportedVersion: version >= ZERO_LEVEL_VERSION && name !== 'metadata.version' ? 0 : 1, maxSupportedVersion: MAX_LEVEL }))
}
