import type { HostPort } from '../net/host-port.ts'
import type { DisconnectCause } from './disconnect-cause.ts'

/** What keeps the sidecar from being all that it should be. */
export type DegradedReason =
  /** No broker of the shadow cluster can be reached. */
  | 'no_upstream'
  /** The state of the links has never been known: every write is refused. */
  | 'link_state_unknown'
  /** The state of the links is too old to rely on: only topics known to be failed over are open. */
  | 'link_state_stale'
  /** The cluster has brokers whose ids have no port here: clients cannot reach what they lead. */
  | 'node_ids_out_of_range'

export interface SidecarCounters {
  readonly connectionsOpened: number
  /** Requests by the name of their API; `unknown` for keys without one. */
  readonly requests: Readonly<Record<string, number>>
  /** Requests of which at least one row was refused. */
  readonly refused: Readonly<Record<string, number>>
  /** Of these, the ones that asked for no answer. */
  readonly refusedAcks0: number
  readonly disconnects: Readonly<Record<DisconnectCause, number>>
  readonly bytesFromClients: number
  readonly bytesToClients: number
}

export interface SidecarStatus {
  /** `starting` until the brokers of the cluster are known for the first time. */
  readonly state: 'starting' | 'ready' | 'degraded' | 'draining'
  readonly reasons: readonly DegradedReason[]
  /** The revision of the link state by which requests are judged: see LinkState. Null before it was ever known. */
  readonly revision: number | null
  /** Null before it was ever known. */
  readonly stateAgeMs: number | null
  readonly connections: number
  readonly counters: SidecarCounters
  /** Brokers that clients are not told of, because their ids are outside the configured ones. */
  readonly hiddenNodeIds: readonly number[]
  /** Where clients start; the host is the advertised one. */
  readonly bootstrap: HostPort
  /** The port of each broker id. */
  readonly ports: ReadonlyArray<{ readonly nodeId: number, readonly port: number }>
}
