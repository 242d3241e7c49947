/** What a new broker has to take over from those that are registered. */
import { ShadowError } from '../errors.ts'
import type { BrokerEntry, MetadataImage, SecurityProtocolId } from './metadata/metadata-image.ts'

export interface BrokerListener {
  readonly name: string
  readonly securityProtocol: SecurityProtocolId
}

/**
 * The listener by which brokers reach each other (`inter.broker.listener.name`), which no broker tells. It is the one that is
 * configured; else the only one, if every broker has one listener and all have the same.
 * @param options.brokerId ourselves, who does not count
 * @throws {ShadowError} SETTING_NEEDED when it cannot be known; CONFLICT when the brokers do not have the one that is configured
 */
export function interBrokerListener (image: MetadataImage, options: { readonly brokerId: number, readonly configured: string | null }): BrokerListener {
  const brokers = othersThan(image, options.brokerId)
  const name = options.configured ?? onlyListener(brokers)
  const found = brokers.flatMap(({ endpoints }) => endpoints.get(name) ?? [])
  const securityProtocol = found[0]?.securityProtocol
  if (securityProtocol === undefined) throw new ShadowError('CONFLICT', `no broker has a listener ${name}: they have ${namesOf(brokers).join(', ')}`)
  if (found.some(endpoint => endpoint.securityProtocol !== securityProtocol)) throw new ShadowError('CONFLICT', `the brokers do not agree on the security protocol of listener ${name}`)
  return { name, securityProtocol }
}

/** The rack that most brokers are in; null is one too. Of several, the one that comes first by name. */
export function largestRack (image: MetadataImage, options: { readonly brokerId: number }): string | null {
  const sizes = new Map<string | null, number>()
  for (const { rack } of othersThan(image, options.brokerId)) sizes.set(rack, (sizes.get(rack) ?? 0) + 1)
  const largest = [...sizes].sort(([rackA, sizeA], [rackB, sizeB]) => sizeB - sizeA || (rackA ?? '').localeCompare(rackB ?? ''))
  return largest[0]?.[0] ?? null
}

function onlyListener (brokers: readonly BrokerEntry[]): string {
  const names = namesOf(brokers)
  const [name] = names
  if (name !== undefined && names.length === 1 && brokers.every(({ endpoints }) => endpoints.size === 1)) return name
  const reason = brokers.length === 0 ? 'no other broker is registered' : `the brokers have the listeners ${names.join(', ')}`
  throw new ShadowError('SETTING_NEEDED', `the name of the listener by which brokers reach each other has to be configured: ${reason}`, { details: { setting: 'interBrokerListener' } })
}

function namesOf (brokers: readonly BrokerEntry[]): string[] {
  return [...new Set(brokers.flatMap(({ endpoints }) => [...endpoints.keys()]))].sort()
}

function othersThan (image: MetadataImage, brokerId: number): BrokerEntry[] {
  return [...image.brokers.values()].filter(({ id }) => id !== brokerId)
}
