/** Filters by name, as the sections of a link's document have them. */
import { z } from 'zod'

export type PatternType = 'LITERAL' | 'PREFIX'
export type FilterType = 'INCLUDE' | 'EXCLUDE'

export interface NameFilter {
  readonly patternType: PatternType
  readonly filterType: FilterType
  /** A name, the start of names, or `*` (LITERAL only) for all. */
  readonly name: string
}

const NAME = /^[A-Za-z0-9._-]{1,249}$/

/** Names that mean a place in a path: Kafka has no such topics, and a link's name is a part of URLs. */
export const isDots = (name: string): boolean => name === '.' || name === '..'

const patternType = z.enum(['LITERAL', 'PREFIX', 'PREFIXED'], { error: 'expected LITERAL or PREFIX' })
const filterType = z.enum(['INCLUDE', 'EXCLUDE'], { error: 'expected INCLUDE or EXCLUDE' })
const expectedFilter = 'expected pattern_type, filter_type and name'

interface RawFilter {
  readonly pattern_type: z.infer<typeof patternType>
  readonly filter_type: FilterType
  readonly name: string
}

/** `refusal` says what is wrong with a name that is not `*`; null when nothing is. */
function checkedFilter (filter: RawFilter, context: z.core.$RefinementCtx, refusal: (filter: RawFilter) => string | null): NameFilter {
  const isPrefix = filter.pattern_type !== 'LITERAL'
  const message = filter.name === '*' ? (isPrefix ? '* is a LITERAL pattern' : null) : refusal(filter)
  if (message !== null) context.addIssue({ code: 'custom', path: ['name'], message })
  return { patternType: isPrefix ? 'PREFIX' : 'LITERAL', filterType: filter.filter_type, name: filter.name }
}

/** A filter of topics. */
export const topicFilter = z.strictObject({
  pattern_type: patternType,
  filter_type: filterType,
  name: z.string({ error: 'expected a topic name, the start of one, or *' })
}, { error: expectedFilter }).transform((raw, context): NameFilter => checkedFilter(raw, context, filter => {
  if (!NAME.test(filter.name) || isDots(filter.name)) return 'expected 1 to 249 letters, digits, ".", "_" and "-", or exactly *'
  if (filter.filter_type === 'EXCLUDE' || !isProtectedTopic(filter.name)) return null
  return filter.name === '_schemas' ? 'filters never select this topic; schema_registry_sync_options: {shadow_schema_registry_topic: {}} shadows it' : 'this topic is never shadowed'
}))

/** The group that engines elect their leader in, and whatever else may come to be called so. */
const PROTECTED_GROUP_PREFIX = '__kshadow'

/** True for groups of kafka-shadow itself, which are nobody else's to shadow, join or change. */
export function isProtectedGroup (name: string): boolean {
  return name.startsWith(PROTECTED_GROUP_PREFIX)
}

/** The length of a string in Kafka's protocol. */
const MAX_GROUP_LENGTH = 32_767

/** A filter of consumer groups, whose names may be anything. */
export const groupFilter = z.strictObject({
  pattern_type: patternType,
  filter_type: filterType,
  name: z.string({ error: 'expected the name of a group, the start of one, or *' })
}, { error: expectedFilter }).transform((raw, context): NameFilter => checkedFilter(raw, context, filter => {
  if (filter.name === '' || filter.name.length > MAX_GROUP_LENGTH) return `expected 1 to ${MAX_GROUP_LENGTH} characters`
  return filter.filter_type === 'INCLUDE' && isProtectedGroup(filter.name) ? 'this group is never shadowed' : null
}))

/** As `selectsTopic`, of consumer groups. */
export function selectsGroup (filters: readonly NameFilter[], name: string): boolean {
  return name !== '' && !isProtectedGroup(name) && selects(filters, name)
}

/** How filters are stored and shown. */
export function filtersDocument (filters: readonly NameFilter[]): Array<Record<string, string>> {
  return filters.map(filter => ({ pattern_type: filter.patternType, filter_type: filter.filterType, name: filter.name }))
}

/** Topics that no filter selects: what Kafka, Redpanda and kafka-shadow itself keep in topics. */
const PROTECTED_TOPICS: readonly string[] = ['__consumer_offsets', '__transaction_state', '__share_group_state', '__cluster_metadata', '_redpanda.audit_log', '_schemas']
const PROTECTED_PREFIXES: readonly string[] = ['_redpanda', '__redpanda', '__kshadow']

/** True for topics that no filter may select, whatever it says. */
export function isProtectedTopic (name: string): boolean {
  return PROTECTED_TOPICS.includes(name) || PROTECTED_PREFIXES.some(prefix => name.startsWith(prefix))
}

/**
 * True when a link with these filters shadows a topic of this name: at least one include matches and no exclude does; their
 * order means nothing. No filters select nothing. Internal and system topics are never selected.
 */
export function selectsTopic (filters: readonly NameFilter[], name: string): boolean {
  return !isProtectedTopic(name) && selects(filters, name)
}

/** At least one include matches, and no exclude does. */
export function selects (filters: readonly NameFilter[], name: string): boolean {
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
