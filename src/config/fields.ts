/** The kinds of values that configurations are made of. Every message says what was expected. */
import { z } from 'zod'
import { parseDuration } from './duration.ts'
import { parseHostPort, type HostPort } from '../net/host-port.ts'

const MAX_INT32 = 2 ** 31 - 1

export const hostPort: z.ZodType<HostPort> = z.string({ error: 'expected host:port' }).transform((text, context) => {
  const address = parseHostPort(text)
  if (address !== null) return address
  context.addIssue({ code: 'custom', message: 'expected host:port' })
  return z.NEVER
})

export const bootstrapServers: z.ZodType<HostPort[]> =
  z.array(hostPort, { error: 'expected a list of host:port' }).min(1, { error: 'expected at least one host:port' })

/** A duration in Go's notation, as milliseconds. */
export function duration (minMs: number, maxMs: number): z.ZodType<number> {
  const expected = `expected a duration such as 30s, from ${minMs} ms to ${maxMs} ms`
  return z.string({ error: expected }).transform((text, context) => {
    const ms = parseDuration(text)
    if (ms !== null && ms >= minMs && ms <= maxMs) return ms
    context.addIssue({ code: 'custom', message: expected })
    return z.NEVER
  })
}

export function integer (min: number, max: number = MAX_INT32): z.ZodType<number> {
  const error = `expected a whole number from ${min} to ${max}`
  return z.number({ error }).int({ error }).min(min, { error }).max(max, { error })
}

/** As `rpk shadow` has it: 0 stands for the default. */
export function integerOrDefault (min: number, fallback: number, max: number = MAX_INT32): z.ZodType<number> {
  const error = `expected 0 (for the default, ${fallback}) or a whole number from ${min} to ${max}`
  return z.number({ error }).int({ error }).max(max, { error }).refine(value => value === 0 || value >= min, { error })
    .transform(value => value === 0 ? fallback : value).default(fallback)
}

export const flag = (fallback: boolean): z.ZodType<boolean> => z.boolean({ error: 'expected true or false' }).default(fallback)

export const port: z.ZodType<number> = integer(1, 65535)
