/** What must be so for append mode replica, and what is worth knowing. Nothing is registered or changed by looking. */
import type { ShadowLeaderConfig } from '../../../config/run-config.ts'
import { messageOf } from '../../../errors.ts'
import type { MetadataImage } from '../../../kraft/metadata/metadata-image.ts'
import { interBrokerListener } from '../../../kraft/registered-brokers.ts'
import { formatHostPort } from '../../../net/host-port.ts'
import type { ShadowLeaderRecord } from '../../../state/records.ts'
import type { PreflightLine } from '../../link-service.ts'
import { advertisedLine } from './advertised-address.ts'
import { chooseIdentity } from './shadow-identity.ts'
import type { ShadowLeader } from './shadow-leader.ts'

/** metadata.version of Kafka 3.9-IV0: the oldest release that this was tried with. */
const OLDEST_METADATA_VERSION = 21
/** 4.3-IV0: brokers can say that they want no new replicas. */
const CORDON_METADATA_VERSION = 30
const PLAINTEXT = 0

export interface ReplicaPreflightOptions {
  readonly leader: ShadowLeader | null
  readonly config: ShadowLeaderConfig | null
  readonly known: ReadonlyMap<number, ShadowLeaderRecord>
  /** Within which the controllers must be found and the metadata log read. */
  readonly signal: AbortSignal
}

/** Without a shadow leader nothing is waited for. */
export async function replicaPreflight ({ leader, config, known, signal }: ReplicaPreflightOptions): Promise<PreflightLine[]> {
  if (leader === null || config === null) {
    return [{ name: 'shadow leader', verdict: 'failed', text: 'this kshadow has no shadow_leader section', advice: 'add shadow_leader with listen (and advertised) to the file of kshadow run, where the shadow brokers can reach it' }]
  }
  let image: MetadataImage
  try {
    image = await leader.metadata.reached(0, signal)
  } catch (error) {
    return [{
      name: 'controllers',
      verdict: 'failed',
      text: `the shadow cluster's metadata log cannot be read: ${leader.metadata.problem ?? messageOf(error)}`,
      advice: 'this needs Apache Kafka in KRaft mode, and a way from this host to its controllers; name them in shadow_leader.controllers if the brokers do not'
    }]
  }
  const lines: PreflightLine[] = [{ name: 'controllers', verdict: 'ok', text: `controller ${leader.controllers.activeId ?? 'unknown'} is active, and its metadata log can be read (${image.topics.size} topics, ${image.brokers.size} brokers)`, advice: null }]
  lines.push(versionLine(image), listenerLine(image, leader, config), await advertisedLine(leader, config), identityLine(image, known, config), rightsLine(leader), ...elrLines(image), placementLine(image))
  return lines
}

function versionLine (image: MetadataImage): PreflightLine {
  const level = image.features.get('metadata.version') ?? 0
  const isOk = level >= OLDEST_METADATA_VERSION
  return {
    name: 'metadata version',
    verdict: isOk ? 'ok' : 'failed',
    text: `metadata.version is at level ${level} (21 is 3.9, 30 is 4.3)`,
    advice: isOk ? null : 'upgrade the shadow cluster to Apache Kafka 3.9 or newer, and its metadata.version with it (kafka-features.sh upgrade)'
  }
}

function listenerLine (image: MetadataImage, leader: ShadowLeader, config: ShadowLeaderConfig): PreflightLine {
  const name = 'listener between brokers'
  try {
    const listener = interBrokerListener(image, { brokerId: leader.brokerId ?? -1, configured: config.interBrokerListener })
    if (listener.securityProtocol === PLAINTEXT) return { name, verdict: 'ok', text: `${listener.name}; the shadow brokers will fetch from ${formatHostPort(config.advertised)}`, advice: null }
    return { name, verdict: 'failed', text: `${listener.name} is not PLAINTEXT`, advice: 'TLS and SASL between brokers are not part of this version: use append_mode produce' }
  } catch (error) {
    return { name, verdict: 'failed', text: messageOf(error), advice: 'set shadow_leader.inter_broker_listener to the brokers\' inter.broker.listener.name' }
  }
}

function identityLine (image: MetadataImage, known: ReadonlyMap<number, ShadowLeaderRecord>, config: ShadowLeaderConfig): PreflightLine {
  try {
    const { brokerId } = chooseIdentity(known, image, { ranges: config.brokerIds, self: { instance: 'preflight', address: formatHostPort(config.advertised) }, now: new Date(0) })
    return { name: 'broker id', verdict: 'ok', text: `${brokerId} ${known.has(brokerId) ? 'is ours' : 'is free'}`, advice: null }
  } catch (error) {
    return { name: 'broker id', verdict: 'failed', text: messageOf(error), advice: 'give shadow_leader.broker_ids a range that no broker of the shadow cluster uses' }
  }
}

/** No request tells whether another one would be allowed. */
function rightsLine (leader: ShadowLeader): PreflightLine {
  const text = leader.isReady
    ? 'the shadow leader is registered, and its heartbeats are accepted'
    : 'whether the controllers let it register (where the cluster has ACLs: CLUSTER_ACTION) is only known once it does: the first link in this mode shows it'
  return { name: 'rights', verdict: 'ok', text, advice: null }
}

function elrLines (image: MetadataImage): PreflightLine[] {
  if ((image.features.get('eligible.leader.replicas.version') ?? 0) === 0) return []
  return [{ name: 'eligible leader replicas', verdict: 'ok', text: 'on; every shadow topic has min.insync.replicas=1 while it is one, so that no follower becomes eligible', advice: null }]
}

function placementLine (image: MetadataImage): PreflightLine {
  if ((image.features.get('metadata.version') ?? 0) >= CORDON_METADATA_VERSION) {
    return { name: 'placement', verdict: 'ok', text: 'the controller is told to place no other topics on the shadow leader (cordoned log directory)', advice: null }
  }
  return {
    name: 'placement',
    verdict: 'warning',
    text: 'before metadata.version 4.3 the controller also places new topics on the shadow leader; they are moved off at once, within about a second',
    advice: 'create topics that cannot wait for that with explicit replica assignments, or upgrade the shadow cluster'
  }
}
