import { z } from 'zod'

/** A key of `rpk shadow` that this version does not act on yet. */
export function notYet (what: string): z.ZodOptional<z.ZodUndefined> {
  return z.undefined({ error: `${what} is not part of this version; leave the key out` }).optional()
}
