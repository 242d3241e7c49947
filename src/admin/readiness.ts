/** Whether this process does its work, and what keeps it from it, part by part. */
import { z } from 'zod'
import type { RunConfig } from '../config/run-config.ts'
import type { SidecarStatus } from '../proxy/sidecar-status.ts'
import type { AdminParts } from './admin-parts.ts'

export interface PartReadiness<State extends string> {
  readonly ready: boolean
  readonly state: State
  /** Why it is not ready, or what is to be known besides; empty where there is nothing to say. */
  readonly reason: string
}

export type EngineState = 'leading' | 'standby' | 'starting' | 'off'

export interface Readiness {
  readonly ready: boolean
  readonly draining: boolean
  readonly engine: PartReadiness<EngineState>
  readonly sidecar: PartReadiness<SidecarStatus['state'] | 'off'>
  /** What this process knows of links and topic states. */
  readonly state: PartReadiness<'unknown' | 'stale' | 'fresh'> & { readonly ageMs: number | null }
}

/** The reasons of the sidecar, in words. */
const SIDECAR_REASONS: Readonly<Record<SidecarStatus['reasons'][number], string>> = {
  no_upstream: 'no broker of the shadow cluster can be reached',
  link_state_unknown: 'the state of the links is not known: every write is refused',
  link_state_stale: 'the state of the links is too old to rely on: only topics known to be failed over are open',
  node_ids_out_of_range: 'the shadow cluster has brokers whose ids have no port here (sidecar.node_ids)'
}

const part = <State extends string>(states: readonly [State, ...State[]]): z.ZodObject<{ ready: z.ZodBoolean, state: z.ZodEnum<{ [S in State]: S }>, reason: z.ZodString }> =>
  z.object({ ready: z.boolean(), state: z.enum(states), reason: z.string() })

export const readinessSchema: z.ZodType<Readiness> = z.object({
  ready: z.boolean(),
  draining: z.boolean(),
  engine: part(['leading', 'standby', 'starting', 'off']),
  sidecar: part(['starting', 'ready', 'degraded', 'draining', 'off']),
  state: part(['unknown', 'stale', 'fresh']).extend({ ageMs: z.number().nullable() })
})

export function readinessOf (parts: AdminParts, config: RunConfig): Readiness {
  const engine = engineReadiness(parts, config)
  const sidecar = sidecarReadiness(parts, config)
  const state = stateReadiness(parts, config)
  return {
    ready: !parts.draining && engine.ready && sidecar.ready && state.ready,
    draining: parts.draining,
    engine,
    sidecar,
    state
  }
}

/** The admin address of the engine that leads, as far as this process knows. */
export function leaderAddress (parts: AdminParts): string | null {
  return parts.links === null ? parts.state.state?.engine?.adminAddress ?? null : parts.links.leadership().adminAddress
}

function engineReadiness (parts: AdminParts, config: RunConfig): Readiness['engine'] {
  if (!config.engine.enabled) return { ready: true, state: 'off', reason: '' }
  const problem = parts.engineProblem
  if (parts.links === null) return { ready: false, state: 'starting', reason: problem ?? 'the engine is starting' }
  if (parts.links.leadership().leading) return { ready: true, state: 'leading', reason: problem ?? '' }
  const leader = leaderAddress(parts)
  if (problem !== null) return { ready: false, state: 'starting', reason: problem }
  if (leader === null) return { ready: false, state: 'starting', reason: 'no other engine is known to lead, and this one does not yet' }
  return { ready: true, state: 'standby', reason: `the engine that was last elected has its admin port at ${leader}` }
}

function sidecarReadiness (parts: AdminParts, config: RunConfig): Readiness['sidecar'] {
  if (!config.sidecar.enabled) return { ready: true, state: 'off', reason: '' }
  if (parts.sidecar === null) return { ready: false, state: 'starting', reason: 'the sidecar is starting' }
  const { state, reasons } = parts.sidecar.status()
  return { ready: state === 'ready', state, reason: reasons.map(reason => SIDECAR_REASONS[reason]).join('; ') }
}

function stateReadiness ({ state: source }: AdminParts, config: RunConfig): Readiness['state'] {
  const ageMs = source.ageMs()
  const because = source.problem === null ? '' : `: ${source.problem}`
  if (source.state === null) return { ready: false, state: 'unknown', reason: `the state of the links has not been read yet${because}`, ageMs: null }
  const known = { ageMs: Number.isFinite(ageMs) ? Math.round(ageMs) : null }
  if (ageMs > config.sidecar.staleAfterMs) {
    return { ready: false, state: 'stale', reason: `the state of the links was last read ${Math.round(ageMs / 1000)} s ago${because}`, ...known }
  }
  return { ready: true, state: 'fresh', reason: '', ...known }
}
