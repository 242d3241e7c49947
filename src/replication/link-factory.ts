/** How a link's record becomes a link that runs in a reign, and how a link that is none yet is looked at beforehand. */
import { randomUUID } from 'node:crypto'
import type { Cluster } from '../client/cluster.ts'
import type { LinkConfig } from '../config/link-config.ts'
import type { RegistryEndpoint } from '../config/link/registry-endpoint.ts'
import type { RunConfig } from '../config/run-config.ts'
import type { LinkSecrets, SecretOwner } from '../config/secrets/link-secrets.ts'
import { SCHEMA_API } from '../config/secrets/secret-fields.ts'
import { throwIfAborted } from '../net/abort.ts'
import type { Dial } from '../net/dial.ts'
import { FrameMemory } from '../net/frame-memory.ts'
import type { Logger } from '../observability/logger.ts'
import type { LinkRecord, StateChange, TopicRecord } from '../state/records.ts'
import type { StateFollower } from '../state/state-follower.ts'
import type { AppendHost, AppendMode } from './append/append-mode.ts'
import { ProduceMode } from './append/produce/produce-mode.ts'
import { ReplicaMode } from './append/replica/replica-mode.ts'
import type { ShadowLeader } from './append/replica/shadow-leader.ts'
import type { PreflightScope } from './link/cluster-preflight.ts'
import { preflightLink, type LinkPreflight } from './link/link-preflight.ts'
import type { LinkStatus } from './link-service.ts'
import { recordedParts } from './link/link-tasks.ts'
import { ShadowLink } from './link/shadow-link.ts'
import { ownerOf, type Reign } from './reign.ts'
import { sourceCluster } from './source/source-cluster.ts'

/** Memory that a link keeps for the next answers while nobody uses it. */
const FETCH_MEMORY_BYTES = 48 * 1024 * 1024

export interface LinkFactoryOptions {
  readonly config: Pick<RunConfig, 'engine' | 'shadowLeader'> & { readonly sidecar: Pick<RunConfig['sidecar'], 'enabled' | 'nodeIds'> }
  /** Where links that copy schemas by API copy them to; null where there is none. */
  readonly shadowRegistry: RegistryEndpoint | null
  readonly secrets: LinkSecrets
  /** To the shadow cluster; stays the caller's. */
  readonly cluster: Cluster
  readonly state: StateFollower
  readonly logger: Logger
  readonly dial: Dial | undefined
  readonly now: () => number
  readonly wallClock: () => Date
  /** @throws {ShadowError} CONFLICT where this engine has no address to lead at */
  readonly shadowLeader: (reign: Reign) => ShadowLeader
  /** A topic of a link of this reign was opened. */
  readonly onOpened: (reign: Reign) => void
}

export class LinkFactory {
  readonly #options: LinkFactoryOptions

  constructor (options: LinkFactoryOptions) {
    this.#options = options
  }

  /** It is not started. */
  make (reign: Reign, record: LinkRecord, topics: readonly TopicRecord[], signal: AbortSignal): ShadowLink {
    const { cluster, state: { state }, shadowRegistry, secrets, config: { engine }, dial, now, wallClock, shadowLeader, onOpened } = this.#options
    const { config, uid } = record
    const logger = this.#options.logger.child({ link: config.name })
    const memory = new FrameMemory(FETCH_MEMORY_BYTES)
    const source = sourceCluster(config, `shadow-link-${config.name}-${uid}`, { logger, now, dial, fetchMemory: memory })
    const common = { source, shadow: cluster, client: config.clientOptions, memory, maxBufferedBytes: engine.maxBufferedBytes, barrier: reign.barrier, signal, logger, now }
    const appendMode = record.appendMode === 'replica'
      ? (host: AppendHost): AppendMode => new ReplicaMode({ ...common, host, onSourceTruncation: config.onSourceTruncation, leader: shadowLeader(reign), highestProducerId: record.highestProducerId })
      : (host: AppendHost): AppendMode => new ProduceMode({ ...common, host, appendConnections: engine.appendConnections, mayAppend: () => reign.lease.isHeld() })
    return new ShadowLink({
      record,
      topics,
      ...recordedParts(state, config.name),
      shadowRegistry,
      sourceRegistrySecrets: secrets.lookUp(record, SCHEMA_API),
      source,
      connectSource: () => sourceCluster(config, `shadow-link-${config.name}-${uid}-state`, { logger, now, dial }),
      shadow: cluster,
      barrier: reign.barrier,
      appendMode,
      signal,
      write: async (changes: readonly StateChange[]) => {
        // What is left of a link that was deleted, or started anew, has nothing to say any more.
        throwIfAborted(signal)
        return await reign.writer.write(changes)
      },
      ownerOf: topic => ownerOf(reign, topic, config.name),
      isLeading: () => reign.lease.isHeld(),
      isSecurityShared: id => [...reign.links].some(([other, { link }]) => other !== config.name && link.tasks.security.has(id)),
      onOpened: () => { onOpened(reign) },
      logger,
      now,
      wallClock
    })
  }

  /** The status of a link that is not there. */
  async statusOf (reign: Reign, record: LinkRecord): Promise<LinkStatus> {
    const abort = new AbortController()
    const link = this.make(reign, record, [], abort.signal)
    try {
      return link.status()
    } finally {
      abort.abort()
      await link.stopped()
    }
  }

  /** `owner` is the link as it would be written down: its secrets are sealed. */
  async preflight (reign: Reign, given: LinkConfig, scope: PreflightScope): Promise<LinkPreflight & { readonly owner: SecretOwner }> {
    const { cluster, state, secrets, shadowRegistry, logger, config: { shadowLeader, sidecar } } = this.#options
    const uid = randomUUID()
    const config = await secrets.accept({ uid, config: given }, null)
    const owner = { uid, config }
    const preflight = await this.withSource(config, async source => await preflightLink(config, {
      source,
      sourceRegistrySecrets: secrets.lookUp(owner, SCHEMA_API),
      shadow: cluster,
      isNameTaken: reign.links.has(config.name),
      ownerOf: topic => ownerOf(reign, topic, null),
      shadowRegistry,
      otherLinks: [...reign.links.values()].map(({ link }) => link.record),
      shadowLeader,
      leader: () => shadowLeader === null ? null : this.#options.shadowLeader(reign),
      knownLeaders: state.state?.shadowLeaders ?? new Map<number, never>(),
      sidecar,
      scope,
      logger,
      signal: reign.signal
    }))
    return { ...preflight, owner }
  }

  /** Works with a client of the link's source of its own, which ends with the work. */
  async withSource<T> (config: LinkConfig, work: (source: Cluster) => Promise<T>): Promise<T> {
    const { logger, now, dial } = this.#options
    const source = sourceCluster(config, `shadow-link-${config.name}-preflight`, { logger, now, dial })
    try {
      return await work(source)
    } finally {
      await source.close()
    }
  }
}
