import { z } from 'zod'

/** A key of `rpk shadow` that this version does not act on: only what asks for nothing is taken, such as a section that is switched off. */
export function notYet (what: string): z.ZodType<undefined> {
  return refusedUnless(z.union([z.null(), z.looseObject({ enabled: z.literal(false) })]), `${what} is not part of this version; leave the key out`)
}

/** Nothing but `nothing`, and it comes to nothing. */
export function refusedUnless (nothing: z.ZodType, error: string): z.ZodType<undefined> {
  return z.unknown().transform((value, context) => {
    if (value === undefined || nothing.safeParse(value).success) return undefined
    context.addIssue({ code: 'custom', message: error })
    return z.NEVER
  }).optional()
}
