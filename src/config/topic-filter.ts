import { isProtectedTopic, type NameFilter } from './link-config.ts'

/**
 * True when a link with these filters shadows a topic of this name: at least one include matches and no exclude does; their
 * order means nothing. No filters select nothing. Internal and system topics are never selected.
 */
export function selectsTopic (filters: readonly NameFilter[], name: string): boolean {
  if (isProtectedTopic(name)) return false
  let included = false
  for (const filter of filters) {
    if (!matches(filter, name)) continue
    if (filter.filterType === 'EXCLUDE') return false
    included = true
  }
  return included
}

function matches (filter: NameFilter, name: string): boolean {
  if (filter.patternType === 'PREFIX') return name.startsWith(filter.name)
  return filter.name === '*' || filter.name === name
}
