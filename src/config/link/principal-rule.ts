/** `principal_mapping`, a key of kafka-shadow's own: what the source's principals are called on the shadow. */
import { z } from 'zod'
import type { PatternType } from './name-filter.ts'

export interface PrincipalRule {
  readonly patternType: PatternType
  /** A principal such as `User:alice`, or how principals begin. */
  readonly name: string
  /** What stands in the place of `name` on the shadow; null leaves out all that these principals are given. */
  readonly replacement: string | null
}

/** Everybody: as a name it would match a prefix such as `User:`, and become somebody. */
const EVERYBODY = 'User:*'

const replacementError = 'expected what stands in the place of name, such as User:site-b-, or drop: true'

export const principalRule: z.ZodType<PrincipalRule> = z.strictObject({
  pattern_type: z.enum(['LITERAL', 'PREFIX', 'PREFIXED'], { error: 'expected LITERAL or PREFIX' }),
  name: z.string({ error: 'expected a principal such as User:alice, or how principals begin' }).min(1, { error: 'expected a principal such as User:alice, or how principals begin' }),
  replacement: z.string({ error: replacementError }).optional(),
  drop: z.boolean({ error: 'expected true or false' }).optional()
}, { error: 'expected pattern_type, name and replacement' }).transform((rule, context): PrincipalRule => {
  const refuse = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message })
  if (rule.drop === true && rule.replacement !== undefined) refuse('drop', 'expected either replacement or drop: true')
  if (rule.drop !== true && rule.replacement === undefined) refuse('replacement', replacementError)
  // What comes out must be a principal: a type, a colon, a name.
  if (rule.replacement !== undefined && !/^[^:]+:/.test(rule.replacement)) refuse('replacement', 'expected the type of a principal at the start, such as User:')
  if (rule.pattern_type === 'LITERAL' && rule.replacement !== undefined && /^[^:]+:$/.test(rule.replacement)) refuse('replacement', 'expected a whole principal, such as User:alice')
  return { patternType: rule.pattern_type === 'LITERAL' ? 'LITERAL' : 'PREFIX', name: rule.name, replacement: rule.drop === true ? null : rule.replacement ?? '' }
})

export function principalRulesDocument (rules: readonly PrincipalRule[]): Array<Record<string, string | boolean>> {
  return rules.map(({ patternType, name, replacement }) => ({ pattern_type: patternType, name, ...(replacement === null ? { drop: true } : { replacement }) }))
}

/**
 * What a principal of the source is called on the shadow: the first rule that matches says it, and without one it stays what it is. Null where
 * it is left out. `User:*`, everybody, is matched by a LITERAL rule only.
 */
export function mapPrincipal (rules: readonly PrincipalRule[], principal: string): string | null {
  for (const { patternType, name, replacement } of rules) {
    const isMatch = patternType === 'LITERAL' || principal === EVERYBODY ? patternType === 'LITERAL' && principal === name : principal.startsWith(name)
    if (isMatch) return replacement === null ? null : `${replacement}${principal.slice(name.length)}`
  }
  return principal
}
