/** Lines of a preflight, as those who look make them. */
import { messageOf, type ShadowError } from '../../errors.ts'
import type { PreflightLine } from '../link-service.ts'

export interface PreflightFinding extends PreflightLine {
  /** What a creation is refused with; null where the verdict is another than `failed`. */
  readonly error: ShadowError | null
}

export function ok (name: string, text: string): PreflightFinding {
  return { name, verdict: 'ok', text, advice: null, error: null }
}

export function warning (name: string, text: string, advice: string): PreflightFinding {
  return { name, verdict: 'warning', text, advice, error: null }
}

export function failed (name: string, error: ShadowError, advice: string): PreflightFinding {
  return { name, verdict: 'failed', text: error.message, advice, error }
}

/** Why something could not be asked. `signal` ends when the time for it is over. */
export function whyNot (error: unknown, signal: AbortSignal): string {
  return signal.aborted ? 'it has not answered in time' : messageOf(error)
}

const NAMES_SHOWN = 5

/** The first of many names. */
export function someOf (names: readonly string[]): string {
  return `${names.slice(0, NAMES_SHOWN).join(', ')}${names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : ''}`
}
