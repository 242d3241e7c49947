import type { PauseSelection } from './link-service.ts'

export function isTask (what: PauseSelection): what is { readonly task: string } {
  return typeof what === 'object' && what !== null && 'task' in what
}

/** What an order is for, in words. */
export function selectionText (what: PauseSelection): string {
  if (what === null) return 'all'
  if (typeof what === 'string') return what
  return isTask(what) ? `task ${what.task}` : `filters ${what.map(({ filterType, patternType, name }) => `${filterType === 'EXCLUDE' ? '!' : ''}${name}${patternType === 'PREFIX' ? '*' : ''}`).join(' ')}`
}
