/** What the admin port shows and acts on. Each part comes up in its own time. */
import type { LinkService } from '../replication/link-service.ts'
import type { SidecarStatus } from '../proxy/sidecar-status.ts'
import type { LinkState } from '../state/link-state.ts'

export interface SidecarSource {
  status (): SidecarStatus
}

export interface StateSource {
  readonly state: LinkState | null
  /** Why the state topic cannot be read at the moment; null when it can. */
  readonly problem: string | null
  /** Milliseconds since the state was last known to be complete; Infinity before. */
  ageMs (): number
}

export interface AdminParts {
  /** Null while the engine is starting, or switched off. */
  readonly links: LinkService | null
  /** What keeps the engine from its work; null where nothing does. */
  readonly engineProblem: string | null
  /** Null while the sidecar is starting, or switched off. */
  readonly sidecar: SidecarSource | null
  readonly state: StateSource
  /** Of the shadow cluster; null while it is not known, or has none. */
  readonly clusterId: string | null
  /** True from the moment that the process was asked to end. */
  readonly draining: boolean
}
