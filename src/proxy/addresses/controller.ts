import type { AddressContext } from '../offer.ts'

/**
 * Whom clients take for the controller. Kafka in KRaft mode names any broker, because each passes on what is for the controller: where that
 * is a shadow leader, the first of the brokers that are told stands in. A hidden broker has nobody to stand in for it.
 */
export function shownController (controllerId: number | undefined, brokers: readonly number[], { ports, reads }: AddressContext): number | undefined {
  if (controllerId === undefined || !ports.isHidden(controllerId)) return controllerId
  return reads.isShadowLeader(controllerId) ? brokers[0] ?? -1 : -1
}
