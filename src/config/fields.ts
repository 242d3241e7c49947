/** The kinds of values that configurations are made of. Every message says what was expected. */
import { isIPv6 } from 'node:net'
import { z } from 'zod'
import { formatDuration, parseDuration } from './duration.ts'
import { parseHostPort, type HostPort } from '../net/host-port.ts'

const MAX_INT32 = 2 ** 31 - 1

const HOST_NAME = /^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?$/

/** A name, an IPv4 address, or an IPv6 address without brackets. */
export function isHost (text: string): boolean {
  return isIPv6(text) || (HOST_NAME.test(text) && !text.includes('..'))
}

function addressField (expected: string, parse: (text: string) => HostPort | null): z.ZodType<HostPort> {
  return z.string({ error: expected }).transform((text, context) => {
    const address = parse(text)
    if (address !== null && isHost(address.host)) return address
    context.addIssue({ code: 'custom', message: expected })
    return z.NEVER
  })
}

export const hostPort: z.ZodType<HostPort> = addressField('expected host:port, such as broker-1:9092 or [::1]:9092', parseHostPort)

/** As hostPort; port 0 lets the system choose one. */
export const listenAddress: z.ZodType<HostPort> = addressField('expected host:port to listen at, such as 127.0.0.1:9644', text => {
  const address = text.endsWith(':0') ? parseHostPort(text.replace(/:0$/, ':1')) : parseHostPort(text)
  return address !== null && text.endsWith(':0') ? { host: address.host, port: 0 } : address
})

const expectedHost = 'expected a host name or address'

export const host: z.ZodType<string> = z.string({ error: expectedHost }).refine(isHost, { error: expectedHost })

export const bootstrapServers: z.ZodType<HostPort[]> =
  z.array(hostPort, { error: 'expected a list of host:port' }).min(1, { error: 'expected at least one host:port' })

/** A duration in Go's notation, as milliseconds. */
export function duration (minMs: number, maxMs: number): z.ZodType<number> {
  const expected = `expected a duration such as 30s, from ${formatDuration(minMs)} to ${formatDuration(maxMs)}`
  return z.string({ error: expected }).transform((text, context) => {
    const ms = parseDuration(text)
    if (ms !== null && ms >= minMs && ms <= maxMs) return ms
    context.addIssue({ code: 'custom', message: expected })
    return z.NEVER
  })
}

/** As `rpk shadow` has it: 0 stands for the default. */
export function durationOrDefault (fallback: number, minMs = 100, maxMs = 86_400_000): z.ZodType<number> {
  const error = `expected a duration such as 30s, from ${formatDuration(minMs)} to ${formatDuration(maxMs)}, or 0s for the default, ${formatDuration(fallback)}`
  return z.string({ error }).transform((text, context) => {
    const ms = parseDuration(text)
    if (ms === 0) return fallback
    if (ms !== null && ms >= minMs && ms <= maxMs) return ms
    context.addIssue({ code: 'custom', message: error })
    return z.NEVER
  }).default(fallback)
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

/** 0 lets the system choose. */
export const port: z.ZodType<number> = integer(0, 65535)
